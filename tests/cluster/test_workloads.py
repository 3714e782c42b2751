"""Primaries and canaries in a real API server: what `ports.Workloads` promises, and what is special about a cluster."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cluster.opened import canary, config_map, deployment, opened, until
from cluster.testbed.api import Api
from cluster.testbed.node import Node
from cluster.testbed.plane import ControlPlane
from trimtab.adapters.kubernetes.cluster import Cluster
from trimtab.adapters.kubernetes.kinds import POD
from trimtab.adapters.kubernetes.mirror import Mirror
from trimtab.adapters.kubernetes.workloads import ClusterWorkloads
from trimtab.config.digest import canonical_json, template_fingerprint
from trimtab.config.references import copy_name
from trimtab.errors import Conflict, InputError, Unavailable
from trimtab.model.facts import Copy
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName, Target
from trimtab.model.policy import Policy, Service
from trimtab.model.revision import ConfigRef, Revision
from trimtab.model.rollout import Exposure
from trimtab.ports import Wanted
from trimtab.testing.contracts import workloads

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
CONFIG = ConfigName(ConfigKind.CONFIG_MAP, "app-config")
RED, BLUE = "sha256:" + "1" * 64, "sha256:" + "2" * 64


class Runtime:
    """One Canary with its target, and the adapter under test. `contents` are ConfigMaps by the digest that stands for them."""

    def __init__(self, api: Api, cluster: Cluster, namespace: str, pods: Mirror, kind: str = "Deployment") -> None:
        self.api, self.cluster, self.namespace, self.kind = api, cluster, namespace, kind
        self.workloads = ClusterWorkloads(cluster)
        self.key = CanaryKey(namespace, "app")
        self.policy = Policy(Target(kind, "app"), Service("app", 80, "80"), progress_deadline=timedelta(seconds=60))
        self._pods = pods
        self._serial = 0

    async def prepared(self) -> "Runtime":
        """Waits until the mirrors have the Canary and its target, and names the two revisions."""
        await until(self._there, "mirrors have what was applied")
        template = (await self.target())["spec"]["template"]
        self.one, self.two = revision(template, RED), revision(template, BLUE)
        return self

    async def _there(self) -> bool:
        return self.cluster.raw(self.key) is not None and any(
            found["kind"] == self.kind and found["metadata"]["name"] == "app"  # type: ignore[index]
            for mirror in self.cluster.mirrors.values()
            for found in mirror.all()
        )

    async def target(self) -> Raw:
        return await self.api.get(self.kind, self.namespace, "app")

    async def primary(self) -> Raw:
        return await self.api.get(self.kind, self.namespace, "app-primary")

    async def want(self, primary: Revision, canary: Revision | None = None, *, routed: bool = True, replicas: int | None = None) -> None:
        """The next record says so."""
        self._serial += 1
        wanted = Wanted(self._serial, self.policy, Exposure(primary, canary, routed=routed), replicas)
        await self.workloads.set(self.key, wanted)

    async def runs(self, primary: tuple[Revision, int], canary: tuple[Revision | None, int]) -> None:
        """Waits until it does; each pass acts anew, as the loop does."""

        async def claim() -> bool:
            found = await self.workloads.look(self.key, self.policy)
            wanted = Wanted(self._serial, self.policy, Exposure(primary[0], canary[0]), None)
            await self.workloads.set(self.key, wanted)
            return workloads.runs(found[0], *primary) and workloads.runs(found[1], *canary)

        await until(claim, f"primary runs {primary}, canary {canary}")

    async def settled(self, claim: Callable[[Copy, Copy], bool]) -> tuple[Copy, Copy]:
        async with asyncio.timeout(30):
            while True:
                found = await self.workloads.look(self.key, self.policy)
                # The pods come by another watch than what their workloads say about them.
                if claim(*found) and len(self.pods()) == found[0].total + found[1].total:
                    return found
                await asyncio.sleep(0.02)

    def pods(self) -> frozenset[str]:
        """Those that are not on their way out."""
        found = (pod["metadata"] for pod in self._pods.all())
        return frozenset(str(metadata["uid"]) for metadata in found if "deletionTimestamp" not in metadata)  # type: ignore[index,operator]


def revision(template: Raw, digest: str) -> Revision:
    return Revision.of(canonical_json(template), template_fingerprint(template), (ConfigRef(CONFIG, digest),))


def at(count: int, made: Raw) -> Raw:
    return {**made, "spec": {**made["spec"], "replicas": count}}


@asynccontextmanager
async def running(plane: ControlPlane, api: Api, namespace: str, target: Raw, **spec: Any) -> AsyncIterator[Runtime]:
    await api.create(config_map(color="red"), namespace)
    for digest, color in ((RED, "red"), (BLUE, "blue")):
        await api.create(config_map(copy_name("app-config", digest), color=color), namespace)
    await api.create(target, namespace)
    reference = {"apiVersion": "apps/v1", "kind": target["kind"], "name": "app"}
    await api.create(canary(targetRef=reference, **spec), namespace)
    async with opened(plane.kubeconfig, namespace) as cluster:
        pods = Mirror(cluster.client, POD, (namespace,))
        follows = asyncio.create_task(pods.run())
        await pods.ready()
        try:
            yield await Runtime(api, cluster, namespace, pods, target["kind"]).prepared()
        finally:
            follows.cancel()


@pytest.fixture
async def runtime(plane: ControlPlane, api: Api, namespace: str) -> AsyncIterator[Runtime]:
    async with running(plane, api, namespace, at(0, deployment())) as made:
        yield made


@pytest.mark.parametrize("check", workloads.CHECKS, ids=[check.__name__ for check in workloads.CHECKS])
async def test_workloads_keep_their_promises(check: Callable[[workloads.Harness], Awaitable[None]], runtime: Runtime) -> None:
    await check(runtime)
