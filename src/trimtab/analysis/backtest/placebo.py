"""Some pods of the primary play the canary (analysis.md 7). Called by `replay`, `thresholds` and `runs`.

Their requests are thinned by chance to the share that the policy's weight would have given them, and a regression may be added to what
remains. Thinning makes clumps of errors smaller than they were, which is said in every report.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.analysis.backtest.recording import Recorded, Windows, present
from trimtab.analysis.ledger import Array, Flags
from trimtab.analysis.noise import PRESENT
from trimtab.errors import InputError

Places = NDArray[np.int64]
Counted = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Regression:
    """What is added to the canary's failures. Without a ratio and a share nothing is: an A/A test."""

    name: str
    metric: str = ""
    ratio: float = 1.0
    """So many times the primary's usual rate."""
    share: float = 0.0
    """So large a share of the canary's requests besides."""
    slower: float = 0.0
    """Of a histogram: every request takes so much longer, as a fraction."""
    after: float = 0.0
    """Seconds from the start."""
    from_step: int = 0
    """The step with which it begins, counted from 0: a fault that needs load."""
    one_pod: bool = False
    """Only one of the canary's pods has it: a bad node, not a bad configuration."""

    @property
    def pods(self) -> slice:
        """The pod groups that have it."""
        return slice(0, 1) if self.one_pod else slice(None)

    @property
    def none(self) -> bool:
        """Is this an A/A test?"""
        return self.ratio == 1.0 and self.share == 0.0 and self.slower == 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """Rollouts to be replayed."""

    window: Places
    """(trials,): place in `Windows.starts`."""
    order: Places
    """(trials, pods): first the canary's pods, then the primary's, last those that take no part."""
    part: Flags
    """(trials, pods): in that order, who takes part."""
    canaries: int
    """How many pods play the canary; 0 where there is only one pod, whose requests are split between both."""
    share: Array
    """(trials,): the canary's natural share of requests in the window."""

    def some(self, places: Places) -> "Trials":
        """A part of them."""
        return Trials(self.window[places], self.order[places], self.part[places], self.canaries, self.share[places])


def draw(found: Windows, canaries: int, trials: int, chance: np.random.Generator) -> Trials:
    """Random pods in every window in turn. InputError where too few pods were there at once."""
    there = present(found)
    usable = np.flatnonzero(np.sum(there, axis=-1) > canaries)
    alone = not usable.size and canaries == 1
    if alone:
        usable = np.flatnonzero(np.sum(there, axis=-1) == 1)
    if not usable.size:
        most = int(np.max(np.sum(there, axis=-1)))
        raise InputError(f"at most {most} pods of the primary were there at once; {canaries} of them cannot play the canary")
    window = np.asarray(usable[np.arange(trials) % usable.size], dtype=np.int64)
    ranks = chance.random((trials, len(found.recording.pods))) + 2.0 * ~there[window]
    # Pods come and go over days; only as many columns are needed as were there at once.
    order = np.asarray(np.argsort(ranks, axis=-1), dtype=np.int64)[:, : int(np.max(np.sum(there, axis=-1)))]
    part = np.take_along_axis(there[window], order, axis=-1)
    return Trials(window, order, part, 0 if alone else canaries, shares(found, (window, order, part), canaries))


def shares(found: Windows, drawn: tuple[Places, Places, Flags], canaries: int) -> Array:
    """(trials,): of all requests of those that take part."""
    window, order, part = drawn
    each = np.stack([np.sum(found.recording.metrics[0].values[start : start + found.scrapes], axis=(0, 2)) for start in found.starts])
    requests = np.take_along_axis(each[window], order, axis=-1) * part
    total = np.sum(requests, axis=-1)
    return np.asarray(np.sum(requests[:, :canaries], axis=-1) / np.where(total > 0, total, 1.0))


def grouped(values: Array, groups: int) -> Array:
    """(trials, groups, columns) from (trials, pods, columns), pod i in group i modulo their number."""
    found = np.zeros((values.shape[0], groups, values.shape[-1]))
    for first in range(0, values.shape[1], groups):
        part = values[:, first : first + groups]
        found[:, : part.shape[1]] += part
    return found


def natural(metric: Recorded, scrape: Places, trials: Trials, groups: int) -> tuple[Array, Array]:
    """Both arms of each trial as they were at these scrapes: (trials, pod groups, columns)."""
    values = metric.values[scrape[:, None], trials.order] * trials.part[..., None]
    if trials.canaries == 0:
        both = grouped(values, groups)
        return both, both
    return grouped(values[:, : trials.canaries], groups), grouped(values[:, trials.canaries :], groups)


def idle(trials: Trials, groups: int) -> Array:
    """(trials, 2, pod groups): next to nothing for every pod, so that one without a request counts as a pod all the same."""
    part = trials.part.astype(np.float64)[..., None] * PRESENT
    first = max(1, trials.canaries)
    return np.stack((grouped(part[:, :first], groups), grouped(part[:, trials.canaries :], groups)), axis=1)[..., 0]


def weighted(arms: tuple[Array, Array], trials: Trials, weight: Array, chance: np.random.Generator) -> tuple[Array, Array]:
    """With the canary's share brought to `weight` (trials,) by dropping requests of one arm at random."""
    canary, primary = arms
    if trials.canaries == 0:
        taken = thinned(canary, weight, chance)
        return taken, primary - taken
    natural_odds, wanted = trials.share / np.maximum(1 - trials.share, 1e-9), weight / np.maximum(1 - weight, 1e-9)
    kept = np.minimum(1.0, wanted / np.maximum(natural_odds, 1e-9))
    kept_primary = np.minimum(1.0, natural_odds / np.maximum(wanted, 1e-9))
    return thinned(canary, kept, chance), thinned(primary, kept_primary, chance)


def thinned(values: Array, kept: Array, chance: np.random.Generator) -> Array:
    """Each request is kept with this chance (trials,)."""
    some = np.flatnonzero(kept < 1)
    if not some.size:
        return values
    found = values.copy()
    found[some] = chance.binomial(values[some].astype(np.int64), kept[some][:, None, None])
    return found


def worsened(canary: Array, which: Flags, metric: Recorded, regression: Regression, chance: np.random.Generator) -> tuple[Array, Array]:
    """With the regression, in these trials; says in each how many requests turned bad."""
    some, added = np.flatnonzero(which), np.zeros(len(canary))
    if not some.size or regression.none:
        return canary, added
    part = canary[some, regression.pods].astype(np.int64)
    before = np.sum(part[..., metric.bad_from :], axis=(1, 2))
    if regression.slower:
        part = slowed(part, metric.bounds, 1 + regression.slower, chance)
    turned = chance.binomial(part[..., : metric.bad_from], failing(metric, regression))
    part[..., : metric.bad_from] -= turned
    part[..., metric.bad_from] += np.sum(turned, axis=-1)
    found = canary.copy()
    found[some, regression.pods] = part
    added[some] = np.sum(part[..., metric.bad_from :], axis=(1, 2)) - before
    return found, added


def failing(metric: Recorded, regression: Regression) -> float:
    """The chance that a good request of the canary turns bad."""
    return min(1.0, (metric.base * (regression.ratio - 1) + regression.share) / (1 - metric.base))


def slowed(buckets: Counted, bounds: tuple[float, ...], factor: float, chance: np.random.Generator) -> Counted:
    """Every request takes `factor` times as long; inside a bucket they lie evenly in the logarithm of time."""
    edges = np.log(np.asarray([bounds[0] / 2, *bounds, bounds[-1] * 2]))
    low, high = edges[:-1, None] + np.log(factor), edges[1:, None] + np.log(factor)
    below = np.clip((edges[None, 1:-1] - low) / (high - low), 0.0, 1.0)
    moves = np.diff(np.concatenate((np.zeros((len(below), 1)), below, np.ones((len(below), 1))), axis=1), axis=1)
    return sum((chance.multinomial(buckets[..., place], moves[place]) for place in range(len(moves))), np.zeros_like(buckets))
