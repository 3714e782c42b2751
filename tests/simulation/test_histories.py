"""Thousands of numbered histories with crashes, lost answers, stale reads and two leaders: the laws hold in all (DESIGN §8)."""

import pytest

from trimtab.testing.simulation import LawBroken, Simulation, simulate

HISTORIES = 5000
CHUNK = 250


@pytest.mark.parametrize("first", range(0, HISTORIES, CHUNK))
def test_the_laws_hold_in_every_history(first: int) -> None:
    for seed in range(first, first + CHUNK):
        simulate(seed)


@pytest.mark.parametrize("seed", [1, 1393, 2928, 3602, 708])
def test_histories_that_once_broke_a_law_hold_without_faults_too(seed: int) -> None:
    Simulation(seed, faults=0.0).run()


def test_a_history_can_be_run_again_from_its_number() -> None:
    assert simulate(42).log == simulate(42).log


def test_a_broken_law_is_found_and_says_its_seed() -> None:
    simulation = Simulation(7)
    simulation.weights = dict.fromkeys(range(10000), -1)
    simulation.memory.store.on_replace = lambda before, after: None
    with pytest.raises(LawBroken, match="seed 7"):
        simulation.run()
