"""What people ask for, obeyed or answered with why not (R5, R8, R9). Called by `decide` before anything else."""

from trimtab.model.commands import Command, Verb
from trimtab.model.policy import HookType
from trimtab.model.rollout import BACKWARDS, Answer, Ask, CanaryState, Outcome, Pause, Phase, RolloutKind
from trimtab.rollout import reasons
from trimtab.rollout.endings import end, hold, roll_back, undo_to
from trimtab.rollout.questions import following
from trimtab.rollout.reasons import Message
from trimtab.rollout.turn import Turn

REMEMBERED = 50
"""Answers that are kept for those who asked."""
TOO_LATE = "too late"


def obey(turn: Turn) -> None:
    """Every wish that waits, in order; each gets an answer in the same transaction, so no more than there is room for answers.

    A wish that leads to another phase or ends the attempt is a decision of its own: what was wished after it meets what came of it.
    """
    handled = {answer.command for answer in turn.state.handled}
    for command in [command for command in turn.facts.commands if command.id not in handled][:REMEMBERED]:
        before = turn.state
        refused = stale(turn, command) or VERBS[command.verb](turn, command)
        text = refused or DONE[command.verb]
        turn.note(Message(command.verb.capitalize(), said(command, text)), command)
        turn.reply(Answer(command.id, text, not refused), REMEMBERED)
        turn.again()
        if moved(before, turn.state):
            return


def moved(before: CanaryState, after: CanaryState) -> bool:
    """Is it another phase, or has the attempt an outcome that it had not?"""
    outcomes = [state.rollout.outcome if state.rollout is not None else None for state in (before, after)]
    return before.phase is not after.phase or outcomes[0] is not outcomes[1]


def refusal(turn: Turn, command: Command) -> str:
    """What a wish would be answered now, were it not obeyed; empty where it would be. Nothing comes of it."""
    return stale(turn, command) or VERBS[command.verb](Turn(turn.state, turn.facts, turn.verdict), command)


def said(command: Command, text: str) -> str:
    """A wish and its answer on one line of the journal."""
    because = f" ({command.reason})" if command.reason else ""
    return f"{who(command)} says {command.verb}{because}: {text}"


def who(command: Command) -> str:
    """Whose wish it is, and that this is not certain where it is not."""
    return f"{command.actor} (unverified)" if command.verified is False else command.actor


def stale(turn: Turn, command: Command) -> str:
    """Did the world move on since that person looked?"""
    if turn.facts.source.leaving:
        return f"{TOO_LATE}: Canary {turn.state.key} is being deleted; nothing was changed"
    number = turn.state.rollout.number if turn.state.rollout is not None else 0
    if command.rollout != number:
        return f"{TOO_LATE}: rollout {command.rollout} is over, {number} is the newest; nothing was changed"
    return ""


def approve(turn: Turn, command: Command) -> str:
    """Opens the gate at which the rollout waits, for this revision only."""
    run = turn.state.running
    if run is None or run.outcome is not None:
        return "nothing is under way that could be approved"
    if command.revision and command.revision != run.to.id:
        return f"{TOO_LATE}: revision {run.to.id} waits now, not {command.revision}; nothing was changed"
    if command.skip_analysis:
        return skip_analysis(turn, command)
    if run.gate is None or (command.gate and command.gate != run.gate.type):
        return f"{TOO_LATE}: the rollout does not wait at {command.gate or 'a gate'}; nothing was changed"
    if run.gate.judge:
        promote_all_the_same(turn, who(command))
    else:
        open_gate(turn, run.gate.type, who(command))
    return ""


def skip_analysis(turn: Turn, command: Command) -> str:
    """Promotes the pinned content as soon as the canary is ready."""
    if turn.state.phase not in (Phase.PROGRESSING, Phase.WAITING_PROMOTION):
        return f"analysis can be skipped while a rollout progresses; it is {turn.state.phase}"
    turn.alter(skip=True, actor=who(command), paused=None)
    return ""


def promote_all_the_same(turn: Turn, actor: str) -> None:
    """Answers the judge, who asked for want of evidence: limits are checked once more, then the pinned content is promoted."""
    turn.alter(waived=True, approved=(*turn.run.approved, HookType.CONFIRM_PROMOTION), gate=None, actor=actor)
    turn.change(asks=following(turn.state, Ask.NOTHING), due=turn.now)


def open_gate(turn: Turn, gate: HookType, actor: str) -> None:
    """Commands act at once: the tick in which the gate was asked goes on, if its checks passed."""
    run = turn.run
    clean = run.began is None or run.passed is not None
    turn.alter(approved=(*run.approved, gate), gate=None, actor=actor)
    if clean:
        turn.change(asks=following(turn.state, Ask(gate.value)), due=turn.now)


def pause(turn: Turn, command: Command) -> str:
    """Stops growth; checks and rollback go on."""
    run = turn.state.running
    if run is None or run.outcome is not None or turn.state.phase in (Phase.PROMOTING, Phase.FINALISING, Phase.INITIALIZING):
        return f"{TOO_LATE}: nothing grows that could be paused"
    if run.paused is not None:
        return f"it is paused already, by {run.paused.actor}"
    turn.alter(paused=Pause(who(command), command.reason, turn.now))
    return ""


def resume(turn: Turn, command: Command) -> str:
    """Growth goes on at the next point of the grid."""
    run = turn.state.running
    if run is None or run.paused is None:
        return "it is not paused"
    turn.alter(paused=None)
    return ""


def abort(turn: Turn, command: Command) -> str:
    """Back to the primary; the content stays held until the source differs or someone says retry."""
    run = turn.state.running
    if run is None or run.outcome is not None:
        return f"{TOO_LATE}: nothing is under way"
    if turn.state.phase in (Phase.PROMOTING, Phase.FINALISING):
        return f"{TOO_LATE}: promotion has begun; `trimtab undo` goes back when it is through"
    if run.kind is RolloutKind.INITIALISATION:
        return "there is nothing to go back to: this is the first revision"
    abort_now(turn, who(command), command.reason)
    return ""


def abort_now(turn: Turn, actor: str, reason: str) -> None:
    """Ends the attempt by a person's word, or because a gate stayed closed too long."""
    message, alarm = reasons.aborted(turn.names, actor, reason)
    turn.say(message)
    turn.alarm(alarm)
    turn.alter(actor=actor)
    # One that took the place of another while progressing has still to see that one's traffic and pods gone (S6).
    if turn.run.began is None and turn.state.phase is not Phase.PROGRESSING:
        hold(turn, turn.run.to, message.text)
        end(turn, Outcome.ABORTED, Phase.FAILED, message.text)
    else:
        roll_back(turn, Outcome.ABORTED, message.text)


def retry(turn: Turn, command: Command) -> str:
    """Starts the held content of the source again."""
    if turn.state.running is not None:
        return "a rollout is under way; abort it first"
    if turn.state.held is None:
        return "nothing is held back that could be tried again"
    turn.change(held=None)
    return ""


def undo(turn: Turn, command: Command) -> str:
    """Mid-run: abort. Settled: back to a kept revision, without analysis; what the source holds stays held (R8)."""
    state = turn.state
    if state.running is not None:
        return abort(turn, command)
    last = state.rollout
    # Who wished it while that attempt was under way has what was wished; what was promoted before is not meant.
    if last is not None and last.ended is not None and last.outcome in BACKWARDS and command.at < last.ended:
        return f"{TOO_LATE}: rollout {last.number} has ended as {last.outcome} since; nothing was changed"
    kept = next((revision for revision in state.kept if command.revision in ("", revision.id)), None)
    if kept is None:
        ids = ", ".join(revision.id for revision in state.kept)
        return f"there is no such revision to go back to; kept are: {ids}" if ids else "there is nothing to go back to: no revision is kept"
    undo_to(turn, kept, who(command))
    return ""


VERBS = {
    Verb.APPROVE: approve,
    Verb.PAUSE: pause,
    Verb.RESUME: resume,
    Verb.ABORT: abort,
    Verb.RETRY: retry,
    Verb.UNDO: undo,
}
DONE = {
    Verb.APPROVE: "approved",
    Verb.PAUSE: "paused: it does not grow, checks go on; a newer change begins without a pause",
    Verb.RESUME: "resumed",
    Verb.ABORT: "aborted: all traffic goes back to the primary",
    Verb.RETRY: "trying again",
    Verb.UNDO: "going back",
}
