"""What the judge of canary against primary knows: the primary's history, and what was seen since. Made by `analysis`; in the record."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Noise:
    """What a count is worth: how much more unevenly the pods of one arm fail than independent requests would (judge.md 4)."""

    single: float = 1.0
    """Within one scrape; from clumps: one cause, many errors. At least 1."""
    lasting: float = 1.0
    """The most over longer blocks; from pods that stay bad for minutes. At least 1."""
    bad: float = 0.0
    total: float = 0.0
    """The history's sums; none mean that nothing is known of the base rate."""


@dataclass(frozen=True, slots=True)
class MetricCalibration:
    """One metric in the history of the primary. The default is what is assumed without a history."""

    metric: str
    noise: Noise = Noise()
    """Of latency: that of the ranks."""
    load: float = 0.0
    """Mean requests of one primary pod in one scrape; 0 without history."""
    bounds: tuple[float, ...] = ()
    buckets: tuple[float, ...] = ()
    """Latency: upper bounds of the buckets in seconds without +Inf, and the history's requests in each, one more than bounds."""
    above: tuple[Noise, ...] = ()
    """Latency: for each bound, "slower than this" as a count."""
    scrapes: int = 0
    pods: int = 0
    """The most primary pods that were seen at once."""
    began: datetime | None = None
    ended: datetime | None = None
    """The window it was made from."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the primary's own history says, pinned when a rollout begins. A metric that is missing has no history."""

    metrics: tuple[MetricCalibration, ...] = ()

    def of(self, metric: str) -> MetricCalibration:
        """That of one metric; the assumptions of a service without history where there is none."""
        return next((found for found in self.metrics if found.metric == metric), MetricCalibration(metric))


@dataclass(frozen=True, slots=True)
class PodGroup:
    """To which group a pod was dealt, for the whole rollout. Groups of canary pods are left out in turn."""

    pod: str
    canary: bool
    group: int


@dataclass(frozen=True, slots=True)
class Contribution:
    """A scrape that brought much evidence."""

    metric: str
    ended: datetime
    bad: int
    total: int
    """Of the canary."""
    odds: float
    """The factor it brought, already capped."""
    capped: bool


@dataclass(frozen=True, slots=True)
class Moment:
    """The odds after one moment's scrapes, in natural logarithms, over all metrics."""

    at: datetime
    step: int
    """`JudgeStep.number`."""
    worse: float
    beyond: float
    """That it is worse at all, and than tolerated."""
    refuted: float
    """That it is not much worse, of the gating metric with the least; anew in each step."""
    number: int = 0
    """Of all moments of the rollout, counted from 1."""


@dataclass(frozen=True, slots=True)
class MetricUpto:
    """Up to when a metric has been counted."""

    metric: str
    upto: datetime


@dataclass(frozen=True, slots=True)
class JudgeEvidence:
    """What the judge carries from pass to pass, in the record (P3). Under 64 KiB for eight metrics."""

    began: datetime
    """When the canary's pods were ready; the warm-up counts from here."""
    step: int = 0
    """`JudgeStep.number` that the promotion evidence belongs to."""
    upto: datetime | None = None
    """The newest complete scrape of any metric."""
    interval: timedelta = timedelta(seconds=15)
    """Of the newest scrape."""
    doubted: datetime | None = None
    """The scrape at which it was first in doubt; the clock of the grace never starts anew."""
    seen: tuple[MetricUpto, ...] = ()
    groups: tuple[PodGroup, ...] = ()
    learned: tuple[MetricCalibration, ...] = ()
    """Made from the first scrape of a latency metric that has no history."""
    top: tuple[Contribution, ...] = ()
    """The three scrapes that brought most."""
    inputs: str = ""
    """A digest of every scrape that was counted, in order: who replays them ends with the same."""
    series: str = ""
    """The odds as they grew, for people: `analysis.series`. Nothing is decided by it."""
    numbers: str = ""
    """The arrays of `analysis.packing`: base64 of zlib of float64. Empty: nothing was counted yet."""
