"""A Canary that cannot work says so in a Warning event that names field and fix, and touches no traffic.

Rows of flagger.md 1.8 and QUIRK-14, 20, 21. Mirroring that a router cannot do (QUIRK-13) is left out with a warning at the first step.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cluster.opened import canary, config_map, deployment, until
from cluster.operating import Operating
from cluster.testbed.api import Api
from cluster.testbed.plane import ControlPlane

pytestmark = pytest.mark.cluster
RULES: dict[str, Any] = {"interval": "10s", "threshold": 2}
SERVICE: dict[str, Any] = {"port": 80, "gatewayRefs": [{"name": "edge"}]}
MATCH = [{"headers": {"x-canary": {"exact": "yes"}}}]
COOKIES = {"cookieName": "same", "primaryCookieName": "same"}
BAD: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "cross-namespace": (
        {"analysis": {**RULES, "iterations": 2, "metrics": [{"name": "m", "templateRef": {"name": "t", "namespace": "other"}}]}},
        ("spec.analysis.metrics", "namespace"),
    ),
    "knative": (
        {"targetRef": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "app"}},
        ("spec.provider", "Knative"),
    ),
    "alerts-of-others": (
        {"analysis": {**RULES, "iterations": 2, "alerts": [{"name": "a", "providerRef": {"name": "p", "namespace": "other"}}]}},
        ("spec.analysis.alerts", "namespace"),
    ),
    "upstream-of-others": (
        {"upstreamRef": {"apiVersion": "gloo.solo.io/v1", "kind": "Upstream", "name": "up", "namespace": "other"}},
        ("spec.upstreamRef.namespace", "namespace"),
    ),
    "knative-provider": ({"provider": "knative"}, ("spec.targetRef", "serving.knative.dev/v1")),
    "knative-autoscaler": (
        {
            "provider": "knative",
            "targetRef": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "app"},
            "autoscalerRef": {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "app"},
        },
        ("spec.autoscalerRef", "Knative"),
    ),
    "cookies": (
        {"provider": "istio", "analysis": {**RULES, "stepWeight": 10, "sessionAffinity": COOKIES}},
        ("primaryCookieName", "cookieName"),
    ),
    "quirk-14-match": (
        {"provider": "linkerd", "analysis": {**RULES, "iterations": 2, "match": MATCH}},
        ("match", "linkerd"),
    ),
    "quirk-21-provider": ({"provider": "contour"}, ("spec.provider", "contour")),
    "no-gateway": (
        {"provider": "gatewayapi:v1", "service": {"port": 80}, "analysis": {**RULES, "stepWeight": 10}},
        ("GatewayRefs must be specified", "spec.service.gatewayRefs"),
    ),
}  # fmt: skip


@pytest.fixture
async def operating(plane: ControlPlane, api: Api, namespace: str, tmp_path: Path) -> AsyncIterator[Operating]:
    made = Operating(plane, api, namespace, tmp_path)
    made.start("-no-cross-namespace-refs=true")
    try:
        yield made
    finally:
        made.stop()


async def warnings(here: Operating, name: str) -> list[str]:
    """What Warning events say about a Canary."""
    found = await here.api.list("Event", here.namespace)
    return [event["message"] for event in found if event["involvedObject"]["name"] == name and event["type"] == "Warning"]


async def test_each_bad_canary_says_what_is_wrong_and_nothing_is_made_for_it(operating: Operating) -> None:
    for made in (config_map(color="red"), deployment()):
        await operating.api.create(made, operating.namespace)
    silent, wrong = [], []
    for name, (spec, words) in BAD.items():
        written = canary(name, **{"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"}, **spec})
        await operating.api.create(written, operating.namespace)

        async def told(name: str = name, words: tuple[str, ...] = words) -> bool:
            return any(all(word in text for word in words) for text in await warnings(operating, name))

        try:
            await until(told, name, 15.0)
        except AssertionError:
            said = await warnings(operating, name)
            (wrong if said else silent).append((name, said))
        await operating.api.delete("Canary", operating.namespace, name)
    assert not silent and not wrong, f"silent: {silent}; says something else: {wrong}"
    target = await operating.api.get("Deployment", operating.namespace, "app")
    assert target["spec"]["replicas"] == 1
    there = {item["metadata"]["name"] for kind in ("Deployment", "Service") for item in await operating.api.list(kind, operating.namespace)}
    assert there <= {"app", "kubernetes"}
