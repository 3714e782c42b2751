"""What a plan says of a rollout before it starts (judge.md 7)."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from trimtab.analysis.planning import RolloutPlan, Traffic, blindness, planned, proposals, proposed
from trimtab.model.evidence import Noise
from trimtab.model.judging import JudgeRules

RULES = JudgeRules()
WEIGHTS = (0.01, 0.05, 0.1, 0.25, 0.5)
SHOP = Traffic(500, 0.001)


def plan(traffic: Traffic = SHOP, step: float | None = None, rules: JudgeRules = RULES) -> RolloutPlan:
    return planned(traffic, WEIGHTS, rules, step)


@pytest.mark.parametrize(
    ("rps", "base", "weight", "measured"),
    [
        (500, 0.001, 0.01, 1695), (500, 0.001, 0.1, 225), (500, 0.001, 0.5, 120), (50, 0.001, 0.1, 2175), (50, 0.001, 0.5, 1223),
        (500, 0.0001, 0.1, 450),
    ],
)  # fmt: skip
def test_what_a_step_needs_was_measured_within_a_third(rps: float, base: float, weight: float, measured: float) -> None:
    (step,) = planned(Traffic(rps, base), (weight,), RULES).steps
    assert step.needs - 15 == pytest.approx(measured, rel=0.34)


@pytest.mark.parametrize(("ratio", "measured"), [(2, 315), (5, 45), (10, 30)])
def test_when_a_regression_is_held_was_measured_within_a_third_and_a_scrape(ratio: float, measured: float) -> None:
    held = dict(plan().steps[2].held)
    assert held[ratio] - 15 == pytest.approx(measured, rel=0.34, abs=15)


def test_the_ratios_to_refute_are_those_that_double_the_errors_at_the_next_weight() -> None:
    assert [round(step.refute, 9) for step in plan().steps] == [21, 11, 5, 3, 2]


def test_a_step_lasts_as_long_as_the_evidence_needs_or_as_it_is_told() -> None:
    assert [step.lasts for step in plan().steps] == [step.needs for step in plan().steps]
    told = plan(step=300)
    assert [step.lasts for step in told.steps] == [300] * 5 and told.total == 1500
    assert told.steps[0].blind_below < plan().steps[0].blind_below


def test_no_step_is_done_before_its_least_scrapes_one_interval_late() -> None:
    assert min(step.needs for step in plan(Traffic(1e6, 0.01)).steps) == 45
    assert min(step.needs for step in plan(Traffic(1e6, 0.01, interval=5)).steps) == 15


def test_the_last_step_bakes() -> None:
    quick = plan(Traffic(1e5, 0.01))
    assert quick.total == 4 * 45 + 300
    assert plan(Traffic(1e5, 0.01), rules=replace(RULES, bake=timedelta(0))).total == 5 * 45


def test_thin_traffic_does_not_fit_and_nothing_is_proposed() -> None:
    thin = Traffic(1, 0.001)
    assert not any(step.fits for step in plan(thin).steps[:1]) and proposed(thin, RULES) is None and proposals(thin, RULES) == ()


def test_noise_makes_every_step_longer_and_the_load_of_few_canary_pods_more_so() -> None:
    noisy = replace(SHOP, noise=Noise(1.5, 4.0), pods=10, canary_pods=5)
    alone = replace(noisy, canary_pods=1)
    assert plan(noisy).steps[4].needs > 2 * plan().steps[4].needs
    assert plan(alone).steps[4].needs > 2 * plan(noisy).steps[4].needs


def test_a_canary_that_fails_at_everything_costs_what_its_first_step_gets() -> None:
    assert plan().harm == pytest.approx(500 * 0.01 * 45)


@pytest.mark.parametrize("rps", [50, 500, 5000])
def test_a_proposal_begins_small_and_takes_hardly_longer_than_the_quickest_that_does(rps: float) -> None:
    traffic = Traffic(rps, 0.001)
    found = proposed(traffic, RULES)
    assert found is not None and found.weights[0] <= 0.1 and all(step.fits for step in found.steps)
    quickest = min(each.total for each in proposals(traffic, RULES) if each.weights[0] <= 0.1)
    assert found.total <= 1.25 * quickest


def test_where_small_weights_prove_nothing_in_time_a_larger_one_is_proposed() -> None:
    found = proposed(Traffic(50, 0.001), replace(RULES, rollout_deadline=timedelta(minutes=25)))
    assert found is not None and found.weights == (0.5,)


def test_blindness_is_said_in_plain_words() -> None:
    said = list(blindness(plan(Traffic(50, 0.001), step=300)))
    assert (
        said[0].startswith("1 % for 5 min is blind to anything below ")
        and "; to refute 21x, as the next weight asks, takes 7 min 45 s" in said[0]
    )
    assert list(blindness(plan(step=300)))[2] == "10 % for 5 min is blind to anything below 2.1x the usual errors"
    assert "sees no regression at all" in next(iter(blindness(planned(Traffic(0.001, 1e-6), (0.01,), RULES, 60))))


def test_where_hardly_anything_fails_a_step_is_blind_to_a_share_of_the_requests() -> None:
    found = planned(Traffic(70, 1e-5), (0.5,), RULES, 60)
    assert found.steps[0].rate_to_refute is not None
    (said,) = blindness(found)
    assert re.match(r"50 % for 60 s is blind to anything below [\d.]+ % of its requests failing", said)
    assert 1000 < planned(Traffic(70, 1e-5), (0.1,), RULES, 30).steps[0].blind_below < 1e5, "far worse is seen, however seldom it fails"
