"""The evidence of one series, or of many at once: what was bet, won and lost (judge.md 1 and 2). Called by `counts` and `ridit`.

Arrays broadcast over leading axes, written `...` below. Logarithms are natural.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trimtab.model.judging import Constants

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ledger:
    """Evidence against K alternatives, G times without a group of canary pods, and against A alternatives for going on."""

    sharp: Array
    """(..., K): that it is worse at all; -inf before the first bet. So are `margin`, `without` and `guard`."""
    margin: Array
    """(..., K): that it is worse than tolerated."""
    without: Array
    """(..., G, K): as `sharp`, without one group of canary pods."""
    promote: Array
    """(..., A): of this step, that the ratio to refute is refuted."""
    guard: Array
    """(..., K): during the warm-up, that it is far worse."""
    cash: Array
    """(...): what is bet anew with the next scrape. So are the following."""
    refills: Array
    since: Array
    """Scrapes since the last refill."""
    counted: Array
    """Scrapes in this step."""


@dataclass(frozen=True, slots=True)
class Factors:
    """What one scrape says, as logarithms of likelihood ratios, already divided by the noise; shapes as in `Ledger`."""

    sharp: Array
    margin: Array
    without: Array
    promote: Array


def opened(shape: tuple[int, ...], sizes: tuple[int, int, int], constants: Constants) -> Ledger:
    """No evidence yet; `sizes` are K, G and A."""
    alternatives, groups, better = sizes
    none = np.full((*shape, alternatives), -np.inf)
    zero = np.zeros(shape)
    return Ledger(
        sharp=none,
        margin=none.copy(),
        without=np.full((*shape, groups, alternatives), -np.inf),
        promote=np.zeros((*shape, better)),
        guard=np.full((*shape, alternatives), np.log(constants.start_cash)),
        cash=np.full(shape, constants.start_cash),
        refills=zero,
        since=zero.copy(),
        counted=zero.copy(),
    )


def refilled(ledger: Ledger, due: Flags, constants: Constants) -> Ledger:
    """New bets begin where they are due. All that is ever paid stays below 1, which is why evidence may be looked at any time."""
    refills = ledger.refills + due
    paid = np.where(due, (1 - constants.start_cash) / np.maximum(refills * (refills + 1), 1), 0.0)
    return replace(ledger, refills=refills, cash=ledger.cash + paid, since=np.where(due, 0.0, ledger.since))


def stepped(ledger: Ledger, constants: Constants) -> Ledger:
    """A new step: a new bet, and going on has to be earned anew."""
    fresh = refilled(ledger, np.ones(ledger.cash.shape, dtype=np.bool_), constants)
    return replace(fresh, promote=np.zeros_like(ledger.promote), counted=np.zeros_like(ledger.counted))


def tempered(ledger: Ledger, kept: Array, kept_promote: Array) -> Ledger:
    """What was won shrinks by these factors (at most 1) because counts turned out to be worth less; what was lost stays."""
    if np.all(kept >= 1) and np.all(kept_promote >= 1):
        return ledger
    return replace(
        ledger,
        sharp=_shrunk(ledger.sharp, kept[..., None]),
        margin=_shrunk(ledger.margin, kept[..., None]),
        without=_shrunk(ledger.without, kept[..., None, None]),
        promote=_shrunk(ledger.promote, kept_promote[..., None]),
        guard=_shrunk(ledger.guard, kept[..., None]),
    )


def _shrunk(evidence: Array, factor: Array) -> Array:
    return np.where(evidence > 0, evidence * factor, evidence)


def added(ledger: Ledger, factors: Factors, cap: float, cap_promote: float) -> Ledger:
    """One scrape is counted: waiting cash is bet on it, and no alternative gains more than `cap` to one."""
    most = np.log(cap)
    sharp, margin, without = ledger.sharp, ledger.margin, ledger.without
    if np.any(ledger.cash > 0):
        with np.errstate(divide="ignore"):
            bet = np.log(ledger.cash)
        sharp, margin = np.logaddexp(sharp, bet[..., None]), np.logaddexp(margin, bet[..., None])
        without = np.logaddexp(without, bet[..., None, None])
    return replace(
        ledger,
        sharp=sharp + np.minimum(factors.sharp, most),
        margin=margin + np.minimum(factors.margin, most),
        without=without + np.minimum(factors.without, most),
        promote=ledger.promote + np.minimum(factors.promote, np.log(cap_promote)),
        cash=np.zeros_like(ledger.cash),
        counted=ledger.counted + 1,
    )


def folded(groups: Array) -> Array:
    """The sum over the last axis but one, slice by slice: for short axes that is several times faster than a reduction."""
    found = groups[..., 0, :].copy()
    for place in range(1, groups.shape[-2]):
        found += groups[..., place, :]
    return found


def total(evidence: Array, log_prior: Array) -> Array:
    """The logarithm of the mean of the evidence over its alternatives, the last axis."""
    weighted = evidence + log_prior
    top = np.max(weighted, axis=-1)
    safe = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(safe + np.log(np.sum(np.exp(weighted - safe[..., None]), axis=-1)))


def least(without: Array, log_prior: Array, groups: Array, sharp: Array) -> Array:
    """The evidence without the group that speaks most for it; `sharp` where no pod can be left out (`groups` is 0 there)."""
    if without.shape[-2] == 0:
        return sharp
    unused = np.arange(without.shape[-2]) >= groups[..., None]
    found = np.min(np.where(unused, np.inf, total(without, log_prior[..., None, :])), axis=-1)
    return np.where(groups > 0, found, sharp)
