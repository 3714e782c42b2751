"""Puts the question that is due to hooks, metrics or providers. Called by `observe`."""

from dataclasses import replace

from trimtab.model.facts import Facts
from trimtab.model.rollout import Ask, CanaryState
from trimtab.model.verdict import Samples
from trimtab.ports import HookCall, Outside
from trimtab.rollout.questions import HOOKS_OF, hook_phase
from trimtab.rollout.turn import run_id


async def ask(state: CanaryState, facts: Facts, question: Ask, outside: Outside) -> Facts:
    """The facts with the answer, and with what was asked."""
    policy = state.rules
    if question is Ask.NOTHING or policy is None:
        return facts
    if question is Ask.PROVIDERS:
        return replace(facts, asked=question, probe=await outside.metrics.probe(state.key, policy))
    if question is Ask.METRICS:
        run = state.running
        since = run.ready if run is not None and run.ready is not None else facts.now
        samples = Samples(facts.now)
        if policy.analysis.metrics:
            samples = await outside.metrics.measure(state.key, policy, since)
        return replace(facts, asked=question, samples=samples)
    hooks = policy.hooks_of(HOOKS_OF[question])
    call = HookCall(state.key, hook_phase(state, question), run_id(state))
    answers = await outside.hooks.ask(call, hooks) if hooks else ()
    return replace(facts, asked=question, answers=answers)
