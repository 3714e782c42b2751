"""The Envoy of this machine: started or found again, kept alive, and told which Services to listen for.

Made by `wiring`, used by `envoy_dataplane` and `envoy_router`. Envoy reads everything from files that are replaced in one step,
so it works on without Trimtab; what is true is what its admin interface says, never what is in our files (L4).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import msgspec

from trimtab.adapters.local import envoy_documents, envoy_ports, envoy_process
from trimtab.adapters.local.dataplane import Backend, CopyName
from trimtab.adapters.local.envoy_admin import Admin
from trimtab.adapters.local.envoy_documents import Document, Exposed, Shares, cluster_name, load_assignment_name
from trimtab.errors import TrimtabError, Unavailable

DEADLINE = 5.0
"""Seconds until Envoy must have taken over a file; it needs 4 ms at most (L4)."""

BACKOFF = 1.0
"""Seconds between two attempts to start an Envoy that does not stay up."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Service is reached on this machine: the port it asked for, the one it got, and those of its copies alone."""

    wanted: int
    actual: int
    primary: int
    canary: int


class Rejected(Unavailable):
    """Envoy read a file and refused what is in it; `reason` is in its own words."""

    def __init__(self, file: Path, reason: str) -> None:
        self.reason = reason
        super().__init__(f"Envoy refuses {file}: {reason}. It goes on with what it had; its log is next to that file.")


class Envoy:
    """One Envoy and the Services it listens for. `program` is asked for its program only when one has to be started."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession, program: Callable[[], Path]) -> None:
        self.folder, self._program = folder, program
        self.admin = Admin(session, self.admin_address)
        self._address = ""
        self._process: envoy_process.Running | None = None
        self._services: dict[tuple[str, str], Exposed] = {}
        self._settled: set[Exposed] = set()
        self._life, self._changing = asyncio.Lock(), asyncio.Lock()

    def admin_address(self) -> str:
        """The base URL of the admin interface; empty before the first start."""
        return self._address

    def addresses(self) -> Mapping[tuple[str, str], Address]:
        """Where each Service is reached, by namespace and name."""
        return {key: Address(of.wanted, of.port, of.primary_port, of.canary_port) for key, of in sorted(self._services.items())}

    def exposed(self, namespace: str, service: str) -> Exposed | None:
        """A Service that Envoy listens for; None where it was never asked to."""
        return self._services.get((namespace, service))

    async def start(self) -> None:
        """Finds the running Envoy again or starts one; nothing happens where it is known and alive.

        Raises InputError where there is no Envoy on this machine, Unavailable where it does not come up.
        """
        async with self._life:
            if self._process is not None and envoy_process.alive(self._process):
                return
            for place in (self.folder, self.folder / "routes", self.folder / "endpoints"):
                place.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._settled.clear()
            self._services = {(of.namespace, of.service): of for of in envoy_ports.read(self.folder / "services.json")}
            found = envoy_process.recorded(self.folder / "process")
            self._process = found if found is not None and await self._adopt(found) else await self._launch(found)
            self._write_services()

    async def supervise(self) -> None:
        """Starts Envoy again whenever it is gone; runs until it is cancelled."""
        while True:
            try:
                await self.start()
            except Unavailable:
                await asyncio.sleep(BACKOFF)
            else:
                if self._process is not None:
                    await envoy_process.ended(self._process)

    async def stop(self, grace: float = 5.0) -> None:
        """Takes no new connections, lets requests under way end for at most `grace` seconds, and ends Envoy. No `supervise` may run."""
        async with self._life:
            process = self._process or envoy_process.recorded(self.folder / "process")
            if process is None or not envoy_process.alive(process):
                return
            if await self._adopt(process):
                self._write("listeners.json", envoy_documents.listeners((), self.folder))
                await _until(self._quiet, grace)
            await envoy_process.terminate(process, grace)
            self._process = None

    async def expose(self, namespace: str, service: str, wanted: int) -> Exposed:
        """Listens for a Service that asks for port `wanted`; returns when Envoy does. At first its primary gets everything (L5).

        The port is the same if it is 1024 or more and free, else another one that stays the same from then on; see `addresses`.
        """
        await self.start()
        async with self._changing:
            known = self.exposed(namespace, service)
            if known is None or known.wanted != wanted:
                await self._add(namespace, service, wanted)
            elif known not in self._settled:
                await self._settle(known)
            return self._services[namespace, service]

    async def withdraw(self, namespace: str, service: str) -> None:
        """Stops listening for a Service and forgets its port. Requests under way are answered."""
        await self.start()
        async with self._changing:
            gone = self._services.pop((namespace, service), None)
            if gone is None:
                return
            self._settled.discard(gone)
            envoy_ports.write(self.folder / "services.json", self._services.values())
            self._write_services()
            for file in (self.routes_file(gone), *(self.endpoints_file(backend) for backend in _backends(gone))):
                file.unlink(missing_ok=True)

    def routes_file(self, service: Exposed) -> Path:
        """From where Envoy reads the routes of a Service."""
        return self.folder / "routes" / f"{service.name}.json"

    def endpoints_file(self, backend: Backend) -> Path:
        """From where Envoy reads the pods of a copy."""
        return self.folder / "endpoints" / f"{load_assignment_name(backend)}.json"

    async def replace(self, file: Path, document: Document, seen: Callable[[], Awaitable[bool]], refusals: str) -> None:
        """Replaces a file and returns when `seen` says that Envoy goes by it, within 5 s; else the old file is put back.

        `refusals` is a regular expression for the counters that move when Envoy refuses it. Raises Rejected or Unavailable.
        """
        before = file.read_bytes() if file.exists() else None
        counted = await self.admin.counters(refusals)
        envoy_ports.replace(file, msgspec.json.encode(document))

        async def over() -> bool:
            return await seen() or await self.admin.counters(refusals) != counted

        await _until(over, DEADLINE)
        if await seen():
            return
        moved = await self.admin.counters(refusals)
        # What Envoy refused must not be what it finds when it starts again.
        if before is not None:
            envoy_ports.replace(file, before)
        if moved != counted:
            raise Rejected(file, _last_refusal(self.folder / "envoy.log"))
        raise Unavailable(f"Envoy has not taken over {file} within {DEADLINE:g} s; counters of refusals: {dict(moved) or 'none'}.")
