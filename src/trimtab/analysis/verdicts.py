"""What the judge of canary against primary says (judge.md 3). Called by the loop's `judge`, by backtests and by replays.

Precedence: roll back, then silence, go on, hold, and last that it is still collecting. A rollback comes before silence, because evidence
that was won stays true while another metric says nothing. Evidence and time are all that is looked at; asking twice changes nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from trimtab.analysis import objectives
from trimtab.analysis.counts import Odds
from trimtab.analysis.evidence import known, stepped, table
from trimtab.analysis.grouping import leavable
from trimtab.analysis.layout import Layout
from trimtab.analysis.ledger import Array, Flags
from trimtab.analysis.odds import combined, implicated, weighted
from trimtab.analysis.packing import Table
from trimtab.analysis.readings import Frame, finite, readings
from trimtab.model.evidence import Calibration, JudgeEvidence
from trimtab.model.judging import Ending, JudgeRules, JudgeStep, Measured, Role
from trimtab.model.ruling import JudgeDecision, Reason, Ruling

SILENT_INTERVALS = 4
"""A bin is closed one interval late, so that silence begins only after some of them."""
CALLS = (Ruling.ROLLBACK, Ruling.GO_ON, Ruling.HOLD, Ruling.COLLECTING)


def calls(odds: Odds, ready: Flags, patient: Flags, rules: JudgeRules) -> Array:
    """(...): place in `CALLS` by the evidence alone, for one rollout or for many at once.

    `ready`: enough complete scrapes in this step. `patient`: the grace after the first doubt is not over.
    """
    worse = odds.worse >= np.log(rules.rollback_odds)
    beyond = odds.beyond >= np.log(rules.tolerance_odds)
    everywhere = odds.without_pod >= np.log(rules.without_one_pod_odds)
    doubtful = odds.worse >= np.log(rules.hold_odds)
    refuted = odds.refuted >= np.log(rules.promote_odds)
    goes_on = refuted & ready & (odds.beyond < 0) & (~doubtful | ~patient)
    return np.select([worse & beyond & everywhere, goes_on, doubtful], [0, 1, 2], 3)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Everything that one decision looks at."""

    evidence: JudgeEvidence
    layout: Layout
    arrays: Table
    step: JudgeStep
    now: datetime
    each: Odds
    """Of every metric."""
    all: Odds
    rules: JudgeRules

    @property
    def doubtful(self) -> bool:
        """Is it in doubt now?"""
        return bool(self.all.worse >= np.log(self.rules.hold_odds))

    @property
    def grace_left(self) -> timedelta | None:
        """How long doubt alone still holds it; None before the first doubt."""
        if self.evidence.doubted is None:
            return None
        return max(timedelta(0), self.evidence.doubted + self.rules.grace - self.now)


def decide(evidence: JudgeEvidence, rules: JudgeRules, calibration: Calibration, step: JudgeStep, now: datetime) -> JudgeDecision:
    """What the evidence says at this moment. SafetyError if it was gathered under other rules."""
    found, arrays = table(evidence, rules, calibration)
    if evidence.step != step.number and evidence.numbers:
        arrays = stepped(arrays, rules)
    vouching = leavable(evidence.groups, rules.constants)
    each = combined(arrays, found, vouching, rules)
    look = Look(evidence, found, arrays, step, now, each, weighted(each, found), rules)
    rows = readings(Frame(arrays, found, each, evidence, rules, known(evidence, calibration), step, vouching))
    missing = [row.minutes for row in rows if row.minutes is not None and row.role is Role.GATE]
    needs = [row.needed for row in rows if row.needed is not None and row.role is Role.GATE]
    ruling, reason = ruled(look, max(missing, default=None))
    decision = JudgeDecision(
        ruling,
        reason,
        step,
        now,
        odds=(finite(look.all.worse), finite(look.all.beyond), finite(look.all.without_pod)),
        readings=rows,
        grace_left=look.grace_left if look.doubtful else None,
        overridden=ruling is Ruling.GO_ON and look.doubtful,
        needed=max(needs, default=None),
        minutes=max(missing, default=None),
        planned_share=step.weight,
        measured_share=max((row.share for row in rows), default=0.0),
        scrapes=scrapes(look),
        top=evidence.top,
        exposed=now - evidence.began,
        inputs=evidence.inputs,
    )
    return ended(blamed(decision, look), look)


def ruled(look: Look, minutes: float | None) -> tuple[Ruling, Reason]:
    """By precedence."""
    rules = look.rules
    if look.all.guard >= np.log(rules.rollback_odds) and warming(look):
        return Ruling.ROLLBACK, Reason.FAR_WORSE
    ready = scrapes(look) >= rules.least_scrapes
    patient = look.grace_left is None or look.grace_left > timedelta(0)
    call = CALLS[int(calls(look.all, np.asarray(ready), np.asarray(patient), rules))]
    if call is Ruling.ROLLBACK:
        return call, Reason.WORSE
    if silence(look) >= max(rules.silence_hold, SILENT_INTERVALS * look.evidence.interval):
        return Ruling.NO_DATA, Reason.SILENCE
    if call in (Ruling.GO_ON, Ruling.COLLECTING) and shared_breach(look):
        return Ruling.HOLD, Reason.SHARED_BREACH
    if call is Ruling.GO_ON:
        least = max(rules.bake, rules.step_minimum) if look.step.last else rules.step_minimum
        baked = look.now - look.step.began >= least
        return (call, Reason.REFUTED) if baked else (Ruling.COLLECTING, Reason.BAKING)
    if call is Ruling.HOLD:
        return call, Reason.ONE_POD if look.all.without_pod < np.log(rules.without_one_pod_odds) else Reason.DOUBT
    if warming(look):
        return Ruling.COLLECTING, Reason.WARM_UP
    left = (look.step.began + rules.step_deadline - look.now).total_seconds() / 60
    if ready and minutes is not None and minutes > left:
        return Ruling.INSUFFICIENT, Reason.COLLECTING
    return Ruling.COLLECTING, Reason.COLLECTING


def ended(decision: JudgeDecision, look: Look) -> JudgeDecision:
    """With what the policy wants where waiting is over."""
    rules = look.rules
    if decision.ruling in (Ruling.ROLLBACK, Ruling.GO_ON):
        return decision
    late = look.now >= min(look.step.began + rules.step_deadline, look.evidence.began + rules.rollout_deadline)
    if decision.ruling is Ruling.NO_DATA:
        final = late or silence(look) >= max(rules.silence_deadline, SILENT_INTERVALS * look.evidence.interval)
        return replace(decision, final=final, ending=rules.on_no_data if final else None)
    if not late or decision.reason is Reason.BAKING:
        return decision
    if decision.ruling is Ruling.HOLD:
        return replace(decision, final=True, ending=Ending.ASK if decision.reason is Reason.SHARED_BREACH else rules.on_doubt)
    return replace(decision, ruling=Ruling.INSUFFICIENT, reason=Reason.DEADLINE, final=True, ending=rules.on_insufficient)


def blamed(decision: JudgeDecision, look: Look) -> JudgeDecision:
    """With the metrics that carry a rollback or a doubt."""
    if decision.ruling not in (Ruling.ROLLBACK, Ruling.HOLD) or decision.reason is Reason.SHARED_BREACH:
        return decision
    far = decision.reason is Reason.FAR_WORSE
    bar = look.rules.rollback_odds if decision.ruling is Ruling.ROLLBACK else look.rules.hold_odds
    places, jointly = implicated(look.each.guard if far else look.each.worse, look.layout.weights, np.log(bar))
    rows = tuple(replace(row, implicated=place in places) for place, row in enumerate(decision.readings))
    return replace(decision, readings=rows, culprits=tuple(rows[place].metric for place in places), jointly=jointly)


def warming(look: Look) -> bool:
    """Has nothing been counted but the guard so far?"""
    upto = look.evidence.upto
    return look.rules.warmup > timedelta(0) and (upto is None or upto <= look.evidence.began + look.rules.warmup)


def silence(look: Look) -> timedelta:
    """How long a gating metric has had no complete scrape; any metric, where none gates."""
    gating = {metric.name for metric in look.rules.metrics if metric.role is Role.GATE and metric.kind is not Measured.OBJECTIVE}
    names = gating or {metric.name for metric in look.rules.metrics}
    upto = {seen.metric: seen.upto for seen in look.evidence.seen}
    oldest = min((upto.get(name, look.evidence.began) for name in names), default=look.evidence.began)
    return look.now - max(oldest, look.evidence.began)


def scrapes(look: Look) -> int:
    """Complete scrapes within this step, of the gating series that has fewest."""
    counted = np.concatenate((look.arrays.counts.ledger.counted, look.arrays.shifts.ledger.counted))
    gating = np.any(look.layout.gating, axis=0)
    return int(np.min(counted[gating] if np.any(gating) else counted, initial=np.inf)) if counted.size else 0


def shared_breach(look: Look) -> bool:
    """Do both arms break an objective at present?"""
    both = objectives.odds(look.arrays.breaches, look.rules.constants)
    return bool(np.any(np.all(both >= np.log(look.rules.rollback_odds), axis=-1)))
