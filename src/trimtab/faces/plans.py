"""A plan as a person or a program reads it. Called by `trimtab plan`."""

import math
from collections.abc import Sequence

import msgspec

from trimtab.analysis.planning import RolloutPlan, StepPlan, Traffic, blindness, digits, percent, proposed, quickest
from trimtab.faces.cli.tables import aligned
from trimtab.model.judging import JudgeRules
from trimtab.model.names import how_many
from trimtab.model.spans import spoken


class StepView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One step. Times in seconds; null where it never comes to that."""

    weight: float
    """In percent."""
    canary_requests_per_second: float
    must_refute: float
    """The ratio of error rates that must be refuted before the next weight."""
    must_refute_rate: float | None
    """Where the primary hardly ever fails: instead, the fraction of the canary's requests that fail."""
    needs_seconds: float | None
    fits: bool
    lasts_seconds: float | None
    blind_below: float | None
    """The least ratio that is held within that time."""
    expected_failures: float
    held_after_seconds: dict[str, float | None]
    """By the ratio of the regression."""


class ProposalView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Weights that do better."""

    weights: list[float]
    step_seconds: list[float]
    """How long each step lasts."""
    total_seconds: float
    worst_failures: float
    """Requests that fail in the first step where the canary fails at all of them."""


class QuickestView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The weights whose longest step is the shortest, where none can be proved in time."""

    weights: list[float]
    longest_seconds: float | None


class PlanView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A plan."""

    requests_per_second: float
    baseline: float
    """The fraction of requests that fail."""
    noise: tuple[float, float]
    """How many times as unevenly as independent requests the pods fail: within a scrape, and lasting."""
    noise_measured: bool
    interval_seconds: float
    canary_pods: int
    steps: list[StepView]
    bake_seconds: float
    """What the last step lasts at least."""
    total_seconds: float | None
    blindness: list[str]
    proposal: ProposalView | None
    quickest: QuickestView | None
    warnings: list[str]


def plan_view(traffic: Traffic, plan: RolloutPlan, rules: JudgeRules, warnings: Sequence[str]) -> PlanView:
    """Everything about a plan, with what would do better."""
    better = proposed(traffic, rules)
    return PlanView(
        requests_per_second=traffic.rate,
        baseline=traffic.base,
        noise=(traffic.noise.single, traffic.noise.lasting),
        noise_measured=traffic.noise.total > 0,
        interval_seconds=traffic.interval,
        canary_pods=traffic.canary_pods,
        steps=[step_view(step) for step in plan.steps],
        bake_seconds=plan.bake,
        total_seconds=finite(plan.total),
        blindness=list(blindness(plan)),
        proposal=proposal_view(better) if better is not None else None,
        quickest=quickest_view(quickest(traffic, rules)) if better is None else None,
        warnings=list(warnings),
    )


def proposal_view(plan: RolloutPlan) -> ProposalView:
    """Weights and how long each lasts."""
    times = [*(step.lasts for step in plan.steps[:-1]), max(plan.steps[-1].lasts, plan.bake)]
    return ProposalView(weights=weights_of(plan), step_seconds=times, total_seconds=plan.total, worst_failures=plan.harm)


def quickest_view(plan: RolloutPlan) -> QuickestView:
    """Weights and what the longest step needs."""
    return QuickestView(weights=weights_of(plan), longest_seconds=finite(max(step.needs for step in plan.steps)))


def weights_of(plan: RolloutPlan) -> list[float]:
    """In percent."""
    return [round(100 * weight, 6) for weight in plan.weights]


def step_view(step: StepPlan) -> StepView:
    """One step."""
    return StepView(
        weight=round(100 * step.weight, 6),
        canary_requests_per_second=step.canary_rate,
        must_refute=step.refute,
        must_refute_rate=step.rate_to_refute,
        needs_seconds=finite(step.needs),
        fits=step.fits,
        lasts_seconds=finite(step.lasts),
        blind_below=finite(step.blind_below),
        expected_failures=step.errors,
        held_after_seconds={f"{ratio:g}x": finite(time) for ratio, time in step.held},
    )


def finite(value: float) -> float | None:
    """JSON knows no infinity."""
    return value if math.isfinite(value) else None


def plan_text(view: PlanView) -> str:
    """The plan as a table, with what it means."""
    single, lasting = view.noise
    uneven = (
        f"pods fail {single:.3g} to {lasting:.3g} times as unevenly as by chance" if lasting > 1 else "pods fail as evenly as by chance"
    )
    noise = uneven if view.noise_measured else "no noise is known"
    pods = how_many(view.canary_pods, "canary pod")
    usual = f"{percent(view.baseline)} fail" if view.steps[0].must_refute_rate is None else f"hardly any fail ({percent(view.baseline)})"
    lines = [
        f"{digits(view.requests_per_second, 4)} requests a second, of which {usual}; a scrape every "
        f"{view.interval_seconds:.3g} s; {pods}; {noise}",
        "",
        aligned(rows(view)),
        "",
    ]
    lines += [f"  {said}" for said in view.blindness]
    lines += ["", f"{whole(view)} Figures are those of the middle, good to about 30 %.", proposal_line(view)]
    lines += [f"warning: {warning}" for warning in view.warnings]
    return "\n".join(lines)


def whole(view: PlanView) -> str:
    """How long all steps take, or which of them never end by evidence."""
    late = [f"{step.weight:g} %" for step in view.steps if not step.fits]
    if late:
        return f"Within the deadline of a step nothing is proved at {', '.join(late)}."
    last = view.steps[-1].lasts_seconds
    baked = f", of which the last, with its bake time, {took(view.bake_seconds)}" if last is not None and last < view.bake_seconds else ""
    return f"All steps: {took(view.total_seconds)}{baked}."


def rows(view: PlanView) -> list[tuple[str, ...]]:
    """One for each step."""
    ratios = [name for name in view.steps[0].held_after_seconds if len(name) <= len("10x")]
    found = [("STEP", "CANARY GETS", "MUST REFUTE", "NEEDS", *(f"{name} HELD IN" for name in ratios), "ALL FAIL, HELD IN")]
    for step in view.steps:
        held = list(step.held_after_seconds.values())
        found.append(
            (
                f"{step.weight:g} %",
                f"{digits(step.canary_requests_per_second)}/s",
                f"{digits(step.must_refute)}x" if step.must_refute_rate is None else f"{percent(step.must_refute_rate)} failing",
                took(step.needs_seconds) + ("" if step.fits else " (too long)"),
                *(took(step.held_after_seconds[name]) for name in ratios),
                took(held[-1] if held else None),
            )
        )
    return found


def took(seconds: float | None) -> str:
    """A time in words."""
    return "never" if seconds is None else spoken(seconds)


def proposal_line(view: PlanView) -> str:
    """What would do better, or that nothing does."""
    if view.proposal is not None:
        better = view.proposal
        times = ", ".join(took(seconds) for seconds in better.step_seconds)
        return (
            f"Proposed: {weights_option(better.weights)} ({times}), {took(better.total_seconds)} in all; a canary that fails at everything "
            f"costs about {better.worst_failures:,.0f} requests in the first step."
        )
    assert view.quickest is not None
    longest = view.quickest.longest_seconds
    needs = f"needs {took(longest)} for a step" if longest is not None else "never does either"
    return (
        f"Proposed: no weights can be proved in time; the quickest, {weights_option(view.quickest.weights)}, {needs}. "
        "Let a step last longer (step-deadline, rollout-deadline), tolerate more (growth), or have a person approve."
    )


def weights_option(weights: list[float]) -> str:
    """As it is typed."""
    return "--weights " + ",".join(f"{weight:g}" for weight in weights)
