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

import aiohttp

from trimtab.adapters.local.dataplane import Backend, CopyName, DataPlane, Endpoint
from trimtab.adapters.local.podfolder import PodRecord, remove
from trimtab.adapters.local.pods import Pod
from trimtab.errors import InputError, OutsideError
from trimtab.model.facts import Copy
from trimtab.model.names import CanaryKey
from trimtab.model.revision import Revision

RETRY = 1.0
"""Seconds until something that did not work is tried again."""
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
    session: aiohttp.ClientSession
    make: Callable[[CanaryKey, CopyName, Revision], Awaitable[tuple[PodRecord, Path]]]
    report: Callable[[str], None]
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
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    published: tuple[Backend, tuple[Endpoint, ...]] | None = None
    problem: str = ""

    def adopt(self, record: PodRecord, folder: Path) -> None:
        """A pod that is there already."""
        self.pods.append(Pod(record, folder, self.means.session, self.moved, self.means.report))

    def moved(self) -> None:
        """Something about a pod changed."""
        self.since = self.means.now()
        self.wake.set()
        self.means.changed(self.key)

    def set(self, want: Want) -> None:
        """What is wanted from now on."""
        if want != self.want:
            if self.want is None or want.revision != self.want.revision or want.count != self.want.count:
                self.since = self.means.now()
            self.want, self.problem = want, ""
            self.wake.set()

    def look(self) -> Copy:
        """The copy as one sees it. Pods on their way out do not count."""
        there = [pod for pod in self.pods if not pod.stopping]
        if self.want is None:
            revisions = {pod.record.revision for pod in there}
            only = next(iter(revisions)) if len(revisions) == 1 else ""
            mine = [pod for pod in there if pod.record.revision == only]
            return Copy(only, len(there), len(there), len(mine), sum(pod.ready for pod in mine), since=self.since)
        revision = self.want.revision.id if self.want.revision is not None else ""
        mine = [pod for pod in there if pod.record.revision == revision]
        return Copy(revision, self.want.count, len(there), len(mine), sum(pod.ready for pod in mine), since=self.since)

    async def run(self) -> None:
        """Works towards what is wanted until cancelled; pods stay as they are then."""
        async with asyncio.TaskGroup() as group:
            for pod in self.pods:
                self.tasks[pod.record.name] = group.create_task(pod.live())
            while True:
                self.wake.clear()
                patience = None
                try:
                    if self.want is not None:
                        await self.step(self.want, group)
                except (OutsideError, InputError) as why:
                    self.tell(str(why))
                    patience = RETRY
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        await self.wake.wait()

    async def step(self, want: Want, group: asyncio.TaskGroup) -> None:
        """One move towards what is wanted."""
        there = [pod for pod in self.pods if not pod.stopping]
        new = [pod for pod in there if want.revision is not None and pod.record.revision == want.revision.id]
        old = [pod for pod in there if pod not in new]
        await self.publish(want, there)
        surplus = self.surplus(want.count, new, old)
        if surplus:
            for pod in surplus:
                pod.stopping = True
                self.since = self.means.now()
            await self.publish(want, [pod for pod in there if not pod.stopping])
            for pod in surplus:
                group.create_task(self.retire(pod, want.backend, want.target_port))
            self.means.changed(self.key)
            self.wake.set()
        elif want.revision is not None and len(new) < want.count and len(there) <= want.count:
            await self.add(want.revision, group)

    def surplus(self, count: int, new: Sequence[Pod], old: Sequence[Pod]) -> list[Pod]:
        """Pods that may go now without leaving fewer than `count` ready ones; those that do not serve first."""
        if not count:
            return [*new, *old]
        useless = [pod for pod in old if not pod.ready]
        if useless:
            return useless
        spare = sum(pod.ready for pod in (*new, *old)) - count
        gone = list(old)[: max(0, min(spare, len(old)))]
        return gone or sorted(new, key=lambda pod: pod.ready)[: max(0, len(new) - count)]

    async def add(self, revision: Revision, group: asyncio.TaskGroup) -> None:
        """One more pod of the wanted revision."""
        record, folder = await self.means.make(self.key, self.name, revision)
        self.adopt(record, folder)
        self.tasks[record.name] = group.create_task(self.pods[-1].live())
        self.wake.set()
        self.means.changed(self.key)

    async def publish(self, want: Want, pods: Sequence[Pod]) -> None:
        """The proxy sends requests to the ready pods; returns when it is seen to do so."""
        if want.backend is None:
            return
        endpoints = tuple(sorted(found for pod in pods if pod.ready for found in self.endpoint(pod, want.target_port)))
        if self.published != (want.backend, endpoints):
            await self.means.plane.publish(want.backend, endpoints)
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
            await asyncio.gather(task, return_exceptions=True)
        await pod.stop()
        remove(pod.folder)
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
            self.means.report(problem)
