"""Puts the question that is due to hooks, metrics or providers. Called by `observe`."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from trimtab.analysis.cautions import cautions
from trimtab.analysis.judge import readings
from trimtab.analysis.objectives import of_primary
from trimtab.documents.durations import parse_duration
from trimtab.errors import InputError
from trimtab.model.facts import Facts
from trimtab.model.judging import Ramp
from trimtab.model.policy import Metric, Policy
from trimtab.model.rollout import Ask, CanaryState
from trimtab.model.verdict import Samples
from trimtab.model.watching import Checked, Look
from trimtab.ports import HookCall, Outside
from trimtab.rollout import watchwords
from trimtab.rollout.questions import HOOKS_OF, hook_phase
from trimtab.rollout.turn import run_id

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""Since when a canary was the only one, where none was before it."""
USUAL_WINDOW = "1m"
"""Of a metric that names no interval."""


async def count(state: CanaryState, policy: Policy, since: datetime, outside: Outside) -> Samples:
    """What canary and primary counted since it was last looked at.

    Scrapes stay as long as they were first measured: bins of another length would count parts of what was counted before.
    """
    compared, rules = state.evidence.compared, policy.analysis.judge
    upto = compared.upto if compared is not None else None
    if compared is not None and upto is not None and rules is not None:
        policy = replace(policy, analysis=replace(policy.analysis, judge=replace(rules, interval=compared.interval)))
    return await outside.metrics.count(state.key, policy, since, upto or since)


async def past(facts: Facts, policy: Policy, state: CanaryState, outside: Outside) -> Facts:
    """The primary's past, and what the judge cannot do here by that."""
    found, rules = await outside.metrics.history(state.key, policy), policy.analysis.judge
    said: tuple[str, ...] = ()
    if rules is not None:
        pods = facts.canary.desired or facts.source.replicas or facts.primary.desired or 1
        weights = tuple(weight / 100 for weight in policy.weights)
        lasts = policy.interval.total_seconds() if policy.analysis.ramp is Ramp.CLOCK else None
        said = cautions(rules, found.calibration, pods if found.by_pod else 0, policy.analysis.sticky, weights, lasts)
    return replace(facts, asked=Ask.HISTORY, history=found, cautions=said)


async def look(state: CanaryState, now: datetime, outside: Outside) -> Look | None:
    """How the promoted primary does. The first look counts restarts alone: those from before promotion are known from there on."""
    run = state.rollout
    if run is None or run.watch is None:
        return None
    watch, policy = run.watch, run.policy
    restarts = await outside.workloads.restarts(state.key, policy)
    if not watch.looks:
        return Look(restarts)
    # An answer about a time before promotion would blame what was promoted for what it may have mended.
    metrics = tuple(metric for metric in policy.analysis.metrics if watch.began + window(metric) <= now)
    never = [metric.name for metric in policy.analysis.metrics if watch.began + window(metric) > watch.until]
    policy = replace(policy, analysis=replace(policy.analysis, metrics=metrics))
    samples = await outside.metrics.afterwards(state.key, policy, watch.began, watch.upto or watch.began)
    limits = [watchwords.limit(result) for result in readings(policy.analysis, samples)]
    counted = of_primary(policy.analysis.judge, samples.scrapes, watch.began)
    objectives = [watchwords.objective(metric, counts, samples.missing) for metric, counts in counted]
    unasked = [Checked(name, None, "its interval is longer than the watch") for name in never]
    return Look(restarts, (*limits, *objectives, *unasked), max((scrape.ended for scrape in samples.scrapes), default=None))


def window(metric: Metric) -> timedelta:
    """How far back its answer reaches, as far as that is known."""
    try:
        return parse_duration(metric.interval or USUAL_WINDOW)
    except InputError:
        return parse_duration(USUAL_WINDOW)


async def ask(state: CanaryState, facts: Facts, question: Ask, outside: Outside) -> Facts:
    """The facts with the answer, and with what was asked."""
    policy = state.rules
    if question is Ask.NOTHING or policy is None:
        return facts
    if question is Ask.PROVIDERS:
        return replace(facts, asked=question, probe=await outside.metrics.probe(state.key, policy))
    since = state.running.ready if state.running is not None and state.running.ready is not None else facts.now
    if question is Ask.METRICS:
        samples = Samples(facts.now)
        if policy.analysis.metrics:
            own = state.running.cleared if state.running is not None else None
            samples = await outside.metrics.measure(state.key, policy, own or ALWAYS)
        if policy.analysis.judge is not None and state.evidence.step is not None:
            counted = await count(state, policy, since, outside)
            samples = replace(samples, scrapes=counted.scrapes, missing=counted.missing)
        return replace(facts, asked=question, samples=samples)
    if question is Ask.SCRAPES:
        return replace(facts, asked=question, samples=await count(state, policy, since, outside))
    if question is Ask.AFTERWARDS:
        return replace(facts, asked=question, look=await look(state, facts.now, outside))
    if question is Ask.HISTORY:
        return await past(facts, policy, state, outside)
    hooks = policy.hooks_of(HOOKS_OF[question])
    call = HookCall(state.key, hook_phase(state, question), run_id(state))
    answers = await outside.hooks.ask(call, hooks) if hooks else ()
    return replace(facts, asked=question, answers=answers)
