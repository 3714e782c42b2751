"""The Envoy of this machine: started or found again, kept alive, and told which Services to listen for.

Made by `wiring`, used by `envoy_dataplane` and `envoy_router`. Envoy reads everything from files that are replaced in one step,
so it works on without Trimtab; what is true is what its admin interface says, never what is in our files (L4).
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import aiohttp
import msgspec

from trimtab.adapters.local import envoy_documents, envoy_files, envoy_ports, envoy_process, running
from trimtab.adapters.local.dataplane import Backend, CopyName
from trimtab.adapters.local.envoy_admin import Admin
from trimtab.adapters.local.envoy_documents import Exposed, Shares, cluster_name, load_assignment_name
from trimtab.errors import Unavailable

START_SECONDS = 10.0
ADOPT_SECONDS = 3.0
BACKOFF_SECONDS = 1.0
"""Between two attempts to start an Envoy that does not stay up."""

PORT_TRIES, LISTEN_SECONDS = 5, 1.0
"""How often and how long it is waited until Envoy listens; it needs 10 ms."""

DRAIN_SECONDS = 60
"""How long requests under way may take when a Service gets another port."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Service is reached on this machine: the port it asked for, the one it got, and those of its copies alone."""

    wanted: int
    actual: int
    primary: int
    canary: int


class Envoy:
    """One Envoy and the Services it listens for. `program` is asked for its program only when one has to be started."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession, program: Callable[[], Path]) -> None:
        self.folder, self._program = folder.absolute(), program
        self.admin = Admin(session, self.admin_address)
        self._address = ""
        self._process: running.Running | None = None
        self._services: dict[tuple[str, str], Exposed] = {}
        self._settled: set[Exposed] = set()
        self._life = asyncio.Lock()

    def admin_address(self) -> str:
        """The base URL of the admin interface; empty before the first start."""
        return self._address

    def addresses(self) -> Mapping[tuple[str, str], Address]:
        """Where each Service is reached, by namespace and name."""
        return {key: Address(of.wanted, of.port, of.primary_port, of.canary_port) for key, of in sorted(self._services.items())}

    def exposed(self, namespace: str, service: str) -> Exposed | None:
        """A Service that Envoy listens for; None where it was never asked to."""
        return self._services.get((namespace, service))

    def routes_file(self, service: Exposed) -> Path:
        """From where Envoy reads the routes of a Service."""
        return self.folder / "routes" / f"{service.name}.json"

    def endpoints_file(self, backend: Backend) -> Path:
        """From where Envoy reads the pods of a copy."""
        return self.folder / "endpoints" / f"{load_assignment_name(backend)}.json"

    async def start(self) -> None:
        """Finds the running Envoy again or starts one; nothing happens where it is known and alive.

        Raises InputError where there is no Envoy on this machine, Unavailable where it does not come up.
        """
        if not self._up():
            async with self._life:
                await self._ensure()

    async def supervise(self) -> None:
        """Starts Envoy again whenever it is gone; runs until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            tried = loop.time()
            with contextlib.suppress(Unavailable):
                await self.start()
                if self._process is not None:
                    await running.ended(self._process)
            if loop.time() - tried < BACKOFF_SECONDS:
                await asyncio.sleep(BACKOFF_SECONDS)

    async def stop(self, grace: float = 5.0) -> None:
        """Takes no new connections, lets requests under way end for at most `grace` seconds, and ends Envoy. Stop `supervise` before."""
        async with self._life:
            process = self._process or running.recorded(self.folder / "process")
            if process is None or not running.alive(process):
                return
            if await self._adopt(process):
                self._write("listeners.json", envoy_documents.listeners((), self.folder))
                await envoy_files.until(self._quiet, grace)
            await running.terminate(process, grace)
            self._process = None

    async def expose(self, namespace: str, service: str, wanted: int) -> Exposed:
        """Listens for a Service that asks for port `wanted`; returns when Envoy does. At first its primary gets everything (L5).

        The port is the same if it is 1024 or more and free, else another one that stays the same from then on; see `addresses`.
        """
        async with self._life:
            for _ in range(PORT_TRIES):
                await self._ensure()
                known = self.exposed(namespace, service)
                try:
                    if known is None or known.wanted != wanted:
                        return await self._change(known, envoy_ports.choose(namespace, service, wanted, self._ports()))
                    return known if known in self._settled else await self._listen(known)
                except Unavailable:
                    # Envoy 1.40 dies where two programs bind a port at the same moment and the other one listens first.
                    if await self._survives():
                        raise
        raise Unavailable(f"listening for Service {service}.{namespace}: Envoy died {PORT_TRIES} times in a row. {self._why()}")

    async def withdraw(self, namespace: str, service: str) -> None:
        """Stops listening for a Service and forgets its port. Requests under way are answered."""
        async with self._life:
            await self._ensure()
            gone = self.exposed(namespace, service)
            if gone is None:
                return
            self._settled.discard(gone)
            self._remember({key: of for key, of in self._services.items() if of != gone})
            self._write_services()
            for file in (self.routes_file(gone), *(self.endpoints_file(backend) for backend in backends(gone))):
                envoy_files.remove(file)

    def _up(self) -> bool:
        return self._process is not None and running.alive(self._process)

    async def _survives(self) -> bool:
        async def clear() -> bool:
            return not self._up() or await self.admin.ready()

        return await envoy_files.until(clear, LISTEN_SECONDS) and self._up()

    async def _ensure(self) -> None:
        if self._up():
            return
        for place in (self.folder, self.folder / "routes", self.folder / "endpoints"):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._settled.clear()
        self._services = {(of.namespace, of.service): of for of in envoy_ports.read(self.folder / "services.json")}
        found = running.recorded(self.folder / "process")
        if found is not None and await self._adopt(found):
            self._process = found
            self._write_services()
        else:
            self._process = await self._launch(found)
        for service in tuple(self._services.values()):
            # One Service without a port must not keep the others from being served; who wants it exposed is told.
            with contextlib.suppress(Unavailable):
                await self._listen(service)

    async def _change(self, before: Exposed | None, chosen: Exposed) -> Exposed:
        self._write_missing(chosen)
        self._remember({**self._services, (chosen.namespace, chosen.service): chosen})
        if before is not None:
            await self._move_routes(before, chosen)
        self._write_services()
        return await self._listen(chosen)

    def _remember(self, services: dict[tuple[str, str], Exposed]) -> None:
        envoy_ports.write(self.folder / "services.json", services.values())
        self._services = services

    async def _move_routes(self, before: Exposed, chosen: Exposed) -> None:
        """Names of clusters hold the port: the routes go over to the new ones before the old ones are taken away."""
        names = [
            (cluster_name(old, before.wanted), cluster_name(new, chosen.wanted))
            for old, new in zip(backends(before), backends(chosen), strict=True)
        ]
        self._write("clusters.json", envoy_documents.clusters((*self._services.values(), before), self.folder))

        async def known() -> bool:
            return {new for _, new in names} <= await self.admin.clusters()

        if not await envoy_files.until(known, envoy_files.DEADLINE):
            raise Unavailable(f"Envoy does not know {names[0][1]} after {envoy_files.DEADLINE:g} s: {self._why()}")
        text = self.routes_file(before).read_bytes()
        for old, new in names:
            text = text.replace(f'"{old}"'.encode(), f'"{new}"'.encode())
        envoy_files.replace(self.routes_file(chosen), text.rstrip())

        async def moved() -> bool:
            routes = await self.admin.routes(chosen.name)
            return routes is not None and names[0][1].encode() in msgspec.json.encode(routes)

        if not await envoy_files.until(moved, envoy_files.DEADLINE):
            raise Unavailable(f"Envoy does not send requests to {names[0][1]} after {envoy_files.DEADLINE:g} s: {self._why()}")

    async def _listen(self, service: Exposed) -> Exposed:
        """Waits until Envoy listens; where somebody was quicker to take a port it gets another one."""
        for _ in range(PORT_TRIES):
            if await envoy_files.until(partial(self._listening, service), LISTEN_SECONDS):
                self._settled.add(service)
                return service
            service = self._other_ports(service, await self.admin.listeners())
            self._remember({**self._services, (service.namespace, service.service): service})
            self._write_services()
        name, ports = f"{service.service}.{service.namespace}", sorted(envoy_documents.listener_ports(service).values())
        raise Unavailable(f"Envoy does not listen on 127.0.0.1 ports {ports} for Service {name}: {self._why()}")

    async def _listening(self, service: Exposed) -> bool:
        clusters = {cluster_name(backend, service.wanted) for backend in backends(service)}
        if not (set(envoy_documents.listener_ports(service)) <= await self.admin.listeners() and clusters <= await self.admin.clusters()):
            return False
        return await self.admin.routes(service.name) is not None

    def _other_ports(self, service: Exposed, listeners: Set[str] = frozenset()) -> Exposed:
        """The same ports where they are free or Envoy has them, else others."""
        held = {port for name, port in envoy_documents.listener_ports(service).items() if name in listeners}
        anew = envoy_ports.choose(service.namespace, service.service, service.wanted, self._ports())

        def kept(port: int, other: int) -> int:
            return port if port in held or envoy_ports.free(port) else other

        return replace(
            service,
            port=kept(service.port, anew.port),
            primary_port=kept(service.primary_port, anew.primary_port),
            canary_port=kept(service.canary_port, anew.canary_port),
        )

    async def _adopt(self, found: running.Running) -> bool:
        if not running.alive(found):
            return False
        self._address = self._read_address()
        return bool(self._address) and await envoy_files.until(self.admin.ready, ADOPT_SECONDS)

    async def _launch(self, before: running.Running | None) -> running.Running:
        program = self._program()
        if before is not None:
            await running.terminate(before, ADOPT_SECONDS)
        if before is None or before.boot != running.boot_id():
            # Pods do not live longer than the machine, and others may listen on their ports now.
            for file in (self.folder / "endpoints").glob("*.json"):
                envoy_files.remove(file)
        for service in tuple(self._services.values()):
            self._remember({**self._services, (service.namespace, service.service): self._other_ports(service)})
        for service in self._services.values():
            self._write_missing(service)
        self._write("bootstrap.json", envoy_documents.bootstrap(self.folder))
        self._write_services()
        return await self._spawn(program)

    async def _spawn(self, program: Path) -> running.Running:
        (self.folder / "admin").unlink(missing_ok=True)
        command = (str(program), "--config-path", str(self.folder / "bootstrap.json"), "--admin-address-path", str(self.folder / "admin"))
        # One worker is exact, cheap, and faster than what a laptop's services need.
        options = ("--concurrency", "1", "--disable-hot-restart", "--drain-time-s", str(DRAIN_SECONDS), "--drain-strategy", "immediate")
        log = self.folder / "envoy.log"
        process = envoy_process.launch((*command, *options, "--log-level", "warning"), self.folder / "process", log)

        async def up_or_gone() -> bool:
            self._address = self._read_address()
            return not running.alive(process) or (bool(self._address) and await self.admin.ready())

        if not await envoy_files.until(up_or_gone, START_SECONDS) or not running.alive(process):
            await running.terminate(process, ADOPT_SECONDS)
            raise Unavailable(f"starting {program}: it did not come up. Its log {log} ends with: {envoy_files.last_line(log)}")
        return process

    def _ports(self) -> frozenset[int]:
        return frozenset(port for of in self._services.values() for port in (of.port, of.primary_port, of.canary_port))

    def _write_missing(self, service: Exposed) -> None:
        if not self.routes_file(service).exists():
            self._write(f"routes/{service.name}.json", envoy_documents.routes(service, Shares(), {}))
        for backend in backends(service):
            if not self.endpoints_file(backend).exists():
                self._write(f"endpoints/{load_assignment_name(backend)}.json", envoy_documents.endpoints(backend, (), ()))

    def _write_services(self) -> None:
        services = tuple(self._services.values())
        self._write("clusters.json", envoy_documents.clusters(services, self.folder))
        self._write("listeners.json", envoy_documents.listeners(services, self.folder))

    def _write(self, name: str, document: envoy_documents.Document) -> None:
        envoy_files.replace(self.folder / name, msgspec.json.encode(document))

    def _read_address(self) -> str:
        try:
            return f"http://{(self.folder / 'admin').read_text().strip()}"
        except OSError:
            return ""

    async def _quiet(self) -> bool:
        active = await self.admin.counters(r"^http\..*\.downstream_rq_active$")
        return not any(value for name, value in active.items() if not name.startswith("http.admin."))

    def _why(self) -> str:
        return f"{envoy_files.last_refusal(self.folder / 'envoy.log')}. See {self.folder / 'envoy.log'}."


def backends(service: Exposed) -> Sequence[Backend]:
    """The two copies behind a Service."""
    return tuple(Backend(service.namespace, service.service, copy) for copy in CopyName)
