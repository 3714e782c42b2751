"""Names in metric queries are those of the Canary's own references (MET-1, MET-3)."""

from dataclasses import replace

import pytest

from trimtab.adapters.metrics.measure import query_text
from trimtab.errors import InputError
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Metric, MetricKind
from trimtab.model.scrapes import Arm
from trimtab.testing.policies import BASE

KEY = CanaryKey("shop", "web")
INLINE = Metric("errors", MetricKind.INLINE, query="up{ingress='{{ ingress }}', route='{{ route }}', target='{{ target }}'}")


def test_met1_ingress_and_route_are_what_the_canary_refers_to() -> None:
    policy = replace(BASE, ingress="front", route="api")
    assert query_text(KEY, policy, INLINE) == "up{ingress='front', route='api', target='app'}"


def test_met1_without_a_reference_they_are_the_targets_name() -> None:
    assert query_text(KEY, BASE, INLINE) == "up{ingress='app', route='app', target='app'}"


def test_met3_nginx_counts_the_requests_of_the_ingress_it_refers_to() -> None:
    policy = replace(BASE, provider="nginx", ingress="front")
    assert 'ingress="front"' in query_text(KEY, policy, Metric("request-success-rate", MetricKind.SUCCESS_RATE))


def test_met3_the_labels_of_linkerds_good_requests_stand_where_flagger_puts_them() -> None:
    text = query_text(KEY, replace(BASE, provider="linkerd"), Metric("request-success-rate", MetricKind.SUCCESS_RATE))
    assert 'deployment=~"app", classification!="failure", direction="inbound" }' in text.split(" / ")[0]
    assert 'deployment=~"app", direction="inbound" }' in text.split(" / ")[1]


@pytest.mark.parametrize(
    ("provider", "counter"),
    [("kubernetes", "istio_requests_total"), ("nginx", "istio_requests_total"), ("traefik", "istio_requests_total"),
     ("istio", "istio_requests_total"), ("linkerd", "response_total"), ("gatewayapi:v1", "http_request_duration_seconds_count")],
)  # fmt: skip
def test_met3_of_a_service_target_whose_provider_is_compared_by_its_whole_name_istio_counts(provider: str, counter: str) -> None:
    rate = Metric("request-success-rate", MetricKind.SUCCESS_RATE)
    policy = replace(BASE, provider=provider, target=replace(BASE.target, kind="Service"))
    assert f" {counter}{{" in query_text(KEY, policy, rate)


@pytest.mark.parametrize(
    ("provider", "selected"),
    [
        ("istio", 'destination_workload=~"app-primary"'),
        ("linkerd", 'deployment=~"app-primary"'),
        ("nginx", 'ingress="front", canary=""'),
        ("contour", 'envoy_cluster_name=~"shop_app-primary_[0-9a-zA-Z-]+"'),
        ("traefik", 'service=~"shop-app-primary-[0-9a-zA-Z-]+@kubernetescrd"'),
        ("kubernetes", 'kubernetes_pod_name=~"app-primary-[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"'),
    ],
)
def test_after_promotion_built_in_metrics_are_asked_of_the_primary(provider: str, selected: str) -> None:
    policy = replace(BASE, provider=provider, ingress="front")
    for kind in (MetricKind.SUCCESS_RATE, MetricKind.DURATION):
        text = query_text(KEY, policy, Metric(kind.value, kind), copy=Arm.PRIMARY)
        assert selected in text and "-canary" not in text and 'canary!=""' not in text


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ('errors{app="{{ target }}"}', 'errors{app="app-primary"}'),
        ("node_load1", "node_load1"),
        ('errors{app="app"}', ""),
        ('errors{service="{{ service }}-canary"}', ""),
        ('errors{app="{{ target }}"} / errors{app="{{ target }}-primary"}', ""),
        ('errors{app="{{ target }}", canary!=""}', ""),
    ],
)
def test_after_promotion_a_query_is_asked_of_the_primary_where_the_target_alone_says_whom_it_is_about(query: str, asked: str) -> None:
    metric = Metric("errors", MetricKind.INLINE, query=query)
    if asked:
        assert query_text(KEY, BASE, metric, copy=Arm.PRIMARY) == asked
    else:
        with pytest.raises(InputError, match="cannot be asked of the primary"):
            query_text(KEY, BASE, metric, copy=Arm.PRIMARY)
