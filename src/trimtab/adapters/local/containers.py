"""One container of a pod: started, adopted, probed, and started again when it ends. Run by `pods`.

Cancelling it leaves its process alone: processes outlive Trimtab (L1).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from trimtab.adapters.local import probes, process
from trimtab.adapters.local.envoy_ports import free
from trimtab.adapters.local.listening import listens
from trimtab.adapters.local.podfolder import count_restart
from trimtab.adapters.local.podspec import Container
from trimtab.adapters.local.probespec import Probe
from trimtab.adapters.local.running import Running
from trimtab.errors import Unavailable

FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 60.0
STEADY = 600.0
"""Seconds after which a container that ended before is given a fresh start."""
IMPLIED = Probe(period=1.0)
"""A container that declares ports but no readiness probe is ready when its first port answers; requests would be lost else."""
EAGER, SLOWER = 0.05, 1.5
"""Until it is ready a container is looked at after these many seconds, then after that many times as long, up to the probe's period."""
SUSPICIOUS = 8
"""After so many failed readiness probes, and each time as many more, it is worth asking whether the container listens elsewhere."""
LAST_WORD = 2.0
"""Seconds that a container gets after TERM, where its preStop handler took the whole grace period, as in Kubernetes."""
REASONS = {126: " (the program cannot be run, or its working directory is missing)", 127: " (the program was not found)"}


@dataclass(frozen=True, slots=True)
class Care:
    """What a container is looked after with. `changed` is called when its readiness may have changed."""

    pod: str
    grace: float
    session: aiohttp.ClientSession
    report: Callable[[str], None]
    changed: Callable[[], None]


@dataclass(eq=False)
class Supervised:
    """A container that exists on disk."""

    container: Container
    folder: Path
    log: Path
    ports: tuple[int, ...]
    """Local ports that this container alone has."""
    care: Care
    ready: bool = False
    unlucky: bool = False
    """One of its ports cannot be had, so this pod will never do; a new one gets other ports."""
    refused: bool = False
    """It listens where it must not (L3), so it was stopped for good."""

    async def complete(self) -> None:
        """An init container: returns when it has ended with 0; started again until then."""
        backoff = FIRST_BACKOFF
        while process.exit_code(self.folder) != 0:
            await process.gone(process.found(self.folder) or await self.start())
            await process.clear(self.folder)
            if process.exit_code(self.folder) != 0:
                self.say(f"{self.how_it_ended()}; starting it again")
                backoff = await self.back_off(backoff)

    async def keep(self) -> None:
        """Keeps the container running until cancelled."""
        backoff, loop = FIRST_BACKOFF, asyncio.get_running_loop()
        while True:
            running = process.found(self.folder)
            if running is None:
                if (self.folder / "run").exists():
                    self.set_ready(False)
                    self.say(f"{self.how_it_ended()}; starting it again")
                    await process.clear(self.folder)
                    backoff = await self.back_off(backoff)
                await self.need_ports()
                running = await self.start()
            begun = loop.time()
            await self.watch(running)
            if self.refused:
                await process.clear(self.folder)
                await asyncio.Event().wait()
            if loop.time() - begun > STEADY:
                backoff = FIRST_BACKOFF

    async def back_off(self, seconds: float) -> float:
        """Waits before the next start; the answer is how long to wait before the one after that."""
        await asyncio.sleep(seconds)
        count_restart(self.folder)
        return min(LONGEST_BACKOFF, seconds * 2)

    async def need_ports(self) -> None:
        """Returns if the container's ports are free. If not, it waits to be replaced by a pod with others."""
        taken = next((port for port in self.ports if not free(port)), None)
        if taken is not None:
            # Connections that ended keep a port too, for a minute, if the container did not set SO_REUSEADDR.
            self.say(f"cannot be started: its port {taken} is in use; a new pod gets another one")
            self.unlucky = True
            self.care.changed()
            await asyncio.Event().wait()

    async def start(self) -> Running:
        """Starts the container; a start that fails is tried again."""
        container = self.container
        name = f"container {container.name} of pod {self.care.pod}"
        root = Path(container.root)
        command = process.Command(name, container.command, container.variables, self.folder, self.log, root, Path(container.folder))
        backoff = FIRST_BACKOFF
        while True:
            try:
                return await process.start(command)
            except Unavailable as why:
                self.care.report(str(why))
                backoff = await self.back_off(backoff)

    async def watch(self, running: Running) -> None:
        """Probes the container while it runs; returns when it is gone."""
        async with asyncio.TaskGroup() as group:
            probing = group.create_task(self.probe())
            await process.gone(running)
            probing.cancel()

    async def probe(self) -> None:
        """Startup, then readiness and liveness side by side."""
        if self.container.startup is not None and not await self.started(self.container.startup):
            self.say(f"did not pass its startup probe in {self.container.startup.failures} times {self.container.startup.period:g} s")
            await self.end()
            return
        async with asyncio.TaskGroup() as group:
            group.create_task(self.probe_readiness())
            if self.container.liveness is not None:
                group.create_task(self.probe_liveness(self.container.liveness))

    async def started(self, probe: Probe) -> bool:
        """Did the startup probe pass in its time?"""
        loop, pause = asyncio.get_running_loop(), EAGER
        await asyncio.sleep(probe.initial_delay)
        end = loop.time() + probe.failures * probe.period
        while not await self.attempt(probe):
            if loop.time() > end:
                return False
            await asyncio.sleep(min(pause, probe.period))
            pause *= SLOWER
        return True

    async def probe_readiness(self) -> None:
        """Ready after enough successes in a row, not ready after enough failures in a row."""
        probe = self.container.readiness or self.implied()
        if probe is None:
            self.set_ready(True)
            return
        await asyncio.sleep(probe.initial_delay)
        good, bad, pause = 0, 0, EAGER
        while True:
            passed = await self.attempt(probe)
            good, bad = (good + 1, 0) if passed else (0, bad + 1)
            if good >= probe.successes:
                self.set_ready(True)
                if self.container.readiness is None:
                    return
            elif bad >= probe.failures:
                self.set_ready(False)
            if not self.ready and bad and bad % SUSPICIOUS == 0:
                await self.stop_if_it_listens_elsewhere(probe)
            eager = not passed and not self.ready
            await asyncio.sleep(min(pause, probe.period) if eager else probe.period)
            pause = pause * SLOWER if eager else EAGER

    def implied(self) -> Probe | None:
        """A look at the first declared port, where there is no probe."""
        port = next(iter(self.container.ports.values()), None)
        return None if port is None else replace(IMPLIED, port=port)

    async def probe_liveness(self, probe: Probe) -> None:
        """Ends a container that does not answer any more; it is started again then."""
        await asyncio.sleep(probe.initial_delay)
        bad = 0
        while True:
            bad = 0 if await self.attempt(probe) else bad + 1
            if bad >= probe.failures:
                break
            await asyncio.sleep(probe.period)
        self.say(f"failed its liveness probe {bad} times in a row")
        self.set_ready(False)
        await self.end()

    async def stop_if_it_listens_elsewhere(self, probe: Probe) -> None:
        """A container that ignores PORT and listens on the port of its template cannot share a machine: it ends, and stays so (L3)."""
        written = next((name for name, port in self.container.ports.items() if name.isdigit() and port == probe.port), "")
        if written and written != str(probe.port) and listens(process.session(self.folder), int(written)):
            self.say(
                f"was stopped: it listens on port {written}, but on one machine its port is {probe.port}. Let it listen on $PORT, or "
                f"write {written} in command, args or env, where it is replaced; then a new revision starts"
            )
            self.refused = True
            await self.end()

    async def attempt(self, probe: Probe) -> bool:
        """One probe."""
        container = self.container
        return await probes.attempt(
            probe, self.care.session, probes.Target(container.variables, Path(container.root), Path(container.folder))
        )

    async def end(self) -> None:
        """preStop, then TERM, then KILL when the grace period is over."""
        grace, container, loop = self.care.grace, self.container, asyncio.get_running_loop()
        if process.found(self.folder) is not None and container.pre_stop is not None:
            begin = loop.time()
            await self.attempt(replace(container.pre_stop, timeout=grace))
            grace = max(grace - (loop.time() - begin), LAST_WORD)
        await process.stop(self.folder, grace)

    def set_ready(self, ready: bool) -> None:
        """Readiness may have changed."""
        if ready != self.ready:
            self.ready = ready
            self.care.changed()

    def how_it_ended(self) -> str:
        """For people."""
        code = process.exit_code(self.folder)
        ending = f"ended with exit code {code}{REASONS.get(code, '')}" if code is not None else "was killed"
        return f"{ending}, log: {self.log}"

    def say(self, what: str) -> None:
        """Tells people about this container."""
        self.care.report(f"pod {self.care.pod}: container {self.container.name} {what}")
