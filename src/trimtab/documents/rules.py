"""What Flagger's controller refuses although its schema allows it (flagger.md 1.8). Called by `documents.decode` and the operator."""

from collections.abc import Iterator, Sequence

from trimtab.documents.analysis import CanaryMetric
from trimtab.documents.fitting import Misfit
from trimtab.documents.flagger import Canary
from trimtab.documents.nodes import Path
from trimtab.documents.trimtab import RolloutPolicySpec


def violations(canary: Canary, *, cross_namespace: bool = True) -> Iterator[Misfit]:
    """Everything that keeps a Canary from being rolled out. `cross_namespace=False` is Flagger's `-no-cross-namespace-refs`."""
    spec, affinity = canary.spec, canary.spec.analysis.session_affinity
    knative = spec.target_ref.kind == "Service" and spec.target_ref.api_version == "serving.knative.dev/v1"
    if knative and spec.provider != "knative":
        yield Misfit(("spec", "provider"), "a Knative target needs provider knative")
    if spec.provider == "knative" and not knative:
        yield Misfit(("spec", "targetRef"), "provider knative needs a target of kind Service and apiVersion serving.knative.dev/v1")
    if knative and spec.autoscaler_ref is not None:
        yield Misfit(("spec", "autoscalerRef"), "a Knative target scales itself. Remove autoscalerRef")
    if affinity is not None and affinity.cookie_name == affinity.primary_cookie_name:
        yield Misfit(
            ("spec", "analysis", "sessionAffinity", "primaryCookieName"), "is the same as cookieName. Give one of them another name"
        )
    if not cross_namespace:
        yield from _strangers(_references(canary), canary.metadata.namespace or "default")


def strangers(policy: RolloutPolicySpec, home: str) -> Iterator[Misfit]:
    """What a RolloutPolicy names outside the namespace that it is in, for `-no-cross-namespace-refs`."""
    return _strangers(_templates(policy.analysis.metrics if policy.analysis is not None else ()), home)


def _strangers(references: Iterator[tuple[Path, str | None]], home: str) -> Iterator[Misfit]:
    for path, namespace in references:
        if namespace not in (None, "", home):
            yield Misfit(path, f"names namespace {namespace}, but references must stay in the Canary's namespace {home}")


def _templates(metrics: Sequence[CanaryMetric]) -> Iterator[tuple[Path, str | None]]:
    for index, metric in enumerate(metrics):
        if metric.template_ref is not None:
            yield ("spec", "analysis", "metrics", index, "templateRef", "namespace"), metric.template_ref.namespace


def _references(canary: Canary) -> Iterator[tuple[Path, str | None]]:
    analysis = canary.spec.analysis
    if canary.spec.upstream_ref is not None:
        yield ("spec", "upstreamRef", "namespace"), canary.spec.upstream_ref.namespace
    yield from _templates(analysis.metrics)
    for index, alert in enumerate(analysis.alerts):
        yield ("spec", "analysis", "alerts", index, "providerRef", "namespace"), alert.provider_ref.namespace
