"""The watch after promotion (ADR 19): what breaks it, what does not, what ends it, and what follows."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from trimtab.adapters.kubernetes.rollouts import status_of
from trimtab.faces.cli.stories import status_text
from trimtab.faces.cli.tables import status_table
from trimtab.faces.views import status_view
from trimtab.model.commands import Verb
from trimtab.model.judging import JudgeRules, Measured, MetricRule
from trimtab.model.policy import Analysis, Policy
from trimtab.model.rollout import Ask, CanaryState, Outcome, Phase, Rollout, RolloutKind
from trimtab.model.scrapes import Arm, PodCounts, Scrape
from trimtab.model.verdict import Sample
from trimtab.model.watching import Watch, WatchRules
from trimtab.rollout.wishes import DONE
from trimtab.testing.memory import Script
from trimtab.testing.policies import SUCCESS
from trimtab.testing.story import Story

Tell = Callable[..., Story]
ALERT, UNDO = WatchRules(), WatchRules(undo=True)
LASTS = ALERT.lasts
BUDGET = MetricRule("budget", Measured.OBJECTIVE, limit=0.01)


def promoted(told: Tell, rules: WatchRules | None = ALERT, **policy: object) -> Story:
    """A change that has just been promoted, and was looked at for the first time."""
    story = told(watch=rules, **policy)
    story.memory.world.edit(color="blue")
    run = story.until_settled().rollout
    assert run is not None and run.outcome is Outcome.PROMOTED
    story.look()
    return story


def attempt(story: Story, number: int = 2) -> Rollout:
    """An attempt, as the record had it last."""
    run = story.memory.store.attempts[story.state.key, number].rollout
    assert run is not None
    return run


def watch_of(story: Story) -> Watch:
    """What was seen after the change was promoted."""
    watch = attempt(story).watch
    assert watch is not None
    return watch


def answers(value: float | None) -> Script:
    """Every metric of the primary answers this."""
    return lambda policy: tuple(Sample(metric.name, metric.kind, value) for metric in policy.analysis.metrics)


def alerts(story: Story) -> list[str]:
    """What people were alerted of."""
    return [telling.text for telling in story.memory.teller.heard if telling.kind == "alert"]


def test_a_canary_without_a_policy_of_ours_is_not_watched_and_nothing_is_written_while_it_rests(told: Tell) -> None:
    story = promoted(told, None)
    serial = story.state.serial
    story.go_on(timedelta(hours=1))
    assert (attempt(story).watch, story.state.asks, story.state.serial) == (None, Ask.NOTHING, serial)


@pytest.mark.parametrize("problem", ["", "configmaps app-config not found"])
def test_a_first_revision_and_an_undo_are_not_watched_for_there_is_nothing_to_go_back_to(told: Tell, problem: str) -> None:
    story = told(watch=ALERT)
    assert attempt(story, 1).watch is None
    story = promoted(told)
    story.memory.world.problem = problem
    assert story.say(Verb.UNDO) == "going back"
    state = story.until_settled()
    assert state.rollout is not None and (state.rollout.kind, state.rollout.watch) == (RolloutKind.UNDO, None)


def test_a_primary_that_does_well_is_watched_to_the_end_and_nobody_is_told(told: Tell) -> None:
    story = promoted(told)
    events = len(story.said())
    story.go_on(LASTS / 2)
    assert (story.state.phase, watch_of(story).ended, story.state.asks) == (Phase.SUCCEEDED, None, Ask.AFTERWARDS)
    story.go_on(LASTS)
    watch = watch_of(story)
    assert watch.ended == watch.until and (watch.looks, watch.broken, story.state.asks) == (91, "", Ask.NOTHING)
    assert {one.what: one.broken for one in watch.seen} == {"restarts": 0, "readiness": 0, "request-success-rate": 0}
    assert len(story.said()) == events and (story.state.phase, attempt(story).outcome) == (Phase.SUCCEEDED, Outcome.PROMOTED)
    assert "91 looks, nothing broken" in story.memory.store.entries[story.state.key][-1].text


@pytest.mark.parametrize("lasts", [timedelta(minutes=15), timedelta(seconds=25)])
def test_what_comes_after_the_watch_is_nobodys_business(told: Tell, lasts: timedelta) -> None:
    story = promoted(told, replace(UNDO, lasts=lasts))
    story.go_on(lasts + timedelta(seconds=1))
    assert watch_of(story).ended is not None
    story.memory.world.restart("primary", 20)
    story.memory.metrics.promoted = answers(10.0)
    story.go_on(timedelta(hours=1))
    assert story.state.rollout is not None and (story.state.rollout.number, alerts(story)[-1][:6]) == (2, "Canary")


def test_three_restarts_since_promotion_are_told_once_with_the_way_back_and_the_attempt_stays_promoted(told: Tell) -> None:
    story = promoted(told)
    story.memory.world.restart("primary", 2)
    story.go_on(timedelta(minutes=2))
    assert watch_of(story).restarts == 2 and watch_of(story).ended is None
    story.memory.world.restart("primary")
    story.go_on(timedelta(minutes=10))
    watch = watch_of(story)
    assert watch.broken == "3 restarts of containers since promotion" and watch.ended is not None
    told_once = [text for text in story.said() if "broken after promotion" in text]
    assert (
        told_once
        == ["app.test is broken after promotion: 3 restarts of containers since promotion. Go back with: trimtab undo app"]
        == alerts(story)[-1:]
    )
    assert story.state.rollout is not None
    assert (story.state.phase, story.state.rollout.outcome, story.state.rollout.number) == (Phase.SUCCEEDED, Outcome.PROMOTED, 2)


def test_restarts_from_before_promotion_do_not_count_and_those_of_new_pods_do(told: Tell) -> None:
    story = told(watch=ALERT)
    story.memory.world.edit(color="blue")

    def finalising(before: CanaryState, after: CanaryState) -> None:
        if after.phase is Phase.FINALISING is not before.phase:
            story.memory.world.restart("primary", 9)

    story.memory.store.on_replace = finalising
    story.until_settled()
    assert [pod.restarts for pod in story.memory.world.pods if pod.copy == "primary"] == [9]
    story.go_on(timedelta(minutes=2))
    assert (watch_of(story).restarts, watch_of(story).broken) == (0, "")
    story.memory.world.kill("primary")
    story.memory.world.restart("primary", 2)
    story.go_on(timedelta(minutes=1))
    assert watch_of(story).restarts == 2


def test_restarts_of_a_large_copy_count_by_its_size(told: Tell) -> None:
    story = told(watch=replace(ALERT, restarts_of_pods=2.0))
    story.memory.world.replicas = 3
    story.memory.world.edit(color="blue")
    story.until_settled()
    story.look()
    assert watch_of(story).pods == 3
    story.memory.world.restart("primary")
    story.go_on(timedelta(minutes=1))
    assert (watch_of(story).restarts, watch_of(story).broken) == (3, "")
    story.memory.world.restart("primary")
    story.go_on(timedelta(minutes=1))
    assert watch_of(story).broken == "6 restarts of containers since promotion"


def test_with_undo_it_goes_back_by_itself_and_says_why(told: Tell) -> None:
    story = promoted(told, UNDO)
    story.memory.world.restart("primary", 3)
    state = story.until_settled() if story.go_on(until=lambda state: state.phase is Phase.PROMOTING) else story.state
    run = state.rollout
    assert run is not None and run.to == attempt(story, 1).to
    assert (run.number, run.kind, run.outcome, run.actor) == (3, RolloutKind.UNDO, Outcome.UNDONE, "the watch after promotion")
    why = "by the watch after promotion (3 restarts of containers since promotion): going back to revision"
    assert sum(why in text for text in story.said()) == 1 == sum(why in text for text in alerts(story))
    assert [found.severity for found in story.memory.teller.heard if found.kind == "alert" and why in found.text] == ["error"]
    assert state.held is not None and why in state.held.why and state.held.revision == attempt(story).to.id
    assert (watch_of(story).broken, attempt(story).outcome) == ("3 restarts of containers since promotion", Outcome.PROMOTED)
    story.go_on(timedelta(hours=1))
    assert story.state.rollout is not None and story.state.rollout.number == 3


def test_pods_that_stay_not_ready_break_it_after_as_many_looks_as_the_policy_says(told: Tell) -> None:
    story = promoted(told)
    story.memory.world.stuck.add("primary")
    story.memory.world.kill("primary")
    story.go_on(timedelta(seconds=20))
    assert watch_of(story).broken == ""
    story.go_on(timedelta(seconds=20))
    assert watch_of(story).broken == "0 of 1 pods were ready, in 3 looks in a row"


def test_pods_that_come_back_between_two_looks_are_no_row(told: Tell) -> None:
    story = promoted(told, UNDO)
    for _ in range(8):
        story.memory.world.stuck.add("primary")
        story.memory.world.kill("primary")
        story.go_on(timedelta(seconds=20))
        story.memory.world.stuck.clear()
        story.memory.world.kill("primary")
        story.go_on(timedelta(seconds=20))
    assert story.state.rollout is not None and (story.state.rollout.number, watch_of(story).broken) == (2, "")


def test_more_pods_than_at_promotion_may_take_their_time_to_get_ready(told: Tell) -> None:
    story = promoted(told, UNDO)
    story.memory.world.start_up = timedelta(minutes=4)
    story.memory.world.replicas = 3
    story.go_on(LASTS)
    assert (watch_of(story).broken, len(story.memory.world.pods)) == ("", 3)


def test_a_limit_that_the_primary_breaks_in_three_looks_in_a_row_breaks_it(told: Tell) -> None:
    story = promoted(told)
    story.memory.metrics.promoted = answers(80.0)
    story.go_on(timedelta(seconds=70))
    assert watch_of(story).broken == ""
    story.go_on(timedelta(seconds=10))
    assert watch_of(story).broken == "success rate 80.00% < 99%, in 3 looks in a row"
    assert story.state.evidence.failed_checks == 0


def test_answers_about_a_time_before_promotion_blame_nobody_for_what_was_mended(told: Tell) -> None:
    story = promoted(told, UNDO)
    story.memory.metrics.promoted = answers(80.0)
    story.go_on(timedelta(seconds=59))
    story.memory.metrics.promoted = answers(100.0)
    story.go_on(timedelta(minutes=20))
    assert (attempt(story).outcome, watch_of(story).broken) == (Outcome.PROMOTED, "")
    row = next(one for one in watch_of(story).seen if one.what == "request-success-rate")
    assert (row.known, row.unknown) == (85, 0)


def test_missing_answers_are_neither_broken_nor_fine(told: Tell) -> None:
    story = promoted(told)
    story.go_on(timedelta(seconds=59))
    story.memory.metrics.promoted = answers(80.0)
    story.go_on(timedelta(seconds=20))
    story.memory.metrics.promoted = answers(None)
    story.go_on(timedelta(minutes=5))
    row = next(one for one in watch_of(story).seen if one.what == "request-success-rate")
    assert (row.broken, row.known, watch_of(story).broken) == (2, 2, "") and row.unknown == 30
    story.memory.metrics.promoted = answers(80.0)
    story.go_on(timedelta(seconds=10))
    assert watch_of(story).broken == "success rate 80.00% < 99%, in 3 looks in a row"


def test_what_nothing_was_known_of_is_said_at_the_end(told: Tell) -> None:
    story = promoted(told)
    story.memory.metrics.promoted = answers(None)
    story.memory.world.uncounted = "the API server says no"
    story.go_on(LASTS)
    last = story.memory.store.entries[story.state.key][-1]
    assert (last.reason, watch_of(story).broken) == ("Watched", "")
    assert "nothing is known of restarts in 90 of them (the API server says no), request-success-rate (no values)" in last.text


def test_a_metric_over_a_longer_time_than_the_watch_is_never_asked_and_that_is_said(told: Tell) -> None:
    story = promoted(told, analysis=Analysis((replace(SUCCESS, interval="1h"),), 2))
    story.memory.metrics.promoted = answers(1.0)
    story.go_on(LASTS)
    last = story.memory.store.entries[story.state.key][-1]
    assert last.text.endswith("nothing broken; nothing is known of request-success-rate (its interval is longer than the watch)")


def test_restarts_that_could_not_be_counted_for_a_while_count_when_they_can_be(told: Tell) -> None:
    story = promoted(told)
    story.memory.world.uncounted = "the API server says no"
    story.memory.world.restart("primary", 3)
    story.go_on(timedelta(minutes=2))
    assert watch_of(story).broken == ""
    story.memory.world.uncounted = ""
    story.go_on(timedelta(minutes=1))
    assert watch_of(story).broken == "3 restarts of containers since promotion"


def test_an_objective_of_the_judge_is_held_against_what_the_primary_alone_counts(told: Tell) -> None:
    rules = JudgeRules((MetricRule("errors"), BUDGET), interval=timedelta(seconds=5))
    story = promoted(told)
    run = attempt(story)
    policy = replace(run.policy, analysis=Analysis((SUCCESS,), 2, judge=rules))
    story.memory.store.records[story.state.key] = replace(story.state, rollout=replace(run, policy=policy))
    failing = 20

    def traffic(metric: MetricRule, end: object) -> Scrape:
        pods = (PodCounts("p", Arm.PRIMARY, failing, 1000), PodCounts("c", Arm.CANARY, 900, 1000))
        return Scrape(metric.name, end, pods)  # type: ignore[arg-type]  # a moment

    story.memory.metrics.traffic = traffic
    story.go_on(timedelta(minutes=1))
    assert watch_of(story).broken == "budget: 40 of 2000 requests failed, more than 1 %, in 3 looks in a row"


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (lambda story: story.memory.world.edit(color="green"), "its source holds something else now"),
        (lambda story: story.say(Verb.UNDO), "ann says undo"),
        (lambda story: setattr(story.memory.world, "suspended", True), "the Canary is suspended"),
        (lambda story: setattr(story.memory.world, "leaving", True), "the Canary is being deleted"),
        (lambda story: story.memory.tune(watch=None), "its policy does not ask for it any more"),
    ],
)
def test_the_watch_ends_at_once_when_something_else_goes_on(told: Tell, happens: Callable[[Story], object], why: str) -> None:
    story = promoted(told, UNDO)
    story.go_on(timedelta(minutes=1))
    now = story.memory.world.now
    happens(story)
    story.look()
    watch = watch_of(story)
    assert (watch.ended, watch.stopped, watch.broken) == (now, why, "")
    story.memory.world.restart("primary", 9)
    story.go_on(timedelta(minutes=10))
    assert "the watch after promotion" not in [run.rollout.actor for run in story.states if run.rollout is not None]


@pytest.mark.parametrize("wish", [Verb.PAUSE, Verb.APPROVE])
def test_a_wish_about_an_older_attempt_does_not_end_it(told: Tell, wish: Verb) -> None:
    story = promoted(told)
    assert "too late" in story.say(wish, rollout=1)
    assert watch_of(story).ended is None


@pytest.mark.parametrize("wish", [Verb.PAUSE, Verb.APPROVE, Verb.RESUME, Verb.ABORT, Verb.RETRY])
def test_a_wish_that_is_refused_does_not_end_it(told: Tell, wish: Verb) -> None:
    story = promoted(told, UNDO)
    assert story.say(wish) not in DONE.values()
    assert watch_of(story).ended is None
    story.memory.world.restart("primary", 9)
    story.go_on(timedelta(minutes=10))
    assert attempt(story, 3).actor == "the watch after promotion"


def test_an_undo_to_a_revision_that_is_not_kept_does_not_end_it(told: Tell) -> None:
    story = promoted(told, UNDO)
    assert story.say(Verb.UNDO, revision="0123456789").startswith("there is no such revision")
    assert watch_of(story).ended is None


def test_what_was_found_broken_is_not_gone_back_from_after_an_edit_or_a_suspension(told: Tell) -> None:
    for happens in (lambda world: world.edit(color="green"), lambda world: setattr(world, "suspended", True)):
        story = promoted(told, UNDO)
        story.memory.world.restart("primary", 3)
        story.memory.store.on_replace = lambda before, after, story=story, happens=happens: (
            happens(story.memory.world) if after.rollout.watch and after.rollout.watch.broken and not before.rollout.watch.broken else None
        )
        story.go_on(timedelta(minutes=2))
        story.memory.world.suspended = False
        story.go_on(timedelta(minutes=10))
        kinds = {state.rollout.kind for state in story.memory.store.attempts.values() if state.rollout is not None}
        assert watch_of(story).broken and watch_of(story).stopped and RolloutKind.UNDO not in kinds


def test_a_process_that_was_away_until_long_after_the_watch_goes_back_from_nothing(told: Tell) -> None:
    story = promoted(told, UNDO)
    story.go_on(timedelta(minutes=1))
    story.memory.world.restart("primary", 9)
    story.memory.world.now += timedelta(days=2)
    story.look()
    assert (watch_of(story).broken, watch_of(story).looks) == ("", 7) and watch_of(story).ended is not None


def test_a_clock_that_is_set_back_does_not_make_the_watch_longer(told: Tell) -> None:
    story = promoted(told, UNDO)
    story.memory.world.set_back(timedelta(days=1))
    story.go_on(LASTS + timedelta(seconds=10))
    assert watch_of(story).ended is not None


def test_without_weights_and_with_skipped_analysis_it_is_watched_too(told: Tell) -> None:
    story = told(watch=ALERT, skip_analysis=True)
    story.memory.world.edit(color="blue")
    state = story.until_settled()
    assert state.rollout is not None and state.rollout.outcome is Outcome.SKIPPED and state.rollout.watch is not None


def test_a_canary_with_a_long_interval_is_looked_at_often_enough_to_find_what_is_broken(told: Tell) -> None:
    story = told(watch=ALERT, interval=timedelta(minutes=10))
    story.memory.world.edit(color="blue")
    story.until_settled(timedelta(hours=5))
    story.memory.metrics.promoted = answers(80.0)
    story.go_on(LASTS)
    assert (watch_of(story).broken, watch_of(story).looks) == ("success rate 80.00% < 99%, in 3 looks in a row", 4)


def test_the_pinned_rule_counts(told: Tell) -> None:
    story = promoted(told)
    story.memory.tune(watch=replace(UNDO, restarts=1))
    story.memory.world.restart("primary")
    story.go_on(timedelta(minutes=1))
    assert isinstance(story.state.policy, Policy) and story.state.policy.watch != ALERT
    assert (watch_of(story).restarts, watch_of(story).broken) == (1, "")


def test_people_see_until_when_it_is_watched_and_what_was_seen(told: Tell) -> None:
    story = promoted(told)
    story.memory.world.restart("primary")
    story.memory.world.uncounted = ""
    story.go_on(timedelta(minutes=1))
    view = status_view(story.state)
    assert view.rollout is not None and view.rollout.watch is not None
    until = f"{watch_of(story).until.astimezone():%H:%M}"
    words = f"watched until {until}: 7 looks, 1 restart of containers"
    assert (view.rollout.watch.text, view.rollout.watch.ended, view.rollout.outcome) == (words, None, "Promoted")
    assert words in status_text(view) and words in status_table([view])
    assert status_of(story.state, ())["watch"] == f"watched until {watch_of(story).until:%H:%M} UTC: 7 looks, 1 restart of containers"
    story.go_on(LASTS)
    assert "watched for 15 min: 91 looks, 1 restart of containers" in status_text(status_view(story.state))
    assert "watched" not in status_table([status_view(story.state)])


def test_people_see_what_was_found_broken_long_afterwards(told: Tell) -> None:
    story = promoted(told)
    story.memory.world.restart("primary", 3)
    story.go_on(timedelta(hours=1))
    words = "broken after promotion: 3 restarts of containers since promotion"
    assert words in status_text(status_view(story.state)) and words[:40] in status_table([status_view(story.state)])
