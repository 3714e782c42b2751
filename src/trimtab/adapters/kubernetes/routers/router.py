"""`ports.Router` of a cluster: reads what the providers' pure functions are about, and writes what they answer. Made by `wiring`.

Services come first, then what the route needs beside it, then the route itself. Every change is bound to the resourceVersion that was
read, and says which record it comes from; what is as it should be is not written.
"""

from trimtab.adapters.kubernetes import services
from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import Cluster, key_of, metadata_of
from trimtab.adapters.kubernetes.finalizer import leaving
from trimtab.adapters.kubernetes.kinds import CANARY, SERVICE, Kind
from trimtab.adapters.kubernetes.marks import controlled, owners
from trimtab.adapters.kubernetes.routers.choose import choose
from trimtab.adapters.kubernetes.routers.drift import change, marked, serial_of, without_nothing
from trimtab.adapters.kubernetes.routers.follow import RouteFollower
from trimtab.adapters.kubernetes.routers.provider import Provider
from trimtab.adapters.kubernetes.routers.routing import Routing
from trimtab.config.references import mapping
from trimtab.documents.flagger import Canary
from trimtab.errors import Conflict, InputError, Unavailable
from trimtab.model.facts import Capabilities, Routes
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.rollout import Leaving
from trimtab.ports import Wanted


class ClusterRouter:
    """Traffic of every Canary of one cluster."""

    def __init__(self, cluster: Cluster, follower: RouteFollower) -> None:
        self._cluster, self._follower = cluster, follower
        self._readable: dict[CanaryKey, Canary] = {}
        self._serials: dict[tuple[CanaryKey, str], int] = {}
        cluster.forgetters.append(self._forget)

    def capabilities(self, policy: Policy) -> Capabilities:
        """What the policy's provider can do. InputError where there is no such provider."""
        provider = choose(policy.provider, self._cluster.settings)
        return Capabilities(weights=False, match=False, mirror=False) if provider is None else provider.capabilities(policy)

    async def look(self, key: CanaryKey, policy: Policy) -> Routes | None:
        """Where the live objects send requests; None until the Services are ours, and where there is no route object yet."""
        provider = choose(policy.provider, self._cluster.settings)
        if self._cluster.raw(key) is None:
            return None
        if leaving(self._cluster.raw(key)) and await self._given_back(key, policy, provider):
            return None
        if not self._services_lead_to_primary(key, policy):
            return None
        if provider is None:
            return Routes(0)
        live = await self._route(key, provider, provider.name(self._canary(key, provider), policy))
        return provider.read(live, policy.service.name) if live is not None else None

    async def set(self, key: CanaryKey, wanted: Wanted) -> None:
        """Writes what differs. Conflict where a newer record was here or somebody wrote meanwhile, InputError where the Canary cannot be
        routed."""
        provider = choose(wanted.policy.provider, self._cluster.settings)
        uid = str(self._cluster.user(key)["uid"])
        canary = self._canary(key, provider)
        live = None
        if provider is not None:
            live = await self._route(key, provider, provider.name(canary, wanted.policy))
        routing = Routing(key, uid, canary, wanted.policy, wanted.exposure, wanted.serial)
        self._refuse_stale(routing, live)
        if wanted.exposure.leaving is Leaving.GIVING_BACK:
            await self._give_back(routing, provider, live)
            return
        await services.reconcile(self._cluster, key, canary, wanted.serial, routed=wanted.exposure.routed)
        if provider is None or not wanted.exposure.routed:
            return
        for kind, beside in provider.beside(routing):
            found = await self._cluster.client.get(kind, key.namespace, name_of(beside))
            await self._write(routing, kind, beside, found, marks=False)
        origin = await self._origin(key, provider, canary)
        made = provider.route(routing, live, origin)
        place = {"name": provider.name(canary, wanted.policy), "namespace": key.namespace}
        written = await self._write(routing, provider.kind, {**made, "metadata": {**mapping(made["metadata"]), **place}}, live)
        self._follower.know(key, provider.kind, place["name"], written)

    async def routed(self, key: CanaryKey, policy: Policy) -> int:
        """The newest record that moved traffic of a Canary, as far as its route or this process knows; 0 where none did."""
        provider, canary = choose(policy.provider, self._cluster.settings), self._cluster.canary(key)
        uid = str(self._cluster.user(key)["uid"])
        known = self._serials.get((key, uid), 0)
        if provider is None or canary is None:
            return known
        live = await self._route(key, provider, provider.name(canary, policy))
        return max(known, serial_of(live, uid)) if live is not None else known

    def _forget(self, key: CanaryKey) -> None:
        self._readable.pop(key, None)
        for known in [known for known in self._serials if known[0] == key]:
            del self._serials[known]

    async def _given_back(self, key: CanaryKey, policy: Policy, provider: Provider | None) -> bool:
        """Is traffic led where it would be without us?"""
        if await services.astray(self._cluster, key, policy) is not None:
            return False
        live = await self._route(key, provider, provider.name(self._canary(key, provider), policy)) if provider is not None else None
        return provider is None or live is None or self._left(key, provider, live) == live

    async def _give_back(self, routing: Routing, provider: Provider | None, live: Object | None) -> None:
        """The Service first: where a route goes that was ours alone, requests come to the Service (DEL-2)."""
        client, key = self._cluster.client, routing.key
        apex = await services.astray(self._cluster, key, routing.policy)
        if apex is not None:
            made = services.noted(apex, routing.serial, routing.uid)
            self._cluster.mirrors[SERVICE].put(await client.replace(SERVICE, made))
        if provider is None or live is None:
            return
        left = self._left(key, provider, live)
        if left is None:
            await client.delete(provider.kind, key.namespace, name_of(live), uid=str(metadata_of(live).get("uid")))
        elif left != live:
            await client.replace(provider.kind, marked(left, routing.serial, routing.uid))

    def _left(self, key: CanaryKey, provider: Provider, live: Object) -> Object | None:
        """What should be left of a route object: nothing of one that we made, what it said before of one that we took over (RT-I6)."""
        if controlled(live, str(self._cluster.user(key)["uid"])):
            return None
        original = provider.original(live)
        return live if original is None else {**live, "spec": original}

    def _canary(self, key: CanaryKey, provider: Provider | None) -> Canary:
        """The Canary as it is, or as it last could be routed: an edit that cannot work must not keep traffic where it is (QUIRK-20)."""
        found = self._cluster.read(key)
        document = found.canary if found is not None else None
        problem = found.problem if found is not None else "it is gone"
        if document is not None:
            problem = unroutable(document, provider)
            if not problem:
                self._readable[key] = document
        known = self._readable.get(key)
        if known is None:
            # After a restart only the record knows.
            known = next((once for once in self._cluster.once_valid(key) if not unroutable(once, provider)), None)
        if known is None:
            raise InputError(f"Canary {key} cannot be routed: {problem}")
        return known

    def _services_lead_to_primary(self, key: CanaryKey, policy: Policy) -> bool:
        """Does the apex select the same pods as the Service of the primary? A target of kind Service has no pods to select."""
        if policy.target.kind == "Service":
            return True
        mirror, name = self._cluster.mirrors[SERVICE], policy.service.name
        selectors = [
            mapping(mapping(found.get("spec")).get("selector")) if (found := mirror.get(key.namespace, one)) is not None else {}
            for one in (name, f"{name}-primary")
        ]
        return bool(selectors[0]) and selectors[0] == selectors[1]

    def _refuse_stale(self, routing: Routing, live: Object | None) -> None:
        """Orders of an older record change nothing, whoever gave the newer ones; nor do orders about the route of another Canary."""
        known = routing.key, routing.uid
        newest = self._serials.get(known, 0)
        if live is not None:
            refuse_another_canary(live, routing)
            newest = max(newest, serial_of(live, routing.uid))
        if routing.serial < newest:
            raise Conflict(f"moving traffic of {routing.key} by record {routing.serial}: record {newest} was there before")
        self._serials[known] = routing.serial

    async def _route(self, key: CanaryKey, provider: Provider, name: str) -> Object | None:
        found = await self._cluster.client.get(provider.kind, key.namespace, name)
        self._follower.know(key, provider.kind, name, found)
        return found

    async def _origin(self, key: CanaryKey, provider: Provider, canary: Canary) -> Object | None:
        found = provider.origin(canary)
        return await self._cluster.client.get(found[0], key.namespace, found[1]) if found is not None else None

    async def _write(self, routing: Routing, kind: Kind, wanted: Object, live: Object | None, *, marks: bool = True) -> Object:
        """Creates an object, or changes in it what differs; the mark of the record is written with a change, never alone.

        Only the route has one: what is beside it says nothing about who gets which share. The object as it is then.
        """
        client = self._cluster.client
        if live is None:
            made = without_nothing(wanted)
            made = marked(made, routing.serial, routing.uid) if marks else made
            metadata = {**mapping(made["metadata"]), "ownerReferences": [self._cluster.owner(routing.key)]}
            return await client.create(kind, {"apiVersion": kind.api_version, "kind": kind.kind, **made, "metadata": metadata})
        refuse_another_canary(live, routing)
        differing = change(live, wanted)
        if not differing:
            return live
        patch = marked(differing, routing.serial, routing.uid) if marks else differing
        metadata = {**mapping(patch.get("metadata")), "resourceVersion": metadata_of(live).get("resourceVersion")}
        return await client.patch(kind, routing.key.namespace, name_of(wanted), {**patch, "metadata": metadata})


def unroutable(canary: Canary, provider: Provider | None) -> str:
    """Why no route can be made from a Canary, with field and fix; empty where one can."""
    if canary.spec.service is None:
        return "spec.service is missing: give at least spec.service.port, the port of the Service in front of the target"
    return provider.problem(canary) if provider is not None else ""


def name_of(made: Object) -> str:
    """Under which name it is written."""
    return str(metadata_of(made)["name"])


def refuse_another_canary(live: Object, routing: Routing) -> None:
    """Unavailable where another Canary owns the object: two that write the same route would fight for ever."""
    for owner in owners(live):
        if owner.get("controller") and owner.get("kind") == CANARY.kind and owner.get("uid") != routing.uid:
            what = f"{live.get('kind')} {key_of(live)}"
            problem = f"{what} belongs to Canary {owner.get('name')} (uid {owner.get('uid')}), so Canary {routing.key} cannot route by it"
            raise Unavailable(f"{problem}. Give one of them another spec.service.name, or wait until the other one is gone")
