"""Calibration, closure over metrics, groups of pods, the record's form, forecasts (judge.md 4, 5, 7)."""

from dataclasses import replace
from datetime import timedelta
from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from trimtab.analysis import forecast, ledger, noise
from trimtab.analysis.calibration import calibrate, dispersion
from trimtab.analysis.evidence import begin, update
from trimtab.analysis.grouping import dealt, leavable
from trimtab.analysis.layout import layout
from trimtab.analysis.noise import crowding, still, uneven, worth
from trimtab.analysis.odds import implicated
from trimtab.analysis.packing import blank, leaves, packed, rebuilt, unpacked
from trimtab.analysis.verdicts import decide
from trimtab.documents.records import from_text, to_text
from trimtab.errors import SafetyError
from trimtab.model.evidence import Calibration, JudgeEvidence, MetricCalibration, Noise
from trimtab.model.judging import Clumps, Constants, JudgeRules, JudgeStep, Measured, MetricRule, Role
from trimtab.model.ruling import JudgeDecision
from unit.analysis.judging import BEGAN, SCRAPE, bucketed, counted

RULES = JudgeRules(metrics=(MetricRule("errors"),))
CONSTANTS = Constants()


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 1000)), min_size=2, max_size=8))
@settings(max_examples=50, deadline=None)
def test_unevenness_is_pearsons(pods: list[tuple[int, int]]) -> None:
    bad, total = np.asarray(pods, dtype=float).T
    chi, freedom = uneven(np.asarray(pods, dtype=float), scores=False)
    if bad.sum() == 0:
        assert (chi, freedom) == (0, 0)
        return
    assert chi == pytest.approx(chisquare(bad, bad.sum() * total / total.sum()).statistic)
    assert freedom == len(pods) - 1


def test_two_blocks_of_one_pod_are_compared_as_two_pods_would_be() -> None:
    values = np.asarray([[[3.0, 1000.0]], [[9.0, 1000.0]]])
    single, _ = dispersion(values, False, Clumps.PODS, replace(CONSTANTS, history_strength=1e-9))
    assert single == pytest.approx((3 - 9) ** 2 / (3 + 9))


def test_a_history_of_few_errors_is_believed_little() -> None:
    few, many = np.zeros((2, 960, 10, 2))
    few[..., 1], many[..., 1] = 100.0, 100.0
    few[100, 3, 0] = 2.0
    many[::10, 3, 0] = 2.0
    (single, _), (same, _) = (dispersion(values, False, Clumps.PODS, CONSTANTS) for values in (few, many))
    assert 1.0 < single < 1.3
    assert same > 1.8


@given(st.lists(st.floats(0, 400), min_size=3, max_size=3), st.floats(1, 20), st.floats(1, 20))
@settings(max_examples=100, deadline=None)
def test_noise_that_is_seen_during_a_rollout_never_makes_counts_worth_more(chi: list[float], load: float, rate: float) -> None:
    calm = still((), 8, CONSTANTS)
    seen = replace(calm, chi=np.asarray(chi), freedom=np.asarray([40.0, 40.0, 40.0]))
    history = np.asarray(1.05), np.asarray(1.4)
    before, after = (worth(state, history, (np.asarray(load), np.asarray(rate), np.asarray(1.0)), CONSTANTS) for state in (calm, seen))
    assert after.divisor >= before.divisor - 1e-12
    assert after.divisor_promote >= before.divisor_promote - 1e-12


def test_a_canary_pod_that_gets_more_than_pods_which_could_show_no_clumps_is_taken_to_have_larger_ones() -> None:
    load, usual = np.asarray([5.0, 5.0, 0.5, 5.0]), np.asarray([2.0, 20.0, 2.0, 0.0])
    assert crowding(load, usual, CONSTANTS).tolist() == pytest.approx([1 + 4 * 0.9, 1, 1, 1])
    grown = np.asarray(1.0), np.asarray(1.0), np.asarray(4.6)
    clumpy, clean = (worth(still((), 8, CONSTANTS), (np.asarray(single),) * 2, grown, CONSTANTS) for single in (2.5, 1.05))
    assert (clumpy.divisor_promote, clean.divisor_promote) == (pytest.approx(1 + 1.4 * 4.6), 1.0)


def test_independent_errors_have_a_noise_of_one_and_clumps_of_ten_one_of_ten() -> None:
    chance = np.random.default_rng(1)
    for size, wanted in ((1, 1.0), (10, 10.0)):
        clumps = chance.poisson(2.0, (8, 960, 10))
        values = np.stack((clumps * float(size), np.full(clumps.shape, 2000.0)), axis=-1)
        single, lasting = dispersion(values, False, Clumps.PODS, CONSTANTS)
        assert single.mean() == pytest.approx(wanted, rel=0.05)
        assert lasting.mean() == pytest.approx(wanted, rel=0.15)


def test_clumps_over_all_pods_of_an_arm_show_in_time_only() -> None:
    chance = np.random.default_rng(2)
    shared = chance.poisson(1.0, (960, 1)) * 10
    bad = np.stack([chance.multinomial(each[0], np.full(10, 0.1)) for each in shared])
    values = np.stack((bad, np.full(bad.shape, 2000)), axis=-1).astype(float)
    by_pod, _ = dispersion(values, False, Clumps.PODS, CONSTANTS)
    in_time, _ = dispersion(values, False, Clumps.TIME, CONSTANTS)
    assert by_pod < 1.2
    assert in_time > 7


def test_an_incident_that_all_pods_share_is_no_noise() -> None:
    chance = np.random.default_rng(3)
    level = np.where(np.arange(960) % 100 < 8, 20.0, 1.0)[:, None]
    values = np.stack((chance.poisson(2.0 * level, (960, 10)), np.full((960, 10), 2000)), axis=-1).astype(float)
    _, lasting = dispersion(values, False, Clumps.PODS, CONSTANTS)
    assert lasting < 1.5


def test_calibration_holds_base_rate_load_pods_and_window() -> None:
    scrapes = [counted(place, [(900, 1000)], [(1, 1000), (3, 1000)]) for place in range(240)]
    (known,) = calibrate(scrapes[::-1], RULES).metrics
    assert (known.noise.bad, known.noise.total, known.load, known.pods) == (960, 480_000, 1000, 2)
    assert (known.began, known.ended) == (BEGAN, BEGAN + SCRAPE * 240)
    assert calibrate([], RULES) == Calibration()


def test_a_merged_scrape_counts_as_several_for_the_load() -> None:
    (known,) = calibrate([counted(0, [], [(1, 1000)]), counted(2, [], [(2, 2000)], missed=1)], RULES).metrics
    assert known.load == 1000


def test_of_a_long_history_the_noisiest_hours_count() -> None:
    chance = np.random.default_rng(4)

    def pods(clump: int) -> list[tuple[int, int]]:
        return [(int(each) * clump, 5000) for each in chance.poisson(10 / clump, 4)]

    day = [counted(place, [], pods(10 if place > 4 * 960 else 1)) for place in range(6 * 960)]
    (known,) = calibrate(day, RULES).metrics
    assert known.noise.single == pytest.approx(10, rel=0.15)


EVIDENCE = st.lists(st.floats(-5, 9), min_size=2, max_size=6)


@given(EVIDENCE, st.data())
@settings(max_examples=80, deadline=None)
def test_a_metric_is_implicated_if_it_is_so_in_whatever_company(evidence: list[float], data: st.DataObject) -> None:
    weights = np.asarray(data.draw(st.lists(st.floats(0.05, 1), min_size=len(evidence), max_size=len(evidence))))
    weights /= weights.sum()
    worse, bar = np.exp(evidence), np.log(100)
    places = range(len(evidence))
    wanted = []
    for place in places:
        others = [other for other in places if other != place]
        companies = chain.from_iterable(combinations(others, size) for size in range(len(others) + 1))
        averages = (weights[[place, *each]] @ worse[[place, *each]] / weights[[place, *each]].sum() for each in companies)
        if np.log(min(averages)) >= bar - 1e-12:
            wanted.append(place)
    found, jointly = implicated(np.asarray(evidence), np.log(weights), bar)
    if wanted:
        assert (found, jointly) == (tuple(wanted), False)
    else:
        assert jointly
        assert weights[list(found)] @ worse[list(found)] >= 0.9 * (weights @ worse) - 1e-9


def test_pods_are_dealt_by_name_and_newcomers_join_the_smallest_group() -> None:
    first = dealt((), [counted(0, [(0, 1)] * 10, [(0, 1)] * 2)], CONSTANTS)
    canaries = {group.pod: group.group for group in first if group.canary}
    assert [canaries[f"canary-{place}"] for place in range(10)] == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]
    later = dealt(first, [counted(1, [(0, 1)] * 11, [(0, 1)] * 2)], CONSTANTS)
    assert later[: len(first)] == first
    assert next(group.group for group in later if group.pod == "canary-10") == 2
    assert (leavable(first, CONSTANTS), leavable(dealt((), [counted(0, [(0, 1)] * 2, [])], CONSTANTS), CONSTANTS)) == (4, 0)


def test_evidence_of_eight_histograms_stays_small() -> None:
    """The record has room for 64 KiB."""
    chance = np.random.default_rng(5)
    names = [f"metric-{place}" for place in range(8)]
    # Each of the three tails and the objective has a bucket of its own.
    falling = np.asarray([0.3, 0.25, 0.15, 0.1, 0.06, 0.045, 0.035, 0.03, 0.015, 0.008, 0.004, 0.003])
    bounds = tuple(float(each) for each in 0.005 * 2.0 ** np.arange(11))
    rules = JudgeRules(metrics=tuple(MetricRule(name, Measured.LATENCY, slo=bounds[8]) for name in names))
    evidence, step = begin(BEGAN), JudgeStep(0, 0.1, 0.25, BEGAN)
    for number in range(40):
        scrapes = []
        for name in names:
            pods = [chance.poisson(3000 * falling).tolist() for _ in range(15)]
            scrapes.append(bucketed(number, pods[:5], pods[5:], bounds, name))
        evidence = update(evidence, scrapes, rules, Calibration(), step)
    assert 20_000 < len(evidence.numbers) < 64 * 1024


def test_arrays_come_back_from_the_record_as_they_were() -> None:
    found = layout(RULES, Calibration())
    chance = np.random.default_rng(6)
    before = rebuilt(blank(found, CONSTANTS), (chance.standard_normal(each.shape) for each in leaves(blank(found, CONSTANTS))))
    after = unpacked(packed(before), found, CONSTANTS)
    assert all(np.array_equal(*both) for both in zip(leaves(before), leaves(after), strict=True))
    with pytest.raises(SafetyError, match="cannot be read"):
        unpacked("AAAA", found, CONSTANTS)


def test_evidence_survives_the_record() -> None:
    step = JudgeStep(0, 0.1, 0.25, BEGAN)
    evidence = update(begin(BEGAN), [counted(place, [(9, 900)] * 3, [(1, 900)] * 4) for place in range(3)], RULES, Calibration(), step)
    assert evidence.doubted is not None
    assert from_text(to_text(evidence), JudgeEvidence, "the record") == evidence
    decision = decide(evidence, RULES, Calibration(), step, BEGAN + SCRAPE * 3)
    assert from_text(to_text(decision), JudgeDecision, "the record") == decision


@pytest.mark.parametrize(
    ("rps", "base", "weight", "seconds"),
    [
        (500, 0.001, 0.01, 2221),
        (500, 0.001, 0.1, 258),
        (500, 0.001, 0.5, 114),
        (50, 0.001, 0.1, 2579),
        (50, 0.001, 0.5, 1139),
        (500, 0.0001, 0.1, 2579),
    ],
)
def test_the_forecast_is_the_rules(rps: float, base: float, weight: float, seconds: float) -> None:
    found = float(forecast.at_rate(0.0, forecast.refuting(base, weight, 2.0), RULES)) / rps
    assert found == pytest.approx(seconds, rel=0.005)


def test_a_small_step_is_blind_to_what_a_larger_one_sees() -> None:
    requests = 500 * 300
    small, large = (float(forecast.detectable(requests, 0.001, weight, 1.0, RULES)) for weight in (0.01, 0.25))
    assert large < 2.2 < 4 < small
    assert float(forecast.detectable(10, 0.0001, 0.01, 1.0, RULES)) == np.inf


def test_restarts_roll_back_without_gating() -> None:
    rules = replace(RULES, metrics=(MetricRule("restarts", Measured.RESTARTS, Role.GUARD),), bake=timedelta(0))
    found = layout(rules, Calibration())
    assert [(row.gates, row.part) for row in found.rows] == [(False, 1.0)]


def test_what_was_won_shrinks_once_for_noise_that_comes_and_goes() -> None:
    """Else thin traffic, whose noise jumps from scrape to scrape, would wear down whatever was proved."""
    books = ledger.opened((1,), (1, 0, 1), CONSTANTS)
    books = replace(books, sharp=np.asarray([[8.0]]), margin=np.asarray([[-3.0]]))
    state = noise.still((1,), 1, CONSTANTS)
    for divisor in (1.0, 4.0, 2.0, 4.0, 1.0, 4.0):
        worth = noise.Worth(np.asarray([divisor]), np.asarray([divisor]), np.ones((1, 4)))
        state, books = noise.applied(state, books, worth)
    assert (books.sharp.item(), books.margin.item()) == (2.0, -3.0)
    assert state.divisor.item() == 4.0


def test_the_load_of_thin_traffic_is_the_steps_mean() -> None:
    state, usual = noise.still((1,), 1, CONSTANTS), np.asarray([2.0])
    for requests, wanted in ((0.0, 0.0), (8.0, 2.0), (4.0, 2.0)):
        state, load = noise.loaded(state, np.asarray([requests]), np.asarray([1.0]), usual)
        assert load.item() == wanted
    _, load = noise.loaded(noise.stepped(state), np.asarray([8.0]), np.asarray([1.0]), usual)
    assert load.item() == 4.0


def test_noise_grows_with_a_surge_in_the_scrape_that_shows_it() -> None:
    known = Calibration((MetricCalibration("errors", Noise(1, 2, 400, 400_000), 1000),))
    step = JudgeStep(0, 0.1, 0.25, BEGAN)

    def rate(bad: int) -> float:
        evidence = update(begin(BEGAN), [counted(0, [(0, 1000)], [(bad, 4500)] * 2)], RULES, known, step)
        return decide(evidence, RULES, known, step, BEGAN + SCRAPE).readings[0].noise_parts[3]

    assert rate(9) == 1.0
    assert rate(90) == pytest.approx((180 + 0.5) / (9 + 0.5), rel=0.01)


def test_a_pod_without_a_request_is_one_that_errors_could_have_fallen_to() -> None:
    both = [counted(place, [], [(place % 2, 1), (0, 0)]) for place in range(40)]
    alone = [counted(place, [], [(place % 2, 1)]) for place in range(40)]
    (with_idle,), (single,) = calibrate(both, RULES).metrics, calibrate(alone, RULES).metrics
    assert (with_idle.pods, single.pods) == (2, 1)
    assert with_idle.noise.single == 1.0
