"""What people are told of a decision, and warned of before one (judge.md 11 and 12)."""

import re
from dataclasses import replace
from datetime import timedelta

from trimtab.analysis.cautions import cautions
from trimtab.analysis.evidence import begin, update
from trimtab.analysis.explain import COLUMNS, change, rows, sentence
from trimtab.analysis.verdicts import decide
from trimtab.model.evidence import Calibration, MetricCalibration, Noise
from trimtab.model.judging import Clumps, JudgeRules, JudgeStep, Measured, MetricRule, Role
from trimtab.model.ruling import JudgeDecision
from trimtab.model.scrapes import Scrape
from unit.analysis.judging import BEGAN, SCRAPE, counted, history

RULES = JudgeRules(metrics=(MetricRule("errors"),), bake=timedelta(0))
STEP = JudgeStep(0, 0.1, 0.1, BEGAN)
LAST = JudgeStep(0, 0.5, 1.0, BEGAN)


def said(
    scrapes: list[Scrape],
    known: Calibration | None = None,
    step: JudgeStep = STEP,
    rules: JudgeRules = RULES,
    after: timedelta | None = None,
) -> JudgeDecision:
    known = known or Calibration()
    now = BEGAN + (after or SCRAPE * len(scrapes))
    return decide(update(begin(BEGAN), scrapes, rules, known, step), rules, known, step, now)


def test_a_rollback_is_told_as_the_rule_tells_it() -> None:
    decision = said([counted(place, [(bad, 750)], [(7, 6750)]) for place, bad in enumerate((4, 4, 5))])
    assert sentence(decision, RULES) == (
        "Rolled back after 45 s at 10 %: 13 of 2 250 canary requests failed (0.58 %), 21 of 20 250 on the primary (0.1 %). "
        "Odds 465:1 that it is worse at all, 139:1 that it is worse than the tolerated 1.25 times; "
        "no pod could be left out; no scrape counted for more than 20:1."
    )
    (row,) = rows(decision, RULES)
    assert len(row) == len(COLUMNS)
    assert row[:2] == ("errors *", "13 of 2 250 (0.58 %)")
    assert row[4:7] == ("465:1 of 100", "139:1 of 20", "-"), "no pod could be left out"


def test_a_burst_that_hit_the_cap_is_named() -> None:
    decision = said([counted(0, [(60, 750)], [(7, 6750)]), *(counted(place, [(0, 750)], [(7, 6750)]) for place in (1, 2, 3))])
    assert [(top.bad, top.total, top.capped, round(top.odds)) for top in decision.top[:1]] == [(60, 750, True, 20)]


def test_one_pod_that_deviates_is_told_apart_from_a_bad_configuration() -> None:
    pods = [(6, 150), (0, 150), (0, 150), (1, 150), (0, 150)]
    decision = said([counted(place, pods, [(bad, 1687) for bad in (2, 1, 2, 2)]) for place in range(6)], history(1687))
    assert "One pod deviates: odds 444:1 that the canary is worse, but 0.5:1 without that pod." in sentence(decision, RULES)
    assert decision.readings[0].loudest_group == 0


def test_what_is_missing_is_told_in_requests_and_minutes() -> None:
    decision = said([counted(place, [(0, 75)], [(0, 675)]) for place in range(3)], history(75))
    told, words = change(decision, RULES), sentence(decision, RULES)
    assert decision.needed is not None
    assert told == "A canary as good as the primary needs about 2 min 30 s more to prove that (7 423 requests, 742 of them to the canary)."
    found = re.search(r"Odds so far ([\d.]+):1 that it fails less than 11 times as often as the primary; 20:1 count as proof\.", words)
    assert found is not None and float(found[1]) < 20
    thin = said([counted(place, [(0, 5)], [(0, 45)]) for place in range(3)], history(5))
    assert sentence(thin, RULES).startswith("Not enough to decide after 45 s at 10 %")
    assert "more than is left" in change(thin, RULES)


def test_the_time_at_a_step_is_told_apart_from_the_time_that_the_canary_has_served() -> None:
    later = replace(STEP, began=BEGAN + timedelta(seconds=30))
    decision = said([counted(place, [(0, 75)], [(0, 675)]) for place in range(3)], history(75), later)
    assert sentence(decision, RULES).startswith("Collecting after 45 s, 15 s of them at 10 %: ")


def test_a_small_difference_inside_the_tolerance_is_said_when_it_goes_on() -> None:
    known = history(37_500, bad=40_000, total=40_000_000)
    decision = said([counted(place, [(45, 37_500)], [(37, 37_500)]) for place in range(40)], known, LAST)
    assert decision.overridden
    assert "inside your tolerance of 1.25 times" in sentence(decision, RULES)
    assert sentence(decision, RULES).startswith("Good enough to promote after 10 min")


def test_silence_says_that_missing_data_is_no_success() -> None:
    decision = said([], after=timedelta(minutes=6))
    assert sentence(decision, RULES) == (
        "No data after 6 min at 10 %: canary and primary are not both being counted; missing data is never a success. "
        "Waiting is over: traffic goes back to the primary."
    )


def test_the_digest_of_the_inputs_tells_two_histories_apart_and_replays_alike() -> None:
    scrapes = [counted(place, [(4, 750)], [(7, 6750)]) for place in range(3)]
    other = [*scrapes[:2], counted(2, [(4, 750)], [(8, 6750)])]
    assert said(scrapes).inputs == said(scrapes[::-1]).inputs != said(other).inputs


def test_steps_that_prove_nothing_in_their_time_are_named_before_the_start() -> None:
    known = MetricCalibration(
        "errors", Noise(bad=720, total=720_000), load=75, scrapes=960, pods=10, began=BEGAN, ended=BEGAN + timedelta(hours=4)
    )
    calibration, weights = Calibration((known,)), (0.01, 0.1, 0.5, 1.0)
    (thin,) = cautions(RULES, calibration, 5, False, weights, 60.0)
    assert thin.startswith(
        "errors, at the usual 50 requests a second of which 0.1 % fail: 1 % for 60 s shows only a canary that fails more than "
    )
    assert thin.count(" times as often as usual (to rule out ") == 3 and thin.endswith(". `trimtab plan` proposes other weights and times")
    busy = Calibration((replace(known, load=7500, noise=Noise(bad=72_000, total=72_000_000)),))
    assert cautions(RULES, busy, 5, False, weights) == ()
    assert cautions(RULES, Calibration(), 5, False, weights, 60.0) == cautions(RULES, Calibration(), 5, False)
    guarding = replace(RULES, metrics=(replace(RULES.metrics[0], role=Role.GUARD),))
    assert cautions(guarding, calibration, 5, False, weights, 60.0) == ()


def test_what_the_judge_cannot_do_is_said_before_the_start() -> None:
    known = replace(
        history(1000), metrics=tuple(replace(each, began=BEGAN, ended=BEGAN + timedelta(hours=4)) for each in history(1000).metrics)
    )
    assert cautions(RULES, known, 5, sticky=False) == ()
    (one,) = cautions(RULES, known, 1, sticky=False)
    assert "one pod" in one
    (sticky,) = cautions(RULES, known, 5, sticky=True)
    assert "clumps: time" in sticky
    assert cautions(replace(RULES, clumps=Clumps.TIME), known, 5, sticky=True) == ()
    (blind,) = cautions(RULES, Calibration(), 5, sticky=False)
    assert "no history" in blind
    (short,) = cautions(RULES, Calibration((replace(known.metrics[0], ended=BEGAN + timedelta(minutes=10)),)), 5, sticky=False)
    assert "10 min of history" in short
    assert cautions(replace(RULES, metrics=(MetricRule("restarts", Measured.RESTARTS),)), Calibration(), 5, sticky=False) == ()
