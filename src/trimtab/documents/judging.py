"""`spec.judge` of a RolloutPolicy: how canary and primary are compared, its rules beyond the schema, and its translation.

Read by `documents.decode`, translated by `documents.translate` and by whoever judges by a RolloutPolicy without a Canary.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from trimtab.documents.durations import parse_duration
from trimtab.documents.fields import Fields, LongDuration, Percent
from trimtab.documents.fitting import Misfit
from trimtab.documents.flagger import SecretRef
from trimtab.documents.nodes import Path
from trimtab.model.counting import By, Counting
from trimtab.model.judging import Clumps, Ending, JudgeRules, Measured, MetricRule, Ramp, Role
from trimtab.model.policy import Provider

MOST_METRICS = 8
USUAL = JudgeRules()
Odds = Annotated[float, Meta(ge=1)]
EndingName = Literal["ask", "stop", "promote"]
RampName = Literal["clock", "evidence"]
UNITS = {"seconds": 1.0, "milliseconds": 0.001, "microseconds": 0.000001}


class Arms(Fields, frozen=True, kw_only=True):
    """What tells the canary's counters from the primary's. Names may hold {namespace}, {target}, {service} and {ingress}."""

    by: Annotated[
        Literal["pod", "workload", "service"],
        Meta(description="pod: the names of the pods; workload, service: a label. By service nothing is known of pods."),
    ]
    label: str | None = None
    canary: Annotated[str, Meta(description="The label's value; what comes after `*` may be anything.")] | None = None
    primary: str | None = None


class Bad(Fields, frozen=True, kw_only=True):
    """Which requests failed: those whose label matches a regular expression as a whole."""

    label: Annotated[str, Meta(min_length=1)]
    matches: Annotated[str, Meta(min_length=1)]


class Counters(Fields, frozen=True, kw_only=True):
    """How a metric is counted, where that is not as the Canary's provider counts."""

    requests: Annotated[str, Meta(min_length=1, description="The counter of all requests.")] | None = None
    errors: Annotated[str, Meta(min_length=1, description="A counter of failed requests, where no label tells them.")] | None = None
    bad: Bad | None = None
    histogram: Annotated[str, Meta(min_length=1, description="The histogram of durations, without `_bucket`.")] | None = None
    unit: Literal["seconds", "milliseconds", "microseconds"] | None = None
    selector: (
        Annotated[
            str,
            Meta(
                min_length=1,
                description='Label matchers, as app="shop", pod=~"{pods}"; {namespace}, {target}, {service}, {ingress} are filled in too.',
            ),
        ]
        | None
    ) = None
    arms: Arms | None = None


class JudgedMetric(Fields, frozen=True, kw_only=True):
    """One thing by which canary and primary are compared."""

    name: Annotated[str, Meta(min_length=1, max_length=63)]
    kind: Annotated[
        Literal["errors", "latency", "objective"],
        Meta(
            description=(
                "errors: failed requests out of requests. latency: how long they took. objective: failed requests against an absolute "
                "limit in both copies; it never rolls back, but nothing grows while both break it."
            )
        ),
    ] = "errors"
    role: Annotated[
        Literal["gate", "guard", "info"],
        Meta(
            description="gate: may roll back, and nothing goes on before it has refuted a regression. guard: may roll back. info: is shown."
        ),
    ] = "gate"
    weight: Annotated[float, Meta(ge=0.001, description="Its share in the evidence for a rollback, beside the others' weights.")] = 1.0
    slo: Annotated[LongDuration, Meta(description="latency: slower requests are bad ones.")] | None = None
    limit: Annotated[Percent, Meta(description="objective: the most requests that may fail, for example 1%.")] | None = None
    tolerance: Annotated[Percent, Meta(description="In place of the judge's tolerance for this metric.")] | None = None
    source: Counters | None = None


class Tolerance(Fields, frozen=True, kw_only=True):
    """What is not worth a rollback."""

    relative: Annotated[Percent, Meta(description="So many more errors than the primary.")] = "25%"
    absolute: Annotated[Percent, Meta(description="So much larger a share of failed requests, if that is more.")] = "0.02%"
    latency: Annotated[Percent, Meta(description="So much slower.")] = "9%"


class OddsTable(Fields, frozen=True, kw_only=True):
    """The odds at which something happens: 100 means that an equal canary meets them in at most 1 of 100 rollouts."""

    rollback: Annotated[Odds, Meta(description="That the canary is worse at all.")] = 100.0
    tolerance: Annotated[Odds, Meta(description="For a rollback, besides: that it is worse than tolerated.")] = 20.0
    without_one_pod: Annotated[Odds, Meta(description="For a rollback, besides: that it is worse whichever pod is left out.")] = 20.0
    hold: Annotated[Odds, Meta(description="That it is worse at all; from there on nothing grows.")] = 20.0
    promote: Annotated[Odds, Meta(description="That a regression which would matter is refuted, in each metric that gates.")] = 20.0


class StepTimes(Fields, frozen=True, kw_only=True):
    """How long a step may last."""

    minimum: Annotated[LongDuration, Meta(description="With `ramp: evidence`; never less than two scrapes.")] = "0s"
    deadline: Annotated[LongDuration, Meta(description="After so long without proof, onInsufficient or onDoubt is what happens.")] = "30m"


class Silence(Fields, frozen=True, kw_only=True):
    """How long counters may be missing."""

    hold: Annotated[LongDuration, Meta(description="From then on nothing grows.")] = "60s"
    deadline: Annotated[LongDuration, Meta(description="From then on onNoData is what happens.")] = "5m"


class JudgeServer(Fields, frozen=True, kw_only=True):
    """The Prometheus that has the counters."""

    address: Annotated[str, Meta(min_length=1)]
    secret_ref: SecretRef | None = None
    insecure_skip_verify: bool = False


class Judge(Fields, frozen=True, kw_only=True):
    """How canary and primary are compared. Without it only the Canary's own thresholds count; with it they count as well."""

    metrics: Annotated[tuple[JudgedMetric, ...], Meta(max_length=MOST_METRICS)] = (JudgedMetric(name="errors"),)
    prometheus: JudgeServer | None = None
    scrape_interval: Annotated[LongDuration, Meta(description="Without it, as measured.")] | None = None
    history: Annotated[LongDuration, Meta(description="How far back the primary is looked at to learn its noise; 1h to 24h.")] = "4h"
    tolerance: Tolerance = Tolerance()
    odds: OddsTable = OddsTable()
    growth: Annotated[
        Percent,
        Meta(description="A step is left when every ratio is refuted that at the next weight would add this to the service's errors."),
    ] = "100%"
    latency_bound: Annotated[Percent, Meta(description="To go on, it must be refuted that the canary is so much slower.")] = "25%"
    grace: Annotated[LongDuration, Meta(description="So long after the first doubt, doubt alone no longer holds a good canary.")] = "2m"
    warmup: Annotated[LongDuration, Meta(description="So long only a far worse canary is rolled back, and nothing else is counted.")] = "0s"
    step: StepTimes = StepTimes()
    bake: (
        Annotated[
            LongDuration, Meta(description="The last step lasts at least this long: 5m with `ramp: evidence`, else as its clock says.")
        ]
        | None
    ) = None
    deadline: Annotated[LongDuration, Meta(description="Of the whole rollout.")] = "2h"
    silence: Silence = Silence()
    on_no_data: EndingName = "stop"
    on_insufficient: EndingName = "ask"
    on_doubt: EndingName = "stop"
    ask_for: Annotated[LongDuration, Meta(description="So long a person is waited for who was asked; then it is stopped.")] = "1h"
    promote_without_evidence: Annotated[
        bool, Meta(description="With `ramp: clock`: promotes at its time if there is no doubt, although nothing was refuted.")
    ] = False
    clumps: (
        Annotated[
            Literal["pods", "time"],
            Meta(
                description="How errors with one cause arrive. Without it: time where users stay with one copy, or where no pods are known."
            ),
        ]
        | None
    ) = None


def misfits(written: Judge | None, ramp: str) -> Iterator[Misfit]:
    """Everything that a schema of the CRD cannot say."""
    if written is None:
        if ramp == "evidence":
            yield Misfit(("spec", "ramp"), "evidence needs spec.judge, which gathers it. Add judge: {} for its defaults, or write clock")
        return
    at: Path = ("spec", "judge")
    names = [metric.name for metric in written.metrics]
    for index, metric in enumerate(written.metrics):
        yield from metric_misfits(metric, (*at, "metrics", index), metric.name in names[:index])
    if not any(metric.role == "gate" and metric.kind != "objective" for metric in written.metrics):
        yield Misfit(
            (*at, "metrics"), "none of them gates, so nothing would have to be proved. Give one of kind errors or latency the role gate"
        )
    if written.odds.rollback < written.odds.hold:
        problem = f"is {written.odds.rollback:g}, below hold ({written.odds.hold:g}): it would be rolled back before it is held"
        yield Misfit((*at, "odds", "rollback"), f"{problem}. Raise it, or lower hold")
    if written.promote_without_evidence and ramp == "evidence":
        yield Misfit((*at, "promoteWithoutEvidence"), "contradicts ramp: evidence. Write ramp: clock, or onInsufficient: promote")
    yield from time_misfits(written, at)


def time_misfits(written: Judge, at: Path) -> Iterator[Misfit]:
    """Times that can never come."""
    deadline = parse_duration(written.step.deadline)
    for path, text in (((*at, "step", "minimum"), written.step.minimum), ((*at, "bake"), written.bake or "0s")):
        if parse_duration(text) >= deadline:
            yield Misfit(path, f"is {text}, not less than step.deadline ({written.step.deadline}), at which the step is over. Raise that")
    for name in ("scrape_interval", "history"):
        text = getattr(written, name)
        if text is not None and not parse_duration(text):
            yield Misfit((*at, "scrapeInterval" if name == "scrape_interval" else name), "must be longer than nothing")


def metric_misfits(metric: JudgedMetric, at: Path, again: bool) -> Iterator[Misfit]:
    """Of one metric."""
    if again:
        yield Misfit((*at, "name"), f"{metric.name!r} is there twice; each metric needs a name of its own")
    for field, kind, wanted in (("slo", "latency", metric.slo), ("limit", "objective", metric.limit)):
        if wanted is not None and metric.kind != kind:
            yield Misfit((*at, field), f"belongs to metrics of kind {kind}; this one is of kind {metric.kind}. Remove it")
    if metric.kind == "objective" and metric.limit is None:
        yield Misfit(at, "needs limit, the most requests that may fail, for example limit: 1%")
    if metric.limit is not None and not 0 < fraction(metric.limit) < 1:
        yield Misfit((*at, "limit"), f"is {metric.limit}; it must lie between 0% and 100%")
    source = metric.source
    if source is not None and source.bad is not None and (problem := broken(source.bad.matches)):
        yield Misfit((*at, "source", "bad", "matches"), f"is not a regular expression: {problem}")
    if source is not None and source.arms is not None and source.arms.by != "pod" and not (source.arms.label and source.arms.canary):
        yield Misfit((*at, "source", "arms"), f"by {source.arms.by} needs label, canary and primary: which label, and its values")


def broken(pattern: str) -> str:
    """What is wrong with a regular expression; empty for a good one."""
    try:
        re.compile(pattern)
    except re.error as error:
        return str(error)
    return ""


def judge_rules(written: Judge, ramp: str, *, by_service: bool, sticky: bool = False) -> JudgeRules:
    """The rules of the model. `by_service`: the provider tells no pods apart; `sticky`: users stay with one copy."""
    counted = by_service or any(metric.source and metric.source.arms and metric.source.arms.by == "service" for metric in written.metrics)
    bake = written.bake if written.bake is not None else "5m" if ramp == Ramp.EVIDENCE else "0s"
    return JudgeRules(
        metrics=tuple(metric_rule(metric) for metric in written.metrics),
        rollback_odds=written.odds.rollback,
        tolerance_odds=written.odds.tolerance,
        without_one_pod_odds=written.odds.without_one_pod,
        hold_odds=written.odds.hold,
        promote_odds=written.odds.promote,
        tolerance_relative=fraction(written.tolerance.relative),
        tolerance_absolute=fraction(written.tolerance.absolute),
        latency_tolerance=fraction(written.tolerance.latency),
        latency_bound=fraction(written.latency_bound),
        growth=fraction(written.growth),
        grace=parse_duration(written.grace),
        step_minimum=parse_duration(written.step.minimum) if ramp == Ramp.EVIDENCE else USUAL.step_minimum,
        bake=parse_duration(bake),
        step_deadline=parse_duration(written.step.deadline),
        rollout_deadline=parse_duration(written.deadline),
        silence_hold=parse_duration(written.silence.hold),
        silence_deadline=parse_duration(written.silence.deadline),
        on_insufficient=Ending(written.on_insufficient),
        on_doubt=Ending(written.on_doubt),
        on_no_data=Ending(written.on_no_data),
        ask_for=parse_duration(written.ask_for),
        warmup=parse_duration(written.warmup),
        clumps=Clumps(written.clumps) if written.clumps else Clumps.TIME if counted or sticky else Clumps.PODS,
        interval=parse_duration(written.scrape_interval) if written.scrape_interval else None,
        history=parse_duration(written.history),
        promote_without_evidence=written.promote_without_evidence,
    )


def metric_rule(written: JudgedMetric) -> MetricRule:
    """One metric."""
    tolerance = fraction(written.tolerance) if written.tolerance else None
    return MetricRule(
        written.name,
        Measured(written.kind),
        Role(written.role),
        written.weight,
        parse_duration(written.slo).total_seconds() if written.slo else None,
        fraction(written.limit) if written.limit else None,
        tolerance,
        counting=counting(written.source) if written.source is not None else Counting(),
    )


def counting(written: Counters) -> Counting:
    """How it is counted."""
    bad, arms = written.bad, written.arms
    return Counting(
        written.requests or "",
        written.errors or "",
        bad.label if bad is not None else "",
        bad.matches if bad is not None else "",
        written.histogram or "",
        UNITS[written.unit] if written.unit else None,
        written.selector or "",
        By(arms.by) if arms is not None else None,
        (arms.label or "") if arms is not None else "",
        (arms.canary or "") if arms is not None else "",
        (arms.primary or "") if arms is not None else "",
    )


def server(written: Judge, namespace: str) -> Provider | None:
    """The Prometheus that it names; None where it names none."""
    if written.prometheus is None:
        return None
    secret = written.prometheus.secret_ref.name if written.prometheus.secret_ref is not None else ""
    return Provider("prometheus", written.prometheus.address, (), secret, namespace, written.prometheus.insecure_skip_verify)


def fraction(percent: str) -> float:
    """`25%` as 0.25, without the noise of binary division."""
    return float(f"{float(percent.removesuffix('%')) / 100:.12g}")
