"""An HTTP server on the loopback interface that keeps what it was sent and answers as it is told.

For tests of whatever asks or tells over HTTP: webhooks, chats, metric servers.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Seen:
    """One request as it came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def told(self) -> object:
        """The body, read as JSON."""
        return msgspec.json.decode(self.body)


@dataclass
class Receiver:
    """Answers 200 where nothing else was said. `address` is where it listens."""

    address: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    """By path."""
    seen: list[Seen] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at the end of the test: whoever hangs waits for it."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Keeps the request and answers it."""
        body = await request.read()
        self.seen.append(Seen(request.method, request.path, dict(request.query), dict(request.headers), body))
        answer = self.answers.get(request.path)
        return await answer(request) if answer is not None else web.Response(text="ok")

    def says(self, path: str, *answers: tuple[int, str] | tuple[int, str, Mapping[str, str]]) -> None:
        """Status, text and headers, one answer after the other, the last one for ever."""
        left = list(answers)

        async def reply(request: web.Request) -> web.StreamResponse:
            status, text, *headers = left.pop(0) if len(left) > 1 else left[0]
            return web.Response(status=status, text=text, headers=headers[0] if headers else None)

        self.answers[path] = reply

    def sends(self, path: str, status: int, *pieces: bytes, hangs: bool = False) -> None:
        """An answer piece by piece, which never ends where it `hangs`."""

        async def reply(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(status=status)
            await response.prepare(request)
            for piece in pieces:
                await response.write(piece)
                await asyncio.sleep(0)
            if hangs:
                await self.over.wait()
            return response

        self.answers[path] = reply

    def hangs(self, path: str) -> None:
        """No answer at all."""

        async def reply(request: web.Request) -> web.StreamResponse:
            await self.over.wait()
            return web.Response()

        self.answers[path] = reply

    def cuts(self, path: str) -> None:
        """The connection ends without an answer."""

        async def reply(request: web.Request) -> web.StreamResponse:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()

        self.answers[path] = reply

    def paths(self) -> list[str]:
        """Method and path of every request, in order."""
        return [f"{seen.method} {seen.path}" for seen in self.seen]


@asynccontextmanager
async def receiver(context: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Listens until the block is left; with a `context` over TLS."""
    made = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    made.address = f"{'https' if context else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        made.over.set()
        await runner.cleanup()
