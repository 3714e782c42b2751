"""Do the pods of a workload run exactly the content that a commit renders to? Asked by `wiring` for pipelines.

By what the API server shows: the workload reads the rendered names, each of them holds the rendered bytes, the rollout of the workload is
over, and every pod was made after those bytes were there. What a pod read is known by nothing else than when it started.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

from trimtab.adapters.kubernetes import daemonsets, deployments
from trimtab.adapters.kubernetes.client import Listing, Object
from trimtab.adapters.kubernetes.cluster import decode_object, metadata_of
from trimtab.adapters.kubernetes.configs import KINDS
from trimtab.adapters.kubernetes.deployments import number, observed
from trimtab.adapters.kubernetes.kinds import DAEMON_SET, DEPLOYMENT, POD, REPLICA_SET, STATEFUL_SET, Kind
from trimtab.adapters.kubernetes.pods import belongs, changed_at, living, names, selector
from trimtab.adapters.kubernetes.primary import replicas_of
from trimtab.config.references import items, mapping, references
from trimtab.errors import Denied, InputError, Throttled, Unavailable
from trimtab.model.content import Content
from trimtab.model.facts import Copy
from trimtab.model.names import ConfigKind, some

WORKLOADS: Mapping[str, Kind] = {kind.kind: kind for kind in (DEPLOYMENT, DAEMON_SET, STATEFUL_SET)}
CRASHES = 3
"""Starts of a container in vain after which its pod is taken for one that this content brings down."""
NAMED = 3
"""Keys or pods that a message names."""


class State(Enum):
    """Where a workload is on its way to the content."""

    WAITING = "waiting"
    RUNNING = "running"
    FAILED = "failed"
    """It has the content, and does not get ready with it."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look came to. `blind`: the API server could not be asked; `absent`: there is no such workload; `moved`: what is there is
    not the commit's, so that after RUNNING something else came.
    """

    state: State
    reason: str
    pods: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    blind: bool = False
    absent: bool = False
    moved: bool = False


@dataclass(frozen=True, slots=True)
class Expected:
    """A workload as a commit renders it, and the ConfigMaps and Secrets that its pods read."""

    kind: str
    namespace: str
    name: str
    template: Mapping[str, object] = field(repr=False)
    contents: tuple[Content, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"


class Reader(Protocol):
    """Who reads the cluster: its client."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """One object; None where there is none."""

    async def list(self, kind: Kind, namespace: str = "", *, labels: str = "") -> Listing:
        """Those of a kind in a namespace."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Looks at one workload."""

    reader: Reader
    expected: Expected

    def __post_init__(self) -> None:
        if self.expected.kind not in WORKLOADS:
            known = ", ".join(WORKLOADS)
            raise InputError(f"{self.expected} cannot be watched: its kind is none of {known}. Name another in `workload` of the target")

    async def look(self) -> Look:
        """One look. Denied where the workload may not be read; other trouble on the way is a look that saw nothing."""
        try:
            return await self.seen()
        except (Unavailable, Throttled) as trouble:
            return Look(State.WAITING, str(trouble), blind=True)

    async def seen(self) -> Look:
        """What there is."""
        expected = self.expected
        found = await self.reader.get(WORKLOADS[expected.kind], expected.namespace, expected.name)
        if found is None:
            return Look(State.WAITING, f"there is no {expected} in namespace {expected.namespace} yet", absent=True, moved=True)
        if other := differs(expected.template, mapping(mapping(found.get("spec")).get("template"))):
            return Look(State.WAITING, f"{expected} {other}", moved=True)
        since, notes = "", list[str]()
        for content in expected.contents:
            live, problem = await self.live(content)
            if live is None:
                if not problem:
                    return Look(State.WAITING, f"{content.name} is not there yet", moved=True)
                notes.append(problem)
                continue
            if keys := other_keys(content, live):
                return Look(State.WAITING, f"{content.name} has other values than the commit under {keys}", moved=True)
            since = max(since, changed_at(live) or "")
        return await self.rolled_out(found, since, tuple(notes))

    async def live(self, content: Content) -> tuple[Object | None, str]:
        """A ConfigMap or Secret as it is; or why it may not be looked at, which is so for Secrets in many a pipeline."""
        name = content.name
        try:
            return await self.reader.get(KINDS[name.kind], self.expected.namespace, name.name), ""
        except Denied:
            if name.kind is not ConfigKind.SECRET:
                raise
            return None, f"{name} may not be read, so nobody knows that it is the commit's"

    async def rolled_out(self, found: Object, since: str, notes: tuple[str, ...]) -> Look:
        """The content is there: do all pods run it?"""
        expected, copy = self.expected, copy_of(found)
        listing = await self.reader.list(POD, expected.namespace, labels=selector(found))
        pods = [pod for pod in listing.items if living(pod) and belongs(pod, found)]
        late = [pod for pod in pods if not await self.after(pod, since)]
        new = [pod for pod in pods if pod not in late]
        if down := crashing(new):
            return Look(State.FAILED, f"{expected}: {down}", names(new), notes)
        if copy.stalled:
            return Look(State.FAILED, f"{expected} exceeded its progress deadline: {missing(copy) or 'it says so'}", names(new), notes)
        if text := missing(copy):
            return Look(State.WAITING, f"{expected}: {text}", names(new), notes)
        if late:
            return Look(
                State.WAITING,
                f"{some(names(late), NAMED)} of {expected} started before the content was there, and nothing restarts them: put the "
                "content's hash into its name or a checksum of it into the pod template",
                names(new),
                notes,
            )
        return Look(State.RUNNING, f"{expected}: {len(new)} pods run it", names(new), notes)

    async def after(self, pod: Object, since: str) -> bool:
        """Was a pod made after the content was last changed? Times have whole seconds.

        In the same second it counts if its ReplicaSet is not older either: then the change itself led to it.
        """
        made = metadata_of(pod).get("creationTimestamp")
        if not since or made is None:
            return True
        began, changed = datetime.fromisoformat(str(made)), datetime.fromisoformat(since)
        if began != changed:
            return began > changed
        for owner in items(metadata_of(pod).get("ownerReferences")):
            if owner.get("kind") == "ReplicaSet":
                maker = await self.reader.get(REPLICA_SET, self.expected.namespace, str(owner.get("name")))
                return maker is not None and datetime.fromisoformat(str(metadata_of(maker).get("creationTimestamp"))) >= changed
        return True


async def pods_of(reader: Reader, kind: str, namespace: str, name: str) -> tuple[str, ...]:
    """The living pods of a workload; none where there is no such one."""
    found = await reader.get(WORKLOADS[kind], namespace, name)
    if found is None:
        return ()
    listing = await reader.list(POD, namespace, labels=selector(found))
    return names(pod for pod in listing.items if living(pod) and belongs(pod, found))


def differs(wanted: Mapping[str, object], live: Mapping[str, object]) -> str:
    """What shows that a pod template is not the rendered one yet: names that its pods read, and annotations; empty where nothing does."""
    ours, theirs = ({one.name for one in references(template)} for template in (wanted, live))
    if gone := sorted(ours - theirs):
        return f"does not read {some([str(name) for name in gone], NAMED)} yet"
    annotations = mapping(metadata_of(live).get("annotations"))
    written = mapping(metadata_of(wanted).get("annotations"))
    if other := sorted(name for name, value in written.items() if annotations.get(name) != value):
        return f"has another annotation {some(other, NAMED)} on its pods than the commit"
    return ""


def other_keys(wanted: Content, live: Object) -> str:
    """The keys under which something else is live, as text; keys that somebody added do not count, as they stay through every apply."""
    there = decode_object(live).value
    assert isinstance(there, Content)
    found = {**there.data, **there.binary}
    return some(sorted(key for key, value in {**wanted.data, **wanted.binary}.items() if found.get(key) != value), NAMED)


def copy_of(found: Object) -> Copy:
    """The workload's own counts."""
    if found.get("kind") == "DaemonSet":
        return daemonsets.copy_of(found, "")
    if found.get("kind") == "Deployment":
        return deployments.copy_of(found, "")
    status = mapping(found.get("status"))
    seen = observed(found)
    return Copy(
        revision="",
        desired=replicas_of(found),
        total=number(status, "replicas"),
        updated=number(status, "updatedReplicas") if seen else 0,
        available=number(status, "availableReplicas"),
        observed=seen,
        kind="StatefulSet",
    )


def missing(copy: Copy) -> str:
    """What is left of a rollout; empty where it is over. A workload without pods shows nothing to anybody."""
    if not copy.observed:
        return "its controller has not seen the change yet"
    if not copy.desired:
        return "it is scaled to zero"
    if copy.updated < copy.desired:
        return f"{copy.updated} of {copy.desired} pods are new"
    if copy.total > copy.updated:
        return f"{copy.total - copy.updated} old pods are still there"
    return f"{copy.available} of {copy.desired} pods are ready" if copy.available < copy.desired else ""


def crashing(pods: Iterable[Object]) -> str:
    """A container that does not stay up; empty where there is none."""
    for pod in pods:
        status = mapping(pod.get("status"))
        for container in (*items(status.get("initContainerStatuses")), *items(status.get("containerStatuses"))):
            waiting = mapping(mapping(container.get("state")).get("waiting")).get("reason")
            starts = number(container, "restartCount")
            if waiting == "CrashLoopBackOff" and starts >= CRASHES:
                return f"container {container.get('name')} of pod {metadata_of(pod).get('name')} crashed {starts} times"
    return ""
