"""From increments to complete scrapes, which is what the judge takes (judge.md 1, analysis.md 3.7). Called by adapters and `backtest`.

A bin is complete when enough pods of each arm were seen. What was seen in incomplete ones is merged into the next complete one, since
counters lose nothing; but not beyond the moment at which an arm's pods are all new ones, of whom nothing is known before.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from trimtab.analysis.increments import Binned
from trimtab.analysis.ledger import Array, Flags
from trimtab.model.scrapes import Arm, PodBuckets, PodCounts, Scrape

BOTH = (Arm.CANARY, Arm.PRIMARY)


@dataclass(frozen=True, slots=True)
class Completeness:
    """When a bin counts as complete."""

    least_seen: float = 0.75
    """So many of an arm's pods must have been seen; late ones bring what was missed in their next bin."""
    gone_after: int = 2
    """A pod that was not seen for so many bins is taken for gone and not waited for."""


USUAL = Completeness()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which complete scrapes are asked for; times are seconds since 1970."""

    metric: str
    after: float = -np.inf
    """Bins that end later than this. What lies before was counted, or is nobody's business."""
    now: float = np.inf
    """A bin is closed one interval late, because pods are not scraped at the same moment."""
    arms: tuple[Arm, ...] = BOTH
    """The arms that must have been seen: only the primary in its own history."""


@dataclass(frozen=True, slots=True, eq=False)
class Complete:
    """Some bins as one scrape."""

    last: int
    """Place of the bin in which it is complete."""
    missed: int
    values: Array
    """(pods, 2) or (pods, buckets)"""
    seen: Flags
    """(pods,): of which pods something is known."""


def scrapes(found: Binned, wanted: Wanted, completeness: Completeness = USUAL) -> Iterator[Scrape]:
    """The complete scrapes, oldest first."""
    length = timedelta(seconds=found.interval)
    for each in complete(found, wanted, completeness):
        seen = [(place, pod, arm) for place, (arm, pod) in enumerate(found.pods) if each.seen[place]]
        ended = datetime.fromtimestamp((found.first + each.last) * found.interval, UTC)
        if found.values.shape[-1] == 2 and not found.bounds:
            pods = tuple(PodCounts(pod, arm, *(int(value) for value in each.values[place])) for place, pod, arm in seen)
            yield Scrape(wanted.metric, ended, length=length, counts=pods, missed=each.missed)
        else:
            buckets = tuple(PodBuckets(pod, arm, tuple(int(value) for value in each.values[place])) for place, pod, arm in seen)
            yield Scrape(wanted.metric, ended, length=length, buckets=buckets, bounds=found.bounds, missed=each.missed)


def complete(found: Binned, wanted: Wanted, completeness: Completeness) -> Iterator[Complete]:
    """The complete bins, each with the incomplete ones before it."""
    enough = np.stack([seen_enough(found.seen[:, found.of(arm)], completeness) for arm in wanted.arms], axis=-1)
    ends = found.ends
    if not np.all(np.any(enough, axis=0)):
        return
    known = int(np.max(np.argmax(enough, axis=0)))
    start = max(known, int(np.searchsorted(ends, wanted.after, side="right")))
    closed = int(np.searchsorted(ends, wanted.now - found.interval, side="right"))
    began = start
    for last in range(start, closed):
        if not np.all(enough[last]):
            continue
        if any(all_new(found, arm, began, last) for arm in wanted.arms):
            began = last
        span = slice(began, last + 1)
        yield Complete(last, last - began, np.sum(found.values[span], axis=0), np.any(found.seen[span], axis=0))
        began = last + 1


def seen_enough(seen: Flags, completeness: Completeness) -> Flags:
    """(bins,): were enough of the pods (bins, pods) seen that there are?"""
    there = seen.copy()
    for late in range(1, min(completeness.gone_after, len(seen) - 1) + 1):
        there[late:] |= seen[:-late]
    count = np.sum(seen, axis=-1)
    return np.asarray((count > 0) & (count >= completeness.least_seen * np.sum(there, axis=-1)))


def all_new(found: Binned, arm: Arm, began: int, last: int) -> bool:
    """After a gap: had no pod of this arm that is there now been seen before?"""
    if last == began:
        return False
    pods = found.of(arm)
    now = found.seen[last, pods]
    return not np.any(found.seen[:last, pods][:, now])
