"""Flagger's quirks (flagger.md 2.14) that concern the core and were decided: one named test each; the others are in `test_rollouts`.

Not here, for they are about routers, autoscalers, Services or the operator: 7, 8, 21, 22, 26, 27, 29, 30. QUIRK-18 is the webhooks'.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from trimtab.documents.decode import decode
from trimtab.documents.flagger import Canary
from trimtab.documents.translate import Companions, translate
from trimtab.documents.yaml import Document
from trimtab.model.commands import Verb
from trimtab.model.facts import Capabilities, Copy, Routes
from trimtab.model.policy import Analysis, Hook, HookType, Match, StringMatch, WhenUnknown
from trimtab.model.rollout import Outcome, Phase, RolloutKind
from trimtab.model.tellings import TellingKind
from trimtab.rollout.readiness import Demand, readiness
from trimtab.rollout.status import CONDITIONS, status
from trimtab.testing.memory import fine
from trimtab.testing.policies import SUCCESS
from trimtab.testing.story import Story
from trimtab.testing.world import START

Tell = Callable[..., Story]


def mid_run(story: Story, weight: int) -> None:
    """A change is under way and has reached a weight."""
    story.memory.world.edit(color="blue")
    assert story.go_on(until=lambda state: story.weights()[-1] == weight)


def alerts(story: Story) -> list[str]:
    """Every alert."""
    return [telling.text for telling in story.memory.teller.heard if telling.kind is TellingKind.ALERT]


def outcome(story: Story) -> Outcome | None:
    """How the newest attempt ended."""
    return story.state.rollout.outcome if story.state.rollout is not None else None


def test_quirk_2_a_weight_that_is_in_no_step_is_put_right_and_the_next_step_is_the_next_in_the_list(told: Tell) -> None:
    story = told(weights=(1, 2, 10, 80))
    mid_run(story, 2)
    story.memory.world.routes = Routes(5)
    story.until_settled()
    assert story.weights() == [0, 1, 2, 2, 10, 80, 0], "back to 2 as recorded, then on; never the jump to 100"


def test_quirk_3_promotion_by_steps_ends_although_somebody_took_the_traffic_away(told: Tell) -> None:
    story = told(weights=(100,), step_weight_promotion=50)
    story.memory.world.edit(color="blue")
    story.until_phase(Phase.PROMOTING)
    story.memory.world.routes = Routes(0)
    story.until_settled(timedelta(minutes=5))
    assert outcome(story) is Outcome.PROMOTED


def test_quirk_12_promotion_by_steps_takes_no_step_before_the_last_one_is_seen(told: Tell) -> None:
    story = told(weights=(100,), step_weight_promotion=25)
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 75)
    story.memory.world.now, story.memory.world.routes = story.state.due or START, Routes(100)
    story.look()
    assert story.memory.world.routes == Routes(75)
    story.until_settled()
    assert story.weights() == [0, 100, 75, 75, 50, 25, 0]


def test_quirk_6_a_primary_scaled_to_zero_is_not_ready(told: Tell) -> None:
    story = told()
    promoted, now = story.state.promoted, story.memory.world.now
    assert promoted is not None
    demand = Demand("app-primary", promoted, 100, timedelta(seconds=60), now)
    assert not readiness(Copy(promoted.id, desired=0), demand, now).ready
    assert readiness(Copy(promoted.id, 1, 1, 1, 1), demand, now).ready


def test_quirk_10_an_alert_without_a_severity_gets_everything() -> None:
    raw = {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": "app", "namespace": "test"},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
            "service": {"port": 80},
            "analysis": {"interval": "10s", "threshold": 1, "iterations": 1, "alerts": [{"name": "chat", "providerRef": {"name": "chat"}}]},
        },
    }
    canary = decode(Document(raw, "", 1, {})).value
    assert isinstance(canary, Canary)
    assert [target.severity for target in translate(canary, Companions()).alerts] == ["info"]


def test_quirk_11_what_is_changed_after_a_failure_is_recorded_only_by_the_run_that_starts_it(told: Tell) -> None:
    story = told()
    story.turn_bad()
    story.memory.world.edit(color="bad")
    failed = story.until_settled().applied
    story.memory.metrics.script = None
    story.memory.world.stuck.add("primary")
    story.memory.world.kill("primary")
    story.memory.world.problem = "configmap app-config not found"
    story.memory.world.edit(color="green")
    story.go_on(timedelta(minutes=1))
    assert story.state.phase is Phase.FAILED and story.state.applied == failed, "nothing was swallowed"
    story.memory.world.problem = ""
    story.memory.world.stuck.clear()
    story.memory.world.kill("primary")
    assert story.go_on(timedelta(minutes=5), lambda state: state.phase is Phase.SUCCEEDED)
    assert story.state.applied == story.state.promoted == story.memory.world.revision()


def test_quirk_12_a_route_that_drifts_is_put_back_to_the_recorded_weight_and_nothing_is_asked_until_it_is(told: Tell) -> None:
    story = told()
    mid_run(story, 40)
    asked: list[Routes | None] = []
    story.memory.metrics.script = lambda policy: asked.append(story.memory.world.routes) or fine(policy)
    story.memory.world.now, story.memory.world.routes = story.state.due or START, Routes(0)
    story.look()
    assert story.memory.world.routes == Routes(40)
    story.until_settled()
    assert asked and set(asked) == {Routes(40)}, "although a check was due at the very moment of the drift"


def test_quirk_14_an_ab_test_on_a_router_that_cannot_match_is_refused(told: Tell) -> None:
    story = told(weights=(), iterations=2, match=(Match(headers=(StringMatch("x-canary", "exact", "yes"),)),))
    story.memory.world.capabilities = Capabilities(match=False)
    story.memory.world.edit(color="blue")
    story.until_settled()
    assert outcome(story) is Outcome.REFUSED and story.weights() == [0]
    assert story.memory.world.copy("canary").total == 0
    assert "cannot match requests" in story.said()[-1]


def test_quirk_15_a_template_that_is_put_back_mid_run_ends_the_run_and_starts_none(told: Tell) -> None:
    story = told()
    story.memory.world.image = "app:2"
    story.go_on(until=lambda state: story.weights()[-1] == 40)
    story.memory.world.image = "app:1"
    story.until_settled()
    assert outcome(story) is Outcome.WITHDRAWN
    story.go_on(timedelta(hours=1))
    assert story.state.rollout is not None and story.state.rollout.number == 2


def test_quirk_17_a_closed_traffic_increase_gate_is_alerted_once_in_a_run(told: Tell) -> None:
    story = told(hooks=(Hook("gate", HookType.CONFIRM_TRAFFIC_INCREASE, "http://hook"),))
    story.memory.hooks.closed["gate"] = "Forbidden"
    story.memory.world.edit(color="blue")
    story.go_on(timedelta(minutes=10))
    assert len(story.memory.hooks.calls) > 50, "it is asked at every point of the grid"
    assert alerts(story).count("Canary traffic increase is waiting for approval.") == 1


def test_quirk_20_an_invalid_edit_mid_run_is_told_and_the_pinned_policy_goes_on(told: Tell) -> None:
    story = told()
    mid_run(story, 20)
    story.memory.world.policy_problem = "canary.yaml:7: spec.analysis.stepWeight is 0; it must be at least 1"
    story.until_settled()
    assert outcome(story) is Outcome.PROMOTED and story.weights() == [0, 20, 40, 0]
    assert story.said().count("canary.yaml:7: spec.analysis.stepWeight is 0; it must be at least 1") == 1


def test_quirk_20_an_invalid_policy_keeps_the_last_valid_one_for_the_next_run(told: Tell) -> None:
    story = told()
    story.memory.world.policy_problem = "canary.yaml:7: no"
    story.memory.world.edit(color="blue")
    story.until_settled()
    assert outcome(story) is Outcome.PROMOTED and story.weights() == [0, 20, 40, 0]


def test_quirk_23_a_newer_change_sends_traffic_back_at_once_and_is_not_asked_for_again(told: Tell) -> None:
    story = told(hooks=(Hook("gate", HookType.CONFIRM_ROLLOUT, "http://hook"),))
    mid_run(story, 40)
    calls = len(story.memory.hooks.calls)
    story.memory.world.edit(color="green")
    story.look()
    assert story.weights()[-1] == 0, "not at the next point of the grid"
    story.until_settled()
    assert outcome(story) is Outcome.PROMOTED and len(story.memory.hooks.calls) == calls


def test_quirk_23_a_newer_change_is_asked_for_again_where_the_policy_wants_it(told: Tell) -> None:
    story = told(hooks=(Hook("gate", HookType.CONFIRM_ROLLOUT, "http://hook"),), ask_again=True)
    mid_run(story, 40)
    story.memory.hooks.closed["gate"] = "not now"
    story.memory.world.edit(color="green")
    story.until_phase(Phase.WAITING)
    assert story.weights()[-1] == 0 and story.memory.world.copy("canary").total == 0
    story.memory.hooks.closed.clear()
    story.until_settled()
    assert outcome(story) is Outcome.PROMOTED


def test_quirk_28_a_change_that_refers_to_what_does_not_exist_is_told_once_and_scales_nothing_up(told: Tell) -> None:
    story = told()
    problem = 'GetTargetConfigs failed: configmap new.test get query error: configmaps "new" not found'
    story.memory.world.image, story.memory.world.problem = "app:2", problem
    story.go_on(timedelta(hours=1))
    assert story.said().count(problem) == 1
    assert story.state.phase is Phase.INITIALIZED and story.memory.world.copy("canary").total == 0
    story.memory.world.problem = ""
    story.until_phase(Phase.SUCCEEDED, timedelta(minutes=5))


# --- DESIGN §6, where Trimtab departs: what of it concerns the core -------------------------------------------------


def test_the_last_promoted_revisions_are_kept_and_no_more(told: Tell) -> None:
    story = told(keep=2)
    promoted = [story.state.promoted]
    for colour in ("blue", "green", "black"):
        story.memory.world.edit(color=colour)
        promoted.append(story.until_settled().promoted)
    assert story.state.kept == (promoted[2], promoted[1])
    assert story.say(Verb.UNDO, revision=promoted[1].id if promoted[1] else "") == "going back"
    assert story.until_settled().promoted == promoted[1]


def test_what_is_promoted_again_is_not_kept_beside_itself(told: Tell) -> None:
    story = told(keep=3)
    promoted = [story.state.promoted]
    for colour in ("blue", "green", "black"):
        story.memory.world.edit(color=colour)
        promoted.append(story.until_settled().promoted)
    story.say(Verb.UNDO, revision=promoted[1].id if promoted[1] else "")
    assert story.until_settled().kept == (promoted[3], promoted[2], promoted[0])


def test_a_source_that_cannot_be_read_in_the_middle_of_a_run_starts_and_ends_nothing(told: Tell) -> None:
    story = told()
    mid_run(story, 20)
    story.memory.world.problem = "configmap app-config.test get query error: the server is away"
    story.until_settled()
    assert outcome(story) is Outcome.PROMOTED and story.weights() == [0, 20, 40, 0]


@pytest.mark.parametrize("silent", [True, False])
def test_no_values_fail_a_check_unless_the_policy_says_hold(told: Tell, silent: bool) -> None:
    unknown = WhenUnknown.FAIL if silent else WhenUnknown.HOLD
    story = told(analysis=Analysis((SUCCESS,), 2, no_data=unknown))
    story.turn_bad(None)
    story.memory.world.edit(color="blue")
    story.go_on(timedelta(minutes=30))
    if silent:
        assert outcome(story) is Outcome.ROLLED_BACK
    else:
        assert story.state.phase is Phase.PROGRESSING and story.weights()[-1] == 20
        assert story.state.evidence.failed_checks == 0


def test_events_of_a_run_say_in_their_reason_what_happened(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.until_settled()
    events = [telling for telling in story.memory.teller.heard if telling.kind is TellingKind.EVENT]
    reasons = {telling.reason for telling in events}
    assert {"Initialized", "NewRevision", "AnalysisStarted", "Advanced", "Promoting", "Routed", "Promoted"} <= reasons
    assert "" not in reasons and "Synced" not in reasons


def test_crd_8_every_phase_has_its_one_condition_with_the_kind_of_the_target(told: Tell) -> None:
    assert set(CONDITIONS) == set(Phase)
    state = replace(told().state, phase=Phase.INITIALIZING)
    assert (status(state, "DaemonSet").promoted, status(state, "DaemonSet").message) == (
        "Unknown",
        "New DaemonSet detected, starting initialization.",
    )


def test_sm7_a_settled_canary_keeps_the_count_of_its_failed_checks_and_a_failed_one_shows_none(told: Tell) -> None:
    story = told()
    mid_run(story, 20)
    story.turn_bad()
    story.go_on(until=lambda state: state.evidence.failed_checks == 1)
    story.memory.metrics.script = None
    story.until_settled()
    assert status(story.state).failed_checks == 1
    story.turn_bad()
    story.memory.world.edit(color="green")
    story.until_settled()
    assert status(story.state).failed_checks == 0


def test_p2_after_a_suspension_the_next_check_is_at_the_next_point_of_the_grid(told: Tell) -> None:
    story = told()
    mid_run(story, 20)
    grid, asked = story.state.grid, []
    story.memory.metrics.script = lambda policy: asked.append(story.memory.world.now) or ()
    story.memory.world.suspended = True
    story.go_on(timedelta(seconds=34))
    story.memory.world.suspended = False
    story.go_on(timedelta(seconds=20))
    assert grid is not None and asked, "it was asked again"
    assert all((moment - grid) % timedelta(seconds=10) == timedelta(0) for moment in asked)


def test_the_rollout_that_undo_makes_is_of_its_own_kind(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.until_settled()
    story.say(Verb.UNDO)
    assert story.until_settled().rollout.kind is RolloutKind.UNDO  # type: ignore[union-attr]
