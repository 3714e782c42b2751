"""What the judge looks at and what it says. Made by metrics adapters and `analysis`, read by `rollout` and the faces."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from trimtab.model.counted import Counted
from trimtab.model.evidence import Calibration, JudgeEvidence
from trimtab.model.judging import JudgeStep
from trimtab.model.policy import MetricKind
from trimtab.model.ruling import JudgeDecision
from trimtab.model.scrapes import Scrape


@dataclass(frozen=True, slots=True)
class Sample:
    """The answer to one metric of the policy, in its order. Neither value nor problem: the answer was empty."""

    metric: str
    kind: MetricKind
    value: float | None = None
    """In the metric's unit; request durations in seconds."""
    problem: str = ""
    """Why there is no value: what was asked, of whom, what came back."""
    query: str = ""
    early: bool = False
    """There is no value yet, for the window was cut so that it does not reach back to the canary before this one (C6)."""


@dataclass(frozen=True, slots=True)
class Samples:
    """The answers to one check, or between two checks the scrapes alone. `asked` is when the questions went out."""

    asked: datetime
    answers: tuple[Sample, ...] = ()
    scrapes: tuple[Scrape, ...] = ()
    """All complete ones since those that were counted, where canary and primary are compared (P3)."""
    missing: tuple[str, ...] = ()
    """Why there are no scrapes, or not of every metric."""
    glance: bool = False
    """Only scrapes were asked for; limits wait for the next check."""


@dataclass(frozen=True, slots=True)
class History:
    """What the primary's own past says, asked for when an attempt begins."""

    calibration: Calibration = Calibration()
    problem: str = ""
    """Why nothing is known."""
    by_pod: bool = True
    """Are pods told apart where requests are counted?"""


class Judgement(StrEnum):
    """Missing data is a verdict, not an exception, and never a pass."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no-data"


class Reading(StrEnum):
    """What became of one metric in a check."""

    WITHIN = "within"
    BELOW = "below"
    ABOVE = "above"
    EMPTY = "empty"
    UNREACHABLE = "unreachable"
    UNUSABLE = "unusable"
    EARLY = "early"
    """Nothing yet that is not of the canary before this one."""


@dataclass(frozen=True, slots=True)
class Result:
    """One metric in one check: what was measured, what was allowed, and what came of it."""

    metric: str
    kind: MetricKind
    reading: Reading
    value: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    problem: str = ""

    @property
    def good(self) -> bool:
        """True when the value was there and within its limits."""
        return self.reading is Reading.WITHIN


def worst(results: Sequence[Result]) -> Result | None:
    """The first that is not good; one that is only early comes last. None where all are good."""
    bad = [result for result in results if not result.good]
    return next((result for result in bad if result.reading is not Reading.EARLY), bad[0] if bad else None)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the judge carries from check to check. Small, kept in the record (DESIGN §3)."""

    failed_checks: int = 0
    """Over the whole run, of whatever cause; a passing check does not lower it (SM-25)."""
    checks: int = 0
    upto: datetime | None = None
    """When the newest answers in it were asked for; answers from before are not counted again."""
    glanced: datetime | None = None
    """The same of scrapes that were asked for alone, between two checks."""
    results: tuple[Result, ...] = ()
    """Of the newest check."""
    history: Calibration | None = None
    """The primary's past, pinned when the attempt began; None before that, and where canary and primary are not compared."""
    compared: JudgeEvidence | None = None
    """What the comparison knows; None before the canary was ready."""
    step: JudgeStep | None = None
    """Where the rollout stands; None where there is nothing to compare: before the first step, or with everybody on the canary."""
    ruling: JudgeDecision | None = None
    """The newest word of the comparison."""
    said: str = ""
    """The same as a sentence."""
    missing: tuple[str, ...] = ()
    """What was not found when scrapes were last asked for."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge says of one check, and the evidence to carry on with."""

    judgement: Judgement
    results: tuple[Result, ...]
    evidence: Evidence
    counted: Counted | None = None
    """Of the comparison: what the new evidence was made of, for whoever computes it anew."""
