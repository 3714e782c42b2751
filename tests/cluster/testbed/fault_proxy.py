"""Between an operator and the API server: passes everything on, and does on command what networks and busy API servers do.

It speaks plain HTTP on loopback. Tests put faults into `faults`; the first that concerns a request has its way with it.
"""

import asyncio
import json
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp
import yaml
from aiohttp import web

ONE_CONNECTION = frozenset({"host", "connection", "keep-alive", "transfer-encoding", "content-length"})
"""Headers that are not passed on."""
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
STEPS_IN = 3
"""Of the event loop, until a connection that was accepted is one of the server's."""
REASONS = {401: "Unauthorized", 410: "Expired", 429: "TooManyRequests", 500: "InternalError"}


@dataclass(frozen=True, slots=True)
class Call:
    """A request, as far as faults are about it. `what` is the resource, with `/SUBRESOURCE` where there is one.

    `name` is of the object: one that is made has it in its body, an Event is called after what it is about, a list after its selector.
    """

    method: str
    what: str
    name: str
    watch: bool

    @classmethod
    def of(cls, request: web.BaseRequest, body: bytes) -> "Call":
        """What a request asks for."""
        parts = [part for part in request.path.split("/") if part]
        rest = parts[2:] if parts[:1] == ["api"] else parts[3:]
        if rest[:1] == ["namespaces"] and len(rest) > 2:
            rest = rest[2:]
        what, name, sub = (*rest, "", "", "")[:3]
        if request.method == "POST" and not name:
            made = json.loads(body)
            name = (made.get("involvedObject") or made.get("metadata") or {}).get("name", "")
        return cls(
            request.method, f"{what}/{sub}" if sub else what, name or request.query.get("labelSelector", ""), "watch" in request.query
        )

    @property
    def writes(self) -> bool:
        """May it change anything?"""
        return self.method in WRITES


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request on its way through."""

    proxy: "FaultProxy"
    request: web.Request
    body: bytes


Deed = Callable[[Exchange], Awaitable[web.StreamResponse]]


@dataclass
class Fault:
    """What is done to the requests that it concerns. `met` has those, oldest first."""

    do: Deed
    concerns: Callable[[Call], bool]
    once_each: bool = True
    """Of requests of one method and resource only the first since `anew`."""
    met: list[Call] = field(default_factory=list)
    known: set[tuple[str, str]] = field(default_factory=set)

    def anew(self) -> None:
        """Requests that were met before are met once more."""
        self.known.clear()

    def takes(self, call: Call) -> bool:
        """Is this request one for it?"""
        kind = call.method, call.what
        if not self.concerns(call) or (self.once_each and kind in self.known):
            return False
        self.known.add(kind)
        self.met.append(call)
        return True


class FaultProxy:
    """One, in front of the API server of a kubeconfig that the testbed wrote."""

    def __init__(self, kubeconfig: Path) -> None:
        cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
        self.behind: str = cluster["server"]
        self.faults: list[Fault] = []
        self.expired: set[str] = set()
        """Tokens that are not accepted any more."""
        self.calls: list[Call] = []
        """Everything that was asked."""
        self.refused: list[str] = []
        """Those that came all the same, each time."""
        self.port = 0
        self._trust = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._watches: list[web.Request] = []

    async def __aenter__(self) -> "FaultProxy":
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{rest:.*}", self._answer)
        connector = aiohttp.TCPConnector(ssl=self._trust, limit=0)
        self.session = aiohttp.ClientSession(
            connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=None)
        )
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await self.come_back()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._site in self._runner.sites:
            await self.leave()
        await self._runner.cleanup()
        await self.session.close()
        await asyncio.sleep(0)

    def kubeconfig(self, path: Path, token: Path, namespace: str) -> Path:
        """Writes one that leads here, with the token in a file."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxied",
            "clusters": [{"name": "tests", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "proxied", "user": {"tokenFile": str(token)}}],
            "contexts": [{"name": "proxied", "context": {"cluster": "tests", "user": "proxied", "namespace": namespace}}],
        }
        path.write_text(json.dumps(content))
        return path

    async def leave(self) -> None:
        """Connections break, and new ones are refused."""
        # First whoever is being let in gets in: a server that closes meanwhile would leave their sockets open.
        asyncio.get_running_loop().remove_reader(self._socket)
        for _ in range(STEPS_IN):
            await asyncio.sleep(0)
        await self._site.stop()
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()

    async def come_back(self) -> None:
        """Where it was before."""
        self._socket = socket.create_server(("127.0.0.1", self.port))
        self._site = web.SockSite(self._runner, self._socket)
        await self._site.start()
        self.port = self._socket.getsockname()[1]

    def drop_watches(self) -> int:
        """Breaks the connection of each watch; how many there were."""
        dropped = list(self._watches)
        for request in dropped:
            hang_up(request)
        return len(dropped)

    async def forward(self, exchange: Exchange) -> aiohttp.ClientResponse:
        """What the API server answers; the caller releases it."""
        request = exchange.request
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in ONE_CONNECTION]
        return await self.session.request(
            request.method, f"{self.behind}{request.raw_path}", headers=headers, data=exchange.body or None, allow_redirects=False
        )

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        exchange = Exchange(self, request, await request.read())
        call = Call.of(request, exchange.body)
        self.calls.append(call)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token in self.expired:
            self.refused.append(token)
            return status(401)
        fault = next((fault for fault in self.faults if fault.takes(call)), None)
        return await (fault.do if fault is not None else passed_on)(exchange)

    async def stream(self, exchange: Exchange, answer: aiohttp.ClientResponse) -> web.StreamResponse:
        """Passes an answer on as it comes."""
        request = exchange.request
        response = web.StreamResponse(status=answer.status, headers=headers_of(answer))
        if "watch" in request.query:
            self._watches.append(request)
        try:
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
        except (aiohttp.ClientError, ConnectionError):
            hang_up(request)
        finally:
            self._watches = [watch for watch in self._watches if watch is not request]
        return response


async def passed_on(exchange: Exchange) -> web.StreamResponse:
    """No fault."""
    try:
        answer = await exchange.proxy.forward(exchange)
    except aiohttp.ClientError:
        return hang_up(exchange.request)
    async with answer:
        return await exchange.proxy.stream(exchange, answer)


def says(code: int, **headers: str) -> Deed:
    """Refuses with a status, and does nothing."""

    async def deed(exchange: Exchange) -> web.StreamResponse:
        return status(code, **headers)

    return deed


def late(seconds: float) -> Deed:
    """Takes its time."""

    async def deed(exchange: Exchange) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await passed_on(exchange)

    return deed


async def lost(exchange: Exchange) -> web.StreamResponse:
    """Lets the request through; nobody hears what became of it."""
    async with await exchange.proxy.forward(exchange) as answer:
        await answer.read()
    return hang_up(exchange.request)


async def cut(exchange: Exchange) -> web.StreamResponse:
    """Lets the request through; the answer ends in the middle."""
    async with await exchange.proxy.forward(exchange) as answer:
        body = await answer.read()
        response = web.StreamResponse(status=answer.status, headers={**headers_of(answer), "Content-Length": str(len(body))})
    await response.prepare(exchange.request)
    await response.write(body[: len(body) // 2])
    return hang_up(exchange.request)


async def gone(exchange: Exchange) -> web.StreamResponse:
    """A watch that says in its stream that its version is too old."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(exchange.request)
    await response.write(json.dumps({"type": "ERROR", "object": status_object(410)}).encode() + b"\n")
    return response


def hang_up(request: web.Request) -> web.StreamResponse:
    """Breaks the connection; an answer that nobody gets."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def status(code: int, **headers: str) -> web.Response:
    """A refusal, as an API server writes it."""
    return web.json_response(status_object(code), status=code, headers={name.replace("_", "-"): value for name, value in headers.items()})


def status_object(code: int) -> dict[str, Any]:
    """Its body."""
    reason = REASONS[code]
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": f"a fault: {reason}"}


def headers_of(answer: aiohttp.ClientResponse) -> dict[str, str]:
    """What an answer says about itself."""
    return {name: value for name, value in answer.headers.items() if name.lower() not in ONE_CONNECTION}
