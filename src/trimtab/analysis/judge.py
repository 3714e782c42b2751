"""How is "worse" computed? Samples and evidence in, verdict and new evidence out (P3). Called by `control.reconcile`.

Thresholds as Flagger means them (MET-5 to MET-7), and beside them the comparison with the primary. Judging the same answers twice counts
them once.
"""

import math
from dataclasses import replace
from datetime import datetime

from trimtab.analysis.comparison import compared, word
from trimtab.analysis.replay import made_of
from trimtab.model.policy import Analysis, Metric, MetricKind, WhenUnknown
from trimtab.model.verdict import Evidence, Judgement, Reading, Result, Sample, Samples, Verdict, worst

UNKNOWN = frozenset({Reading.EMPTY, Reading.UNREACHABLE, Reading.EARLY})


def judge(analysis: Analysis, evidence: Evidence, samples: Samples | None, now: datetime) -> Verdict | None:
    """What one check says; None where nothing was asked, or where these answers were judged before.

    A bad check below the threshold is inconclusive, or no-data where answers were missing; the one that reaches it is a fail.
    Missing answers that the policy wants to hold for are no-data and are not counted. Where canary and primary are compared as well, the
    worse of both words counts; between two checks only they are compared.
    """
    if samples is None:
        return None
    before, asked = evidence.glanced if samples.glance else evidence.upto, min(samples.asked, now)
    # Evidence from a time to come was gathered before somebody set the clock back; it says nothing about these answers.
    if before is not None and samples.asked <= before <= now:
        return None
    said, results, counted = Judgement.PASS, tuple[Result, ...](), None
    carried = replace(evidence, glanced=asked) if samples.glance else replace(evidence, upto=asked)
    if not samples.glance:
        said, results, carried = limits(analysis, carried, samples)
    if analysis.judge is not None:
        carried = compared(analysis.judge, carried, samples, now)
        counted = made_of(evidence, carried, samples, analysis.judge)
        if carried.step is not None and carried.ruling is not None:
            said = worse(said, word(analysis, carried.ruling))
    return Verdict(said, results, carried, counted)


def limits(analysis: Analysis, evidence: Evidence, samples: Samples) -> tuple[Judgement, tuple[Result, ...], Evidence]:
    """Every metric against its limits."""
    results = readings(analysis, samples)
    bad = worst(results)
    counted = bad is not None and not held(analysis, results)
    failed = evidence.failed_checks + counted
    carried = replace(evidence, failed_checks=failed, checks=evidence.checks + 1, results=results)
    return judgement(analysis, bad, counted, failed), results, carried


def readings(analysis: Analysis, samples: Samples) -> tuple[Result, ...]:
    """What was measured of every metric, and what is allowed."""
    answers = dict(enumerate(samples.answers))
    return tuple(read(metric, answers.get(index)) for index, metric in enumerate(analysis.metrics))


def worse(limits: Judgement, comparison: Judgement) -> Judgement:
    """The word of both together. A limit that is broken without being a fail says more than a comparison that waits."""
    if Judgement.FAIL in (limits, comparison):
        return Judgement.FAIL
    return comparison if limits is Judgement.PASS else limits


def judgement(analysis: Analysis, bad: Result | None, counted: bool, failed: int) -> Judgement:
    """The word for a check."""
    if bad is None:
        return Judgement.PASS
    if counted and failed >= analysis.threshold:
        return Judgement.FAIL
    return Judgement.NO_DATA if bad.reading in UNKNOWN else Judgement.INCONCLUSIVE


def held(analysis: Analysis, results: tuple[Result, ...]) -> bool:
    """Is everything that is bad merely unknown, and does the policy want to wait for it? Whatever is early is waited for."""
    wants = {Reading.EMPTY: analysis.no_data, Reading.UNREACHABLE: analysis.provider_down, Reading.EARLY: WhenUnknown.HOLD}
    return all(result.good or wants.get(result.reading) is WhenUnknown.HOLD for result in results)


def read(metric: Metric, answer: Sample | None) -> Result:
    """One metric against its limits; both limits are allowed values (MET-6)."""
    made = Result(metric.name, metric.kind, Reading.EMPTY, None, metric.minimum, metric.maximum)
    if metric.kind is MetricKind.UNUSABLE:
        return replace(made, reading=Reading.UNUSABLE, problem=metric.problem)
    if answer is None:
        return made
    if answer.value is None or math.isnan(answer.value):
        without = Reading.EARLY if answer.early else Reading.EMPTY
        return replace(made, reading=Reading.UNREACHABLE if answer.problem else without, problem=answer.problem)
    value, least, most = comparable(metric, answer.value)
    reading = (
        Reading.BELOW if least is not None and value < least else Reading.ABOVE if most is not None and value > most else Reading.WITHIN
    )
    return replace(made, reading=reading, value=answer.value)


def comparable(metric: Metric, value: float) -> tuple[float, float | None, float | None]:
    """Value and limits in one unit. Durations come in seconds, are limited in milliseconds and cut to whole ones (MET-5)."""
    if metric.kind is not MetricKind.DURATION:
        return value, metric.minimum, metric.maximum
    least = None if metric.minimum is None else whole(metric.minimum)
    return whole(value * 1000), least, None if metric.maximum is None else whole(metric.maximum)


def whole(milliseconds: float) -> float:
    """Cut towards zero; infinity stays. Rounded first, since 0.8 s is 800.0000000000001 ms in binary."""
    return milliseconds if math.isinf(milliseconds) else float(math.trunc(round(milliseconds, 6)))
