"""What a person may have started again, what not, and what an approval opens."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from trimtab.faces.cli.tables import history_table
from trimtab.faces.views import entry_view
from trimtab.model.commands import Verb
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Analysis, HookType
from trimtab.model.rollout import Outcome, Phase
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
