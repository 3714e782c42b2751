"""What the judge cannot do in this place, said before it starts (judge.md 12). Called by `check`, `plan` and at the start of a rollout."""

from trimtab.model.evidence import Calibration
from trimtab.model.judging import Clumps, JudgeRules, Measured, Role

SHORT = 3600.0
"""Seconds of history below which noise is barely known."""


def cautions(rules: JudgeRules, calibration: Calibration, canary_pods: int, sticky: bool) -> tuple[str, ...]:
    """Plain warnings. `canary_pods` is how many pods of the canary can be told apart; `sticky` is true where users stay with one copy."""
    return (*of_pods(rules, canary_pods), *of_routing(rules, sticky), *of_history(rules, calibration))


def of_pods(rules: JudgeRules, canary_pods: int) -> tuple[str, ...]:
    """Too few pods to leave one out."""
    least = rules.constants.least_pods
    if canary_pods >= least:
        return ()
    if canary_pods <= 0:
        return ("the canary's pods cannot be told apart: a bad node looks like a bad configuration",)
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
    for metric in rules.metrics:
        if metric.role is Role.INFO or metric.kind in (Measured.OBJECTIVE, Measured.RESTARTS):
            continue
        known = calibration.of(metric.name)
        seconds = (known.ended - known.began).total_seconds() if known.began and known.ended else 0.0
        if not seconds:
            found.append(f"{metric.name} has no history: how unevenly it fails on a good day is not known, and a noisy day may roll back")
        elif seconds < SHORT:
            found.append(f"{metric.name} has {seconds / 60:.0f} min of history; an hour is needed to know how unevenly it fails")
    return tuple(found)
