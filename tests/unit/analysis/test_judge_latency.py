"""Histograms: ranks, tails, and what is done without a history (judge.md 6)."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from trimtab.analysis import ridit
from trimtab.analysis.calibration import calibrate
from trimtab.analysis.evidence import begin, update
from trimtab.analysis.layout import UNUSED, layout
from trimtab.analysis.verdicts import decide
from trimtab.model.evidence import Calibration
from trimtab.model.judging import JudgeRules, JudgeStep, Measured, MetricRule
from trimtab.model.ruling import JudgeDecision, Ruling
from trimtab.model.scrapes import Scrape
from unit.analysis.judging import BEGAN, SCRAPE, bucketed

BOUNDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
USUAL = np.asarray([0.14, 0.27, 0.32, 0.23, 0.035, 0.004, 0.001])
RULES = JudgeRules(metrics=(MetricRule("latency", Measured.LATENCY, slo=0.5),), bake=timedelta(0))
STEP = JudgeStep(0, 0.1, 0.25, BEGAN)


def pods(chance: np.random.Generator, number: int, size: float, shares: np.ndarray = USUAL) -> list[list[int]]:
    return [[int(each) for each in chance.poisson(size * shares)] for _ in range(number)]


def scrapes(number: int, shares: np.ndarray, seed: int = 1) -> list[Scrape]:
    chance = np.random.default_rng(seed)
    return [bucketed(place, pods(chance, 5, 150, shares), pods(chance, 4, 1700), BOUNDS) for place in range(number)]


def past() -> Calibration:
    chance = np.random.default_rng(9)
    return calibrate([bucketed(place - 300, [], pods(chance, 4, 1875), BOUNDS) for place in range(240)], RULES)


def said(seen: list[Scrape], known: Calibration, rules: JudgeRules = RULES) -> JudgeDecision:
    return decide(update(begin(BEGAN), seen, rules, known, STEP), rules, known, STEP, BEGAN + SCRAPE * len(seen))


def slower(factor: float) -> np.ndarray:
    return ridit.slowed(USUAL, np.asarray(BOUNDS), factor)


def test_an_equal_canary_goes_on_and_one_that_is_half_as_slow_again_is_rolled_back() -> None:
    known = past()
    assert said(scrapes(8, USUAL), known).ruling is Ruling.GO_ON
    bad = said(scrapes(8, slower(1.5)), known)
    assert (bad.ruling, bad.culprits) == (Ruling.ROLLBACK, ("latency",))
    assert bad.readings[0].ratio_mean == pytest.approx(1.5, abs=0.25)


def test_a_few_requests_that_take_very_long_are_found_in_the_tail() -> None:
    stuck = USUAL * 0.98
    stuck[-1] += 0.02
    assert said(scrapes(8, stuck), past()).ruling is Ruling.ROLLBACK


def test_without_history_the_first_scrape_serves_as_one() -> None:
    nothing = Calibration()
    evidence = update(begin(BEGAN), scrapes(1, USUAL), RULES, nothing, STEP)
    assert [metric.metric for metric in evidence.learned] == ["latency"]
    assert said(scrapes(10, USUAL), nothing).ruling is Ruling.GO_ON
    assert said(scrapes(10, slower(1.5)), nothing).ruling is Ruling.ROLLBACK


def test_finer_buckets_than_those_of_the_history_are_joined() -> None:
    known, plain = past(), scrapes(6, slower(1.3))

    def finer(scrape: Scrape) -> Scrape:
        split = tuple(
            replace(pod, counts=(*pod.counts[:3], pod.counts[3] // 3, pod.counts[3] - pod.counts[3] // 3, *pod.counts[4:]))
            for pod in scrape.buckets
        )
        return replace(scrape, buckets=split, bounds=(*BOUNDS[:3], 0.15, *BOUNDS[3:]))

    whole, joined = (update(begin(BEGAN), seen, RULES, known, STEP) for seen in (plain, [finer(scrape) for scrape in plain]))
    assert joined.numbers == whole.numbers


def test_buckets_that_lack_a_bound_of_the_history_say_nothing() -> None:
    fewer = [replace(scrape, bounds=(0.02, *BOUNDS[1:])) for scrape in scrapes(4, slower(2))]
    assert said(fewer, past()).readings[0].worse < -100


def test_the_tails_are_those_of_the_history_and_the_objective() -> None:
    rows = [row for row in layout(RULES, past()).rows if row.bound != UNUSED]
    assert [BOUNDS[row.bound] for row in rows] == [0.25, 0.5]
    assert [row.gates for row in rows] == [False, True]
    assert sum(row.part for row in rows) == pytest.approx(0.5)


def test_slowing_by_nothing_changes_nothing_and_by_more_moves_requests_up() -> None:
    np.testing.assert_allclose(ridit.slowed(USUAL, np.asarray(BOUNDS), 1.0), USUAL, atol=1e-12)
    above = [np.cumsum(slower(factor)[::-1]) for factor in (1.0, 1.1, 2.0)]
    assert np.all(above[1] >= above[0] - 1e-12)
    assert np.all(above[2] >= above[1] - 1e-12)
    assert slower(2.0).sum() == pytest.approx(1)


def test_scores_are_standardised_ranks() -> None:
    score = ridit.scores(USUAL)
    assert np.all(np.diff(score) > 0)
    assert USUAL @ score == pytest.approx(0, abs=1e-12)
    assert USUAL @ score**2 == pytest.approx(1)


def test_a_bet_on_slowness_gains_nothing_on_average_against_an_equal_canary() -> None:
    """For Poisson arrivals the mean is exact: exp of what each bucket brings."""
    for share in (0.01, 0.1, 0.5):
        for tilt in RULES.constants.tilts:
            bet = ridit.tilted(USUAL, ridit.scores(USUAL), np.asarray([tilt]))[0]
            canary = bet / (share * bet + 1 - share)
            primary = 1 / (share * bet + 1 - share)
            for shares in (USUAL, slower(0.8)):
                mean = np.exp(1000 * (share * shares @ (canary - 1) + (1 - share) * USUAL @ (primary - 1)))
                assert mean <= 1 + 1e-9
            # The kernel's own factor is that one.
            one, rest = np.eye(7)[[3]], np.eye(7)[[6]] * (1 - share) / share
            gained = ridit.likelihood(one, rest, np.ones((1, 7)), bet[None, None])
            assert gained[0, 0] == pytest.approx(np.log(canary[3]) + (1 - share) / share * np.log(primary[6]))
