"""What a pipeline makes of its looks at a canary: pure, look by look."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.model.evidence import Calibration
from trimtab.model.judging import Ending, JudgeRules, MetricRule
from trimtab.model.policy import Analysis, Metric, MetricKind, WhenUnknown
from trimtab.model.scrapes import Arm, PodBuckets, PodCounts, Scrape
from trimtab.model.verdict import Sample, Samples
from trimtab.promotion.evidence import Sum
from trimtab.promotion.figures import MOST_SUMS, figures, sums_of, thinned
from trimtab.promotion.watching import PATIENCE, Came, Conclusion, Rules, Seen, begun, concluded, line, looked

BEGAN = datetime(2026, 1, 2, tzinfo=UTC)
LOOK = timedelta(seconds=15)
RULES = Rules(
    Analysis((Metric("errors", MetricKind.TEMPLATE, maximum=1),), threshold=3, no_data=WhenUnknown.HOLD, provider_down=WhenUnknown.HOLD),
    timedelta(minutes=2),
)
DOWN = "down"
Answer = float | str | None
"""A value, DOWN for a server that does not answer, None for no value."""


def watched(answers: Sequence[Answer], rules: Rules = RULES) -> tuple[Seen, Conclusion | None, int]:
    """What is seen, what it comes to, and after how many looks."""
    seen = Seen(BEGAN)
    for count, answer in enumerate(answers, start=1):
        at = BEGAN + count * LOOK
        value = answer if isinstance(answer, float) else None
        sample = Sample("errors", MetricKind.TEMPLATE, value, "it did not answer" if answer == DOWN else "")
        seen = looked(seen, rules, Samples(at, (sample,)), at)
        found = concluded(seen, rules, at)
        if found is not None:
            return seen, found, count
    return seen, None, len(answers)


def test_a_pass_needs_the_whole_time() -> None:
    assert watched([0.5] * 7)[1] is None
    seen, found, count = watched([0.5] * 9)
    assert found is not None and (found.came, count) == (Came.PASS, 8)
    assert found.text == "all within limits at 8 of 8 looks in 2 min"
    assert [(figure.metric, figure.judgement, figure.canary, figure.text) for figure in figures(seen.checks, None)] == [
        ("errors", "good", "0.5", "at most 1")
    ]


def test_so_many_failed_checks_as_the_policy_says_are_a_fail_at_once() -> None:
    assert watched([2.0, 0.5, 2.0])[1] is None
    _, found, count = watched([2.0, 0.5, 2.0, 0.5, 7.0])
    assert found is not None and (found.came, count) == (Came.FAIL, 5)
    assert found.text == "limits were broken at 3 of 5 looks: errors 7 (at most 1)"


def test_a_limit_that_is_broken_at_the_end_but_too_seldom_for_a_fail_is_inconclusive() -> None:
    _, found, _ = watched([0.5] * 7 + [2.0])
    assert found is not None and found.came is Came.INCONCLUSIVE


@pytest.mark.parametrize(("answer", "came"), [(None, Came.NO_DATA), (DOWN, Came.UNREACHABLE)])
def test_what_is_not_known_at_the_end_is_waited_for_a_while_and_is_then_no_pass(answer: Answer, came: Came) -> None:
    late = int(PATIENCE / LOOK)
    assert watched([0.5] * 7 + [answer] * late)[1] is None
    _, found, _ = watched([0.5] * 7 + [answer] * (late + 1))
    assert found is not None and found.came is came
    _, found, _ = watched([0.5] * 7 + [answer] * 3 + [0.5])
    assert found is not None and found.came is Came.PASS, "it came back"


def test_a_metric_that_was_missing_most_of_the_time_is_no_pass() -> None:
    _, found, _ = watched([None] * 5 + [0.5] * 3)
    assert found is not None and found.came is Came.NO_DATA and "3 of 8 looks" in found.text


@given(st.lists(st.sampled_from([0.5, 1.0, 2.0, None, DOWN]), max_size=40))
def test_no_history_without_answers_passes_and_no_answer_that_is_missing_fails_the_canary(answers: list[Answer]) -> None:
    _, found, count = watched(answers)
    seen = answers[:count]
    good = sum(isinstance(one, float) and one <= 1 for one in seen)
    broken = sum(isinstance(one, float) and one > 1 for one in seen)
    if found is not None and found.came is Came.PASS:
        assert 2 * good >= count and broken < 3 and isinstance(seen[-1], float) and seen[-1] <= 1 and count * LOOK >= RULES.duration
    if found is not None:
        assert (found.came is Came.FAIL) == (broken >= 3)


def test_where_nothing_is_measured_only_time_counts() -> None:
    rules = Rules(Analysis(), timedelta(minutes=2))
    assert concluded(Seen(BEGAN), rules, BEGAN + LOOK) is None
    found = concluded(Seen(BEGAN), rules, BEGAN + timedelta(minutes=2))
    assert found is not None and (found.came, found.text) == (Came.PASS, "it ran for 2 min; nothing is measured here")


def test_the_same_answers_are_counted_once() -> None:
    samples = Samples(BEGAN + LOOK, (Sample("errors", MetricKind.TEMPLATE, 2.0),))
    once = looked(Seen(BEGAN), RULES, samples, BEGAN + LOOK)
    assert looked(once, RULES, samples, BEGAN + LOOK) == once


def test_a_line_says_how_long_what_and_how_bad() -> None:
    seen, _, _ = watched([2.0, None])
    assert line(seen, RULES, BEGAN + 2 * LOOK) == "30 s of 2 min: errors no value; 1 of 3 failed checks"
    both = Rules(
        Analysis(
            (
                Metric("request-duration", MetricKind.DURATION, minimum=1, maximum=500),
                Metric("request-success-rate", MetricKind.SUCCESS_RATE, minimum=99),
            )
        ),
        timedelta(minutes=2),
    )
    answers = (Sample("request-duration", MetricKind.DURATION, 0.2134), Sample("request-success-rate", MetricKind.SUCCESS_RATE, 99.951))
    seen = looked(Seen(BEGAN), both, Samples(BEGAN + LOOK, answers), BEGAN + LOOK)
    told = line(seen, both, BEGAN + LOOK)
    assert told == "15 s of 2 min: request-duration 213.4 ms (1 to 500), request-success-rate 99.951 % (at least 99)"


COMPARED, UNLIMITED = JudgeRules(metrics=(MetricRule("errors"),), bake=timedelta(0)), Analysis()


def compared(
    canary: int, stable: int, looks: int, rules: JudgeRules = COMPARED, limits: Analysis = UNLIMITED, each: int = 1000
) -> tuple[Seen, Conclusion | None, int]:
    """Three pods of the canary and nine of stable with so many requests each in every scrape, of which so many fail in all."""
    made = Rules(
        Analysis(limits.metrics, limits.threshold, WhenUnknown.HOLD, WhenUnknown.HOLD, judge=rules),
        timedelta(minutes=2),
    )
    seen = begun(BEGAN, Calibration(), 0.25)
    for count in range(1, looks + 1):
        at = BEGAN + count * LOOK
        pods = [PodCounts(f"c{number}", Arm.CANARY, canary // 3, each) for number in range(3)]
        pods += [PodCounts(f"s{number}", Arm.PRIMARY, stable // 9, each) for number in range(9)]
        scrapes = (Scrape("errors", at, counts=tuple(pods)),) if canary >= 0 else ()
        answers = tuple(Sample(metric.name, metric.kind, 0.5) for metric in limits.metrics)
        missing = ("nothing was found",) if canary < 0 else ()
        seen = looked(seen, made, Samples(at, answers, scrapes, missing), at)
        found = concluded(seen, made, at)
        if found is not None:
            return seen, found, count
    return seen, None, looks


def test_a_canary_as_good_as_stable_passes_once_its_time_is_over_and_a_regression_is_refuted() -> None:
    seen, found, count = compared(9, 27, 40)
    assert found is not None and (found.came, count) == (Came.PASS, 8)
    assert found.text.startswith("Good enough to promote after 2 min at 25 %") and "stable" in found.text
    (figure,) = figures(seen.checks, COMPARED)
    assert (figure.metric, figure.judgement, figure.canary, figure.stable) == (
        "errors", "good", "72 of 24 000 (0.3 %)", "216 of 72 000 (0.3 %)",
    )  # fmt: skip
    assert seen.sums[:2] == (
        Sum(metric="errors", of="canary", at=BEGAN + LOOK, bad=9, total=3000),
        Sum(metric="errors", of="stable", at=BEGAN + LOOK, bad=27, total=9000),
    )


def test_where_nothing_is_refuted_yet_it_is_watched_on_after_its_time() -> None:
    seen, found, _ = compared(0, 0, 12, each=10)
    assert found is None and "count as proof" in line(seen, Rules(Analysis(judge=COMPARED), timedelta(minutes=2)), BEGAN + 12 * LOOK)


def test_a_canary_that_is_worse_than_stable_fails_long_before_its_time() -> None:
    seen, found, count = compared(300, 27, 40)
    assert found is not None and found.came is Came.FAIL and count <= 4
    assert found.text.startswith("Rolled back after")
    assert figures(seen.checks, COMPARED)[0].judgement == "worse"


def test_trouble_that_both_have_is_no_fail() -> None:
    _, found, _ = compared(300, 900, 40)
    assert found is None or found.came is not Came.FAIL


def test_without_counters_there_are_no_data_and_it_is_said_what_was_looked_for() -> None:
    _, found, count = compared(-1, 0, 40)
    assert found is not None and found.came is Came.NO_DATA and "nothing was found" in found.text
    assert count * LOOK == COMPARED.silence_deadline


@pytest.mark.parametrize(
    ("ending", "came"), [(Ending.ASK, Came.INCONCLUSIVE), (Ending.STOP, Came.INCONCLUSIVE), (Ending.PROMOTE, Came.PASS)]
)
def test_what_is_not_proved_by_its_deadline_ends_as_the_policy_says(ending: Ending, came: Came) -> None:
    rules = JudgeRules(metrics=COMPARED.metrics, on_insufficient=ending, step_deadline=timedelta(minutes=4))
    _, found, _ = compared(0, 0, 200, rules, each=10)
    assert found is not None and found.came is came


def test_limits_and_the_comparison_both_have_to_hold() -> None:
    seen, found, _ = compared(9, 27, 40, limits=RULES.analysis)
    assert found is not None and found.came is Came.PASS and "all within limits at 8 of 8 looks" in found.text
    assert [figure.metric for figure in figures(seen.checks, COMPARED)] == ["errors", "errors"]
    low = Analysis((Metric("errors", MetricKind.TEMPLATE, maximum=0.1),), threshold=2)
    _, found, count = compared(9, 27, 40, limits=low)
    assert found is not None and (found.came, count) == (Came.FAIL, 2)


def test_of_a_histogram_the_requests_above_the_objective_are_summed() -> None:
    pods = (PodBuckets("c", Arm.CANARY, (5, 3, 2)), PodBuckets("s", Arm.PRIMARY, (50, 3, 2)))
    scrape = Scrape("latency", BEGAN, buckets=pods, bounds=(0.1, 0.5))
    rules = JudgeRules(metrics=(MetricRule("latency", slo=0.3),))
    assert [(one.of, one.bad, one.total) for one in sums_of((scrape,), rules)] == [("canary", 2, 10), ("stable", 2, 55)]


@given(st.integers(0, 3 * MOST_SUMS))
def test_sums_that_are_too_many_are_put_together_and_none_is_lost(many: int) -> None:
    sums: tuple[Sum, ...] = ()
    for count in range(many // 100):
        sums = thinned((*sums, *(Sum(metric="m", of="canary", at=BEGAN + count * LOOK, bad=1, total=2) for _ in range(100))))
    assert len(sums) <= MOST_SUMS and sum(one.bad for one in sums) == many // 100 * 100
