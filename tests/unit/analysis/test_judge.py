"""Thresholds as Flagger means them, and the seam that the statistics will use."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.analysis.judge import judge
from trimtab.model.policy import Analysis, Metric, MetricKind, WhenUnknown
from trimtab.model.verdict import Evidence, Judgement, Reading, Sample, Samples, Verdict

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SUCCESS = Metric("request-success-rate", MetricKind.SUCCESS_RATE, minimum=99)
DURATION = Metric("request-duration", MetricKind.DURATION, maximum=500)


def check(analysis: Analysis, *values: float | None, evidence: Evidence | None = None, problem: str = "") -> Verdict:
    answers = tuple(Sample(m.name, m.kind, v, "" if v is not None else problem) for m, v in zip(analysis.metrics, values, strict=True))
    verdict = judge(analysis, evidence or Evidence(), Samples(NOW, answers), NOW)
    assert verdict is not None
    return verdict


@pytest.mark.parametrize(
    ("metric", "value", "reading"),
    [
        (SUCCESS, 99.0, Reading.WITHIN),
        (SUCCESS, 98.99, Reading.BELOW),
        (DURATION, 0.5, Reading.WITHIN),
        (DURATION, 0.5009, Reading.WITHIN),
        (DURATION, 0.501, Reading.ABOVE),
        (replace(DURATION, maximum=500.9), 0.501, Reading.ABOVE),
        (DURATION, math.inf, Reading.ABOVE),
        (SUCCESS, math.nan, Reading.EMPTY),
        (SUCCESS, None, Reading.EMPTY),
        (Metric("q", MetricKind.INLINE, maximum=0.0), 0.0, Reading.WITHIN),
        (Metric("q", MetricKind.TEMPLATE, minimum=1, maximum=2), 2.0001, Reading.ABOVE),
        (Metric("q", MetricKind.UNUSABLE), 1.0, Reading.UNUSABLE),
    ],
)
def test_met5_met6_met7_a_value_against_its_limits(metric: Metric, value: float | None, reading: Reading) -> None:
    assert check(Analysis((metric,), 3), value).results[0].reading is reading


def test_the_check_that_reaches_the_threshold_is_a_fail() -> None:
    analysis = Analysis((SUCCESS,), 2)
    first = check(analysis, 90)
    assert first.judgement is Judgement.INCONCLUSIVE and first.evidence.failed_checks == 1
    later = Samples(NOW + timedelta(seconds=10), (Sample(SUCCESS.name, SUCCESS.kind, 90),))
    second = judge(analysis, first.evidence, later, later.asked)
    assert second is not None and second.judgement is Judgement.FAIL


def test_sm25_a_pass_does_not_lower_the_count() -> None:
    assert check(Analysis((SUCCESS,), 3), 100, evidence=Evidence(failed_checks=2)).evidence.failed_checks == 2


def test_nothing_asked_is_no_verdict() -> None:
    assert judge(Analysis((SUCCESS,), 1), Evidence(), None, NOW) is None


def test_the_same_answers_judged_twice_count_once() -> None:
    verdict = check(Analysis((SUCCESS,), 5), 90)
    assert judge(Analysis((SUCCESS,), 5), verdict.evidence, Samples(NOW), NOW) is None


def test_missing_data_is_a_failed_check_unless_the_policy_holds() -> None:
    assert check(Analysis((SUCCESS,), 1), None).judgement is Judgement.FAIL
    held = check(Analysis((SUCCESS,), 1, no_data=WhenUnknown.HOLD), None)
    assert held.judgement is Judgement.NO_DATA and held.evidence.failed_checks == 0
    assert check(Analysis((SUCCESS,), 1, no_data=WhenUnknown.HOLD), None, problem="refused").judgement is Judgement.FAIL
    down = check(Analysis((SUCCESS,), 1, provider_down=WhenUnknown.HOLD), None, problem="refused")
    assert down.judgement is Judgement.NO_DATA


def test_a_bad_value_counts_even_while_another_metric_is_held() -> None:
    analysis = Analysis((SUCCESS, DURATION), 1, no_data=WhenUnknown.HOLD)
    assert check(analysis, None, 9.0).judgement is Judgement.FAIL


def test_no_metrics_pass() -> None:
    assert check(Analysis((), 1)).judgement is Judgement.PASS


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=True)), min_size=1, max_size=4), st.integers(1, 3), st.integers(0, 3))
def test_a_pass_needs_every_metric_within_its_limits(values: list[float | None], threshold: int, failed: int) -> None:
    analysis = Analysis(tuple(replace(SUCCESS, name=str(index)) for index in range(len(values))), threshold)
    verdict = check(analysis, *values, evidence=Evidence(failed_checks=failed))
    fine = all(value is not None and value >= 99 for value in values)
    assert (verdict.judgement is Judgement.PASS) == fine
    assert verdict.evidence.failed_checks == failed + (not fine)
    assert (verdict.judgement is Judgement.FAIL) == (not fine and failed + 1 >= threshold)
