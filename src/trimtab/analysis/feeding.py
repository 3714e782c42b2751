"""Raw counters as the scrapes that the judge takes, for every metric of its rules. Called by whoever asks the metric systems for them.

    found = counters(samples, recipe, whose)      # recipes: of a Prometheus, of endpoints; Envoy's come as series
    fed(rules.metrics, found, histograms(samples, recipe, whose), Feed(after=evidence.upto, now=now))

What is asked for has to reach back before `after`, by two scrapes at least: of each counter the first reading says nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from trimtab.analysis.completion import BOTH, USUAL, Completeness, Wanted, scrapes
from trimtab.analysis.increments import Series, binned, measured_interval
from trimtab.model.judging import Measured, MetricRule
from trimtab.model.scrapes import Arm, Scrape


@dataclass(frozen=True, slots=True)
class Feed:
    """Which scrapes are wanted."""

    now: datetime
    after: datetime | None = None
    """Bins that end later; None: all of them."""
    interval: float | None = None
    """Seconds of a bin; None: as measured."""
    since: datetime | None = None
    """When the attempt began: counters that say they began at or after it count from their first reading on, and those of a service not
    before it."""
    arms: tuple[Arm, ...] = BOTH
    """The primary alone for its history."""
    completeness: Completeness = USUAL


def fed(metrics: Sequence[MetricRule], counted: Sequence[Series], timed: Sequence[Series], feed: Feed) -> tuple[Scrape, ...]:
    """The complete scrapes of these metrics, metric by metric. Restarts are not counted by metric systems and left out."""
    return tuple(scrape for metric in metrics for scrape in of_metric(metric, counted, timed, feed))


def of_metric(metric: MetricRule, counted: Sequence[Series], timed: Sequence[Series], feed: Feed) -> Iterator[Scrape]:
    """Those of one metric."""
    if metric.kind is Measured.RESTARTS:
        return
    series = timed if metric.kind is Measured.LATENCY else counted
    interval = feed.interval or measured_interval(series)
    found = binned(series, interval, seconds(feed.since, np.inf)) if interval is not None else None
    if found is not None:
        wanted = Wanted(metric.name, seconds(feed.after, -np.inf), feed.now.timestamp(), feed.arms)
        yield from scrapes(found, wanted, feed.completeness)


def seconds(moment: datetime | None, otherwise: float) -> float:
    """Since 1970."""
    return otherwise if moment is None else moment.timestamp()
