"""What happened between two moments, from readings of counters that only grow. Pure; called by `envoy` and `envoy_history`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec

QUANTILE = 0.99
"""Which request duration counts (MET-3)."""


class Bucket(msgspec.Struct, frozen=True, array_like=True):
    """Requests that took longer than `above` and at most `upto` milliseconds."""

    above: float
    upto: float
    count: int


class Reading(msgspec.Struct, frozen=True, array_like=True):
    """The counters of one backend at one moment (seconds since 1970)."""

    at: float
    requests: int
    errors: int
    """Answers with a status of 500 or more, whoever made them."""
    durations: tuple[Bucket, ...] = ()
    """Of requests that were answered; without empty buckets, rising."""

    def same(self, other: "Reading") -> bool:
        """True where nothing happened between the two."""
        return (self.requests, self.errors, self.durations) == (other.requests, other.errors, other.durations)


class Increase(msgspec.Struct, frozen=True):
    """What happened in a window."""

    requests: int
    errors: int
    durations: tuple[Bucket, ...]

    @property
    def success_rate(self) -> float | None:
        """Percent of requests that did not end with a status of 500 or more (MET-3); None without requests."""
        return 100 * (self.requests - self.errors) / self.requests if self.requests else None

    @property
    def slowest(self) -> float | None:
        """Seconds that 99 of 100 requests stay below, linear within a bucket as `histogram_quantile` is; None without requests."""
        rank = QUANTILE * sum(bucket.count for bucket in self.durations)
        for bucket in self.durations:
            if rank <= bucket.count:
                return (bucket.above + (bucket.upto - bucket.above) * rank / bucket.count) / 1000
            rank -= bucket.count
        return None


def window(readings: Sequence[Reading], start: float, since: float) -> Sequence[Reading]:
    """The readings that say what happened from `start` until the newest one; fewer than two say nothing.

    The first may be a little older than `start`, but not older than `since`, unless nothing happened in between (C6).
    """
    later = next((index for index, reading in enumerate(readings) if reading.at > start), len(readings))
    if later == 0:
        return readings
    before = readings[later - 1]
    known = before.at >= since or (later < len(readings) and before.same(readings[later]))
    return readings[later - 1 if known else later :]


def increase(readings: Sequence[Reading]) -> Increase:
    """What happened from the first to the last of these. A counter that fell has started anew at 0, as Envoy's do when it restarts."""
    requests, errors, durations = 0, 0, Counter[tuple[float, float]]()
    for before, after in pairwise(readings):
        if _restarted(before, after):
            before = Reading(before.at, 0, 0)
        requests += after.requests - before.requests
        errors += after.errors - before.errors
        durations.update(_by_bounds(after))
        durations.subtract(_by_bounds(before))
    grown = tuple(Bucket(above, upto, count) for (above, upto), count in sorted(durations.items()) if count)
    return Increase(requests, errors, grown)


def _restarted(before: Reading, after: Reading) -> bool:
    if after.requests < before.requests or after.errors < before.errors:
        return True
    now = _by_bounds(after)
    return any(now.get(bounds, 0) < count for bounds, count in _by_bounds(before).items())


def _by_bounds(reading: Reading) -> Mapping[tuple[float, float], int]:
    return {(bucket.above, bucket.upto): bucket.count for bucket in reading.durations}
