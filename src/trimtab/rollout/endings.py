"""How an attempt ends: towards rollback, promotion, refusal, and what is left behind. Called by the phases and interrupts."""

from dataclasses import replace
from datetime import datetime

from trimtab.model.content import Finding, Severity
from trimtab.model.facts import Source
from trimtab.model.policy import HookType, Policy
from trimtab.model.revision import Origin, Revision
from trimtab.model.rollout import Ask, Held, Outcome, Phase, Rollout, RolloutKind
from trimtab.model.verdict import Evidence
from trimtab.rollout import reasons
from trimtab.rollout.exposure import canary_left_alone
from trimtab.rollout.steps import impossible, steps, unchecked
from trimtab.rollout.turn import Turn


def open_attempt(turn: Turn, kind: RolloutKind, to: Revision) -> None:
    """A new attempt, with its policy pinned (R2). What must not be shown ends here, before any pod saw it (S5)."""
    state, facts = turn.state, turn.facts
    policy = facts.source.policy or state.policy
    assert policy is not None
    skip = without_analysis(turn, kind, policy)
    number = state.rollout.number + 1 if state.rollout is not None else 1
    # An undo is about what was promoted before, whatever the source says now and whoever wrote that.
    undo = kind is RolloutKind.UNDO
    origin, changes = (Origin(), (f"back to revision {to.id}",)) if undo else (facts.source.origin, facts.changes)
    attempt = Rollout(
        number, kind, state.promoted, to, policy, turn.now, origin, changes, objections(turn, kind, policy),
        steps=steps(policy, facts.capabilities), skip=skip, cleared=turn.now if state.fallback is not None else cleared(state.rollout),
    )  # fmt: skip
    turn.state = replace(state, spoken=frozenset())
    turn.change(rollout=attempt, policy=policy, evidence=Evidence(), asks=Ask.NOTHING, due=None, grid=turn.now)
    warn(turn)
    turn.again()


def without_analysis(turn: Turn, kind: RolloutKind, policy: Policy) -> bool:
    """Is nothing to be checked before promotion?"""
    return kind is RolloutKind.UNDO or policy.skip_analysis or turn.facts.source.skip_analysis


def objections(turn: Turn, kind: RolloutKind, policy: Policy) -> tuple[Finding, ...]:
    """What was found in the revision of the source and in how it is to be rolled out. An undo is about something else."""
    if kind is RolloutKind.UNDO:
        return ()
    able = turn.facts.capabilities
    found = turn.facts.findings + impossible(policy, able)
    checked = kind is RolloutKind.CHANGE and not without_analysis(turn, kind, policy)
    return found + unchecked(steps(policy, able)) if checked else found


def errors_among(findings: tuple[Finding, ...]) -> tuple[str, ...]:
    """What keeps a revision from being shown to anyone."""
    return tuple(str(finding) for finding in findings if finding.severity is Severity.ERROR)


def cleared(before: Rollout | None) -> datetime | None:
    """When the canary of the attempt before was gone; None where there was none."""
    if before is None or before.kind is RolloutKind.INITIALISATION:
        return None
    return before.ended if before.began is not None else before.cleared


def undo_to(turn: Turn, kept: Revision, actor: str, why: str = "") -> None:
    """Back to a kept revision, without analysis; what the source holds stays held (R8). `why`: what was seen, where nobody wished it."""
    source = turn.facts.source.revision
    if source is None and turn.state.held is None:
        # It cannot be read now; when it was last read it held what is promoted, or an attempt would have been made of it.
        source = turn.state.promoted
    open_attempt(turn, RolloutKind.UNDO, kept)
    turn.alter(began=turn.now, promoting=turn.now, actor=actor)
    turn.change(phase=Phase.PROMOTING)
    pair = reasons.undoing(turn.names, kept.id, actor, why)
    if source is not None and source != kept:
        hold(turn, source, pair[0].text)
    turn.say_and_alarm(pair)


def warn(turn: Turn) -> None:
    """What validation found doubtful is on record; it is told to people where they asked for validation, for Flagger says nothing."""
    run = turn.run
    warnings = tuple(str(finding) for finding in run.findings if finding.severity is Severity.WARNING)
    if warnings:
        message = reasons.doubtful(turn.names, warnings)
        if run.policy.content.spoken:
            turn.say(message)
        else:
            turn.note(message)


def end(turn: Turn, outcome: Outcome, phase: Phase, why: str) -> None:
    """The attempt is over: the world was seen to match, or there was nothing to undo."""
    turn.alter(outcome=outcome, why=turn.run.why or why, ended=turn.now, gate=None, paused=None)
    turn.change(phase=phase, asks=Ask.NOTHING, due=None)
    turn.again()


def go_back(turn: Turn, outcome: Outcome, why: str) -> None:
    """Rollback begins: from here on exposure only shrinks (S2). `ending` sees it through."""
    turn.alter(outcome=outcome, why=why, gate=None, paused=None)
    turn.change(asks=Ask.NOTHING, due=None)
    turn.again()


def roll_back(turn: Turn, outcome: Outcome, why: str) -> None:
    """Rollback of something that must not be started again as it is (R7)."""
    hold(turn, turn.run.to, why)
    go_back(turn, outcome, why)
    # Event hooks are told how it ends, though the canary is still to be taken down: Flagger does both in one tick (EV-1).
    turn.say(reasons.scaled_down(turn.names), phase=Phase.FAILED)


def hold(turn: Turn, revision: Revision, why: str) -> None:
    """Keeps a revision of the source from being started until the source differs or someone says retry.

    Where the source has moved on to something that is held itself, that stays held; while it cannot be read, it is taken to hold
    what it did.
    """
    held, source = turn.state.held, turn.facts.source.revision
    if held is not None and held.revision != revision.id and (source is None or source.id == held.revision):
        return
    turn.change(held=Held(revision.id, why, turn.now))


def refuse(turn: Turn, problems: tuple[str, ...]) -> None:
    """Ends an attempt that nobody saw."""
    message, alarm = reasons.refused(turn.names, problems)
    hold(turn, turn.run.to, message.text)
    turn.say(message)
    turn.alarm(alarm)
    end(turn, Outcome.REFUSED, Phase.FAILED, message.text)


def refused_by_now(turn: Turn, revision: Revision) -> bool:
    """Is it what everybody is on since its promotion failed, and refused by the rules of today? No attempt is made of it (S5).

    It goes on serving, for nobody else can (S9).
    """
    policy = turn.facts.source.policy or turn.state.policy
    problems = errors_among(objections(turn, RolloutKind.CHANGE, policy)) if policy is not None else ()
    if revision != turn.state.fallback or not problems:
        return False
    message, alarm = reasons.refused_while_serving(turn.names, problems)
    turn.forget(message.reason)
    hold(turn, revision, message.text)
    turn.say(message)
    turn.alarm(alarm)
    return True


def ending(turn: Turn) -> None:
    """Waits until nothing reaches the canary, then until it is gone; then the attempt is over (S6)."""
    run = turn.run
    assert run.outcome is not None
    if not canary_left_alone(turn.facts):
        turn.look(turn.next_grid())
        return
    if run.outcome is Outcome.SUPERSEDED:
        end(turn, run.outcome, Phase.PROGRESSING, run.why)
        return
    if turn.facts.canary.desired:
        turn.look(turn.next_grid())
        return
    phase = Phase.SUCCEEDED if run.outcome is Outcome.WITHDRAWN else Phase.FAILED
    turn.change(phase=phase)
    turn.call_hooks(HookType.POST_ROLLOUT)
    end(turn, run.outcome, phase, run.why)


def promotion_failed(turn: Turn, text: str) -> None:
    """The new primary did not get ready in time: everybody goes to the copy last seen healthy (SM-27, R12)."""
    run, healthy = turn.run, turn.facts.canary
    message, alarm = reasons.promotion_failed(turn.names, text)
    turn.say(message)
    turn.alarm(alarm)
    # Also where analysis was skipped halfway: a canary that has served goes on serving (S9).
    serves = run.position > 0 and healthy.revision == run.to.id and healthy.available > 0 and turn.facts.capabilities.weights
    hold(turn, run.to, message.text)
    turn.change(phase=Phase.FAILED, fallback=run.to if serves else turn.state.fallback)
    turn.call_hooks(HookType.POST_ROLLOUT)
    end(turn, Outcome.PROMOTION_FAILED, Phase.FAILED, message.text)


def promoted(turn: Turn) -> None:
    """The primary runs what was judged, and nobody else is left."""
    run, state = turn.run, turn.state
    undo = run.kind is RolloutKind.UNDO
    outcome = Outcome.UNDONE if undo else Outcome.SKIPPED if run.skip else Outcome.PROMOTED
    before = () if state.promoted is None else (state.promoted,)
    kept = tuple(revision for revision in (*before, *state.kept) if revision != run.to)
    turn.change(phase=Phase.SUCCEEDED, promoted=run.to, kept=kept[: run.policy.keep], fallback=None)
    turn.call_hooks(HookType.POST_ROLLOUT)
    pair = reasons.undone(turn.names, run.to.id) if undo else reasons.promoted(turn.names, skipped=run.skip)
    turn.say_and_alarm(pair)
    end(turn, outcome, Phase.SUCCEEDED, pair[0].text)


def usable(source: Source, policy: Policy | None) -> bool:
    """Is there a revision and a policy to go by?"""
    return source.revision is not None and not source.problem and (source.policy is not None or policy is not None)
