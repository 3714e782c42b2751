"""What the judge's rule promises whatever the counts are (judge.md 8)."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from trimtab.analysis import counts
from trimtab.analysis.evidence import begin, update
from trimtab.analysis.verdicts import decide
from trimtab.model.evidence import Calibration, JudgeEvidence
from trimtab.model.judging import JudgeRules, JudgeStep, MetricRule
from trimtab.model.ruling import JudgeDecision, Ruling
from trimtab.model.scrapes import Scrape
from unit.analysis.judging import BEGAN, SCRAPE, counted, history

RULES = JudgeRules(metrics=(MetricRule("errors"),), bake=timedelta(0))
STEP = JudgeStep(0, 0.1, 0.25, BEGAN)
NOTHING_KNOWN = Calibration()

ARM = st.integers(0, 3000).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))
PAIRS = st.lists(st.tuples(ARM, ARM), min_size=1, max_size=12)
PODS = st.lists(ARM, min_size=1, max_size=6)


def of(pairs: list[tuple[tuple[int, int], tuple[int, int]]]) -> list[Scrape]:
    return [counted(number, [canary], [primary]) for number, (canary, primary) in enumerate(pairs)]


def judged(scrapes: list[Scrape], known: Calibration = NOTHING_KNOWN, rules: JudgeRules = RULES) -> JudgeEvidence:
    return update(begin(BEGAN), scrapes, rules, known, STEP)


def said(evidence: JudgeEvidence, scrapes: int, known: Calibration = NOTHING_KNOWN, rules: JudgeRules = RULES) -> JudgeDecision:
    return decide(evidence, rules, known, STEP, BEGAN + SCRAPE * scrapes)


@given(pairs=PAIRS, data=st.data())
@settings(max_examples=25, deadline=None)
def test_more_canary_errors_never_speak_for_the_canary(pairs: list[tuple[tuple[int, int], tuple[int, int]]], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(pairs) - 1))
    (bad, total), primary = pairs[place]
    more = [*pairs]
    more[place] = ((data.draw(st.integers(bad, total)), total), primary)
    before, after = (said(judged(of(each)), len(pairs)).readings[0] for each in (pairs, more))
    assert after.worse >= before.worse - 1e-9
    assert after.beyond >= before.beyond - 1e-9
    assert after.refuted <= before.refuted + 1e-9


@given(pairs=PAIRS, cut=st.integers(0, 12))
@settings(max_examples=20, deadline=None)
def test_scrapes_that_were_counted_change_nothing(pairs: list[tuple[tuple[int, int], tuple[int, int]]], cut: int) -> None:
    scrapes = of(pairs)
    whole = judged(scrapes)
    in_pieces = update(judged(scrapes[:cut]) if scrapes[:cut] else begin(BEGAN), scrapes, RULES, NOTHING_KNOWN, STEP)
    assert in_pieces == whole
    assert update(whole, scrapes, RULES, NOTHING_KNOWN, STEP) == whole
    assert judged(scrapes[::-1]) == whole


@given(canary=PODS, primary=PODS, chance=st.randoms(use_true_random=False), lot=st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_the_order_of_pods_does_not_matter(canary: list[tuple[int, int]], primary: list[tuple[int, int]], chance, lot: int) -> None:
    scrapes = [counted(number, canary, primary) for number in range(lot)]
    mixed = []
    for scrape in scrapes:
        pods = list(scrape.counts)
        chance.shuffle(pods)
        mixed.append(replace(scrape, counts=tuple(pods)))
    assert judged(mixed, history(500)) == judged(scrapes, history(500))


@given(canary=ARM, primary=ARM)
@settings(max_examples=100, deadline=None)
def test_one_burst_never_decides(canary: tuple[int, int], primary: tuple[int, int]) -> None:
    evidence = judged([counted(0, [canary], [primary])])
    assert said(evidence, 1).ruling in (Ruling.COLLECTING, Ruling.INSUFFICIENT)


@given(bad=st.lists(st.integers(0, 150), min_size=6, max_size=25), which=st.integers(0, 4), primary=st.integers(0, 60))
@settings(max_examples=20, deadline=None)
def test_one_bad_pod_never_rolls_back(bad: list[int], which: int, primary: int) -> None:
    evidence = begin(BEGAN)
    for number, each in enumerate(bad):
        pods = [(each if pod == which else 0, 150) for pod in range(5)]
        evidence = update(evidence, [counted(number, pods, [(primary, 1687)] * 4)], RULES, history(1687), STEP)
        assert said(evidence, number + 1, history(1687)).ruling is not Ruling.ROLLBACK


def test_the_same_errors_in_all_pods_do() -> None:
    evidence = judged([counted(number, [(5, 150)] * 5, [(2, 1687)] * 4) for number in range(4)], history(1687))
    assert said(evidence, 4, history(1687)).ruling is Ruling.ROLLBACK


@given(
    failed=st.integers(0, 120),
    share=st.floats(0.005, 0.95),
    ratio=st.sampled_from([1.0, 1.25, 2.0]),
    true=st.floats(0.2, 1.0),
    noise=st.sampled_from([1.0, 1.7, 5.0]),
)
@settings(max_examples=150, deadline=None)
def test_a_bet_against_a_canary_that_is_no_worse_gains_nothing_on_average(
    failed: int, share: float, ratio: float, true: float, noise: float
) -> None:
    """However many requests fail in both arms together, a shared incident included: this is why evidence may be looked at any time."""
    requests = 1_000_000.0
    canary, primary = requests * share, requests * (1 - share)
    in_canary = np.arange(failed + 1.0)
    arms = (
        np.stack((in_canary, np.full(failed + 1, canary)), axis=-1),
        np.stack((failed - in_canary, np.full(failed + 1, primary)), axis=-1),
    )
    bets = counts.against(arms[0], arms[1], np.full(failed + 1, ratio), RULES.constants) / noise
    at = true * ratio * share / (true * ratio * share + 1 - share)
    mean = binom.pmf(in_canary, failed, at) @ np.exp(np.minimum(bets, np.log(RULES.cap)))
    assert np.all(mean <= 1 + 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("base", [0.001, 0.05])
def test_the_evidence_against_an_equal_canary_is_worth_no_more_than_was_bet(base: float) -> None:
    runs, chance, constants = 20_000, np.random.default_rng(3), RULES.constants
    state, known = counts.start((runs,), constants, 1, 0), counts.unknown((runs,), RULES)
    for _ in range(30):
        arms = np.zeros((runs, 2, 1, 2))
        requests = np.asarray([750.0, 6750.0])
        incident = np.where(chance.random((runs, 1)) < 0.1, 10, 1)
        arms[..., 0, 1] = requests
        arms[..., 0, 0] = np.minimum(chance.poisson(requests * base * incident), requests)
        state = counts.update(state, counts.seen(arms, np.ones(runs)), known, 1.0, RULES)
    worth = np.exp(counts.odds(state, known, np.zeros(runs), constants).worse)
    refills = state.ledger.refills
    paid = constants.start_cash + (1 - constants.start_cash) * (1 - 1 / (refills + 1)) - state.ledger.cash
    martingale = worth + 1 - paid
    assert martingale.mean() <= 1 + 4 * martingale.std() / np.sqrt(runs)
    # Not because nothing is bet: the median run has lost most of it, and some have won.
    assert np.median(worth) < 0.5 < worth.max()


@given(pairs=PAIRS)
@settings(max_examples=20, deadline=None)
def test_noisier_counts_prove_less(pairs: list[tuple[tuple[int, int], tuple[int, int]]]) -> None:
    """Of noise that stays the same, where no scrape is capped: the cap takes from clean counts what noisy ones never had.

    The mean of the m-th roots of bets is at most the m-th root of their mean, which is at most the mean where that is 1 or more.
    """
    uncapped = replace(RULES, cap=1e300)
    clean, noisy = (
        said(judged(of(pairs), known, uncapped), len(pairs), known, uncapped).readings[0] for known in (history(750), history(750, 3, 3))
    )
    if clean.worse > 0:
        assert noisy.worse <= clean.worse + 1e-9
