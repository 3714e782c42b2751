"""The primary's own autoscaler, a copy of the target's (AS-1 to AS-3), and pausing the target's. Pure; called by `workloads`."""

import re
from collections.abc import Mapping

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import metadata_of
from trimtab.adapters.kubernetes.kinds import HPA, SCALED_OBJECT, Kind
from trimtab.adapters.kubernetes.marks import REVISION, note
from trimtab.config.references import items, mapping
from trimtab.documents.flagger import AutoscalerRef

PAUSED = "autoscaling.keda.sh/paused-replicas"
KINDS: Mapping[str, Kind] = {"HorizontalPodAutoscaler": HPA, "ScaledObject": SCALED_OBJECT}


def scaler(reference: AutoscalerRef, source: Object, target: str, owner: Object, revision: str) -> Object:
    """The primary's scaler as the target's says, but for the bounds that the Canary gives. Never paused (QUIRK-7)."""
    metadata = metadata_of(source)
    kind = KINDS[reference.kind]
    made: Object = {
        "name": f"{reference.name}-primary",
        "namespace": metadata.get("namespace"),
        "labels": dict(mapping(metadata.get("labels"))),
        "annotations": {REVISION: revision},
        "ownerReferences": [owner],
    }
    spec = horizontal(reference, source, target) if kind is HPA else scaled_object(reference, source, target)
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": made, "spec": spec}


def renewed(found: Object, wanted: Object) -> Object | None:
    """The scaler that is there, with what another revision brings; None where it was made for this one.

    One that Flagger made stays as it is until the next promotion, and only gets our annotation.
    """
    before = note(found, REVISION)
    revision = note(wanted, REVISION)
    if before == revision:
        return None
    metadata = metadata_of(found)
    head = {**metadata, "annotations": {**mapping(metadata.get("annotations")), REVISION: revision}}
    return {**found, "metadata": head, "spec": found.get("spec") if before is None else wanted["spec"]}


def horizontal(reference: AutoscalerRef, source: Object, target: str) -> Object:
    """The spec of a HorizontalPodAutoscaler for the primary."""
    spec = mapping(source.get("spec"))
    about = {**mapping(spec.get("scaleTargetRef")), "name": f"{target}-primary"}
    return {**spec, "scaleTargetRef": about, **bounds(reference, "minReplicas", "maxReplicas")}


def scaled_object(reference: AutoscalerRef, source: Object, target: str) -> Object:
    """The spec of a ScaledObject for the primary: queries and the name of its HPA are the primary's own."""
    spec: Object = dict(mapping(source.get("spec")))
    spec["scaleTargetRef"] = {**mapping(spec.get("scaleTargetRef")), "name": f"{target}-primary"}
    spec["triggers"] = [trigger(one, reference.primary_scaler_queries, target) for one in items(spec.get("triggers"))]
    advanced = mapping(spec.get("advanced"))
    inner = mapping(advanced.get("horizontalPodAutoscalerConfig"))
    if inner.get("name"):
        spec["advanced"] = {**advanced, "horizontalPodAutoscalerConfig": {**inner, "name": f"{inner['name']}-primary"}}
    return {**spec, **bounds(reference, "minReplicaCount", "maxReplicaCount")}


def trigger(one: Mapping[str, object], queries: Mapping[str, str], target: str) -> Object:
    """A trigger that asks about the primary."""
    metadata = mapping(one.get("metadata"))
    query = metadata.get("query")
    if not isinstance(query, str):
        return dict(one)
    named = queries.get(str(one.get("name")))
    return {**one, "metadata": {**metadata, "query": named if named is not None else about_primary(query, target)}}


def about_primary(query: str, target: str) -> str:
    """The query with the target's name, or its canary's, replaced. Names that it is only a part of stay: `app` is not in `my_app_total`."""
    name = rf"(?<![A-Za-z0-9_]){re.escape(target)}(?:-canary)?(?![A-Za-z0-9_])(?!-primary)"
    return re.sub(name, f"{target}-primary", query)


def bounds(reference: AutoscalerRef, least: str, most: str) -> Object:
    """What the Canary says about the number of primary pods."""
    said = reference.primary_scaler_replicas
    if said is None:
        return {}
    return {name: count for name, count in ((least, said.min_replicas), (most, said.max_replicas)) if count is not None}


def first_replicas(reference: AutoscalerRef, source: Object) -> int:
    """What the target's scaler would start with, at least 1 (WL-4)."""
    least = mapping(source.get("spec")).get("minReplicas" if reference.kind == "HorizontalPodAutoscaler" else "minReplicaCount")
    return max(1, least) if isinstance(least, int) else 1


def paused(source: Object, pause: bool) -> Object | None:
    """The patch that stops a ScaledObject from scaling the target, or lets it; None where that is so (AS-3)."""
    if (note(source, PAUSED) is not None) == pause:
        return None
    return {"metadata": {"annotations": {PAUSED: "0" if pause else None}}}
