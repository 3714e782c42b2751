"""Which question comes next (P1). Flagger's tick is a chain of questions, one kind a pass, all at one point of the grid.

`observe` asks what `due_question` names; the phases walk along `chain`.
"""

from datetime import datetime

from trimtab.model.facts import Facts
from trimtab.model.policy import GATES, HookType
from trimtab.model.rollout import Ask, CanaryState, Phase, Rollout
from trimtab.rollout.exposure import routed_as_wanted
from trimtab.rollout.steps import next_gates

BEFOREHAND = frozenset({Ask.PROVIDERS, Ask.HISTORY})
"""Questions that do not depend on where traffic is."""
HOOKS_OF = {
    Ask.ROLLBACK: HookType.ROLLBACK,
    Ask.PRE_ROLLOUT: HookType.PRE_ROLLOUT,
    Ask.ROLLOUT: HookType.ROLLOUT,
    Ask.CONFIRM_ROLLOUT: HookType.CONFIRM_ROLLOUT,
    Ask.CONFIRM_TRAFFIC_INCREASE: HookType.CONFIRM_TRAFFIC_INCREASE,
    Ask.CONFIRM_PROMOTION: HookType.CONFIRM_PROMOTION,
}
"""The type of webhook that a question is put to."""


def guarded(run: Rollout, gate: HookType) -> bool:
    """Does something keep this gate, and has nobody opened it?"""
    policy = run.policy
    return (bool(policy.hooks_of(gate)) or gate in policy.approvals) and gate not in run.approved


def chain(state: CanaryState) -> tuple[Ask, ...]:
    """The questions of one tick of the attempt under way, in order, up to growth (flagger.md 2.2 steps 22 to 28)."""
    run = state.running
    if run is None:
        return ()
    if run.began is None:
        # A run that a newer change restarts is not asked for again (QUIRK-23), unless the policy wants it.
        asked = guarded(run, HookType.CONFIRM_ROLLOUT) and (run.policy.ask_again or state.phase is not Phase.PROGRESSING)
        return (Ask.CONFIRM_ROLLOUT,) if asked else ()
    if state.phase not in (Phase.PROGRESSING, Phase.WAITING_PROMOTION):
        return ()
    policy = run.policy
    asks = [Ask.ROLLBACK] if policy.hooks_of(HookType.ROLLBACK) else []
    if run.position:
        asks += [Ask.ROLLOUT] if policy.hooks_of(HookType.ROLLOUT) else []
        asks.append(Ask.METRICS)
    elif policy.hooks_of(HookType.PRE_ROLLOUT):
        asks.append(Ask.PRE_ROLLOUT)
    return (*asks, *(gate_question(gate) for gate in next_gates(run) if guarded(run, gate) and not passed_before(state, gate)))


def passed_before(state: CanaryState, gate: HookType) -> bool:
    """While promotion waits for approval, growth is not asked for again (SM-11)."""
    return gate is HookType.CONFIRM_TRAFFIC_INCREASE and state.phase is Phase.WAITING_PROMOTION


def gate_question(gate: HookType) -> Ask:
    """The question that opens a gate."""
    assert gate in GATES
    return Ask(gate.value)


def following(state: CanaryState, asked: Ask) -> Ask:
    """The question after `asked` in this tick; NOTHING where the tick is through."""
    rest = chain(state)
    if asked in rest:
        rest = rest[rest.index(asked) + 1 :]
    elif asked is not Ask.NOTHING:
        order = list(Ask)
        rest = tuple(ask for ask in rest if order.index(ask) > order.index(asked))
    return rest[0] if rest else Ask.NOTHING


def nobody_serves(state: CanaryState, facts: Facts) -> bool:
    """Are a canary that was ready and the primary both without a pod that is? A node that starts anew says nothing about the canary."""
    run = state.running
    return run is not None and run.ready is not None and not facts.primary.available and not facts.canary.available


def due_question(state: CanaryState, facts: Facts) -> Ask:
    """What to ask now: what the state asks, once it is due and traffic is where it should be (S6)."""
    suspended = facts.source.suspended or state.suspended
    waiting = state.asks is Ask.NOTHING or suspended or (state.due is not None and facts.now < state.due)
    if suspended or nobody_serves(state, facts):
        return Ask.NOTHING
    if state.asks in BEFOREHAND and not waiting:
        return state.asks
    if not routed_as_wanted(state, facts):
        return Ask.NOTHING
    if not waiting:
        return state.asks
    glance = next_glance(state)
    return Ask.SCRAPES if glance is not None and glance <= facts.now else Ask.NOTHING


def next_glance(state: CanaryState) -> datetime | None:
    """When canary and primary are compared again, check or not: at each scrape. None where they are not."""
    run, evidence = state.running, state.evidence
    if run is None or run.outcome is not None or run.grown is None or evidence.step is None or evidence.compared is None:
        return None
    if state.suspended or state.phase not in (Phase.PROGRESSING, Phase.WAITING_PROMOTION):
        return None
    return max(run.grown, evidence.upto or run.grown, evidence.glanced or run.grown) + evidence.compared.interval


def hook_phase(state: CanaryState, ask: Ask) -> str:
    """The phase that a webhook is told (flagger.md 5.1): most of them are always told Progressing."""
    return state.phase if ask in (Ask.CONFIRM_ROLLOUT, Ask.ROLLBACK) else Phase.PROGRESSING
