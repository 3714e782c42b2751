"""What follows from comparing canary and primary: growth, waiting, a question to a person, or the way back. Called by `checks` and phases.

A rollback is a fail and interrupts (S4). Whatever cannot be decided ends by the policy's word (judge.md 3); waiting for a person or for a
gate is no lack of evidence, so that no deadline of evidence counts meanwhile.
"""

from dataclasses import replace
from datetime import timedelta

from trimtab.model.evidence import JudgeEvidence
from trimtab.model.judging import Ending, Ramp
from trimtab.model.policy import HookType, Policy
from trimtab.model.rollout import Ask, Gate, Outcome, Phase
from trimtab.model.ruling import JudgeDecision, Ruling
from trimtab.model.verdict import Judgement
from trimtab.rollout import rulings
from trimtab.rollout.copies import only_canary_serves
from trimtab.rollout.endings import roll_back
from trimtab.rollout.questions import following
from trimtab.rollout.reasons import Alarm, Message
from trimtab.rollout.steps import judged_step
from trimtab.rollout.turn import SOON, Turn

FIRST_INTERVAL = timedelta(seconds=15)
"""Between scrapes, until it was measured."""
ASK_AGAIN = timedelta(seconds=15)
"""For a past that was not to be had."""


def learn(turn: Turn) -> None:
    """The primary's past is asked for while the canary comes up; where nothing is known of it, again until the canary is ready."""
    rules, known = turn.policy.analysis.judge, turn.state.evidence.history
    if rules is None or turn.run.skip or (known is not None and known.metrics):
        return
    if turn.facts.asked is not Ask.HISTORY or turn.facts.history is None:
        asked = turn.state.asks is Ask.HISTORY
        if not asked:
            turn.change(asks=Ask.HISTORY, due=turn.now)
        turn.look(max(turn.state.due or turn.now, turn.now + SOON) if asked else turn.now)
        return
    found = turn.facts.history.calibration
    turn.change(evidence=replace(turn.state.evidence, history=found))
    turn.change(asks=Ask.NOTHING if found.metrics else Ask.HISTORY, due=None if found.metrics else turn.now + ASK_AGAIN)
    for text in (*filter(None, (turn.facts.history.problem,)), *turn.facts.cautions):
        turn.say(rulings.caution(text))
    turn.again()


def learning(turn: Turn) -> bool:
    """Is the first answer about the past still awaited?"""
    return turn.state.asks is Ask.HISTORY and turn.state.evidence.history is None


def begin(turn: Turn) -> None:
    """The canary is ready: from here on it is compared."""
    rules = turn.policy.analysis.judge
    if rules is not None:
        compared = JudgeEvidence(turn.now, interval=rules.interval or FIRST_INTERVAL)
        turn.change(evidence=replace(turn.state.evidence, compared=compared))


def stepped(turn: Turn) -> None:
    """Exposure has just grown: what is to be proved now is about this step."""
    if turn.policy.analysis.judge is not None:
        step = judged_step(turn.run, turn.state.evidence.step, turn.now)
        turn.change(evidence=replace(turn.state.evidence, step=step))


def speaks(turn: Turn) -> JudgeDecision | None:
    """The ruling that counts in this pass; None where there is nothing to compare."""
    return turn.state.evidence.ruling if turn.state.evidence.step is not None else None


def glanced(turn: Turn) -> bool:
    """Scrapes that came between two checks. True where they led to something; a fail has interrupted before."""
    ruling = speaks(turn)
    if turn.facts.asked is not Ask.SCRAPES or turn.verdict is None or ruling is None or turn.run.waived:
        return False
    tell(turn, ruling)
    if turn.verdict.judgement is not Judgement.PASS and turn.run.passed is not None:
        # What passed before may not let exposure grow any more, whoever opens a gate now (S3).
        turn.alter(passed=None)
    if ended(turn, ruling):
        return True
    before = turn.before.evidence.ruling
    fresh = before is None or before.ruling is not Ruling.GO_ON or before.step != ruling.step
    by_evidence = turn.policy.analysis.ramp is Ramp.EVIDENCE and ruling.ruling is Ruling.GO_ON
    if by_evidence and fresh and turn.run.gate is None and turn.run.paused is None:
        # Once for each time that the evidence suffices: a hook or a gate that keeps it waiting is asked on the grid.
        turn.change(asks=following(turn.state, Ask.NOTHING), due=turn.now)
        turn.again()
        return True
    return False


def checked(turn: Turn) -> bool:
    """A check in which no limit is broken, but the comparison does not pass. True where the tick goes on all the same."""
    verdict, ruling = turn.verdict, speaks(turn)
    assert verdict is not None and ruling is not None
    if verdict.judgement is Judgement.FAIL:
        rolled_back(turn)
        return False
    if turn.run.waived:
        return True
    tell(turn, ruling)
    turn.alter(passed=None)
    if not ended(turn, ruling):
        turn.pace(following(turn.state, Ask.NOTHING))
    return False


def rolled_back(turn: Turn) -> None:
    """The canary is worse (S4)."""
    message, alarm = rulings.worse(turn.names, turn.state.evidence)
    turn.say(message)
    turn.alarm(alarm)
    roll_back(turn, Outcome.ROLLED_BACK, message.text)


def passes(turn: Turn) -> None:
    """The comparison lets the step be left: nobody has to be asked any more."""
    if turn.run.gate is not None and turn.run.gate.judge:
        turn.alter(gate=None)
        turn.change(phase=Phase.PROGRESSING)


def tell(turn: Turn, ruling: JudgeDecision) -> None:
    """What is new is in the journal; people hear what keeps it waiting."""
    if not is_news(turn, ruling) or concludes(turn, ruling):
        return
    message = rulings.news(turn.names, ruling, turn.state.evidence)
    turn.note(message)
    if ruling.ruling in rulings.SPOKEN:
        turn.announce(message)


def concludes(turn: Turn, ruling: JudgeDecision) -> bool:
    """Does something follow from it in this pass that is told with the same figures?"""
    kept = ruling.ending is Ending.STOP and only_canary_serves(turn)
    return ruling.ending is not None and counts(turn, ruling) and not kept


def is_news(turn: Turn, ruling: JudgeDecision) -> bool:
    """Does it say something else than before? A forecast that goes to and fro is told once."""
    before = turn.before.evidence.ruling
    if before is None or before.step != ruling.step:
        return True
    if (before.ruling, before.reason) == (ruling.ruling, ruling.reason):
        return False
    if ruling.ruling is Ruling.COLLECTING:
        return before.ruling in (Ruling.HOLD, Ruling.NO_DATA)
    told = any(mark.startswith(f"{rulings.REASONS[Ruling.INSUFFICIENT]}: ") for mark in turn.state.spoken)
    return ruling.final or ruling.ruling is not Ruling.INSUFFICIENT or not told


def ended(turn: Turn, ruling: JudgeDecision) -> bool:
    """Waiting is over, and the policy says what then. True where that decides this pass."""
    if ruling.ending is None or not counts(turn, ruling):
        passes(turn)
        return False
    {Ending.ASK: ask, Ending.STOP: stop, Ending.PROMOTE: waive}[ruling.ending](turn)
    return True


def counts(turn: Turn, ruling: JudgeDecision) -> bool:
    """Does a deadline of evidence count? Not while something else keeps the step, nor within the time that a clock gives it."""
    run = turn.run
    if ruling.ruling is not Ruling.INSUFFICIENT:
        return True
    if run.paused is not None or (run.gate is not None and not run.gate.judge):
        return False
    by_clock = turn.policy.analysis.ramp is Ramp.CLOCK
    return not by_clock or turn.now >= ruling.step.began + turn.policy.interval


def ask(turn: Turn) -> None:
    """A person is asked; they have as long as the policy says. Checks go on, and so may the evidence."""
    if turn.run.gate is None or not turn.run.gate.judge:
        turn.alter(gate=Gate(HookType.CONFIRM_PROMOTION, "", turn.now, judge=True))
        turn.change(phase=Phase.WAITING_PROMOTION)
        turn.say_and_alarm(rulings.asking(turn.names, turn.state.evidence))
    turn.pace(following(turn.state, Ask.NOTHING))


def stop(turn: Turn) -> None:
    """Traffic goes back, without a verdict; not while only the canary serves well (S9)."""
    if only_canary_serves(turn):
        turn.pace(following(turn.state, Ask.NOTHING))
        return
    inconclusive(turn, rulings.stopped(turn.names, turn.state.evidence))


def inconclusive(turn: Turn, pair: tuple[Message, Alarm]) -> None:
    """The end without a verdict."""
    turn.say_and_alarm(pair)
    roll_back(turn, Outcome.INCONCLUSIVE, pair[0].text)


def waive(turn: Turn) -> None:
    """The policy promotes without evidence, after a check whose limits hold and through the gates before promotion."""
    turn.say(rulings.waived(turn.names, turn.state.evidence))
    turn.alter(waived=True, gate=None)
    turn.change(asks=following(turn.state, Ask.NOTHING), due=turn.now)
    turn.again()


def answer_within(policy: Policy) -> timedelta | None:
    """How long a person may take to answer the judge."""
    return policy.analysis.judge.ask_for if policy.analysis.judge is not None else None


def nobody_answered(turn: Turn) -> None:
    """The one who was asked let the time pass."""
    inconclusive(turn, rulings.unanswered(turn.names, turn.state.evidence))
