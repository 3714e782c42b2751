"""The three generated Services (SVC-1 to SVC-3), against what Flagger leaves."""

import json
from typing import Any

import pytest

from trimtab.adapters.kubernetes.services import Plan, ports, service
from trimtab.documents.service import CanaryService, CustomMetadata, UnmanagedMetadata

Raw = dict[str, Any]
OWNER = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "app", "uid": "canary-uid", "controller": True}
FLUX = {"helm.toolkit.fluxcd.io/driftDetection": "disabled", "kustomize.toolkit.fluxcd.io/reconcile": "disabled"}
CONTAINERS = [
    {
        "name": "app",
        "ports": [{"name": "http", "containerPort": 9898}, {"name": "metrics", "containerPort": 9100}, {"containerPort": 7000}],
    },
    {"name": "istio-proxy", "ports": [{"name": "mesh", "containerPort": 15001}]},
]
TARGET: Raw = {"spec": {"template": {"spec": {"containers": CONTAINERS}}}}


def plan(metadata: CustomMetadata | None = None, **written: Any) -> Plan:
    said = CanaryService(**{"port": 80, "target_port": 9898, **written})
    return Plan("test", "shop", "app", "app-primary", said, metadata or CustomMetadata(), ports(said, TARGET), OWNER)


def made(plan: Plan, found: Raw | None = None) -> Raw:
    """JSON, as the API server would have it."""
    result: Raw = json.loads(json.dumps(service(plan, found)))
    return result


def test_a_new_service_is_the_canarys_and_selects_by_one_label() -> None:
    metadata = CustomMetadata(labels={"tier": "front"}, annotations={"example.com/a": "1"})
    assert made(plan(metadata)) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "shop",
            "namespace": "test",
            "labels": {"app": "shop", "tier": "front"},
            "annotations": {"example.com/a": "1", **FLUX},
            "ownerReferences": [OWNER],
        },
        "spec": {
            "type": "ClusterIP",
            "selector": {"app": "app-primary"},
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 9898}],
        },
    }


def test_the_same_again_is_no_change() -> None:
    assert service(plan(), made(plan())) is None


def test_discovered_ports_are_those_of_containers_but_for_the_services_own_and_a_meshs() -> None:
    found = ports(CanaryService(port=80, target_port=9898, port_name="web", app_protocol="http", port_discovery=True), TARGET)
    assert list(found) == [
        {"name": "web", "protocol": "TCP", "port": 80, "targetPort": 9898, "appProtocol": "http"},
        {"name": "metrics", "protocol": "TCP", "port": 9100, "targetPort": 9100},
        {"name": "tcp-app-2", "protocol": "TCP", "port": 7000, "targetPort": 7000},
    ]


@pytest.mark.parametrize(("written", "read"), [(None, 80), (0, 80), ("0", 80), ("9898", 9898), ("http", "http"), (9898, 9898)])
def test_a_target_port_of_zero_counts_as_not_given(written: int | str | None, read: int | str) -> None:
    assert ports(CanaryService(port=80, target_port=written), TARGET)[0]["targetPort"] == read


def test_a_port_that_is_named_as_target_is_not_discovered_again() -> None:
    assert [port["port"] for port in ports(CanaryService(port=80, target_port="http", port_discovery=True), TARGET)] == [80, 9100, 7000]


def test_headless_and_traffic_distribution_count_when_it_is_made_and_not_later() -> None:
    new = made(plan(headless=True, traffic_distribution="PreferClose"))
    assert (new["spec"]["clusterIP"], new["spec"]["trafficDistribution"]) == ("None", "PreferClose")
    assert service(plan(headless=True, traffic_distribution="PreferClose"), made(plan())) is None


def test_ports_and_selector_that_somebody_changed_are_put_back() -> None:
    found = made(plan())
    found["spec"] |= {"selector": {"app": "wrong"}, "ports": [], "clusterIP": "10.0.0.7"}
    assert made(plan(), found)["spec"] == {**made(plan())["spec"], "clusterIP": "10.0.0.7"}


def test_keys_that_nobody_said_are_removed_unless_they_are_left_to_others() -> None:
    found = made(plan())
    found["metadata"]["annotations"] |= {"example.com/mine": "1", "example.com/other": "1", "trimtab.dev/serial": "3"}
    found["metadata"]["labels"] |= {"mine": "1", "other": "1"}
    new = made(plan(unmanaged_metadata=UnmanagedMetadata(annotations=("example.com/mine",), labels=("mine",))), found)
    assert new["metadata"]["annotations"] == {"example.com/mine": "1", "trimtab.dev/serial": "3", **FLUX}
    assert new["metadata"]["labels"] == {"app": "shop", "mine": "1"}


def foreign() -> Raw:
    return {
        "metadata": {"name": "shop", "labels": {"team": "red"}, "annotations": {"example.com/note": "mine"}},
        "spec": {
            "type": "NodePort",
            "selector": {"app": "app"},
            "ports": [
                {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080, "nodePort": 30123},
                {"name": "extra", "protocol": "TCP", "port": 81, "targetPort": 81, "nodePort": 30124},
            ],
        },
    }


def test_a_service_that_was_there_is_taken_over_with_its_type_node_port_labels_and_annotations() -> None:
    new = made(plan(), foreign())
    assert new["metadata"] == {
        "name": "shop",
        "labels": {"team": "red"},
        "annotations": {"example.com/note": "mine", **FLUX},
    }
    assert new["spec"] == {
        "type": "NodePort",
        "selector": {"app": "app-primary"},
        "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 9898, "nodePort": 30123}],
    }
    assert service(plan(), new) is None


def test_another_order_of_the_same_ports_is_no_change() -> None:
    found = made(plan(port_discovery=True))
    found["spec"]["ports"].reverse()
    assert service(plan(port_discovery=True), found) is None
