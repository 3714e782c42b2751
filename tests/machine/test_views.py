"""What a person reads about a rollout."""

from trimtab.faces.cli.stories import check_words
from trimtab.faces.views import check_view
from trimtab.model.policy import MetricKind
from trimtab.model.verdict import Reading, Result


def test_a_limit_of_a_duration_is_told_in_the_unit_of_its_value() -> None:
    view = check_view(Result("request-duration", MetricKind.DURATION, Reading.ABOVE, 1.2, None, 500.0))
    assert (view.unit, view.value, view.maximum) == ("s", 1.2, 0.5)
    assert check_words(view) == "request-duration 1.2 s (at most 500 ms): bad"


def test_a_limit_of_a_share_stays_as_it_was_written() -> None:
    view = check_view(Result("request-success-rate", MetricKind.SUCCESS_RATE, Reading.BELOW, 98.5, 99.0, None))
    assert check_words(view) == "request-success-rate 98.5 % (at least 99 %): bad"
