"""Built-in metrics from the counters of a real Envoy."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from trimtab.adapters.local import envoy_files
from trimtab.adapters.local.dataplane import Backend, CopyName, Endpoint
from trimtab.adapters.local.envoy import Envoy
from trimtab.adapters.local.envoy_dataplane import EnvoyDataPlane
from trimtab.adapters.local.envoy_process import find_program
from trimtab.adapters.metrics.envoy import EnvoyCounters
from trimtab.errors import Unavailable
from trimtab.model.policy import Metric, MetricKind

START = datetime(2026, 1, 2, tzinfo=UTC)
BACKEND = Backend("shop", "web", CopyName.CANARY)
# Test processes that run at the same time must not take each other's ports.
WANTED = 2000 + os.getpid() % 3000
CLUSTER = f"shop_web-canary_{WANTED}"
RATE = Metric("request-success-rate", MetricKind.SUCCESS_RATE, "30s")
DURATION = Metric("request-duration", MetricKind.DURATION, "30s")


@dataclass
class HandClock:
    """A clock that moves by hand; who sleeps wakes when it is told to tick."""

    time: datetime = START
    ticked: asyncio.Event = field(default_factory=asyncio.Event)
    asleep: asyncio.Event = field(default_factory=asyncio.Event)

    def now(self) -> datetime:
        return self.time

    async def sleep_until(self, moment: datetime) -> None:
        while self.time < moment:
            self.ticked.clear()
            self.asleep.set()
            await self.ticked.wait()

    def tick(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        self.asleep.clear()
        self.ticked.set()


@dataclass
class World:
    """A canary that answers with the status that its path asks for, behind Envoy, and its counters."""

    session: aiohttp.ClientSession
    clock: HandClock
    envoy: Envoy
    folder: Path

    def __post_init__(self) -> None:
        self.counters = self.opened()

    def opened(self) -> EnvoyCounters:
        return EnvoyCounters(self.session, self.envoy.admin_address, self.clock, self.folder)

    async def requests(self, *statuses: int) -> None:
        port = self.envoy.addresses()["shop", "web"].canary
        for status in statuses:
            async with self.session.get(f"http://127.0.0.1:{port}/{status}") as answer:
                assert answer.status == status
        self.clock.tick(0.1)

    async def rate(self, since: datetime = START) -> float | None:
        sample = await self.counters.sample(RATE, CLUSTER, since)
        assert sample.problem == ""
        return sample.value


async def answer(request: web.Request) -> web.Response:
    return web.Response(status=int(request.match_info["status"]))


@asynccontextmanager
async def one_canary(folder: Path) -> AsyncIterator[World]:
    app = web.Application()
    app.router.add_get("/{status}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as session:
        envoy = Envoy(folder / "envoy", session, lambda: find_program(os.environ))
        try:
            await envoy.expose("shop", "web", WANTED)
            await EnvoyDataPlane(envoy).publish(BACKEND, [Endpoint(runner.addresses[0][1])])
            yield World(session, HandClock(), envoy, folder / "scrapes")
        finally:
            await envoy.stop(grace=0.2)
            await runner.cleanup()


def with_one_canary(folder: Path, story: Callable[[World], Awaitable[None]]) -> None:
    async def play() -> None:
        async with one_canary(folder) as world, asyncio.timeout(20):
            await story(world)

    asyncio.run(play())


def test_without_traffic_there_is_neither_value_nor_problem(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        assert await world.rate() is None
        world.clock.tick(10)
        assert await world.rate() is None
        assert (await world.counters.sample(DURATION, CLUSTER, START)).value is None
        assert (await world.counters.sample(RATE, "shop_unknown-canary_80", START)).problem == ""

    with_one_canary(tmp_path, story)


def test_answers_of_500_and_more_are_failures_in_percent(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.rate()
        world.clock.tick(5)
        await world.requests(200, 200, 404, 301, 500, 503, 200, 200, 200, 200)
        assert await world.rate() == 80

    with_one_canary(tmp_path, story)


def test_the_window_is_the_metrics_interval(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.rate()
        await world.requests(500, 500)
        world.clock.tick(10)
        assert await world.rate() == 0
        world.clock.tick(31)
        await world.requests(200, 200)
        assert await world.rate() == 100

    with_one_canary(tmp_path, story)


def test_requests_from_before_the_canary_was_ready_do_not_count(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.rate()
        await world.requests(500)
        world.clock.tick(5)
        ready = world.clock.now()
        assert await world.rate(ready) is None
        world.clock.tick(5)
        await world.requests(200)
        assert await world.rate(ready) == 100
        assert await world.rate() == 50

    with_one_canary(tmp_path, story)


def test_a_restart_of_trimtab_does_not_turn_into_no_values(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.rate()
        world.clock.tick(5)
        await world.requests(200, 500)
        world.counters = world.opened()
        assert await world.rate() == 50

    with_one_canary(tmp_path, story)


def test_a_restart_of_envoy_does_not_turn_into_negative_numbers(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.rate()
        await world.requests(200, 200, 200)
        world.clock.tick(5)
        assert await world.rate() == 100
        await world.envoy.stop(grace=0.2)
        await world.envoy.start()
        world.clock.tick(5)
        await world.requests(500)
        assert await world.rate() == 75

    with_one_canary(tmp_path, story)


@pytest.mark.slow
def test_durations_are_seconds_from_the_histogram(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.counters.sample(DURATION, CLUSTER, START)
        world.clock.tick(1)
        await world.requests(*[200] * 20)

        async def merged() -> bool:
            # Envoy merges its histograms once a second.
            return (await world.counters.sample(DURATION, CLUSTER, START)).value is not None

        assert await envoy_files.until(merged, 5)
        value = (await world.counters.sample(DURATION, CLUSTER, START)).value
        assert value is not None
        assert 0 < value < 0.25

    with_one_canary(tmp_path, story)


def test_counters_are_read_every_second_though_nobody_measures(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(world.counters.run())
            await world.clock.asleep.wait()
            await world.requests(500)
            world.clock.tick(1)
            await world.clock.asleep.wait()
            ready = world.clock.now()
            await world.requests(200)
            assert await world.rate(ready) == 100
            reading.cancel()

    with_one_canary(tmp_path, story)


def test_totals_count_from_a_moment(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.rate()
        await world.requests(200, 500)
        world.clock.tick(60)
        await world.rate()
        await world.requests(200, 200, 502)
        found = await world.counters.totals(CLUSTER, world.clock.now() - timedelta(seconds=0.1))
        assert (found.requests, found.errors) == (3, 1)
        found = await world.counters.totals(CLUSTER, START - timedelta(seconds=60))
        assert (found.requests, found.errors, found.since) == (5, 2, START)

    with_one_canary(tmp_path, story)


def test_an_envoy_that_is_gone_is_a_problem_and_not_an_exception(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.envoy.stop(grace=0.2)
        sample = await world.counters.sample(RATE, CLUSTER, START)
        assert sample.value is None
        assert "asking Envoy for its counters at http://127.0.0.1" in sample.problem
        with pytest.raises(Unavailable):
            await world.counters.totals(CLUSTER, START)

    with_one_canary(tmp_path, story)


def test_an_interval_that_is_no_duration_is_a_problem(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        sample = await world.counters.sample(Metric(RATE.name, RATE.kind, "soon"), CLUSTER, START)
        assert "'soon' is not a duration" in sample.problem

    with_one_canary(tmp_path, story)


def test_only_the_two_built_in_metrics_are_answered(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        sample = await world.counters.sample(Metric("mine", MetricKind.INLINE, query="up"), CLUSTER, START)
        assert "not a query of kind inline" in sample.problem

    with_one_canary(tmp_path, story)
