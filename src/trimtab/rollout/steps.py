"""A policy's strategy as one list of steps (P7): weights, iterations, match and mirror all become growth of exposure.

Called when a rollout is opened; the rollout pins the list and holds an index into it.
"""

from datetime import datetime
from itertools import pairwise

from trimtab.model.content import Finding, Severity
from trimtab.model.facts import Capabilities
from trimtab.model.judging import JudgeStep
from trimtab.model.policy import HookType, Policy
from trimtab.model.rollout import Rollout, Step

KUBERNETES_ITERATIONS = 10
"""What a weighted policy becomes where no weights can be set (flagger.md 2.2 step 27)."""

EVERYBODY = 100
"""Percent."""


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
    if run.waived:
        return (HookType.CONFIRM_PROMOTION,)
    if run.position < len(run.steps):
        return run.steps[run.position].gates
    weighted = bool(run.steps) and not run.steps[-1].iteration
    increase = (HookType.CONFIRM_TRAFFIC_INCREASE,) if weighted else ()
    return (*increase, HookType.CONFIRM_PROMOTION)


def judged_step(run: Rollout, before: JudgeStep | None, now: datetime) -> JudgeStep | None:
    """Where the judge sees an attempt that has just grown; None where everybody is on the canary, and nobody is left to compare with.

    Rounds that expose nobody else are one step. With everybody on the canary next, going on means promotion.
    """
    reached = run.steps[run.position - 1]
    if reached.weight >= EVERYBODY:
        return None
    shown = [exposed(step) for step in run.steps[: run.position]]
    number = 1 + sum(one != other for one, other in pairwise(shown))
    following = next((step for step in run.steps[run.position :] if exposed(step) != exposed(reached)), None)
    weight = following.weight / 100 if following is not None and following.weight else 1.0
    began = before.began if before is not None and before.number == number else now
    return JudgeStep(number, reached.weight / 100, weight, began)


def exposed(step: Step) -> tuple[int, bool, bool]:
    """What a step exposes, whichever round it is."""
    return step.weight, step.matched, step.mirrored


def impossible(policy: Policy, capabilities: Capabilities) -> tuple[Finding, ...]:
    """Why this policy cannot be followed with this router (QUIRK-14); such a rollout is refused."""
    return (*unmatched(policy, capabilities), *uncompared(policy, capabilities))


def uncompared(policy: Policy, capabilities: Capabilities) -> tuple[Finding, ...]:
    """Requests that cannot be compared, because the canary gets none."""
    mirrored = policy.mirror and capabilities.mirror
    served = capabilities.weights and (bool(policy.weights) or bool(policy.match) or mirrored)
    if policy.analysis.judge is None or served:
        return ()
    problem = f"provider {policy.provider or 'default'} sends the canary no requests before promotion, so there is nothing to compare"
    return (Finding("policy/judge", Severity.ERROR, problem, fix="Remove spec.judge from the RolloutPolicy, or use a provider that can."),)


def unchecked(plan: tuple[Step, ...]) -> tuple[Finding, ...]:
    """A plan without steps would promote what no check has seen (S3)."""
    if plan:
        return ()
    fix = "Write stepWeights, stepWeight or iterations into spec.analysis of the Canary, or skipAnalysis if nothing is to be checked."
    return (Finding("policy/steps", Severity.ERROR, "the policy has no steps, so nothing would be checked before promotion", fix=fix),)


def unmatched(policy: Policy, capabilities: Capabilities) -> tuple[Finding, ...]:
    """Conditions that the router cannot tell."""
    if not policy.match or capabilities.match or not capabilities.weights:
        return ()
    who = policy.provider or "default"
    problem = f"provider {who} cannot match requests as spec.analysis.match says, so it would send all traffic to the canary"
    fix = "Remove spec.analysis.match, say less in it, or use a provider that can."
    return (Finding("policy/match", Severity.ERROR, problem, fix=fix),)
