"""What the judge looks at and what it says. Made by metrics adapters and `analysis`, read by `rollout` and the faces."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from trimtab.model.policy import MetricKind


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


@dataclass(frozen=True, slots=True)
class Samples:
    """The answers to one check. `asked` is when the questions went out."""

    asked: datetime
    answers: tuple[Sample, ...] = ()


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


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the judge carries from check to check. Small, kept in the record (DESIGN §3)."""

    failed_checks: int = 0
    """Over the whole run, of whatever cause; a passing check does not lower it (SM-25)."""
    checks: int = 0
    upto: datetime | None = None
    """When the newest answers in it were asked for; answers from before are not counted again."""
    results: tuple[Result, ...] = ()
    """Of the newest check."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge says of one check, and the evidence to carry on with."""

    judgement: Judgement
    results: tuple[Result, ...]
    evidence: Evidence
