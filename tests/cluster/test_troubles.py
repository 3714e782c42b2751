"""What a mesh or ingress has against a Canary is a Warning event that names field and fix, and no traffic is touched for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cluster.opened import canary, config_map, deployment, until
from cluster.operating import Operating
from cluster.testbed.api import Api
from cluster.testbed.plane import ControlPlane

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
GATEWAY = {"provider": "gatewayapi:v1", "service": {"port": 80, "gatewayRefs": [{"name": "edge", "namespace": "edge"}]}}
FRONT: Raw = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"name": "front"},
    "spec": {"defaultBackend": {"service": {"name": "other", "port": {"number": 80}}}},
}


async def warnings(here: Operating, word: str) -> list[str]:
    """What Warning events with that word say about the Canary."""
    found = await here.api.list("Event", here.namespace)
    return [event["message"] for event in found if event["type"] == "Warning" and word in event["message"]]


async def test_an_ingress_without_the_backend_is_told_once_with_the_field_and_stays_as_it_is(operating: Operating) -> None:
    before = await operating.api.create(FRONT, operating.namespace)
    reference = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "front"}
    rules = {"interval": "1s", "threshold": 2, "stepWeight": 50}
    for made in (config_map(color="red"), deployment(), canary(provider="nginx", ingressRef=reference, analysis=rules)):
        await operating.api.create(made, operating.namespace)
    told = await until(lambda: warnings(operating, "backend app not found in ingress front"), "the event", 40.0)
    assert "Correct spec.ingressRef or spec.service.name" in told[0]
    # Another pass, which fails for the same reason.
    await operating.api.patch("Canary", operating.namespace, "app", {"metadata": {"annotations": {"looked": "again"}}})
    await operating.api.patch("Canary", operating.namespace, "app", {"spec": {"suspend": True}})

    async def suspended() -> bool:
        return any("suspended" in event["message"] for event in await operating.api.list("Event", operating.namespace))

    await until(suspended, "that pass and the next", 40.0)
    assert len(await warnings(operating, "backend app not found")) == 1
    ingresses = await operating.api.list("Ingress", operating.namespace)
    assert [one["metadata"]["resourceVersion"] for one in ingresses] == [before["metadata"]["resourceVersion"]]


ANYTHING = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}
WRITTEN = {"": ["*"], "apps": ["*"], "coordination.k8s.io": ["*"], "flagger.app": ["*"], "trimtab.dev": ["*"]}
"""All that the operator writes, but for routes."""


async def test_a_right_that_is_missing_is_told_once_with_verb_and_kind(
    plane: ControlPlane, api: Api, namespace: str, tmp_path: Path
) -> None:
    rules = [{"apiGroups": [group], "resources": names, "verbs": ["*"]} for group, names in WRITTEN.items()]
    here = Operating(plane, api, namespace, tmp_path, plane.account(namespace, "almost", [ANYTHING, *rules]))
    here.start("-enable-leader-election=false")
    try:
        analysis = {"interval": "1s", "threshold": 2, "stepWeight": 50}
        for made in (config_map(color="red"), deployment(), canary(**GATEWAY, analysis=analysis)):
            await api.create(made, namespace)
        told = await until(lambda: warnings(here, "not allowed"), "the event", 40.0)
        assert "grant it create on httproutes.gateway.networking.k8s.io" in told[0]
        assert f"{namespace}:almost" in told[0] and len(told) == 1
    finally:
        here.stop()


class Gateway:
    """A Gateway controller for one route: it says of each generation whether it takes it."""

    refuses = ""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api, self._namespace = api, namespace

    async def run(self) -> None:
        """Until it is cancelled."""
        async for change, route in self._api.watch("HTTPRoute"):
            if route["metadata"]["namespace"] == self._namespace and change != "DELETED":
                await self.say(route)

    async def say(self, route: Raw) -> None:
        """Writes the status, if it is not there already."""
        condition = {
            "type": "Accepted", "status": "False" if self.refuses else "True", "reason": self.refuses or "Accepted", "message": "",
            "observedGeneration": route["metadata"]["generation"], "lastTransitionTime": "2026-01-02T00:00:00Z",
        }  # fmt: skip
        said = {
            "parents": [{"parentRef": {"name": "edge", "namespace": "edge"}, "controllerName": "example.com/g", "conditions": [condition]}]
        }
        if route.get("status") != said:
            await self._api.patch("HTTPRoute", self._namespace, route["metadata"]["name"], {"status": said}, sub="status")


@asynccontextmanager
async def gateway(here: Operating) -> AsyncIterator[Gateway]:
    """One that runs."""
    made = Gateway(here.api, here.namespace)
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled(), task.exception()


async def test_a_gateway_that_refuses_the_route_is_told_once_and_the_share_grows_when_it_takes_it(operating: Operating) -> None:
    async with gateway(operating) as edge:
        rules = {"interval": "1s", "threshold": 2, "stepWeights": [20, 60]}
        for made in (config_map(color="red"), deployment(), canary(**GATEWAY, analysis=rules)):
            await operating.api.create(made, operating.namespace)
        await operating.phase("Initialized")
        edge.refuses = "NoMatchingParent"
        await operating.edit(color="blue")
        told = await until(lambda: warnings(operating, "does not accept HTTPRoute"), "the event", 40.0)
        assert "NoMatchingParent" in told[0] and "spec.service.gatewayRefs" in told[0]
        assert (await operating.status())["canaryWeight"] == 20
        edge.refuses = ""
        await edge.say(await operating.api.get("HTTPRoute", operating.namespace, "app"))
        await operating.phase("Succeeded")
        assert len(await warnings(operating, "does not accept HTTPRoute")) == 1


async def test_a_service_that_somebody_leads_to_the_target_at_rest_is_led_back_at_once(operating: Operating) -> None:
    """An apply of the user's own manifest does that, and the target has no pods then."""
    await operating.app()
    await operating.api.patch("Service", operating.namespace, "app", {"spec": {"selector": {"app": "app"}}})

    async def led_back() -> bool:
        service = await operating.api.get("Service", operating.namespace, "app")
        return bool(service["spec"]["selector"] == {"app": "app-primary"})

    await until(led_back, "the Service leads to the primary again")
