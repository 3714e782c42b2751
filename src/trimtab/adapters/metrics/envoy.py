"""The built-in metrics from Envoy's own counters, where there is no metrics server: what `up` judges by on one machine.

Made by `wiring`, which also knows the backends' names; called by the metrics port of one machine and by `show`. Counters are read
once a second all the time (0.5 ms each), since a window that begins when a canary gets ready needs a reading from then (C6).
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import msgspec

from trimtab.adapters.metrics.envoy_history import History
from trimtab.adapters.metrics.envoy_window import Bucket, Increase, Reading, increase, window
from trimtab.documents.durations import parse_duration
from trimtab.errors import InputError, Unavailable
from trimtab.model.policy import Metric, MetricKind
from trimtab.model.verdict import Sample
from trimtab.ports import Clock

STEP = timedelta(seconds=1)
DEFAULT_INTERVAL = "1m"
PATTERN = r"^cluster\.[^.]+-(primary|canary)_\d+\.upstream_rq_(completed|5xx|time)$"
TIMEOUT = aiohttp.ClientTimeout(total=5)


@dataclass(frozen=True, slots=True)
class Totals:
    """What one backend answered since a moment: that of the first reading that is known."""

    since: datetime
    requests: int
    errors: int
    """Answers with a status of 500 or more."""


class _Bucket(msgspec.Struct):
    upper_bound: float
    cumulative: int = 0


class _Histogram(msgspec.Struct):
    name: str
    buckets: list[_Bucket] = []


class _Stat(msgspec.Struct):
    name: str = ""
    value: int = 0
    histograms: list[_Histogram] = []


class _Stats(msgspec.Struct):
    stats: list[_Stat] = []


class EnvoyCounters:
    """Reads counters, remembers them in `folder`, and answers what happened in a window. `admin` is the base URL of Envoy's admin."""

    def __init__(self, session: aiohttp.ClientSession, admin: Callable[[], str], clock: Clock, folder: Path) -> None:
        self._session, self._admin, self._clock, self._folder = session, admin, clock, folder
        self._histories: dict[str, History] = {}
        self._reading = asyncio.Lock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def run(self) -> None:
        """Reads the counters every second until it is cancelled; an Envoy that does not answer is asked again."""
        while True:
            began = self._clock.now()
            with contextlib.suppress(Unavailable):
                await self._read()
            await self._clock.sleep_until(began + STEP)

    async def sample(self, metric: Metric, cluster: str, since: datetime) -> Sample:
        """A built-in metric of one backend over the metric's interval: `request-success-rate` in percent, `request-duration` in seconds.

        The window never reaches back before `since` (C6). Without requests there is neither value nor problem. Never raises:
        an Envoy that does not answer is a problem in the answer.
        """
        query = f"Envoy's counters of {cluster} over {metric.interval or DEFAULT_INTERVAL}"
        try:
            interval = parse_duration(metric.interval or DEFAULT_INTERVAL)
            await self._read()
        except (InputError, Unavailable) as error:
            return Sample(metric.name, metric.kind, problem=str(error), query=query)
        seen = self._since(cluster, max(self._clock.now() - interval, since), since)
        match metric.kind:
            case MetricKind.SUCCESS_RATE:
                return Sample(metric.name, metric.kind, seen.success_rate, query=query)
            case MetricKind.DURATION:
                return Sample(metric.name, metric.kind, seen.slowest, query=query)
            case _:
                problem = f"Envoy's counters answer request-success-rate and request-duration, not a query of kind {metric.kind}"
                return Sample(metric.name, metric.kind, problem=problem, query=query)

    async def totals(self, cluster: str, since: datetime) -> Totals:
        """Requests and errors of one backend from `since` until now. Unavailable where Envoy does not answer."""
        await self._read()
        readings = window(self._history(cluster).readings, since.timestamp(), 0)
        seen = increase(readings)
        first = datetime.fromtimestamp(readings[0].at, UTC) if readings else since
        return Totals(max(first, since), seen.requests, seen.errors)

    async def readings(self, cluster: str) -> Sequence[Reading]:
        """All that is known of one backend, read anew. Unavailable where Envoy does not answer."""
        await self._read()
        return self._history(cluster).readings

    def _since(self, cluster: str, start: datetime, since: datetime) -> Increase:
        return increase(window(self._history(cluster).readings, start.timestamp(), since.timestamp()))

    def _history(self, cluster: str) -> History:
        if cluster not in self._histories:
            self._histories[cluster] = History(self._folder / f"{cluster}.jsonl")
        return self._histories[cluster]

    async def _read(self) -> None:
        # One at a time: an older answer behind a newer one would look like counters that fell.
        async with self._reading:
            stats = await self._ask()
            at = self._clock.now().timestamp()
            for cluster, reading in _readings(stats, at).items():
                self._history(cluster).add(reading)

    async def _ask(self) -> _Stats:
        url = f"{self._admin()}/stats"
        query = {"format": "json", "histogram_buckets": "disjoint", "filter": PATTERN}
        try:
            async with self._session.get(url, params=query, timeout=TIMEOUT) as answer:
                body = await answer.read()
            if answer.status != 200:
                raise Unavailable(f"asking Envoy for its counters at {url}: it answered {answer.status}")
            # 64-bit numbers are texts in the JSON of protocol buffers.
            return msgspec.json.decode(body, type=_Stats, strict=False)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            problem = f"asking Envoy for its counters at {url}: {error or type(error).__name__}. Is `trimtab up` running?"
            raise Unavailable(problem) from error
        except msgspec.DecodeError as error:
            raise Unavailable(f"asking Envoy for its counters at {url}: its answer is not what Envoy 1.40 says ({error})") from error


def _readings(stats: _Stats, at: float) -> dict[str, Reading]:
    counters: dict[str, dict[str, int]] = {}
    durations: dict[str, tuple[Bucket, ...]] = {}
    for stat in stats.stats:
        if stat.name:
            cluster, counter = _split(stat.name)
            counters.setdefault(cluster, {})[counter] = stat.value
        for histogram in stat.histograms:
            durations[_split(histogram.name)[0]] = _buckets(histogram)
    return {
        cluster: Reading(at, values.get("completed", 0), values.get("5xx", 0), durations.get(cluster, ()))
        for cluster, values in counters.items()
    }


def _split(name: str) -> tuple[str, str]:
    """`cluster.shop_web-canary_80.upstream_rq_5xx` -> `shop_web-canary_80`, `5xx`."""
    _, cluster, counter = name.split(".", 2)
    return cluster, counter.removeprefix("upstream_rq_")


def _buckets(histogram: _Histogram) -> tuple[Bucket, ...]:
    found: list[Bucket] = []
    above = 0.0
    for bucket in histogram.buckets:
        if bucket.cumulative:
            found.append(Bucket(above, bucket.upper_bound, bucket.cumulative))
        above = bucket.upper_bound
    return tuple(found)
