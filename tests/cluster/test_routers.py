"""Routes in a real API server: what `ports.Router` promises, for every mesh and ingress, and that nothing is written for nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cluster.opened import canary, config_map, deployment, opened, until
from cluster.testbed.api import Api
from cluster.testbed.plane import ControlPlane
from trimtab.adapters.kubernetes.cluster import Cluster
from trimtab.adapters.kubernetes.kinds import DEPLOYMENT
from trimtab.adapters.kubernetes.routers.follow import RouteFollower
from trimtab.adapters.kubernetes.routers.router import ClusterRouter
from trimtab.documents.translate import Companions, translate
from trimtab.errors import Conflict, InputError, Unavailable
from trimtab.model.facts import Routes
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.rollout import Exposure, Leaving
from trimtab.ports import Wanted
from trimtab.testing.contracts import router

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
KINDS = {
    "istio": "VirtualService",
    "gatewayapi:v1": "HTTPRoute",
    "gatewayapi:v1beta1": "HTTPRoute",
    "nginx": "Ingress",
    "linkerd": "TrafficSplit",
    "smi:v1alpha2": "TrafficSplit",
    "smi:v1alpha3": "TrafficSplit",
    "traefik": "TraefikService",
}
TEST = {"interval": "10s", "threshold": 2, "iterations": 3, "mirror": True, "match": [{"headers": {"x-canary": {"exact": "yes"}}}]}
SERVICE: Raw = {
    "port": 80,
    "gatewayRefs": [{"name": "public", "namespace": "edge"}],
    "hosts": ["app.example.com"],
    "timeout": "5s",
    "headers": {"request": {"add": {"x-lab": "1"}}, "response": {"remove": ["server"]}},
    "corsPolicy": {"allowOrigin": ["https://c.example"]},
    "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}},
    "mirror": [{"backendRef": {"name": "tap", "port": 9000}}],
    "match": [{"uri": {"prefix": "/api"}}],
}
BACKEND = {"service": {"name": "app", "port": {"number": 80}}}
INGRESS: Raw = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"name": "front", "labels": {"team": "red"}},
    "spec": {"rules": [{"host": "a.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}}]},
}


@dataclass
class Traffic:
    """One Canary with its target, and the adapter under test."""

    api: Api
    cluster: Cluster
    router: ClusterRouter
    key: CanaryKey
    policy: Policy
    woken: list[CanaryKey]
    """Whom changes of routes by others woke."""

    def another(self) -> ClusterRouter:
        """That of a second process."""
        return ClusterRouter(self.cluster, RouteFollower(self.cluster, self.woken.append))

    def weightless(self) -> Policy | None:
        """The same without a mesh."""
        return replace(self.policy, provider="kubernetes")

    async def move(self, serial: int, exposure: Exposure) -> None:
        """As a record wants it."""
        await self.router.set(self.key, Wanted(serial, self.policy, exposure, None))

    async def route(self) -> Raw:
        """The live route object."""
        kind = KINDS[self.policy.provider]
        return await self.api.get(kind, self.key.namespace, "front-canary" if kind == "Ingress" else "app")


@asynccontextmanager
async def traffic(plane: ControlPlane, api: Api, namespace: str, provider: str, **spec: Any) -> AsyncIterator[Traffic]:
    """A Canary and what it is about, as the operator finds them."""
    await api.create(config_map(), namespace)
    await api.create(deployment(), namespace)
    await api.create(INGRESS, namespace)
    reference = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "front"}
    await api.create(canary(**{"provider": provider, "service": SERVICE, "analysis": TEST, "ingressRef": reference, **spec}), namespace)
    key = CanaryKey(namespace, "app")
    async with opened(plane.kubeconfig, namespace) as cluster:

        async def there() -> bool:
            return cluster.canary(key) is not None and cluster.mirrors[DEPLOYMENT].get(namespace, "app") is not None

        await until(there, "mirrors have what was applied")
        document = cluster.canary(key)
        assert document is not None
        woken: list[CanaryKey] = []
        follower = RouteFollower(cluster, woken.append)
        follows = asyncio.create_task(follower.run())
        try:
            yield Traffic(api, cluster, ClusterRouter(cluster, follower), key, translate(document, Companions()), woken)
        finally:
            follows.cancel()
            await asyncio.wait([follows])


@pytest.mark.parametrize("provider", ["istio", "gatewayapi:v1", "nginx", "linkerd", "traefik"])
@pytest.mark.parametrize("check", router.CHECKS, ids=[check.__name__ for check in router.CHECKS])
async def test_routers_keep_their_promises(
    check: Callable[[router.Harness], Awaitable[None]], provider: str, plane: ControlPlane, api: Api, namespace: str
) -> None:
    async with traffic(plane, api, namespace, provider) as harness:
        await check(harness)


@pytest.mark.parametrize("provider", KINDS)
async def test_nothing_is_written_where_nothing_changes_and_labels_of_others_stay(
    provider: str, plane: ControlPlane, api: Api, namespace: str
) -> None:
    """QUIRK-12: a foreign key neither resets the weight nor is it fought over."""
    async with traffic(plane, api, namespace, provider) as harness:
        await harness.move(1, Exposure(weight=20))
        theirs = {"metadata": {"labels": {"theirs": "x"}, "annotations": {"theirs": "x"}}}
        kind, name = KINDS[provider], (await harness.route())["metadata"]["name"]
        await api.patch(kind, namespace, name, theirs)
        before = await harness.route()
        for serial in (1, 2):
            await harness.move(serial, Exposure(weight=20))
        assert (await harness.route())["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
        await harness.move(3, Exposure(weight=40))
        found = (await harness.route())["metadata"]
        assert found["labels"]["theirs"] == found["annotations"]["theirs"] == "x"
        assert await harness.router.look(harness.key, harness.policy) == Routes(40)


async def test_a_route_is_owned_by_its_canary_and_left_alone_by_flux(plane: ControlPlane, api: Api, namespace: str) -> None:
    async with traffic(plane, api, namespace, "gatewayapi:v1") as harness:
        await harness.move(1, Exposure())
        metadata = (await harness.route())["metadata"]
        assert [(one["kind"], one["name"], one["controller"]) for one in metadata["ownerReferences"]] == [("Canary", "app", True)]
        assert metadata["annotations"]["helm.toolkit.fluxcd.io/driftDetection"] == "disabled"


async def test_a_second_leader_with_an_older_record_changes_nothing(plane: ControlPlane, api: Api, namespace: str) -> None:
    """The mark on the object counts, not the memory of one process."""
    async with traffic(plane, api, namespace, "istio") as harness:
        await harness.move(5, Exposure(weight=20))
        other = harness.another()
        with pytest.raises(Conflict, match="record 5 was there before"):
            await other.set(harness.key, Wanted(4, harness.policy, Exposure(weight=80), None))
        assert await other.look(harness.key, harness.policy) == Routes(20)


async def test_a_virtual_service_that_was_there_is_taken_over_and_can_be_put_back(plane: ControlPlane, api: Api, namespace: str) -> None:
    """RT-I6, DEL-2."""
    before = {"hosts": ["app"], "http": [{"route": [{"destination": {"host": "app"}}]}]}
    found = {"apiVersion": "networking.istio.io/v1beta1", "kind": "VirtualService", "metadata": {"name": "app"}, "spec": before}
    await api.create(found, namespace)
    async with traffic(plane, api, namespace, "istio") as harness:
        assert await harness.router.look(harness.key, harness.policy) is None
        await harness.move(1, Exposure(weight=20))
        await harness.move(2, Exposure())
        assert await harness.router.look(harness.key, harness.policy) == Routes(0)
        assert "ownerReferences" not in (await harness.route())["metadata"], "it goes on living without the Canary"
        await harness.move(3, Exposure(leaving=Leaving.GIVING_BACK))
        assert (await harness.route())["spec"] == before


async def test_the_route_of_another_canary_is_left_to_it(plane: ControlPlane, api: Api, namespace: str) -> None:
    async with traffic(plane, api, namespace, "traefik") as harness:
        await harness.move(1, Exposure(weight=20))
        # There has to be one: what belongs to somebody who is not there is deleted by the garbage collector.
        other = await api.create(canary("other"), namespace)
        owner = {"apiVersion": other["apiVersion"], "kind": "Canary", "name": "other", "uid": other["metadata"]["uid"], "controller": True}
        await api.patch("TraefikService", namespace, "app", {"metadata": {"ownerReferences": [owner]}})
        with pytest.raises(Unavailable, match="belongs to Canary other"):
            await harness.move(2, Exposure(weight=40))


async def test_an_edit_that_cannot_work_does_not_keep_traffic_where_it_is(plane: ControlPlane, api: Api, namespace: str) -> None:
    """QUIRK-20: the rollback goes by the Canary as it last could be routed."""
    async with traffic(plane, api, namespace, "gatewayapi:v1") as harness:
        await harness.move(1, Exposure(weight=20))
        await api.patch("Canary", namespace, "app", {"spec": {"service": {"gatewayRefs": None}}})

        async def seen() -> bool:
            document = harness.cluster.canary(harness.key)
            return document is not None and document.spec.service is not None and not document.spec.service.gateway_refs

        await until(seen, "the mirror has the edit")
        await harness.move(2, Exposure())
        assert await harness.router.look(harness.key, harness.policy) == Routes(0)
        with pytest.raises(InputError, match="GatewayRefs must be specified"):
            await harness.another().look(harness.key, harness.policy)


async def test_a_traffic_policy_that_is_given_up_is_taken_away(plane: ControlPlane, api: Api, namespace: str) -> None:
    async with traffic(plane, api, namespace, "istio") as harness:
        await harness.move(1, Exposure())
        rule = await api.get("DestinationRule", namespace, "app-canary")
        assert rule["spec"] == {"host": "app-canary", "trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}}
        await api.patch("Canary", namespace, "app", {"spec": {"service": {"trafficPolicy": None}}})

        async def gone() -> bool:
            await harness.move(1, Exposure())
            return bool((await api.get("DestinationRule", namespace, "app-canary"))["spec"] == {"host": "app-canary"})

        await until(gone, "the policy is taken away")


async def test_a_change_of_the_route_by_somebody_else_wakes_its_canary_and_is_put_right(
    plane: ControlPlane, api: Api, namespace: str
) -> None:
    """Nothing is asked for while nothing happens, so the route has to say it itself."""
    async with traffic(plane, api, namespace, "traefik") as harness:
        await harness.move(1, Exposure())

        async def woken() -> bool:
            return bool(harness.woken)

        everybody = [{"name": "app-canary", "port": 80, "weight": 1}]
        await api.patch("TraefikService", namespace, "app", {"spec": {"weighted": {"services": everybody}}})
        await until(woken, "the Canary is woken")
        assert await harness.router.look(harness.key, harness.policy) == Routes(100)
        await harness.move(1, Exposure())
        assert await harness.router.look(harness.key, harness.policy) == Routes(0)
        assert set(harness.woken) == {harness.key}
