"""How much more is needed, and what can be seen at all (judge.md 7, analysis.md 5.1). Called by `verdicts`, `plan` and warnings.

All functions take arrays or plain numbers and broadcast. Rates are fractions of requests; `share` is the canary's share of them; `noise`
is what a count is divided by (1 for independent requests).
"""

import numpy as np

from trimtab.analysis.counts import ratios
from trimtab.analysis.ledger import Array
from trimtab.model.judging import Constants, JudgeRules

Number = Array | float
LEAST_PROGRESS = -3.0
"""Evidence for going on that fell below this is taken for this: a bad moment is not extrapolated."""


def refuting(base: Number, share: Number, refute: Number, noise: Number = 1.0) -> Array:
    """Mean evidence that one request of either arm brings for going on, at a canary as good as the primary."""
    share, refute = np.asarray(share), np.asarray(refute)
    return np.asarray(base * (np.log1p(share * (refute - 1)) - share * np.log(refute)) / noise)


def at_rate(refuted: Number, each: Array, rules: JudgeRules) -> Array:
    """(requests of both arms) still needed to go on, given the evidence `refuted` so far and what one request brings on average; inf where
    it will never do."""
    missing = np.log(rules.promote_odds) - np.log(rules.constants.better_prior[0]) - np.maximum(refuted, LEAST_PROGRESS)
    with np.errstate(divide="ignore"):
        return np.asarray(np.where(each > 0, np.maximum(missing, 0.0) / np.where(each > 0, each, 1.0), np.inf))


def seldom(base: Number, absolute: Number, constants: Constants) -> Array:
    """Does the primary fail so seldom that the canary is judged by itself?"""
    return np.asarray(np.asarray(base) < constants.hardly_ever * np.asarray(absolute))


def clean(share: Number, refute: Number, noise: Number, constants: Constants) -> Array:
    """As `refuting`, where the primary hardly ever fails and the canary never does; `refute` is a rate."""
    return np.asarray(np.asarray(share) * refute * (1 - constants.cleaner[0]) / noise)


def convicting(base: Number, share: Number, ratio: Number, noise: Number = 1.0) -> Array:
    """Mean evidence that one request of either arm brings against a canary which is worse by `ratio`."""
    share, ratio = np.asarray(share), np.asarray(ratio)
    both = 1 + share * (ratio - 1)
    return np.asarray(base * (share * ratio * np.log(ratio) - both * np.log(both)) / noise)


def to_hold(base: Number, share: Number, ratio: Number, noise: Number, rules: JudgeRules) -> Array:
    """Requests of both arms until a canary that is worse by `ratio` is held, on average."""
    return until(np.log(rules.hold_odds), base, share, ratio, noise, rules.constants)


def until(evidence: float, base: Number, share: Number, ratio: Number, noise: Number, constants: Constants) -> Array:
    """Requests until the evidence is reached: what the bet on the right ratio has to make up for is its share of all bets."""
    prior = (1 + np.log(ratios(constants))) ** constants.prior_power
    nearest = np.argmin(np.abs(np.log(ratios(constants)) - np.log(np.asarray(ratio))[..., None]), axis=-1)
    # Neighbours of the right ratio win as well; they are counted as one more of its like.
    bet = constants.start_cash * np.minimum(1.0, 2 * prior[nearest] / np.sum(prior))
    each = convicting(base, share, ratio, noise)
    return np.asarray(np.where(each > 0, (evidence - np.log(bet)) / np.where(each > 0, each, 1.0), np.inf))


def detectable(requests: Number, base: Number, share: Number, noise: Number, rules: JudgeRules) -> Array:
    """The least ratio held, on average, within so many requests of both arms: the step is blind to what lies below; inf if none is."""
    # Where hardly anything fails, a canary that fails at everything is worse by far more than a thousand times.
    tried = np.exp(np.linspace(np.log(1.05), np.log(max(1000.0, 1 / float(np.min(base)))), 400))
    wide = [np.asarray(each, dtype=np.float64)[..., None] for each in (requests, base, share, noise)]
    sizes = to_hold(wide[1], wide[2], tried, wide[3], rules)
    enough = sizes <= wide[0]
    return np.where(np.any(enough, axis=-1), tried[np.argmax(enough, axis=-1)], np.inf)
