"""Scales targets up and down, and sees to it that every pod of a canary runs the revision it is wanted for (S7, WL-4, QUIRK-9).

Called by `workloads`. The target's template is never touched, but for the node selector by which a DaemonSet is scaled.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from trimtab.adapters.kubernetes.autoscaling import Autoscaling
from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import key_of, metadata_of
from trimtab.adapters.kubernetes.configs import KINDS
from trimtab.adapters.kubernetes.deployments import enough, observed
from trimtab.adapters.kubernetes.kinds import DEPLOYMENT, POD, Kind
from trimtab.adapters.kubernetes.marks import CANARY, PENDING, REVISION, SERIAL, SINCE, note
from trimtab.adapters.kubernetes.order import Order, copy_of, running, scaled
from trimtab.adapters.kubernetes.pods import Pods, changed_at, counted, selector, since_of, sorted_out, written_at
from trimtab.adapters.kubernetes.primary import replicas_of
from trimtab.adapters.kubernetes.upkeep import Upkeep
from trimtab.errors import Conflict, Unavailable
from trimtab.model.facts import Copy
from trimtab.model.names import CanaryKey
from trimtab.model.revision import Revision


@dataclass
class CanaryPods:
    """The canaries of a cluster."""

    upkeep: Upkeep
    autoscaling: Autoscaling
    _doubtful: dict[CanaryKey, tuple[Object, ...]] = field(default_factory=dict)
    """Pods that the last look found and that have to go."""
    _listed: dict[CanaryKey, tuple[object, Pods]] = field(default_factory=dict)
    """The pods of canaries that run, with the version of the target when they were listed. Whatever happens to a pod changes what its
    workload says of itself, so until then there is nothing new to be seen."""

    async def look(self, key: CanaryKey, kind: Kind, name: str) -> Copy:
        """The canary. A target that is wanted for no revision is none, whoever scaled it (QUIRK-30), once it was put to rest."""
        target = self.upkeep.seen(kind, key.namespace, name)
        revision = note(target, CANARY)
        self._doubtful.pop(key, None)
        if target is None:
            return Copy(kind=kind.kind)
        if not revision and running(kind, target):
            primary = self.upkeep.seen(kind, key.namespace, f"{name}-primary")
            still_serves = revision is None and note(primary, REVISION) is not None
            return copy_of(kind, target, "") if still_serves else Copy(kind=kind.kind)
        copy = copy_of(kind, target, revision or "")
        if not copy.desired:
            self._listed.pop(key, None)
            return copy
        pods = await self._seen_pods(key, target)
        if pods.doubtful:
            self._doubtful[key] = pods.doubtful
            del self._listed[key]
        return counted(copy, pods)

    def forget(self, key: CanaryKey) -> None:
        """The Canary is gone."""
        self._doubtful.pop(key, None)
        self._listed.pop(key, None)

    async def rest(self, order: Order) -> None:
        """No pods. A target that is at rest and that somebody scaled up again is left to them (QUIRK-30)."""
        primary = self.upkeep.seen(order.kind, order.namespace, order.primary)
        by_flagger = primary is not None and note(primary, REVISION) is None

        seen = self.upkeep.seen(order.kind, order.namespace, order.target)

        def change(found: Object) -> Object | None:
            if order.claimed(found) == "" or not running(order.kind, found):
                return None
            if order.claimed(found) is None is not order.claimed(seen):
                # Its notes went when it was given back to its owner: this order comes from before.
                return None
            order.current(found)
            marks = notes({CANARY: "", SINCE: None, SERIAL: order.serial})
            # On take-over Flagger has put it to rest before: who runs now was scaled up since.
            return marks if by_flagger and order.claimed(found) is None else {**marks, **scaled(order.kind, 0)}

        if seen is not None and change(seen) is not None:
            await self.autoscaling.pause(order, pause=True)
            await self.upkeep.change(order.kind, order.namespace, order.target, change)

    async def release(self, order: Order) -> None:
        """As many pods as the primary has, and from here on the target is its owner's (DEL-2). More pods than that stay."""
        await self.autoscaling.resume(order)
        count = enough(self.upkeep.seen(order.kind, order.namespace, order.primary), 0)

        def change(found: Object) -> Object | None:
            few = not running(order.kind, found) or (order.kind is DEPLOYMENT and replicas_of(found) < count)
            if not few and not order.claimed(found):
                return None
            order.current(found)
            return {**notes({CANARY: "", SINCE: None, SERIAL: order.serial}), **(scaled(order.kind, count) if few else {})}

        await self.upkeep.change(order.kind, order.namespace, order.target, change)

    async def part(self, order: Order) -> None:
        """Nothing of ours stays on the target."""

        def change(found: Object) -> Object | None:
            if all(note(found, name) is None for name in (CANARY, SINCE, SERIAL)):
                return None
            order.current(found)
            return notes({CANARY: None, SINCE: None, SERIAL: None})

        await self.upkeep.change(order.kind, order.namespace, order.target, change)

    async def serve(self, order: Order, target: Object, revision: Revision) -> None:
        """Pods of this revision, and no others."""
        if order.claimed(target) != revision.id or not running(order.kind, target):
            await self.autoscaling.pause(order, pause=False)
            await self._begin(order, target, revision)
        elif since_of(target) == PENDING:
            await self._count_from_now(order, await self.upkeep.cluster.client.get(order.kind, order.namespace, order.target))
        else:
            await self._resize(order)
            await self._remove(self._doubtful.pop(order.key, ()))

    async def _begin(self, order: Order, target: Object, revision: Revision) -> None:
        """Another revision is wanted than before. Where there are no pods, all that come are of it; those that are there may not be."""
        up = running(order.kind, target)
        idle = not up and observed(target) and not copy_of(order.kind, target, "").total and not (await self._pods(target)).all
        since = None if idle else PENDING if order.claimed(target) is not None else await self._last_edit(order, revision)
        primary = self.upkeep.seen(order.kind, order.namespace, order.primary)
        count = 0 if up else order.replicas or enough(primary, await self.autoscaling.least(order))

        def change(found: Object) -> Object:
            order.current(found)
            if running(order.kind, found) != up:
                raise Conflict(f"{order.kind.kind} {order.target}.{order.namespace} was scaled by somebody else; look again")
            marks = notes({CANARY: revision.id, SINCE: since, SERIAL: order.serial})
            return marks if up else {**marks, **scaled(order.kind, count)}

        written = await self.upkeep.change(order.kind, order.namespace, order.target, change)
        if since == PENDING:
            await self._count_from_now(order, written)

    async def _count_from_now(self, order: Order, written: Object | None) -> None:
        """Pods that are no younger than the write that began this revision go; the API server's clock decides."""
        moment = written_at(written) if written is not None else None
        if moment is None:
            raise Unavailable(
                f"{order.kind.kind} {order.target}.{order.namespace}: the API server does not say when its annotation {SINCE} was "
                "written, so it is not known which pods are older; trying again"
            )

        def change(found: Object) -> Object | None:
            order.current(found)
            return notes({SINCE: moment}) if since_of(found) == PENDING else None

        target = await self.upkeep.change(order.kind, order.namespace, order.target, change)
        if target is not None:
            await self._remove((await self._pods(target)).doubtful)

    async def _last_edit(self, order: Order, revision: Revision) -> str:
        """When the newest of what a revision reads was written: pods that Flagger started after that have read all of it."""
        moments = []
        for ref in revision.configs:
            client = self.upkeep.cluster.client
            found = await client.get(KINDS[ref.name.kind], order.namespace, ref.name.name, metadata_only=True)
            moments.append(changed_at(found) if found is not None else None)
        return max((moment for moment in moments if moment is not None), default="1970-01-01T00:00:00Z")

    async def _resize(self, order: Order) -> None:
        """As many pods as somebody says."""
        count = order.replicas
        if not count or order.kind is not DEPLOYMENT:
            return

        def change(found: Object) -> Object | None:
            if replicas_of(found) == count:
                return None
            order.current(found)
            return {**notes({SERIAL: order.serial}), **scaled(order.kind, count)}

        await self.upkeep.change(order.kind, order.namespace, order.target, change)

    async def _seen_pods(self, key: CanaryKey, target: Object) -> Pods:
        """The living pods of a target, as new as what the target says of itself."""
        version = metadata_of(target).get("resourceVersion")
        known = self._listed.get(key)
        if known is None or known[0] != version:
            known = self._listed[key] = version, await self._pods(target)
        return known[1]

    async def _pods(self, target: Object) -> Pods:
        """The living pods of a target, as they are."""
        listing = await self.upkeep.cluster.client.list(POD, key_of(target).namespace, labels=selector(target))
        return sorted_out(target, listing.items)

    async def _remove(self, pods: Iterable[Object]) -> None:
        """Deletes exactly these; their workload makes new ones."""
        for pod in pods:
            place = key_of(pod)
            await self.upkeep.cluster.client.delete(POD, place.namespace, place.name, uid=str(metadata_of(pod).get("uid")))


def notes(annotations: dict[str, str | None]) -> Object:
    """The patch that writes annotations; None removes one."""
    return {"metadata": {"annotations": annotations}}
