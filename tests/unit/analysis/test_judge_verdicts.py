"""What the judge says when: precedence, silence, deadlines, warm-up, objectives (judge.md 3 and 5)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from trimtab.analysis.evidence import begin, update
from trimtab.analysis.verdicts import decide
from trimtab.errors import SafetyError
from trimtab.model.evidence import Calibration, JudgeEvidence
from trimtab.model.judging import Ending, JudgeRules, JudgeStep, Measured, MetricRule, Role
from trimtab.model.ruling import JudgeDecision, Reason, Ruling
from trimtab.model.scrapes import Scrape
from unit.analysis.judging import BEGAN, SCRAPE, counted, history

RULES = JudgeRules(metrics=(MetricRule("errors"),), bake=timedelta(0))
FIRST, LAST = JudgeStep(0, 0.1, 0.25, BEGAN), JudgeStep(0, 0.5, 1.0, BEGAN)
HEALTHY, FAILING = [(4, 3750)], [(60, 3750)]
PRIMARY = [(4, 3750)]


def seen(scrapes: list[Scrape], step: JudgeStep = FIRST, rules: JudgeRules = RULES, known: Calibration | None = None) -> JudgeEvidence:
    return update(begin(BEGAN), scrapes, rules, known or history(3750), step)


def said(
    scrapes: list[Scrape],
    after: timedelta | None = None,
    step: JudgeStep = FIRST,
    rules: JudgeRules = RULES,
    known: Calibration | None = None,
) -> JudgeDecision:
    now = BEGAN + SCRAPE * len(scrapes) if after is None else BEGAN + after
    return decide(seen(scrapes, step, rules, known), rules, known or history(3750), step, now)


def healthy(number: int) -> list[Scrape]:
    return [counted(place, HEALTHY, PRIMARY) for place in range(number)]


def test_nothing_seen_for_a_minute_holds_and_after_five_is_final() -> None:
    held = said(healthy(3), timedelta(seconds=45 + 60))
    assert (held.ruling, held.final, held.ending) == (Ruling.NO_DATA, False, None)
    over = said(healthy(3), timedelta(seconds=45 + 300))
    assert (over.ruling, over.final, over.ending) == (Ruling.NO_DATA, True, Ending.STOP)


def test_a_long_scrape_interval_is_not_silence() -> None:
    slow = [replace(counted(0, HEALTHY, PRIMARY), ended=BEGAN + timedelta(minutes=1), length=timedelta(minutes=1))]
    assert said(slow, timedelta(minutes=4)).ruling is not Ruling.NO_DATA
    assert said(slow, timedelta(minutes=5)).ruling is Ruling.NO_DATA


def test_a_metric_that_gates_and_is_silent_is_no_data_though_others_speak() -> None:
    rules = replace(RULES, metrics=(MetricRule("errors"), MetricRule("other")))
    assert said(healthy(8), rules=rules).ruling is Ruling.NO_DATA
    as_guard = replace(RULES, metrics=(MetricRule("errors"), MetricRule("other", role=Role.GUARD)))
    assert said(healthy(8), rules=as_guard).ruling is Ruling.GO_ON


def test_proof_that_it_is_worse_rolls_back_even_while_another_metric_is_silent() -> None:
    rules = replace(RULES, metrics=(MetricRule("errors"), MetricRule("other")))
    assert said([counted(place, FAILING, PRIMARY) for place in range(6)], rules=rules).ruling is Ruling.ROLLBACK


def test_nobody_asking_anything_is_not_silence_and_no_success() -> None:
    quiet = [counted(place, [(0, 0)], [(0, 0)]) for place in range(8)]
    decision = said(quiet)
    assert decision.ruling is Ruling.COLLECTING
    assert decision.scrapes == 0


def test_a_step_is_left_after_two_scrapes_at_least() -> None:
    overwhelming = [counted(place, [(40, 37_500)], [(360, 337_500)]) for place in range(2)]
    assert said(overwhelming[:1]).ruling is Ruling.COLLECTING
    assert said(overwhelming).ruling is Ruling.GO_ON


def test_the_last_step_lasts_its_bake_time() -> None:
    rules = replace(RULES, bake=timedelta(minutes=5))
    early, late = (said(healthy(number), step=LAST, rules=rules) for number in (12, 20))
    assert (early.ruling, early.reason) == (Ruling.COLLECTING, Reason.BAKING)
    assert late.ruling is Ruling.GO_ON
    assert said(healthy(8), rules=rules).ruling is Ruling.GO_ON, "only the last step bakes"


def test_a_new_step_has_to_be_earned_anew() -> None:
    scrapes = healthy(8)
    evidence = seen(scrapes)
    now = BEGAN + SCRAPE * 8
    assert decide(evidence, RULES, history(3750), FIRST, now).ruling is Ruling.GO_ON
    second = JudgeStep(1, 0.25, 0.5, now)
    fresh = decide(evidence, RULES, history(3750), second, now)
    assert (fresh.ruling, fresh.scrapes, fresh.readings[0].refuted) == (Ruling.COLLECTING, 0, pytest.approx(0))


def test_a_scrape_that_began_before_the_step_earns_nothing_and_still_convicts() -> None:
    step = JudgeStep(1, 0.25, 0.5, BEGAN + SCRAPE * 8 + timedelta(seconds=5))
    evidence = update(seen(healthy(8)), [counted(8, FAILING, PRIMARY)], RULES, history(3750), step)
    decision = decide(evidence, RULES, history(3750), step, BEGAN + SCRAPE * 9)
    assert decision.scrapes == 0
    assert decision.readings[0].worse > decide(seen(healthy(8)), RULES, history(3750), FIRST, BEGAN + SCRAPE * 8).readings[0].worse


def test_what_will_not_come_before_the_deadline_is_said_at_once() -> None:
    thin = [counted(place, [(0, 5)], [(0, 45)]) for place in range(3)]
    decision = said(thin)
    assert (decision.ruling, decision.final) == (Ruling.INSUFFICIENT, False)
    assert decision.minutes is not None
    assert decision.minutes > 30
    over = said([counted(place, [(0, 5)], [(0, 45)]) for place in range(120)])
    assert (over.ruling, over.reason, over.final, over.ending) == (Ruling.INSUFFICIENT, Reason.DEADLINE, True, Ending.ASK)


def test_doubt_at_the_deadline_takes_its_own_ending() -> None:
    worse = [counted(place, [(29, 7500)], [(63, 30_000)]) for place in range(3)]
    doubtful = said(worse, known=history(7500))
    assert (doubtful.ruling, doubtful.reason) == (Ruling.HOLD, Reason.DOUBT)
    rules = replace(RULES, step_deadline=timedelta(seconds=40))
    over = said(worse, rules=rules, known=history(7500))
    assert (over.ruling, over.final, over.ending) == (Ruling.HOLD, True, Ending.STOP)


def test_while_it_warms_up_only_a_far_worse_canary_is_rolled_back() -> None:
    rules = replace(RULES, warmup=timedelta(seconds=60))
    cold = [counted(place, [(30, 3750)], PRIMARY) for place in range(4)]
    decision = said(cold, rules=rules)
    assert (decision.ruling, decision.reason) == (Ruling.COLLECTING, Reason.WARM_UP)
    assert said([counted(place, [(1500, 3750)], PRIMARY) for place in range(4)], rules=rules).reason is Reason.FAR_WORSE
    # What the warm-up showed is not held against it later.
    assert said([*cold, *(counted(place, HEALTHY, PRIMARY) for place in range(4, 12))], rules=rules).ruling is Ruling.GO_ON


def test_an_incident_that_both_copies_share_holds_and_lets_go_when_it_is_over() -> None:
    rules = replace(RULES, metrics=(MetricRule("errors"), MetricRule("objective", Measured.OBJECTIVE, limit=0.01)))
    both = []
    for place in range(8):
        bad = (150, 3750) if place < 4 else (4, 3750)
        both += [counted(place, [bad], [bad]), counted(place, [bad], [bad], "objective")]

    def at(scrapes: int) -> JudgeDecision:
        return said(both[: 2 * scrapes], SCRAPE * scrapes, rules=rules)

    assert [(at(number).ruling, at(number).reason) for number in (2, 4)] == [(Ruling.HOLD, Reason.SHARED_BREACH)] * 2
    assert at(8).ruling is Ruling.GO_ON


def test_a_canary_alone_that_breaks_an_objective_is_judged_by_comparison() -> None:
    rules = replace(RULES, metrics=(MetricRule("errors"), MetricRule("objective", Measured.OBJECTIVE, limit=0.01)))
    alone = [each for place in range(4) for each in (counted(place, FAILING, PRIMARY), counted(place, FAILING, PRIMARY, "objective"))]
    decision = said(alone, SCRAPE * 4, rules=rules)
    assert (decision.ruling, decision.culprits) == (Ruling.ROLLBACK, ("errors",))


def test_a_metric_for_information_moves_nothing() -> None:
    rules = replace(RULES, metrics=(MetricRule("errors"), MetricRule("other", role=Role.INFO)))
    scrapes = [each for place in range(8) for each in (counted(place, HEALTHY, PRIMARY), counted(place, FAILING, PRIMARY, "other"))]
    decision = said(scrapes, SCRAPE * 8, rules=rules)
    assert decision.ruling is Ruling.GO_ON
    assert decision.readings[1].worse > 5


def test_the_metric_that_carries_a_rollback_is_named() -> None:
    rules = replace(RULES, metrics=(MetricRule("errors"), MetricRule("restarts", Measured.RESTARTS, Role.GUARD)))
    scrapes = [
        each for place in range(6) for each in (counted(place, FAILING, PRIMARY), counted(place, [(0, 1)], [(0, 1)] * 3, "restarts"))
    ]
    decision = said(scrapes, SCRAPE * 6, rules=rules)
    assert (decision.ruling, decision.culprits, decision.jointly) == (Ruling.ROLLBACK, ("errors",), False)


def test_evidence_of_other_rules_is_refused() -> None:
    evidence = seen(healthy(2))
    other = replace(RULES, metrics=(MetricRule("errors"), MetricRule("more")))
    with pytest.raises(SafetyError, match="its rules need"):
        decide(evidence, other, history(3750), FIRST, BEGAN)
