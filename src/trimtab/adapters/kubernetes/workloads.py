"""`ports.Workloads` over a cluster: primaries are made from pinned revisions, targets are only scaled and annotated. Made by `wiring`.

What a primary looks like is said in `primary`; which bytes the canary's pods run, and how they come to run them, in `canary_pods`.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from trimtab.adapters.kubernetes.autoscaling import Autoscaling
from trimtab.adapters.kubernetes.canary_pods import CanaryPods
from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import Cluster, key_of
from trimtab.adapters.kubernetes.finalizer import deleted, leaving
from trimtab.adapters.kubernetes.kinds import POD, SERVICE, Kind
from trimtab.adapters.kubernetes.links import Links
from trimtab.adapters.kubernetes.marks import CANARY, REVISION, note
from trimtab.adapters.kubernetes.order import TARGETS, Order, copy_of, kind_of, serves
from trimtab.adapters.kubernetes.pods import belongs, living, restarts, selector
from trimtab.adapters.kubernetes.primary import Plan, primary
from trimtab.adapters.kubernetes.service_targets import ServiceTargets
from trimtab.adapters.kubernetes.upkeep import Upkeep
from trimtab.documents.flagger import AutoscalerRef
from trimtab.errors import OutsideError, Unavailable
from trimtab.model.facts import Copy
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.revision import Revision
from trimtab.model.rollout import Leaving
from trimtab.model.watching import Restarts
from trimtab.ports import Wanted


@dataclass
class ClusterWorkloads:
    """The Deployments, DaemonSets and Services of a cluster that are targets."""

    cluster: Cluster
    upkeep: Upkeep = field(init=False)
    autoscaling: Autoscaling = field(init=False)
    canaries: CanaryPods = field(init=False)
    services: ServiceTargets = field(init=False)
    _watched: Links[CanaryKey, tuple[str, str]] = field(default_factory=Links)
    """By namespace and name of the target and of the Service; what is called after them is watched with them."""
    _autoscalers: dict[CanaryKey, AutoscalerRef | None] = field(default_factory=dict)
    _woken: dict[CanaryKey, None] = field(default_factory=dict)
    _rings: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.upkeep = Upkeep(self.cluster)
        self.autoscaling = Autoscaling(self.upkeep)
        self.canaries = CanaryPods(self.upkeep, self.autoscaling)
        self.services = ServiceTargets(self.upkeep)
        self.cluster.forgetters.append(self._forget)
        self.cluster.wakers.append(self.wake)
        for kind in (*TARGETS.values(), SERVICE):
            self.cluster.mirrors[kind].listen(self._heard)

    async def look(self, key: CanaryKey, policy: Policy) -> tuple[Copy, Copy]:
        """Both copies, from what the mirrors hold; while the canary has pods, also from a list of these."""
        name = policy.target.name
        kind = SERVICE if policy.target.kind == SERVICE.kind else kind_of(policy)
        self._watched.set(key, {(key.namespace, name), (key.namespace, policy.service.name)})
        if leaving(self.cluster.raw(key)):
            return self._left(kind, key, name)
        if kind is SERVICE:
            return self.services.look(key, policy)
        there = self.upkeep.seen(kind, key.namespace, f"{name}-primary")
        first = copy_of(kind, there, note(there, REVISION) or "") if there is not None else Copy(kind=kind.kind)
        return first, await self.canaries.look(key, kind, name)

    def _left(self, kind: Kind, key: CanaryKey, name: str) -> tuple[Copy, Copy]:
        """The copies of a Canary that is being deleted: the target is a copy whatever it runs. Services have no pods to wait for."""
        primary, target = (self.upkeep.seen(kind, key.namespace, found) for found in (f"{name}-primary", name))
        if kind is SERVICE or target is None or deleted(target):
            return Copy(kind=kind.kind), Copy(kind=kind.kind, absent=True)
        first = copy_of(kind, primary, note(primary, REVISION) or "") if primary is not None else Copy(kind=kind.kind)
        return first, copy_of(kind, target, note(target, CANARY) or "")

    async def set(self, key: CanaryKey, wanted: Wanted) -> None:
        """The canary first: trouble of the primary must not keep it from where it belongs (S9)."""
        if wanted.policy.target.kind == SERVICE.kind:
            if wanted.exposure.leaving is not Leaving.NO:
                return
            await self.services.set(key, wanted)
            return
        document = self.cluster.canary(key)
        # While a Canary cannot be read its autoscaler goes on saying how many pods there are (QUIRK-20).
        if document is None and key not in self._autoscalers:
            document = next(iter(self.cluster.once_valid(key)), None)
        if document is not None:
            self._autoscalers[key] = document.spec.autoscaler_ref
        uid = str(self.cluster.user(key)["uid"])
        order = Order(key, wanted, kind_of(wanted.policy), self._autoscalers.get(key), uid)
        target = self.upkeep.seen(order.kind, order.namespace, order.target)
        order.current(target, self.upkeep.seen(order.kind, order.namespace, order.primary))
        exposure = wanted.exposure
        if exposure.leaving is not Leaving.NO:
            await (self.canaries.part(order) if exposure.leaving is Leaving.GONE else self.canaries.release(order))
            return
        if exposure.routed and target is not None:
            if exposure.canary is None:
                await self.canaries.rest(order)
            else:
                await self.canaries.serve(order, target, exposure.canary)
        if exposure.primary is not None:
            await self._primary(order, target, exposure.primary)

    async def restarts(self, key: CanaryKey, policy: Policy) -> Restarts:
        """What the API server says of the primary's pods now. A Service has none."""
        if policy.target.kind == SERVICE.kind:
            return Restarts()
        name = f"{policy.target.name}-primary"
        primary = self.upkeep.seen(kind_of(policy), key.namespace, name)
        if primary is None:
            return Restarts(problem=f"there is no {name}.{key.namespace}")
        try:
            listing = await self.cluster.client.list(POD, key.namespace, labels=selector(primary))
        except OutsideError as problem:
            return Restarts(problem=str(problem))
        return Restarts(restarts(pod for pod in listing.items if living(pod) and belongs(pod, primary)))

    def wake(self, key: CanaryKey) -> None:
        """Its route was changed by somebody else, or something is to be tried again, which interrupts nothing either (P5)."""
        self._woken[key] = None
        self._rings.set()

    async def changes(self) -> AsyncIterator[CanaryKey]:
        """A key each time one of its workloads changed, its Services or its route, or it was woken. One reader."""
        while True:
            await self._rings.wait()
            self._rings.clear()
            woken, self._woken = list(self._woken), {}
            for key in woken:
                yield key

    async def _primary(self, order: Order, target: Object | None, revision: Revision) -> None:
        """The primary and, once it serves, its autoscaler."""
        if target is None:
            if note(self.upkeep.seen(order.kind, order.namespace, order.primary), REVISION) == revision.id:
                return
            name = f"{order.kind.kind.lower()} {order.target}.{order.namespace}"
            raise Unavailable(f"{name} is gone, and its primary is made after it. Bring it back, or remove Canary {order.key}.")
        plan = Plan(
            order.kind, target, revision, self.cluster.owner(order.key), self.cluster.settings, order.wanted.serial,
            order.replicas, order.autoscaler is not None,
        )  # fmt: skip

        def shape(found: Object | None) -> Object | None:
            made = primary(plan, found)
            if made is not None:
                order.current(found)
            return made

        there = await self.upkeep.make(order.kind, order.namespace, order.primary, shape)
        if there is not None and order.wanted.exposure.routed and serves(order.kind, there):
            await self.autoscaling.follow(order, revision.id)

    def _forget(self, key: CanaryKey) -> None:
        self._watched.set(key, ())
        self._autoscalers.pop(key, None)
        self._woken.pop(key, None)
        self.canaries.forget(key)

    def _heard(self, found: Object) -> None:
        """An object was added, changed or deleted."""
        place = key_of(found)
        for name in {place.name, place.name.removesuffix("-primary"), place.name.removesuffix("-canary")}:
            for key in self._watched.of((place.namespace, name)):
                self.wake(key)
