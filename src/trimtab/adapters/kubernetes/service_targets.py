"""Targets of kind Service: a Service of the primary and one of the canary, made from pinned revisions (WL-7). Called by `workloads`.

There are no pods to wait for, so what is written is ready. The target itself is only read. Unlike Flagger's, the clones of a Service
with an address of its own get addresses of their own (QUIRK-26).
"""

from dataclasses import dataclass

import msgspec

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import metadata_of
from trimtab.adapters.kubernetes.kinds import SERVICE
from trimtab.adapters.kubernetes.marks import CANARY, REVISION, SERIAL, newest, note
from trimtab.adapters.kubernetes.settings import FLUX
from trimtab.adapters.kubernetes.upkeep import Upkeep
from trimtab.config.references import items, mapping
from trimtab.errors import Conflict
from trimtab.model.facts import Copy
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.revision import Revision
from trimtab.ports import Wanted

ADDRESSES = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy")
"""What the API server gives each Service for itself."""
OUTSIDE = (
    "allocateLoadBalancerNodePorts", "externalIPs", "externalTrafficPolicy", "healthCheckNodePort",
    "loadBalancerClass", "loadBalancerIP", "loadBalancerSourceRanges",
)  # fmt: skip
"""How a Service is reached from outside the cluster, which stays with the target: its clones are only reached through routes."""


@dataclass(frozen=True, slots=True)
class ServiceTargets:
    """The Services of a cluster that are targets."""

    upkeep: Upkeep

    def look(self, key: CanaryKey, policy: Policy) -> tuple[Copy, Copy]:
        """Both clones; the canary only while it is wanted."""
        name = policy.target.name
        primary, canary = (self.upkeep.seen(SERVICE, key.namespace, clone) for clone in (f"{name}-primary", f"{name}-canary"))
        return copy_of(note(primary, REVISION)), copy_of(note(canary, REVISION) if note(canary, CANARY) else None)

    async def set(self, key: CanaryKey, wanted: Wanted) -> None:
        """Makes the clones as they should be. Conflict for a stale record."""
        name, exposure = wanted.policy.target.name, wanted.exposure
        clones = f"{name}-primary", f"{name}-canary"
        stale(key, wanted, *(self.upkeep.seen(SERVICE, key.namespace, clone) for clone in clones))
        if exposure.primary is not None:
            await self._make(key, wanted, clones[0], exposure.primary, None)
        pinned = exposure.canary or exposure.primary
        if pinned is not None:
            await self._make(key, wanted, clones[1], pinned, exposure.canary.id if exposure.canary is not None else "")

    async def _make(self, key: CanaryKey, wanted: Wanted, name: str, revision: Revision, canary: str | None) -> None:
        target = self.upkeep.seen(SERVICE, key.namespace, wanted.policy.target.name)
        owner = self.upkeep.cluster.owner(key)

        def shape(found: Object | None) -> Object | None:
            made = rested(found) if canary == "" and found is not None else clone(found, revision, canary)
            if made is None:
                return None
            stale(key, wanted, found)
            head = mapping(made["metadata"])
            notes = {**mapping(head.get("annotations")), SERIAL: str(wanted.serial)}
            if found is not None:
                return {**made, "metadata": {**head, "annotations": notes}}
            fresh = {"name": name, "namespace": key.namespace, "labels": labels(target), "annotations": notes, "ownerReferences": [owner]}
            return {"apiVersion": SERVICE.api_version, "kind": SERVICE.kind, "metadata": fresh, "spec": made["spec"]}

        await self.upkeep.make(SERVICE, key.namespace, name, shape)


def stale(key: CanaryKey, wanted: Wanted, *found: Object | None) -> None:
    """Conflict where one of these was written on behalf of a newer record."""
    seen = newest(found)
    if seen > wanted.serial:
        raise Conflict(f"Services of {key}: record {wanted.serial} is stale, {seen} was seen; look again")


def copy_of(revision: str | None) -> Copy:
    """A clone as a copy: as good as one pod, and ready."""
    return Copy(revision, 1, 1, 1, 1, kind="Service") if revision else Copy(kind="Service")


def labels(target: Object | None) -> Object:
    """Labels of a new clone: the target's."""
    there = mapping(metadata_of(target).get("labels")) if target is not None else {}
    return {name: value for name, value in there.items() if FLUX not in name}


def clone(found: Object | None, revision: Revision, canary: str | None) -> Object | None:
    """The clone with this revision; None where it has it. `canary` is what it is wanted for, None for the primary."""
    if note(found, REVISION) == revision.id and (canary is None or note(found, CANARY) == canary):
        return None
    before = found or {}
    notes = {**mapping(metadata_of(before).get("annotations")), REVISION: revision.id, **({} if canary is None else {CANARY: canary})}
    return {**before, "metadata": {**metadata_of(before), "annotations": notes}, "spec": spec_of(revision, mapping(before.get("spec")))}


def rested(found: Object) -> Object | None:
    """The canary's clone, wanted no more; None where it is at rest. What it leads to stays: no request comes."""
    if not note(found, CANARY):
        return None
    metadata = metadata_of(found)
    return {**found, "metadata": {**metadata, "annotations": {**mapping(metadata.get("annotations")), CANARY: ""}}}


def spec_of(revision: Revision, before: object) -> Object:
    """A revision's spec for a clone that has `before`: its own addresses, and none for the outside."""
    pinned = msgspec.json.decode(revision.template, type=dict[str, object])
    there = mapping(before)
    spec = {name: value for name, value in pinned.items() if name not in (*ADDRESSES, *OUTSIDE)}
    if pinned.get("clusterIP") == "None":
        return {**spec, "clusterIP": "None"}
    if pinned.get("type") == "ExternalName":
        return spec
    spec["type"] = "ClusterIP"
    spec["ports"] = [{name: value for name, value in port.items() if name != "nodePort"} for port in items(pinned.get("ports"))]
    kept = there if there.get("type") == "ClusterIP" and there.get("clusterIP") != "None" else {}
    return {**spec, **{name: kept[name] for name in ADDRESSES if name in kept}}
