"""Canary against primary within one check: scrapes in, new evidence and a word out. Called by `judge`."""

from dataclasses import replace
from datetime import datetime

from trimtab.analysis.evidence import begin, update
from trimtab.analysis.explain import sentence
from trimtab.analysis.verdicts import decide
from trimtab.model.evidence import Calibration
from trimtab.model.judging import JudgeRules, Ramp
from trimtab.model.policy import Analysis
from trimtab.model.ruling import JudgeDecision, Reason, Ruling
from trimtab.model.verdict import Evidence, Judgement, Samples

NOT_YET = frozenset({Reason.WARM_UP, Reason.BAKING})


def compared(rules: JudgeRules, evidence: Evidence, samples: Samples, now: datetime) -> Evidence:
    """The evidence with what was counted since. Nothing where the rollout is at no step that could be compared."""
    state, step = evidence.compared, evidence.step
    if state is None or step is None:
        return evidence
    # Somebody set the clock back: scrapes up to a time to come would keep all others from being counted.
    if state.upto is not None and state.upto > now:
        state = begin(now)
    step = replace(step, began=min(step.began, now))
    known = evidence.history or Calibration()
    state = update(state, samples.scrapes, rules, known, step)
    ruling = decide(state, rules, known, step, now)
    return replace(evidence, step=step, compared=state, ruling=ruling, said=sentence(ruling, rules), missing=samples.missing)


def word(analysis: Analysis, ruling: JudgeDecision) -> Judgement:
    """What the ruling means for a check, by what ends a step.

    By the clock a step is left in its time if there is no doubt and its data are complete; only promotion has to be earned.
    """
    match ruling.ruling:
        case Ruling.ROLLBACK:
            return Judgement.FAIL
        case Ruling.GO_ON:
            return Judgement.PASS
        case Ruling.NO_DATA:
            return Judgement.NO_DATA
        case Ruling.HOLD:
            return Judgement.INCONCLUSIVE
    return Judgement.PASS if in_time(analysis, ruling) else Judgement.INCONCLUSIVE


def in_time(analysis: Analysis, ruling: JudgeDecision) -> bool:
    """May a step be left by the clock alone?"""
    rules = analysis.judge
    if rules is None or analysis.ramp is not Ramp.CLOCK or ruling.reason in NOT_YET or ruling.scrapes < rules.least_scrapes:
        return False
    return not ruling.step.last or rules.promote_without_evidence
