"""The metrics of a Canary as the model's: one for each way in which it is measured (MET-6, MET-9). Called by `documents.translate`."""

from collections.abc import Iterator, Mapping, Sequence

from trimtab.documents.analysis import CanaryMetric
from trimtab.documents.fitting import nearest
from trimtab.documents.flagger import MetricTemplate
from trimtab.model.policy import Metric, MetricKind, Provider

BUILT_IN = {"request-success-rate": MetricKind.SUCCESS_RATE, "request-duration": MetricKind.DURATION}


def metrics(written: Sequence[CanaryMetric], templates: Mapping[tuple[str, str], MetricTemplate], namespace: str) -> tuple[Metric, ...]:
    """Built-in and inline checks in their order, then those with templates, then it is said what cannot be measured."""
    first = [made for metric in written for made in direct(metric)]
    return (*first, *(made for metric in written if (made := indirect(metric, templates, namespace)) is not None))


def direct(metric: CanaryMetric) -> list[Metric]:
    """Measured by a built-in query, by the metric's own, or by both."""
    found = []
    if (kind := BUILT_IN.get(metric.name)) is not None:
        minimum, maximum = limits(metric, kind)
        found.append(Metric(metric.name, kind, metric.interval or "1m", minimum, maximum))
    if metric.query:
        minimum, maximum = limits(metric, MetricKind.INLINE)
        found.append(Metric(metric.name, MetricKind.INLINE, metric.interval or "1m", minimum, maximum, metric.query))
    return found


def indirect(metric: CanaryMetric, templates: Mapping[tuple[str, str], MetricTemplate], namespace: str) -> Metric | None:
    """Measured by a template; or by nothing, which is a failed check."""
    if metric.template_ref is None:
        measured = metric.query or metric.name in BUILT_IN
        return None if measured else Metric(metric.name, MetricKind.UNUSABLE, metric.interval or "")
    space, name = metric.template_ref.namespace or namespace, metric.template_ref.name
    variables = tuple(sorted(metric.template_variables.items()))
    minimum, maximum = limits(metric, MetricKind.TEMPLATE)
    label = f"{name}.{space}"
    found = templates.get((space, name))
    if found is None:
        problem = f'metric template {label} error: metrictemplate.flagger.app "{name}" not found'
        kind = MetricKind.UNUSABLE
        return Metric(metric.name, kind, metric.interval or "", minimum, maximum, template=label, problem=problem)
    return Metric(
        metric.name,
        MetricKind.TEMPLATE,
        metric.interval or "",
        minimum,
        maximum,
        found.spec.query,
        label,
        provider(found, space),
        variables,
    )


def unmeasured(written: Sequence[CanaryMetric]) -> Iterator[str]:
    """What is wrong with metrics that nothing measures: each of their checks fails, so they are worth a word before the first one."""
    for metric in written:
        if metric.template_ref is None and not metric.query and metric.name not in BUILT_IN:
            yield (
                f"metric {metric.name} is not built in and has neither query nor templateRef, so each of its checks fails: "
                f"{nearest(metric.name, BUILT_IN)}"
            )


def provider(template: MetricTemplate, namespace: str) -> Provider:
    """The server that a template names."""
    written = template.spec.provider
    headers = tuple((name, tuple(values)) for name, values in sorted(written.headers.items()))
    secret = written.secret_ref.name if written.secret_ref is not None else ""
    return Provider(written.type, written.address or "", headers, secret, namespace, written.insecure_skip_verify)


def limits(metric: CanaryMetric, kind: MetricKind) -> tuple[float | None, float | None]:
    """The least and the most that is allowed. A plain threshold is a minimum for the success rate, else a maximum (MET-6)."""
    if metric.threshold_range is not None:
        return metric.threshold_range.min, metric.threshold_range.max
    threshold = metric.threshold or 0.0
    return (threshold, None) if kind is MetricKind.SUCCESS_RATE else (None, threshold)
