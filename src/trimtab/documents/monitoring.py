"""What a pipeline measures of a target: the limits of its RolloutPolicy, with the MetricTemplates that the target names.

Called by `wiring`. A Canary has its own translation, in `translate`; here there is no Canary, and a runner reaches the metric server by an
address of its own.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from trimtab.documents import checks
from trimtab.documents.analysis import CanaryMetric
from trimtab.documents.flagger import MetricTemplate
from trimtab.documents.judging import judge_rules, server
from trimtab.documents.trimtab import RolloutPolicy
from trimtab.errors import InputError
from trimtab.model.counting import BY_SERVICE
from trimtab.model.judging import Ramp
from trimtab.model.policy import Analysis, Metric, MetricKind, Provider, WhenUnknown

SECRET, PLACE = "TRIMTAB_PROMETHEUS_TOKEN", "environment"
"""What stands for the token of the environment where a provider names the Secret that holds its own."""
SERVER, USUAL = "monitor.prometheus", "1m"
"""Where the address is written, and the `{{ interval }}` of a metric that names none."""
RANGE, STEP = re.compile(r"\[\s*((?:[0-9]+(?:ms|[smhdwy]))+)"), re.compile(r"([0-9]+)(ms|[smhdwy])")
UNITS = {
    "ms": timedelta(milliseconds=1), "s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1),
    "d": timedelta(days=1), "w": timedelta(weeks=1), "y": timedelta(days=365),
}  # fmt: skip
"""Durations of PromQL (its documentation, "Time durations")."""
INSTEAD = f"Set {SERVER} or TRIMTAB_PROMETHEUS, and {SECRET} where a token is needed"


@dataclass(frozen=True, slots=True)
class Reach:
    """How the runner reaches the metric server: an address in the place of those in templates, and whether there is a token for it."""

    address: str = ""
    token: bool = False


def limits(policy: RolloutPolicy | None, templates: Mapping[str, MetricTemplate], namespace: str, reach: Reach) -> Analysis:
    """What is measured, held against limits; `templates` by their files. InputError for what could not be measured.

    Without an answer nothing is known, so that never counts against the canary here: what it means is said at the end.
    """
    written = policy.spec.analysis if policy is not None else None
    metrics = written.metrics if written is not None else ()
    named = by_name(metrics, templates.values(), namespace)
    for metric in metrics:
        between = metric.threshold_range
        if metric.threshold is None and (between is None or (between.min is None and between.max is None)):
            raise InputError(f"metric {metric.name} has no limit. Give it thresholdRange.min or thresholdRange.max")
    found = tuple(reached(metric, reach) for metric in checks.metrics(metrics, named, namespace))
    used = {metric.template_ref.name for metric in metrics if metric.template_ref is not None}
    for file, template in templates.items():
        if template.metadata.name not in used:
            raise InputError(
                f"MetricTemplate {template.metadata.name} of {file} is held against no limit: name it in spec.analysis.metrics, or "
                "leave it out of `metrics` of the target"
            )
    threshold = written.threshold if written is not None else 1
    return Analysis(found, threshold, WhenUnknown.HOLD, WhenUnknown.HOLD)


def compared(limits: Analysis, policy: RolloutPolicy, reach: Reach, provider: str) -> Analysis:
    """With how canary and stable are compared, where the RolloutPolicy says so. InputError where nobody has the counters.

    `provider` is whose counters count; empty for the pods' own.
    """
    written = policy.spec.judge
    if written is None:
        return limits
    where = server(written, PLACE)
    if reach.address:
        where = Provider(
            "prometheus", reach.address, (), SECRET if reach.token else "", PLACE, where.insecure_skip_verify if where else False
        )
    if where is None:
        raise InputError(f"spec.judge needs the address of a Prometheus: set {SERVER} of the app, or TRIMTAB_PROMETHEUS")
    if where.secret not in ("", SECRET):
        raise InputError(f"spec.judge.prometheus names a Secret of the cluster, which a pipeline does not read. {INSTEAD}")
    rules = judge_rules(written, policy.spec.ramp, by_service=provider in BY_SERVICE)
    return replace(limits, judge=rules, ramp=Ramp(policy.spec.ramp), counted_at=where)


def window(query: str) -> timedelta:
    """How far back a PromQL query looks: the longest of its ranges."""
    spans = [sum((int(count) * UNITS[unit] for count, unit in STEP.findall(written)), timedelta()) for written in RANGE.findall(query)]
    return max(spans, default=timedelta())


def by_name(
    metrics: Sequence[CanaryMetric], templates: Collection[MetricTemplate], namespace: str
) -> dict[tuple[str, str], MetricTemplate]:
    """Templates under the names that metrics give them; one without a namespace is in that of whoever names it."""
    found: dict[tuple[str, str], MetricTemplate] = {}
    for metric in metrics:
        if metric.template_ref is not None:
            space = metric.template_ref.namespace or namespace
            for template in templates:
                if template.metadata.name == metric.template_ref.name and template.metadata.namespace in (None, space):
                    found[space, template.metadata.name] = template
    return found


def reached(metric: Metric, reach: Reach) -> Metric:
    """A metric as the runner can ask for it. InputError where it cannot."""
    if metric.kind is MetricKind.UNUSABLE:
        why = metric.problem or "it is not built in and has neither query nor templateRef"
        raise InputError(f"metric {metric.name} cannot be measured: {why}. Name the file of its MetricTemplate in `metrics` of the target")
    metric, given = replace(metric, interval=metric.interval or USUAL), metric.provider
    if given is not None and given.type != "prometheus":
        raise InputError(f"metric {metric.name} is asked from {given.type}, which pipelines cannot do yet; prometheus is what they ask")
    if reach.address:
        headers, skip = (given.headers, given.insecure_skip_verify) if given is not None else ((), False)
        secret = SECRET if reach.token else ""
        return replace(metric, provider=Provider("prometheus", reach.address, headers, secret, PLACE, skip))
    if given is None:
        raise InputError(f"metric {metric.name} needs the address of a Prometheus: set {SERVER} of the app, or TRIMTAB_PROMETHEUS")
    if given.secret:
        raise InputError(f"metric template {metric.template} names a Secret of the cluster, which a pipeline does not read. {INSTEAD}")
    return metric
