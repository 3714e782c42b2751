"""Writes the primary's autoscaler and pauses the target's (AS-1 to AS-3). Called by `workloads`; what they look like is in `scalers`."""

from dataclasses import dataclass

from trimtab.adapters.kubernetes import scalers
from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.marks import REVISION, note
from trimtab.adapters.kubernetes.order import Order
from trimtab.adapters.kubernetes.upkeep import Upkeep
from trimtab.documents.flagger import AutoscalerRef
from trimtab.errors import InputError


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """The autoscalers of a cluster. Each call does nothing for a Canary without one."""

    upkeep: Upkeep

    async def follow(self, order: Order, revision: str) -> None:
        """The primary's follows the target's with each promotion. Called when the new primary serves."""
        reference = order.autoscaler
        if reference is None:
            return
        kind, name = scalers.KINDS[reference.kind], f"{reference.name}-primary"
        if note(await self.upkeep.cluster.client.get(kind, order.namespace, name), REVISION) == revision:
            return
        source = await self._source(order, reference)
        wanted = scalers.scaler(reference, source, order.target, self.upkeep.cluster.owner(order.key), revision)
        await self.upkeep.make(kind, order.namespace, name, lambda found: wanted if found is None else scalers.renewed(found, wanted))

    async def pause(self, order: Order, *, pause: bool) -> None:
        """A ScaledObject would scale the target by itself (AS-3); an HPA does not scale from zero (AS-2)."""
        reference = order.autoscaler
        if reference is None or reference.kind != "ScaledObject":
            return
        await self._source(order, reference)
        kind = scalers.KINDS[reference.kind]
        await self.upkeep.change(kind, order.namespace, reference.name, lambda found: scalers.paused(found, pause))

    async def resume(self, order: Order) -> None:
        """The target's scales it again, if it is there still: the Canary is being deleted, maybe with everything around it (DEL-2)."""
        reference = order.autoscaler
        if reference is not None and reference.kind == "ScaledObject":
            kind = scalers.KINDS[reference.kind]
            await self.upkeep.change(kind, order.namespace, reference.name, lambda found: scalers.paused(found, False))

    async def least(self, order: Order) -> int:
        """What the target's starts with; 0 where there is none."""
        if order.autoscaler is None:
            return 0
        return scalers.first_replicas(order.autoscaler, await self._source(order, order.autoscaler))

    async def _source(self, order: Order, reference: AutoscalerRef) -> Object:
        """The target's. InputError where there is none: somebody has to create it, or to correct spec.autoscalerRef (AS-1)."""
        kind = scalers.KINDS[reference.kind]
        found = await self.upkeep.cluster.client.get(kind, order.namespace, reference.name)
        if found is None:
            where = f"{reference.kind} {reference.name}.{order.namespace}"
            raise InputError(f'{where} get query error: {kind} "{reference.name}" not found')
        return found
