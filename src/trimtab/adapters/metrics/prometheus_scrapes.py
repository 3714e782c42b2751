"""What the judge is fed, out of a Prometheus: complete scrapes of its metrics, and what the primary's history says.

Called by `measure` for rollouts, and by wiring for pipelines. Counters are asked for raw, each once, whatever metrics share them.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import aiohttp

from trimtab.adapters.metrics.prometheus import Server
from trimtab.adapters.metrics.prometheus_samples import first, samples
from trimtab.analysis.calibration import calibrate
from trimtab.analysis.feeding import Feed, fed
from trimtab.analysis.increments import Series
from trimtab.analysis.recipes import Found, Recipe, Whose, counters, histograms, recipe
from trimtab.model.evidence import Calibration
from trimtab.model.judging import JudgeRules, Measured, MetricRule
from trimtab.model.scrapes import Arm, Scrape

REACH = timedelta(minutes=5)
"""So far before what is wanted counters are asked for: of each the first reading says nothing, and scrapes may be missing."""


@dataclass(frozen=True, slots=True)
class Counters:
    """Where whose requests are counted, and how the provider counts."""

    server: Server
    provider: str
    whose: Whose

    def recipe(self, metric: MetricRule) -> Recipe:
        """How one metric is counted."""
        return recipe(self.provider, metric.counting)

    def by_pod(self, rules: JudgeRules) -> bool:
        """Are pods told apart in every metric?"""
        return all(self.recipe(metric).by_pod for metric in rules.metrics)


@dataclass(frozen=True, slots=True)
class Collected:
    """Complete scrapes, and which counters were not there at all."""

    scrapes: tuple[Scrape, ...]
    missing: tuple[str, ...] = ()
    """One sentence for each metric that nothing was found of."""


async def collect(session: aiohttp.ClientSession, where: Counters, rules: JudgeRules, feed: Feed) -> Collected:
    """The complete scrapes of all metrics that are wanted. OutsideError, or InputError where somebody must correct address or selector."""
    began = (feed.after or feed.now) - REACH
    reader = Reader(session, where, (began, feed.now))
    scrapes: list[Scrape] = []
    missing = []
    for metric in rules.metrics:
        series = await reader.series(metric)
        scrapes += fed((metric,), series, series, feed)
        if not series:
            missing.append(reader.nothing(metric))
    return Collected(tuple(scrapes), tuple(missing))


async def learned(session: aiohttp.ClientSession, where: Counters, rules: JudgeRules, now: datetime) -> Calibration:
    """What the primary's own history says. Pods of the past are known by how their names are made. Errors as `collect` has them."""
    past = replace(where, whose=replace(where.whose, pods=()))
    reader = Reader(session, past, (now - rules.history, now))
    feed = Feed(now, interval=seconds(rules.interval), arms=(Arm.PRIMARY,))
    scrapes: list[Scrape] = []
    for metric in rules.metrics:
        series = await reader.series(metric)
        scrapes += await asyncio.to_thread(fed, (metric,), series, series, feed)
    return await asyncio.to_thread(calibrate, scrapes, rules)


class Reader:
    """Series of one span of time, each counter read once."""

    def __init__(self, session: aiohttp.ClientSession, where: Counters, span: tuple[datetime, datetime]) -> None:
        self._session, self._where, self._span = session, where, span
        self._known: dict[tuple[Recipe, bool], list[Series]] = {}

    async def series(self, metric: MetricRule) -> list[Series]:
        """Of one metric: counters of failures and requests, or histograms."""
        latency = metric.kind is Measured.LATENCY
        how = self._where.recipe(metric)
        if (how, latency) not in self._known:
            found: list[Found] = []
            for name in how.names(latency):
                found += await first(how.queries(name, self._where.whose), self._ask)
            self._known[how, latency] = (histograms if latency else counters)(found, how, self._where.whose)
        return self._known[how, latency]

    def nothing(self, metric: MetricRule) -> str:
        """What was looked for in vain."""
        how = self._where.recipe(metric)
        names = how.names(metric.kind is Measured.LATENCY)
        asked = " or ".join(query for name in names[:1] for query in how.queries(name, self._where.whose))
        return f"{self._where.server} has nothing for {metric.name}: asked was {asked}"

    async def _ask(self, query: str) -> list[Found]:
        return await samples(self._session, self._where.server, query, self._span)


def seconds(interval: timedelta | None) -> float | None:
    """Of a bin; None: as measured."""
    return None if interval is None else interval.total_seconds()
