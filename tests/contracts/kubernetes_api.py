"""A server on loopback that answers as a script says: an API server on its bad days, for tests of the Kubernetes client."""

import asyncio
import ssl
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from trimtab.adapters.kubernetes.client import Client, Deadlines, connected
from trimtab.adapters.kubernetes.connection import Connection
from trimtab.adapters.kubernetes.credentials import Credential, Credentials
from trimtab.adapters.kubernetes.trust import Trust

USUAL = Deadlines()
Raw = dict[str, Any]
Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Seen:
    """One request that came in, and when by the loop's clock."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Raw
    at: float


@dataclass
class Api:
    """Answers one request after the other from `script`; the last answer is given again and again."""

    script: deque[Reply] = field(default_factory=deque)
    seen: list[Seen] = field(default_factory=list)
    server: str = ""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.read()
        body = msgspec.json.decode(text) if text else {}
        at = asyncio.get_running_loop().time()
        self.seen.append(Seen(request.method, request.path, dict(request.query), dict(request.headers), body, at))
        reply = self.script.popleft() if len(self.script) > 1 else self.script[0]
        return await reply(request)

    def says(self, *replies: Reply) -> None:
        self.script.extend(replies)

    def stream(self, *lines: Raw | bytes, then: str = "close") -> Reply:
        """A watch: `then` the stream is closed, kept open (`stay`), or the connection cut (`cut`)."""

        async def reply(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(request)
            for line in lines:
                await response.write(line if isinstance(line, bytes) else msgspec.json.encode(line) + b"\n")
            if then == "stay":
                await self.over.wait()
            if then == "cut" and request.transport is not None:
                request.transport.abort()
            return response

        return reply

    def silence(self) -> Reply:
        """No answer at all."""

        async def reply(request: web.Request) -> web.StreamResponse:
            await self.over.wait()
            return web.Response()

        return reply


def gives(body: Raw, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return reply


def garbage(text: str, status: int = 200) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        return web.Response(text=text, status=status)

    return reply


def status(code: int, reason: str, message: str = "", *, after: str = "", **details: Any) -> Reply:
    """A Status, as the API server answers with."""
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": message,
        "details": details,
        "code": code,
    }
    return gives(body, code, {"Retry-After": after} if after else None)


def made(name: str, version: str, *, namespace: str = "shop", uid: str = "", **more: Any) -> Raw:
    """A ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": namespace, "name": name, "uid": uid or f"uid-{name}", "resourceVersion": version},
        **more,
    }


def listing(version: str, *found: Raw, more: str = "") -> Reply:
    bare = [{key: value for key, value in item.items() if key not in ("apiVersion", "kind")} for item in found]
    return gives({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": version, "continue": more}, "items": bare})


def event(kind: str, found: Raw) -> Raw:
    return {"type": kind, "object": found}


def bookmark(version: str) -> Raw:
    return event("BOOKMARK", {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": version}})


class Nobody:
    """Credentials of somebody who shows none; counts how often they were not accepted."""

    def __init__(self) -> None:
        self.forgotten = 0

    async def current(self) -> Credential:
        return Credential((("Authorization", f"Bearer token-{self.forgotten}"),))

    def forget(self) -> None:
        self.forgotten += 1


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Api]:
    """The server, until the end of the block."""
    api = Api()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    api.server = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        api.over.set()
        await runner.cleanup()


def towards(api: Api, credentials: Credentials | None = None) -> Connection:
    return Connection(api.server, "default", "user ann of context test in config", Trust("test"), credentials or Nobody())


@asynccontextmanager
async def talking(deadlines: Deadlines = USUAL, credentials: Credentials | None = None) -> AsyncIterator[tuple[Api, Client]]:
    """The server and a client of it."""
    async with serving() as api, connected(towards(api, credentials), deadlines) as client:
        yield api, client


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Returns once the condition holds; TimeoutError if that takes too long."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


def certificates(folder: Path) -> Path:
    """A folder with ca.pem, and server.pem and ann.pem signed by it, each with NAME.key; the server's name is `api.test`."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=30)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    openssl("req", "-x509", *new, "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    for name, more in (("server", ("-addext", "subjectAltName=DNS:api.test")), ("ann", ()), ("bob", ())):
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", *more)
        openssl("req", "-x509", *new, "-subj", f"/CN={name}", *signed, "-keyout", f"{name}.key", "-out", f"{name}.pem")
    return folder


def serving_tls(authority: Path) -> ssl.SSLContext:
    """For a server that likes to see a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    context.load_verify_locations(authority / "ca.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    return context
