"""What a person may have started again, what not, and what an approval opens."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from trimtab.faces.cli.tables import history_table
from trimtab.faces.views import entry_view
from trimtab.model.commands import Command, Verb
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Analysis, HookType
from trimtab.model.rollout import Outcome, Phase
from trimtab.rollout.wishes import DONE
from trimtab.testing.memory import Memory
from trimtab.testing.policies import BASE, SUCCESS
from trimtab.testing.story import Story
from trimtab.testing.world import World

Tell = Callable[..., Story]


def test_s5_refused_content_is_refused_again_when_someone_says_retry(told: Tell) -> None:
    story = told()
    world = story.memory.world
    world.edit(**{"settings.yaml": "pool: 10"})
    story.until_settled()
    world.edit(**{"settings.yaml": "pool: [10"})
    story.go_on()
    assert story.state.rollout is not None and story.state.rollout.outcome is Outcome.REFUSED
    started = len(world.pods)
    assert story.say(Verb.RETRY) == "trying again"
    state = story.until_settled()
    assert state.rollout is not None and (state.rollout.number, state.rollout.outcome) == (4, Outcome.REFUSED)
    assert "content/parses" in state.rollout.why
    assert (len(world.pods), story.weights()[-1]) == (started, 0)


def test_a_retried_change_says_what_changed(told: Tell) -> None:
    story = told()
    story.turn_bad()
    story.memory.world.edit(color="bad")
    story.until_settled()
    story.say(Verb.RETRY)
    state = story.until_settled()
    assert state.rollout is not None and (state.rollout.number, state.rollout.changes) == (3, ("color: red -> bad",))


def test_a_person_who_approved_the_promotion_of_a_blue_green_rollout_is_asked_once(told: Tell) -> None:
    story = told(weights=(), iterations=2, approvals=frozenset({HookType.CONFIRM_PROMOTION}))
    story.memory.world.edit(color="blue")
    story.until_phase(Phase.WAITING_PROMOTION)
    assert story.say(Verb.APPROVE) == "approved"
    state = story.until_settled()
    assert state.rollout is not None and state.rollout.outcome is Outcome.PROMOTED
    assert story.phases().count(Phase.WAITING_PROMOTION) == 1


def test_approval_of_one_step_does_not_open_the_next(told: Tell) -> None:
    story = told(approvals=frozenset({HookType.CONFIRM_TRAFFIC_INCREASE}))
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: state.running is not None and state.running.gate is not None)
    assert story.say(Verb.APPROVE) == "approved"
    story.go_on(until=lambda state: state.running is not None and state.running.gate is not None)
    assert story.state.running is not None and story.state.running.position == 1


def test_a_machine_that_starts_anew_is_no_failed_check_of_the_canary(told: Tell) -> None:
    story = told(analysis=Analysis((SUCCESS,), 1))
    world = story.memory.world
    world.edit(color="blue")
    story.go_on(until=lambda state: state.running is not None and state.running.position == 1)
    assert story.state.due is not None
    world.now = story.state.due
    for copy in ("primary", "canary"):
        world.kill(copy)
    state = story.until_settled()
    assert state.rollout is not None and (state.rollout.outcome, state.evidence.failed_checks) == (Outcome.PROMOTED, 0)


def test_quirk25_a_canary_that_is_not_ready_beside_a_primary_that_is_has_failed_a_check(told: Tell) -> None:
    story = told(analysis=Analysis((SUCCESS,), 1))
    world = story.memory.world
    world.edit(color="blue")
    story.go_on(until=lambda state: state.running is not None and state.running.position == 1)
    assert story.state.due is not None
    world.now = story.state.due
    world.kill("canary")
    state = story.until_settled()
    assert state.rollout is not None and state.rollout.outcome is Outcome.ROLLED_BACK


def test_an_undo_is_told_as_what_it_does_and_as_whose_it_is(told: Tell) -> None:
    story = told()
    first = story.state.promoted
    story.memory.world.edit(color="blue")
    story.until_settled()
    story.say(Verb.UNDO)
    state = story.until_settled()
    assert first is not None and state.rollout is not None and state.rollout.outcome is Outcome.UNDONE
    assert (state.rollout.origin.author, state.rollout.actor) == ("", "ann")
    assert state.rollout.changes == (f"back to revision {first.id}",)
    assert history_table([state]).splitlines()[1].endswith(f"  ann     back to revision {first.id}")


def test_quirk20_a_canary_that_is_invalid_from_the_start_says_so_once_and_begins_when_it_is_put_right() -> None:
    story = Story(Memory(World(CanaryKey("test", "app"), BASE)))
    world = story.memory.world
    world.policy_problem = "spec.analysis.stepWeight must be at least 1. Write a whole percentage"
    story.go_on(timedelta(hours=1))
    assert story.said() == [world.policy_problem]
    assert (story.state.rollout, world.pods, story.weights()) == (None, [], [])
    world.policy_problem = ""
    assert story.until_settled().phase is Phase.INITIALIZED


@pytest.mark.parametrize(("verified", "says"), [(True, "ann says pause"), (False, "ann (unverified) says pause"), (None, "ann says pause")])
def test_whose_wish_it_was_is_on_record_with_whether_that_is_certain(told: Tell, verified: bool | None, says: str) -> None:
    story = told()
    story.say(Verb.PAUSE, verified=verified)
    (entry,) = [entry for entry in story.memory.store.entries[story.state.key] if entry.reason == "Pause"]
    assert (entry.actor, entry.verified) == ("ann", verified) and entry.text.startswith(says)
    assert entry_view(entry).verified is verified


def test_an_uncertain_actor_is_said_to_be_so_wherever_the_name_stands(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    assert story.go_on(until=lambda state: state.phase is Phase.PROGRESSING)
    story.say(Verb.PAUSE, verified=False)
    assert story.state.rollout is not None and story.state.rollout.paused is not None
    assert story.state.rollout.paused.actor == "ann (unverified)"
    story.say(Verb.ABORT, verified=False)
    state = story.until_settled()
    assert state.rollout is not None and state.rollout.actor == "ann (unverified)"
    assert any("aborted by ann (unverified)" in text for text in story.said())


@pytest.mark.parametrize("first", [Verb.UNDO, Verb.ABORT])
def test_two_people_who_go_back_from_a_rollout_that_waits_go_back_from_no_more_than_that(told: Tell, first: Verb) -> None:
    story = told(approvals=frozenset({HookType.CONFIRM_ROLLOUT}))
    memory = story.memory
    world = memory.world
    world.edit(color="green")
    story.until_phase(Phase.WAITING)
    story.say(Verb.APPROVE)
    story.until_phase(Phase.SUCCEEDED)
    green = world.revision()
    world.edit(color="blue")
    story.until_phase(Phase.WAITING)
    for number, verb in enumerate((first, Verb.UNDO)):
        memory.store.wish(world.key, Command(f"w{number}", verb, "ann", "", world.now, 3))
    world.now += timedelta(seconds=1)
    story.go_on()
    answers = [memory.store.reply(world.key, f"w{number}") for number in range(2)]
    assert [answer and answer.text for answer in answers] == [
        DONE[first], "too late: rollout 3 has ended as Aborted since; nothing was changed",
    ]  # fmt: skip
    assert (story.state.phase, story.state.promoted) == (Phase.FAILED, green)
    assert story.say(Verb.UNDO) == "going back"


def test_what_was_wished_together_with_the_end_of_an_attempt_is_not_lost(told: Tell) -> None:
    story = told(approvals=frozenset({HookType.CONFIRM_ROLLOUT}))
    memory = story.memory
    memory.world.edit(color="blue")
    story.until_phase(Phase.WAITING)
    for number, verb in enumerate((Verb.ABORT, Verb.RETRY, Verb.PAUSE)):
        memory.store.wish(memory.world.key, Command(f"w{number}", verb, "ann", "", memory.world.now, 2))
    story.go_on()
    answers = [memory.store.reply(memory.world.key, f"w{number}") for number in range(3)]
    assert [answer is not None and answer.done for answer in answers] == [True, True, False]
    assert story.state.rollout is not None and (story.state.rollout.number, story.state.phase) == (3, Phase.WAITING)
