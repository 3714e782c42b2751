"""The node of one machine: every copy of every workload, and how a new pod is made. Desired state is held in memory (L2);
what is there is what the folders say. Run beside the loop; told what to do by `workloads`.
"""

import asyncio
import sys
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from trimtab.adapters.local.copyset import CopySet, Means, Want
from trimtab.adapters.local.dataplane import CopyName, DataPlane
from trimtab.adapters.local.podfolder import PodRecord, create, folder_of, free_ports, read_all, rotate_logs
from trimtab.adapters.local.pods import PodMeans
from trimtab.adapters.local.podspec import Place, container_ports, plan
from trimtab.errors import InputError
from trimtab.model.content import Content
from trimtab.model.names import CanaryKey
from trimtab.model.revision import Revision
from trimtab.ports import Clock

LOG_LOOK = 10.0
"""Seconds between two looks at how large logs are."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the node needs from others. `services` gives the variables by which a namespace's Services are found."""

    plane: DataPlane
    session: aiohttp.ClientSession
    clock: Clock
    contents: Callable[[CanaryKey, Revision], Awaitable[Sequence[Content]]]
    services: Callable[[str], Mapping[str, str]]
    images: Mapping[str, Sequence[str]]
    report: Callable[[str], None]


@dataclass
class Node:
    """Every pod on this machine. `run` keeps them; without it nothing moves.

    InputError where the system is not Linux (L1), or a pod is another version's.
    """

    state: Path
    around: Surroundings
    copies: dict[tuple[CanaryKey, CopyName], CopySet] = field(default_factory=dict)
    changes: "asyncio.Queue[CanaryKey]" = field(default_factory=asyncio.Queue)
    fresh: "asyncio.Queue[CopySet]" = field(default_factory=asyncio.Queue)
    shown: set[str] = field(default_factory=set)
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    ending: bool = False

    def __post_init__(self) -> None:
        if not sys.platform.startswith("linux"):
            raise InputError(f"pods as processes need Linux: they are found again through /proc and pidfd. This is {sys.platform}")
        for record, folder in read_all(self.state, self.around.report):
            self.copy(record.key, record.copy).adopt(record, folder)

    def copy(self, key: CanaryKey, name: CopyName) -> CopySet:
        """The pods of one copy; a new one is taken into care by `run`."""
        found = self.copies.get((key, name))
        if found is None:
            around = self.around
            pods = PodMeans(self.state, around.session, around.report)
            found = CopySet(key, name, Means(around.plane, pods, self.make, self.changed, around.clock.now))
            self.copies[key, name] = found
            self.fresh.put_nowait(found)
        return found

    def changed(self, key: CanaryKey) -> None:
        """Something about the pods of a key changed."""
        self.changes.put_nowait(key)
        self.stirred.set()

    def want(self, key: CanaryKey, name: CopyName, want: Want) -> None:
        """What a copy should be from now on. Once everything is being stopped, nothing is wanted any more."""
        if not self.ending:
            self.copy(key, name).set(want)

    def keys(self) -> tuple[CanaryKey, ...]:
        """Every workload that has pods or should have some."""
        there = [key for (key, _), copies in self.copies.items() if copies.pods or (copies.want is not None and copies.want.count)]
        return tuple(dict.fromkeys(there))

    def services(self) -> frozenset[tuple[str, str]]:
        """Namespace and name of the Service in front of each workload that has pods or should have some."""
        wants = (copies.want for copies in self.copies.values() if copies.want is not None and (copies.pods or copies.want.count))
        return frozenset((want.backend.namespace, want.backend.service) for want in wants if want.backend is not None)

    async def run(self) -> None:
        """Keeps all pods until cancelled; their processes go on."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.rotate())
            while True:
                group.create_task((await self.fresh.get()).run())

    async def rotate(self) -> None:
        """Keeps logs from filling the disk."""
        while True:
            await asyncio.to_thread(rotate_logs, self.state)
            await asyncio.sleep(LOG_LOOK)

    async def stop_all(self) -> None:
        """Drains and stops every pod; returns when they are gone. `run` must be running. Nothing starts afterwards."""
        self.ending = True
        for copies in self.copies.values():
            scale_to_zero(copies)
        while any(copies.pods for copies in self.copies.values()):
            self.stirred.clear()
            await self.stirred.wait()

    def forget(self, key: CanaryKey) -> None:
        """Stops the pods of a workload that the source does not have any more."""
        for name in CopyName:
            if (key, name) in self.copies:
                scale_to_zero(self.copies[key, name])

    async def make(self, key: CanaryKey, copy: CopyName, revision: Revision) -> tuple[PodRecord, Path]:
        """Writes a new pod to disk. InputError where its template cannot run here, Unavailable where there is no room."""
        contents = await self.around.contents(key, revision)
        numbers = container_ports(revision.template)
        # From here on nothing is awaited, so that no two pods get the same port.
        taken = {port for copies in self.copies.values() for pod in copies.pods for port in pod.record.ports.values()}
        ports = dict(zip(numbers, free_ports(len(numbers), taken), strict=True))
        name = f"{key.name[:40]}-{copy}-{revision.id[:5]}-{uuid.uuid4().hex[:5]}"
        folder = str(folder_of(self.state, key, revision.id, name))
        place = Place(folder, name, key.namespace, ports, self.around.images, self.around.services(key.namespace))
        made = plan(revision.template, contents, place)
        self.show(key, revision, [text.replace(folder, "(the pod's folder)") for text in made.substitutions])
        record = PodRecord(key, copy, revision.id, name, ports, made, self.around.clock.now())
        return record, create(self.state, record)

    def show(self, key: CanaryKey, revision: Revision, substitutions: Sequence[str]) -> None:
        """Says what was substituted, once for each revision, and of that only what was not said before."""
        said = [] if revision.id in self.shown else [f"{key}  {text}" for text in substitutions]
        for text in said:
            if text not in self.shown:
                self.around.report(text)
        self.shown |= {revision.id, *said}


def scale_to_zero(copies: CopySet) -> None:
    """No pods, the Service in front as it was."""
    backend, port = (copies.want.backend, copies.want.target_port) if copies.want is not None else (None, "")
    copies.set(Want(None, 0, backend, port))
