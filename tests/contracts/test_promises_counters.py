"""Raw counters from a Prometheus, from an endpoint and from Envoy keep the promises of `trimtab.testing.contracts.counters`."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from contracts.fake_prometheus import FakePrometheus
from trimtab.adapters.metrics import envoy_series, openmetrics
from trimtab.adapters.metrics.envoy import EnvoyCounters
from trimtab.adapters.metrics.openmetrics import Readings
from trimtab.adapters.metrics.prometheus import Server
from trimtab.adapters.metrics.prometheus_samples import samples
from trimtab.analysis.increments import Series
from trimtab.analysis.recipes import ISTIO, RECORDED, Whose, counters
from trimtab.model.scrapes import Arm
from trimtab.testing.contracts.counters import CHECKS, Harness
from trimtab.testing.receiver import Receiver, receiver

START = datetime(2026, 1, 2, tzinfo=UTC)
WHOSE = Whose("test", "shop")
NOT_METRICS = (200, "<html>404</html>")


@dataclass
class Clock:
    """Moved by hand."""

    time: datetime = START

    def now(self) -> datetime:
        return self.time

    async def sleep_until(self, moment: datetime) -> None:
        raise AssertionError("nobody waits here")


@dataclass
class Arms:
    """What both arms have counted, and a clock that stands a little after the end of a bin."""

    there: Receiver
    session: aiohttp.ClientSession
    folder: Path
    interval: float = 15.0
    time: datetime = START + timedelta(seconds=4)
    counts: dict[Arm, list[int]] = field(default_factory=lambda: {arm: [0, 0] for arm in Arm})

    async def happens(self, canary: tuple[int, int], primary: tuple[int, int]) -> None:
        self.time += timedelta(seconds=self.interval)
        for arm, (bad, total) in ((Arm.CANARY, canary), (Arm.PRIMARY, primary)):
            self.counts[arm][0] += bad
            self.counts[arm][1] += total
        await self.scraped()

    async def restarts(self, arm: Arm) -> None:
        self.counts[arm] = [0, 0]

    async def scraped(self) -> None:
        raise AssertionError("each harness has its own")


@dataclass
class OfPrometheus(Arms):
    """Istio's counters, scraped by a Prometheus."""

    server: FakePrometheus = field(default_factory=FakePrometheus)

    def __post_init__(self) -> None:
        self.there.answers["/api/v1/query"] = self.server.answer

    async def scraped(self) -> None:
        for arm, workload in ((Arm.CANARY, "shop"), (Arm.PRIMARY, "shop-primary")):
            labels = {
                "reporter": "destination",
                "destination_workload_namespace": "test",
                "destination_workload": workload,
                "pod": f"{arm}-1",
            }
            bad, total = self.counts[arm]
            for code, value in (("200", total - bad), ("503", bad)):
                self.server.scraped(self.time.timestamp(), value, ISTIO.requests, response_code=code, **labels)
        self.server.scraped(self.time.timestamp(), 1e9, ISTIO.requests, destination_workload="other", reporter="destination")

    async def breaks(self) -> None:
        self.there.says("/api/v1/query", NOT_METRICS)

    async def counters(self) -> Sequence[Series]:
        span = (START, self.time)
        (query,) = ISTIO.queries(ISTIO.requests, WHOSE)
        return counters(await samples(self.session, Server(self.there.address), query, span), ISTIO, WHOSE)


@dataclass
class OfEndpoints(Arms):
    """The application's own counters, each pod asked directly."""

    kept: Readings = field(default_factory=lambda: Readings(3600))

    async def scraped(self) -> None:
        for arm, (bad, total) in self.counts.items():
            text = f"# TYPE requests counter\nrequests_total {total}\n# TYPE errors counter\nerrors_total {bad}\n# EOF\n"
            kind = {"Content-Type": "application/openmetrics-text; version=1.0.0; charset=utf-8"}
            self.there.says(f"/{arm}", (200, text, kind))
            await self.asked(arm)

    async def asked(self, arm: Arm) -> None:
        server = Server(f"{self.there.address}/{arm}")
        labels = {"arm": arm, "pod": f"{arm}-1"}
        found = await openmetrics.scrape(self.session, server, self.time.timestamp(), labels)
        self.kept.add(found)

    async def breaks(self) -> None:
        self.there.says("/canary", NOT_METRICS)

    async def counters(self) -> Sequence[Series]:
        if "/canary" in self.there.answers:
            await self.asked(Arm.CANARY)
        recipe = replace(RECORDED, requests="requests_total", errors="errors_total")
        return counters(self.kept.series(), recipe, WHOSE)


@dataclass
class OfEnvoy(Arms):
    """Envoy's counters of two backends, through its admin interface."""

    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.envoy = EnvoyCounters(self.session, lambda: self.there.address, self.clock, self.folder)
        self.there.says("/stats", (200, json.dumps({"stats": []})))

    async def scraped(self) -> None:
        self.clock.time = self.time
        stats = [
            {"name": f"cluster.test_shop-{arm}_80.upstream_rq_{name}", "value": str(value)}
            for arm, (bad, total) in self.counts.items()
            for name, value in (("completed", total), ("5xx", bad))
        ]
        self.there.says("/stats", (200, json.dumps({"stats": stats})))
        await self.envoy.readings("test_shop-canary_80")

    async def breaks(self) -> None:
        self.there.says("/stats", (500, "no"))

    async def counters(self) -> Sequence[Series]:
        found: list[Series] = []
        for arm in Arm:
            readings = await self.envoy.readings(f"test_shop-{arm}_80")
            found += envoy_series.counters(readings, arm, self.interval)
        return found


@pytest.fixture(params=[OfPrometheus, OfEndpoints, OfEnvoy])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    async with receiver() as there, aiohttp.ClientSession() as session:
        yield request.param(there, session, tmp_path)


@pytest.mark.parametrize("check", CHECKS, ids=[check.__name__ for check in CHECKS])
async def test_raw_counters_keep_their_promises(harness: Harness, check) -> None:  # type: ignore[no-untyped-def]
    await check(harness)
