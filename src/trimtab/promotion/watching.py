"""Is the canary of a pipeline good enough? What was seen, look by look, and what it comes to. Pure; called by `wiring.monitoring`.

Limits broken as often as the policy allows at most are a fail at once, and so is a canary that the comparison finds worse. A pass needs
the whole time, a good last look, answers to at least half of the questions, and the comparison's word: what was not measured is never a
pass. Where the metric server did not answer, nothing is known of the canary.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from trimtab.analysis.comparison import word
from trimtab.analysis.evidence import begin
from trimtab.analysis.judge import UNKNOWN, judge
from trimtab.model.counted import Counted
from trimtab.model.evidence import Calibration
from trimtab.model.judging import Ending, JudgeStep
from trimtab.model.policy import Analysis
from trimtab.model.ruling import Ruling
from trimtab.model.spans import spoken
from trimtab.model.verdict import Evidence, Judgement, Reading, Samples
from trimtab.promotion.evidence import Sum
from trimtab.promotion.figures import listed, shown, sums_of, thinned

PATIENCE = timedelta(minutes=2)
"""So long after its time it is still waited for a metric server that does not answer at the end."""


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
    settle: timedelta = timedelta(0)
    """How far back queries look: for so long limits are not asked about, since what was before the commit would be counted as well."""

    @property
    def least(self) -> timedelta:
        """The least time until there is a pass: limits are looked at once at least."""
        return max(self.duration, self.settle)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen since the canary ran the commit. Small, and kept in a file by those who go on later."""

    began: datetime
    checks: Evidence = Evidence()
    passed: int = 0
    """Looks at which every metric was there and within its limits."""
    sums: tuple[Sum, ...] = ()
    """What each complete scrape brought, where canary and stable are compared."""
    counted: tuple[Counted, ...] = ()
    """The same pod by pod, for whoever computes the verdict anew."""


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What it came to, and why in a sentence."""

    came: Came
    text: str


def begun(began: datetime, past: Calibration | None = None, share: float = 0.0) -> Seen:
    """The canary runs. Where it is compared, by the past of stable and the share of requests that it is meant to get; one step is all."""
    if past is None:
        return Seen(began)
    return Seen(began, Evidence(history=past, compared=begin(began), step=JudgeStep(1, share, 1.0, began)))


def looked(seen: Seen, rules: Rules, samples: Samples, now: datetime) -> Seen:
    """With one more look."""
    verdict = judge(rules.analysis, seen.checks, samples, now)
    if verdict is None:
        return seen
    good = all(result.good for result in verdict.results)
    sums = thinned((*seen.sums, *sums_of(samples.scrapes, rules.analysis.judge)))
    counted = (*seen.counted, verdict.counted) if verdict.counted is not None else seen.counted
    return replace(seen, checks=verdict.evidence, passed=seen.passed + (good and not samples.glance), sums=sums, counted=counted)


def concluded(seen: Seen, rules: Rules, now: datetime) -> Conclusion | None:
    """What it comes to; None while it has to be watched on."""
    checks, since = seen.checks, now - seen.began
    if checks.failed_checks >= rules.analysis.threshold:
        bad = [result for result in checks.results if not result.good]
        broken = [result for result in bad if result.reading not in UNKNOWN] or bad
        often = f" at {checks.failed_checks} of {checks.checks} looks" if checks.checks > 1 else ""
        return Conclusion(Came.FAIL, f"limits were broken{often}: {listed(broken)}")
    ruled = by_comparison(seen, rules)
    if ruled is not None and ruled.came is not Came.PASS:
        return ruled
    if since < rules.least or (rules.analysis.judge is not None and ruled is None):
        return None
    held = by_limits(seen, rules, since) if rules.analysis.metrics else None
    if ruled is None:
        if rules.analysis.metrics:
            return held
        return Conclusion(Came.PASS, f"it ran for {spoken(since)}; nothing is measured here")
    if held is None:
        return None if rules.analysis.metrics else ruled
    return Conclusion(Came.PASS, f"{ruled.text} Besides, {held.text}.") if held.came is Came.PASS else held


def by_comparison(seen: Seen, rules: Rules) -> Conclusion | None:
    """What the comparison with stable comes to; None where there is none, or it wants more."""
    ruling, said = seen.checks.ruling, in_repositories(seen.checks.said)
    if ruling is None or rules.analysis.judge is None:
        return None
    if ruling.ruling is Ruling.ROLLBACK:
        return Conclusion(Came.FAIL, said)
    if word(rules.analysis, ruling) is Judgement.PASS or (ruling.final and ruling.ending is Ending.PROMOTE):
        return Conclusion(Came.PASS, said)
    if not ruling.final:
        return None
    missing = f" {'; '.join(seen.checks.missing)}" if seen.checks.missing else ""
    return Conclusion(Came.NO_DATA if ruling.ruling is Ruling.NO_DATA else Came.INCONCLUSIVE, f"{said}{missing}")


def by_limits(seen: Seen, rules: Rules, since: timedelta) -> Conclusion | None:
    """What the limits come to at the end; None while it is still waited for answers."""
    checks = seen.checks
    bad = [result for result in checks.results if not result.good]
    unknown = bad and all(result.reading in UNKNOWN for result in bad)
    if (unknown or not checks.results) and since < rules.least + PATIENCE:
        return None
    if not bad and checks.results:
        if 2 * seen.passed >= checks.checks:
            return Conclusion(Came.PASS, f"all within limits at {seen.passed} of {checks.checks} looks in {spoken(since)}")
        return Conclusion(
            Came.NO_DATA, f"only {seen.passed} of {checks.checks} looks in {spoken(since)} were good, which is less than half"
        )
    if any(result.reading is Reading.UNREACHABLE for result in bad) or not checks.results:
        return Conclusion(Came.UNREACHABLE, f"there is no answer from the metric server: {listed(bad)}")
    if unknown:
        return Conclusion(Came.NO_DATA, f"{listed(bad)}. Missing data is never a pass: see whether the canary gets traffic")
    return Conclusion(Came.INCONCLUSIVE, f"limits were broken at the last look, but not often enough for a fail: {listed(bad)}")


def line(seen: Seen, rules: Rules, now: datetime) -> str:
    """One look for people who watch."""
    checks = seen.checks
    waiting = "limits wait for a window of their own" if rules.analysis.metrics and now - seen.began < rules.settle else "it runs"
    results = ", ".join(shown(result) for result in checks.results) or ("" if checks.said else waiting)
    failed = f"; {checks.failed_checks} of {rules.analysis.threshold} failed checks" if checks.failed_checks else ""
    told = "; ".join(part for part in (f"{results}{failed}", in_repositories(checks.said), *checks.missing) if part)
    return f"{spoken(now - seen.began)} of {spoken(rules.least)}: {told}"


def in_repositories(said: str) -> str:
    """A sentence of the judge, who says primary to what is called stable in a repository."""
    return said.replace("the primary", "stable").replace("primary", "stable")
