"""Thousands of numbered histories with crashes, lost answers, stale reads and two leaders: the laws hold in all (DESIGN §8)."""

from collections import Counter
from dataclasses import replace

import pytest

from trimtab.analysis.replay import Replay, replayed
from trimtab.model.facts import Routes
from trimtab.model.rollout import Answer, Exposure, Phase
from trimtab.rollout.watchwords import ACTOR
from trimtab.testing.deep import deeply
from trimtab.testing.simulation import WATCHED, LawBroken, Simulation, simulate

HISTORIES = 5000
CHUNK = 250
DEEP = 240


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


@pytest.mark.parametrize("first", range(0, DEEP, DEEP // 3))
def test_the_laws_hold_in_histories_that_come_far(first: int) -> None:
    records = Counter[Phase]()
    for seed in range(first, first + DEEP // 3):
        found = deeply(seed)
        assert not astray(found.simulation), f"seed {seed}: what was counted does not come to the verdict on record"
        records += found.phases
    late = (Phase.WAITING, Phase.WAITING_PROMOTION, Phase.PROMOTING, Phase.FINALISING)
    assert min(records[phase] for phase in late) >= 15, f"these histories show too little: {records}"


def test_a_history_that_comes_far_and_once_broke_a_law_holds() -> None:
    deeply(366)


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


def test_a_wish_that_is_obeyed_again_is_found() -> None:
    watch = Simulation(7).watch
    before = watch.memory.state
    after = replace(before, serial=before.serial + 1, handled=(Answer("w1", "paused", True),))
    watch.record(before, after)
    forgotten = replace(after, serial=after.serial + 1, handled=())
    watch.record(after, forgotten)
    with pytest.raises(LawBroken, match="R5: w1 was obeyed again"):
        watch.record(forgotten, replace(forgotten, serial=forgotten.serial + 1, handled=after.handled))
