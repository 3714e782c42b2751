"""The forge in memory keeps the promises of every forge."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from trimtab.errors import Unavailable
from trimtab.model.forge import BranchCommit, PullRequest, RequestState, Thread
from trimtab.testing.contracts import forge
from trimtab.testing.contracts.promise import BrokenPromise
from trimtab.testing.forge import Hub, MemoryForge


@dataclass
class InMemory:
    branches: dict[str, list[BranchCommit]] = field(default_factory=dict)
    base: str = "main"
    reviewer: str = "ann"

    def __post_init__(self) -> None:
        self.hub = Hub(lambda base, head: self.branches.get(head, []))
        self.forge = MemoryForge(self.hub)

    async def branch(self, name: str) -> str:
        commits = self.branches.setdefault(name, [])
        commits.append(BranchCommit(f"{name}@{len(commits)}", "trimtab-bot", "bot@example.com", "bot@example.com", "Change"))
        return commits[-1].id

    async def approve(self, request: PullRequest, approves: bool = True) -> None:
        self.hub.review(request, "ann", approves)

    async def close(self, thread: Thread) -> None:
        self.hub.end(thread)

    async def merge(self, request: PullRequest) -> None:
        self.hub.end(request, RequestState.MERGED)

    async def comment(self, thread: Thread, text: str) -> None:
        self.hub.comment(thread, text, "ann")

    async def label(self, thread: Thread, name: str) -> None:
        self.hub.label(thread, [name], "ann")


@pytest.mark.parametrize("check", forge.CHECKS, ids=lambda check: check.__name__)
async def test_the_forge_in_memory_keeps_its_promises(check: Callable[[forge.Harness], Awaitable[None]]) -> None:
    await check(InMemory())


async def test_a_forge_that_forgets_who_closed_what_is_found_out() -> None:
    there = InMemory()

    async def merge(request: PullRequest) -> None:
        there.hub.end(request)

    there.merge = merge  # type: ignore[method-assign]
    with pytest.raises(BrokenPromise, match="merged"):
        await forge.a_merged_one_says_what_the_base_got(there)


async def test_trouble_strikes_before_or_after_a_call_took_place() -> None:
    there = InMemory()
    made = await forge.opened(there)

    def strike(call: str, moment: str) -> None:
        if (call, moment) == ("say", "after"):
            raise Unavailable("the answer is lost")

    there.forge.strike = strike
    with pytest.raises(Unavailable):
        await there.forge.say(made, "hello")
    assert [comment.body for comment in await there.forge.comments(made)] == ["hello"]
