"""What a count is worth: how unevenly pods of an arm fail, before and during a rollout (judge.md 2, 4). Called by `counts` and `ridit`.

Pods are compared with pods of their own arm only, so that an incident or a drift that both arms share is no noise.
"""

from dataclasses import dataclass, replace

import numpy as np

from trimtab.analysis.ledger import Array, Ledger, folded, tempered
from trimtab.model.judging import Constants

PRESENT = 2.0**-30
"""The size of a pod that was there and got no request: nothing, and yet it is one of those that errors could have fallen to."""


@dataclass(frozen=True, slots=True)
class Dispersion:
    """What was seen of it during the rollout. Block sums hold (arm, pod group, value and size); the canary is arm 0."""

    chi: Array
    """(..., 3): Pearson's statistic, summed, at each length of block."""
    freedom: Array
    """(..., 3): its degrees of freedom."""
    blocks: Array
    """(..., 2, 2, pod groups, 2): the unfinished blocks of the two longer lengths."""
    seen: Array
    """(...): scrapes."""
    exposure: Array
    """(..., 2): requests of a canary pod, summed over the scrapes of this step, and how many these were."""
    divisor: Array
    """(...): what evidence against the canary was divided by last. So are the following."""
    divisor_promote: Array
    worst: Array
    """The largest divisor so far. What was won has shrunk by it once, and does so again only beyond it."""
    worst_promote: Array
    parts: Array
    """(..., 4): noise within a scrape and over longer blocks, load and rate, of which the divisors were made last."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What evidence is divided by, and why; all of shape (...)."""

    divisor: Array
    divisor_promote: Array
    parts: Array
    """(..., 4): as in `Dispersion`."""


def still(shape: tuple[int, ...], groups: int, constants: Constants) -> Dispersion:
    """Nothing seen yet."""
    lengths = len(constants.blocks)
    one = np.ones(shape)
    return Dispersion(
        np.zeros((*shape, lengths)),
        np.zeros((*shape, lengths)),
        np.zeros((*shape, lengths - 1, 2, groups, 2)),
        np.zeros(shape),
        np.zeros((*shape, 2)),
        one,
        one.copy(),
        one.copy(),
        one.copy(),
        np.ones((*shape, 4)),
    )


def observed(state: Dispersion, arms: Array, scores: bool, constants: Constants) -> Dispersion:
    """With one more scrape. `arms` is (..., 2, pod groups, 2): value and size of each group; `scores` have variance 1 a request."""
    seen = state.seen + 1
    chi, freedom, blocks = state.chi.copy(), state.freedom.copy(), state.blocks.copy()
    for place, length in enumerate(constants.blocks):
        if place == 0:
            gained, degrees = pearson(arms, scores)
            chi[..., 0] += gained
            freedom[..., 0] += degrees
            continue
        block = blocks[..., place - 1, :, :, :]
        block += arms
        ends = seen % length == 0
        if np.any(ends):
            gained, degrees = pearson(block, scores)
            chi[..., place] += np.where(ends, gained, 0.0)
            freedom[..., place] += np.where(ends, degrees, 0.0)
            block[ends] = 0.0
    return replace(state, chi=chi, freedom=freedom, blocks=blocks, seen=seen)


def pearson(arms: Array, scores: bool) -> tuple[Array, Array]:
    """Of both arms (..., 2, pod groups, 2) together. The canary's pods count only where the primary has pods to compare as well."""
    chi, freedom = uneven(arms, scores)
    several = there(arms[..., 1, :, 1]) >= 2
    return chi[..., 0] * several + chi[..., 1], freedom[..., 0] * several + freedom[..., 1]


def uneven(groups: Array, scores: bool) -> tuple[Array, Array]:
    """Pearson's statistic of groups (..., groups, 2) and its degrees of freedom; nothing of a single group or without events.

    A group of size 0 was not there; see `PRESENT` for one that was.
    """
    value, size = groups[..., 0], groups[..., 1]
    sums = folded(groups)
    total, sizes = sums[..., 0], sums[..., 1]
    expected = (total / np.maximum(sizes, 1.0))[..., None] * size
    spread = size if scores else expected
    squares = (value - expected) ** 2
    np.divide(squares, spread, out=squares, where=spread > 0)
    pods = there(size)
    usable = pods >= 2 if scores else (pods >= 2) & (total > 0)
    return folded(squares[..., None])[..., 0] * usable, (pods - 1.0) * usable


def there(sizes: Array) -> Array:
    """How many of (..., groups) were there, group by group: for short axes that is several times faster than counting along the axis."""
    found = np.sign(sizes[..., 0])
    for place in range(1, sizes.shape[-1]):
        found += sizes[..., place] > 0
    return np.asarray(found)


def worth(state: Dispersion, history: tuple[Array, Array], grown: tuple[Array, Array, Array], constants: Constants) -> Worth:
    """What counts are worth now. `history` is its noise within a scrape and over longer blocks; `grown` are load, error rate and how much
    larger clumps can get (`crowding`). The lasting part grows with load and error rate.

    Pods that stay bad for minutes show within a scrape as well once they fail often, and the scrape cannot tell them from clumps. So the
    lasting part is never taken for less than it was in the history: noise that is seen anew must not make counts worth more (ADR 8).
    """
    strength, dead = constants.noise_strength, constants.noise_dead_zone
    (single, lasting), (load, rate, crowd) = history, grown
    now = (strength * single + state.chi[..., 0]) / (strength + state.freedom[..., 0])
    within = np.maximum(single, now)
    blocks = (strength * lasting[..., None] + state.chi[..., 1:]) / (strength + state.freedom[..., 1:])
    one = np.maximum(1.0, within - dead)
    long = np.maximum(1.0, np.maximum(np.maximum(lasting, within), np.max(blocks, axis=-1)) - dead)
    clumps = np.maximum(1.0, single - dead) - 1
    usual = np.maximum(1.0, lasting - dead) - 1 - clumps
    excess = (one - 1) + clumps * (crowd - 1) + np.maximum(usual, long - one) * np.maximum(1.0, load * rate)
    return Worth(1 + constants.noise_factor * excess, 1 + excess, np.stack(np.broadcast_arrays(one, long, load, rate), axis=-1))


def loaded(state: Dispersion, requests: Array, canary_pods: Array, usual: Array) -> tuple[Dispersion, Array]:
    """How many times the history's requests of a primary pod one canary pod gets, on the mean of this step: with thin traffic a single
    scrape says little of it. 1 without history."""
    each = requests / np.maximum(canary_pods, 1.0)
    exposure = state.exposure + np.stack((each, np.ones_like(each)), axis=-1)
    mean = exposure[..., 0] / exposure[..., 1]
    return replace(state, exposure=exposure), np.where(usual > 0, mean / np.where(usual > 0, usual, 1.0), 1.0)


def crowding(load: Array, usual: Array, constants: Constants) -> Array:
    """How much larger than in the history clumps can be: a pod that gets two requests in a scrape shows no clump of ten, and a canary pod
    with more of them does (ADR 8). 1 where the history's pods get enough, or where nothing is known of them."""
    thin = np.clip(1 - usual / constants.whole_clumps, 0.0, 1.0) * (usual > 0)
    return np.asarray(1 + np.maximum(0.0, load - 1) * thin)


def stepped(state: Dispersion) -> Dispersion:
    """At the start of a step, whose load will be another."""
    return replace(state, exposure=np.zeros_like(state.exposure))


def applied(state: Dispersion, books: Ledger, worth: Worth) -> tuple[Dispersion, Ledger]:
    """Where counts turned out to be worth less than ever before, what was won shrinks; what was lost stays."""
    worst, worst_promote = np.maximum(state.worst, worth.divisor), np.maximum(state.worst_promote, worth.divisor_promote)
    noted = replace(
        state,
        divisor=worth.divisor,
        divisor_promote=worth.divisor_promote,
        worst=worst,
        worst_promote=worst_promote,
        parts=worth.parts,
    )
    return noted, tempered(books, state.worst / worst, state.worst_promote / worst_promote)
