"""`spec.analysis` of a RolloutPolicy: metrics with limits, for pipelines, and besides those of a Canary."""

import pytest

from trimtab.documents.decode import read_documents
from trimtab.documents.flagger import Canary, MetricTemplate
from trimtab.documents.monitoring import window
from trimtab.documents.translate import Companions, translate
from trimtab.documents.trimtab import RolloutPolicy
from trimtab.model.policy import MetricKind

CANARY = """
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: shop, namespace: production, annotations: {trimtab.dev/policy: careful}}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}
  service: {port: 80}
  analysis:
    interval: 1m
    threshold: 5
    stepWeight: 10
    metrics: [{name: request-success-rate, thresholdRange: {min: 99}}]
---
apiVersion: trimtab.dev/v1alpha1
kind: RolloutPolicy
metadata: {name: careful, namespace: production}
spec:
  analysis:
    threshold: 2
    metrics: [{name: queue, templateRef: {name: queue}, thresholdRange: {max: 100}}]
---
apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: queue, namespace: production}
spec: {provider: {type: prometheus, address: "http://prometheus:9090"}, query: "queue_length"}
"""


def test_metrics_of_a_rollout_policy_are_measured_besides_those_of_the_canary_whose_threshold_counts() -> None:
    canary, policy, template = (part.value for part in read_documents(CANARY))
    assert isinstance(canary, Canary)
    assert isinstance(policy, RolloutPolicy)
    assert isinstance(template, MetricTemplate)
    found = translate(
        canary,
        Companions({("production", "queue"): template}, policies={("production", "careful"): policy}),
    ).analysis
    assert [(metric.name, metric.kind, metric.minimum, metric.maximum) for metric in found.metrics] == [
        ("request-success-rate", MetricKind.SUCCESS_RATE, 99, None),
        ("queue", MetricKind.TEMPLATE, None, 100),
    ]
    assert found.threshold == 5


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ("up", 0),
        ("rate(a[1m]) / rate(b[ 5m ])", 300),
        ("increase(a[1h30m])", 5400),
        ("max_over_time(rate(a[2m])[10m:30s])", 600),
        ("a offset 1w", 0),
        ("rate(a[500ms]) + rate(a[1d])", 86400),
        ('a{path="[x]"}', 0),
    ],
)
def test_a_query_looks_as_far_back_as_its_longest_range(query: str, seconds: int) -> None:
    assert window(query).total_seconds() == seconds
