"""What a pinned policy may still learn: a metric that could not be measured, because its template was not there, once it is (ADR 11).

Called by `decide`; pure.
"""

from dataclasses import replace

from trimtab.model.policy import Metric, MetricKind, Policy


def completed(pinned: Policy, newest: Policy) -> Policy:
    """The pinned policy, with its unmeasurable metrics as the newest policy can measure them. Nothing else is taken over (S7, R2)."""
    known = {identity(metric): metric for metric in newest.analysis.metrics if metric.kind is MetricKind.TEMPLATE}
    metrics = tuple(known.get(identity(metric), metric) if lost(metric) else metric for metric in pinned.analysis.metrics)
    if metrics == pinned.analysis.metrics:
        return pinned
    return replace(pinned, analysis=replace(pinned.analysis, metrics=metrics))


def lost(metric: Metric) -> bool:
    """Does it name a template that was not there?"""
    return metric.kind is MetricKind.UNUSABLE and bool(metric.template)


def identity(metric: Metric) -> tuple[str, str, str, float | None, float | None]:
    """What must not differ: the template only says how to measure, the limits were pinned."""
    return metric.name, metric.template, metric.interval, metric.minimum, metric.maximum
