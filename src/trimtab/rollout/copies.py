"""Are the primary and the canary ready for what the attempt under way needs? Called by phases, checks and interrupts."""

from datetime import datetime

from trimtab.model.revision import Revision
from trimtab.model.rollout import Phase
from trimtab.rollout import reasons
from trimtab.rollout.exposure import wanted
from trimtab.rollout.readiness import Demand, Readiness, readiness
from trimtab.rollout.turn import Turn


def primary_ready(turn: Turn, revision: Revision, since: datetime) -> Readiness:
    """Readiness of the primary; a first one that is not ready yet is told about."""
    policy = turn.policy
    name = f"{policy.target.name}-primary"
    demand = Demand(name, revision, policy.primary_ready_threshold, policy.progress_deadline, since)
    found = readiness(turn.facts.primary, demand, turn.now)
    if not found.ready and turn.state.phase is Phase.INITIALIZING:
        turn.say(reasons.not_ready(turn.names, found.text, primary=True))
    return found


def patience_anew(turn: Turn) -> None:
    """Nobody looked for a while, so whatever is awaited may not even have been begun: its time starts now."""
    run = turn.run
    turn.alter(began=run.began and (run.began if run.ready else turn.now), promoting=run.promoting and turn.now)


def nobody_looked(turn: Turn, copy: Readiness) -> bool:
    """Did a deadline pass long ago, because Trimtab was down? Then it says nothing about the copy (a crash loses nothing)."""
    return copy.overdue and copy.deadline is not None and turn.now > copy.deadline + turn.policy.progress_deadline


def canary_ready(turn: Turn, since: datetime) -> Readiness:
    """Readiness of the canary."""
    policy = turn.policy
    demand = Demand(policy.target.name, turn.run.to, policy.canary_ready_threshold, policy.progress_deadline, since)
    return readiness(turn.facts.canary, demand, turn.now)


def only_canary_serves(turn: Turn) -> bool:
    """Has the canary a share that the primary is not ready to take? Then traffic stays where it is, and that is told (S9)."""
    state, routes = turn.state, turn.facts.routes
    exposed = wanted(state).weight or (routes is not None and routes.weight)
    if not exposed or state.promoted is None or primary_ready(turn, state.promoted, turn.now).ready:
        return False
    turn.say(reasons.Message("Kept", f"{turn.names.primary} is not ready, so traffic stays with the canary for now", "warn"))
    return True
