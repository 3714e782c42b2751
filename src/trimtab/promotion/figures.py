"""What was measured of a canary, in words and as evidence holds it. Pure; called by `watching` and `wiring`."""

from collections.abc import Iterator, Sequence
from math import log
from typing import Literal

from trimtab.analysis.explain import counts, ratio
from trimtab.analysis.turning import alters, grown, tipped
from trimtab.model.judging import JudgeRules, Role
from trimtab.model.policy import MetricKind
from trimtab.model.ruling import MetricReading
from trimtab.model.scrapes import Arm, Scrape
from trimtab.model.verdict import Evidence, Reading, Result
from trimtab.promotion.evidence import Figure, Sum

MOST_SUMS = 2000
"""More are put together, so that evidence stays readable."""
SAID = {Reading.BELOW: "too low", Reading.ABOVE: "too high", Reading.WITHIN: "good", Reading.EMPTY: "no value"}
OF: tuple[tuple[Arm, Literal["canary", "stable"]], ...] = ((Arm.CANARY, "canary"), (Arm.PRIMARY, "stable"))


def figures(checks: Evidence, rules: JudgeRules | None) -> tuple[Figure, ...]:
    """The newest look, metric by metric: held against limits, then compared with stable."""
    limited = tuple(
        Figure(metric=result.metric, judgement=SAID.get(result.reading, "no answer"), canary=amount(result), text=allowed(result))
        for result in checks.results
    )
    if rules is None or checks.ruling is None:
        return limited
    return (*limited, *(compared(row, rules) for row in checks.ruling.readings))


def compared(row: MetricReading, rules: JudgeRules) -> Figure:
    """One metric of the comparison."""
    good = row.refuted >= log(rules.promote_odds)
    judgement = "worse" if row.implicated else "good" if good or row.role is not Role.GATE else "open"
    text = f"odds {ratio(row.worse)} that it is worse, {ratio(row.refuted)} that it is not much worse"
    return Figure(metric=row.metric, judgement=judgement, canary=counts(row.canary), stable=counts(row.primary), text=text)


def reasons(checks: Evidence, rules: JudgeRules | None) -> tuple[str, ...]:
    """What tipped the comparison, how the odds grew, and what would change it; none where there was none."""
    if rules is None or checks.ruling is None:
        return ()
    odds = (f"odds that it is {name}, scrape by scrape: {signs} {said}" for name, signs, said in grown(checks.compared, rules))
    return (*tipped(checks.ruling, rules, checks.compared), *odds, f"what would change it: {alters(checks.ruling, rules)}")


def sums_of(scrapes: Sequence[Scrape], rules: JudgeRules | None) -> Iterator[Sum]:
    """Bad and all requests of each copy in each scrape. Of latency, those slower than the objective; without one there are none."""
    objectives = {metric.name: metric.slo for metric in rules.metrics} if rules is not None else {}
    for scrape in scrapes:
        for arm, of in OF:
            counted = [pod for pod in scrape.counts if pod.arm is arm]
            bad, total = float(sum(pod.bad for pod in counted)), float(sum(pod.total for pod in counted))
            objective = objectives.get(scrape.metric)
            if scrape.buckets and objective is not None:
                timed = [pod.counts for pod in scrape.buckets if pod.arm is arm]
                above = sum(bound < objective for bound in scrape.bounds) + 1
                bad, total = float(sum(sum(each[above:]) for each in timed)), float(sum(map(sum, timed)))
            elif scrape.buckets:
                continue
            yield Sum(metric=scrape.metric, of=of, at=scrape.ended, bad=bad, total=total)


def thinned(sums: tuple[Sum, ...]) -> tuple[Sum, ...]:
    """The same totals in fewer parts, where there are too many."""
    if len(sums) <= MOST_SUMS:
        return sums
    kept: list[Sum] = []
    waiting: dict[tuple[str, str], Sum] = {}
    for one in sums:
        before = waiting.pop((one.metric, one.of), None)
        if before is None:
            waiting[one.metric, one.of] = one
        else:
            kept.append(Sum(metric=one.metric, of=one.of, at=one.at, bad=before.bad + one.bad, total=before.total + one.total))
    return (*kept, *waiting.values())


def listed(results: list[Result]) -> str:
    """Results in a sentence."""
    return "; ".join(f"{shown(result)}{f': {result.problem}' if result.problem else ''}" for result in results)


def shown(result: Result) -> str:
    """One metric: what was measured and what is allowed."""
    if result.value is None:
        return f"{result.metric} {SAID.get(result.reading, 'no answer')}"
    return f"{result.metric} {amount(result)} ({allowed(result)})"


def amount(result: Result) -> str:
    """The value with its unit; durations come in seconds and are limited in milliseconds."""
    if result.value is None:
        return ""
    match result.kind:
        case MetricKind.DURATION:
            return f"{result.value * 1000:.4g} ms"
        case MetricKind.SUCCESS_RATE:
            return f"{result.value:.5g} %"
    return f"{result.value:.6g}"


def allowed(result: Result) -> str:
    """The limits."""
    low, high = result.minimum, result.maximum
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    return f"at least {low:g}" if low is not None else f"at most {high:g}" if high is not None else ""
