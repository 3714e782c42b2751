"""The Canary is being deleted, and everything is put back first (DEL-2). Called by `decide` instead of the phases.

Traffic leaves an attempt that is under way, the target gets its pods back, then its traffic, and only then the Canary may go, and the
primary with it: at no moment do requests lead to pods that are not ready.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from trimtab.model.rollout import Ask, Leaving, Outcome, Phase
from trimtab.rollout import reasons
from trimtab.rollout.endings import end
from trimtab.rollout.exposure import canary_left_alone
from trimtab.rollout.readiness import Demand, readiness
from trimtab.rollout.turn import SOON, Turn
from trimtab.rollout.wishes import obey

LAST_WORDS = timedelta(seconds=30)
"""How long a Canary for which nothing is left to do waits for those who are to be told."""


def terminating(turn: Turn) -> None:
    """One stage after the other; a stage is over when the world is seen to match (S6)."""
    obey(turn)
    if turn.state.phase is not Phase.TERMINATING:
        begin(turn)
    STAGES[turn.state.leaving](turn)


def begin(turn: Turn) -> None:
    """From here on nothing is rolled out any more. Where no primary ever served, nothing has to be put back."""
    if turn.state.rules is not None:
        turn.say(reasons.terminating(turn.names))
    first = turn.state.rollout
    served = first is not None and (first.draining or turn.facts.routes is not None)
    if turn.state.promoted is None and first is not None and first.began is not None and served:
        # The first primary was ready, and requests were on their way to it. One that was refused never had any (S5).
        turn.change(promoted=first.to)
    if turn.state.running is not None:
        # What is on its way back stays on it (S2).
        if turn.run.outcome is None and serves_alone(turn):
            turn.change(fallback=turn.run.to)
        end(turn, turn.run.outcome or Outcome.ABORTED, Phase.TERMINATING, "the Canary is being deleted")
    moved = turn.state.policy is not None and turn.state.promoted is not None
    turn.change(phase=Phase.TERMINATING, suspended=False, asks=Ask.NOTHING, due=None, grid=turn.now)
    move(turn, Leaving.TO_PRIMARY if moved else Leaving.GONE)


def serves_alone(turn: Turn) -> bool:
    """Is the canary under way the only copy that serves? It keeps its requests then, for it is the target that gets all of them (S9)."""
    run, facts = turn.run, turn.facts
    serves = facts.canary.revision == run.to.id and facts.canary.available > 0
    return run.position > 0 and serves and not facts.primary.available and facts.capabilities.weights


def move(turn: Turn, stage: Leaving) -> None:
    """The next stage, at once."""
    turn.change(leaving=stage)
    if stage is Leaving.GONE and turn.state.policy is not None:
        turn.say(reasons.terminated(turn.names))
    turn.again()


def to_primary(turn: Turn) -> None:
    """Waits until no request reaches the canary, unless it is the copy that serves."""
    if turn.state.fallback is not None or canary_left_alone(turn.facts):
        move(turn, Leaving.TO_TARGET)
    else:
        turn.look(turn.next_grid())


def to_target(turn: Turn) -> None:
    """Waits until the target is ready, whatever it runs. One that is gone needs nothing; one that never gets ready needs a person."""
    copy, promoted, policy = turn.facts.canary, turn.state.promoted, turn.policy
    assert promoted is not None
    since = turn.state.phase_since or turn.now
    demand = Demand(policy.target.name, promoted, policy.primary_ready_threshold, policy.progress_deadline, since)
    found = readiness(replace(copy, revision=promoted.id), demand, turn.now)
    if copy.absent or found.ready:
        move(turn, Leaving.GIVING_BACK)
        return
    if found.overdue:
        turn.say_and_alarm(reasons.target_stuck(turn.names, found.text))
    turn.look(turn.next_grid())


def giving_back(turn: Turn) -> None:
    """Waits until traffic is seen to be led by us no more."""
    if turn.facts.routes is None:
        move(turn, Leaving.GONE)
    else:
        turn.look(turn.next_grid())


def gone(turn: Turn) -> None:
    """The Canary goes as soon as everybody was told, and does not wait for long for receivers that are away."""
    waiting = turn.state.to_tell
    if waiting and turn.now - waiting[-1].at >= LAST_WORDS:
        for telling in waiting:
            turn.note(reasons.undelivered(telling, "its Canary was deleted"))
        turn.state = replace(turn.state, to_tell=())
    elif waiting:
        turn.look(turn.now + SOON)


STAGES: dict[Leaving, Callable[[Turn], None]] = {
    Leaving.TO_PRIMARY: to_primary,
    Leaving.TO_TARGET: to_target,
    Leaving.GIVING_BACK: giving_back,
    Leaving.GONE: gone,
}
