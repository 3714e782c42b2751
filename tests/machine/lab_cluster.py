"""A small model of a cluster for the golden traces: objects, workloads that roll, pods that get ready; in virtual time.

The target is the canary, as in a cluster: its template is what the source says, and scaling it is how a canary comes and goes.
"""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from trimtab.adapters.git.evaluate import meaning, read_by
from trimtab.adapters.git.manifests import Manifests
from trimtab.adapters.git.reading import Collection
from trimtab.config.digest import checksum
from trimtab.config.references import references
from trimtab.documents.decode import decode
from trimtab.documents.translate import translate
from trimtab.documents.yaml import Document
from trimtab.model.content import Content
from trimtab.model.facts import Capabilities, Copy, Source
from trimtab.model.names import ConfigKind
from trimtab.model.policy import Policy
from trimtab.model.revision import Revision
from trimtab.model.rollout import Exposure
from trimtab.testing.world import World

Raw = dict[str, Any]
GETS_READY_IN = timedelta(seconds=1)
LISTS_BY_NAME = ("containers", "volumes", "initContainers", "env")
"""Lists that a strategic merge patch merges by `name`."""


@dataclass
class LabPod:
    """One pod, and what it read when it started. `ready` is None for one that never gets ready."""

    mark: str
    revision: str
    reads: Mapping[str, Mapping[str, str]]
    ready: datetime | None


@dataclass
class Load:
    """A Deployment or DaemonSet. `own` is the revision of a primary; the target runs what its template and the source say."""

    name: str
    kind: str
    template: Raw
    replicas: int
    deadline: timedelta
    since: datetime
    own: Revision | None = None
    restarts: int = 0
    complete: bool = False
    pods: list[LabPod] = field(default_factory=list)

    @property
    def mark(self) -> str:
        """What its newest pods are made from."""
        return self.own.id if self.own is not None else json.dumps(self.template, sort_keys=True)

    def entry(self) -> Raw:
        """As a trace shows it."""
        image = self.template["spec"]["containers"][0]["image"].rsplit(":", 1)[-1]
        shown = {"name": self.name, "replicas": self.replicas, "image": image}
        return {**shown, "flaggerId": f"id-{self.restarts}"} if self.own is not None else shown


@dataclass
class LabCluster(World):
    """The world of one golden trace. `record` hears of every change of a workload."""

    objects: dict[tuple[str, str], Raw] = field(default_factory=dict)
    loads: dict[str, Load] = field(default_factory=dict)
    record: Callable[[str, Raw], None] = lambda channel, entry: None
    shown: dict[str, Raw] = field(default_factory=dict)
    read: Manifests | None = None

    # --- objects ----------------------------------------------------------------------------------------------

    def create(self, raw: Raw) -> None:
        """An object comes into being; a workload starts its pods."""
        raw = deepcopy(raw)
        raw["metadata"]["namespace"] = self.key.namespace
        kind, name = raw["kind"], raw["metadata"]["name"]
        self.objects[kind, name] = raw
        self.read = None
        if kind in ("Deployment", "DaemonSet"):
            spec = raw["spec"]
            deadline = timedelta(seconds=spec.get("progressDeadlineSeconds", 600))
            self.loads[name] = Load(name, kind, spec["template"], spec.get("replicas", 1), deadline, self.now)
        self.settle()
        self.show()

    def delete(self, kind: str, name: str) -> None:
        """An object is gone."""
        del self.objects[kind, name]
        self.read = None

    def patch(self, kind: str, name: str, body: Raw) -> None:
        """A merge patch; for workloads a strategic one."""
        self.objects[kind, name] = merged(self.objects[kind, name], body, strategic=kind in ("Deployment", "DaemonSet"))
        self.read = None
        load = self.loads.get(name)
        if kind in ("Deployment", "DaemonSet") and load is not None:
            load.template = self.objects[kind, name]["spec"]["template"]
            load.since, load.complete = self.now, False
        self.settle()
        self.show()

    def manifests(self) -> Manifests:
        """All objects, decoded by the project's own documents."""
        if self.read is None:
            collection = Collection()
            for raw in self.objects.values():
                collection.add(decode(Document(raw, "", 1, {}), strict=False))
            self.read = collection.manifests("")
        return self.read

    @property
    def target(self) -> Mapping[str, str]:
        """What the Canary is about."""
        return next(raw["spec"]["targetRef"] for (kind, _), raw in self.objects.items() if kind == "Canary")

    # --- the source -------------------------------------------------------------------------------------------

    def source(self) -> Source:
        """What the objects say, with Flagger's checksums of Secrets as well, since a cluster's status has them."""
        manifests = self.manifests()
        found = replace(meaning(manifests, self.key, translate, self.digest_key).source, replicas=None)
        # A problem names file and line, which objects of a cluster do not have.
        found = replace(found, problem=found.problem.partition(" (")[0])
        if found.revision is None:
            return found
        contents = {content.name: content for content in read_by(manifests, manifests.workloads[self.target_key])}
        self.archive.setdefault(found.revision.id, tuple(contents.values()))
        refs = tuple(
            replace(ref, checksum=checksum(contents[ref.name])) if ref.name.kind is ConfigKind.SECRET and ref.digest else ref
            for ref in found.revision.configs
        )
        return replace(found, revision=replace(found.revision, configs=refs))

    @property
    def target_key(self) -> tuple[str, str, str]:
        """Kind, namespace and name of the target."""
        return self.target["kind"], self.key.namespace, self.target["name"]

    def able(self, policy: Policy) -> Capabilities:
        """What the router of the policy's provider can do."""
        if policy.provider == "kubernetes":
            return Capabilities(weights=False, match=False, mirror=False)
        mirrors = policy.provider == "istio" or (policy.provider.startswith("gatewayapi") and policy.iterations > 0)
        return Capabilities(mirror=mirrors)

    # --- workloads --------------------------------------------------------------------------------------------

    def set_pods(self, exposure: Exposure, replicas: int | None) -> None:
        """The primary gets its revision; the target is scaled up for a canary, and to nothing without one."""
        target = self.loads.get(self.target["name"])
        if target is None or exposure.primary is None:
            return
        self.set_primary(exposure.primary, target)
        if exposure.routed:
            self.scale(target, self.canary_replicas(target) if exposure.canary is not None else 0)
        if exposure.canary is not None:
            # A config was edited: pods that read the old one are deleted, so that new ones read the new one (QUIRK-9).
            target.pods = [pod for pod in target.pods if pod.mark != target.mark or pod.revision == exposure.canary.id]
        self.settle()
        self.show()

    def set_primary(self, revision: Revision, target: Load) -> None:
        """Made, or given another revision."""
        name = f"{target.name}-primary"
        load = self.loads.get(name)
        if load is None:
            load = self.loads[name] = Load(name, target.kind, {}, max(1, target.replicas), target.deadline, self.now)
        if load.own != revision:
            load.own, load.template = revision, json.loads(revision.template)
            load.since, load.complete, load.restarts = self.now, False, load.restarts + 1

    def canary_replicas(self, target: Load) -> int:
        """How far the target is scaled up (WL-4)."""
        if target.replicas:
            return target.replicas
        canary = next(raw for (kind, _), raw in self.objects.items() if kind == "Canary")
        scaler = canary["spec"].get("autoscalerRef")
        if scaler is not None:
            return max(1, self.objects[scaler["kind"], scaler["name"]]["spec"].get("minReplicas", 1))
        return max(1, self.loads[f"{target.name}-primary"].replicas)

    def scale(self, load: Load, replicas: int) -> None:
        """Another number of pods."""
        if load.replicas != replicas:
            # Kubernetes does not watch the progress of a workload that is only scaled, so `complete` stays.
            load.replicas, load.since = replicas, self.now

    def show(self) -> None:
        """What changed goes into the trace."""
        for name, load in self.loads.items():
            if self.shown.get(name) != load.entry():
                self.shown[name] = load.entry()
                self.record("workloads", load.entry())

    def settle(self) -> None:
        """What controllers and kubelets do: new pods start, old ones go when the new ones are ready."""
        for load in self.loads.values():
            new = [pod for pod in load.pods if pod.mark == load.mark]
            new += [self.started(load) for _ in range(load.replicas - len(new))]
            new = new[: load.replicas]
            old = [pod for pod in load.pods if pod.mark != load.mark]
            if sum(self.is_up(pod) for pod in new) >= load.replicas:
                old, load.complete = [], True
            load.pods = new + old

    def started(self, load: Load) -> LabPod:
        """A new pod of a workload reads what is there now."""
        revision = load.own if load.own is not None else self.source().revision
        contents = self.contents_of(load)
        reads = {str(content.name): {key: value.decode() for key, value in content.data.items()} for content in contents}
        never = told(load, reads, "ready") == "never" or told(load, reads, "unready") == load.name
        return LabPod(load.mark, revision.id if revision is not None else "", reads, None if never else self.now + GETS_READY_IN)

    def contents_of(self, load: Load) -> tuple[Content, ...]:
        """A primary reads its copies, the target the objects themselves."""
        if load.own is not None:
            return self.archive[load.own.id]
        names = [reference.name for reference in references(load.template)]
        configs = self.manifests().configs
        return tuple(configs[self.key.namespace, name] for name in names if (self.key.namespace, name) in configs)

    def is_up(self, pod: LabPod) -> bool:
        """Has it come up?"""
        return pod.ready is not None and pod.ready <= self.now

    def unready(self, workload: str, pods: int) -> None:
        """Some pods are not ready any more."""
        for pod in self.loads[workload].pods[:pods]:
            pod.ready = None

    # --- what is seen -----------------------------------------------------------------------------------------

    def copy(self, name: str) -> Copy:
        """The primary, or the target as the canary."""
        self.settle()
        target = self.target
        load = self.loads.get(target["name"] if name == "canary" else f"{target['name']}-primary")
        if load is None:
            return Copy(kind=target["kind"])
        revision = load.own if load.own is not None else self.source().revision
        identity = revision.id if revision is not None else ""
        updated = [pod for pod in load.pods if pod.revision == identity and pod.mark == load.mark]
        stalled = not load.complete and self.now >= load.since + load.deadline
        return Copy(
            identity, load.replicas, len(load.pods), len(updated), sum(self.is_up(pod) for pod in updated),
            stalled=stalled, since=load.since, kind=load.kind,
        )  # fmt: skip

    def next_change(self) -> datetime | None:
        """When the next pod gets ready, or a workload gives up."""
        moments = [pod.ready for load in self.loads.values() for pod in load.pods if pod.ready is not None]
        moments += [load.since + load.deadline for load in self.loads.values() if not load.complete]
        return min((moment for moment in moments if moment > self.now), default=None)

    def running(self, workload: str) -> list[Mapping[str, Mapping[str, str]]]:
        """What the live pods of a workload read when they started."""
        return [pod.reads for pod in self.loads[workload].pods] if workload in self.loads else []


def told(load: Load, reads: Mapping[str, Mapping[str, str]], rule: str) -> str | None:
    """What annotations and configs tell the fake kubelet: `lab/RULE: VALUE` anywhere, or the key `lab.RULE`."""
    annotations = load.template.get("metadata", {}).get("annotations") or {}
    lines = [f"lab/{rule}: {annotations[f'lab/{rule}']}"] if f"lab/{rule}" in annotations else []
    for data in reads.values():
        lines += [f"lab/{rule}: {data[f'lab.{rule}']}"] if f"lab.{rule}" in data else []
        lines += [line for value in data.values() for line in value.splitlines()]
    return next((line.split(":", 1)[1].strip(' "') for line in lines if line.startswith(f"lab/{rule}:")), None)


def merged(base: Any, patch: Any, *, strategic: bool) -> Any:
    """A JSON merge patch, or the part of a strategic one that the traces use."""
    if isinstance(base, dict) and isinstance(patch, dict):
        result = dict(base)
        for key, value in patch.items():
            if value is None:
                result.pop(key, None)
            elif strategic and key in LISTS_BY_NAME and isinstance(value, list):
                result[key] = by_name(base.get(key) or [], value)
            else:
                result[key] = merged(base.get(key), value, strategic=strategic)
        return result
    return merged({}, patch, strategic=strategic) if isinstance(patch, dict) else deepcopy(patch)


def by_name(base: list[Raw], patch: list[Raw]) -> list[Raw]:
    """Items of the same name are merged, others added; `$patch: replace` drops those that were there."""
    if {"$patch": "replace"} in patch:
        return [deepcopy(item) for item in patch if "$patch" not in item]
    changes = {item["name"]: item for item in patch}
    result = [merged(item, changes.pop(item["name"], {}), strategic=True) for item in base]
    return result + [deepcopy(item) for item in changes.values()]
