"""From counters that only grow to what happened between scrapes, pod by pod (analysis.md 3.7). Called by adapters, `plan` and `backtest`.

Everything scraped together belongs to one source, and starts anew together. Each series is differenced by itself before anything is
summed; a fall of any of them is a restart of its source, after which the value itself is the increment. Of a source that was never seen
before the first reading says nothing, unless it tells since when it counts. Arrays are NumPy's; times are seconds since 1970.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

import numpy as np

from trimtab.analysis.ledger import Array, Flags
from trimtab.model.scrapes import Arm


class Part(StrEnum):
    """What a series counts."""

    TOTAL = "total"
    """Events, good and bad, or good ones only."""
    BAD = "bad"
    """Bad events, which a series of `TOTAL` counts as well."""
    FAILED = "failed"
    """Bad events that no series of `TOTAL` counts."""
    BUCKETS = "buckets"


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One counter, or one histogram, of one source. Readings may come in any order; of two of one time the last counts."""

    source: str
    """Who was scraped. What stands in one answer has one source and one time."""
    pod: str
    arm: Arm
    part: Part
    times: Array
    """(T,)"""
    values: Array
    """(T,); of a histogram (T, bounds + 1): cumulative counts, the last of all requests."""
    bounds: tuple[float, ...] = ()
    """Upper bounds in seconds, ascending, without +Inf. A series whose bounds change is two series."""
    created: Array | None = None
    """(T,): since when it counts; NaN where that is not said."""
    lasting: bool = False
    """It counts for a service, or for pods that are not known, whichever they are: what it counted for the canary before is in it."""


@dataclass(frozen=True, slots=True, eq=False)
class Binned:
    """Increments in bins of equal length whose ends are whole multiples of it. Bin i ends at (first + i) * interval."""

    interval: float
    first: int
    pods: tuple[tuple[Arm, str], ...]
    values: Array
    """(bins, pods, 2): bad and total; of histograms (bins, pods, bounds + 1): requests in each bucket alone. Whole, never negative."""
    seen: Flags
    """(bins, pods): something is known of this pod in this bin. What was missed is in the next bin in which it was seen."""
    bounds: tuple[float, ...] = ()
    """Of histograms: those that all pods have in common."""

    @property
    def ends(self) -> Array:
        """(bins,)"""
        return np.asarray((self.first + np.arange(len(self.seen))) * self.interval)

    def of(self, arm: Arm) -> list[int]:
        """Places of the pods of one arm."""
        return [place for place, (found, _) in enumerate(self.pods) if found is arm]


def measured_interval(series: Iterable[Series]) -> float | None:
    """The scrape interval in whole seconds, the longest of all sources; None where no source was read three times."""
    times: dict[str, list[Array]] = defaultdict(list)
    for each in series:
        times[each.source].append(each.times)
    gaps = [np.diff(np.unique(np.concatenate(found))) for found in times.values()]
    usual = [float(np.median(each)) for each in gaps if len(each) > 1]
    return max(1.0, float(round(max(usual)))) if usual else None


def binned(series: Sequence[Series], interval: float, since: float = np.inf) -> Binned | None:
    """All series of one metric, either counters or histograms; None where nothing can be differenced.

    The first reading of a source counts in full if its counters began at or after `since`. Of counters that last from one attempt to the
    next, what lies between two readings counts only if the first of them is not older than that.
    """
    bounds = common_bounds(series)
    grouped: dict[str, list[Series]] = defaultdict(list)
    for each in series:
        if each.times.size:
            grouped[each.source].append(each)
    found = [grown(one, bounds, since) for one in grouped.values()]
    times = [times[known] for times, known, _ in found if np.any(known)]
    if not times:
        return None
    # What a reading tells happened before it, so that one on a boundary belongs to the bin that ends there.
    first, last = (int(np.ceil(edge / interval)) for edge in (min(map(np.min, times)), max(map(np.max, times))))
    pods = sorted({(each.arm, each.pod) for each in series}, key=lambda pod: (pod[0] is not Arm.CANARY, pod[1]))
    places = {pod: place for place, pod in enumerate(pods)}
    buckets = all(each.part is Part.BUCKETS for each in series)
    values = np.zeros((last - first + 1, len(pods), len(bounds) + 1 if buckets else 2))
    seen = np.zeros((last - first + 1, len(pods)), dtype=np.bool_)
    for one, (moments, known, gained) in zip(grouped.values(), found, strict=True):
        bins = np.ceil(moments[known] / interval).astype(np.int64) - first
        for each, increments in zip(one, gained, strict=True):
            place = places[each.arm, each.pod]
            seen[bins, place] = True
            np.add.at(values[:, place], bins, columns(each, increments[known], buckets))
    return Binned(interval, first, tuple(pods), whole(values, buckets), seen, bounds)


def common_bounds(series: Sequence[Series]) -> tuple[float, ...]:
    """Bounds that all histograms have; requests can be counted between these whatever layout each pod has."""
    layouts = [set(each.bounds) for each in series if each.part is Part.BUCKETS]
    return tuple(sorted(set.intersection(*layouts))) if layouts else ()


def grown(source: Sequence[Series], bounds: tuple[float, ...], since: float) -> tuple[Array, Flags, list[Array]]:
    """All series of one source: times, where increments are known, and the increments of each series at these times."""
    times = np.unique(np.concatenate([each.times for each in source]))
    parts = [cut(each, bounds) for each in source]
    values = np.concatenate([laid(each, part, times) for each, part in zip(source, parts, strict=True)])
    created = np.stack([started(each, times) for each in source])
    present = ~np.isnan(values)
    fell = np.any(present[:, 1:] & present[:, :-1] & (values[:, 1:] < values[:, :-1]), axis=0)
    fell |= np.any(created[:, 1:] > created[:, :-1], axis=0)
    fresh = bool(np.any(created[:, 0] >= since)) and not np.any(created[:, 0] < since)
    # A series that was not there in an answer of its source stood at nothing.
    now = np.where(present, values, 0.0)
    before = np.where(fell, 0.0, now[:, :-1])
    increments = np.concatenate((now[:, :1], np.where(present[:, 1:], now[:, 1:] - before, 0.0)), axis=1)
    known = np.ones(len(times), dtype=np.bool_)
    known[0] = fresh
    if np.isfinite(since) and any(each.lasting for each in source):
        known[1:] = times[:-1] >= since
    edges = np.cumsum([0] + [part.shape[-1] for part in parts])
    return times, known, [increments[start:end].T for start, end in pairwise(edges)]


def cut(series: Series, bounds: tuple[float, ...]) -> Array:
    """(T, columns): the values at these bounds and of all; of a counter its values."""
    if series.part is not Part.BUCKETS:
        return series.values[:, None]
    wanted = [place for place, bound in enumerate(series.bounds) if bound in bounds]
    return series.values[:, [*wanted, len(series.bounds)]]


def laid(series: Series, values: Array, times: Array) -> Array:
    """(columns, times): NaN where it was not read."""
    found = np.full((len(times), values.shape[-1]), np.nan)
    found[np.searchsorted(times, series.times)] = values
    return found.T


def started(series: Series, times: Array) -> Array:
    """(times,): since when it counts, as last said; NaN before that."""
    found = np.full(len(times), np.nan)
    if series.created is not None:
        found[np.searchsorted(times, series.times)] = series.created
    last = np.maximum.accumulate(np.where(np.isnan(found), -1, np.arange(len(times))))
    return np.where(last >= 0, found[last], np.nan)


def columns(series: Series, increments: Array, buckets: bool) -> Array:
    """(T, 2) or (T, buckets): where the increments of a series belong."""
    if buckets:
        return np.diff(increments, axis=-1, prepend=0.0)
    bad = increments[:, 0] if series.part is not Part.TOTAL else np.zeros(len(increments))
    total = increments[:, 0] if series.part is not Part.BAD else np.zeros(len(increments))
    return np.stack((bad, total), axis=-1)


def whole(values: Array, buckets: bool) -> Array:
    """Whole and not negative. An answer is put together while requests end, so that parts of it may be off by a few."""
    found = np.maximum(np.rint(values), 0.0)
    if not buckets:
        found[..., 0] = np.minimum(found[..., 0], found[..., 1])
    return found
