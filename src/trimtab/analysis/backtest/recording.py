"""One workload's requests as they were, pod by pod, in complete scrapes. Made from increments; drawn from by `placebo`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trimtab.analysis.completion import USUAL, Complete, Completeness, Wanted, complete
from trimtab.analysis.increments import Binned
from trimtab.analysis.ledger import Array, Flags
from trimtab.errors import InputError
from trimtab.model.scrapes import Arm

LONGEST_GAP = 4
"""A window in which more bins than this were missed in a row is not replayed."""
LEAST_PRESENT = 0.9
"""A pod takes part in a window if it was seen in so many of its scrapes."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Bad and total of the primary's pods. Scrapes are complete ones; what was missed is in the next."""

    metrics: tuple[str, ...]
    interval: float
    """Seconds between scrapes."""
    ends: Array
    """(scrapes,): seconds since 1970."""
    pods: tuple[str, ...]
    values: Array
    """(scrapes, metrics, pods, 2)"""
    seen: Flags
    """(scrapes, pods)"""

    @property
    def seconds(self) -> float:
        """How long it is."""
        return float(self.ends[-1] - self.ends[0]) + self.interval

    @property
    def base(self) -> Array:
        """(metrics,): the share of bad requests; never 0, because it may only be too rare for this recording."""
        bad, total = np.moveaxis(np.sum(self.values, axis=(0, 2)), -1, 0)
        return np.asarray((bad + 0.5) / (total + 1))

    @property
    def rate(self) -> float:
        """Requests in a second."""
        return float(np.sum(self.values[:, 0, :, 1])) / self.seconds


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Stretches of a recording of equal length that do not overlap, each with a history before it."""

    recording: Recording
    starts: tuple[int, ...]
    """First scrape of each."""
    scrapes: int
    history: int
    """Scrapes before it."""


def recorded(found: dict[str, Binned], completeness: Completeness = USUAL) -> Recording:
    """From the counters of each metric, which must be of one workload. InputError where nothing can be replayed."""
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
    values = np.zeros((len(ends), len(found), len(pods), 2))
    seen = np.zeros((len(ends), len(pods)), dtype=np.bool_)
    for place, (name, each) in enumerate(found.items()):
        mine = [(column, pods.index(pod)) for column, (arm, pod) in enumerate(each.pods) if arm is Arm.PRIMARY]
        columns, to = [column for column, _ in mine], [row for _, row in mine]
        for row, end in enumerate(ends):
            scrape = complete_ones[name][end]
            values[row, place, to] = scrape.values[columns]
            seen[row, to] |= scrape.seen[columns]
    interval = next(iter(intervals))
    return Recording(tuple(found), interval, np.asarray(ends) * interval, tuple(pods), values, seen)


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
        have = f"{recording.seconds / 60:.0f} min in {len(recording.ends)} complete scrapes"
        raise InputError(
            f"the recording is too short: {have} were recorded, and one rollout of {seconds / 60:.0f} min after a history of "
            f"{history / 60:.0f} min needs {(seconds + history) / 60:.0f} min without holes. Record more, or shorten --length or --history"
        )
    return Windows(recording, tuple(starts), scrapes, before)


def present(found: Windows) -> Flags:
    """(windows, pods): who may take part in each."""
    shares = [np.mean(found.recording.seen[start : start + found.scrapes], axis=0) for start in found.starts]
    return np.stack(shares) >= LEAST_PRESENT


def slow(found: Binned, objective: float) -> Binned:
    """A histogram as bad out of total: requests slower than the smallest bound that is not below the objective, in seconds."""
    places = [place for place, bound in enumerate(found.bounds) if bound >= objective]
    if not places:
        known = ", ".join(f"{bound:g}" for bound in found.bounds) or "none"
        raise InputError(f"no bucket of the histogram ends at {objective:g} s or above; its bounds in seconds are: {known}")
    total = np.sum(found.values, axis=-1)
    bad = np.sum(found.values[..., places[0] + 1 :], axis=-1)
    return Binned(found.interval, found.first, found.pods, np.stack((bad, total), axis=-1), found.seen)


def chosen(found: Sequence[str], recording: Recording) -> list[int]:
    """Places of these metrics; InputError for one that was not recorded."""
    for name in found:
        if name not in recording.metrics:
            raise InputError(f"{name} was not recorded; there are: {', '.join(recording.metrics)}")
    return [recording.metrics.index(name) for name in found]
