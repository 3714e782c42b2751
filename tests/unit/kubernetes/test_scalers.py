"""The primary's autoscaler (AS-1 to AS-3, QUIRK-7)."""

import json
from typing import Any

import pytest

from trimtab.adapters.kubernetes.marks import REVISION
from trimtab.adapters.kubernetes.scalers import PAUSED, about_primary, first_replicas, paused, renewed, scaler
from trimtab.documents.flagger import AutoscalerRef, ScalerReplicas

Raw = dict[str, Any]
OWNER = {"kind": "Canary", "name": "app", "uid": "canary-uid", "controller": True}
CPU = [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]
HPA: Raw = {
    "metadata": {"name": "app", "namespace": "test", "labels": {"team": "red"}},
    "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
        "minReplicas": 2,
        "maxReplicas": 4,
        "metrics": CPU,
    },
}
KEDA: Raw = {
    "metadata": {"name": "app", "namespace": "test", "annotations": {PAUSED: "0", "example.com/note": "mine"}},
    "spec": {
        "scaleTargetRef": {"name": "app"},
        "minReplicaCount": 2,
        "advanced": {"horizontalPodAutoscalerConfig": {"name": "app-hpa", "behavior": {"x": 1}}},
        "triggers": [
            {"name": "rate", "type": "prometheus", "metadata": {"query": 'sum(rate(app_total{service="app-canary"}[1m]))'}},
            {"name": "queue", "type": "prometheus", "metadata": {"query": "depth"}},
            {"type": "cpu", "metadata": {"value": "80"}},
        ],
    },
}


def reference(kind: str, **more: Any) -> AutoscalerRef:
    return AutoscalerRef(api_version="x/v1", kind=kind, name="app", **more)  # type: ignore[arg-type]


def made(reference: AutoscalerRef, source: Raw, revision: str = "r1") -> Raw:
    """JSON, as the API server would have it."""
    result: Raw = json.loads(json.dumps(scaler(reference, source, "app", OWNER, revision)))
    return result


def test_the_primarys_hpa_is_the_targets_about_the_primary_with_the_bounds_that_the_canary_gives() -> None:
    new = made(reference("HorizontalPodAutoscaler", primary_scaler_replicas=ScalerReplicas(max_replicas=9)), HPA)
    assert new == {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": "app-primary",
            "namespace": "test",
            "labels": {"team": "red"},
            "annotations": {REVISION: "r1"},
            "ownerReferences": [OWNER],
        },
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app-primary"},
            "minReplicas": 2,
            "maxReplicas": 9,
            "metrics": CPU,
        },
    }


def test_a_scaled_object_asks_about_the_primary_and_is_never_born_paused() -> None:
    """QUIRK-7."""
    new = made(reference("ScaledObject", primary_scaler_queries={"queue": "depth_of_primary"}), KEDA)
    assert new["metadata"]["annotations"] == {REVISION: "r1"}
    spec = new["spec"]
    assert spec["scaleTargetRef"] == {"name": "app-primary"}
    assert spec["advanced"] == {"horizontalPodAutoscalerConfig": {"name": "app-hpa-primary", "behavior": {"x": 1}}}
    assert [trigger["metadata"] for trigger in spec["triggers"]] == [
        {"query": 'sum(rate(app_total{service="app-primary"}[1m]))'},
        {"query": "depth_of_primary"},
        {"value": "80"},
    ]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ('x{name="app"}', 'x{name="app-primary"}'),
        ('x{name="app-canary"}', 'x{name="app-primary"}'),
        ('x{name="app-primary"}', 'x{name="app-primary"}'),
        ('x{pod=~"app-[0-9a-z]+"}', 'x{pod=~"app-primary-[0-9a-z]+"}'),
        ('x{service="test-app-canary-80"}', 'x{service="test-app-primary-80"}'),
        ("my_app_total", "my_app_total"),
        ('x{name="apple"}', 'x{name="apple"}'),
    ],
)
def test_names_of_the_target_and_its_canary_become_the_primarys(query: str, wanted: str) -> None:
    assert about_primary(query, "app") == wanted


def test_another_revision_brings_the_targets_new_bounds_and_the_same_one_does_not() -> None:
    before = made(reference("HorizontalPodAutoscaler"), HPA)
    raised = {**HPA, "spec": {**HPA["spec"], "minReplicas": 3}}
    assert renewed(before, made(reference("HorizontalPodAutoscaler"), raised)) is None
    after = renewed(before, made(reference("HorizontalPodAutoscaler"), raised, "r2"))
    assert after is not None and after["spec"]["minReplicas"] == 3  # type: ignore[index]


def test_a_scaler_that_flagger_made_stays_as_it_is_until_the_next_promotion() -> None:
    by_flagger = made(reference("HorizontalPodAutoscaler"), HPA)
    del by_flagger["metadata"]["annotations"]
    raised = made(reference("HorizontalPodAutoscaler"), {**HPA, "spec": {**HPA["spec"], "minReplicas": 3}})
    adopted = renewed(by_flagger, raised)
    assert adopted is not None and adopted["spec"] == by_flagger["spec"]
    assert renewed(adopted, raised) is None


def test_a_target_starts_with_what_its_scaler_starts_with() -> None:
    assert first_replicas(reference("HorizontalPodAutoscaler"), HPA) == 2
    assert first_replicas(reference("ScaledObject"), KEDA) == 2
    assert first_replicas(reference("ScaledObject"), {"spec": {}}) == 1


def test_pausing_what_is_paused_changes_nothing() -> None:
    assert paused(KEDA, True) is None
    assert paused(KEDA, False) == {"metadata": {"annotations": {PAUSED: None}}}
    assert paused(HPA, True) == {"metadata": {"annotations": {PAUSED: "0"}}}
