"""One workload's requests as they were, pod by pod, in complete scrapes. Made from increments; drawn from by `placebo`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trimtab.analysis.completion import USUAL, Complete, Completeness, Wanted, complete
from trimtab.analysis.increments import Binned
from trimtab.analysis.ledger import Array, Flags
from trimtab.analysis.noise import PRESENT
from trimtab.errors import InputError
from trimtab.model.scrapes import Arm
from trimtab.model.spans import spoken

LONGEST_GAP = 4
"""A window in which more bins than this were missed in a row is not replayed."""
LEAST_PRESENT = 0.9
"""A pod takes part in a window if it was seen in so many of its scrapes."""


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """One metric. Its requests are in columns: good and bad ones; or one for each bucket of a histogram."""

    name: str
    values: Array
    """(scrapes, pods, columns)"""
    bad_from: int = 1
    """Columns from this one on are bad: of a histogram those above its objective."""
    bounds: tuple[float, ...] = ()
    """Of a histogram: upper bounds of all columns but the last, in seconds."""
    objective: float | None = None
    """Of a histogram, in seconds."""

    @property
    def base(self) -> float:
        """The share of bad requests; never 0, because they may only be too rare for this recording."""
        columns = np.sum(self.values, axis=(0, 1))
        return float((np.sum(columns[self.bad_from :]) + 0.5) / (np.sum(columns) + 1))


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Requests of the primary's pods. Scrapes are complete ones; what was missed is in the next."""

    metrics: tuple[Recorded, ...]
    interval: float
    """Seconds between scrapes."""
    ends: Array
    """(scrapes,): seconds since 1970."""
    pods: tuple[str, ...]
    seen: Flags
    """(scrapes, pods)"""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return float(self.ends[-1] - self.ends[0]) + self.interval

    @property
    def rate(self) -> float:
        """Requests in a second."""
        return float(np.sum(self.metrics[0].values)) / self.seconds

    def place(self, name: str) -> int:
        """Of a metric; InputError for one that was not recorded."""
        names = [metric.name for metric in self.metrics]
        if name not in names:
            how = ". It is counted by an objective: add --slo, as --slo 500ms" if name == "latency" else ""
            raise InputError(f"{name} was not recorded; there are: {', '.join(names)}{how}")
        return names.index(name)


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Stretches of a recording of equal length that do not overlap, each with a history before it."""

    recording: Recording
    starts: tuple[int, ...]
    """First scrape of each."""
    scrapes: int
    history: int
    """Scrapes before it."""


def recorded(found: dict[str, Binned], objective: float | None = None, completeness: Completeness = USUAL) -> Recording:
    """From the counters of each metric, which must be of one workload; `objective` (seconds) is that of histograms.

    InputError where nothing can be replayed.
    """
    if not found:
        raise InputError("nothing was recorded")
    intervals = {each.interval for each in found.values()}
    if len(intervals) > 1:
        raise InputError(f"metrics were recorded at different intervals: {', '.join(f'{each:g} s' for each in sorted(intervals))}")
    pods = sorted({pod for each in found.values() for arm, pod in each.pods if arm is Arm.PRIMARY})
    if not pods:
        raise InputError("no pod of the primary was recorded; a backtest replays the primary's requests")
    complete_ones = {name: by_end(each, name, completeness) for name, each in found.items()}
    ends = sorted(set.intersection(*(set(each) for each in complete_ones.values())))
    if not ends:
        raise InputError("there is no moment at which all metrics of the primary were seen")
    seen = np.zeros((len(ends), len(pods)), dtype=np.bool_)
    metrics = []
    for name, each in found.items():
        columns, to = columns_of(each, pods)
        values = np.zeros((len(ends), len(pods), each.values.shape[-1]))
        for row, end in enumerate(ends):
            scrape = complete_ones[name][end]
            values[row, to] = scrape.values[columns]
            seen[row, to] |= scrape.seen[columns]
        metrics.append(made(name, values, each.bounds, objective))
    interval = next(iter(intervals))
    return Recording(tuple(metrics), interval, np.asarray(ends) * interval, tuple(pods), seen)


def columns_of(found: Binned, pods: Sequence[str]) -> tuple[list[int], list[int]]:
    """Places of the primary's pods in `found`, and in `pods`."""
    mine = [(column, pods.index(pod)) for column, (arm, pod) in enumerate(found.pods) if arm is Arm.PRIMARY]
    return [column for column, _ in mine], [row for _, row in mine]


def made(name: str, values: Array, bounds: tuple[float, ...], objective: float | None) -> Recorded:
    """One metric from bad and total, or from its buckets."""
    if not bounds:
        return Recorded(name, np.stack((values[..., 1] - values[..., 0], values[..., 0]), axis=-1))
    above = [place for place, bound in enumerate(bounds) if objective is None or bound >= objective]
    if not above:
        known = ", ".join(f"{bound:g}" for bound in bounds)
        raise InputError(f"no bucket of the histogram ends at {objective:g} s or above; its bounds in seconds are: {known}")
    return Recorded(name, values, above[0] + 1, bounds, objective)


def by_end(found: Binned, metric: str, completeness: Completeness) -> dict[int, Complete]:
    """The complete scrapes of the primary by the number of their bin."""
    wanted = Wanted(metric, arms=(Arm.PRIMARY,))
    return {found.first + each.last: each for each in complete(found, wanted, completeness)}


def windows(recording: Recording, seconds: float, history: float) -> Windows:
    """As many as fit, without those that have holes. InputError where there is none."""
    scrapes = max(1, round(seconds / recording.interval))
    before = round(history / recording.interval)
    gaps = np.diff(recording.ends, prepend=recording.ends[0]) > LONGEST_GAP * recording.interval
    starts = [start for start in range(before, len(recording.ends) - scrapes + 1, scrapes) if not np.any(gaps[start + 1 : start + scrapes])]
    if not starts:
        have = f"{spoken(recording.seconds)} in {len(recording.ends)} complete scrapes"
        raise InputError(
            f"the recording is too short: {have} were recorded, and one rollout of {spoken(seconds)} after a history of "
            f"{spoken(history)} needs {spoken(seconds + history)} without holes. Record more, or shorten --length or --history"
        )
    return Windows(recording, tuple(starts), scrapes, before)


def idling(recording: Recording, metric: Recorded, scrapes: slice) -> Array:
    """(scrapes, pods, columns): requests; every pod that was seen got next to nothing besides, so that an idle one counts as a pod."""
    values = metric.values[scrapes].copy()
    values[..., 0] += PRESENT * recording.seen[scrapes]
    return values


def present(found: Windows) -> Flags:
    """(windows, pods): who may take part in each."""
    shares = [np.mean(found.recording.seen[start : start + found.scrapes], axis=0) for start in found.starts]
    return np.stack(shares) >= LEAST_PRESENT
