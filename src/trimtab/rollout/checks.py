"""One tick of the attempt under way: questions one after the other, then growth, promotion, or a reason to wait.

Called by the phases while an attempt opens, progresses or waits for promotion.
"""

from dataclasses import replace

from trimtab.model.policy import GATES, HookType
from trimtab.model.rollout import Ask, Gate, Outcome, Phase
from trimtab.model.ruling import Ruling
from trimtab.model.verdict import Judgement, Reading, Result, Verdict, worst
from trimtab.rollout import reasons
from trimtab.rollout.comparing import checked, passes, rolled_back, speaks
from trimtab.rollout.copies import canary_ready
from trimtab.rollout.endings import roll_back
from trimtab.rollout.questions import following, nobody_serves
from trimtab.rollout.reasons import Message
from trimtab.rollout.turn import SOON, Turn


def answered(turn: Turn) -> bool:
    """Takes the answer to the question that was due and goes on. True when the tick is through and nothing forbids growth."""
    state, run = turn.state, turn.run
    if state.due is not None and turn.now < state.due:
        turn.look(state.due)
        return False
    if nobody_serves(state, turn.facts):
        turn.pace(state.asks)
        return False
    if state.asks is not Ask.NOTHING and turn.facts.asked is not state.asks:
        turn.look(turn.now + SOON)
        return False
    if state.asks is Ask.ROLLBACK and not rollback_hooks(turn):
        return False
    if run.began is not None:
        if not run.position:
            turn.say(reasons.starting(turn.names))
        copy = canary_ready(turn, run.began)
        if not copy.ready:
            # A canary that was ready and is not any more has failed a check, whatever else was answered (QUIRK-25): one, not one more.
            turn.change(evidence=replace(turn.state.evidence, failed_checks=turn.before.evidence.failed_checks))
            return failed_check(turn, reasons.not_ready(turn.names, copy.text, primary=False))
    if state.asks is Ask.METRICS:
        return metrics(turn)
    if state.asks in (Ask.ROLLOUT, Ask.PRE_ROLLOUT):
        return check_hooks(turn)
    return state.asks in (Ask.NOTHING, Ask.ROLLBACK) or gate(turn)


def go_on(turn: Turn) -> bool:
    """To the next question of this tick. True when there is none."""
    ask = following(turn.state, turn.state.asks)
    turn.change(asks=ask, due=turn.now)
    if ask is not Ask.NOTHING:
        turn.again()
    return ask is Ask.NOTHING


def wait(turn: Turn) -> bool:
    """This tick is over; the next begins at the next point of the grid."""
    turn.pace(following(turn.state, Ask.NOTHING))
    return False


def rollback_hooks(turn: Turn) -> bool:
    """The first that says yes rolls back (flagger.md 2.2 step 22)."""
    for answer in turn.facts.answers:
        if answer.open:
            told, rolling, alarm = reasons.hook_rolls_back(turn.names, answer)
            turn.say(told)
            turn.say(rolling)
            turn.alarm(alarm)
            roll_back(turn, Outcome.ROLLED_BACK, rolling.text)
            return False
        turn.say(reasons.hook_does_not_roll_back(answer))
    return go_on(turn)


def check_hooks(turn: Turn) -> bool:
    """Pre-rollout and rollout hooks: a closed one is a failed check."""
    for answer in turn.facts.answers:
        if not answer.open:
            return failed_check(turn, reasons.check_hook_failed(turn.names, answer))
        if answer.hook.type is HookType.PRE_ROLLOUT:
            turn.say(reasons.hook_passed(answer.hook))
    return go_on(turn)


def metrics(turn: Turn) -> bool:
    """What the judge made of the answers (S4: a fail rolls back in this decision)."""
    verdict, samples = turn.verdict, turn.facts.samples
    if verdict is None or samples is None:
        return wait(turn)
    if verdict.judgement is Judgement.FAIL and (ruling := speaks(turn)) is not None and ruling.ruling is Ruling.ROLLBACK:
        rolled_back(turn)
        return False
    new = news(turn, verdict)
    if verdict.judgement is Judgement.PASS:
        if turn.run.grown is not None and samples.asked <= turn.run.grown:
            # The clock was set back in the middle of this pass: these answers cannot speak for the last growth (S3).
            return wait(turn)
        passes(turn)
        turn.alter(passed=samples.asked)
        if new:
            turn.note(passed(turn, verdict), results=verdict.results)
        return go_on(turn)
    bad = worst(verdict.results)
    if bad is None:
        return go_on(turn) if checked(turn) else False
    if new:
        message = reasons.metric_failed(turn.names, bad, turn.policy.provider)
        turn.note(message, results=verdict.results)
        turn.announce(message)
    if verdict.judgement is Judgement.FAIL:
        return too_many_failures(turn)
    turn.alter(passed=None)
    return wait(turn)


def passed(turn: Turn, verdict: Verdict) -> Message:
    """A check that let exposure grow, and by what."""
    ruling, number = speaks(turn), verdict.evidence.checks
    if ruling is None:
        return Message("CheckPassed", f"check {number} passed")
    by_time = "" if ruling.ruling is Ruling.GO_ON else ": no limit is broken, and no doubt is large enough to hold it"
    return Message("CheckPassed", f"check {number} passed{by_time}. {verdict.evidence.said}")


def news(turn: Turn, verdict: Verdict) -> bool:
    """Does this check move anything, or say something else than the one before?

    While a rollout is paused, waits at a gate or holds for missing answers, checks go on for as long as that takes: a journal that told
    each would bury what matters (R4), and answers of servers that are away differ in every word but the meaning.
    """
    run, before = turn.run, turn.before.evidence
    lets_grow = verdict.judgement is Judgement.PASS and run.paused is None and run.gate is None
    counts = verdict.evidence.failed_checks > before.failed_checks
    return lets_grow or counts or readings(verdict.results) != readings(before.results)


def readings(results: tuple[Result, ...]) -> list[tuple[str, Reading]]:
    """What a check says, without numbers."""
    return [(result.metric, result.reading) for result in results]


def failed_check(turn: Turn, message: Message) -> bool:
    """A check that failed for another reason than a metric counts the same (QUIRK-19)."""
    evidence = replace(turn.state.evidence, failed_checks=turn.state.evidence.failed_checks + 1)
    turn.change(evidence=evidence)
    turn.alter(passed=None)
    turn.note(message)
    turn.announce(message)
    if evidence.failed_checks >= turn.policy.analysis.threshold:
        return too_many_failures(turn)
    return wait(turn)


def too_many_failures(turn: Turn) -> bool:
    """The last allowed check failed."""
    message, alarm = reasons.threshold_reached(turn.names, turn.state.evidence.failed_checks)
    turn.say(message)
    turn.alarm(alarm)
    roll_back(turn, Outcome.ROLLED_BACK, message.text)
    return False


def gate(turn: Turn) -> bool:
    """A gate is open when every hook says so and no person's approval is missing."""
    run, kind = turn.run, HookType(turn.state.asks.value)
    assert kind in GATES
    closed = next((answer.hook for answer in turn.facts.answers if not answer.open), None)
    for answer in turn.facts.answers:
        if answer.open:
            turn.say(reasons.hook_passed(answer.hook))
    if closed is None and kind not in run.policy.approvals:
        turn.alter(gate=None)
        return go_on(turn)
    since = run.gate.since if run.gate is not None and run.gate.type is kind else turn.now
    name = closed.name if closed is not None else "by a person: trimtab approve"
    # All checks of this tick passed, or the gate would not have been asked: an approval may act at once.
    turn.alter(gate=Gate(kind, closed.name if closed is not None else "", since), passed=run.passed or turn.now)
    if kind is HookType.CONFIRM_ROLLOUT:
        turn.change(phase=Phase.WAITING)
    elif kind is HookType.CONFIRM_PROMOTION:
        turn.change(phase=Phase.WAITING_PROMOTION)
    message, alarm = reasons.gate_closed(turn.names, kind, name)
    turn.say(message)
    if closed is None or not closed.mute_alert:
        turn.alarm(alarm)
    return wait(turn)
