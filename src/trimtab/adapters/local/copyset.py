"""All pods of one copy of one workload: as many of the wanted revision as wanted, replaced without losing a request (L4).

Order: a new pod is ready, the proxy is seen to have it, the old one is taken out of the proxy, its requests end, preStop, TERM.
Run by `node`; idle until it was told what is wanted.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from trimtab.adapters.local.dataplane import Backend, CopyName, DataPlane, Endpoint
from trimtab.adapters.local.podfolder import PodRecord, mark_ready, remove
from trimtab.adapters.local.pods import Pod, PodMeans
from trimtab.errors import InputError, OutsideError, TrimtabError, place_of
from trimtab.model.facts import Copy
from trimtab.model.names import CanaryKey
from trimtab.model.revision import Revision

RETRY = 1.0
"""Seconds until something that did not work is tried again."""
HELD = 30.0
"""Seconds until something is tried again at which Trimtab itself failed."""
DRAIN_LOOK = 0.05
"""Seconds between two looks at the requests that are under way to a pod that is to go."""


@dataclass(frozen=True, slots=True)
class Want:
    """What a copy should be. Without a revision there should be no pods."""

    revision: Revision | None
    count: int
    backend: Backend | None = None
    """The Service in front; None where there is none."""
    target_port: str = ""
    """The container port, by number or name, that the Service sends requests to."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a copy works with. `make` writes a new pod to disk, and raises OutsideError or InputError where it cannot."""

    plane: DataPlane
    pods: PodMeans
    make: Callable[[CanaryKey, CopyName, Revision], Awaitable[tuple[PodRecord, Path]]]
    changed: Callable[[CanaryKey], None]
    now: Callable[[], datetime]


@dataclass
class CopySet:
    """The pods of one copy."""

    key: CanaryKey
    name: CopyName
    means: Means
    want: Want | None = None
    pods: list[Pod] = field(default_factory=list)
    since: datetime | None = None
    """When it last came closer to what is wanted."""
    most: int = 0
    """The most pods of the wanted revision that were ever ready; a pod that comes and goes is no progress."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    published: tuple[Backend, tuple[Endpoint, ...]] | None = None
    problem: str = ""

    def adopt(self, record: PodRecord, folder: Path) -> None:
        """A pod that is there already."""
        self.pods.append(Pod(record, folder, self.means.pods, self.moved))

    def moved(self) -> None:
        """Something about a pod changed."""
        ready = sum(pod.ready for pod in self.wanted_pods())
        if ready > self.most:
            self.most, self.since = ready, self.means.now()
        self.wake.set()
        self.means.changed(self.key)

    def set(self, want: Want) -> None:
        """What is wanted from now on."""
        if want == self.want:
            return
        if self.want is None or want.revision != self.want.revision or want.count != self.want.count:
            self.since, self.most = self.means.now(), 0
        self.want, self.problem = want, ""
        self.wake.set()

    def staying(self) -> list[Pod]:
        """Pods that are not on their way out."""
        return [pod for pod in self.pods if not pod.stopping]

    def wanted_pods(self) -> list[Pod]:
        """Those that stay and are of the wanted revision; of the only revision there is, where nothing was said yet."""
        there = self.staying()
        if self.want is None:
            return there if len({pod.record.revision for pod in there}) == 1 else []
        return [pod for pod in there if self.want.revision is not None and pod.record.revision == self.want.revision.id]

    def look(self) -> Copy:
        """The copy as one sees it."""
        there, mine = self.staying(), self.wanted_pods()
        if self.want is None:
            revision, desired = mine[0].record.revision if mine else "", len(there)
        else:
            revision, desired = self.want.revision.id if self.want.revision is not None else "", self.want.count
        return Copy(revision, desired, len(there), len(mine), sum(pod.ready for pod in mine), since=self.since)

    async def run(self) -> None:
        """Works towards what is wanted until cancelled; pods stay as they are then."""
        async with asyncio.TaskGroup() as group:
            for pod in self.pods:
                self.tasks[pod.record.name] = group.create_task(self.care_for(pod))
            while True:
                self.wake.clear()
                patience = None
                try:
                    if self.want is not None:
                        await self.step(self.want, group)
                except (OutsideError, InputError) as why:
                    self.tell(str(why))
                    patience = RETRY
                except Exception as bug:
                    # One template with which we cannot cope must not end everything else.
                    self.tell(told(bug, f"making pods of {self.key} as they should be"))
                    patience = HELD
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        await self.wake.wait()

    async def care_for(self, pod: Pod) -> None:
        """Keeps a pod running until cancelled; trouble with one ends no other."""
        while True:
            try:
                return await pod.live()
            except Exception as bug:
                self.tell(told(bug, f"looking after pod {pod.record.name}"))
            await asyncio.sleep(HELD)

    async def step(self, want: Want, group: asyncio.TaskGroup) -> None:
        """One move towards what is wanted."""
        await self.publish(want, self.staying())
        leaving = self.surplus(want.count)
        if leaving:
            await self.let_go(want, leaving, group)
        elif want.revision is not None and len(self.wanted_pods()) < want.count and len(self.staying()) <= want.count:
            await self.add(want.revision, group)

    async def let_go(self, want: Want, leaving: Sequence[Pod], group: asyncio.TaskGroup) -> None:
        """Takes pods out of the proxy, and then stops them, unless things have changed meanwhile."""
        await self.publish(want, [pod for pod in self.staying() if pod not in leaving])
        self.wake.set()
        if self.want is not want or self.surplus(want.count) != leaving:
            return
        for pod in leaving:
            pod.stopping = True
            mark_ready(pod.folder, False)
            group.create_task(self.retire(pod, want.backend, want.target_port))
        if any(pod.record.revision != (want.revision.id if want.revision is not None else "") for pod in leaving):
            self.since = self.means.now()
        self.means.changed(self.key)

    def surplus(self, count: int) -> list[Pod]:
        """Pods that may go now: so many that as many as `count` stay that serve or may come to serve. Those that do not serve go first.

        As in Kubernetes with one pod more and none less, an old pod that does not serve goes only in exchange for a new one that does.
        """
        there, new = self.staying(), self.wanted_pods()
        if not count:
            return there
        hopeless = [pod for pod in there if pod.unlucky]
        if hopeless:
            return hopeless
        old = [pod for pod in there if pod not in new]
        coming = sum(not pod.ready for pod in new)
        idle = [pod for pod in old if not pod.ready][: max(0, len(there) - count - coming)]
        if idle:
            return idle
        spare = sum(pod.ready for pod in there) - count
        serving = [pod for pod in old if pod.ready][: max(0, spare)]
        return serving or sorted(new, key=lambda pod: pod.ready)[: max(0, len(new) - count)]

    async def add(self, revision: Revision, group: asyncio.TaskGroup) -> None:
        """One more pod of the wanted revision."""
        record, folder = await self.means.make(self.key, self.name, revision)
        self.adopt(record, folder)
        self.tasks[record.name] = group.create_task(self.care_for(self.pods[-1]))
        self.wake.set()
        self.means.changed(self.key)

    async def publish(self, want: Want, pods: Sequence[Pod]) -> None:
        """The proxy sends requests to the ready pods; returns when it is seen to do so.

        Where nothing is wanted any more, a proxy that does not answer does not keep pods from going.
        """
        if want.backend is None:
            return
        endpoints = tuple(sorted(found for pod in pods if pod.ready for found in self.endpoint(pod, want.target_port)))
        if self.published == (want.backend, endpoints):
            return
        try:
            await self.means.plane.publish(want.backend, endpoints)
        except OutsideError as why:
            if want.count:
                raise
            self.tell(str(why))
            return
        self.published = (want.backend, endpoints)

    def endpoint(self, pod: Pod, target_port: str) -> list[Endpoint]:
        """Where a pod answers."""
        for container in pod.record.plan.containers:
            if target_port in container.ports:
                return [Endpoint(container.ports[target_port])]
        names = ", ".join(port for container in pod.record.plan.containers for port in container.ports) or "none"
        self.tell(f"the Service of {self.key} sends to port {target_port}, which no container declares; there are: {names}")
        return []

    async def retire(self, pod: Pod, backend: Backend | None, target_port: str) -> None:
        """A pod that gets no new requests: its last ones end, then it is stopped."""
        if backend is not None:
            for endpoint in self.endpoint(pod, target_port):
                await self.drained(backend, endpoint, pod.record.plan.grace)
        task = self.tasks.pop(pod.record.name, None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await pod.stop()
        remove(self.means.pods.state, pod.folder)
        self.pods.remove(pod)
        self.wake.set()
        self.means.changed(self.key)

    async def drained(self, backend: Backend, endpoint: Endpoint, grace: float) -> None:
        """Returns when no request is under way, or the grace period is over."""
        with contextlib.suppress(TimeoutError, OutsideError):
            async with asyncio.timeout(grace):
                while await self.means.plane.active(backend, endpoint):
                    await asyncio.sleep(DRAIN_LOOK)

    def tell(self, problem: str) -> None:
        """The same problem once."""
        if problem != self.problem:
            self.problem = problem
            self.means.pods.report(problem)


def told(bug: Exception, doing: str) -> str:
    """For people: what went wrong, of several things the first."""
    while isinstance(bug, ExceptionGroup):
        bug = bug.exceptions[0]
    if isinstance(bug, TrimtabError):
        return str(bug)
    return f"{doing} ended with {type(bug).__name__} at {place_of(bug)}, which is a bug in Trimtab: please report it. Tried again in 30 s"
