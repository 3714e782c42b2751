"""Recorded state against the world: the calls that close the gap. Called by `reconcile` after the record was written.

Traffic leaves before pods go, and comes only to pods that `decide` saw ready, so the order here is: bytes, pods, traffic
when exposure grows; traffic before everything that needs room on a disk, then pods in a later pass, when it shrinks (L8).
"""

from dataclasses import replace

from trimtab.model.facts import Facts, Routes
from trimtab.model.names import CanaryKey, Target
from trimtab.model.policy import Policy, Service
from trimtab.model.revision import Revision
from trimtab.model.rollout import CanaryState, Exposure, Leaving
from trimtab.ports import Outside, Wanted
from trimtab.rollout.exposure import canary_left_alone, wanted

NO_RULES = Policy(Target("", ""), Service(""))
"""Of a Canary that never said anything that could be followed: what is wrong with it is told all the same, to whoever hears of all."""


async def act(state: CanaryState, facts: Facts, outside: Outside) -> None:
    """Works towards what the state wants. Idempotent; interrupted anywhere, the next pass goes on."""
    policy = state.rules
    if state.to_tell:
        await outside.teller.tell(state.key, policy or NO_RULES, state.to_tell)
    exposure = wanted(state)
    if policy is None or state.suspended or exposure.primary is None:
        return
    want = Wanted(state.serial, policy, exposure, facts.source.replicas)
    if exposure.leaving is not Leaving.NO:
        await give_back(state.key, want, facts, outside)
        return
    first = facts.routes is None or not reaches_more(facts.routes, exposure)
    if first:
        await outside.router.set(state.key, want)
    await outside.sources.keep(state.key, needed(state))
    await outside.workloads.set(state.key, replace(want, exposure=pods_of(state, facts)))
    if not first:
        await outside.router.set(state.key, want)


async def give_back(key: CanaryKey, want: Wanted, facts: Facts, outside: Outside) -> None:
    """What a Canary that is being deleted leaves behind: pods first, then traffic. The primary and its bytes stay as they are."""
    stage = want.exposure.leaving
    if not want.exposure.routed:
        return
    if stage is not Leaving.TO_PRIMARY:
        await outside.workloads.set(key, want)
    if stage is Leaving.GIVING_BACK or (stage is not Leaving.GONE and facts.routes is not None):
        await outside.router.set(key, want)


def reaches_more(routes: Routes, exposure: Exposure) -> bool:
    """Will requests reach the canary that did not before? Only then its pods come first."""
    more = exposure.weight > routes.weight or (exposure.matched and not routes.matched)
    return more or (exposure.mirrored and not routes.mirrored)


def pods_of(state: CanaryState, facts: Facts) -> Exposure:
    """The exposure for the runtime: a canary that requests still reach stays as it is until they were seen to have left."""
    exposure = wanted(state)
    if exposure.canary is None and not canary_left_alone(facts) and facts.capabilities.weights:
        return replace(exposure, canary=last_canary(state) if facts.canary.desired else None)
    return exposure


def last_canary(state: CanaryState) -> Revision | None:
    """What the canary served last. An attempt that was refused has none, wherever somebody sends requests (S5)."""
    run = state.rollout
    if state.fallback is not None or run is None or run.began is None:
        return state.fallback
    return run.to


def needed(state: CanaryState) -> tuple[Revision, ...]:
    """Every revision whose bytes someone runs or may go back to."""
    run = state.rollout
    found = [state.promoted, state.applied, state.fallback, run.to if run is not None else None, *state.kept]
    return tuple(dict.fromkeys(revision for revision in found if revision is not None))
