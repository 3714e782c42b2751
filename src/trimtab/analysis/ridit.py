"""The rule for histograms: is the whole distribution slower? One complete scrape at a time (judge.md 6). Called by `evidence`.

Every bucket has a score, the standardised middle rank of its requests in the history of the primary. A slower canary moves requests to
higher scores; the bets are tilts of the distribution along them. Arrays broadcast over leading axes `...`; the last is the buckets'.
"""

from dataclasses import dataclass, replace

import numpy as np

from trimtab.analysis import ledger as book
from trimtab.analysis import noise
from trimtab.analysis.counts import Odds, left_out_sums
from trimtab.analysis.ledger import Array, Factors, Ledger, folded
from trimtab.analysis.noise import Dispersion, Worth
from trimtab.model.evidence import MetricCalibration
from trimtab.model.judging import Constants, JudgeRules

FACTORS = np.exp(np.linspace(np.log(0.5), np.log(8.0), 60))
"""Factors in time that a shift of ranks is translated into."""


@dataclass(frozen=True, slots=True)
class ShiftState:
    """What is carried from scrape to scrape."""

    ledger: Ledger
    noise: Dispersion
    """Of sums of scores."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """What the history says of each series: scores (..., K), and densities of the bets relative to the history's."""

    scores: Array
    single: Array
    lasting: Array
    load: Array
    sharp: Array
    """(..., A, K): of a slower canary."""
    margin_base: Array
    """(..., K): of one that is as slow as tolerated."""
    margin: Array
    """(..., A, K)"""
    promote_base: Array
    """(..., K): of one that is too slow to go on with."""
    promote: Array
    """(..., B, K): of ones that are as fast as the primary, or faster."""
    means: Array
    """(..., FACTORS): the mean score when every request takes that many times as long."""


@dataclass(frozen=True, slots=True)
class SeenBuckets:
    """One complete scrape."""

    groups: Array
    """(..., 2, pod groups, K): requests in each bucket, the canary's first."""
    canary_pods: Array
    """(...)"""


def shares(buckets: Array) -> Array:
    """The share of the history in each bucket; none is impossible."""
    added = np.asarray(buckets, dtype=np.float64) + 0.5
    return np.asarray(added / np.sum(added, axis=-1, keepdims=True))


def scores(share: Array) -> Array:
    """Standardised middle ranks."""
    middle = np.cumsum(share, axis=-1) - share / 2 - 0.5
    spread = np.sqrt(np.sum(share * middle**2, axis=-1, keepdims=True))
    return np.asarray(middle / np.where(spread > 0, spread, 1.0))


def slowed(share: Array, bounds: Array, factor: float) -> Array:
    """Shares when every request takes `factor` times as long; inside a bucket they lie evenly in the logarithm of time."""
    edges = np.concatenate(([bounds[0] / 2], bounds, [bounds[-1] * 2]))
    places = np.log(edges)
    moved = np.interp(places[1:-1] - np.log(factor), places, np.concatenate(([0.0], np.cumsum(share))))
    return np.diff(np.concatenate(([0.0], moved, [1.0])))


def tilted(share: Array, score: Array, tilt: Array) -> Array:
    """(..., A, K): densities of tilts (..., A) relative to the history."""
    raised = np.exp(tilt[..., None] * score[..., None, :])
    return np.asarray(raised / np.sum(share[..., None, :] * raised, axis=-1, keepdims=True))


def ranks(known: MetricCalibration, tolerated_slower: float, refuted_slower: float, constants: Constants) -> Ranks:
    """Of one series, from its history: how much slower is tolerated, and how much has to be refuted, are fractions."""
    bounds, buckets = np.asarray(known.bounds), np.asarray(known.buckets)
    share = shares(buckets)
    score = scores(share)
    tolerated, refute = (float(slowed(share, bounds, 1 + each) @ score) for each in (tolerated_slower, refuted_slower))
    tilts = np.asarray(constants.tilts)
    return Ranks(
        score,
        np.asarray(known.noise.single),
        np.asarray(known.noise.lasting),
        np.asarray(known.load),
        tilted(share, score, tilts),
        tilted(share, score, np.asarray([tolerated]))[..., 0, :],
        tilted(share, score, tilts + tolerated),
        tilted(share, score, np.asarray([refute]))[..., 0, :],
        tilted(share, score, np.asarray(constants.better_tilts)),
        np.asarray([slowed(share, bounds, float(factor)) @ score for factor in FACTORS]),
    )


def start(shape: tuple[int, ...], constants: Constants, groups: int, left_out: int) -> ShiftState:
    """Before the first scrape; as `counts.start`."""
    opened = book.opened(shape, (len(constants.tilts), left_out, len(constants.better_tilts)), constants)
    return ShiftState(opened, noise.still(shape, groups, constants))


def advanced(state: ShiftState, constants: Constants) -> ShiftState:
    """At the start of a new step, before its first scrape."""
    return replace(state, ledger=book.stepped(state.ledger, constants), noise=noise.stepped(state.noise))


def update(state: ShiftState, seen: SeenBuckets, known: Ranks, rules: JudgeRules) -> ShiftState:
    """One complete scrape is counted."""
    constants = rules.constants
    books = book.refilled(state.ledger, state.ledger.since >= constants.refill_scrapes, constants)
    state, worth = weighed(replace(state, ledger=replace(books, since=books.since + 1)), seen, known, constants)
    factors = judged(seen, known, worth, state.ledger.without.shape[-2])
    return replace(state, ledger=book.added(state.ledger, factors, rules.cap, rules.cap_promote))


def weighed(state: ShiftState, seen: SeenBuckets, known: Ranks, constants: Constants) -> tuple[ShiftState, Worth]:
    """What counts are worth with this scrape; where they are worth less than before, what was won shrinks."""
    sums = np.stack((seen.groups @ known.scores[..., None, :, None], np.sum(seen.groups, axis=-1, keepdims=True)), axis=-2)[..., 0]
    dispersion = noise.observed(state.noise, sums, True, constants)
    requests = np.sum(seen.groups[..., 0, :, :], axis=(-2, -1))
    dispersion, load = noise.loaded(dispersion, requests, seen.canary_pods, known.load)
    one = np.ones_like(load)
    worth = noise.worth(dispersion, (known.single, known.lasting), (load, one, one), constants)
    dispersion, books = noise.applied(dispersion, state.ledger, worth)
    return replace(state, ledger=books, noise=dispersion), worth


def judged(seen: SeenBuckets, known: Ranks, worth: Worth, left_out: int) -> Factors:
    """What this scrape says."""
    arms = folded(seen.groups)
    canary, primary = arms[..., 0, :], arms[..., 1, :]
    rest = canary[..., None, :] - left_out_sums(seen.groups[..., 0, :, :], left_out)
    one = np.ones_like(known.scores)
    by = worth.divisor[..., None]
    return Factors(
        likelihood(canary, primary, one, known.sharp) / by,
        likelihood(canary, primary, known.margin_base, known.margin) / by,
        likelihood(rest, primary[..., None, :], one[..., None, :], known.sharp[..., None, :, :]) / by[..., None],
        likelihood(canary, primary, known.promote_base, known.promote) / worth.divisor_promote[..., None],
    )


def likelihood(canary: Array, primary: Array, base: Array, bet: Array) -> Array:
    """(..., A): how much likelier `bet` (..., A, K) makes the split of each bucket between the arms than `base` (..., K)."""
    size, other = np.sum(canary, axis=-1), np.sum(primary, axis=-1)
    both = size + other
    share = (size / np.where(both > 0, both, 1.0))[..., None]
    expected = np.log(share[..., None] * bet + 1 - share[..., None]) - np.log(share * base + 1 - share)[..., None, :]
    gained = canary[..., None, :] * np.log(bet / base[..., None, :])
    return np.asarray(np.sum(gained - (canary + primary)[..., None, :] * expected, axis=-1))


def odds(state: ShiftState, groups: Array, constants: Constants) -> Odds:
    """The evidence; as `counts.odds`, without a guard."""
    books = state.ledger
    even = np.full((*books.cash.shape, len(constants.tilts)), -np.log(len(constants.tilts)))
    worse = book.total(books.sharp, even)
    return Odds(
        worse,
        book.total(books.margin, even),
        book.least(books.without, even, groups, worse),
        book.total(books.promote, np.log(constants.better_tilts_prior)),
        np.full(worse.shape, -np.inf),
    )
