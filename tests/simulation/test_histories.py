"""Thousands of numbered histories with crashes, lost answers, stale reads and two leaders: the laws hold in all (DESIGN §8)."""

from collections import Counter

import pytest

from trimtab.analysis.replay import Replay, replayed
from trimtab.model.facts import Routes
from trimtab.model.rollout import Exposure
from trimtab.rollout.watchwords import ACTOR
from trimtab.testing.simulation import WATCHED, LawBroken, Simulation, simulate

HISTORIES = 5000
CHUNK = 250


@pytest.mark.parametrize("first", range(0, HISTORIES, CHUNK))
def test_the_laws_hold_in_every_history(first: int) -> None:
    for seed in range(first, first + CHUNK):
        found = simulate(seed)
        assert not astray(found), f"seed {seed}: what was counted does not come to the verdict on record"


@pytest.mark.parametrize("first", range(1, 601, 200))
def test_the_laws_hold_while_promoted_primaries_are_watched(first: int) -> None:
    ends = Counter[str]()
    for seed in range(first, first + 200, WATCHED):
        history = Simulation(seed)
        history.run(moves=1500)
        runs = [state.rollout for state in history.memory.store.attempts.values() if state.rollout is not None]
        for watch in (run.watch for run in runs if run.watch is not None):
            ends["broken" if watch.broken else "left off" if watch.stopped else "whole"] += 1
        ends["gone back"] += sum(run.actor == ACTOR for run in runs)
    assert all(ends[end] for end in ("broken", "left off", "whole", "gone back")), f"these histories show too little: {ends}"


def astray(simulation: Simulation) -> list[Replay]:
    """Verdicts that the counts stored with their attempt do not come to, whoever crashed on the way."""
    store, found = simulation.memory.store, list[Replay]()
    for (key, number), state in store.attempts.items():
        rules = state.rollout.policy.analysis.judge if state.rollout is not None else None
        if rules is not None and state.evidence.ruling is not None:
            found.append(replayed(state.evidence, store.looks[key, number], rules))
    return [replay for replay in found if not replay.same]


@pytest.mark.parametrize("seed", [1, 1393, 2928, 3602, 708])
def test_histories_that_once_broke_a_law_hold_without_faults_too(seed: int) -> None:
    Simulation(seed, faults=0.0).run()


@pytest.mark.parametrize("seed", [21010, 23228, 32326])
def test_histories_beyond_the_first_that_once_broke_a_law_hold(seed: int) -> None:
    simulate(seed)


def test_a_history_can_be_run_again_from_its_number() -> None:
    assert simulate(42).log == simulate(42).log


def test_a_broken_law_is_found_and_says_its_seed() -> None:
    simulation = Simulation(7)
    simulation.memory.store.on_replace = lambda before, after: None
    with pytest.raises(LawBroken, match="seed 7"):
        simulation.run()


def test_a_pod_that_runs_what_no_pod_may_see_is_found() -> None:
    simulation = Simulation(7)
    world = simulation.memory.world
    simulation.trouble.unreadable()
    world.set_pods(Exposure(world.revision()), 1)
    with pytest.raises(LawBroken, match="S5"):
        simulation.watch.world()


def test_requests_where_no_record_wants_them_are_found_unless_somebody_else_sent_them() -> None:
    simulation = Simulation(7)
    world = simulation.memory.world
    world.routes = Routes(0)
    simulation.trouble.drift()
    simulation.watch.world()
    world.routes = Routes(30)
    with pytest.raises(LawBroken, match="S1"):
        simulation.watch.world()
