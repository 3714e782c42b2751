"""A forge of the tests on loopback: a `Hub` behind an API, in which each request and each answer is held against the API's description."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from pipeline.testbed.openapi import Call, Description, NotAsDescribed
from trimtab.model.forge import BranchCommit, PullRequest, RequestState, Thread
from trimtab.testing.forge import Hub

PAGE = 2
"""Entries of a page, however many are asked for; few, so that there are always more."""
BOT, REVIEWER = "trimtab-bot", "ann"
Raw = Any


class Refuses(Exception):
    """The forge says no."""

    def __init__(self, status: int, body: Raw) -> None:
        super().__init__(status)
        self.status, self.body = status, body


@dataclass(frozen=True)
class Asked:
    """One request to the forge; `name` is the operation: `post /repos/{owner}/{repo}/pulls`."""

    call: Call
    query: Mapping[str, str]
    body: Raw

    @property
    def name(self) -> str:
        """Method and template."""
        return f"{self.call.method} {self.call.template}"

    def __getitem__(self, parameter: str) -> str:
        return self.call.parameters[parameter]


Handler = Callable[[Asked], tuple[int, Raw]]


@dataclass
class Hosting:
    """The server, and the people who use it without us. Contract checks play on it."""

    description: Description
    root: str
    """The path under which the API is: empty, or `/api/v4`."""
    branches: dict[str, list[BranchCommit]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    """What was not as described; must be empty in the end."""
    seen: list[Asked] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    base: str = "main"
    reviewer: str = REVIEWER
    address: str = ""
    handler: Handler = lambda asked: (500, None)

    def __post_init__(self) -> None:
        self.hub = Hub(lambda base, head: self.branches.get(head, []))

    async def answer(self, request: web.Request) -> web.Response:
        """Checks, asks the handler, cuts the answer into pages, checks again."""
        text = await request.read()
        self.headers.append(dict(request.headers))
        try:
            call = self.description.call(request.method, request.raw_path.partition("?")[0].removeprefix(self.root))
            asked = Asked(call, dict(request.query), json.loads(text) if text else None)
            self.seen.append(asked)
            self.description.request(call, asked.query, asked.body)
            try:
                status, body = self.handler(asked)
            except Refuses as refusal:
                status, body = refusal.status, refusal.body
            body, links = self.page(request, body)
            self.description.answer(call, status, body)
        except NotAsDescribed as error:
            self.wrong.append(str(error))
            return web.json_response({"message": f"not as described: {error}"}, status=418)
        return web.json_response(body, status=status, headers=links)

    def page(self, request: web.Request, body: Raw) -> tuple[Raw, dict[str, str]]:
        """One page of a list, with the address of the next."""
        number = int(request.query.get("page", 1))
        if not isinstance(body, list) or "per_page" not in request.query:
            return body, {}
        if number * PAGE >= len(body):
            return body[(number - 1) * PAGE :], {}
        after = urlencode({**request.query, "page": number + 1})
        return body[(number - 1) * PAGE : number * PAGE], {"Link": f'<https://elsewhere.example{request.path}?{after}>; rel="next"'}

    async def branch(self, name: str) -> str:
        """The bot pushes."""
        commits = self.branches.setdefault(name, [])
        total = sum(map(len, self.branches.values())) + 1
        address = f"{BOT}@example.com"
        commits.append(BranchCommit(f"{total:040x}", BOT, address, address, f"Change {total}"))
        return commits[-1].id

    async def approve(self, request: PullRequest, approves: bool = True) -> None:
        """The reviewer looks."""
        self.hub.review(request, REVIEWER, approves)

    async def close(self, thread: Thread) -> None:
        """The reviewer closes."""
        self.hub.end(thread)

    async def merge(self, request: PullRequest) -> None:
        """The reviewer merges."""
        self.hub.end(request, RequestState.MERGED)

    async def comment(self, thread: Thread, text: str) -> None:
        """The reviewer speaks."""
        self.hub.comment(thread, text, REVIEWER)

    async def label(self, thread: Thread, name: str) -> None:
        """The reviewer labels."""
        self.hub.label(thread, [name], REVIEWER)


@asynccontextmanager
async def hosting(made: Hosting) -> AsyncIterator[Hosting]:
    """It listens until the block is left; nothing may have been other than described."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
        assert not made.wrong, made.wrong
    finally:
        await runner.cleanup()
