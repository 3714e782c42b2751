"""What a pipeline makes of its looks at a canary: pure, look by look."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.model.policy import Analysis, Metric, MetricKind, WhenUnknown
from trimtab.model.verdict import Sample, Samples
from trimtab.promotion.watching import PATIENCE, Came, Conclusion, Rules, Seen, concluded, figures, line, looked

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
    assert [(figure.metric, figure.judgement, figure.canary, figure.text) for figure in figures(seen)] == [
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
