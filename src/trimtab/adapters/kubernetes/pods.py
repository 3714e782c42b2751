"""Which pods of a target are certain to run exactly the bytes of the revision that it is wanted for (S7). Pure; called by `workloads`.

A target reads its ConfigMaps and Secrets by name, so what a pod has read depends on when it started: pods that were there when
another revision began to be wanted are of no known revision, and are deleted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import metadata_of
from trimtab.adapters.kubernetes.configs import moment
from trimtab.adapters.kubernetes.marks import PENDING, SINCE, note
from trimtab.config.references import items, mapping
from trimtab.model.facts import Copy
from trimtab.model.watching import PodRestarts

OVER = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class Pods:
    """The living pods of a target."""

    certain: tuple[Object, ...] = ()
    doubtful: tuple[Object, ...] = ()
    """They may have read something else than the revision says."""

    @property
    def all(self) -> tuple[Object, ...]:
        """Both."""
        return self.certain + self.doubtful


def sorted_out(target: Object, found: Iterable[Object]) -> Pods:
    """The living pods of a target among those that its selector finds."""
    there = [pod for pod in found if living(pod) and belongs(pod, target)]
    since = since_of(target)
    certain = tuple(pod for pod in there if young_enough(pod, since))
    return Pods(certain, tuple(pod for pod in there if not young_enough(pod, since)))


def since_of(target: Object) -> str | None:
    """The time in its annotation; None where there is none. PENDING also where it is no time: anybody may write it."""
    since = note(target, SINCE)
    found = moment(since)
    return since if since is None or (found is not None and found.tzinfo is not None) else PENDING


def selector(found: Object) -> str:
    """The labels that its pods have."""
    labels = mapping(mapping(mapping(found.get("spec")).get("selector")).get("matchLabels"))
    return ",".join(f"{name}={value}" for name, value in sorted(labels.items()))


def names(pods: Iterable[Object]) -> tuple[str, ...]:
    """Of pods, in order."""
    return tuple(sorted(str(metadata_of(pod).get("name")) for pod in pods))


def living(pod: Object) -> bool:
    """Not on its way out, and not over."""
    return metadata_of(pod).get("deletionTimestamp") is None and mapping(pod.get("status")).get("phase") not in OVER


def belongs(pod: Object, target: Object) -> bool:
    """Was it made for this target? A Deployment's pods are made by its ReplicaSets, which are named after it."""
    metadata = metadata_of(target)
    for owner in items(metadata_of(pod).get("ownerReferences")):
        if owner.get("uid") == metadata.get("uid"):
            return True
        if owner.get("kind") == "ReplicaSet" and str(owner.get("name")).rpartition("-")[0] == metadata.get("name"):
            return True
    return False


def young_enough(pod: Object, since: str | None) -> bool:
    """Was it made after the second in which the revision began to be wanted? True where there were no pods then."""
    if since is None:
        return True
    made = metadata_of(pod).get("creationTimestamp")
    return since != PENDING and made is not None and datetime.fromisoformat(str(made)) > datetime.fromisoformat(since)


def counted(copy: Copy, pods: Pods) -> Copy:
    """The copy with only those pods that are certain. The API server's own counts tell which are made from the newest template."""
    sure = min(len(pods.certain), copy.updated)
    return replace(
        copy,
        total=len(pods.all),
        updated=sure,
        available=min(sum(map(ready, pods.certain)), copy.available, sure),
    )


def ready(pod: Object) -> bool:
    """Does it say so itself?"""
    conditions: Iterable[Mapping[str, object]] = items(mapping(pod.get("status")).get("conditions"))
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def restarts(pods: Iterable[Object]) -> tuple[PodRestarts, ...]:
    """How often their containers were started again; pods of which none was are left out."""
    found = []
    for pod in pods:
        status = mapping(pod.get("status"))
        containers = (*items(status.get("initContainerStatuses")), *items(status.get("containerStatuses")))
        counts = (container.get("restartCount") for container in containers)
        found.append(PodRestarts(str(metadata_of(pod).get("name")), sum(count for count in counts if isinstance(count, int))))
    return tuple(one for one in found if one.count)


def written_at(target: Object) -> str | None:
    """The API server's time of the write that began a revision, from its notes about who wrote which field; None where it has none."""
    field = f"f:{SINCE}"
    for entry in items(metadata_of(target).get("managedFields")):
        fields = mapping(mapping(entry.get("fieldsV1")).get("f:metadata"))
        if field in mapping(fields.get("f:annotations")) and entry.get("time") is not None:
            return str(entry["time"])
    return None


def changed_at(content: Object) -> str | None:
    """When the values of a ConfigMap or Secret were last written; its creation where nothing says that."""
    metadata = metadata_of(content)
    moments = [
        str(entry["time"])
        for entry in items(metadata.get("managedFields"))
        if entry.get("time") is not None and {"f:data", "f:binaryData"} & mapping(entry.get("fieldsV1")).keys()
    ]
    made = metadata.get("creationTimestamp")
    return max(moments, default=str(made) if made is not None else None)
