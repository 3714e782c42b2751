"""A small model of the outside for one Canary: content, pods, routes, and people, in virtual time.

`memory` puts ports in front of it; tests and the simulation turn its knobs.
"""

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from trimtab.config.digest import DigestKey, checksum, digest
from trimtab.model.content import Content
from trimtab.model.facts import Capabilities, Copy, Routes, Source
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName
from trimtab.model.policy import Policy
from trimtab.model.revision import ConfigRef, Origin, Revision
from trimtab.model.rollout import Exposure
from trimtab.model.watching import PodRestarts, Restarts

CONFIG, PASSWORD = ConfigName(ConfigKind.CONFIG_MAP, "app-config"), ConfigName(ConfigKind.SECRET, "app-password")
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Pod:
    """One pod of the model. `ready` is None for one that never gets ready."""

    copy: str
    revision: Revision
    started: datetime
    ready: datetime | None
    name: str = ""
    restarts: int = 0


@dataclass
class World:
    """Everything outside. Plain mutable fields: whoever tests turns them between passes."""

    key: CanaryKey
    policy: Policy
    now: datetime = START
    image: str = "app:1"
    data: dict[str, str] = field(default_factory=lambda: {"color": "red"})
    password: str = ""
    """What a Secret that the pods read holds; without one they read none."""
    digest_key: DigestKey = DigestKey("k1", b"k" * 32)
    replicas: int = 1
    capabilities: Capabilities = Capabilities()
    start_up: timedelta = timedelta(seconds=1)
    stuck: set[str] = field(default_factory=set)
    """`COPY` or `COPY/REVISION`: pods that never get ready."""
    suspended: bool = False
    skip_analysis: bool = False
    leaving: bool = False
    problem: str = ""
    policy_problem: str = ""
    routes: Routes | None = None
    pods: list[Pod] = field(default_factory=list)
    desired: dict[str, tuple[Revision, int]] = field(default_factory=dict)
    since: dict[str, datetime] = field(default_factory=dict)
    made: int = 0
    """How many pods there ever were."""
    uncounted: str = ""
    """Why nobody knows how often containers were started again; empty where it is known."""
    archive: dict[str, tuple[Content, ...]] = field(default_factory=dict)
    serials: dict[str, int] = field(default_factory=dict)
    """The newest record that each port has seen."""

    def contents(self) -> tuple[Content, ...]:
        """What the source holds now."""
        config = Content(CONFIG, {key: value.encode(errors="surrogateescape") for key, value in self.data.items()})
        password = Content(PASSWORD, {"password": self.password.encode()}, type="Opaque")
        return (config, password) if self.password else (config,)

    def revision(self) -> Revision:
        """What the source holds now, as a revision; its bytes stay in the archive."""
        template = json.dumps({"spec": {"containers": [{"image": self.image}]}})
        refs = tuple(
            ConfigRef(content.name, digest(content, self.digest_key), "" if content.secret else checksum(content))
            for content in self.contents()
        )
        made = Revision.of(template, "v1:" + hashlib.sha256(template.encode()).hexdigest()[:16], refs)
        self.archive.setdefault(made.id, self.contents())
        return made

    def source(self) -> Source:
        """What the source says now."""
        revision = None if self.problem else self.revision()
        policy = None if self.policy_problem else self.policy
        return Source(
            revision, self.problem, policy, self.policy_problem, self.suspended, self.skip_analysis,
            Origin("c0ffee", "ann", "change"), self.replicas, self.leaving,
        )  # fmt: skip

    def set_pods(self, exposure: Exposure, replicas: int | None) -> None:
        """What the runtime is told to work towards."""
        count = max(1, replicas if replicas is not None else self.replicas)
        for copy, revision in (("primary", exposure.primary), ("canary", exposure.canary)):
            wanted = (revision, count) if revision is not None else None
            if self.desired.get(copy) != wanted:
                if wanted is None:
                    self.desired.pop(copy, None)
                else:
                    self.desired[copy] = wanted
                self.since[copy] = self.now
        self.settle()

    def give_back(self) -> None:
        """The target has pods of what the source holds, whoever judged it; the primary stays."""
        first = self.desired.get("primary")
        self.set_pods(Exposure(first[0] if first is not None else None, self.revision()), self.replicas)

    def settle(self) -> None:
        """What a node does: starts what is missing; stops what is not wanted once its successor is ready."""
        for copy in ("primary", "canary"):
            wanted = self.desired.get(copy)
            if wanted is None:
                self.pods = [pod for pod in self.pods if pod.copy != copy]
                continue
            revision, count = wanted
            mine = [pod for pod in self.pods if pod.copy == copy and pod.revision == revision]
            for _ in range(count - len(mine)):
                stuck = copy in self.stuck or f"{copy}/{revision.id}" in self.stuck
                self.made += 1
                self.pods.append(Pod(copy, revision, self.now, None if stuck else self.now + self.start_up, f"pod-{self.made}"))
            ready = [pod for pod in self.pods if pod.copy == copy and pod.revision == revision and self.is_ready(pod)]
            if len(ready) >= count:
                self.pods = [pod for pod in self.pods if pod.copy != copy or pod.revision == revision]
            self.trim(copy, revision, count)

    def trim(self, copy: str, revision: Revision, count: int) -> None:
        """Stops surplus pods of the wanted revision."""
        surplus = [pod for pod in self.pods if pod.copy == copy and pod.revision == revision][count:]
        self.pods = [pod for pod in self.pods if not any(pod is other for other in surplus)]

    def is_ready(self, pod: Pod) -> bool:
        """Has it come up?"""
        return pod.ready is not None and pod.ready <= self.now

    def kill(self, copy: str) -> None:
        """All pods of a copy die; the node starts new ones."""
        self.pods = [pod for pod in self.pods if pod.copy != copy]
        self.since[copy] = self.now
        self.settle()

    def restart(self, copy: str, times: int = 1) -> None:
        """The containers of a copy end and are started again; between two looks, so that nobody sees them not ready."""
        for pod in self.pods:
            pod.restarts += times * (pod.copy == copy)

    def restarts(self, copy: str) -> Restarts:
        """How often that was, pod by pod."""
        if self.uncounted:
            return Restarts(problem=self.uncounted)
        self.settle()
        return Restarts(tuple(PodRestarts(pod.name, pod.restarts) for pod in self.pods if pod.copy == copy and pod.restarts))

    def copy(self, name: str) -> Copy:
        """A copy of the workload as one sees it."""
        self.settle()
        wanted = self.desired.get(name)
        pods = [pod for pod in self.pods if pod.copy == name]
        if wanted is None:
            return Copy(total=len(pods), since=self.since.get(name))
        revision, count = wanted
        updated = [pod for pod in pods if pod.revision == revision]
        available = sum(self.is_ready(pod) for pod in updated)
        return Copy(revision.id, count, len(pods), len(updated), available, since=self.since.get(name))

    def next_change(self) -> datetime | None:
        """When the next pod gets ready."""
        moments = [pod.ready for pod in self.pods if pod.ready is not None and pod.ready > self.now]
        return min(moments, default=None)

    def edit(self, **changes: str) -> None:
        """Someone edits the ConfigMap."""
        self.data = {**self.data, **changes}

    def set_back(self, back: timedelta) -> None:
        """Somebody sets the clock back; what pods do goes on as it was."""
        self.now -= back
        self.since = {copy: moment - back for copy, moment in self.since.items()}
        for pod in self.pods:
            pod.started, pod.ready = pod.started - back, pod.ready and pod.ready - back

    def allow(self, **changes: bool) -> None:
        """Changes what the router can do."""
        self.capabilities = replace(self.capabilities, **changes)
