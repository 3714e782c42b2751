"""One short function per phase: what should happen next where no interrupt has spoken. Called by `decide`."""

from datetime import datetime

from trimtab.model.policy import HookType
from trimtab.model.rollout import Ask, Outcome, Phase, Rollout, RolloutKind
from trimtab.rollout import reasons
from trimtab.rollout.afterwards import begin as watch_from_now
from trimtab.rollout.afterwards import watched
from trimtab.rollout.checks import answered
from trimtab.rollout.comparing import begin as compare_from_now
from trimtab.rollout.comparing import glanced, learn, learning, stepped
from trimtab.rollout.copies import canary_ready, nobody_looked, patience_anew, primary_ready
from trimtab.rollout.endings import (
    end,
    ending,
    errors_among,
    hold,
    open_attempt,
    promoted,
    promotion_failed,
    refuse,
    refused_by_now,
    roll_back,
    usable,
)  # fmt: skip
from trimtab.rollout.exposure import canary_left_alone, reached, routed_as_wanted
from trimtab.rollout.questions import chain, following
from trimtab.rollout.turn import Turn


def at_rest(turn: Turn) -> None:
    """Settled, or waiting at the first gate."""
    if turn.state.running is not None:
        opening(turn)
    elif not watched(turn):
        settled(turn)


def settled(turn: Turn) -> None:
    """Nothing is under way: a revision of the source that is neither promoted nor held starts an attempt (SM-6, R7)."""
    state, source = turn.state, turn.facts.source
    revision = source.revision
    if revision is None or not usable(source, state.policy):
        return
    if state.promoted is None:
        if not (state.held is not None and state.held.revision == revision.id):
            turn.change(phase=Phase.INITIALIZING)
            open_attempt(turn, RolloutKind.INITIALISATION, revision)
            if not errors_among(turn.run.findings):
                turn.alter(began=turn.now)
    elif revision == state.promoted:
        back_to_primary(turn)
    elif state.held is None:
        if not refused_by_now(turn, revision):
            open_attempt(turn, RolloutKind.CHANGE, revision)
            opening(turn)
    elif not turn.facts.canary.available:
        back_to_primary(turn)


def back_to_primary(turn: Turn) -> None:
    """After a failed promotion the old content is in the source again, or the canary serves no more: the primary does, once it can."""
    if turn.state.fallback is not None and turn.state.promoted is not None:
        if primary_ready(turn, turn.state.promoted, turn.state.phase_since or turn.now).ready:
            turn.change(fallback=None)
            turn.again()
        else:
            turn.look(turn.next_grid())


def opening(turn: Turn) -> None:
    """An attempt that has not begun: it may be refused, a gate may be closed, or the old primary has to come back first."""
    run = turn.run
    errors = errors_among(run.findings)
    if errors:
        refuse(turn, errors)
    elif chain(turn.state) and run.gate is None and turn.state.asks is Ask.NOTHING:
        turn.change(asks=Ask.CONFIRM_ROLLOUT, due=turn.now)
        turn.again()
    elif turn.state.asks is not Ask.NOTHING:
        if answered(turn):
            turn.alter(approved=(*run.approved, HookType.CONFIRM_ROLLOUT))
            turn.change(asks=Ask.NOTHING)
            turn.again()
    elif turn.state.fallback is not None:
        primary_first(turn)
    elif canary_left_alone(turn.facts):
        begin(turn)
    else:
        turn.look(turn.next_grid())


def primary_first(turn: Turn) -> None:
    """After a failed promotion traffic leaves the old canary only for a primary that is ready (R12, S9)."""
    state, run = turn.state, turn.run
    assert state.promoted is not None
    primary = primary_ready(turn, state.promoted, run.detected)
    if primary.ready:
        turn.change(fallback=None)
        turn.again()
    else:
        if primary.overdue:
            turn.say_and_alarm(reasons.primary_stuck(turn.names, primary.text))
        turn.look(turn.next_grid())


def begin(turn: Turn) -> None:
    """The canary is wanted from here on."""
    restarted, run = turn.state.phase is Phase.PROGRESSING, turn.run
    # A canary that was there still when this attempt was opened, as after a failed promotion, is left alone only now.
    cleared = turn.now if run.cleared is not None and run.cleared >= run.detected else run.cleared
    turn.alter(began=turn.now, cleared=cleared, gate=None, approved=())
    turn.change(phase=Phase.PROGRESSING, grid=turn.now, asks=Ask.NOTHING, due=None)
    if not restarted:
        # To event hooks this still belongs to the run before, as the checksum says (flagger.md 5.3).
        turn.say_and_alarm(reasons.detected(turn.names))
    turn.change(applied=turn.run.to)
    turn.again()


def initializing(turn: Turn) -> None:
    """The first primary comes up beside whatever serves now; nothing is rerouted before it is ready (SM-9, R10)."""
    if turn.state.running is None:
        settled(turn)
        return
    run = turn.run
    if run.draining:
        primary_takes_over(turn)
        return
    errors = errors_among(run.findings)
    if errors:
        refuse(turn, errors)
        return
    if not run.skip and run.passed is None and ask_providers(turn):
        return
    primary = primary_ready(turn, run.to, run.began or run.detected)
    if primary.ready:
        turn.alter(draining=True)
        turn.again()
    elif nobody_looked(turn, primary):
        patience_anew(turn)
        turn.again()
    elif primary.overdue:
        message, alarm = reasons.initialisation_failed(turn.names, primary.text)
        hold(turn, run.to, message.text)
        turn.say(message)
        turn.alarm(alarm)
        end(turn, Outcome.PROMOTION_FAILED, Phase.FAILED, message.text)
    else:
        turn.look(primary.deadline)


def primary_takes_over(turn: Turn) -> None:
    """Initialised is who is seen to get requests through the primary, with the target at rest (S6)."""
    if not routed_as_wanted(turn.state, turn.facts) or turn.facts.canary.desired:
        turn.look(turn.next_grid())
        return
    turn.change(phase=Phase.INITIALIZED, promoted=turn.run.to, applied=turn.run.to)
    turn.say_and_alarm(reasons.initialized(turn.names))
    end(turn, Outcome.PROMOTED, Phase.INITIALIZED, f"Initialization done! {turn.names.canary}")


def ask_providers(turn: Turn) -> bool:
    """Metric providers are asked once; what they say blocks nothing (flagger.md 2.2 step 6). True while the answer is awaited."""
    if turn.facts.asked is not Ask.PROVIDERS:
        if turn.state.asks is not Ask.PROVIDERS:
            turn.change(asks=Ask.PROVIDERS, due=turn.now)
        turn.look(turn.state.due)
        return True
    turn.say(reasons.providers(turn.facts.probe))
    turn.alter(passed=turn.now)
    turn.change(asks=Ask.NOTHING, due=None)
    return False


def progressing(turn: Turn) -> None:
    """The canary is up or coming up; between steps it is checked, and grows when a check has passed."""
    if turn.state.running is None:
        restart(turn)
    elif turn.run.outcome is not None:
        ending(turn)
    elif turn.run.began is None:
        opening(turn)
    elif turn.run.ready is None:
        coming_up(turn)
    elif turn.run.skip or turn.facts.source.skip_analysis:
        promote(turn)
    elif not glanced(turn) and answered(turn):
        grow(turn)


def restart(turn: Turn) -> None:
    """A newer change ended the last attempt and starts the next, unless it was taken back or is held by now."""
    settled(turn)
    if turn.state.running is None and turn.state.phase is Phase.PROGRESSING:
        taken_back = turn.facts.source.revision == turn.state.promoted
        turn.change(phase=Phase.SUCCEEDED if taken_back else Phase.FAILED)
        turn.again()


def grow(turn: Turn) -> None:
    """The next step, or promotion after the last one. A pause stops it here (R9)."""
    run = turn.run
    if run.paused is not None:
        turn.pace(following(turn.state, Ask.NOTHING))
    elif run.waived or run.position >= len(run.steps):
        promote(turn)
    else:
        if not run.position:
            for warning in ignored(turn):
                turn.say(warning)
        step = run.steps[run.position]
        # Blue/green asks for promotion before the last shift and after it; a person who said yes is not asked again.
        kept = tuple(gate for gate in run.approved if gate is HookType.CONFIRM_PROMOTION)
        turn.alter(position=run.position + 1, grown=turn.now, gate=None, approved=kept)
        stepped(turn)
        turn.change(phase=Phase.PROGRESSING)
        turn.pace(following(turn.state, Ask.NOTHING))
        turn.say(reasons.advanced(turn.names, step, run.policy))
        turn.again()


def ignored(turn: Turn) -> tuple[reasons.Message, ...]:
    """What the router cannot do of what the policy asks for."""
    policy, able = turn.policy, turn.facts.capabilities
    if not able.weights:
        return reasons.no_weights(policy)
    return (reasons.mirror_ignored(policy.provider),) if policy.mirror and not able.mirror else ()


def coming_up(turn: Turn) -> None:
    """Waits for the first readiness; only the deadline can end it, and that is told (QUIRK-5)."""
    run = turn.run
    assert run.began is not None
    learn(turn)
    if learning(turn):
        return
    copy = canary_ready(turn, run.began)
    if copy.ready:
        turn.alter(ready=turn.now)
        compare_from_now(turn)
        turn.change(grid=turn.now, due=turn.now)
        turn.change(asks=following(turn.state, Ask.NOTHING))
        turn.again()
        return
    if nobody_looked(turn, copy):
        patience_anew(turn)
        turn.again()
        return
    say_at_the_grid(turn, reasons.not_ready(turn.names, copy.text, primary=False, overdue=copy.overdue))
    if copy.overdue:
        message, alarm = reasons.deadline_passed(turn.names, copy.text)
        turn.say(message)
        turn.alarm(alarm)
        roll_back(turn, Outcome.ROLLED_BACK, message.text)
    turn.look(copy.deadline)


def promote(turn: Turn) -> None:
    """The primary is given what was judged, byte for byte (S7)."""
    if turn.run.paused is not None:
        turn.pace(following(turn.state, Ask.NOTHING))
        return
    turn.say(reasons.promoting(turn.names))
    turn.alter(promoting=turn.now, gate=None, approved=(), skip=turn.run.skip or turn.facts.source.skip_analysis)
    turn.change(phase=Phase.PROMOTING, asks=Ask.NOTHING, due=None, grid=turn.now)
    turn.again()


def promoting(turn: Turn) -> None:
    """Waits for the new primary, then moves the traffic to it, at once or by steps (SM-19)."""
    run = turn.run
    assert run.promoting is not None
    if not primary_came(turn, run, run.promoting):
        return
    share, policy = reached(run).weight, run.policy
    if not (policy.step_weight_promotion and share) or share <= run.shifted:
        if turn.facts.capabilities.weights and run.position and not run.skip:
            turn.say(reasons.all_to_primary())
        finalise(turn)
    elif turn.state.due is not None and turn.now < turn.state.due:
        turn.look(turn.state.due)
    else:
        shift(turn, share)


def shift(turn: Turn, share: int) -> None:
    """One step of traffic from the canary to the new primary, on the grid; never before the last one was seen."""
    run = turn.run
    if not routed_as_wanted(turn.state, turn.facts):
        turn.look(turn.next_grid())
        return
    turn.alter(shifted=min(share, run.shifted + run.policy.step_weight_promotion))
    turn.say(reasons.shifted(turn.names, 100 - share + turn.run.shifted))
    if turn.run.shifted >= share:
        finalise(turn)
    else:
        turn.pace(Ask.NOTHING)


def finalise(turn: Turn) -> None:
    """All traffic to the primary."""
    turn.change(phase=Phase.FINALISING, asks=Ask.NOTHING, due=None, fallback=None)
    turn.again()


def finalising(turn: Turn) -> None:
    """Waits until traffic was seen to leave the canary, then until the canary is gone (S6). The primary must stay ready."""
    run = turn.run
    assert run.promoting is not None
    if not run.draining:
        if not primary_came(turn, run, run.promoting):
            return
        if canary_left_alone(turn.facts):
            turn.alter(draining=True)
            turn.again()
        else:
            turn.look(turn.next_grid())
    elif turn.facts.canary.desired or not canary_left_alone(turn.facts):
        turn.look(turn.next_grid())
    else:
        promoted(turn)
        watch_from_now(turn)


def primary_came(turn: Turn, run: Rollout, since: datetime) -> bool:
    """Is the new primary ready? If it never will be, the promotion has failed."""
    primary = primary_ready(turn, run.to, since)
    if primary.ready:
        return True
    if nobody_looked(turn, primary):
        patience_anew(turn)
        turn.again()
        return False
    say_at_the_grid(turn, reasons.not_ready(turn.names, primary.text, primary=True))
    if primary.overdue:
        promotion_failed(turn, primary.text)
    turn.look(primary.deadline)
    return False


def say_at_the_grid(turn: Turn, message: reasons.Message) -> None:
    """What is not ready at once is not worth a word; what is not ready an interval later is (P2)."""
    grid = turn.state.grid or turn.now
    if turn.now >= grid + turn.policy.interval:
        turn.say(message)
    else:
        turn.look(turn.next_grid())
