"""The rule for bad out of total, one complete scrape at a time (judge.md 2). Called by `evidence`, by backtests and benchmarks.

Given how many requests each arm served, how the bad ones fall to the arms does not depend on how bad the times are: a shared incident
changes nothing. Arrays broadcast over leading axes `...`.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from trimtab.analysis import ledger as book
from trimtab.analysis import noise
from trimtab.analysis.ledger import Array, Factors, Flags, Ledger, folded
from trimtab.analysis.noise import Dispersion, Worth
from trimtab.model.judging import Constants, JudgeRules


@dataclass(frozen=True, slots=True)
class CountState:
    """What is carried from scrape to scrape."""

    ledger: Ledger
    noise: Dispersion
    recent: Array
    """(..., 4, 2): bad and total of the primary in the last scrapes."""
    primary: Array
    """(..., 2): the same since the start."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of each series before the rollout; all of shape (...), but for the priors."""

    single: Array
    lasting: Array
    bad: Array
    total: Array
    load: Array
    """Mean requests of a primary pod in a scrape; 0 without history."""
    relative: Array
    absolute: Array
    """The tolerances."""
    prior: Array
    """(..., K), logarithms: of the ratios bet on as worse at all."""
    prior_margin: Array
    """The same for worse than tolerated."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One complete scrape."""

    groups: Array
    """(..., 2, pod groups, 2): bad and total, the canary's first."""
    canary_pods: Array
    """(...): how many canary pods there are."""
    arms: Array
    """(..., 2, 2): the sums of both arms, the canary's first."""


@dataclass(frozen=True, slots=True)
class Odds:
    """Logarithms of odds, each of shape (...): worse at all, beyond tolerance, without one pod, refuted, far worse (warm-up)."""

    worse: Array
    beyond: Array
    without_pod: Array
    refuted: Array
    guard: Array


def seen(groups: Array, canary_pods: Array) -> Seen:
    """From groups of both arms, (..., 2, pod groups, 2), the canary's first."""
    return Seen(groups, canary_pods, folded(groups))


@lru_cache(maxsize=8)
def ratios(constants: Constants) -> Array:
    """The ratios that are bet on."""
    found = np.exp(np.linspace(np.log(constants.smallest), np.log(constants.largest), constants.ratios))
    found.setflags(write=False)
    return found


def log_prior(constants: Constants, below: Array | float = np.inf) -> Array:
    """The prior of the ratios as logarithms, over those smaller than `below` (of shape (...)) only."""
    weights = (1 + np.log(ratios(constants))) ** constants.prior_power
    weights = np.where(ratios(constants) < np.asarray(below)[..., None], weights, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log(weights / np.sum(weights, axis=-1, keepdims=True))
    return np.where(np.isnan(found), -np.inf, found)


def unknown(shape: tuple[int, ...], rules: JudgeRules) -> Known:
    """A service without history, under the rules' own tolerances."""
    one, zero = np.ones(shape), np.zeros(shape)
    prior = np.broadcast_to(log_prior(rules.constants), (*shape, rules.constants.ratios))
    return Known(
        one, one, zero, zero, zero, np.full(shape, rules.tolerance_relative), np.full(shape, rules.tolerance_absolute), prior, prior
    )  # fmt: skip


def start(shape: tuple[int, ...], constants: Constants, groups: int, left_out: int) -> CountState:
    """Before the first scrape, for up to `groups` groups of pods an arm, of which `left_out` are left out in turn (0: none)."""
    opened = book.opened(shape, (constants.ratios, left_out, len(constants.better)), constants)
    return CountState(opened, noise.still(shape, groups, constants), np.zeros((*shape, constants.rate_scrapes, 2)), np.zeros((*shape, 2)))


def advanced(state: CountState, constants: Constants) -> CountState:
    """At the start of a new step, before its first scrape."""
    return replace(state, ledger=book.stepped(state.ledger, constants), noise=noise.stepped(state.noise))


def update(state: CountState, seen: Seen, known: Known, next_weight: Array | float, rules: JudgeRules) -> CountState:
    """One complete scrape is counted."""
    constants = rules.constants
    books = state.ledger
    books = book.refilled(books, books.since >= constants.refill_scrapes, constants)
    state, worth = weighed(replace(state, ledger=replace(books, since=books.since + 1)), seen, known, constants)
    usual = base(state, known)
    tolerated = np.maximum(1 + known.relative, 1 + known.absolute / usual)
    factors = judged(seen, worth, (tolerated, to_refute(tolerated, next_weight, rules)), state.ledger.without.shape[-2], constants)
    seldom = usual < constants.hardly_ever * known.absolute
    if np.any(seldom):
        rates = rate_tolerated(known.absolute, constants), rate_to_refute(known.absolute, next_weight, rules)
        # Promotion is bet on by what was known before the scrape. Against the canary a failure of the primary may count at once: it makes
        # the canary no more suspicious than it is.
        quiet = seldom & (seen.arms[..., 1, 0] == 0)
        factors = alone(factors, (quiet, seldom), by_itself(seen.arms[..., 0, :], rates, constants), worth)
    books = book.added(state.ledger, factors, rules.cap, rules.cap_promote)
    return remembered(replace(state, ledger=books), seen)


def warmed(state: CountState, seen: Seen, known: Known, rules: JudgeRules) -> CountState:
    """One complete scrape of the warm-up: only the guard counts it (judge.md 3)."""
    constants = rules.constants
    state, worth = weighed(state, seen, known, constants)
    canary, primary = seen.arms[..., 0, :], seen.arms[..., 1, :]
    factor = against(canary, primary, np.full(worth.divisor.shape, constants.guard_ratio), constants) / worth.divisor[..., None]
    guard = state.ledger.guard + np.minimum(factor, np.log(rules.cap))
    return remembered(replace(state, ledger=replace(state.ledger, guard=guard)), seen)


def weighed(state: CountState, seen: Seen, known: Known, constants: Constants) -> tuple[CountState, Worth]:
    """What counts are worth with this scrape; where they are worth less than before, what was won shrinks."""
    dispersion = noise.observed(state.noise, seen.groups, False, constants)
    dispersion, load = noise.loaded(dispersion, seen.arms[..., 0, 1], seen.canary_pods, known.load)
    grown = load, rate(state, seen, known, constants), noise.crowding(load, known.load, constants)
    worth = noise.worth(dispersion, (known.single, known.lasting), grown, constants)
    dispersion, books = noise.applied(dispersion, state.ledger, worth)
    return replace(state, ledger=books, noise=dispersion), worth


def rate(state: CountState, seen: Seen, known: Known, constants: Constants) -> Array:
    """How many times its usual rate the primary fails: in the scrapes before this one, or already in this one if it is a surge."""
    usual = (known.bad + 0.5) / (known.total + 1)
    recent, now = folded(state.recent), seen.arms[..., 1, :]
    before = (recent[..., 0] + 2) / (usual * recent[..., 1] + 2)
    at_once = (now[..., 0] + 0.5) / (usual * now[..., 1] + 0.5)
    return np.asarray(np.where(at_once >= constants.surge, np.maximum(before, at_once), before))


def base(state: CountState, known: Known) -> Array:
    """How often the primary fails, by its history and the scrapes before this one."""
    return np.asarray((known.bad + state.primary[..., 0] + 0.5) / (known.total + state.primary[..., 1] + 1))


def to_refute(tolerated: Array, next_weight: Array | float, rules: JudgeRules) -> Array:
    """The ratio that has to be refuted before the next weight."""
    return np.maximum(1 + rules.growth / np.asarray(next_weight), rules.constants.refuted_over_tolerated * tolerated)


def rate_to_refute(absolute: Array, next_weight: Array | float, rules: JudgeRules) -> Array:
    """The share of failed requests that has to be refuted where the primary hardly ever fails: what adds the tolerance to the service."""
    return np.asarray(np.maximum(rules.growth / np.asarray(next_weight), rules.constants.refuted_over_tolerated) * absolute)


def rate_tolerated(absolute: Array | float, constants: Constants) -> Array:
    """The share of failed requests that is within tolerance where the primary hardly ever fails."""
    return np.asarray((1 + constants.hardly_ever) * np.asarray(absolute))


def by_itself(canary: Array, rates: tuple[Array, Array], constants: Constants) -> tuple[Array, Array]:
    """(..., K) and (..., A): how much likelier other true rates make what the canary counted than the one that is tolerated, each ratio
    times that, and than the one to refute, each share of that."""
    tolerated, refute = rates
    times, shares = ratios(constants), np.asarray(constants.cleaner)
    bad, size = canary[..., 0, None], canary[..., 1]
    return bad * np.log(times) - (size * tolerated)[..., None] * (times - 1), bad * np.log(shares) + (size * refute)[..., None] * (
        1 - shares
    )


def alone(factors: Factors, where: tuple[Flags, Flags], of_itself: tuple[Array, Array], worth: Worth) -> Factors:
    """With what the canary says by itself, where the primary hardly ever fails (ADR 13); `where` is of being worse, and of going on."""
    (quiet, seldom), (margin, promote) = where, of_itself
    return replace(
        factors,
        margin=np.where(quiet[..., None], margin / worth.divisor[..., None], factors.margin),
        promote=np.where(seldom[..., None], promote / worth.divisor_promote[..., None], factors.promote),
    )


def judged(seen: Seen, worth: Worth, bounds: tuple[Array, Array], left_out: int, constants: Constants) -> Factors:
    """What this scrape says; `bounds` are the tolerated ratio and the one to refute."""
    canary, primary = seen.arms[..., 0, :], seen.arms[..., 1, :]
    tolerated, refute = bounds
    one = np.ones(tolerated.shape)
    rest = canary[..., None, :] - left_out_sums(seen.groups[..., 0, :, :], left_out)
    by = worth.divisor[..., None]
    alternatives = np.asarray(constants.better) / refute[..., None]
    return Factors(
        against(canary, primary, one, constants) / by,
        against(canary, primary, tolerated, constants) / by,
        against(rest, primary[..., None, :], one[..., None], constants) / by[..., None],
        likelihood(canary, primary, refute, alternatives) / worth.divisor_promote[..., None],
    )


def left_out_sums(groups: Array, left_out: int) -> Array:
    """(..., left_out, values): the sums of each group to leave out; pod group i belongs to group i modulo `left_out`."""
    if left_out == 0:
        return np.zeros((*groups.shape[:-2], 0, groups.shape[-1]))
    return np.stack([folded(groups[..., place::left_out, :]) for place in range(left_out)], axis=-2)


def against(canary: Array, primary: Array, ratio: Array, constants: Constants) -> Array:
    """(..., K): likelihood of each ratio times `ratio` against `ratio` itself."""
    return likelihood(canary, primary, ratio, ratios(constants))


def likelihood(canary: Array, primary: Array, ratio: Array, times: Array) -> Array:
    """(..., K): logarithm of how much likelier a true ratio of `times` * `ratio` makes the split of the bad ones than `ratio`."""
    bad, size = canary[..., 0], canary[..., 1]
    both = size + primary[..., 1]
    share = (size / np.where(both > 0, both, 1.0)) * ratio
    part = share / (share + (primary[..., 1] / np.where(both > 0, both, 1.0)) + (both <= 0))
    events = bad + primary[..., 0]
    return bad[..., None] * np.log(times) - events[..., None] * np.log1p(part[..., None] * (times - 1))


def remembered(state: CountState, seen: Seen) -> CountState:
    """What later scrapes compare with."""
    primary = seen.arms[..., 1, :]
    return replace(
        state, recent=np.concatenate((state.recent[..., 1:, :], primary[..., None, :]), axis=-2), primary=state.primary + primary
    )


def odds(state: CountState, known: Known, groups: Array, constants: Constants) -> Odds:
    """The evidence; `groups` (...) of canary pods can be left out in turn, 0 where there are too few pods."""
    books = state.ledger
    worse = book.total(books.sharp, known.prior)
    return Odds(
        worse,
        book.total(books.margin, known.prior_margin),
        book.least(books.without, known.prior, groups, worse),
        book.total(books.promote, np.log(constants.better_prior)),
        book.total(books.guard, known.prior_margin),
    )
