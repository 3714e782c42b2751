"""The counters of this machine's Envoy as series for the judge. Pure; called by `envoy`.

Envoy counts by backend, not by pod: nothing vouches for a pod, which the judge has to be told (`Clumps.TIME`).
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from trimtab.adapters.metrics.envoy_window import Reading
from trimtab.analysis.increments import Part, Series
from trimtab.model.scrapes import Arm

BOUNDS = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000)
"""Envoy's own, in milliseconds; readings leave out empty buckets."""


def counters(readings: Sequence[Reading], arm: Arm, interval: float) -> tuple[Series, Series]:
    """Failed requests out of requests of one backend."""
    all_of_them = list(filled(readings, interval))
    times = np.asarray([reading.at for reading in all_of_them], dtype=np.float64)
    total = np.asarray([reading.requests for reading in all_of_them], dtype=np.float64)
    bad = np.asarray([reading.errors for reading in all_of_them], dtype=np.float64)
    source = f"{arm} service"
    return (
        Series(source, source, arm, Part.TOTAL, times, total, lasting=True),
        Series(source, source, arm, Part.BAD, times, bad, lasting=True),
    )


def histogram(readings: Sequence[Reading], arm: Arm, interval: float) -> Series:
    """Requests of one backend by how long they took."""
    all_of_them = list(filled(readings, interval))
    times = np.asarray([reading.at for reading in all_of_them], dtype=np.float64)
    values = np.asarray([cumulative(reading) for reading in all_of_them], dtype=np.float64).reshape(len(all_of_them), len(BOUNDS) + 1)
    source = f"{arm} service"
    return Series(source, source, arm, Part.BUCKETS, times, values, tuple(bound / 1000 for bound in BOUNDS), lasting=True)


def cumulative(reading: Reading) -> list[int]:
    """Requests up to each bound, and all of them."""
    return [
        *(sum(each.count for each in reading.durations if each.upto <= bound) for bound in BOUNDS),
        sum(e.count for e in reading.durations),
    ]


def filled(readings: Sequence[Reading], interval: float) -> Iterator[Reading]:
    """With the readings in between that were not kept, because they would have said the same."""
    for before, after in pairwise(readings):
        yield before
        if before.same(after):
            for moment in np.arange(before.at + interval, after.at, interval):
                yield Reading(float(moment), before.requests, before.errors, before.durations)
    yield from readings[-1:]
