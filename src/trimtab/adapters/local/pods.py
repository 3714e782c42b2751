"""One pod: init containers, then its processes, kept alive and probed until it is told to stop. Run by `copyset`.

Cancelling it leaves the processes alone: they outlive Trimtab (L1).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp

from trimtab.adapters.local import probes, process
from trimtab.adapters.local.envoy_process import Running
from trimtab.adapters.local.listening import listens
from trimtab.adapters.local.podfolder import PodRecord, mark_ready, restarts, was_ready, write
from trimtab.adapters.local.podspec import Container
from trimtab.adapters.local.probespec import Probe
from trimtab.errors import Unavailable

FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 60.0
STEADY = 600.0
"""Seconds after which a container that crashed before is given a fresh start."""
IMPLIED = Probe(period=0.1, timeout=1.0)
"""A container that declares ports but no readiness probe is ready when its first port answers; requests would be lost else."""
MISTAKEN = 20
"""Failed readiness probes after which it is worth asking whether the container listens elsewhere."""


@dataclass
class Pod:
    """A pod that exists on disk. `changed` is called whenever readiness changes, `report` when something is worth a word."""

    record: PodRecord
    folder: Path
    session: aiohttp.ClientSession
    changed: Callable[[], None]
    report: Callable[[str], None]
    stopping: bool = False
    ready_containers: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if was_ready(self.folder):
            self.ready_containers = {container.name for container in self.record.plan.containers}

    @property
    def ready(self) -> bool:
        """Do all containers say that they are ready?"""
        return not self.stopping and len(self.ready_containers) == len(self.record.plan.containers)

    @property
    def root(self) -> Path:
        """The folder that stands for the pod's file system."""
        return self.folder / "root"

    async def live(self) -> None:
        """Keeps the pod running until it is cancelled."""
        try:
            if not await self.initialised():
                return
            async with asyncio.TaskGroup() as group:
                for container in self.record.plan.containers:
                    group.create_task(self.supervise(container))
        finally:
            mark_ready(self.folder, self.ready)

    async def initialised(self) -> bool:
        """Runs the init containers, one after the other, each until it ends with 0."""
        for container in self.record.plan.init:
            folder, failures = self.folder / f"c-{container.name}", 0
            while process.exit_code(folder) != 0:
                running = process.found(folder) or await self.start(container)
                await process.gone(running)
                if process.exit_code(folder) != 0:
                    failures += 1
                    self.report(f"pod {self.record.name}: init container {container.name} {self.how_it_ended(container)}")
                    await asyncio.sleep(min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(failures - 1, 10)))
        return True

    async def supervise(self, container: Container) -> None:
        """Starts a container, adopts one that runs already, and starts it again when it ends."""
        folder, backoff = self.folder / f"c-{container.name}", FIRST_BACKOFF
        first = process.found(folder) is None and not (folder / "run").exists()
        while True:
            running = process.found(folder)
            if running is None:
                if not first:
                    self.set_ready(container, False)
                    self.report(f"pod {self.record.name}: container {container.name} {self.how_it_ended(container)}; starting it again")
                    await asyncio.sleep(backoff)
                    backoff = min(LONGEST_BACKOFF, backoff * 2)
                    self.count_restart(folder)
                running = await self.start(container)
            first = False
            begun = asyncio.get_running_loop().time()
            await self.watch(container, running)
            if asyncio.get_running_loop().time() - begun > STEADY:
                backoff = FIRST_BACKOFF

    async def watch(self, container: Container, running: Running) -> None:
        """Probes a container while it runs; returns when it is gone."""
        prober = asyncio.create_task(self.probe(container, running))
        try:
            await process.gone(running)
        finally:
            prober.cancel()
            await asyncio.gather(prober, return_exceptions=True)

    async def probe(self, container: Container, running: Running) -> None:
        """Startup, then readiness and liveness side by side."""
        if container.startup is not None and not await self.until_started(container, container.startup, running):
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self.probe_readiness(container, running))
            if container.liveness is not None:
                group.create_task(self.probe_liveness(container, container.liveness, running))

    async def until_started(self, container: Container, probe: Probe, running: Running) -> bool:
        """Waits for the startup probe; a container that never starts is ended."""
        await asyncio.sleep(probe.initial_delay)
        for _ in range(probe.failures):
            if await self.attempt(container, probe):
                return True
            await asyncio.sleep(probe.period)
        self.report(f"pod {self.record.name}: container {container.name} did not pass its startup probe; starting it again")
        await process.stop(running, self.record.plan.grace)
        return False

    async def probe_readiness(self, container: Container, running: Running) -> None:
        """Ready after enough successes, not ready after enough failures. Looked at often until it is ready for the first time."""
        probe = container.readiness or self.implied(container)
        if probe is None:
            self.set_ready(container, True)
            return
        await asyncio.sleep(probe.initial_delay)
        good = bad = 0
        while True:
            passed = await self.attempt(container, probe)
            good, bad = (good + 1, 0) if passed else (0, bad + 1)
            if good >= probe.successes:
                self.set_ready(container, True)
                if container.readiness is None:
                    return
            elif bad >= probe.failures:
                self.set_ready(container, False)
            if bad == MISTAKEN:
                self.tell_where_it_listens(container, running)
            eager = not passed and container.name not in self.ready_containers
            await asyncio.sleep(min(probe.period, 0.1) if eager else probe.period)

    def implied(self, container: Container) -> Probe | None:
        """A look at the first declared port, where there is no probe."""
        port = next(iter(container.ports.values()), None)
        return None if port is None else Probe(port=port, period=IMPLIED.period, timeout=IMPLIED.timeout)

    async def probe_liveness(self, container: Container, probe: Probe, running: Running) -> None:
        """Ends a container that does not answer any more; the supervisor starts it again."""
        await asyncio.sleep(probe.initial_delay)
        bad = 0
        while bad < probe.failures:
            bad = 0 if await self.attempt(container, probe) else bad + 1
            if bad < probe.failures:
                await asyncio.sleep(probe.period)
        self.report(f"pod {self.record.name}: container {container.name} failed its liveness probe {bad} times")
        await process.stop(running, self.record.plan.grace)

    async def attempt(self, container: Container, probe: Probe) -> bool:
        """One probe."""
        return await probes.attempt(probe, self.session, container.variables, self.root)

    def tell_where_it_listens(self, container: Container, running: Running) -> None:
        """A container that ignores PORT and listens on the port of its template cannot share a machine (L3)."""
        for written, local in container.ports.items():
            if written.isdigit() and listens(running.pid, int(written)):
                self.report(
                    f"pod {self.record.name}: container {container.name} listens on port {written}, but on one machine its port is "
                    f"{local}. Let it listen on $PORT, or write {written} where it is set in command, args or env, so that it is replaced"
                )

    async def start(self, container: Container) -> Running:
        """Starts a container; a start that fails is tried again."""
        folder = self.folder / f"c-{container.name}"
        while True:
            try:
                return await process.start(process.Command(container.command, container.variables, folder, Path(container.folder)))
            except Unavailable as why:
                self.report(f"pod {self.record.name}: {why}")
                await asyncio.sleep(FIRST_BACKOFF)

    def how_it_ended(self, container: Container) -> str:
        """For people."""
        folder = self.folder / f"c-{container.name}"
        code = process.exit_code(folder)
        ending = f"ended with exit code {code}" if code is not None else "was killed"
        return f"{ending} (log: {folder / 'log'})"

    def count_restart(self, folder: Path) -> None:
        """One more."""
        count = restarts(folder) + 1
        (folder / "restarts").unlink(missing_ok=True)
        write(folder / "restarts", str(count).encode(), 0o600)

    def set_ready(self, container: Container, ready: bool) -> None:
        """Readiness of one container changed."""
        before = self.ready
        (self.ready_containers.add if ready else self.ready_containers.discard)(container.name)
        if self.ready != before:
            mark_ready(self.folder, self.ready)
            self.changed()

    async def stop(self) -> None:
        """preStop, then TERM, then KILL after the grace period."""
        grace = self.record.plan.grace
        async with asyncio.TaskGroup() as group:
            for container in (*self.record.plan.init, *self.record.plan.containers):
                group.create_task(self.stop_container(container, grace))

    async def stop_container(self, container: Container, grace: float) -> None:
        """One container."""
        running = process.found(self.folder / f"c-{container.name}")
        if running is None:
            return
        if container.pre_stop is not None:
            await self.attempt(container, replace(container.pre_stop, timeout=grace))
        await process.stop(running, grace)
