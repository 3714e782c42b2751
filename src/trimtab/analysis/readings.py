"""One row per metric: the figures behind a decision (judge.md 11). Called by `verdicts`."""

from dataclasses import dataclass, replace
from math import ceil, inf, log

import numpy as np

from trimtab.analysis import counts, forecast, objectives, ridit
from trimtab.analysis.counts import Odds
from trimtab.analysis.layout import UNUSED, Layout, slower
from trimtab.analysis.ledger import Array, Ledger, total
from trimtab.analysis.noise import Dispersion
from trimtab.analysis.packing import Table
from trimtab.model.evidence import Calibration, JudgeEvidence, MetricCalibration
from trimtab.model.judging import JudgeRules, JudgeStep, Measured, Role
from trimtab.model.names import how_many
from trimtab.model.ruling import Counts, MetricReading
from trimtab.model.spans import spoken

FEW = 2
"""With fewer groups of canary pods than this, none is the loudest."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What all rows are made from."""

    arrays: Table
    layout: Layout
    each: Odds
    evidence: JudgeEvidence
    rules: JudgeRules
    calibration: Calibration
    step: JudgeStep
    leavable: int


def readings(frame: Frame) -> tuple[MetricReading, ...]:
    """Of every metric of the rules, in their order."""
    made = {Measured.OBJECTIVE: of_objective, Measured.LATENCY: of_latency}
    return tuple(made.get(metric.kind, of_counts)(frame, place) for place, metric in enumerate(frame.rules.metrics))


def of_objective(frame: Frame, place: int) -> MetricReading:
    """A metric held against an absolute limit."""
    where = frame.layout.objectives.index(place)
    canary, primary = objectives.odds(frame.arrays.breaches[where], frame.rules.constants)
    sums = frame.arrays.sums[where]
    return replace(
        basic(frame, place), canary=tally(sums[0]), primary=tally(sums[1]), share=part(sums), breach=(float(canary), float(primary))
    )


def of_counts(frame: Frame, place: int) -> MetricReading:
    """A metric that counts bad events."""
    where = next(row for row, found in enumerate(frame.layout.rows) if found.metric == place)
    return in_counts(frame, basic(frame, place), where)


def of_latency(frame: Frame, place: int) -> MetricReading:
    """A histogram: counts are those of the last tail that is watched, which is the objective's where there is one."""
    made = basic(frame, place)
    rows = [row for row, found in enumerate(frame.layout.rows) if found.metric == place and found.bound != UNUSED]
    if not rows:
        return made
    made = in_counts(frame, made, rows[-1])
    where = frame.layout.shifts.index(place)
    states = frame.arrays.shifts
    tilts = np.asarray(frame.rules.constants.tilts)
    evidence = states.ledger.sharp[where]
    likely = np.asarray([tilts[int(np.argmax(evidence))], averaged(evidence, tilts)])
    # A tilt moves the mean score by as much as itself, to first order, as in the tolerance.
    factor = np.interp(likely, frame.layout.ranks.means[where], ridit.FACTORS)
    made = replace(
        made,
        tolerated=1 + slower(frame.rules.metrics[place], frame.rules),
        to_refute=1 + frame.rules.latency_bound,
        ratio=float(factor[0]) if np.any(np.isfinite(evidence)) else 1.0,
        ratio_mean=float(factor[1]) if np.any(np.isfinite(evidence)) else 1.0,
    )
    return waiting(frame, noisy(made, states.noise, where), shift_drift(frame, where, made.share), (states.ledger, where))


def basic(frame: Frame, place: int) -> MetricReading:
    """The evidence of one metric."""
    metric, each = frame.rules.metrics[place], frame.each
    return MetricReading(
        metric.name,
        metric.kind,
        metric.role,
        finite(each.worse[place]),
        finite(each.beyond[place]),
        finite(each.without_pod[place]),
        finite(each.refuted[place]) if metric.role is Role.GATE else 0.0,
        history=origin(frame.calibration.of(metric.name)),
    )


def in_counts(frame: Frame, made: MetricReading, where: int) -> MetricReading:
    """With the figures of one series of counts."""
    states, about, rules = frame.arrays.counts, frame.layout.known, frame.rules
    sums = np.sum(frame.arrays.tallies[where], axis=-2)
    primary = states.primary[where]
    base = float((about.bad[where] + primary[0] + 0.5) / (about.total[where] + primary[1] + 1))
    tolerated = max(1 + float(about.relative[where]), 1 + float(about.absolute[where]) / base)
    refute = float(counts.to_refute(np.asarray(tolerated), frame.step.next_weight, rules))
    evidence = states.ledger.sharp[where] + about.prior[where]
    ratios = counts.ratios(rules.constants)
    any_yet = bool(np.any(np.isfinite(evidence)))
    made = replace(
        made,
        canary=tally(sums[0, 0]),
        primary=tally(sums[0, 1]),
        canary_recent=tally(sums[1, 0]),
        primary_recent=tally(sums[1, 1]),
        tolerated=tolerated,
        to_refute=refute,
        ratio=float(ratios[int(np.argmax(evidence))]) if any_yet else 1.0,
        ratio_mean=averaged(evidence, ratios) if any_yet else 1.0,
        share=part(sums[0]),
        loudest_group=loudest(frame, where),
    )
    made = noisy(made, states.noise, where)
    if forecast.seldom(base, about.absolute[where], rules.constants):
        bound = float(counts.rate_to_refute(about.absolute[where], frame.step.next_weight, rules))
        drift = float(forecast.clean(made.share, bound, made.noise_promote, rules.constants))
        tolerated_rate = float(counts.rate_tolerated(about.absolute[where], rules.constants))
        made = replace(made, rate_tolerated=tolerated_rate, rate_to_refute=bound)
        return waiting(frame, made, drift, (states.ledger, where))
    # Before anything was seen and without history the base rate is a mere guess, and so would the forecast be.
    drift = float(forecast.refuting(base, made.share, refute, made.noise_promote)) if about.total[where] + primary[1] > 0 else 0.0
    return waiting(frame, made, drift, (states.ledger, where))


def noisy(made: MetricReading, found: Dispersion, where: int) -> MetricReading:
    """With what its counts are worth."""
    single, lasting, load, rate = (float(each) for each in found.parts[where])
    return replace(
        made,
        noise=float(found.divisor[where]),
        noise_promote=float(found.divisor_promote[where]),
        noise_parts=(single, lasting, load, rate),
    )


def waiting(frame: Frame, made: MetricReading, drift: float, series: tuple[Ledger, int]) -> MetricReading:
    """With what is still needed to go on: the most of all series of the metric that gate. `drift` is what a request brings on average."""
    ledger, where = series
    rules, evidence = frame.rules, frame.evidence
    if made.role is not Role.GATE or drift <= 0:
        return made
    refuted = float(total(ledger.promote[where], np.log(better(ledger, frame))))
    missing = log(rules.promote_odds / rules.constants.better_prior[0]) - max(refuted, forecast.LEAST_PROGRESS)
    if refuted >= log(rules.promote_odds):
        missing = 0.0
    needed = max(0.0, missing / drift)
    minutes = evidence.interval.total_seconds() / 60
    each = (made.canary.total + made.primary.total) / max(1.0, float(frame.arrays.counts.noise.seen.max(initial=0.0)))
    scrapes = max(ceil(needed / each) if each else inf, rules.least_scrapes - float(ledger.counted[where]), 0.0)
    return replace(made, needed=max(needed, made.needed or 0.0), minutes=max(scrapes * minutes, made.minutes or 0.0))


def better(ledger: Ledger, frame: Frame) -> tuple[float, ...]:
    """The prior of the bets for going on: that of counts or that of shifts."""
    constants = frame.rules.constants
    return constants.better_prior if ledger.promote.shape[-1] == len(constants.better) else constants.better_tilts_prior


def shift_drift(frame: Frame, where: int, share: float) -> float:
    """What a request brings on average to refute that the canary is too slow, if it is as fast as the primary."""
    ranks, known = frame.layout.ranks, frame.calibration.of(frame.rules.metrics[frame.layout.shifts[where]].name)
    mass = ridit.shares(np.asarray(known.buckets))
    base, bet = ranks.promote_base[where][: mass.size], ranks.promote[where, 0][: mass.size]
    each = share * np.log(bet / base) - np.log(share * bet + 1 - share) + np.log(share * base + 1 - share)
    return float(mass @ each) / float(frame.arrays.shifts.noise.divisor_promote[where])


def finite(evidence: Array | float) -> float:
    """Within what every record and every reader of JSON can hold; no evidence yet is minus infinity."""
    return float(np.clip(evidence, -1e6, 1e6))


def averaged(evidence: Array, values: Array) -> float:
    """The mean of positive values by the evidence for each."""
    weights = np.exp(evidence - np.max(evidence)) if np.any(np.isfinite(evidence)) else np.ones_like(evidence)
    return float(np.sum(weights * values) / np.sum(weights))


def loudest(frame: Frame, where: int) -> int | None:
    """The group of canary pods without which there is least evidence."""
    if frame.leavable < FEW:
        return None
    without = total(frame.arrays.counts.ledger.without[where], frame.layout.known.prior[where][None, :])[: frame.leavable]
    return int(np.argmin(without)) if np.any(np.isfinite(without)) else None


def tally(pair: Array) -> Counts:
    """Bad and total."""
    return Counts(int(pair[0]), int(pair[1]))


def part(arms: Array) -> float:
    """The canary's share of all requests; `arms` is (2, 2)."""
    both = float(np.sum(arms[:, 1]))
    return float(arms[0, 1]) / both if both else 0.0


def origin(known: MetricCalibration) -> str:
    """Where the noise was learned, in words."""
    if known.began is None or known.ended is None:
        return "no history"
    pods = how_many(known.pods, "primary pod")
    return f"{spoken(known.ended - known.began)} of {pods} until {known.ended:%Y-%m-%d %H:%M} UTC"
