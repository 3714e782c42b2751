"""What the outside has against what is wanted, told to people: nothing else follows from it. Called by `decide`."""

from trimtab.rollout import reasons
from trimtab.rollout.turn import Turn


def tell_troubles(turn: Turn) -> None:
    """What could not be carried out and routes that do not work: each once, for as long as it is so."""
    refused = turn.facts.refused
    turn.forget(reasons.NOT_CARRIED_OUT, (refused,) if refused else ())
    if refused:
        turn.say(reasons.refused_outside(refused))
    watch_routes(turn)


def watch_routes(turn: Turn) -> None:
    """A route that the data plane does not take over is told about once it had an interval for that."""
    message = route_trouble(turn)
    turn.forget(reasons.ROUTE_PROBLEM, (message.text,) if message is not None else ())
    state, run = turn.state, turn.state.running
    if message is None or state.rules is None:
        return
    moved = (state.phase_since, *((run.began, run.grown, run.promoting) if run is not None else ()))
    patience = max((moment for moment in moved if moment is not None), default=turn.now) + state.rules.interval
    if turn.now >= patience:
        turn.say(message)
    else:
        turn.look(patience)


def route_trouble(turn: Turn) -> reasons.Message | None:
    """What is wrong with the route that is there; a silent data plane is only of interest while something waits for it."""
    routes = turn.facts.routes
    if routes is None:
        return None
    if routes.problem:
        return reasons.route_problem(routes.problem)
    return reasons.not_in_force(turn.names) if not routes.in_force and turn.state.running is not None else None
