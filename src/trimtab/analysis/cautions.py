"""What the judge cannot do in this place, said before it starts (judge.md 12). Called by `check`, `plan` and at the start of a rollout."""

from collections.abc import Sequence
from math import isfinite

from trimtab.analysis.planning import StepPlan, Traffic, digits, percent, planned
from trimtab.model.evidence import Calibration, MetricCalibration
from trimtab.model.judging import Clumps, JudgeRules, Measured, MetricRule, Role
from trimtab.model.spans import spoken

SHORT = 3600.0
"""Seconds of history below which noise is barely known."""


def cautions(
    rules: JudgeRules,
    calibration: Calibration,
    canary_pods: int,
    sticky: bool,
    weights: Sequence[float] = (),
    lasts: float | None = None,
) -> tuple[str, ...]:
    """Plain warnings. `canary_pods` is how many pods of the canary can be told apart; `sticky` is true where users stay with one copy.

    `weights` are those of the steps as fractions; empty: nothing is said of them. `lasts` is how many seconds each lasts; None: as long as
    the evidence needs.
    """
    steps = of_steps(rules, calibration, canary_pods, weights, lasts)
    return (*of_pods(rules, canary_pods), *of_routing(rules, sticky), *of_history(rules, calibration), *steps)


def of_pods(rules: JudgeRules, canary_pods: int) -> tuple[str, ...]:
    """Too few pods to leave one out."""
    least = rules.constants.least_pods
    if canary_pods >= least:
        return ()
    if canary_pods <= 0:
        return ("the canary's pods cannot be told apart where requests are counted: one bad node looks like a bad configuration",)
    pods = "one pod" if canary_pods == 1 else f"{canary_pods} pods"
    return (f"the canary has {pods}: a bad node looks like a bad configuration; with {least} or more, no single pod can roll it back",)


def of_routing(rules: JudgeRules, sticky: bool) -> tuple[str, ...]:
    """Bursts that stay with one copy."""
    if not sticky or rules.clumps is Clumps.TIME:
        return ()
    return (
        "users stay with one copy (session affinity): a burst of errors stays with it as well and looks like the configuration; "
        "set `clumps: time`",
    )


def of_history(rules: JudgeRules, calibration: Calibration) -> tuple[str, ...]:
    """Noise that nobody measured."""
    found = []
    risk = "whether it usually fails evenly or in bursts, and a burst may roll back a good change"
    for metric in rules.metrics:
        if metric.role is Role.INFO or metric.kind in (Measured.OBJECTIVE, Measured.RESTARTS):
            continue
        known = calibration.of(metric.name)
        seconds = (known.ended - known.began).total_seconds() if known.began and known.ended else 0.0
        if not seconds:
            found.append(f"{metric.name} has no history: it is not known {risk}")
        elif seconds < SHORT:
            found.append(f"{metric.name} has {spoken(seconds)} of history; an hour is needed to know {risk}")
    return tuple(found)


def of_steps(
    rules: JudgeRules, calibration: Calibration, canary_pods: int, weights: Sequence[float], lasts: float | None
) -> tuple[str, ...]:
    """Steps that prove nothing in their time with the traffic of the history, metric by metric."""
    found = []
    for metric in rules.metrics:
        traffic = traffic_of(metric, calibration.of(metric.name), rules, canary_pods)
        usable = tuple(weight for weight in weights if 0 < weight < 1)
        if traffic is None or not usable:
            continue
        plan = planned(traffic, usable, rules, lasts)
        blind = [shows(step) for step in plan.steps if step.needs > step.lasts]
        if blind:
            usual = "hardly any fail" if plan.steps[0].rate_to_refute is not None else f"{percent(traffic.base)} fail"
            found.append(
                f"{metric.name}, at the usual {digits(traffic.rate)} requests a second of which {usual}: "
                f"{'; '.join(blind)}. `trimtab plan` proposes other weights and times"
            )
    return tuple(found)


def shows(step: StepPlan) -> str:
    """What a step lets be seen in its time, and what it would take to be sure."""
    ruled_out = f"{digits(step.refute)} times" if step.rate_to_refute is None else percent(step.rate_to_refute)
    seen = "only a canary that fails "
    if not isfinite(step.blind_below):
        seen = "nothing"
    elif step.rate_to_refute is None:
        seen += f"more than {digits(step.blind_below, 2)} times as often as usual"
    else:
        seen += f"at more than {digits(100 * step.blind_rate, 2)} % of its requests"
    return f"{percent(step.weight)} for {spoken(step.lasts)} shows {seen} (to rule out {ruled_out} takes {spoken(step.needs)})"


def traffic_of(rule: MetricRule, known: MetricCalibration, rules: JudgeRules, canary_pods: int) -> Traffic | None:
    """What the history says of it; None where it says nothing, or where nothing is to be proved by counts."""
    if rule.role is not Role.GATE or rule.kind is not Measured.ERRORS or not known.scrapes or known.began is None or known.ended is None:
        return None
    interval = (rules.interval or (known.ended - known.began) / known.scrapes).total_seconds()
    base = (known.noise.bad + 0.5) / (known.noise.total + 1)
    return Traffic(known.load * known.pods / interval, base, known.noise, interval, known.pods, max(1, canary_pods))
