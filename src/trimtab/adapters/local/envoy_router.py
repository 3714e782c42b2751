"""Who gets which share of the requests. Implements `ports.Router` on the Envoy of this machine; made by `wiring`."""

import asyncio
import hashlib
from collections import defaultdict

import msgspec

from trimtab.adapters.local import envoy_documents, envoy_files
from trimtab.adapters.local.dataplane import Backend, CopyName
from trimtab.adapters.local.envoy import Envoy
from trimtab.adapters.local.envoy_admin import Action, RouteConfiguration
from trimtab.adapters.local.envoy_documents import Exposed, Shares, cluster_name
from trimtab.errors import Conflict, InputError
from trimtab.model.facts import Capabilities, Routes
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.ports import Wanted

WITHOUT_WEIGHTS = "kubernetes"
"""The only provider that knows no weights (L5, RT-KU): everybody always gets the primary."""


class EnvoyRouter:
    """Routes of the Services that Canaries stand behind."""

    def __init__(self, envoy: Envoy) -> None:
        self._envoy = envoy
        self._serials: dict[CanaryKey, int] = {}
        self._locks: defaultdict[CanaryKey, asyncio.Lock] = defaultdict(asyncio.Lock)

    def capabilities(self, policy: Policy) -> Capabilities:
        """Everything for every provider that knows weights, nothing for `kubernetes` (L5)."""
        able = policy.provider.partition(":")[0] != WITHOUT_WEIGHTS
        return Capabilities(weights=able, match=able, mirror=able)

    async def look(self, key: CanaryKey, policy: Policy) -> Routes | None:
        """Where requests go by Envoy's own word, never by our file (L4); None where it does not listen for the Service yet."""
        await self._envoy.start()
        service = self._envoy.exposed(key.namespace, policy.service.name)
        live = await self._envoy.admin.routes(service.name) if service else None
        return read_routes(live, service) if live is not None and service else None

    async def set(self, key: CanaryKey, wanted: Wanted) -> None:
        """Moves requests and returns when Envoy is seen to go by it, within 5 s.

        Raises Conflict where `wanted` is older than what was set before, InputError where Envoy refuses the conditions of an A/B test,
        else Unavailable.
        """
        async with self._locks[key]:
            if wanted.serial < self._serials.get(key, 0):
                raise Conflict(f"moving traffic of {key} by record {wanted.serial}: record {self._serials[key]} was there before")
            self._serials[key] = wanted.serial
            service = await self._envoy.expose(key.namespace, wanted.policy.service.name, wanted.policy.service.port)
            if wanted.exposure.routed:
                await self._move(key, service, self._shares(wanted))

    def _shares(self, wanted: Wanted) -> Shares:
        if not self.capabilities(wanted.policy).weights:
            return Shares()
        exposure, policy = wanted.exposure, wanted.policy
        match = envoy_documents.matches(policy) if exposure.matched else ()
        return Shares(exposure.weight, match, envoy_documents.mirror_share(policy) if exposure.mirrored else 0)

    async def _move(self, key: CanaryKey, service: Exposed, shares: Shares) -> None:
        digest = hashlib.sha256(msgspec.json.encode(envoy_documents.routes(service, shares, {}))).hexdigest()
        expected = Routes(shares.weight, bool(shares.match), bool(shares.mirror))

        async def seen() -> bool:
            live = await self._envoy.admin.routes(service.name)
            # The digest stands for all that `Routes` does not hold; the weights are looked at themselves all the same.
            return live is not None and live.metadata.filter_metadata.trimtab.digest == digest and read_routes(live, service) == expected

        if await seen():
            return
        document = envoy_documents.routes(service, shares, {"digest": digest})
        refusals = rf"^http\.{service.name}\.rds\.{service.name}\.update_(rejected|failure)$"
        try:
            await envoy_files.take_over(self._envoy.admin, self._envoy.routes_file(service), document, seen, refusals)
        except envoy_files.Rejected as rejected:
            if not shares.match:
                raise
            problem = (
                f"Envoy refuses spec.analysis.match of Canary {key}: {rejected.reason}. Correct the condition; traffic stays as it was."
            )
            raise InputError(problem) from rejected


def read_routes(live: RouteConfiguration, service: Exposed) -> Routes:
    """What the routes that Envoy goes by come to: the canary's share of those who match nothing, and who else reaches it."""
    canary = cluster_name(Backend(service.namespace, service.service, CopyName.CANARY), service.wanted)
    actions = [route.route for host in live.virtual_hosts for route in host.routes]
    if not actions:
        return Routes(0)
    *matched, everyone = actions
    mirrored = any(policy.cluster == canary for policy in everyone.request_mirror_policies)
    return Routes(_share(everyone, canary), any(_share(action, canary) for action in matched), mirrored)


def _share(action: Action, cluster: str) -> int:
    if action.weighted_clusters is None:
        return 100 if action.cluster == cluster else 0
    weights = {share.name: share.weight for share in action.weighted_clusters.clusters}
    return round(100 * weights.get(cluster, 0) / (sum(weights.values()) or 1))
