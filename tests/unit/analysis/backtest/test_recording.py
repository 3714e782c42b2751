"""Recordings, windows in them, and pods of the primary that play the canary."""

from dataclasses import replace

import numpy as np
import pytest

from trimtab.analysis.backtest.placebo import Regression, draw, natural, slowed, thinned, weighted, worsened
from trimtab.analysis.backtest.recording import Recorded, Recording, Windows, recorded, windows
from trimtab.analysis.increments import Binned
from trimtab.errors import InputError
from trimtab.model.scrapes import Arm

EVERY = 15.0
FIRST = 100_000_000


def made(scrapes: int = 400, pods: int = 6, requests: int = 100, errors: float = 0.01, seed: int = 1) -> Recording:
    chance = np.random.default_rng(seed)
    total = chance.poisson(requests, (scrapes, 1, pods)).astype(float)
    bad = chance.binomial(total.astype(int), errors).astype(float)
    ends = (FIRST + np.arange(scrapes)) * EVERY
    names = tuple(f"p{place}" for place in range(pods))
    values = np.stack((total - bad, bad), axis=-1)[:, 0]
    return Recording((Recorded("errors", values),), EVERY, ends, names, np.ones((scrapes, pods), dtype=bool))


def binned(values: list[list[list[float]]], seen: list[list[bool]], pods: tuple[tuple[Arm, str], ...], first: int = FIRST) -> Binned:
    return Binned(EVERY, first, pods, np.asarray(values, dtype=float), np.asarray(seen))


BOTH = ((Arm.CANARY, "c"), (Arm.PRIMARY, "p"))


def test_only_the_primary_is_replayed_and_what_was_missed_is_in_the_next_scrape() -> None:
    values = [[[1, 9], [0, 10]], [[0, 0], [0, 0]], [[0, 8], [2, 20]]]
    found = recorded({"errors": binned(values, [[True, True], [True, False], [True, True]], BOTH)})
    assert found.pods == ("p",)
    assert found.metrics[0].values[:, 0].tolist() == [[10, 0], [18, 2]]
    assert (found.ends / EVERY - FIRST).tolist() == [0, 2]


def test_metrics_are_replayed_where_all_of_them_were_seen() -> None:
    one = binned([[[0, 10]], [[1, 11]]], [[True], [True]], BOTH[1:])
    late = binned([[[2, 12]], [[3, 13]]], [[True], [True]], BOTH[1:], FIRST + 1)
    found = recorded({"errors": one, "slow": late})
    assert [metric.values[:, 0].tolist() for metric in found.metrics] == [[[10, 1]], [[10, 2]]]
    with pytest.raises(InputError, match="different intervals"):
        recorded({"errors": one, "slow": replace(late, interval=30.0)})


def test_a_recording_without_a_primary_is_refused() -> None:
    with pytest.raises(InputError, match="no pod of the primary"):
        recorded({"errors": binned([[[0, 10]]], [[True]], BOTH[:1])})
    with pytest.raises(InputError, match="nothing was recorded"):
        recorded({})


def test_windows_do_not_overlap_and_each_has_its_history_before_it() -> None:
    found = windows(made(), 600, 1200)
    assert found.starts == tuple(range(80, 361, 40)) and (found.scrapes, found.history) == (40, 80)


def test_windows_with_holes_are_left_out() -> None:
    recording = made()
    ends = recording.ends.copy()
    ends[130:] += 20 * EVERY
    assert 120 not in windows(replace(recording, ends=ends), 600, 1200).starts


def test_a_recording_that_is_too_short_says_how_much_is_needed() -> None:
    with pytest.raises(InputError, match=r"100 min in 400 complete scrapes were recorded.*needs 4 h 10 min without holes"):
        windows(made(), 600, 4 * 3600)


def test_the_canarys_pods_are_drawn_from_those_that_were_there_all_the_time() -> None:
    recording = made()
    seen = recording.seen.copy()
    seen[:, 0] = False
    found = windows(replace(recording, seen=seen), 600, 1200)
    trials = draw(found, 2, 200, np.random.default_rng(1))
    canaries = trials.order[:, :2]
    assert set(np.unique(canaries)) == {1, 2, 3, 4, 5}
    assert np.all(canaries[:, 0] != canaries[:, 1]) and np.all(np.sum(trials.part, axis=-1) == 5)
    assert set(np.bincount(trials.window)) == {25}


def test_as_many_pods_as_play_the_canary_must_be_left_over() -> None:
    with pytest.raises(InputError, match="at most 6 pods of the primary were there at once; 6 of them cannot play the canary"):
        draw(windows(made(), 600, 1200), 6, 10, np.random.default_rng(1))


def arms(found: Windows, canaries: int, weight: float, trials: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    drawn = draw(found, canaries, trials, np.random.default_rng(2))
    starts = np.asarray(found.starts)[drawn.window]
    pair = natural(found.recording.metrics[0], starts, drawn, 8)
    return *weighted(pair, drawn, np.full(trials, weight), np.random.default_rng(3)), np.sum(pair, axis=(0, 2))


@pytest.mark.parametrize("weight", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("pods", [1, 6])
def test_the_canary_gets_the_share_of_requests_that_the_weight_would_have_given_it(weight: float, pods: int) -> None:
    canary, primary, before = arms(windows(made(pods=pods), 600, 1200), 1, weight)
    share = np.sum(canary) / np.sum(canary + primary)
    assert share == pytest.approx(weight, rel=0.1)
    assert np.all(canary >= 0) and np.all(primary >= 0)
    assert np.all(np.sum(canary + primary, axis=1) <= before)


def test_thinning_keeps_the_share_of_bad_requests() -> None:
    values = np.full((2000, 2, 2), (950.0, 50.0))
    found = thinned(values, np.full(2000, 0.1), np.random.default_rng(1))
    assert np.sum(found[..., 1]) / np.sum(found) == pytest.approx(0.05, rel=0.02)
    assert thinned(values, np.ones(2000), np.random.default_rng(1)) is values


COUNTED = Recorded("errors", np.full((1, 1, 2), (990.0, 10.0)))
TIMED = Recorded("latency", np.full((1, 1, 3), (900.0, 90.0, 10.0)), 2, (0.1, 0.5), 0.5)


def turned(metric: Recorded, regression: Regression, which: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    canary = np.repeat(metric.values, 400, axis=0).repeat(2, axis=1)
    return worsened(canary, np.arange(400) < 400 * which, metric, regression, np.random.default_rng(1))


def test_a_regression_makes_good_requests_bad_and_says_how_many() -> None:
    found, added = turned(COUNTED, Regression("3x", ratio=3.0), 0.5)
    assert np.array_equal(np.sum(found[..., 1], axis=-1), 20 + added) and np.all(np.sum(found, axis=(1, 2)) == 2000)
    assert np.mean(added[:200]) == pytest.approx(2 * 20, rel=0.1) and np.all(added[200:] == 0)
    assert np.mean(turned(COUNTED, Regression("5%", share=0.05))[1]) == pytest.approx(100, rel=0.05)


def test_a_bad_node_is_one_pod_of_the_canary() -> None:
    found, added = turned(COUNTED, Regression("5%@pod", share=0.05, one_pod=True))
    assert np.all(found[:, 1] == COUNTED.values[0, 0]) and np.mean(added) == pytest.approx(50, rel=0.05)


def test_slower_requests_move_to_later_buckets_and_those_beyond_the_objective_are_bad() -> None:
    found, added = turned(TIMED, Regression("+25%", "latency", slower=0.25))
    assert np.all(np.sum(found, axis=(1, 2)) == 2000) and np.all(np.sum(found[..., 2], axis=-1) == 20 + added)
    # In logarithms the middle bucket is ln 5 wide, the first ln 2, and all move by ln 1.25.
    assert np.mean(added) == pytest.approx(180 * np.log(1.25) / np.log(5), rel=0.05)
    assert np.mean(found[..., 0]) == pytest.approx(900 * (1 - np.log(1.25) / np.log(2)), rel=0.02)
    far = slowed(np.asarray([[7, 2, 1]]), (0.1, 0.5), 100.0, np.random.default_rng(1))
    assert far.tolist() == [[0, 0, 10]]


def test_three_times_as_many_slow_requests_land_above_the_objective() -> None:
    found, added = turned(TIMED, Regression("latency:3x", "latency", ratio=3.0))
    assert np.mean(added) == pytest.approx(2 * 20, rel=0.1) and np.all(np.sum(found[..., 2], axis=-1) == 20 + added)


def test_requests_slower_than_the_objective_are_bad_ones() -> None:
    histogram = Binned(EVERY, FIRST, BOTH[1:], np.asarray([[[5.0, 3.0, 2.0]]]), np.ones((1, 1), dtype=bool), (0.1, 0.5))
    assert [recorded({"latency": histogram}, objective).metrics[0].bad_from for objective in (0.1, 0.2, 0.5)] == [1, 2, 2]
    with pytest.raises(InputError, match=r"no bucket of the histogram ends at 2 s or above; its bounds in seconds are: 0\.1, 0\.5"):
        recorded({"latency": histogram}, 2)
