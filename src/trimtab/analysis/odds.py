"""From series to metrics, and from metrics to the whole (judge.md 5 and 6). Called by `evidence` and `verdicts`.

An average of evidence is evidence, whatever the metrics have to do with each other. Going on is different: every gating metric has to
refute a regression by itself.
"""

import numpy as np

from trimtab.analysis import counts, ridit
from trimtab.analysis.counts import Odds
from trimtab.analysis.layout import Layout
from trimtab.analysis.ledger import Array, Flags, total
from trimtab.analysis.packing import Table
from trimtab.model.judging import JudgeRules


def combined(arrays: Table, found: Layout, leavable: int, rules: JudgeRules) -> Odds:
    """Of each metric, (metrics,); a metric that gates nothing has refuted everything."""
    rows = counts.odds(arrays.counts, found.known, np.full(len(found.rows), leavable), rules.constants)
    shifts = ridit.odds(arrays.shifts, np.full(len(found.shifts), leavable), rules.constants)
    return joined(rows, shifts, found.parts, found.gating)


def joined(rows: Odds, shifts: Odds, parts: Array, gating: Flags) -> Odds:
    """Series (..., rows) and (..., shifts) as metrics (..., metrics), by their `parts` (..., metrics, rows and then shifts)."""

    def whole(of_rows: Array, of_shifts: Array) -> Array:
        return total(np.concatenate((of_rows, of_shifts), axis=-1)[..., None, :], parts)

    refuted = np.concatenate((rows.refuted, shifts.refuted), axis=-1)[..., None, :]
    return Odds(
        whole(rows.worse, shifts.worse),
        whole(rows.beyond, shifts.beyond),
        whole(rows.without_pod, shifts.without_pod),
        np.min(np.where(gating, refuted, np.inf), axis=-1, initial=np.inf),
        whole(rows.guard, shifts.guard),
    )


def weighted(each: Odds, found: Layout) -> Odds:
    """Of all metrics together, ()."""
    return Odds(
        total(each.worse, found.weights),
        total(each.beyond, found.weights),
        total(each.without_pod, found.weights),
        np.min(each.refuted, axis=-1, initial=np.inf),
        total(each.guard, found.weights),
    )


def implicated(worse: Array, weights: Array, bar: float) -> tuple[tuple[int, ...], bool]:
    """Which metrics carry the evidence past `bar`, and whether only jointly; `worse` and `weights` (metrics,) are logarithms.

    A metric is implicated if its average with any of the others passes the bar; the least such average adds the others from the least
    upwards, as long as that lowers it. Where nobody passes alone: the fewest that hold nine tenths of all evidence.
    """
    guards = np.flatnonzero(np.isfinite(weights))
    alone = tuple(int(place) for place in guards if lowest(worse[guards], weights[guards], int(np.flatnonzero(guards == place)[0])) >= bar)
    if alone:
        return alone, False
    order = guards[np.argsort(-(worse + weights)[guards])]
    held = np.cumsum(np.exp((worse + weights)[order] - np.max((worse + weights)[order], initial=0.0)))
    if not held.size or held[-1] == 0:
        return (), False
    return tuple(int(place) for place in order[: int(np.searchsorted(held, 0.9 * held[-1])) + 1]), True


def lowest(worse: Array, weights: Array, place: int) -> float:
    """The least average of one metric with some of the others, as a logarithm."""
    top = max(0.0, float(np.max(worse)))
    shares, values = np.exp(weights), np.exp(worse - top)
    weight, value = shares[place], shares[place] * values[place]
    for other in np.argsort(worse):
        if other != place and values[other] < value / weight:
            weight, value = weight + shares[other], value + shares[other] * values[other]
    return float(np.log(value / weight) + top) if value > 0 else -np.inf
