"""A primary that hardly ever fails: the canary goes on when it is refuted that it fails too often by itself (ADR 13)."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from scipy import stats

from trimtab.analysis import counts
from trimtab.analysis.evidence import begin, update
from trimtab.analysis.explain import sentence
from trimtab.analysis.verdicts import decide
from trimtab.model.evidence import Calibration
from trimtab.model.judging import JudgeRules, JudgeStep, MetricRule
from trimtab.model.ruling import JudgeDecision, Ruling
from unit.analysis.judging import BEGAN, SCRAPE, counted, history

RULES = JudgeRules(metrics=(MetricRule("errors"),), bake=timedelta(0))
LAST = JudgeStep(1, 0.1, 1.0, BEGAN)
PAST = history(3750, bad=0, total=10_000_000)
BOUND = 0.0002 * 4 / 3
PLAYS, SCRAPES = 4000, 60


def said(scrapes: int, bad: int, known: Calibration = PAST, rules: JudgeRules = RULES, step: JudgeStep = LAST) -> JudgeDecision:
    """What is said after so many scrapes of 3 750 canary requests, with so many failures in each."""
    made = [counted(place, [(bad, 3750)], [(0, 33_750)]) for place in range(scrapes)]
    evidence = update(begin(BEGAN), made, rules, known, step)
    return decide(evidence, rules, known, step, BEGAN + (scrapes + 1) * SCRAPE)


def test_a_canary_without_errors_beside_a_primary_without_errors_goes_on() -> None:
    assert said(3, 0).ruling is Ruling.COLLECTING
    decision = said(4, 0)
    assert decision.ruling is Ruling.GO_ON
    assert "that fewer than 0.027 % of its requests fail" in sentence(decision, RULES)


def test_without_history_it_takes_as_many_more_requests_as_show_that_the_primary_hardly_ever_fails() -> None:
    assert said(6, 0, Calibration()).ruling is Ruling.GO_ON, "from the second scrape on it is known"
    small = [counted(place, [(0, 50)], [(0, 450)]) for place in range(40)]
    evidence = update(begin(BEGAN), small, RULES, Calibration(), LAST)
    assert decide(evidence, RULES, Calibration(), LAST, BEGAN + 41 * SCRAPE).ruling is not Ruling.GO_ON


def test_small_steps_are_cheap_because_only_large_harm_must_be_refuted() -> None:
    first = replace(LAST, weight=0.01, next_weight=0.05)
    scrapes = [counted(place, [(0, 375)], [(0, 37_125)]) for place in range(3)]
    evidence = update(begin(BEGAN), scrapes, RULES, PAST, first)
    assert decide(evidence, RULES, PAST, first, BEGAN + 4 * SCRAPE).ruling is Ruling.GO_ON


def test_a_canary_that_fails_does_not_go_on() -> None:
    assert said(8, 20).ruling is Ruling.ROLLBACK


def test_an_incident_that_both_share_neither_rolls_back_nor_ends_the_step() -> None:
    bad, good = ([(750, 3750)], [(6750, 33_750)]), ([(0, 3750)], [(0, 33_750)])
    made = [counted(place, *(bad if place in (1, 2, 3, 4) else good)) for place in range(9)]
    evidence, rulings = begin(BEGAN), []
    for place, scrape in enumerate(made):
        evidence = update(evidence, [scrape], RULES, PAST, LAST)
        rulings.append(decide(evidence, RULES, PAST, LAST, BEGAN + (place + 2) * SCRAPE).ruling)
    assert not {Ruling.ROLLBACK, Ruling.HOLD} & set(rulings)
    assert rulings[-1] is Ruling.GO_ON


def test_what_is_still_needed_is_foretold() -> None:
    decision = said(2, 0)
    assert decision.needed == pytest.approx(70_000, rel=0.15)
    (row,) = decision.readings
    assert row.rate_to_refute == pytest.approx(BOUND)


def played(rate: float) -> tuple[int, int]:
    """How many rollouts go on within a quarter of an hour, and how many are beyond tolerance; the primary never fails."""
    chance = np.random.default_rng(12)
    constants = RULES.constants
    known = replace(
        counts.unknown((PLAYS,), RULES), total=np.full(PLAYS, 1e7), load=np.full(PLAYS, 3750.0)
    )  # fmt: skip
    state = counts.start((PLAYS,), constants, 1, 0)
    passed, beyond = np.zeros((2, PLAYS), dtype=np.bool_)
    for _ in range(SCRAPES):
        groups = np.zeros((PLAYS, 2, 1, 2))
        groups[:, 0, 0, 0] = chance.binomial(3750, rate, PLAYS)
        groups[:, 0, 0, 1], groups[:, 1, 0, 1] = 3750, 33_750
        state = counts.update(state, counts.seen(groups, np.ones(PLAYS)), known, 1.0, RULES)
        odds = counts.odds(state, known, np.zeros(PLAYS), constants)
        passed |= odds.refuted >= np.log(RULES.promote_odds)
        beyond |= odds.beyond >= np.log(RULES.tolerance_odds)
    return int(np.sum(passed)), int(np.sum(beyond))


def test_a_canary_at_the_bound_goes_on_in_at_most_one_of_twenty_rollouts() -> None:
    passed, _ = played(BOUND)
    assert stats.binomtest(passed, PLAYS, 0.05, alternative="greater").pvalue > 0.01, passed / PLAYS


def test_a_canary_well_below_the_bound_goes_on() -> None:
    passed, beyond = played(BOUND / 30)
    assert passed > 0.99 * PLAYS and beyond == 0


def test_a_canary_within_tolerance_is_found_beyond_it_in_at_most_one_of_twenty_rollouts() -> None:
    _, beyond = played(0.00022)
    assert stats.binomtest(beyond, PLAYS, 0.05, alternative="greater").pvalue > 0.01, beyond / PLAYS
