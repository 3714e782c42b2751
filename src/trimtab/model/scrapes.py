"""What the judge is fed: one complete scrape of one metric, pod by pod. Made by `analysis.increments` and adapters, read by `analysis`.

A scrape is a bin of the measured scrape interval. All numbers are increments within it, whole and never negative, differenced per pod
before anything is summed (judge.md 1). A scrape is *complete* when both arms were seen; what was missed is merged into the next complete
one, so nothing is lost by it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Arm(StrEnum):
    """Which copy of the workload a pod belongs to."""

    CANARY = "canary"
    PRIMARY = "primary"


@dataclass(frozen=True, slots=True)
class PodCounts:
    """One pod in one scrape of a metric that counts bad events: errors out of requests, restarts out of pod-scrapes."""

    pod: str
    """Where the arms are told apart without pods (a gateway's counters), the name of the service: one "pod" an arm."""
    arm: Arm
    bad: int
    total: int


@dataclass(frozen=True, slots=True)
class PodBuckets:
    """One pod in one scrape of a histogram."""

    pod: str
    arm: Arm
    counts: tuple[int, ...]
    """Requests in each bucket alone (not cumulative), as many as `Scrape.bounds` plus one: the last holds what is above all of them."""


@dataclass(frozen=True, slots=True)
class Scrape:
    """One complete scrape of one metric. Either `counts` or `buckets` is filled."""

    metric: str
    """`MetricRule.name`."""
    ended: datetime
    """The end of the bin. Evidence takes each metric's scrapes in this order, each once."""
    counts: tuple[PodCounts, ...] = ()
    buckets: tuple[PodBuckets, ...] = ()
    bounds: tuple[float, ...] = ()
    """Upper bounds of the buckets in seconds, ascending, without +Inf."""
    length: timedelta = timedelta(seconds=15)
    """Of one bin. What the increments cover is this times `missed` + 1."""
    missed: int = 0
    """How many bins before this one were incomplete and are merged into it."""
