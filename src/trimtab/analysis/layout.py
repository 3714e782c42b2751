"""Which series a rollout's metrics are judged by, in which order, and what is known of each. Called by `evidence` and `verdicts`.

A metric that counts bad events is one series of `counts`. A latency metric is one of `ridit` and up to four of `counts`: requests slower
than a bound. All series of a kind lie side by side in arrays, so that one call judges them all.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from trimtab.analysis import counts, ridit
from trimtab.analysis.counts import Known
from trimtab.analysis.ledger import Array, Flags
from trimtab.analysis.ridit import Ranks
from trimtab.model.evidence import Calibration, MetricCalibration, Noise
from trimtab.model.judging import Constants, JudgeRules, Measured, MetricRule, Role

UNUSED = -2
WHOLE = -1


@dataclass(frozen=True, slots=True)
class Row:
    """One series of counts."""

    metric: int
    """Place of its metric in `JudgeRules.metrics`."""
    bound: int
    """Place of the bound above which requests count as bad; `WHOLE` for a metric that counts bad events itself, `UNUSED` for none."""
    gates: bool
    part: float
    """Its share in its metric's evidence."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """All series of a rollout."""

    rows: tuple[Row, ...]
    known: Known
    shifts: tuple[int, ...]
    """Places of the latency metrics, in the order of `ranks`."""
    ranks: Ranks
    bounds: tuple[tuple[float, ...], ...]
    """Their bucket bounds; none while one has no history."""
    objectives: tuple[int, ...]
    """Places of the metrics with an absolute objective."""
    parts: Array
    """(metrics, rows and then shifts): the logarithm of the share of each series in the evidence of each metric."""
    gating: Flags
    """The same shape: which series have to refute a regression before that metric is satisfied."""
    weights: Array
    """(metrics,): logarithms of the metrics' shares in the rollback evidence."""


@lru_cache(maxsize=32)
def layout(rules: JudgeRules, calibration: Calibration) -> Layout:
    """The series of these metrics, given their history."""
    rows: list[tuple[Row, MetricCalibration]] = []
    shifts, objectives = [], []
    for place, metric in enumerate(rules.metrics):
        known = calibration.of(metric.name)
        if metric.kind is Measured.LATENCY:
            shifts.append(place)
            rows += [(row, known) for row in tails(place, metric, known, rules.constants)]
        elif metric.kind is Measured.OBJECTIVE:
            objectives.append(place)
        else:
            rows.append((Row(place, WHOLE, metric.role is Role.GATE, 1.0), known))
    histories = [calibration.of(rules.metrics[place].name) for place in shifts]
    ranks = [shift_ranks(rules.metrics[place], known, rules) for place, known in zip(shifts, histories, strict=True)]
    found = tuple(row for row, _ in rows)
    return Layout(
        found,
        stacked([series(row, known, rules) for row, known in rows], rules),
        tuple(shifts),
        side_by_side(ranks, max((len(known.buckets) for known in histories), default=0), rules.constants),
        tuple(known.bounds if known.buckets else () for known in histories),
        tuple(objectives),
        *combination(found, tuple(shifts), rules),
    )


def combination(rows: tuple[Row, ...], shifts: tuple[int, ...], rules: JudgeRules) -> tuple[Array, Flags, Array]:
    """How series make metrics, and metrics the whole: `parts`, `gating` and `weights` of the layout."""
    parts = np.zeros((len(rules.metrics), len(rows) + len(shifts)))
    gating = np.zeros(parts.shape, dtype=np.bool_)
    for place, row in enumerate(rows):
        parts[row.metric, place] = row.part
        gating[row.metric, place] = row.gates
    for place, metric in enumerate(shifts, len(rows)):
        parts[metric, place] = 0.5
        gating[metric, place] = rules.metrics[metric].role is Role.GATE
    guards = [metric.weight if metric.role is not Role.INFO and metric.kind is not Measured.OBJECTIVE else 0.0 for metric in rules.metrics]
    with np.errstate(divide="ignore"):
        return np.log(parts), gating, np.log(np.asarray(guards) / (sum(guards) or 1.0))


def tails(place: int, metric: MetricRule, known: MetricCalibration, constants: Constants) -> list[Row]:
    """One row for each tail that is watched, the objective's last; as many rows whether in use or not, so that arrays keep their shape."""
    unused = Row(place, UNUSED, False, 0.0)
    found: list[int] = []
    objective = UNUSED
    if known.buckets and metric.slo is not None and metric.slo <= known.bounds[-1]:
        objective = int(np.searchsorted(known.bounds, metric.slo))
    if known.buckets:
        below = np.cumsum(ridit.shares(np.asarray(known.buckets)))[:-1]
        found = [int(np.argmax(below >= share)) for share in constants.tails if below[-1] >= share]
    others = sorted(set(found) - {objective})
    part = 0.5 / max(1, len(others) + (objective != UNUSED))
    rows = [Row(place, bound, False, part) for bound in others] + [unused] * (len(constants.tails) - len(others))
    return [*rows, Row(place, objective, metric.role is Role.GATE, part) if objective != UNUSED else unused]


@dataclass(frozen=True, slots=True)
class Series:
    """What is known of one series of counts."""

    noise: Noise
    load: float
    relative: float
    absolute: float
    below: float
    """Ratios from here on are not bet on."""


def series(row: Row, known: MetricCalibration, rules: JudgeRules) -> Series:
    """Of one row."""
    metric = rules.metrics[row.metric]
    absolute = rules.tolerance_absolute if metric.absolute is None else metric.absolute
    if row.bound == WHOLE:
        relative = rules.tolerance_relative if metric.tolerance is None else metric.tolerance
        return Series(known.noise, known.load, relative, absolute, np.inf)
    if row.bound == UNUSED:
        return Series(Noise(), 0.0, 0.0, 0.0, 0.0)
    share = ridit.shares(np.asarray(known.buckets))
    later = ridit.slowed(share, np.asarray(known.bounds), 1 + slower(metric, rules))
    above, then = float(np.sum(share[row.bound + 1 :])), float(np.sum(later[row.bound + 1 :]))
    return Series(
        known.above[row.bound], known.load, max(rules.tolerance_relative, then / above - 1), absolute, rules.constants.tail_most / above
    )


def slower(metric: MetricRule, rules: JudgeRules) -> float:
    """How much slower a latency metric may be."""
    return rules.latency_tolerance if metric.tolerance is None else metric.tolerance


def stacked(found: list[Series], rules: JudgeRules) -> Known:
    """Side by side."""
    columns = np.asarray(
        [(s.noise.single, s.noise.lasting, s.noise.bad, s.noise.total, s.load, s.relative, s.absolute) for s in found]
    ).reshape(len(found), 7)
    below = np.asarray([each.below for each in found])
    single, lasting, bad, total, load, relative, absolute = columns.T
    priors = counts.log_prior(rules.constants, below), counts.log_prior(rules.constants, below / (1 + relative))
    return Known(single, lasting, bad, total, load, relative, absolute, *priors)


def shift_ranks(metric: MetricRule, known: MetricCalibration, rules: JudgeRules) -> Ranks | None:
    """Of a latency metric; None while it has no history."""
    return ridit.ranks(known, slower(metric, rules), rules.latency_bound, rules.constants) if known.buckets else None


def side_by_side(found: list[Ranks | None], width: int, constants: Constants) -> Ranks:
    """Histograms of different widths in one array; where there is no bucket, there is never a request, and a density of 1 does no harm."""
    bets, better = len(constants.tilts), len(constants.better_tilts)
    empty = Ranks(
        np.zeros(0),
        np.asarray(1.0),
        np.asarray(1.0),
        np.asarray(0.0),
        np.ones((bets, 0)),
        np.ones(0),
        np.ones((bets, 0)),
        np.ones(0),
        np.ones((better, 0)),
        np.zeros(len(ridit.FACTORS)),
    )

    def joined(name: str, lead: tuple[int, ...], fill: float) -> Array:
        arrays: list[Array] = [getattr(ranks or empty, name) for ranks in found]
        wide = [np.pad(each, [(0, 0)] * (each.ndim - 1) + [(0, width - each.shape[-1])], constant_values=fill) for each in arrays]
        return np.stack(wide) if wide else np.zeros((0, *lead, width))

    single, lasting, load = (
        np.asarray([float(getattr(ranks or empty, name)) for ranks in found]) for name in ("single", "lasting", "load")
    )
    return Ranks(
        joined("scores", (), 0.0),
        single,
        lasting,
        load,
        joined("sharp", (bets,), 1.0),
        joined("margin_base", (), 1.0),
        joined("margin", (bets,), 1.0),
        joined("promote_base", (), 1.0),
        joined("promote", (better,), 1.0),
        np.asarray([(ranks or empty).means for ranks in found]).reshape(len(found), len(ridit.FACTORS)),
    )
