"""One pod: init containers one after the other, then its containers side by side, until it is told to stop. Run by `copyset`.

Cancelling it leaves the processes alone: they outlive Trimtab (L1).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from trimtab.adapters.local import process
from trimtab.adapters.local.containers import Care, Supervised
from trimtab.adapters.local.podfolder import PodRecord, log_of, mark_ready, restarts, was_ready
from trimtab.adapters.local.podspec import Container


@dataclass(frozen=True, slots=True)
class PodMeans:
    """What pods work with: where they lie, who asks their probes, and who hears of them."""

    state: Path
    session: aiohttp.ClientSession
    report: Callable[[str], None]


@dataclass(eq=False)
class Pod:
    """A pod that exists on disk. `changed` is called whenever readiness changes."""

    record: PodRecord
    folder: Path
    means: PodMeans
    changed: Callable[[], None]
    stopping: bool = False
    init: tuple[Supervised, ...] = field(init=False)
    containers: tuple[Supervised, ...] = field(init=False)
    seen_ready: bool = field(init=False)

    def __post_init__(self) -> None:
        plan = self.record.plan
        self.init = tuple(self.supervised(container, ()) for container in plan.init)
        taken: set[int] = set()
        made = []
        for container in plan.containers:
            own = tuple(dict.fromkeys(port for port in container.ports.values() if port not in taken))
            taken.update(own)
            made.append(self.supervised(container, own))
        self.containers = tuple(made)
        if was_ready(self.folder):
            for found in self.containers:
                found.ready = process.found(found.folder) is not None
        self.seen_ready = self.ready

    def supervised(self, container: Container, ports: tuple[int, ...]) -> Supervised:
        """A container of this pod."""
        name = self.record.name
        care = Care(name, self.record.plan.grace, self.means.session, self.means.report, self.moved)
        return Supervised(container, self.folder / f"c-{container.name}", log_of(self.means.state, name, container.name), ports, care)

    @property
    def ready(self) -> bool:
        """Do all containers say that they are ready, and is the pod to stay?"""
        return not self.stopping and all(container.ready for container in self.containers)

    @property
    def unlucky(self) -> bool:
        """Will it never do, while another pod of the same revision might?"""
        return any(container.unlucky for container in self.containers)

    @property
    def restarts(self) -> int:
        """How often its containers were started again."""
        return sum(restarts(container.folder) for container in (*self.init, *self.containers))

    def moved(self) -> None:
        """Something about a container changed."""
        if self.ready != self.seen_ready:
            self.seen_ready = self.ready
            mark_ready(self.folder, self.ready)
            self.changed()
        elif self.unlucky:
            self.changed()

    async def live(self) -> None:
        """Keeps the pod running until it is cancelled."""
        for container in self.init:
            await container.complete()
        async with asyncio.TaskGroup() as group:
            for container in self.containers:
                group.create_task(container.keep())

    async def stop(self) -> None:
        """preStop, then TERM, then KILL after the grace period, for all containers at once. `live` must have ended."""
        async with asyncio.TaskGroup() as group:
            for container in (*self.init, *self.containers):
                group.create_task(container.end())
