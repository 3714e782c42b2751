"""An operator that is started in the middle of a run, after an edit that made the Canary unusable, knows from the record what it needs."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from cluster.opened import canary, deployment
from trimtab.adapters.clock import SystemClock
from trimtab.adapters.kubernetes.client import Client
from trimtab.adapters.kubernetes.cluster import Cluster, document_of
from trimtab.adapters.kubernetes.configs import Configs
from trimtab.adapters.kubernetes.copies import Copies
from trimtab.adapters.kubernetes.kinds import CANARY, CONFIG_ROLLOUT, DEPLOYMENT
from trimtab.adapters.kubernetes.mirror import Mirror
from trimtab.adapters.kubernetes.rollouts import rollout_object
from trimtab.adapters.kubernetes.routers.follow import RouteFollower
from trimtab.adapters.kubernetes.routers.router import ClusterRouter
from trimtab.adapters.kubernetes.settings import Settings
from trimtab.adapters.kubernetes.sources import ClusterSources
from trimtab.adapters.kubernetes.store import ClusterStore
from trimtab.adapters.kubernetes.workloads import ClusterWorkloads
from trimtab.config.digest import DigestKey
from trimtab.documents.decode import decode
from trimtab.documents.translate import Companions, translate
from trimtab.documents.yaml import Document
from trimtab.errors import InputError
from trimtab.model.facts import Routes
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.revision import Revision
from trimtab.model.rollout import CanaryState, Exposure, Rollout, RolloutKind
from trimtab.ports import Wanted
from trimtab.wiring.cluster import MIRRORED

from .kubernetes_api import Api, gives, status, talking
from .test_kubernetes_store import no_checksum, nothing_to_adopt

KEY = CanaryKey("shop", "app")
OWNER: dict[str, Any] = {"apiVersion": CANARY.api_version, "kind": CANARY.kind, "name": "app", "uid": "u"}
PREFIX = "nginx.ingress.kubernetes.io"
INGRESS = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "front"}
SCALER = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "app"}
GOOD = canary(
    provider="nginx", ingressRef=INGRESS, autoscalerRef=SCALER, suspend=True,
    analysis={"interval": "10s", "threshold": 2, "stepWeights": [40, 80], "webhooks": [{"name": "w", "url": "http://x"}]},
)  # fmt: skip
BAD = {
    "without its Ingress": {name: value for name, value in GOOD["spec"].items() if name != "ingressRef"},
    "without its Service": {name: value for name, value in GOOD["spec"].items() if name != "service"},
    "that cannot be read": {**GOOD["spec"], "service": {"port": "eighty"}},
}


def backend(service: str) -> dict[str, Any]:
    return {"rules": [{"http": {"paths": [{"backend": {"service": {"name": service, "port": {"number": 80}}}}]}}]}


def with_uid(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "metadata": {**found["metadata"], "namespace": "shop", "uid": "u", "resourceVersion": "1"}}


def pinned() -> Policy:
    found = decode(Document(with_uid(GOOD), "", 0, {}), strict=False).value
    return replace(translate(found, Companions()), document=document_of(with_uid(GOOD)))  # type: ignore[arg-type]


@dataclass
class Restarted:
    """An operator that never saw the Canary as it was."""

    api: Api
    cluster: Cluster
    store: ClusterStore
    policy: Policy = field(default_factory=pinned)
    written: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What was sent last for each object."""

    def router(self) -> ClusterRouter:
        return ClusterRouter(self.cluster, RouteFollower(self.cluster, lambda key: None))


@asynccontextmanager
async def restarted(spec: dict[str, Any]) -> AsyncIterator[Restarted]:
    """An attempt is under way with 40 % of the requests; the Canary now is as `spec` says."""
    ours = {"annotations": {f"{PREFIX}/canary": "true", f"{PREFIX}/canary-weight": "40"}, "uid": "i", "resourceVersion": "5"}
    there: dict[str, Any] = {
        "/ingresses/front-canary": {"metadata": {"namespace": "shop", "name": "front-canary", **ours}, "spec": backend("app-canary")},
        "/scaledobjects/app": {"metadata": {"namespace": "shop", "name": "app"}, "spec": {}},
        "/ingresses/front": {"metadata": {"namespace": "shop", "name": "front"}, "spec": backend("app")},
    }
    to = Revision.of("{}", "v1:x", ())
    run = Rollout(1, RolloutKind.CHANGE, None, to, pinned(), datetime(2026, 1, 1, tzinfo=UTC))
    rollout = rollout_object(CanaryState(KEY, serial=7, policy=pinned(), rollout=run), (), OWNER, {})
    rollout["metadata"] |= {"resourceVersion": "1", "uid": "r"}
    there["/configrollouts/app-1"] = rollout

    async with talking() as (api, client):
        cluster = the_cluster(client, spec, rollout)
        store = ClusterStore(cluster, nothing_to_adopt, no_checksum, SystemClock())
        made = Restarted(api, cluster, store)

        async def answer(request: web.Request) -> web.StreamResponse:
            name = next((name for name in there if request.path.endswith(name)), "")
            if request.method == "GET":
                return await (gives(there[name]) if name else status(404, "NotFound", kind="x", name="y"))(request)
            sent = json.loads(await request.read())
            made.written["/".join(request.path.split("/")[-2:])] = sent
            return await gives({**sent, "metadata": {"namespace": "shop", "name": "app", **sent["metadata"], "resourceVersion": "9"}})(
                request
            )

        api.says(answer)
        yield made


def the_cluster(client: Client, spec: dict[str, Any], rollout: dict[str, Any]) -> Cluster:
    mirrors = {kind: Mirror(client, kind, ()) for kind in MIRRORED}
    mirrors[CANARY].put(with_uid({**GOOD, "spec": spec}))
    mirrors[DEPLOYMENT].put(with_uid(deployment(reads=())))
    mirrors[CONFIG_ROLLOUT].put(rollout)
    for name, led in (("app", "app-primary"), ("app-primary", "app-primary"), ("app-canary", "app")):
        head = {"namespace": "shop", "name": name, "uid": name, "resourceVersion": f"{name}-1"}
        mirrors[next(kind for kind in mirrors if kind.kind == "Service")].put({"metadata": head, "spec": {"selector": {"app": led}}})
    return Cluster(client, mirrors, Settings(provider="nginx"))


@pytest.mark.parametrize("spec", BAD.values(), ids=BAD)
async def test_a_restart_while_the_canary_is_unusable_keeps_no_traffic_on_the_canary(spec: dict[str, Any]) -> None:
    async with restarted(spec) as here:
        with pytest.raises(InputError, match="cannot be routed"):
            await here.router().look(KEY, here.policy)
        await here.store.load(KEY)
        router = here.router()
        assert await router.look(KEY, here.policy) == Routes(40)
        await router.set(KEY, Wanted(8, here.policy, Exposure(weight=0), None))
        assert here.written["ingresses/front-canary"]["metadata"]["annotations"][f"{PREFIX}/canary-weight"] == "0"


async def test_a_restart_while_the_canary_cannot_be_read_still_knows_its_target_its_autoscaler_and_that_it_is_suspended() -> None:
    async with restarted(BAD["that cannot be read"]) as here:
        await here.store.load(KEY)
        configs = Configs(here.cluster, DigestKey("k1", b"k" * 32))
        sources = ClusterSources(here.cluster, Settings(), configs, Copies(here.cluster, Settings(), configs), SystemClock())
        source = await sources.read(KEY)
        assert source.revision is not None and source.suspended and source.policy is None and "port" in source.policy_problem
        await ClusterWorkloads(here.cluster).set(KEY, Wanted(8, here.policy, Exposure(), None))
        paused = here.written["scaledobjects/app"]["metadata"]["annotations"]
        assert paused == {"autoscaling.keda.sh/paused-replicas": "0"}, "or it would scale the target up again"


async def test_what_a_record_says_of_a_canary_holds_nothing_of_its_checks_and_is_not_shown_to_people() -> None:
    assert "webhooks" in GOOD["spec"]["analysis"] and "webhooks" not in pinned().document
    run = Rollout(1, RolloutKind.CHANGE, None, Revision.of("{}", "v1:x", ()), pinned(), datetime(2026, 1, 1, tzinfo=UTC))
    assert rollout_object(CanaryState(KEY, rollout=run), (), OWNER, {})["spec"]["policy"]["document"] == ""
