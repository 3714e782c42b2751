"""What the judge of canary against primary says: which ruling, why, by which figures. Made by `analysis`, read by `rollout`, faces."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from trimtab.model.evidence import Contribution
from trimtab.model.judging import Ending, JudgeStep, Measured, Role


class Ruling(StrEnum):
    """What the judge wants (judge.md 3)."""

    ROLLBACK = "rollback"
    GO_ON = "go-on"
    """The step may be left; at the last step: promote."""
    HOLD = "hold"
    COLLECTING = "collecting"
    """Nothing speaks against it, and not enough for it yet."""
    INSUFFICIENT = "insufficient"
    """As collecting, and what is missing will not come before the deadline."""
    NO_DATA = "no-data"


class Reason(StrEnum):
    """Why, in one word. `explain` has the sentences."""

    WORSE = "worse"
    FAR_WORSE = "far-worse"
    """Rolled back by the guard of the warm-up."""
    REFUTED = "refuted"
    """A regression of the size that matters is refuted."""
    DOUBT = "doubt"
    ONE_POD = "one-pod"
    SHARED_BREACH = "shared-breach"
    """Both copies break an objective."""
    WARM_UP = "warm-up"
    BAKING = "baking"
    """All is proved, and the step still lasts."""
    COLLECTING = "collecting"
    DEADLINE = "deadline"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class Counts:
    """Bad out of total."""

    bad: int = 0
    total: int = 0

    @property
    def rate(self) -> float:
        """The fraction that is bad; 0 without any."""
        return self.bad / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class MetricReading:
    """One metric in a decision: a row of the table that people are shown (judge.md 11). Evidence is in natural logarithms of odds."""

    metric: str
    kind: Measured
    role: Role
    worse: float
    """That it is worse at all (S)."""
    beyond: float
    """That it is worse than tolerated (M)."""
    without_pod: float
    """That it is worse, without the canary pods that speak most for it (L)."""
    refuted: float
    """That the ratio to refute is refuted (P)."""
    canary: Counts = Counts()
    primary: Counts = Counts()
    """Since the start of the rollout. Of latency: requests above the objective, or above the highest bound watched."""
    canary_recent: Counts = Counts()
    primary_recent: Counts = Counts()
    """Since the last new bet."""
    tolerated: float = 1.0
    to_refute: float = 1.0
    """Ratios (of latency: factors in time)."""
    rate_tolerated: float | None = None
    rate_to_refute: float | None = None
    """Where the primary hardly ever fails: shares of failed requests, in place of ratios."""
    ratio: float = 1.0
    """The likeliest ratio of those that are bet on."""
    ratio_mean: float = 1.0
    """Their mean by the evidence."""
    noise: float = 1.0
    noise_promote: float = 1.0
    """What a count is divided by."""
    noise_parts: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    """Noise within a scrape and over longer blocks as they are now, load and rate."""
    share: float = 0.0
    """The canary's measured share of requests since the start."""
    needed: float | None = None
    """Requests of both arms still needed to go on, at a canary as good as the primary; None where that is not known or not asked."""
    minutes: float | None = None
    """The same at the present rate."""
    implicated: bool = False
    """It carries the rollback, alone or jointly."""
    history: str = ""
    """What the noise was learned from, in words."""
    breach: tuple[float, float] | None = None
    """Objective: that the canary, that the primary breaks it at present."""
    loudest_group: int | None = None
    """The group of canary pods whose absence lowers the odds most."""


@dataclass(frozen=True, slots=True)
class JudgeDecision:
    """What the judge says. `final` means that waiting is over: `ending` is what the policy wants then."""

    ruling: Ruling
    reason: Reason
    step: JudgeStep
    at: datetime
    odds: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Weighted over the metrics: worse at all, beyond tolerance, without one pod; natural logarithms."""
    readings: tuple[MetricReading, ...] = ()
    culprits: tuple[str, ...] = ()
    """Metrics that carry a rollback or a doubt."""
    jointly: bool = False
    """None of the culprits would do alone."""
    final: bool = False
    ending: Ending | None = None
    grace_left: timedelta | None = None
    overridden: bool = False
    """It went on although in doubt, after the grace, within tolerance."""
    needed: float | None = None
    minutes: float | None = None
    """The most that any gating metric needs."""
    planned_share: float = 0.0
    measured_share: float = 0.0
    scrapes: int = 0
    """Complete scrapes in this step, of the gating metric that has fewest."""
    top: tuple[Contribution, ...] = ()
    exposed: timedelta = timedelta(0)
    """Since the canary began."""
    inputs: str = ""
    """`JudgeEvidence.inputs`: what it was judged by."""
