"""What a person reads about a rollout."""

from collections.abc import Callable
from datetime import timedelta

from trimtab.faces.cli.stories import check_words, status_text
from trimtab.faces.views import check_view, status_view
from trimtab.model.commands import Verb
from trimtab.model.policy import MetricKind
from trimtab.model.rollout import Phase
from trimtab.model.verdict import Reading, Result
from trimtab.testing.story import Story


def test_a_limit_of_a_duration_is_told_in_the_unit_of_its_value() -> None:
    view = check_view(Result("request-duration", MetricKind.DURATION, Reading.ABOVE, 1.2, None, 500.0))
    assert (view.unit, view.value, view.maximum) == ("s", 1.2, 0.5)
    assert check_words(view) == "request-duration 1.2 s (at most 500 ms): bad"


def test_a_limit_of_a_share_stays_as_it_was_written() -> None:
    view = check_view(Result("request-success-rate", MetricKind.SUCCESS_RATE, Reading.BELOW, 98.5, 99.0, None))
    assert check_words(view) == "request-success-rate 98.5 % (at least 99 %): bad"


def test_status_says_what_a_canary_whose_pods_do_not_get_ready_waits_for_and_until_when(told: Callable[..., Story]) -> None:
    story = told()
    story.memory.world.stuck.add("canary")
    story.memory.world.edit(color="blue")
    story.until_phase(Phase.PROGRESSING)
    run = story.state.running
    assert run is not None and run.began is not None
    deadline = f"{(run.began + run.policy.progress_deadline).astimezone():%Y-%m-%d %H:%M:%S}"
    assert f"waits      for pods of the canary to become ready, until {deadline} at the latest" in status_text(status_view(story.state))
    story.memory.world.stuck.clear()
    story.go_on(until=lambda state: state.running is not None and state.running.ready is not None)
    assert "waits" not in status_text(status_view(story.state))


def test_status_says_why_a_rollout_was_paused(told: Callable[..., Story]) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.until_phase(Phase.PROGRESSING)
    story.say(Verb.PAUSE, reason="looking at a dashboard")
    story.look()
    assert "(looking at a dashboard): trimtab resume" in status_text(status_view(story.state))


def test_status_says_that_the_next_look_is_overdue_where_nobody_looks_any_more(told: Callable[..., Story]) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: state.running is not None and state.running.position > 0 and state.due is not None)
    view = status_view(story.state)
    assert view.next_look is not None
    assert "overdue" not in status_text(view, now=view.next_look + timedelta(seconds=20))
    assert "overdue" in status_text(view, now=view.next_look + timedelta(minutes=1))
    story.say(Verb.PAUSE)
    story.look()
    assert "overdue" not in status_text(status_view(story.state), now=view.next_look + timedelta(hours=1))


def test_an_undo_with_nothing_kept_says_so_and_speaks_of_no_revision_that_was_named(told: Callable[..., Story]) -> None:
    story = told()
    answer = story.say(Verb.UNDO)
    assert "there is nothing to go back to: no revision is kept" in answer
    assert "there is no such revision to go back to; kept are: " not in answer
