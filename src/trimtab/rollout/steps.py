"""A policy's strategy as one list of steps (P7): weights, iterations, match and mirror all become growth of exposure.

Called when a rollout is opened; the rollout pins the list and holds an index into it.
"""

from trimtab.model.content import Finding, Severity
from trimtab.model.facts import Capabilities
from trimtab.model.policy import HookType, Policy
from trimtab.model.rollout import Rollout, Step

KUBERNETES_ITERATIONS = 10
"""What a weighted policy becomes where no weights can be set (flagger.md 2.2 step 27)."""


def steps(policy: Policy, capabilities: Capabilities) -> tuple[Step, ...]:
    """Every growth of exposure from nothing up to promotion (SM-12 to SM-18)."""
    if not capabilities.weights:
        count = policy.iterations or KUBERNETES_ITERATIONS
        last = Step(iteration=count + 1, gates=(HookType.CONFIRM_PROMOTION,))
        return (*(Step(iteration=number + 1) for number in range(count)), last)
    if policy.iterations and policy.match:
        return tuple(Step(matched=True, iteration=number + 1) for number in range(policy.iterations))
    mirrored = policy.mirror and capabilities.mirror
    if policy.iterations:
        rounds = tuple(Step(mirrored=mirrored, iteration=number + 1) for number in range(policy.iterations))
        return (*rounds, Step(weight=100, iteration=policy.iterations + 1, gates=(HookType.CONFIRM_PROMOTION,)))
    first = (Step(mirrored=True),) if mirrored else ()
    return first + tuple(Step(weight=weight, gates=(HookType.CONFIRM_TRAFFIC_INCREASE,)) for weight in policy.weights)


def next_gates(run: Rollout) -> tuple[HookType, ...]:
    """What has to be open before the next step, or before promotion after the last one (SM-11, SM-15, SM-17)."""
    if run.position < len(run.steps):
        return run.steps[run.position].gates
    weighted = bool(run.steps) and not run.steps[-1].iteration
    increase = (HookType.CONFIRM_TRAFFIC_INCREASE,) if weighted else ()
    return (*increase, HookType.CONFIRM_PROMOTION)


def impossible(policy: Policy, capabilities: Capabilities) -> tuple[Finding, ...]:
    """Why this policy cannot be followed with this router (QUIRK-14); such a rollout is refused."""
    if not policy.match or capabilities.match or not capabilities.weights:
        return ()
    who = policy.provider or "default"
    problem = f"provider {who} cannot match requests as spec.analysis.match says, so it would send all traffic to the canary"
    fix = "Remove spec.analysis.match, say less in it, or use a provider that can."
    return (Finding("policy/match", Severity.ERROR, problem, fix=fix),)
