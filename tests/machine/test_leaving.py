"""A Canary that is deleted and has to put everything back first (DEL-2, QUIRK-8)."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from trimtab.control.reconcile import reconcile
from trimtab.model.commands import Verb
from trimtab.model.policy import Analysis
from trimtab.model.rollout import CanaryState, Leaving, Outcome, Phase
from trimtab.rollout.exposure import wanted
from trimtab.testing.memory import run
from trimtab.testing.policies import SUCCESS
from trimtab.testing.story import Story

Tell = Callable[..., Story]


def gone(state: CanaryState) -> bool:
    return state.leaving is Leaving.GONE and not state.to_tell


def leave(story: Story) -> list[str]:
    """Deletes the Canary; what was said from then on."""
    before = len(story.said())
    story.memory.world.leaving = True
    assert story.go_on(timedelta(minutes=5), gone), story.state
    return story.said()[before:]


def stages(story: Story) -> Iterator[Leaving]:
    last = Leaving.NO
    for state in story.states:
        if state.leaving is not last:
            last = state.leaving
            yield last


def check_given_back(story: Story) -> None:
    """The target runs what the source holds, ready, nothing leads traffic, and the primary was left as it was."""
    world = story.memory.world
    assert world.routes is None
    canary = world.copy("canary")
    assert canary.revision == world.revision().id and canary.available == canary.desired > 0
    assert world.copy("primary").available


def test_a_settled_canary_gives_pods_back_before_traffic_and_goes_when_everybody_was_told(told: Tell) -> None:
    story = told()
    assert leave(story) == ["Terminating canary app.test", "Terminated canary app.test"]
    assert list(stages(story)) == [Leaving.TO_TARGET, Leaving.GIVING_BACK, Leaving.GONE]
    assert story.phases()[-1] is Phase.TERMINATING
    check_given_back(story)


def test_in_the_middle_of_a_run_traffic_goes_to_the_primary_first_and_the_run_ends_as_aborted(told: Tell) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: state.running is not None and wanted(state).weight == 20)
    leave(story)
    assert story.weights()[-2:] == [20, 0]
    assert story.state.rollout is not None and story.state.rollout.outcome is Outcome.ABORTED
    check_given_back(story)


def test_a_target_that_does_not_get_ready_gets_no_traffic_and_that_is_told(told: Tell) -> None:
    story = told()
    world = story.memory.world
    world.stuck.add("canary")
    world.leaving = True
    story.go_on(timedelta(hours=1))
    assert story.state.leaving is Leaving.TO_TARGET and world.routes is not None
    assert any("Terminating canary app.test waits" in text and "revertOnDeletion" in text for text in story.said())
    world.stuck.clear()
    world.kill("canary")
    assert story.go_on(timedelta(minutes=5), gone)
    check_given_back(story)


@pytest.mark.parametrize("ready", [True, False])
def test_a_canary_that_alone_serves_keeps_its_requests_until_they_are_given_back(told: Tell, ready: bool) -> None:
    story = told()
    world = story.memory.world
    world.edit(color="blue")
    story.go_on(until=lambda state: state.running is not None and wanted(state).weight == 20)
    if not ready:
        world.stuck.add("primary")
        world.kill("primary")
    world.leaving = True
    story.go_on(timedelta(minutes=5), gone)
    weights = story.weights()
    assert (weights[-1] == 0) if ready else (weights[-1] == 100), weights


def test_a_canary_that_is_on_its_way_back_gets_no_requests_again_when_it_is_deleted(told: Tell) -> None:
    story = told(analysis=Analysis((SUCCESS,), 1))
    world = story.memory.world
    world.edit(color="blue")
    story.go_on(until=lambda state: state.running is not None and wanted(state).weight == 20)
    story.turn_bad()
    while story.state.running is None or story.state.running.outcome is None:
        world.now += timedelta(seconds=1)
        run(reconcile(world.key, story.memory.outside))
    world.stuck.add("primary")
    world.kill("primary")
    assert world.copy("canary").available and not world.copy("primary").available
    leave(story)
    assert story.weights()[-2:] == [20, 0]
    assert story.state.rollout is not None and story.state.rollout.outcome is Outcome.ROLLED_BACK


def test_a_suspended_canary_leaves_too(told: Tell) -> None:
    story = told()
    story.memory.world.suspended = True
    story.look()
    assert leave(story) == ["Terminating canary app.test", "Terminated canary app.test"]
    check_given_back(story)


def test_where_no_primary_ever_served_nothing_is_put_back(told: Tell) -> None:
    story = told()
    story.memory.forget_record()
    world = story.memory.world
    world.routes, world.pods, world.desired = None, [], {}
    world.stuck.add("primary")
    world.serials.clear()
    story.look()
    assert story.state.phase is Phase.INITIALIZING
    leave(story)
    assert world.routes is None and "canary" not in world.desired


def test_a_new_change_or_a_wish_starts_nothing_any_more(told: Tell) -> None:
    story = told()
    world = story.memory.world
    world.leaving = True
    world.stuck.add("canary")
    story.look()
    world.edit(color="blue")
    assert story.say(Verb.RETRY).startswith("too late: Canary app.test is being deleted")
    story.go_on(timedelta(minutes=1))
    assert story.state.phase is Phase.TERMINATING and story.state.running is None


def test_receivers_that_are_away_do_not_keep_it_for_long(told: Tell) -> None:
    story = told()
    story.memory.teller.silent = True
    story.memory.world.leaving = True
    assert story.go_on(timedelta(minutes=1), gone)
    entries = story.memory.store.entries[story.memory.world.key]
    assert any("Terminated canary app.test" in entry.text and "its Canary was deleted" in entry.text for entry in entries)


@pytest.mark.parametrize("stage", [stage for stage in Leaving if stage is not Leaving.NO])
def test_a_record_of_any_stage_goes_on_where_it_was_before_anything_was_done_for_it(told: Tell, stage: Leaving) -> None:
    story = told()
    world = story.memory.world
    world.edit(color="blue")
    story.go_on(until=lambda state: state.running is not None and wanted(state).weight == 20)
    world.leaving = True
    kept = []
    story.memory.store.on_replace = lambda before, after: kept.append((after, world.routes, dict(world.desired)))
    assert story.go_on(timedelta(minutes=5), gone)
    recorded, world.routes, world.desired = next(found for found in kept if found[0].leaving is stage)
    story.memory.store.records[world.key] = recorded
    world.serials.clear()
    assert story.go_on(timedelta(minutes=5), gone)
    check_given_back(story)
