"""What the comparison of canary and primary said, as people and programs see it (judge.md 11). Called by `views`.

Odds are numbers: 465 means 465:1. What is beyond a million is all the same.
"""

from datetime import datetime
from math import exp, log

import msgspec

from trimtab.analysis import explain, turning
from trimtab.analysis.replay import Replay
from trimtab.analysis.series import moments
from trimtab.model.evidence import Moment
from trimtab.model.judging import JudgeRules, Role
from trimtab.model.ruling import Counts, JudgeDecision, MetricReading, Ruling
from trimtab.model.verdict import Evidence

MOST = log(explain.MANY)


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=False):
    """Base of these views: camelCase in JSON, every field always there."""


class CountView(Part, frozen=True, kw_only=True):
    """Bad out of total, as a fraction too."""

    bad: int
    total: int
    rate: float


class BarView(Part, frozen=True, kw_only=True):
    """Odds, and those that they have to reach."""

    odds: float
    bar: float


class ComparedView(Part, frozen=True, kw_only=True):
    """One metric of the comparison."""

    metric: str
    kind: str
    role: str
    canary: CountView
    primary: CountView
    canary_recent: CountView
    primary_recent: CountView
    ratio: float
    tolerated: float
    """Ratios."""
    to_refute: float
    worse: BarView
    beyond_tolerance: BarView
    without_one_pod: BarView
    good_enough: BarView | None
    """null where it does not gate."""
    noise: float
    noise_promote: float
    noise_from: str
    share: float
    requests_needed: float | None
    minutes_needed: float | None
    implicated: bool


class BurstView(Part, frozen=True, kw_only=True):
    """A scrape that brought much; what it counted for."""

    metric: str
    ended: datetime
    bad: int
    total: int
    odds: float
    capped: bool


class MomentView(Part, frozen=True, kw_only=True):
    """The evidence after one moment's scrapes, as odds."""

    at: datetime
    step: int
    worse: float
    beyond_tolerance: float
    good_enough: float
    """Anew in each step."""


class VerdictView(Part, frozen=True, kw_only=True):
    """The newest word of the comparison."""

    ruling: str
    reason: str
    sentence: str
    at: datetime
    final: bool
    ending: str
    """What the policy wants where waiting is over; else empty."""
    exposed_seconds: float
    step: int
    weight: float
    measured_share: float
    scrapes: int
    worse: BarView
    beyond_tolerance: BarView
    without_one_pod: BarView
    metrics: tuple[ComparedView, ...]
    table: tuple[tuple[str, ...], ...]
    """The same as people read it: a row of headings, and one for each metric."""
    bursts: tuple[BurstView, ...]
    """The scrapes that brought most."""
    series: tuple[MomentView, ...]
    """The odds as they grew, oldest first; of a long rollout every second, every fourth ... scrape."""
    drawn: tuple[tuple[str, ...], ...]
    """The same as people read it: a row for each kind of odds."""
    tipped: tuple[str, ...]
    would_change: str
    """Empty where nothing can any more, because the attempt has ended."""
    noise: tuple[str, ...]
    missing: tuple[str, ...]
    inputs: str
    """A digest of every scrape that was counted, in order."""


class PointView(MomentView, frozen=True, kw_only=True):
    """With what was said then."""

    ruling: str


class ReplayView(Part, frozen=True, kw_only=True):
    """What the stored scrapes come to."""

    same: bool
    gone: bool
    """The record was made from scrapes that are not stored, or not any more."""
    scrapes: int
    sentence: str
    differences: tuple[str, ...]
    series: tuple[PointView, ...]


def replay_view(found: Replay) -> ReplayView:
    """A replay."""
    series = tuple(
        PointView(
            at=one.at,
            step=one.step,
            ruling=one.ruling,
            worse=odds(one.worse),
            beyond_tolerance=odds(one.beyond),
            good_enough=odds(one.refuted),
        )
        for one in found.series
    )
    return ReplayView(
        same=found.same, gone=found.gone, scrapes=found.scrapes, sentence=found.said, differences=found.differences, series=series
    )


def verdict_view(evidence: Evidence, rules: JudgeRules | None, *, over: bool = False) -> VerdictView | None:
    """The newest word; None where canary and primary are not compared, or nothing was said yet. `over`: the attempt is at its end."""
    said = evidence.ruling
    if said is None or rules is None:
        return None
    worse, beyond, without = bars(said.odds, rules)
    return VerdictView(
        ruling=said.ruling,
        reason=said.reason,
        sentence=evidence.said,
        at=said.at,
        final=said.final,
        ending=said.ending or "",
        exposed_seconds=said.exposed.total_seconds(),
        step=said.step.number,
        weight=said.step.weight,
        measured_share=said.measured_share,
        scrapes=said.scrapes,
        worse=worse,
        beyond_tolerance=beyond,
        without_one_pod=without,
        metrics=tuple(compared_view(row, rules) for row in said.readings),
        table=(explain.COLUMNS, *explain.rows(said, rules)),
        bursts=burst_views(said),
        series=tuple(map(moment_view, moments(evidence.compared))) if evidence.compared is not None else (),
        drawn=turning.grown(evidence.compared, rules),
        tipped=turning.tipped(said, rules, evidence.compared),
        would_change="" if over and said.ruling is not Ruling.ROLLBACK else turning.alters(said, rules),
        noise=tuple(turning.noise(row) for row in said.readings if row.breach is None and row.canary.total + row.primary.total),
        missing=evidence.missing,
        inputs=said.inputs,
    )


def moment_view(one: Moment) -> MomentView:
    """The odds after one moment's scrapes."""
    worse, beyond, refuted = (odds(each) for each in (one.worse, one.beyond, one.refuted))
    return MomentView(at=one.at, step=one.step, worse=worse, beyond_tolerance=beyond, good_enough=refuted)


def compared_view(row: MetricReading, rules: JudgeRules) -> ComparedView:
    """One metric."""
    worse, beyond, without = bars((row.worse, row.beyond, row.without_pod), rules)
    return ComparedView(
        metric=row.metric,
        kind=row.kind,
        role=row.role,
        canary=count_view(row.canary),
        primary=count_view(row.primary),
        canary_recent=count_view(row.canary_recent),
        primary_recent=count_view(row.primary_recent),
        ratio=row.ratio,
        tolerated=row.tolerated,
        to_refute=row.to_refute,
        worse=worse,
        beyond_tolerance=beyond,
        without_one_pod=without,
        good_enough=BarView(odds=odds(row.refuted), bar=rules.promote_odds) if row.role is Role.GATE else None,
        noise=row.noise,
        noise_promote=row.noise_promote,
        noise_from=row.history,
        share=row.share,
        requests_needed=row.needed,
        minutes_needed=row.minutes,
        implicated=row.implicated,
    )


def burst_views(said: JudgeDecision) -> tuple[BurstView, ...]:
    """The scrapes that brought most."""
    return tuple(
        BurstView(metric=one.metric, ended=one.ended, bad=one.bad, total=one.total, odds=one.odds, capped=one.capped) for one in said.top
    )


def bars(evidence: tuple[float, float, float], rules: JudgeRules) -> tuple[BarView, BarView, BarView]:
    """Worse at all, beyond tolerance, without one pod."""
    worse, beyond, without = (BarView(odds=odds(each), bar=bar) for each, bar in zip(evidence, rules.bars, strict=True))
    return worse, beyond, without


def odds(evidence: float) -> float:
    """From their logarithm."""
    return float(f"{exp(min(max(evidence, -MOST), MOST)):.4g}")


def count_view(found: Counts) -> CountView:
    """Bad out of total."""
    return CountView(bad=found.bad, total=found.total, rate=found.rate)
