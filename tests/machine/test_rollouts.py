"""What a Canary does, told from outside: the whole loop over memory ports, no faults."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from trimtab.config.digest import DigestKey
from trimtab.control.reconcile import reconcile
from trimtab.model.commands import Verb
from trimtab.model.facts import Capabilities, Copy, Routes
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Analysis, Hook, HookType, OnNewer
from trimtab.model.rollout import CanaryState, Outcome, Phase
from trimtab.model.tellings import TellingKind
from trimtab.rollout.decide import decide
from trimtab.rollout.exposure import wanted
from trimtab.rollout.readiness import Demand, readiness
from trimtab.rollout.reasons import Names, not_ready
from trimtab.testing.memory import Memory, run
from trimtab.testing.policies import BASE, SUCCESS
from trimtab.testing.story import Story
from trimtab.testing.world import START, World

from .lab_facts import Outlook, at_rest, facts_of

Tell = Callable[..., Story]


def test_sm9_the_first_revision_is_not_analysed(told: Tell) -> None:
    story = told()
    assert story.phases() == [Phase.INITIALIZING, Phase.INITIALIZED]
    assert story.weights() == [0]
    assert story.said()[-1] == "Initialization done! app.test"


def test_s6_initialised_is_told_once_requests_were_seen_to_go_through_the_primary(told: Tell) -> None:
    states = told().states
    last = next(place for place, state in enumerate(states) if state.phase is Phase.INITIALIZED)
    before = states[last - 1]
    assert before.phase is Phase.INITIALIZING and wanted(before).routed


def test_s6_initialised_is_told_once_the_target_was_seen_at_rest() -> None:
    well = Outlook(policy=BASE)
    state = at_rest(CanaryState(CanaryKey("test", "app")), replace(well, routes="drifted"), START).state
    assert state.phase is Phase.INITIALIZING and wanted(state).routed
    facts = facts_of(state, well, START)
    still_up = replace(facts, canary=Copy("", 1, 1, 1, 1))
    assert decide(state, still_up, None).state.phase is Phase.INITIALIZING
    assert decide(state, facts, None).state.phase is Phase.INITIALIZED


def test_an_edit_while_the_first_primary_takes_over_waits_until_it_has(told: Tell) -> None:
    story = Story(Memory(World(CanaryKey("test", "app"), told().memory.world.policy)))

    def edit(before: CanaryState, after: CanaryState) -> None:
        story.states.append(after)
        if after.phase is Phase.INITIALIZING and wanted(after).routed:
            story.memory.world.edit(color="blue")

    story.memory.store.on_replace = edit
    story.go_on(until=lambda state: state.phase is Phase.SUCCEEDED)
    assert story.phases()[:3] == [Phase.INITIALIZING, Phase.INITIALIZED, Phase.PROGRESSING]
    first = story.memory.store.attempts[story.state.key, 1].rollout
    assert first is not None and first.outcome is Outcome.PROMOTED
    assert story.state.promoted == story.memory.world.revision()


def test_sm12_a_good_change_goes_up_step_by_step_and_is_promoted(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    state = story.until_settled()
    assert state.rollout is not None and state.rollout.outcome is Outcome.PROMOTED
    assert story.weights() == [0, 20, 40, 0]
    assert story.phases()[1:] == [Phase.INITIALIZED, Phase.PROGRESSING, Phase.PROMOTING, Phase.FINALISING, Phase.SUCCEEDED]
    assert state.promoted == story.memory.world.revision()
    assert story.memory.world.copy("canary").total == 0


def test_s4_the_last_allowed_failed_check_rolls_back_in_the_same_decision(told: Tell) -> None:
    story = told()
    story.turn_bad()
    story.memory.world.edit(color="bad")
    state = story.until_settled()
    assert state.phase is Phase.FAILED and state.rollout is not None and state.rollout.outcome is Outcome.ROLLED_BACK
    assert story.said()[-3:] == [
        "Halt app.test advancement success rate 80.00% < 99%",
        "Rolling back app.test failed checks threshold reached 2",
        "Canary failed! Scaling down app.test",
    ]
    rollback = next(entry for entry in story.memory.store.entries[state.key] if entry.reason == "ThresholdReached")
    checks = [entry.at for entry in story.memory.store.entries[state.key] if entry.reason == "CheckFailed"]
    assert len(checks) == 2 and checks[-1] == rollback.at


def test_sm26_r7_a_failed_revision_is_not_started_again_until_someone_says_retry(told: Tell) -> None:
    story = told()
    story.turn_bad()
    story.memory.world.edit(color="bad")
    story.until_settled()
    story.go_on(timedelta(hours=2))
    assert story.state.rollout is not None and story.state.rollout.number == 2
    story.memory.metrics.script = None
    assert story.say(Verb.RETRY) == "trying again"
    assert story.until_settled().promoted == story.memory.world.revision()


def test_a_held_revision_that_comes_back_after_another_one_is_started(told: Tell) -> None:
    story = told()
    story.turn_bad()
    story.memory.world.edit(color="bad")
    story.until_settled()
    story.memory.metrics.script = None
    story.memory.world.edit(color="red")
    story.go_on(timedelta(minutes=1))
    assert story.state.running is None, "putting back the promoted content starts nothing"
    story.memory.world.edit(color="bad")
    story.go_on(timedelta(minutes=5))
    assert story.state.phase is Phase.SUCCEEDED and story.state.promoted == story.memory.world.revision()


def test_sm8_putting_back_the_promoted_content_ends_a_run_and_starts_nothing(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 40)
    story.memory.world.edit(color="red")
    state = story.until_settled()
    assert state.rollout is not None and state.rollout.outcome is Outcome.WITHDRAWN and state.rollout.number == 2
    assert story.weights() == [0, 20, 40, 0]
    story.go_on(timedelta(hours=1))
    assert story.state.rollout is not None and story.state.rollout.number == 2


def test_quirk_9_a_second_edit_mid_run_restarts_the_canary_pods(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 40)
    story.memory.world.edit(color="green")
    story.go_on(until=lambda state: state.rollout is not None and state.rollout.ready is not None and state.rollout.number == 3)
    pods = [pod for pod in story.memory.world.pods if pod.copy == "canary"]
    assert [pod.revision for pod in pods] == [story.memory.world.revision()]
    assert story.weights()[:4] == [0, 20, 40, 0]
    assert story.memory.store.attempts[story.state.key, 2].rollout.outcome is Outcome.SUPERSEDED  # type: ignore[union-attr]
    assert story.until_settled().promoted == story.memory.world.revision()


def test_quirk_16_a_change_during_promotion_waits_its_turn_and_is_judged_itself(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.until_phase(Phase.PROMOTING)
    judged = story.state.rollout
    assert judged is not None
    story.memory.world.edit(color="green")
    story.go_on(timedelta(minutes=5))
    assert story.memory.store.attempts[story.state.key, 2].promoted == judged.to
    assert story.state.promoted == story.memory.world.revision()
    assert story.state.rollout is not None and story.state.rollout.number == 3


@pytest.mark.parametrize(("provider", "before"), [("kubernetes", ""), ("gatewayapi:v1", ""), ("istio", "running query failed: ")])
def test_met8_what_flagger_says_of_no_values_depends_on_the_provider(told: Tell, provider: str, before: str) -> None:
    story = told(provider=provider)
    story.turn_bad(None)
    story.memory.world.edit(color="bad")
    story.until_settled()
    expected = f"Halt advancement no values found for {provider} metric request-success-rate probably app.test is not receiving traffic"
    assert f"{expected}: {before}no values found" in story.said()


def test_ev1_event_hooks_are_told_that_what_is_rolled_back_has_failed(told: Tell) -> None:
    story = told()
    story.turn_bad()
    story.memory.world.edit(color="bad")
    story.until_settled()
    phases = {telling.text: telling.phase for telling in story.memory.teller.heard if telling.kind is TellingKind.EVENT}
    assert phases["Rolling back app.test failed checks threshold reached 2"] == Phase.PROGRESSING
    assert phases["Canary failed! Scaling down app.test"] == Phase.FAILED


def test_quirk_5_a_canary_that_never_gets_ready_is_rolled_back_with_an_alert(told: Tell) -> None:
    story = told()
    story.memory.world.stuck.add("canary")
    story.memory.world.edit(color="blue")
    state = story.until_settled()
    assert state.rollout is not None and state.rollout.outcome is Outcome.ROLLED_BACK
    alerts = [telling.text for telling in story.memory.teller.heard if telling.kind is TellingKind.ALERT]
    assert alerts[-1].startswith("Progress deadline exceeded")
    assert story.weights() == [0]


def test_quirk_25_a_canary_that_stops_being_ready_fails_its_checks(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 20)
    story.memory.world.stuck.add("canary")
    story.memory.world.kill("canary")
    state = story.until_settled(timedelta(minutes=2))
    assert state.rollout is not None and state.rollout.outcome is Outcome.ROLLED_BACK
    assert "not ready" in story.said()[-3]


def test_a_canary_that_is_not_ready_and_gives_bad_answers_fails_one_check_at_a_time(told: Tell) -> None:
    story = told(analysis=Analysis((SUCCESS,), 3))
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 20)
    story.memory.world.stuck.add("canary")
    story.memory.world.kill("canary")
    story.turn_bad()
    assert story.go_on(until=lambda state: state.evidence.failed_checks > 0)
    assert story.state.evidence.failed_checks == 1


def test_quirk_24_s9_a_broken_primary_does_not_block_its_own_fix(told: Tell) -> None:
    story = told()
    story.memory.world.stuck.add("primary")
    story.memory.world.kill("primary")
    story.memory.world.edit(color="fixed")
    story.go_on(until=lambda state: state.phase is Phase.PROMOTING)
    assert story.weights()[-1] == 40
    story.memory.world.stuck.clear()
    story.memory.world.kill("primary")
    assert story.until_settled().promoted == story.memory.world.revision()


def test_sm27_after_a_failed_promotion_everybody_is_on_the_healthy_canary(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 40)
    story.memory.world.stuck.add(f"primary/{story.memory.world.revision().id}")
    state = story.until_settled()
    assert state.rollout is not None and state.rollout.outcome is Outcome.PROMOTION_FAILED
    assert story.weights()[-1] == 100
    assert story.memory.world.copy("canary").available == 1


def test_quirk_31_r12_the_fix_after_a_failed_promotion_waits_for_the_old_primary_and_then_rolls_out(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 40)
    story.memory.world.stuck.add(f"primary/{story.memory.world.revision().id}")
    story.until_settled()
    story.memory.world.stuck.add("primary")
    story.memory.world.kill("primary")
    story.memory.world.edit(color="green")
    story.go_on(timedelta(minutes=5))
    assert story.weights()[-1] == 100, "the only healthy copy goes on serving"
    story.memory.world.stuck.clear()
    story.memory.world.kill("primary")
    assert story.until_settled().promoted == story.memory.world.revision()
    assert story.weights()[-4:] == [0, 20, 40, 0]


def test_quirk_1_r10_an_initialisation_that_fails_scales_and_reroutes_nothing(told: Tell) -> None:
    from trimtab.model.names import CanaryKey
    from trimtab.testing.memory import Memory
    from trimtab.testing.policies import BASE
    from trimtab.testing.world import World

    story = Story(Memory(World(CanaryKey("test", "app"), BASE)))
    story.memory.world.stuck.add("primary")
    state = story.until_settled()
    assert state.phase is Phase.FAILED and story.memory.world.routes is None
    story.memory.world.stuck.clear()
    story.memory.world.edit(color="blue")
    story.until_phase(Phase.INITIALIZED)


def test_sm16_sm17_blue_green_iterates_then_routes_everything_then_promotes(told: Tell) -> None:
    story = told(weights=(), iterations=2)
    story.memory.world.edit(color="blue")
    story.until_settled()
    assert story.weights() == [0, 100, 0]
    told_words = [text for text in story.said() if "iteration" in text or "Routing" in text]
    assert told_words == [
        "Advance app.test canary iteration 1/2",
        "Advance app.test canary iteration 2/2",
        "Routing all traffic to canary",
        "Routing all traffic to primary",
    ]


def test_sm14_mirroring_comes_before_the_first_weight(told: Tell) -> None:
    story = told(mirror=True)
    story.memory.world.edit(color="blue")
    story.until_settled()
    moves = [(routes.weight, routes.mirrored) for _, routes in story.memory.router.moves]
    assert moves == [(0, False), (0, True), (20, False), (40, False), (0, False)]


def test_quirk_13_mirroring_that_the_router_cannot_do_is_ignored_and_said(told: Tell) -> None:
    story = told(mirror=True)
    story.memory.world.capabilities = Capabilities(mirror=False)
    story.memory.world.edit(color="blue")
    assert story.until_settled().rollout.outcome is Outcome.PROMOTED  # type: ignore[union-attr]
    assert any("cannot mirror" in text for text in story.said())
    assert [(routes.weight, routes.mirrored) for _, routes in story.memory.router.moves] == [
        (0, False),
        (20, False),
        (40, False),
        (0, False),
    ]


def test_sm19_quirk_3_promotion_moves_traffic_by_steps(told: Tell) -> None:
    story = told(weights=(100,), step_weight_promotion=50)
    story.memory.world.edit(color="blue")
    story.until_settled()
    assert story.weights() == [0, 100, 50, 0]
    assert [text for text in story.said() if "primary weight" in text] == [
        "Advance app.test primary weight 50",
        "Advance app.test primary weight 100",
    ]


def test_weights_on_a_router_without_weights_become_ten_iterations(told: Tell) -> None:
    story = told()
    story.memory.world.capabilities = Capabilities(weights=False, match=False, mirror=False)
    story.memory.world.edit(color="blue")
    story.until_settled()
    assert "Advance app.test canary iteration 10/10" in story.said()
    assert story.weights() == [0]


def test_sm22_a_closed_gate_keeps_the_canary_from_being_started(told: Tell) -> None:
    story = told(hooks=(Hook("gate", HookType.CONFIRM_ROLLOUT, "http://hook"),))
    story.memory.hooks.closed["gate"] = "Forbidden"
    story.memory.world.edit(color="blue")
    story.go_on(timedelta(minutes=5))
    assert story.state.phase is Phase.WAITING and story.memory.world.copy("canary").total == 0
    story.memory.hooks.closed.clear()
    assert story.until_settled().rollout.outcome is Outcome.PROMOTED  # type: ignore[union-attr]


def test_sm4_a_change_taken_back_while_waiting_starts_nothing(told: Tell) -> None:
    story = told(hooks=(Hook("gate", HookType.CONFIRM_ROLLOUT, "http://hook"),))
    story.memory.hooks.closed["gate"] = "Forbidden"
    story.memory.world.edit(color="blue")
    story.until_phase(Phase.WAITING)
    story.memory.world.edit(color="red")
    story.look()
    assert story.state.running is None and story.state.rollout.outcome is Outcome.WITHDRAWN  # type: ignore[union-attr]


def test_quirk_4_while_promotion_waits_the_weight_is_reported_as_it_is(told: Tell) -> None:
    from trimtab.rollout.status import status

    story = told(approvals=frozenset({HookType.CONFIRM_PROMOTION}))
    story.memory.world.edit(color="blue")
    story.until_phase(Phase.WAITING_PROMOTION)
    assert (status(story.state).weight, status(story.state).iterations) == (40, 0)


def test_sm21_a_bad_metric_while_promotion_waits_rolls_back(told: Tell) -> None:
    story = told(approvals=frozenset({HookType.CONFIRM_PROMOTION}))
    story.memory.world.edit(color="blue")
    story.until_phase(Phase.WAITING_PROMOTION)
    story.turn_bad()
    assert story.until_settled().rollout.outcome is Outcome.ROLLED_BACK  # type: ignore[union-attr]


def test_approve_acts_at_once_when_the_last_check_passed(told: Tell) -> None:
    story = told(approvals=frozenset({HookType.CONFIRM_PROMOTION}))
    story.memory.world.edit(color="blue")
    story.until_phase(Phase.WAITING_PROMOTION)
    assert story.say(Verb.APPROVE) == "approved"
    assert story.state.phase is Phase.PROMOTING


def test_approve_after_a_failed_check_waits_for_a_check_that_passes(told: Tell) -> None:
    story = told(approvals=frozenset({HookType.CONFIRM_PROMOTION}))
    story.memory.world.edit(color="blue")
    story.until_phase(Phase.WAITING_PROMOTION)
    story.turn_bad()
    story.go_on(until=lambda state: state.evidence.failed_checks == 1)
    story.memory.metrics.script = None
    assert story.say(Verb.APPROVE) == "approved"
    assert story.state.phase is Phase.WAITING_PROMOTION
    story.until_phase(Phase.SUCCEEDED, timedelta(minutes=1))


def test_r9_pause_stops_growth_but_not_rollback(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 20)
    assert story.say(Verb.PAUSE).startswith("paused")
    story.go_on(timedelta(minutes=30))
    assert story.weights()[-1] == 20
    story.turn_bad()
    assert story.until_settled().rollout.outcome is Outcome.ROLLED_BACK  # type: ignore[union-attr]


def test_resume_lets_it_grow_again(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 20)
    story.say(Verb.PAUSE)
    story.go_on(timedelta(minutes=3))
    assert story.say(Verb.RESUME) == "resumed"
    assert story.until_settled().rollout.outcome is Outcome.PROMOTED  # type: ignore[union-attr]


def test_abort_takes_traffic_back_and_holds_the_content(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 40)
    story.say(Verb.ABORT, reason="looks odd")
    assert story.weights()[-1] == 0
    state = story.until_settled()
    assert state.rollout is not None and state.rollout.outcome is Outcome.ABORTED and state.rollout.actor == "ann"
    story.go_on(timedelta(hours=1))
    assert story.state.rollout is not None and story.state.rollout.number == 2


def test_r5_a_command_for_a_rollout_that_is_over_changes_nothing(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.until_settled()
    before = story.state.rollout
    assert story.say(Verb.ABORT, rollout=1).startswith("too late")
    assert story.state.rollout == before


def test_r5_a_command_for_the_rollout_before_does_not_touch_the_one_under_way(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 20)
    assert story.say(Verb.ABORT, rollout=1).startswith("too late: rollout 1 is over, 2 is the newest")
    assert story.until_settled().rollout.outcome is Outcome.PROMOTED  # type: ignore[union-attr]


def test_r8_undo_goes_back_without_analysis_and_holds_what_the_source_says(told: Tell) -> None:
    story = told()
    first = story.state.promoted
    story.memory.world.edit(color="blue")
    story.until_settled()
    assert story.say(Verb.UNDO) == "going back"
    state = story.until_settled()
    assert state.promoted == first and state.rollout is not None and state.rollout.outcome is Outcome.UNDONE
    assert story.weights() == [0, 20, 40, 0], "undo exposes nobody to a canary"
    story.go_on(timedelta(hours=1))
    assert story.state.promoted == first
    assert story.say(Verb.RETRY) == "trying again"
    assert story.until_settled().promoted == story.memory.world.revision()


def test_sm23_r10_skip_analysis_exposes_nobody_and_waits_for_a_ready_primary(told: Tell) -> None:
    story = told(skip_analysis=True)
    story.memory.world.edit(color="blue")
    state = story.until_settled()
    assert state.rollout is not None and state.rollout.outcome is Outcome.SKIPPED
    assert story.weights() == [0]
    assert story.memory.world.copy("primary").available == 1


def test_suspend_means_nothing_at_all_happens(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 20)
    story.memory.world.suspended = True
    story.go_on(timedelta(hours=1))
    assert story.weights()[-1] == 20
    story.memory.world.suspended = False
    assert story.until_settled().rollout.outcome is Outcome.PROMOTED  # type: ignore[union-attr]


def test_queue_lets_the_attempt_under_way_finish_first(told: Tell) -> None:
    story = told(on_newer=OnNewer.QUEUE)
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 40)
    first = story.memory.world.revision()
    story.memory.world.edit(color="green")
    story.go_on(timedelta(minutes=5))
    assert story.memory.store.attempts[story.state.key, 2].promoted == first
    assert story.state.promoted == story.memory.world.revision()


def test_reject_holds_the_newer_change(told: Tell) -> None:
    story = told(on_newer=OnNewer.REJECT)
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 40)
    first = story.memory.world.revision()
    story.memory.world.edit(color="green")
    story.go_on(timedelta(hours=1))
    assert story.state.promoted == first and story.state.held is not None


def test_a_gate_past_its_deadline_aborts_the_attempt(told: Tell) -> None:
    story = told(approvals=frozenset({HookType.CONFIRM_PROMOTION}), gate_deadline=timedelta(minutes=5))
    story.memory.world.edit(color="blue")
    assert story.until_settled().rollout.outcome is Outcome.ABORTED  # type: ignore[union-attr]


def test_quirk_19_sm25_failures_of_every_cause_add_up_over_the_run(told: Tell) -> None:
    story = told(hooks=(Hook("check", HookType.ROLLOUT, "http://hook"),), weights=(10, 20, 30, 40, 50))
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 20)
    story.turn_bad()
    story.go_on(until=lambda state: state.evidence.failed_checks == 1)
    story.memory.metrics.script = None
    story.go_on(until=lambda state: story.weights()[-1] == 40)
    assert story.state.evidence.failed_checks == 1
    story.memory.hooks.closed["check"] = "not now"
    assert story.until_settled().rollout.outcome is Outcome.ROLLED_BACK  # type: ignore[union-attr]


def test_ops_3_a_settled_canary_writes_nothing(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.until_settled()
    story.go_on(timedelta(minutes=1))
    serial = story.state.serial
    story.go_on(timedelta(days=1))
    assert story.look() is None
    assert story.state.serial == serial


def test_p4_what_was_told_while_receivers_are_away_is_told_when_they_are_back(told: Tell) -> None:
    story = told()
    story.memory.teller.silent = True
    story.memory.world.edit(color="blue")
    story.until_settled()
    assert story.state.to_tell
    story.memory.teller.silent = False
    story.go_on(timedelta(minutes=1))
    assert not story.state.to_tell


@pytest.mark.parametrize(("interval", "within"), [(10, 10), (60, 5)])
def test_p4_what_is_told_is_struck_off_by_the_next_check_if_that_comes_soon(told: Tell, interval: int, within: int) -> None:
    story = told(interval=timedelta(seconds=interval))
    story.memory.world.edit(color="blue")
    story.memory.teller.silent = True
    story.go_on(until=lambda state: state.running is not None and state.running.position == 1)
    wake = story.look()
    assert story.state.to_tell
    assert wake is not None and wake - story.memory.world.now == timedelta(seconds=within)


def test_p4_until_then_no_look_in_between_writes_a_record_for_it(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: state.running is not None and state.running.position == 1)
    story.look()
    recorded, tellings = story.state.serial, story.state.to_tell
    story.look()
    assert tellings and story.state.serial == recorded
    story.go_on(until=lambda state: state.serial > recorded)
    run = story.state.running
    assert run is not None and run.position == 2 and not set(tellings) & set(story.state.to_tell)


def test_p4_what_was_told_is_struck_off_though_nothing_else_changes_for_long(told: Tell) -> None:
    story = told(hooks=(Hook("gate", HookType.CONFIRM_ROLLOUT, "http://gate"),))
    story.memory.hooks.closed["gate"] = "no"
    story.memory.world.edit(color="blue")
    story.go_on(timedelta(seconds=30))
    assert story.state.running is not None and not story.state.to_tell


def test_p4_what_nobody_could_be_told_is_in_the_journal_once_and_told_to_nobody(told: Tell) -> None:
    story = told()
    heard = len(story.memory.teller.heard)
    story.memory.teller.given_up = "alert chat: away for an hour"
    story.memory.world.edit(color="blue")
    story.until_settled()
    story.go_on(timedelta(minutes=1))
    assert not story.state.to_tell
    entries = [entry for entry in story.memory.store.entries[story.state.key] if entry.reason == "Undelivered"]
    assert len(entries) == len({entry.text for entry in entries}) == len(story.memory.teller.heard) - heard > 0
    assert all("alert chat: away for an hour" in entry.text for entry in entries)
    assert not [text for text in story.said() if "not delivered" in text]


def test_c1_a_new_key_for_digests_of_secrets_starts_nothing_but_a_new_secret_does(told: Tell) -> None:
    story = told()
    world = story.memory.world
    world.password = "one"
    promoted = story.until_settled().promoted
    assert story.state.rollout is not None and story.state.rollout.number == 2
    world.digest_key = DigestKey("k2", b"x" * 32)
    story.go_on(timedelta(minutes=5))
    assert story.state.rollout.number == 2 and story.state.promoted == promoted != world.revision()
    world.password = "two"
    assert story.until_settled().promoted == world.revision()
    assert story.state.rollout.number == 3


def test_c1_a_new_key_in_the_middle_of_a_run_does_not_restart_it(told: Tell) -> None:
    story = told()
    world = story.memory.world
    world.password = "one"
    story.until_phase(Phase.PROGRESSING)
    world.digest_key = DigestKey("k2", b"x" * 32)
    state = story.until_settled()
    assert state.rollout is not None and state.rollout.number == 2 and state.rollout.outcome is Outcome.PROMOTED


def test_s9_a_promotion_that_fails_after_analysis_was_skipped_halfway_leaves_everybody_on_the_healthy_canary(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 20)
    story.memory.world.stuck.add(f"primary/{story.memory.world.revision().id}")
    story.memory.world.skip_analysis = True
    assert story.until_settled().rollout.outcome is Outcome.PROMOTION_FAILED  # type: ignore[union-attr]
    assert story.weights()[-1] == 100 and story.memory.world.copy("canary").available == 1


def test_s9_a_change_taken_back_while_the_primary_is_down_keeps_the_canary_serving_wherever_the_routes_are(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 20)
    story.memory.world.stuck.add("primary")
    story.memory.world.kill("primary")
    story.memory.world.edit(color="red")
    story.memory.world.routes = Routes(0)
    story.look()
    assert story.memory.world.routes == Routes(20) and story.state.running is not None
    story.memory.world.stuck.clear()
    story.memory.world.kill("primary")
    assert story.until_settled(timedelta(minutes=5)).rollout.outcome is Outcome.WITHDRAWN  # type: ignore[union-attr]


def test_undo_to_a_revision_that_the_primary_happens_to_run_goes_through_its_phases_one_by_one(told: Tell) -> None:
    story = told()
    first = story.state.promoted
    assert first is not None
    story.memory.world.edit(color="blue")
    story.until_settled()
    story.memory.world.desired["primary"] = (first, 1)
    story.memory.world.settle()
    story.memory.world.now += timedelta(seconds=5)
    assert story.say(Verb.UNDO) == "going back"
    assert story.until_settled().promoted == first
    assert story.phases()[-3:] == [Phase.PROMOTING, Phase.FINALISING, Phase.SUCCEEDED]


def test_r9_an_approval_of_another_revision_opens_nothing(told: Tell) -> None:
    story = told(approvals=frozenset({HookType.CONFIRM_PROMOTION}))
    story.memory.world.edit(color="blue")
    story.until_phase(Phase.WAITING_PROMOTION)
    waits = story.memory.world.revision()
    assert story.say(Verb.APPROVE, revision="0123456789").startswith(f"too late: revision {waits.id} waits now")
    assert story.state.phase is Phase.WAITING_PROMOTION
    assert story.say(Verb.APPROVE, revision=waits.id, gate="confirm-promotion") == "approved"


def test_sm20_a_closed_gate_that_is_muted_is_not_alerted(told: Tell) -> None:
    story = told(hooks=(Hook("gate", HookType.CONFIRM_PROMOTION, "http://hook", mute_alert=True),))
    story.memory.hooks.closed["gate"] = "Forbidden"
    story.memory.world.edit(color="blue")
    story.until_phase(Phase.WAITING_PROMOTION)
    alerts = [telling.text for telling in story.memory.teller.heard if telling.kind is TellingKind.ALERT]
    assert alerts[-1] == "New revision detected, progressing canary analysis."


def test_sm11_while_promotion_waits_growth_is_not_asked_for_again(told: Tell) -> None:
    increase, promotion = HookType.CONFIRM_TRAFFIC_INCREASE, HookType.CONFIRM_PROMOTION
    story = told(hooks=(Hook("more", increase, "http://hook"), Hook("gate", promotion, "http://hook")))
    story.memory.hooks.closed["gate"] = "Forbidden"
    story.memory.world.edit(color="blue")
    story.until_phase(Phase.WAITING_PROMOTION)
    story.memory.hooks.calls.clear()
    story.go_on(timedelta(minutes=5))
    assert {hook.name for _, hook in story.memory.hooks.calls} == {"gate"}


def test_p2_the_first_check_looks_at_a_full_interval_of_the_first_step(told: Tell) -> None:
    story = told()
    story.memory.world.start_up = timedelta(seconds=9)
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 20)
    began = story.memory.world.now
    story.go_on(until=lambda state: state.evidence.checks == 1)
    assert story.memory.world.now - began == timedelta(seconds=10)


def test_r9_a_pause_after_the_last_step_holds_promotion_back_too(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 40)
    story.say(Verb.PAUSE)
    story.go_on(timedelta(minutes=30))
    assert story.state.phase is Phase.PROGRESSING and story.weights()[-1] == 40
    story.say(Verb.RESUME)
    assert story.until_settled().rollout.outcome is Outcome.PROMOTED  # type: ignore[union-attr]


def test_r2_skip_analysis_that_is_switched_on_mid_run_promotes_without_another_step(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 20)
    story.memory.world.skip_analysis = True
    assert story.until_settled().rollout.outcome is Outcome.SKIPPED  # type: ignore[union-attr]
    assert story.weights() == [0, 20, 0]


def test_r9_a_pause_holds_promotion_back_although_analysis_is_skipped(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 20)
    story.say(Verb.PAUSE)
    story.memory.world.skip_analysis = True
    story.go_on(timedelta(minutes=5))
    assert story.state.phase is Phase.PROGRESSING
    story.say(Verb.RESUME)
    assert story.until_settled().rollout.outcome is Outcome.SKIPPED  # type: ignore[union-attr]


def test_r9_a_gate_is_given_up_at_its_deadline_and_not_at_the_next_point_of_the_grid(told: Tell) -> None:
    story = told(approvals=frozenset({HookType.CONFIRM_PROMOTION}), gate_deadline=timedelta(seconds=303))
    story.memory.world.edit(color="blue")
    story.until_phase(Phase.WAITING_PROMOTION)
    closed = story.memory.world.now
    story.go_on(until=lambda state: state.rollout is not None and state.rollout.outcome is Outcome.ABORTED)
    assert story.memory.world.now - closed == timedelta(seconds=303)


def test_sm8_a_change_taken_back_between_two_attempts_ends_as_succeeded_and_leaves_no_canary(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 20)
    story.memory.world.edit(color="green")
    while story.state.running is not None:
        run(reconcile(story.state.key, story.memory.outside))
    assert story.state.phase is Phase.PROGRESSING, "one attempt is over, the next has not begun"
    story.memory.world.edit(color="red")
    story.go_on(timedelta(minutes=1))
    assert story.state.phase is Phase.SUCCEEDED and story.state.running is None
    assert story.memory.world.copy("canary").total == 0


def test_sm27_putting_back_the_old_content_after_a_failed_promotion_sends_everybody_to_the_primary_again(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 40)
    story.memory.world.stuck.add(f"primary/{story.memory.world.revision().id}")
    story.until_settled()
    story.memory.world.edit(color="red")
    story.go_on(timedelta(minutes=1))
    assert story.weights()[-1] == 0 and story.memory.world.copy("canary").total == 0
    assert story.state.rollout is not None and story.state.rollout.number == 2, "it starts nothing"


def test_r12_an_old_primary_that_does_not_come_back_is_alerted_and_the_canary_goes_on_serving(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 40)
    story.memory.world.stuck.add(f"primary/{story.memory.world.revision().id}")
    story.until_settled()
    story.memory.world.stuck.add("primary")
    story.memory.world.kill("primary")
    story.memory.world.edit(color="green")
    story.go_on(timedelta(minutes=10))
    alerts = [telling.text for telling in story.memory.teller.heard if telling.kind is TellingKind.ALERT]
    assert alerts[-1].startswith("app-primary.test does not get ready with its last good revision")
    assert story.weights()[-1] == 100


def test_r8_an_undo_after_a_failed_promotion_takes_traffic_off_the_canary_only_for_a_primary_that_is_ready(told: Tell) -> None:
    story = told()
    first = story.state.promoted
    assert first is not None
    story.memory.world.edit(color="blue")
    story.until_settled()
    story.memory.world.edit(color="green")
    story.go_on(until=lambda state: story.weights()[-1] == 40)
    story.memory.world.stuck |= {f"primary/{story.memory.world.revision().id}", f"primary/{first.id}"}
    story.until_settled()
    assert story.say(Verb.UNDO) == "going back"
    story.go_on(timedelta(seconds=30))
    assert story.state.phase is Phase.PROMOTING and story.weights()[-1] == 100
    story.memory.world.stuck.clear()
    story.memory.world.kill("primary")
    assert story.until_settled().promoted == first and story.weights()[-1] == 0


def test_what_is_wrong_is_told_again_when_it_was_right_in_between(told: Tell) -> None:
    story = told()
    for _ in range(2):
        story.memory.world.problem = "configmap app-config not found"
        story.go_on(timedelta(minutes=1))
        story.memory.world.problem, story.memory.world.suspended = "", True
        story.go_on(timedelta(minutes=1))
        story.memory.world.suspended = False
        story.go_on(timedelta(minutes=1))
    assert story.said().count("configmap app-config not found") == 2
    assert story.said().count("skipping canary run as object is suspended") == 2


def test_p4_while_something_is_still_to_be_told_the_loop_looks_again_soon(told: Tell) -> None:
    story = told()
    story.memory.teller.silent = True
    story.memory.world.problem = "configmap app-config not found"
    wake = story.look()
    assert wake is not None and wake - story.memory.world.now <= timedelta(seconds=5)


def test_wl5_a_deadline_counts_from_the_last_progress(told: Tell) -> None:
    story = told()
    revision, now = story.memory.world.revision(), story.memory.world.now
    demand = Demand("app", revision, 100, timedelta(seconds=60), now)
    slow = Copy(revision.id, 2, 2, 2, 1, since=now + timedelta(seconds=30))
    assert not readiness(slow, demand, now + timedelta(seconds=89)).overdue
    assert readiness(slow, demand, now + timedelta(seconds=90)).overdue


def test_wl6_a_daemonset_past_its_deadline_is_told_in_flaggers_words(told: Tell) -> None:
    story = told()
    revision, now = story.memory.world.revision(), story.memory.world.now
    demand = Demand("app", revision, 100, timedelta(seconds=60), now)
    slow = Copy(revision.id, 2, 2, 2, 1, kind="DaemonSet")
    late = readiness(slow, demand, now + timedelta(seconds=60))
    assert (late.text, late.overdue) == ("exceeded its progressDeadlineSeconds: 60", True)
    names = Names("app.test", "app.test", "app-primary.test", "app", "DaemonSet")
    words = not_ready(names, late.text, primary=False, overdue=late.overdue).text
    assert words == "canary damonset app.test not ready with retryable false: exceeded its progressDeadlineSeconds: 60"
    waiting = readiness(slow, demand, now + timedelta(seconds=59))
    assert not_ready(names, waiting.text, primary=False).text.startswith(
        "canary damonset app.test not ready with retryable true: waiting for"
    )
