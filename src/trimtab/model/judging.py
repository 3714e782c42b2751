"""What the judge of canary against primary goes by. Made by `documents`, pinned with the policy, read by `analysis` and `rollout`.

The rule is stated in `analysis`. Every number that shapes a verdict is a field here, with its default (judge.md 3). Shares and ratios
are fractions, never percent. What the judge knows is in `evidence`, what it says in `ruling`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from trimtab.model.counting import Counting


class Measured(StrEnum):
    """What a judged metric counts."""

    ERRORS = "errors"
    """Failed requests out of requests."""
    LATENCY = "latency"
    """Requests by how long they took, in buckets."""
    RESTARTS = "restarts"
    """Pods that restarted or were not ready, out of pod-scrapes."""
    OBJECTIVE = "objective"
    """Failed requests out of requests, held against an absolute limit in both arms. It never rolls back."""


class Role(StrEnum):
    """What a metric may do."""

    GATE = "gate"
    """It may roll back, and nothing goes on before it has refuted a regression."""
    GUARD = "guard"
    """It may roll back. For what never has enough counts to refute anything, as restarts."""
    INFO = "info"
    """It is shown, and moves nothing."""


@dataclass(frozen=True, slots=True)
class MetricRule:
    """One metric of the judge."""

    name: str
    kind: Measured = Measured.ERRORS
    role: Role = Role.GATE
    weight: float = 1.0
    """Its share in the rollback evidence, beside the weights of the others. Metrics of role info do not count."""
    slo: float | None = None
    """Latency: the objective in seconds. The tail above the smallest bucket bound that is not below it is watched and gates."""
    limit: float | None = None
    """Objective: the largest fraction of failed requests that is allowed."""
    tolerance: float | None = None
    """Instead of `JudgeRules.tolerance_relative`, or for latency `JudgeRules.latency_tolerance`."""
    absolute: float | None = None
    """Instead of `JudgeRules.tolerance_absolute`."""
    counting: Counting = Counting()
    """How it is counted, where that is not as the provider usually does."""


class Ramp(StrEnum):
    """What ends a step."""

    CLOCK = "clock"
    """Its time, unless the judge is in doubt; only promotion has to be earned by evidence."""
    EVIDENCE = "evidence"
    """That a regression which would matter at the next weight is refuted by data of this step."""


class Ending(StrEnum):
    """What becomes of a rollout that cannot be decided on evidence."""

    ASK = "ask"
    """A person is asked; without an answer within `JudgeRules.ask_for` it is stopped."""
    STOP = "stop"
    """Traffic goes back to the primary; the outcome is inconclusive, not failed."""
    PROMOTE = "promote"


class Clumps(StrEnum):
    """How errors that have one cause arrive (judge.md 4)."""

    PODS = "pods"
    """Each lands in one pod. Pods of one arm, compared with each other, show it."""
    TIME = "time"
    """They spread over the pods of an arm (session affinity), or there are no pods: scrapes are compared with the next."""


@dataclass(frozen=True, slots=True)
class Constants:
    """Numbers of the rule that nobody needs to choose. What benchmarks/judge measured holds for these defaults (judge.md 1, 2, 4, 6)."""

    smallest: float = 1.15
    largest: float = 200.0
    """The ratios that are bet on lie between these two."""
    ratios: int = 16
    """How many, evenly spaced in their logarithms."""
    prior_power: float = -2.0
    """The prior of a ratio g is proportional to (1 + ln g) to this power."""
    better: tuple[float, ...] = (1.0, 0.7, 1.25)
    """The true ratios that refuting a regression bets on."""
    better_prior: tuple[float, ...] = (0.7, 0.15, 0.15)
    hardly_ever: float = 0.1
    """Where the primary fails less often than this share of the absolute tolerance, a ratio to it says nothing; what counts is how often
    the canary fails by itself (ADR 13)."""
    cleaner: tuple[float, ...] = (0.1, 0.3, 1.0)
    """The true rates that going on then bets on, as shares of the one to refute; their prior is that of `better`. The last stays out, so
    that the first scrape of a shared incident does not lose everything."""
    start_cash: float = 0.5
    """The share of all evidence that is bet on a regression which is there from the start. The rest is paid out later, bit by bit."""
    refill_scrapes: int = 20
    """Within a step a new bet begins after so many scrapes (5 minutes at 15 s), and one with each step."""
    noise_strength: float = 20.0
    """How many degrees of freedom the noise of the history counts for, against the noise seen during the rollout."""
    history_strength: float = 3.0
    """So many errors that came together with others are needed before the history's noise is believed by half."""
    whole_clumps: float = 20.0
    """A pod of the history that got so many requests in a scrape showed clumps of errors in full. Where pods got fewer, and a canary pod
    gets more, clumps are taken to be larger by as much."""
    noise_factor: float = 1.5
    """Rollback and hold take the noise for so many times what was measured, beyond the first dead zone. Promotion takes it as measured."""
    noise_dead_zone: float = 0.1
    """So much more noise than that of independent requests is taken for none."""
    rate_scrapes: int = 4
    """The primary's present error rate is taken from so many scrapes."""
    surge: float = 3.0
    """If the primary fails so many times as often as usual in the present scrape alone, noise is taken to have grown with it at once."""
    blocks: tuple[int, int, int] = (1, 4, 16)
    """Noise is looked at in blocks of so many scrapes."""
    history_blocks: tuple[int, ...] = (1, 4, 8, 16, 40)
    """The same in the history."""
    pod_groups: int = 8
    """At most so many groups of pods an arm are told apart."""
    left_out_groups: int = 4
    """At most so many groups of canary pods are left out in turn."""
    least_pods: int = 3
    """With fewer canary pods none can be left out: a bad node then looks like a bad configuration."""
    tilts: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4, 0.8)
    """Latency: how far the whole distribution is bet to be shifted, in standard deviations of its ranks."""
    better_tilts: tuple[float, ...] = (0.0, -0.05)
    better_tilts_prior: tuple[float, ...] = (0.8, 0.2)
    tails: tuple[float, ...] = (0.9, 0.95, 0.99)
    """Latency: the tails above the bucket bounds that hold these shares of the history are watched one by one."""
    tail_most: float = 0.95
    """Ratios that would put more than this share of all requests above a bound are not bet on."""
    guard_ratio: float = 10.0
    """While the canary warms up, only a rate worse than so many times the primary's rolls back."""
    refuted_over_tolerated: float = 4.0 / 3.0
    """The ratio to be refuted is at least so many times the tolerated one."""


@dataclass(frozen=True, slots=True)
class JudgeRules:
    """The knobs of the judge (judge.md 3). Odds of 100 mean: a canary as good as the primary meets them in at most 1 of 100 rollouts."""

    metrics: tuple[MetricRule, ...] = ()
    """At most eight."""
    rollback_odds: float = 100.0
    """That it is worse at all."""
    tolerance_odds: float = 20.0
    """For a rollback, besides: that it is worse than tolerated."""
    without_one_pod_odds: float = 20.0
    """For a rollback, besides: that it is worse, whichever canary pod is left out."""
    hold_odds: float = 20.0
    """That it is worse at all; the exposure then stays as it is."""
    promote_odds: float = 20.0
    """For each gating metric: that a regression of `growth` at the next weight is refuted."""
    tolerance_relative: float = 0.25
    """So much more errors than the primary are within tolerance."""
    tolerance_absolute: float = 0.0002
    """So much larger a share of failed requests is within tolerance, if that is more."""
    latency_tolerance: float = 0.09
    """So much slower is within tolerance."""
    latency_bound: float = 0.25
    """To go on, it must be refuted that the canary is so much slower."""
    growth: float = 1.0
    """A step is left when every ratio is refuted that at the next weight would add this share to the errors of the whole service."""
    cap: float = 20.0
    """No scrape counts for more than this to one against the canary."""
    cap_promote: float = 12.0
    """No scrape counts for more than this to one in favour of going on."""
    grace: timedelta = timedelta(minutes=2)
    """So long after the first doubt of a rollout, doubt alone no longer keeps a canary that is within tolerance from going on."""
    least_scrapes: int = 2
    """Complete scrapes within a step before it may be left."""
    step_minimum: timedelta = timedelta(0)
    """Every step lasts at least this long."""
    bake: timedelta = timedelta(minutes=5)
    """The last step lasts at least this long: what needs minutes to show has them."""
    step_deadline: timedelta = timedelta(minutes=30)
    rollout_deadline: timedelta = timedelta(hours=2)
    silence_hold: timedelta = timedelta(seconds=60)
    """Without a complete scrape of a gating metric for so long, and for four scrape intervals, it is held."""
    silence_deadline: timedelta = timedelta(minutes=5)
    """After so long, `on_no_data` is what happens."""
    on_insufficient: Ending = Ending.ASK
    on_doubt: Ending = Ending.STOP
    on_no_data: Ending = Ending.STOP
    ask_for: timedelta = timedelta(hours=1)
    warmup: timedelta = timedelta(0)
    """So long after the canary's pods started only a far worse canary is rolled back, and nothing else is counted."""
    clumps: Clumps = Clumps.PODS
    interval: timedelta | None = None
    """How long a scrape is; None: as measured."""
    history: timedelta = timedelta(hours=4)
    """How far back the primary is looked at when a rollout begins, to learn its noise."""
    promote_without_evidence: bool = False
    """With a ramp by the clock: promotes at its time although nothing was refuted, if there is no doubt and the data are complete."""
    constants: Constants = Constants()

    @property
    def bars(self) -> tuple[float, float, float]:
        """The odds that a rollback needs: that it is worse at all, worse than tolerated, worse without any one pod."""
        return self.rollback_odds, self.tolerance_odds, self.without_one_pod_odds


@dataclass(frozen=True, slots=True)
class JudgeStep:
    """Where a rollout stands. Weights are fractions of all requests."""

    number: int
    weight: float
    next_weight: float
    """1 for the last step: what comes next is promotion."""
    began: datetime

    @property
    def last(self) -> bool:
        """True when going on means promotion."""
        return self.next_weight >= 1
