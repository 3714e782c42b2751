"""Why did it roll back? What should happen next? Interrupts in a fixed order, then one short function per phase (P7).

Called by `control.reconcile` with everything it may look at; pure.
"""

from collections.abc import Callable
from dataclasses import replace

from trimtab.model.decision import Decision
from trimtab.model.facts import Facts
from trimtab.model.policy import OnNewer
from trimtab.model.rollout import Ask, CanaryState, Outcome, Phase, RolloutKind
from trimtab.model.verdict import Judgement, Verdict
from trimtab.rollout import reasons
from trimtab.rollout.afterwards import left_off, put_back
from trimtab.rollout.checks import metrics
from trimtab.rollout.comparing import answer_within, nobody_answered
from trimtab.rollout.copies import only_canary_serves, patience_anew
from trimtab.rollout.endings import end, go_back, hold, usable
from trimtab.rollout.leaving import terminating
from trimtab.rollout.phases import at_rest, finalising, initializing, progressing, promoting
from trimtab.rollout.pinning import completed
from trimtab.rollout.reasons import Message
from trimtab.rollout.troubles import tell_troubles
from trimtab.rollout.turn import Turn
from trimtab.rollout.wishes import abort_now, obey

PHASES: dict[Phase, Callable[[Turn], None]] = {
    Phase.INITIALIZING: initializing,
    Phase.INITIALIZED: at_rest,
    Phase.WAITING: at_rest,
    Phase.PROGRESSING: progressing,
    Phase.WAITING_PROMOTION: progressing,
    Phase.PROMOTING: promoting,
    Phase.FINALISING: finalising,
    Phase.SUCCEEDED: at_rest,
    Phase.FAILED: at_rest,
}


def decide(state: CanaryState, facts: Facts, verdict: Verdict | None) -> Decision:
    """The next state, why, and when to look again."""
    turn = Turn(state, facts, verdict)
    set_back(turn)
    take_notice(turn)
    if left_off(turn):
        return turn.decision()
    if facts.source.leaving or state.phase is Phase.TERMINATING:
        terminating(turn)
    elif not suspended(turn):
        obey(turn)
        # A wish that leads to another phase is a decision of its own; the next pass goes on from there.
        if turn.state.phase is state.phase and not (newer(turn) or failed(turn) or overdue(turn)):
            PHASES[turn.state.phase](turn)
    return turn.decision()


def set_back(turn: Turn) -> None:
    """Somebody set the clock back: what has happened lies not ahead, and what is due is due within an interval again.

    Without this a canary would not be checked until the clock is where it was.
    """
    state, now = turn.state, turn.now
    if state.rules is not None and state.due is not None and state.due > now + state.rules.interval:
        turn.change(due=turn.next_grid())
    if state.evidence.glanced is not None and state.evidence.glanced > now:
        turn.change(evidence=replace(state.evidence, glanced=None))
    put_back(turn)
    run = state.running
    if run is None or not any(
        moment is not None and moment > now for moment in (run.began, run.cleared, run.grown, run.passed, run.promoting)
    ):
        return
    passed = run.passed if run.passed is not None and run.passed <= now else None
    began, ready, cleared, grown, promoting = (
        moment and min(moment, now) for moment in (run.began, run.ready, run.cleared, run.grown, run.promoting)
    )  # fmt: skip
    gate = run.gate and replace(run.gate, since=min(run.gate.since, now))
    turn.alter(began=began, ready=ready, cleared=cleared, grown=grown, promoting=promoting, passed=passed, gate=gate)


def take_notice(turn: Turn) -> None:
    """What was told is struck off, or recorded as undelivered; new evidence is kept, problems of the source are told."""
    state, facts = turn.state, turn.facts
    for telling in state.to_tell:
        if facts.told.get(telling.id):
            turn.note(reasons.undelivered(telling, facts.told[telling.id]))
    if facts.told and state.to_tell:
        turn.state = replace(state, to_tell=tuple(telling for telling in state.to_tell if telling.id not in facts.told))
    if turn.verdict is not None:
        turn.change(evidence=turn.verdict.evidence)
    if facts.source.policy is not None and facts.source.policy != state.policy:
        turn.change(policy=facts.source.policy)
    run = turn.state.running
    if facts.source.policy is not None and run is not None and (whole := completed(run.policy, facts.source.policy)) != run.policy:
        turn.alter(policy=whole)
    if facts.source.leaving:
        return
    problems = tuple(filter(None, (facts.source.problem, facts.source.policy_problem)))
    turn.forget(reasons.SOURCE_PROBLEM, problems)
    for problem in problems:
        turn.say(reasons.source_problem(problem))
    tell_troubles(turn)


def suspended(turn: Turn) -> bool:
    """`spec.suspend`: nothing at all happens until it is taken away (R9)."""
    if not turn.facts.source.suspended:
        if turn.state.suspended:
            turn.change(suspended=False)
            turn.forget("Suspended")
            if turn.state.running is not None:
                patience_anew(turn)
            if turn.state.asks is not Ask.PROVIDERS and turn.state.due is not None and turn.state.due < turn.now:
                # What was due meanwhile is not made up for between two points of the grid (P2).
                turn.change(due=turn.next_grid())
        return False
    turn.change(suspended=True)
    turn.say(reasons.suspended())
    return True


def newer(turn: Turn) -> bool:
    """The source says something else than what is under way (R6, R7). True where that ended the attempt."""
    state, source = turn.state, turn.facts.source
    revision = source.revision
    if revision is None or not usable(source, state.policy):
        return False
    if state.held is not None and state.held.revision != revision.id:
        turn.change(held=None)
    run = state.running
    if run is None or run.outcome is not None or run.to == revision:
        return False
    if run.draining or state.phase in (Phase.PROMOTING, Phase.FINALISING):
        return False
    if run.kind is RolloutKind.INITIALISATION:
        end(turn, Outcome.SUPERSEDED, Phase.INITIALIZING, reasons.restarted(turn.names).text)
        return True
    taken_back = revision == state.promoted
    if not taken_back and waits_its_turn(turn):
        return False
    message = reasons.withdrawn(turn.names) if taken_back else reasons.restarted(turn.names)
    leave(turn, Outcome.WITHDRAWN if taken_back else Outcome.SUPERSEDED, message)
    return turn.state.running is None or turn.run.outcome is not None


def waits_its_turn(turn: Turn) -> bool:
    """Does the policy let the attempt under way finish first?"""
    policy, revision = turn.policy, turn.facts.source.revision
    if policy.on_newer is OnNewer.SUPERSEDE or revision is None:
        return False
    if policy.on_newer is OnNewer.QUEUE:
        turn.say(Message("Queued", f"revision {revision.id} waits until revision {turn.run.to.id} is through"))
    else:
        text = f"revision {revision.id} came while revision {turn.run.to.id} was under way, which the policy rejects"
        if turn.state.held is None:
            hold(turn, revision, text)
        turn.say(Message("Rejected", text, "warn"))
    return True


def leave(turn: Turn, outcome: Outcome, message: Message) -> None:
    """Ends the attempt because the source moved on; not while only the canary serves well (S9)."""
    run, state = turn.run, turn.state
    if run.began is None:
        turn.say(message)
        phase = Phase.SUCCEEDED if outcome is Outcome.WITHDRAWN and state.phase is Phase.WAITING else state.phase
        end(turn, outcome, phase, message.text)
    elif not only_canary_serves(turn):
        turn.say(message)
        go_back(turn, outcome, message.text)


def failed(turn: Turn) -> bool:
    """The judge says fail: back at once, whatever else was wished for in this pass (S4)."""
    run, verdict = turn.state.running, turn.verdict
    if run is None or run.outcome is not None or verdict is None or verdict.judgement is not Judgement.FAIL:
        return False
    metrics(turn)
    return True


def overdue(turn: Turn) -> bool:
    """A gate that stayed closed longer than the policy allows aborts the attempt (R9); a judge whom nobody answers ends it."""
    run = turn.state.running
    if run is None or run.gate is None or run.outcome is not None:
        return False
    patience = run.policy.gate_deadline if not run.gate.judge else answer_within(run.policy)
    if patience is None:
        return False
    deadline = run.gate.since + patience
    if turn.now < deadline:
        turn.look(deadline)
        return False
    if only_canary_serves(turn):
        turn.look(turn.next_grid())
        return False
    if run.gate.judge:
        nobody_answered(turn)
        return True
    abort_now(turn, "the gate's deadline", f"{run.gate.type} was not opened in time")
    return True
