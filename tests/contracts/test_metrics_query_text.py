"""Names in metric queries are those of the Canary's own references (MET-1, MET-3)."""

from dataclasses import replace

import pytest

from trimtab.adapters.metrics.measure import query_text
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Metric, MetricKind
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


@pytest.mark.parametrize(
    ("provider", "counter"),
    [("kubernetes", "istio_requests_total"), ("nginx", "istio_requests_total"), ("traefik", "istio_requests_total"),
     ("istio", "istio_requests_total"), ("linkerd", "response_total"), ("gatewayapi:v1", "http_request_duration_seconds_count")],
)  # fmt: skip
def test_met3_of_a_service_target_whose_provider_is_compared_by_its_whole_name_istio_counts(provider: str, counter: str) -> None:
    rate = Metric("request-success-rate", MetricKind.SUCCESS_RATE)
    policy = replace(BASE, provider=provider, target=replace(BASE.target, kind="Service"))
    assert f" {counter}{{" in query_text(KEY, policy, rate)
