"""A Deployment as a copy, and what scales the target up and down (WL-4, WL-5). Pure; called by `workloads`."""

from collections.abc import Mapping
from datetime import datetime

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import metadata_of
from trimtab.adapters.kubernetes.primary import replicas_of
from trimtab.config.references import items, mapping
from trimtab.model.facts import Copy


def copy_of(found: Object, revision: str) -> Copy:
    """The copy, as the API server has counted its pods."""
    status = mapping(found.get("status"))
    seen = observed(found)
    return Copy(
        revision=revision,
        desired=replicas_of(found),
        total=number(status, "replicas"),
        # Counts that are older than the newest change are of the pods that it replaces.
        updated=number(status, "updatedReplicas") if seen else 0,
        available=number(status, "availableReplicas"),
        observed=seen,
        stalled=seen
        and any(one.get("type") == "Progressing" and one.get("reason") == "ProgressDeadlineExceeded" for one in conditions(found)),
        since=progress(found),
        kind="Deployment",
    )


def progress(found: Object) -> datetime | None:
    """When it last came closer to what is wanted, or fell short of it."""
    said = (one for one in conditions(found) if (one.get("type"), one.get("status")) in (("Progressing", "True"), ("Available", "False")))
    return max((datetime.fromisoformat(str(one["lastUpdateTime"])) for one in said if one.get("lastUpdateTime")), default=None)


def scaled(count: int) -> Object:
    """The patch that gives it so many pods."""
    return {"spec": {"replicas": count}}


def enough(primary: Object | None, least: int) -> int:
    """How many pods a target is scaled up to (WL-4). `least` is what its autoscaler starts with; 0 where it has none."""
    if not least and primary is not None and replicas_of(primary) > 0:
        return replicas_of(primary)
    return max(1, least)


def conditions(found: Object) -> tuple[Mapping[str, object], ...]:
    """The conditions in its status."""
    return tuple(items(mapping(found.get("status")).get("conditions")))


def observed(found: Object) -> bool:
    """Has its controller taken notice of the newest change?"""
    generation = metadata_of(found).get("generation")
    return not isinstance(generation, int) or number(mapping(found.get("status")), "observedGeneration") >= generation


def number(status: Mapping[str, object], name: str) -> int:
    """A count in a status, which leaves out zeros."""
    value = status.get(name)
    return value if isinstance(value, int) else 0
