"""What a rollout can see at each of its steps, and how long it needs, before it starts (judge.md 7). Called by `trimtab plan`.

All figures are those of the middle, good to about 30 %. Times count whole scrapes, each closed one interval late.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from trimtab.analysis import counts, forecast, noise
from trimtab.model.evidence import Noise
from trimtab.model.judging import JudgeRules
from trimtab.model.spans import spoken

RATIOS = (2.0, 5.0, 10.0)
"""Regressions of which a plan tells when they are seen."""
LADDERS = (
    (0.01, 0.05, 0.1, 0.25, 0.5), (0.01, 0.1, 0.5), (0.02, 0.1, 0.5), (0.05, 0.1, 0.25, 0.5), (0.05, 0.2, 0.5), (0.1, 0.25, 0.5),
    (0.1, 0.5), (0.2, 0.5), (0.25, 0.5), (0.5,),
)  # fmt: skip
"""Weights that are tried for a proposal, the most careful first."""
DISASTER = 1.0
"""The share of the canary's requests that fail in the worst case, by which first steps are compared."""
NEARLY = 1.25
"""A more careful ladder is proposed if it takes at most so many times as long as the quickest."""
CAREFUL = 0.1
"""Proposals begin with no larger weight, unless nothing smaller can be proved in time."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the service gets at present, and how it usually fails."""

    rate: float
    """Requests of all pods in a second."""
    base: float
    """The share of them that fail."""
    noise: Noise = Noise()
    interval: float = 15.0
    """Seconds between scrapes."""
    pods: int = 0
    """Pods of the primary; 0 where that is not known."""
    canary_pods: int = 1


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step. Ratios are of the canary's error rate to the primary's, times in seconds; infinite: never."""

    weight: float
    canary_rate: float
    """Requests in a second that the canary gets."""
    refute: float
    """The ratio that must be refuted before the next weight."""
    needs: float
    """Until that is done, if the canary is as good as the primary."""
    fits: bool
    """Within the policy's deadline for a step."""
    held: tuple[tuple[float, float], ...]
    """When regressions of these ratios are held."""
    lasts: float
    """How long the step lasts: as given, else as long as it needs; no longer than the policy's deadline."""
    blind_below: float
    """The least ratio held within that time."""
    blind_rate: float
    """The same as a share of the canary's requests."""
    errors: float
    """Failures of a canary as good as the primary in that time."""
    rate_to_refute: float | None = None
    """Where the primary hardly ever fails: the share of failed requests that must be refuted, in place of a ratio (ADR 13)."""

    @property
    def to_refute(self) -> str:
        """`21x`, or `0.2 %` of the canary's requests."""
        return f"{digits(self.refute)}x" if self.rate_to_refute is None else percent(self.rate_to_refute)


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """All steps."""

    steps: tuple[StepPlan, ...]
    bake: float
    """What the last step lasts at least."""

    @property
    def total(self) -> float:
        """Seconds of all steps."""
        return sum(step.lasts for step in self.steps[:-1]) + max(self.steps[-1].lasts, self.bake)

    @property
    def weights(self) -> tuple[float, ...]:
        """Of all steps."""
        return tuple(step.weight for step in self.steps)

    @property
    def harm(self) -> float:
        """Requests that fail in the first step until a canary that fails at all of them has gone."""
        return self.steps[0].canary_rate * DISASTER * self.steps[0].held[-1][1]


def planned(traffic: Traffic, weights: Sequence[float], rules: JudgeRules, step: float | None = None) -> RolloutPlan:
    """The steps at these weights (fractions); `step` is how long each lasts in seconds, None: as long as the evidence needs."""
    following = (*weights[1:], 1.0)
    made = tuple(of_step(traffic, pair, rules, step) for pair in zip(weights, following, strict=True))
    return RolloutPlan(made, rules.bake.total_seconds() if step is None else 0.0)


def of_step(traffic: Traffic, weights: tuple[float, float], rules: JudgeRules, lasts: float | None) -> StepPlan:
    """One step from its weight and the next."""
    weight, following = weights
    tolerated = max(1 + rules.tolerance_relative, 1 + rules.tolerance_absolute / traffic.base)
    refute = float(counts.to_refute(np.asarray(tolerated), following, rules))
    divisor, divisor_promote = worth(traffic, weight, rules)
    each, rate = forecast.refuting(traffic.base, weight, refute, divisor_promote), None
    if forecast.seldom(traffic.base, rules.tolerance_absolute, rules.constants):
        rate = float(counts.rate_to_refute(np.asarray(rules.tolerance_absolute), following, rules))
        each = forecast.clean(weight, rate, divisor_promote, rules.constants)
    needs = seconds(traffic, float(forecast.at_rate(0.0, each, rules)), rules)
    ratios = (*RATIOS, 1 / traffic.base)
    held = tuple(
        (ratio, seconds(traffic, float(forecast.to_hold(traffic.base, weight, ratio, divisor, rules)), rules))
        for ratio in ratios
        if ratio <= 1 / traffic.base
    )
    time = min(needs if lasts is None else lasts, rules.step_deadline.total_seconds())
    seen = traffic.rate * max(0.0, time - traffic.interval)
    blind = float(forecast.detectable(seen, traffic.base, weight, divisor, rules))
    blind = blind if blind * traffic.base <= 1 else np.inf
    return StepPlan(
        weight,
        traffic.rate * weight,
        refute,
        needs,
        needs <= rules.step_deadline.total_seconds(),
        held,
        time,
        blind,
        blind * traffic.base,
        seen * weight * traffic.base,
        rate,
    )


def worth(traffic: Traffic, weight: float, rules: JudgeRules) -> tuple[float, float]:
    """What evidence against the canary, and for going on, is divided by at this weight."""
    load = weight / (1 - weight) * traffic.pods / traffic.canary_pods if traffic.pods and weight < 1 else 1.0
    history = np.asarray(traffic.noise.single), np.asarray(traffic.noise.lasting)
    usual = np.asarray(traffic.rate * traffic.interval / traffic.pods if traffic.pods else 0.0)
    grown = np.asarray(load), np.asarray(1.0), noise.crowding(np.asarray(load), usual, rules.constants)
    found = noise.worth(noise.still((), 1, rules.constants), history, grown, rules.constants)
    return float(found.divisor), float(found.divisor_promote)


def seconds(traffic: Traffic, requests: float, rules: JudgeRules) -> float:
    """Until so many requests of both arms were counted: in whole scrapes, at least as many as the policy wants, and one interval late."""
    scrapes = np.ceil(requests / (traffic.rate * traffic.interval)) if np.isfinite(requests) and traffic.rate > 0 else np.inf
    return float((max(scrapes, rules.least_scrapes) + 1) * traffic.interval)


def proposals(traffic: Traffic, rules: JudgeRules) -> tuple[RolloutPlan, ...]:
    """Weights under which every step, and all together, are done before the policy's deadlines; quickest first."""
    made = (planned(traffic, weights, rules) for weights in LADDERS)
    whole = rules.rollout_deadline.total_seconds()
    return tuple(
        sorted((plan for plan in made if all(step.fits for step in plan.steps) and plan.total <= whole), key=lambda plan: plan.total)
    )


def proposed(traffic: Traffic, rules: JudgeRules) -> RolloutPlan | None:
    """The most careful plan that takes hardly longer than the quickest; None where no weights can be proved in time."""
    found = proposals(traffic, rules)
    found = tuple(plan for plan in found if plan.weights[0] <= CAREFUL) or found
    nearly = [plan for plan in found if plan.total <= NEARLY * found[0].total]
    return min(nearly, key=lambda plan: (plan.harm, plan.total), default=None)


def quickest(traffic: Traffic, rules: JudgeRules) -> RolloutPlan:
    """The most careful weights among those whose longest step is the shortest, whatever the deadlines."""
    made = [planned(traffic, weights, rules) for weights in LADDERS]
    return min(made, key=lambda plan: max(step.needs for step in plan.steps))


def blindness(plan: RolloutPlan) -> Iterator[str]:
    """What each step cannot see, in a sentence."""
    for step in plan.steps:
        where = f"{percent(step.weight)} for {spoken(step.lasts)}"
        longer = f"; to refute {step.to_refute}, as the next weight asks, takes {spoken(step.needs)}" if step.needs > step.lasts else ""
        yield f"{where} {unseen(step)}{longer}"


def unseen(step: StepPlan) -> str:
    """Which regressions a step does not show; as a share of requests where the primary hardly ever fails."""
    if not np.isfinite(step.blind_below):
        expected = f"only {step.errors:.2g} failures are" if step.errors >= 0.5 else "hardly a failure is"
        return f"sees no regression at all: {expected} expected there"
    if step.rate_to_refute is not None:
        return f"is blind to anything below {digits(100 * step.blind_rate, 2)} % of its requests failing"
    return f"is blind to anything below {digits(step.blind_below, 2)}x the usual errors"


def percent(share: float) -> str:
    """`0.1 %`."""
    return f"{digits(100 * share)} %"


def digits(value: float, wanted: int = 3) -> str:
    """So many digits that say something, never as a power of ten: `0.02`, `8`, `1,250`."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    places = wanted - 1 - int(np.floor(np.log10(abs(value))))
    found = f"{round(value, places):,.{max(0, places)}f}"
    return found.rstrip("0").rstrip(".") if "." in found else found
