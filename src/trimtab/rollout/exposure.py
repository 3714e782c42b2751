"""What the recorded state wants: who should see what. Rollback is one of these exposures, not a procedure.

Called by `control.act`, by `safety` and by the decisions that wait until the world matches.
"""

from dataclasses import replace

from trimtab.model.facts import Facts
from trimtab.model.revision import Revision
from trimtab.model.rollout import CanaryState, Exposure, Leaving, Outcome, Phase, Rollout, RolloutKind, Step

NOBODY = Step()


def wanted(state: CanaryState) -> Exposure:
    """The exposure that the state stands for."""
    run = state.running
    if state.leaving is not Leaving.NO:
        return replace(at_rest(state), leaving=state.leaving)
    if run is None or run.began is None or run.outcome is not None:
        return at_rest(state)
    if state.phase is Phase.INITIALIZING:
        return Exposure(primary=run.to, routed=run.draining)
    if state.phase is Phase.PROMOTING:
        return promoting(state, run)
    if state.phase is Phase.FINALISING:
        return Exposure(primary=run.to, canary=None if run.draining else copy_of(run))
    step = reached(run)
    return Exposure(state.promoted, run.to, step.weight, step.matched, step.mirrored)


def at_rest(state: CanaryState) -> Exposure:
    """Everybody on what was promoted; after a failed promotion, on the canary that is still healthy (SM-27)."""
    if state.promoted is None:
        # A first revision that was refused runs nowhere, and nothing else is touched for it (S5).
        run = state.rollout
        return Exposure(primary=run.to if run is not None and run.began is not None else None, routed=False)
    if state.fallback is not None:
        return Exposure(state.promoted, state.fallback, weight=100)
    return Exposure(state.promoted, superseded(state))


def superseded(state: CanaryState) -> Revision | None:
    """Pods of an attempt that a newer change ended: without requests, they stay until the next attempt replaces them."""
    run = state.rollout
    if run is None or run.outcome is not Outcome.SUPERSEDED or state.phase is not Phase.PROGRESSING:
        return None
    return run.to


def promoting(state: CanaryState, run: Rollout) -> Exposure:
    """The primary changes while the share of the canary stays, or shrinks step by step."""
    if state.fallback is not None:
        return Exposure(run.to, state.fallback, weight=100)
    step = reached(run)
    return Exposure(run.to, copy_of(run), max(0, step.weight - run.shifted), step.matched)


def copy_of(run: Rollout) -> Revision | None:
    """What the canary runs while its revision is promoted. An undo has no canary."""
    return None if run.kind is RolloutKind.UNDO else run.to


def reached(run: Rollout) -> Step:
    """The step whose exposure counts now."""
    return run.steps[run.position - 1] if run.position else NOBODY


def routed_as_wanted(state: CanaryState, facts: Facts) -> bool:
    """Is traffic seen where the state wants it? Without weights there is nothing to see."""
    exposure, routes = wanted(state), facts.routes
    if not exposure.routed:
        return True
    if not facts.capabilities.weights:
        return routes is not None
    return (
        routes is not None
        and routes.in_force
        and (routes.weight, routes.matched, routes.mirrored)
        == (
            exposure.weight,
            exposure.matched,
            exposure.mirrored,
        )
    )


def canary_left_alone(facts: Facts) -> bool:
    """No request reaches the canary: no share, no match, no mirror, and the data plane knows it."""
    routes = facts.routes
    return routes is None or (routes.in_force and not (routes.weight or routes.matched or routes.mirrored))
