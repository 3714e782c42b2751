"""Which series each provider's requests are counted by, and how the arms are told apart."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from trimtab.analysis.feeding import Feed, fed
from trimtab.analysis.increments import Part
from trimtab.analysis.recipes import (
    CONTOUR,
    HTTP,
    ISTIO,
    LINKERD,
    NGINX,
    RECORDED,
    TRAEFIK,
    Found,
    Recipe,
    Sorter,
    Whose,
    counters,
    histograms,
    recipe,
)
from trimtab.model.judging import MetricRule
from trimtab.model.scrapes import Arm

SHOP = Whose("test", "shop", "shop", "shop")
TIMES = np.asarray([15.0, 30.0])
START = datetime(2026, 1, 2, tzinfo=UTC).timestamp()


def found(name: str, **labels: str) -> Found:
    return Found({"__name__": name, **labels}, TIMES, np.asarray([1.0, 3.0]))


@pytest.mark.parametrize(
    ("provider", "query"),
    [
        (
            ISTIO,
            'istio_requests_total{reporter="destination", destination_workload_namespace="test", '
            'destination_workload=~"shop|shop-primary"}',
        ),
        (LINKERD, 'response_total{namespace="test", direction="inbound", deployment=~"shop|shop-primary"}'),
        (NGINX, 'nginx_ingress_controller_requests{namespace="test", ingress="shop"}'),
        (TRAEFIK, 'traefik_service_requests_total{service=~"test-shop-(canary|primary)-.+@kubernetescrd"}'),
        (CONTOUR, 'envoy_cluster_upstream_rq{envoy_cluster_name=~"test_shop-(canary|primary)_.+"}'),
    ],
)
def test_every_provider_is_asked_for_the_counters_of_this_workload(provider, query: str) -> None:  # type: ignore[no-untyped-def]
    assert provider.queries(provider.requests, SHOP)[0] == query


def test_pods_that_the_api_knows_are_asked_for_by_their_whole_names() -> None:
    whose = replace(SHOP, pods=(("shop-1", Arm.CANARY), ("shop.2", Arm.PRIMARY)))
    assert HTTP.queries(HTTP.requests, whose)[0].endswith('{namespace="test", pod=~"shop-1|shop[.]2"}')
    assert HTTP.queries(HTTP.requests, SHOP)[1].endswith('{kubernetes_namespace="test", kubernetes_pod_name=~"shop-.+"}')


@pytest.mark.parametrize(
    ("provider", "labels", "arm", "pod", "part"),
    [
        (ISTIO, {"destination_workload": "shop", "pod": "shop-a", "response_code": "503"}, Arm.CANARY, "shop-a", Part.FAILED),
        (ISTIO, {"destination_workload": "shop-primary", "pod": "shop-b", "response_code": "200"}, Arm.PRIMARY, "shop-b", Part.TOTAL),
        (LINKERD, {"deployment": "shop", "pod": "shop-a", "classification": "failure"}, Arm.CANARY, "shop-a", Part.FAILED),
        (LINKERD, {"deployment": "shop-primary", "pod": "x", "classification": "success"}, Arm.PRIMARY, "x", Part.TOTAL),
        (HTTP, {"pod": "shop-primary-5f7b9c6d8d-x2x4z", "status": "500"}, Arm.PRIMARY, "shop-primary-5f7b9c6d8d-x2x4z", Part.FAILED),
        (HTTP, {"kubernetes_pod_name": "shop-5f7b9c6d8d-x2x4z"}, Arm.CANARY, "shop-5f7b9c6d8d-x2x4z", Part.TOTAL),
        (NGINX, {"canary": "test-shop-canary-80", "status": "502"}, Arm.CANARY, "canary service", Part.FAILED),
        (NGINX, {"canary": "", "status": "200"}, Arm.PRIMARY, "primary service", Part.TOTAL),
        (TRAEFIK, {"service": "test-shop-canary-80@kubernetescrd", "code": "404"}, Arm.CANARY, "canary service", Part.TOTAL),
        (TRAEFIK, {"service": "test-shop-primary-80@kubernetescrd", "code": "500"}, Arm.PRIMARY, "primary service", Part.FAILED),
        (CONTOUR, {"envoy_cluster_name": "test_shop-canary_80", "envoy_response_code": "500"}, Arm.CANARY, "canary service", Part.FAILED),
        (RECORDED, {"arm": "canary", "pod": "a"}, Arm.CANARY, "a", Part.TOTAL),
    ],
)
def test_arms_are_told_apart_as_the_provider_does(provider, labels, arm: Arm, pod: str, part: Part) -> None:  # type: ignore[no-untyped-def]
    (series,) = counters([found(provider.requests, **labels)], provider, SHOP)
    assert (series.arm, series.pod, series.part) == (arm, pod, part)


@pytest.mark.parametrize("pod", ["shopping-5f7b9c6d8d-x2x4z", "shop-cart-5f7b9c6d8d-x2x4z", "shop"])
def test_pods_of_other_workloads_are_nobodys(pod: str) -> None:
    assert counters([found(HTTP.requests, pod=pod)], HTTP, SHOP) == []


def test_a_pod_that_the_api_knows_needs_no_usual_name() -> None:
    whose = replace(SHOP, pods=(("odd", Arm.CANARY),))
    assert [each.arm for each in counters([found(HTTP.requests, pod="odd"), found(HTTP.requests, pod="shop-a1b2c")], HTTP, whose)] == [
        Arm.CANARY
    ]


@pytest.mark.parametrize(("mesh", "label", "bad"), [(ISTIO, "destination_workload", "503"), (LINKERD, "deployment", "failure")])
def test_what_a_mesh_counted_last_of_the_canary_before_is_not_blamed_on_this_one(mesh: Recipe, label: str, bad: str) -> None:
    def read(pod: str, workload: str, *values: float) -> Found:
        labels = {"__name__": mesh.requests, label: workload, "pod": pod, mesh.bad_label: bad}
        return Found(labels, START + np.arange(len(values)) * 15.0, np.asarray(values))

    old, new, primary = "shop-5f7b9c6d8d-old01", "shop-6f7b9c6d8d-new01", "shop-primary-5f7b9c6d8d-x2x4z"
    began = datetime.fromtimestamp(START + 35.0, UTC)  # the pod before is scraped at 30 s and once more while it ends
    answer = [read(old, "shop", 0, 50, 100, 150), read(new, "shop", *[np.nan] * 2, 0, 1, 1, 1), read(primary, "shop-primary", *range(6))]
    answer[1] = replace(answer[1], times=answer[1].times[2:], values=answer[1].values[2:])

    def failed(pods: tuple[tuple[str, Arm], ...]) -> list[int]:
        series = counters(answer, mesh, replace(SHOP, pods=pods))
        found = fed((MetricRule("errors"),), series, (), Feed(began + timedelta(minutes=5), began, since=began))
        return [sum(pod.bad for pod in scrape.counts if pod.arm is Arm.CANARY) for scrape in found]

    assert failed(((new, Arm.CANARY), (primary, Arm.PRIMARY))) == [1, 0, 0]
    assert failed(()) == [0, 0], "where no names are known, what was read before the attempt began is nobody's business"


def test_a_mesh_may_be_counted_by_others_than_the_pods_themselves() -> None:
    whose = replace(SHOP, pods=(("shop-a1b2c", Arm.CANARY),))
    (series,) = counters([found(ISTIO.requests, destination_workload="shop", pod="ingress-7d8f9c6d8d-abcde")], ISTIO, whose)
    assert (series.arm, series.lasting) == (Arm.CANARY, True), "a gateway goes on counting from attempt to attempt"


def test_gateways_say_nothing_of_pods() -> None:
    assert [each.by_pod for each in (NGINX, TRAEFIK, CONTOUR, ISTIO, LINKERD, HTTP)] == [False] * 3 + [True] * 3


def test_two_replicas_of_a_gateway_are_two_sources_of_one_service() -> None:
    pair = [found(NGINX.requests, canary="", status="200", controller_pod=pod) for pod in ("one", "two")]
    made = counters(pair, NGINX, SHOP)
    assert len({each.source for each in made}) == 2 and {each.pod for each in made} == {"primary service"}


def test_a_process_that_two_jobs_scrape_is_counted_once() -> None:
    labels = {"pod": "shop-a1b2c", "instance": "10.0.0.1:8080"}
    one, short = (found(HTTP.requests, job=job, status="200", **labels) for job in ("annotations", "monitor"))
    short = replace(short, times=TIMES[1:], values=np.asarray([3.0]))
    other = found(HTTP.requests, job="monitor", status="200", pod="shop-a1b2c", instance="10.0.0.1:9090")
    made = counters([short, one, other], HTTP, SHOP)
    assert [(each.source, len(each.times)) for each in made] == [
        ("shop-a1b2c/10.0.0.1:8080//", 2), ("shop-a1b2c/10.0.0.1:9090//", 2),
    ]  # fmt: skip


def test_two_services_of_a_gateway_are_not_two_scrapers_of_one() -> None:
    pair = [
        found(TRAEFIK.requests, service=f"test-shop-{arm}-80@kubernetescrd", code="200", instance="10.0.0.1:9100")
        for arm in ("canary", "primary")
    ]
    assert {each.arm for each in counters(pair, TRAEFIK, SHOP)} == set(Arm)


def test_a_second_counter_holds_the_errors_where_no_label_tells_them() -> None:
    made = counters([found("requests", arm="primary", pod="a"), found("errors", arm="primary", pod="a")], RECORDED, SHOP)
    assert [each.part for each in made] == [Part.TOTAL, Part.BAD]


def test_a_histogram_is_put_together_from_its_buckets_in_seconds() -> None:
    name = "istio_request_duration_milliseconds_bucket"
    labels = {"destination_workload": "shop", "pod": "a"}
    made = histograms([found(name, le=bound, **labels) for bound in ("+Inf", "100", "25")], ISTIO, SHOP)
    assert [(each.bounds, each.values.tolist(), each.part) for each in made] == [((0.025, 0.1), [[1, 1, 1], [3, 3, 3]], Part.BUCKETS)]


def test_a_histogram_whose_bounds_change_is_two() -> None:
    name = "http_request_duration_seconds_bucket"
    pieces = [found(name, pod="shop-a1b2c", le="0.1"), found(name, pod="shop-a1b2c", le="+Inf")]
    late = replace(found(name, pod="shop-a1b2c", le="0.5"), times=TIMES[1:], values=np.asarray([2.0]))
    made = histograms([*pieces, late], HTTP, SHOP)
    assert sorted((each.bounds, each.times.tolist()) for each in made) == [((0.1,), [15]), ((0.1, 0.5), [30])]


def test_a_histogram_without_a_bucket_for_all_requests_says_nothing() -> None:
    assert histograms([found("http_request_duration_seconds_bucket", pod="shop-a1b2c", le="0.1")], HTTP, SHOP) == []


def test_where_the_provider_counts_nothing_the_application_does() -> None:
    assert recipe("gatewayapi:v1") is HTTP and recipe("") is HTTP and recipe("istio") is ISTIO


def test_a_primary_that_is_not_called_after_its_canary_is_told_by_the_name_that_is_given() -> None:
    pipeline = Whose("test", "shop-canary", primary="shop-stable")
    ours = [{"destination_workload": name, "pod": "x"} for name in ("shop-canary", "shop-stable", "shop-canary-primary")]
    assert [Sorter(ISTIO, pipeline).arm(labels) for labels in ours] == [Arm.CANARY, Arm.PRIMARY, None]
    pods = [{"pod": name} for name in ("shop-canary-5b8c9d7f6-abcde", "shop-stable-5b8c9d7f6-abcde", "shop-canary-primary-5b8c9d7f6-abcde")]
    assert [Sorter(HTTP, pipeline).arm(labels) for labels in pods] == [Arm.CANARY, Arm.PRIMARY, None]
    assert HTTP.queries("up", pipeline)[0] == 'up{namespace="test", pod=~"shop-canary-.+|shop-stable-.+"}'
    assert 'destination_workload=~"shop-canary|shop-stable"' in ISTIO.queries("up", pipeline)[0]
