"""The asyncio shell around `reconcile`: no key is lost, whatever comes when."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from trimtab.adapters.clock import SystemClock
from trimtab.control.loop import CHANGES_IN_A_ROW, COMMANDS_IN_A_ROW, Loop
from trimtab.control.pace import APART, EASE, Pace
from trimtab.control.queue import Queue
from trimtab.errors import Denied, InputError, SafetyError, TrimtabError, Unavailable, Vanished
from trimtab.model.decision import Decision
from trimtab.model.facts import Source
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.rollout import CanaryState
from trimtab.model.tellings import Telling
from trimtab.ports import Outside, Stored

KEY = CanaryKey("test", "app")


class Outdoors:
    """Sources, workloads and store of one Canary; `looked` is set when a pass begins."""

    def __init__(self, changes: int, error: Exception | None = None) -> None:
        self._changes, self._error = changes, error
        self.looked = asyncio.Event()

    async def keys(self) -> tuple[CanaryKey, ...]:
        return (KEY,)

    async def changes(self) -> AsyncIterator[CanaryKey]:
        for _ in range(self._changes):
            yield KEY
        await asyncio.Event().wait()

    async def load(self, key: CanaryKey) -> Any:
        self.looked.set()
        raise self._error or Unavailable("a pass began, which is all that is asked here")


async def test_a_change_that_comes_before_a_pass_has_begun_does_not_lose_the_key() -> None:
    """The watch runs before the first step of the pass that was handed out; that pass will see the change anyhow."""
    sources, quiet = Outdoors(changes=2), Outdoors(changes=0)
    store = Outdoors(changes=0)
    none: Any = None
    outside = Outside(sources, quiet, none, none, none, none, store, SystemClock())  # type: ignore[arg-type]
    running = asyncio.create_task(Loop(outside, lambda key, problem: None, lambda key, decision, took: None).run())
    try:
        async with asyncio.timeout(5):
            await store.looked.wait()
    finally:
        running.cancel()
        await asyncio.wait([running])


class Restless(Outdoors):
    """A Canary about which something is heard again and again while a pass is under way. `begun` and `ended` count passes."""

    def __init__(self) -> None:
        super().__init__(changes=0)
        self.rings, self.begun, self.ended = asyncio.Event(), 0, asyncio.Event()

    async def changes(self) -> AsyncIterator[CanaryKey]:
        while True:
            await self.rings.wait()
            self.rings.clear()
            yield KEY

    async def load(self, key: CanaryKey) -> Any:
        self.begun += 1
        for _ in range(20):
            self.rings.set()
            await asyncio.sleep(0)
        self.ended.set()
        raise Unavailable("a pass came to its end, which is all that is asked here")


@pytest.mark.parametrize(("where", "cut"), [("sources", CHANGES_IN_A_ROW), ("store", COMMANDS_IN_A_ROW), ("workloads", 0)])
async def test_whatever_keeps_waking_a_canary_a_pass_over_it_comes_to_its_end(where: str, cut: int) -> None:
    restless, none, ports = Restless(), Any, {}
    for name in ("sources", "workloads", "store"):
        ports[name] = restless if name == where else Outdoors(changes=0)
    ports["store"].load = restless.load  # type: ignore[method-assign]
    outside = Outside(**ports, router=none, metrics=none, hooks=none, teller=none, clock=SystemClock())  # type: ignore[arg-type]
    running = asyncio.create_task(Loop(outside, lambda key, problem: None, lambda key, decision, took: None).run())
    try:
        async with asyncio.timeout(5):
            await restless.ended.wait()
        assert restless.begun == 1 + cut
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_what_is_heard_during_a_pass_that_is_not_cut_off_is_looked_at_as_soon_as_that_has_failed() -> None:
    restless, none = Restless(), Any
    quiet, store = Outdoors(changes=0), Outdoors(changes=0)
    store.load = restless.load  # type: ignore[method-assign]
    outside = Outside(restless, quiet, none, none, none, none, store, SystemClock())  # type: ignore[arg-type]
    loop = Loop(outside, lambda key, problem: None, lambda key, decision, took: None)
    running = asyncio.create_task(loop.run())
    try:
        async with asyncio.timeout(5):
            await restless.ended.wait()
            while loop.passes:
                await asyncio.sleep(0)
        due = loop.queue.next()
        assert due is not None and due <= SystemClock().now()
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_nobody_comes_back_to_a_canary_that_is_gone() -> None:
    none: Any = None
    store = Outdoors(changes=0, error=Vanished("it is gone"))
    outside = Outside(Outdoors(changes=0), Outdoors(changes=0), none, none, none, none, store, SystemClock())  # type: ignore[arg-type]
    heard: asyncio.Queue[TrimtabError | None] = asyncio.Queue()
    loop = Loop(outside, lambda key, problem: heard.put_nowait(problem), lambda key, decision, took: None)
    running = asyncio.create_task(loop.run())
    try:
        async with asyncio.timeout(5):
            assert isinstance(await heard.get(), Vanished)
            while loop.passes:
                await asyncio.sleep(0)
        assert loop.queue.next() is None and not loop.queue.busy and not loop.queue.failures
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_a_bug_in_one_pass_holds_that_canary_and_neither_ends_the_loop_nor_shows_what_it_said() -> None:
    none: Any = None
    store = Outdoors(changes=0, error=KeyError("the value of a secret"))
    outside = Outside(Outdoors(changes=0), Outdoors(changes=0), none, none, none, none, store, SystemClock())  # type: ignore[arg-type]
    heard: asyncio.Queue[TrimtabError | None] = asyncio.Queue()
    loop = Loop(outside, lambda key, problem: heard.put_nowait(problem), lambda key, decision, took: None)
    running = asyncio.create_task(loop.run())
    try:
        async with asyncio.timeout(5):
            problem = await heard.get()
        assert isinstance(problem, SafetyError) and "secret" not in str(problem)
        assert re.search(r"KeyError at test_loop.py:\d+ \(from reconcile.py:\d+, loop.py:\d+\), which is a bug", str(problem))
        assert not running.done() and loop.queue.next() is not None
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.mark.parametrize("kind", [InputError, Denied])
async def test_what_needs_a_person_is_handed_to_a_pass_that_follows_at_once_and_then_to_one_every_30_seconds(
    kind: type[TrimtabError],
) -> None:
    none: Any = None
    store = Outdoors(changes=0, error=kind("no such backend"))
    outside = Outside(Outdoors(changes=0), Outdoors(changes=0), none, none, none, none, store, SystemClock())  # type: ignore[arg-type]
    heard: asyncio.Queue[TrimtabError | None] = asyncio.Queue()
    loop = Loop(outside, lambda key, problem: heard.put_nowait(problem), lambda key, decision, took: None)
    running = asyncio.create_task(loop.run())
    try:
        async with asyncio.timeout(5):
            for _ in range(2):
                assert isinstance(await heard.get(), kind)
            while loop.passes:
                await asyncio.sleep(0)
        due = loop.queue.next()
        assert loop.refused == {KEY: "no such backend"} and heard.empty()
        assert due is not None and due > SystemClock().now() + timedelta(seconds=20)
    finally:
        running.cancel()
        await asyncio.wait([running])


class Crowd(Outdoors):
    """Many Canaries whose passes never end, heard of one after the other; `moments` says when each began."""

    def __init__(self, count: int) -> None:
        super().__init__(changes=0)
        self.many = tuple(CanaryKey("test", f"app-{number}") for number in range(count))
        self.moments: list[float] = []
        self.complete = asyncio.Event()

    async def keys(self) -> tuple[CanaryKey, ...]:
        return ()

    async def changes(self) -> AsyncIterator[CanaryKey]:
        for key in self.many:
            yield key
        await asyncio.Event().wait()

    async def load(self, key: CanaryKey) -> Any:
        self.moments.append(asyncio.get_running_loop().time())
        if len(self.moments) == len(self.many):
            self.complete.set()
        await asyncio.Event().wait()


async def test_passes_of_a_crowd_begin_apart_and_none_waits_for_another_to_end() -> None:
    crowd, quiet = Crowd(EASE + 4), Outdoors(changes=0)
    start = asyncio.get_running_loop().time()
    none: Any = None
    store = Outdoors(changes=0)
    store.load = crowd.load  # type: ignore[method-assign]
    outside = Outside(crowd, quiet, none, none, none, none, store, SystemClock())  # type: ignore[arg-type]
    running = asyncio.create_task(Loop(outside, lambda key, problem: None, lambda key, decision, took: None).run())
    try:
        async with asyncio.timeout(5):
            await crowd.complete.wait()
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert crowd.moments[-1] - start >= 4 * APART


async def test_nothing_is_paced_before_all_that_was_there_at_the_start_was_looked_at() -> None:
    loop, none = Loop(Outside(*[None] * 8), lambda key, problem: None, lambda key, decision, took: None), Any  # type: ignore[arg-type]
    loop.passes = {CanaryKey("test", f"app-{number}"): none for number in range(EASE)}
    loop.pace.begins(100.0)
    loop.fresh = {KEY}
    assert loop.rest(100.0) == 0.0 and loop.free(100.0)
    loop.fresh = set()
    assert loop.rest(100.0) == pytest.approx(APART) and not loop.free(100.0)


def test_only_in_a_crowd_a_pass_waits_for_the_one_before() -> None:
    pace = Pace()
    assert pace.rest(EASE, 100.0) == 0.0
    pace.begins(100.0)
    assert pace.rest(EASE - 1, 100.0) == 0.0
    assert pace.rest(EASE, 100.0) == pytest.approx(APART) and pace.rest(EASE, 100.0 + 2 * APART) == 0.0


def test_a_clock_that_is_set_back_by_an_hour_delays_nobody_by_an_hour() -> None:
    queue, now = Queue(Random(1)), datetime(2026, 1, 2, tzinfo=UTC)
    assert queue.take(now) is None
    queue.add(KEY, now + timedelta(seconds=10))
    before = now - timedelta(hours=1)
    assert queue.take(before) is None
    assert queue.next() == before + timedelta(seconds=10)
    assert queue.take(before + timedelta(seconds=10)) == KEY


class Turned(SystemClock):
    """The clock of this machine, and by how much it was set."""

    by = timedelta()

    def now(self) -> datetime:
        return super().now() + self.by


class Recording(Outdoors):
    """A Canary without a target. While its record is written, somebody sets the clock back by an hour."""

    def __init__(self, clock: Turned) -> None:
        super().__init__(changes=0)
        self._clock, self.state = clock, CanaryState(KEY)
        self.written = asyncio.Event()

    async def load(self, key: CanaryKey) -> Stored:
        return Stored(self.state, ())

    async def read(self, key: CanaryKey) -> Source:
        return Source(problem="there is no target")

    async def replace(self, key: CanaryKey, before: CanaryState, decision: Decision) -> None:
        self._clock.by, self.state = -timedelta(hours=1), decision.state

    async def tell(self, key: CanaryKey, policy: Policy, tellings: tuple[Telling, ...]) -> None:
        self.written.set()


async def test_a_clock_that_is_set_back_during_a_pass_does_not_delay_the_next_one_by_that() -> None:
    clock = Turned()
    ports, none = Recording(clock), Any
    outside = Outside(ports, ports, none, none, none, ports, ports, clock)  # type: ignore[arg-type]
    loop = Loop(outside, lambda key, problem: None, lambda key, decision, took: None)
    running = asyncio.create_task(loop.run())
    try:
        async with asyncio.timeout(5):
            await ports.written.wait()
            while loop.passes:
                await asyncio.sleep(0)
        due = loop.queue.next()
        assert due is not None and due < clock.now() + timedelta(minutes=1)
    finally:
        running.cancel()
        await asyncio.wait([running])


class SetBack(SystemClock):
    """A clock that is set back by an hour when somebody has begun to wait."""

    def __init__(self) -> None:
        self.asked = 0

    def now(self) -> datetime:
        self.asked += 1
        return super().now() - (timedelta(hours=1) if self.asked > 2 else timedelta())


async def test_who_waits_by_the_clock_is_not_kept_waiting_when_it_is_set_back() -> None:
    clock = SetBack()
    async with asyncio.timeout(5):
        await clock.sleep_until(clock.now() + timedelta(milliseconds=50))
    assert clock.asked > 2
