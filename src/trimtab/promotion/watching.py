"""Is the canary of a pipeline good enough? What was seen, look by look, and what it comes to. Pure; called by `wiring.monitoring`.

Limits broken as often as the policy allows at most are a fail at once. A pass needs the whole time, a good last look, and answers to at
least half of the questions: what was not measured is never a pass. Where the metric server did not answer, nothing is known of the canary.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from trimtab.analysis.judge import UNKNOWN, judge
from trimtab.model.policy import Analysis, MetricKind
from trimtab.model.verdict import Evidence, Judgement, Reading, Result, Samples
from trimtab.promotion.evidence import Figure

PATIENCE = timedelta(minutes=2)
"""So long after its time it is still waited for a metric server that does not answer at the end."""
SAID = {Reading.BELOW: "too low", Reading.ABOVE: "too high", Reading.WITHIN: "good", Reading.EMPTY: "no value"}


class Came(StrEnum):
    """What watching came to."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no-data"
    UNREACHABLE = "unreachable"
    """The metric server did not answer: nothing is known, and nothing may be touched."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the canary is watched by."""

    analysis: Analysis
    duration: timedelta


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen since the canary ran the commit. Small, and kept in a file by those who go on later."""

    began: datetime
    checks: Evidence = Evidence()
    passed: int = 0
    """Looks at which every metric was there and within its limits."""


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What it came to, and why in a sentence."""

    came: Came
    text: str


def looked(seen: Seen, rules: Rules, samples: Samples, now: datetime) -> Seen:
    """With one more look."""
    verdict = judge(rules.analysis, seen.checks, samples, now)
    if verdict is None:
        return seen
    return replace(seen, checks=verdict.evidence, passed=seen.passed + (verdict.judgement is Judgement.PASS))


def concluded(seen: Seen, rules: Rules, now: datetime) -> Conclusion | None:
    """What it comes to; None while it has to be watched on."""
    checks, since = seen.checks, now - seen.began
    bad = [result for result in checks.results if not result.good]
    if checks.failed_checks >= rules.analysis.threshold:
        broken = [result for result in bad if result.reading not in UNKNOWN] or bad
        often = f" at {checks.failed_checks} of {checks.checks} looks" if checks.checks > 1 else ""
        return Conclusion(Came.FAIL, f"limits were broken{often}: {listed(broken)}")
    if since < rules.duration:
        return None
    if not rules.analysis.metrics:
        return Conclusion(Came.PASS, f"it ran for {words(since)}; nothing is measured here")
    unknown = bad and all(result.reading in UNKNOWN for result in bad)
    if (unknown or not checks.results) and since < rules.duration + PATIENCE:
        return None
    if not bad and checks.results:
        if 2 * seen.passed >= checks.checks:
            return Conclusion(Came.PASS, f"all within limits at {seen.passed} of {checks.checks} looks in {words(since)}")
        return Conclusion(Came.NO_DATA, f"only {seen.passed} of {checks.checks} looks in {words(since)} were good, which is less than half")
    if any(result.reading is Reading.UNREACHABLE for result in bad) or not checks.results:
        return Conclusion(Came.UNREACHABLE, f"there is no answer from the metric server: {listed(bad)}")
    if unknown:
        return Conclusion(Came.NO_DATA, f"{listed(bad)}. Missing data is never a pass: see whether the canary gets traffic")
    return Conclusion(Came.INCONCLUSIVE, f"limits were broken at the last look, but not often enough for a fail: {listed(bad)}")


def line(seen: Seen, rules: Rules, now: datetime) -> str:
    """One look for people who watch."""
    results = ", ".join(shown(result) for result in seen.checks.results) or "running"
    failed = f"; {seen.checks.failed_checks} of {rules.analysis.threshold} failed checks" if seen.checks.failed_checks else ""
    return f"{words(now - seen.began)} of {words(rules.duration)}: {results}{failed}"


def figures(seen: Seen) -> tuple[Figure, ...]:
    """The newest look, metric by metric, as evidence holds it."""
    return tuple(
        Figure(metric=result.metric, judgement=SAID.get(result.reading, "no answer"), canary=amount(result), text=allowed(result))
        for result in seen.checks.results
    )


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


def words(span: timedelta) -> str:
    """A time as people say it."""
    seconds = round(span.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
