"""Is the judge honest, and is it fast? A short form of benchmarks/judge, which has every scenario.

Seeds are fixed. Bounds leave room for what chance does to so few runs: a test fails where the rule is changed, not where luck is bad.
"""

import numpy as np
import pytest

from calibration import aftermath, latencies, rivals
from calibration.aftermath import Primary
from calibration.latencies import Latency, Shift
from calibration.plays import NEVER, RULES, Fault, Plan, known_of, play
from calibration.worlds import Geometric, World, quiet

pytestmark = pytest.mark.slow

EQUAL = {
    "clean": World(500, 0.001),
    "small share": World(50, 0.01),
    "clumps": World(500, 0.001, Geometric(10)),
    "incident": World(500, 0.001, incident=20),
    "noisy pods": World(500, 0.01, pod_noise=1, canary_pods=5),
    "missing scrapes": World(500, 0.001, missing=0.2),
    "resets": World(500, 0.001, resets=0.02),
}


@pytest.mark.parametrize("name", EQUAL)
def test_an_equal_canary_is_hardly_ever_rolled_back(name: str) -> None:
    world = EQUAL[name]
    known = known_of(world, RULES, 7, hours=2)
    for weight in (0.01, 0.5):
        ends = play(world, Plan(weight=weight, minutes=30), 400, 11, known)
        assert (ends.rollback < NEVER).sum() <= 3
        assert (ends.hold < NEVER).mean() <= 0.05


def test_a_quiet_history_and_one_pod_is_what_the_rule_cannot_do() -> None:
    """If this fails, the rule got better: say so in the cautions."""
    world = World(500, 0.001, Geometric(10))
    learned_on_a_quiet_night = known_of(quiet(world), RULES, 7, hours=2)
    ends = play(world, Plan(weight=0.5, minutes=30), 400, 12, learned_on_a_quiet_night)
    assert (ends.rollback < NEVER).mean() > 0.01


@pytest.mark.parametrize(("rps", "ratio", "held"), [(50, 5, 300), (500, 2, 315), (500, 5, 45), (500, 10, 30), (5000, 2, 45)])
def test_a_regression_is_found_nearly_as_fast_as_can_be(rps: float, ratio: int, held: float) -> None:
    world = World(rps, 0.001)
    ends = play(world, Plan(minutes=20), 500, 2000, known_of(world, RULES, 7, hours=2), Fault(ratio))
    both = rivals.series(world, 0.1, 500, 80, 2001, Fault(ratio))
    oracle = float(np.median(np.minimum(rivals.oracle(both, ratio), 10_000) * 15.0))
    median = float(np.median(ends.seconds("hold")))
    assert median <= (1.5 if ratio <= 5 else 2.5) * oracle + 15
    assert abs(median - held) <= max(15, 0.15 * held)


@pytest.mark.parametrize(("rps", "seconds"), [(500, 330), (5000, 150)])
def test_evidence_promotes_a_good_canary_soon_and_a_doubling_hardly_ever(rps: float, seconds: float) -> None:
    world = World(rps, 0.001, canary_pods=5)
    known = known_of(world, RULES, 8, hours=2)
    healthy = play(world, Plan("evidence"), 300, 4000, known)
    assert float(np.median(healthy.seconds("promoted"))) == pytest.approx(seconds, abs=30)
    for step in (0, 3, 4):
        doubled = play(world, Plan("evidence"), 500, 4001 + step, known, Fault(2, step=step))
        assert (doubled.promoted < NEVER).mean() <= 0.05


def test_a_bake_time_finds_what_begins_in_the_middle_of_the_last_step() -> None:
    world = World(5000, 0.001, canary_pods=5)
    known, late = known_of(world, RULES, 9, hours=2), Fault(2, step=4, scrapes_in=4)
    without, baked = (play(world, Plan("evidence", bake=bake), 200, 4005, known, late) for bake in (0, 20))
    assert (without.promoted < NEVER).mean() > 0.9
    assert (baked.promoted < NEVER).mean() < 0.05


def test_a_slower_canary_is_found_and_an_equal_one_goes_on() -> None:
    world = Latency(500, 0.03)
    about = latencies.learned(world, 99, hours=1)
    equal = latencies.play(world, 0.1, 20, 200, 5, about)
    assert (equal.rollback < NEVER).sum() == 0
    assert float(np.median(equal.seconds("promoted"))) <= 60
    quarter = latencies.play(world, 0.1, 10, 200, 5, about, Shift(0.25))
    assert float(np.median(quarter.seconds("hold"))) <= 60
    assert float(np.median(quarter.seconds("rollback"))) <= 135
    assert (quarter.promoted < NEVER).sum() == 0


def test_thresholds_and_a_rank_test_are_slower_or_blind() -> None:
    doubled = rivals.series(World(500, 0.001), 0.1, 300, 80, 3, Fault(2))
    assert (rivals.thresholds(doubled) < NEVER).sum() == 0
    tenfold = rivals.series(World(500, 0.001), 0.1, 300, 80, 3, Fault(50))
    assert float(np.median(rivals.thresholds(tenfold))) * 15 == 360
    assert float(np.median(rivals.rank_test(tenfold))) * 15 == 300


def test_five_requests_a_minute_show_a_canary_that_fails_them_all() -> None:
    world = World(5 / 60 / 0.5, 0.01)
    ends = play(world, Plan(weight=0.5, minutes=60), 300, 77, known_of(world, RULES, 84), Fault(100))
    assert (ends.rollback < NEVER).mean() > 0.95


def test_after_promotion_a_calm_primary_is_left_alone_and_a_broken_one_is_found_in_minutes() -> None:
    for pods in (3, 100):
        assert np.isfinite(aftermath.play(Primary(pods), 300, 5)).mean() <= 0.01
    for broken in (Primary(crashing=0.5), Primary(unready=0.5), Primary(failing=0.02)):
        assert np.max(aftermath.play(broken, 20, 6)) <= 240
