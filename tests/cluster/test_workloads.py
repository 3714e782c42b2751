"""Primaries and canaries in a real API server: what `ports.Workloads` promises, and what is special about a cluster."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from cluster.opened import canary, config_map, deployment, opened, until
from cluster.testbed.api import Api
from cluster.testbed.node import Node
from cluster.testbed.plane import ControlPlane
from trimtab.adapters.kubernetes.arms import ArmPods
from trimtab.adapters.kubernetes.cluster import Cluster
from trimtab.adapters.kubernetes.kinds import DEPLOYMENT, POD, SERVICE
from trimtab.adapters.kubernetes.mirror import Mirror
from trimtab.adapters.kubernetes.services import reconcile
from trimtab.adapters.kubernetes.workloads import ClusterWorkloads
from trimtab.config.digest import canonical_json, template_fingerprint
from trimtab.config.references import copy_name
from trimtab.errors import Conflict, InputError, Unavailable
from trimtab.model.facts import Copy
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName, Target
from trimtab.model.policy import Policy, Service
from trimtab.model.revision import ConfigRef, Revision
from trimtab.model.rollout import Exposure
from trimtab.model.scrapes import Arm
from trimtab.ports import Wanted
from trimtab.testing.contracts import workloads

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
CONFIG = ConfigName(ConfigKind.CONFIG_MAP, "app-config")
RED, BLUE = "sha256:" + "1" * 64, "sha256:" + "2" * 64


class Runtime:
    """One Canary with its target, and the adapter under test. `contents` are ConfigMaps by the digest that stands for them."""

    def __init__(self, api: Api, cluster: Cluster, namespace: str, pods: Mirror, kind: str) -> None:
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


async def test_a_target_that_served_by_itself_is_seen_until_it_is_put_to_rest(plane: ControlPlane, api: Api, namespace: str) -> None:
    async with running(plane, api, namespace, at(1, deployment())) as runtime:
        await runtime.want(runtime.one, routed=False)
        _, target = await runtime.workloads.look(runtime.key, runtime.policy)
        assert (target.revision, target.desired) == ("", 1)
        await runtime.want(runtime.one)
        assert (await runtime.workloads.look(runtime.key, runtime.policy))[1].desired == 0
        await api.patch("Deployment", namespace, "app", {"spec": {"replicas": 2}})

        async def scaled() -> bool:
            seen = runtime.cluster.mirrors[DEPLOYMENT].get(namespace, "app")
            return seen is not None and seen["spec"]["replicas"] == 2  # type: ignore[index]

        await until(scaled, "the mirror has it")
        assert (await runtime.workloads.look(runtime.key, runtime.policy))[1].desired == 0, "who scales it up again is none of ours"


@pytest.fixture
async def runtime(plane: ControlPlane, api: Api, namespace: str) -> AsyncIterator[Runtime]:
    async with running(plane, api, namespace, at(0, deployment())) as made:
        yield made


@pytest.mark.parametrize("check", workloads.CHECKS, ids=[check.__name__ for check in workloads.CHECKS])
async def test_workloads_keep_their_promises(check: Callable[[workloads.Harness], Awaitable[None]], runtime: Runtime) -> None:
    await check(runtime)


async def edited(runtime: Runtime, color: str) -> None:
    await runtime.api.patch("ConfigMap", runtime.namespace, "app-config", {"data": {"color": color}})


async def test_a_second_edit_mid_run_restarts_the_canary_pods(plane: ControlPlane, api: Api, node: Node, namespace: str) -> None:
    """QUIRK-9: what is judged is what the newest edit says, and the target's template is never touched."""
    async with running(plane, api, namespace, at(0, deployment())) as runtime:
        three = revision((await runtime.target())["spec"]["template"], "sha256:" + "3" * 64)
        template = (await runtime.target())["spec"]["template"]
        await edited(runtime, "blue")
        await runtime.want(runtime.one, runtime.two, replicas=2)
        await runtime.runs((runtime.one, 2), (runtime.two, 2))
        primary, canaries = await members(api, namespace, "app-primary"), await members(api, namespace, "app")
        await edited(runtime, "green")
        await runtime.want(runtime.one, three, replicas=2)
        found = await runtime.workloads.look(runtime.key, runtime.policy)
        started = await members(api, namespace, "app") - canaries
        assert found[1].revision == three.id
        assert found[1].updated <= len(started), "a pod from before the newest edit does not count as running it"
        await runtime.runs((runtime.one, 2), (three, 2))
        assert await members(api, namespace, "app-primary") == primary
        assert not await members(api, namespace, "app") & canaries

        async def green() -> bool:
            return node.reads(namespace, "app") == [{"configmap/app-config": {"color": "green"}}] * 2

        await until(green, "the node has two pods left, with the newest content")
        assert (await runtime.target())["spec"]["template"] == template


async def members(api: Api, namespace: str, workload: str) -> frozenset[str]:
    """The pods of a workload that are not on their way out."""
    pods = (pod["metadata"] for pod in await api.list("Pod", namespace))
    return frozenset(pod["uid"] for pod in pods if pod["labels"]["app"] == workload and "deletionTimestamp" not in pod)


async def test_a_restart_of_canary_pods_that_was_cut_off_is_finished_by_the_next_pass(runtime: Runtime) -> None:
    """A crash between the two writes leaves a mark: until the time is known, no pod counts."""
    await runtime.want(runtime.one, runtime.one)
    await runtime.runs((runtime.one, 1), (runtime.one, 1))
    before = await members(runtime.api, runtime.namespace, "app")
    half = {"metadata": {"annotations": {"trimtab.dev/canary": runtime.two.id, "trimtab.dev/canary-since": "pending"}}}
    await runtime.api.patch("Deployment", runtime.namespace, "app", half)
    await runtime.want(runtime.one, runtime.two)
    await runtime.runs((runtime.one, 1), (runtime.two, 1))
    assert not await members(runtime.api, runtime.namespace, "app") & before


async def test_until_it_is_routed_the_target_goes_on_serving(plane: ControlPlane, api: Api, namespace: str) -> None:
    async with running(plane, api, namespace, at(2, deployment())) as runtime:
        await until(lambda: has_ready(api, namespace, "app", 2), "the target serves")
        before = await runtime.target()
        await runtime.want(runtime.one, routed=False)
        await until(lambda: has_ready(api, namespace, "app-primary", 2), "the primary comes up beside it")
        assert (await runtime.target())["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
        await runtime.want(runtime.one)
        await runtime.runs((runtime.one, 2), (None, 0))
        assert (await runtime.target())["spec"]["replicas"] == 0


async def has_ready(api: Api, namespace: str, name: str, count: int) -> bool:
    found = await api.find("Deployment", namespace, name)
    return found is not None and found.get("status", {}).get("readyReplicas", 0) == count


async def test_a_settled_target_that_somebody_scales_up_is_left_to_them(runtime: Runtime) -> None:
    """QUIRK-30; and its pods are no canary."""
    await runtime.want(runtime.one, runtime.one)
    await runtime.runs((runtime.one, 1), (runtime.one, 1))
    await runtime.want(runtime.one)
    await runtime.runs((runtime.one, 1), (None, 0))
    await runtime.api.patch("Deployment", runtime.namespace, "app", {"spec": {"replicas": 1}})
    await until(lambda: has_ready(runtime.api, runtime.namespace, "app", 1), "somebody's pod is ready")
    await runtime.want(runtime.one)
    await runtime.runs((runtime.one, 1), (None, 0))
    assert (await runtime.target())["spec"]["replicas"] == 1
    # The next run does not trust what was there before it.
    before = await members(runtime.api, runtime.namespace, "app")
    await runtime.want(runtime.one, runtime.two)
    await runtime.runs((runtime.one, 1), (runtime.two, 1))
    assert not await members(runtime.api, runtime.namespace, "app") & before


async def test_while_nothing_changes_nothing_is_asked_and_nothing_written(plane: ControlPlane, runtime: Runtime) -> None:
    await runtime.want(runtime.one)
    await runtime.runs((runtime.one, 1), (None, 0))
    before = requests(plane, runtime.namespace)
    for _ in range(3):
        await runtime.workloads.look(runtime.key, runtime.policy)
        await runtime.want(runtime.one)
    assert requests(plane, runtime.namespace) == before


def requests(plane: ControlPlane, namespace: str) -> list[str]:
    """Requests of the operator in a namespace so far, watches left out."""
    asked = (item for item in plane.audited("admin") if item.get("userAgent", "").startswith("trimtab/") and item["verb"] != "watch")
    return [item["requestURI"] for item in asked if item.get("objectRef", {}).get("namespace") == namespace]


async def test_a_deposed_leader_changes_nothing_even_where_its_mirrors_are_behind(plane: ControlPlane, runtime: Runtime) -> None:
    """The compare-and-swap is on the object itself."""
    await runtime.want(runtime.one)
    await runtime.runs((runtime.one, 1), (None, 0))
    blind = Cluster(runtime.cluster.client, {kind: Frozen(mirror) for kind, mirror in runtime.cluster.mirrors.items()})  # type: ignore[misc]
    deposed = ClusterWorkloads(blind)
    await runtime.workloads.set(runtime.key, Wanted(8, runtime.policy, Exposure(runtime.two, runtime.two), None))
    await runtime.settled(lambda primary, canary: workloads.runs(primary, runtime.two, 1) and workloads.runs(canary, runtime.two, 1))
    before = (await runtime.primary())["spec"], (await runtime.target())["spec"]
    three = revision((await runtime.target())["spec"]["template"], "sha256:" + "3" * 64)
    for exposure in (Exposure(three), Exposure(runtime.one, runtime.one)):
        with pytest.raises(Conflict):
            await deposed.set(runtime.key, Wanted(7, runtime.policy, exposure, None))
    assert ((await runtime.primary())["spec"], (await runtime.target())["spec"]) == before


class Frozen:
    """A mirror whose watch hangs."""

    def __init__(self, mirror: Mirror) -> None:
        self._found = {(found["metadata"]["namespace"], found["metadata"]["name"]): found for found in mirror.all()}  # type: ignore[index]

    def get(self, namespace: str, name: str) -> Raw | None:
        return self._found.get((namespace, name))

    def put(self, made: Raw) -> None:
        return

    def listen(self, heard: object) -> None:
        return


async def test_take_over_from_flagger_restarts_no_pod(plane: ControlPlane, api: Api, namespace: str) -> None:
    """Neither the primary's nor, in the middle of a run, the canary's."""
    async with running(plane, api, namespace, at(1, deployment())) as runtime:
        await api.create(config_map("app-config-primary", color="red"), namespace)
        await api.create(by_flagger(await runtime.target(), runtime.cluster.owner(runtime.key)), namespace)
        for name in ("app", "app-primary"):
            await until(lambda name=name: has_ready(api, namespace, name, 1), f"{name} is ready")  # type: ignore[misc]
        # A pod counts if it started after the second in which what it reads was last edited.
        await until(lambda: younger(api, namespace), "the canary's pod is younger than its configuration")
        pods = await members(api, namespace, "app-primary") | await members(api, namespace, "app")
        await runtime.want(runtime.one, runtime.one)
        await runtime.runs((runtime.one, 1), (runtime.one, 1))
        assert await members(api, namespace, "app-primary") | await members(api, namespace, "app") == pods
        await runtime.want(runtime.one)
        await runtime.runs((runtime.one, 1), (None, 0))
        assert await members(api, namespace, "app-primary") <= pods


async def test_take_over_leaves_a_settled_target_that_somebody_scaled_up(plane: ControlPlane, api: Api, namespace: str) -> None:
    """QUIRK-30, also where Flagger put it to rest."""
    async with running(plane, api, namespace, at(1, deployment())) as runtime:
        await api.create(config_map("app-config-primary", color="red"), namespace)
        await api.create(by_flagger(await runtime.target(), runtime.cluster.owner(runtime.key)), namespace)
        await until(lambda: has_ready(api, namespace, "app-primary", 1), "Flagger's primary is ready")
        for _ in range(2):
            await runtime.want(runtime.one)
            await runtime.runs((runtime.one, 1), (None, 0))
        assert (await runtime.target())["spec"]["replicas"] == 1


async def younger(api: Api, namespace: str) -> bool:
    """Is the target's pod younger than its ConfigMap? If not it is made anew, and looked at again."""
    edited = (await api.get("ConfigMap", namespace, "app-config"))["metadata"]["creationTimestamp"]
    for pod in await api.list("Pod", namespace):
        metadata = pod["metadata"]
        if metadata["labels"]["app"] == "app" and "deletionTimestamp" not in metadata:
            ready = any(one["type"] == "Ready" and one["status"] == "True" for one in pod.get("status", {}).get("conditions", []))
            if metadata["creationTimestamp"] > edited:
                return ready
            await api.delete("Pod", namespace, metadata["name"])
    return False


def by_flagger(target: Raw, owner: dict[str, object]) -> Raw:
    """What Flagger 1.44.0 leaves (golden trace config-env)."""
    template = target["spec"]["template"]
    container = {**template["spec"]["containers"][0], "envFrom": [{"configMapRef": {"name": "app-config-primary"}}]}
    pods = {
        "metadata": {"labels": {"app": "app-primary"}, "annotations": {"flagger-id": "4f1c"}},
        "spec": {**template["spec"], "containers": [container]},
    }
    metadata = {"name": "app-primary", "labels": {"app": "app-primary"}, "ownerReferences": [owner]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": "app-primary"}}, "template": pods}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


async def test_without_its_target_the_primary_goes_on_and_a_change_says_what_is_missing(runtime: Runtime) -> None:
    await runtime.want(runtime.one)
    await runtime.runs((runtime.one, 1), (None, 0))
    await runtime.api.delete("Deployment", runtime.namespace, "app")
    await runtime.settled(lambda primary, canary: runtime.workloads.upkeep.seen(DEPLOYMENT, runtime.namespace, "app") is None)
    await runtime.want(runtime.one)
    with pytest.raises(Unavailable, match=r"deployment app\.\S+ is gone"):
        await runtime.want(runtime.two)
    await runtime.runs((runtime.one, 1), (None, 0))


async def test_a_change_of_a_workload_or_a_service_wakes_its_canary(runtime: Runtime) -> None:
    await runtime.want(runtime.one)
    await runtime.runs((runtime.one, 1), (None, 0))
    woken: list[CanaryKey] = []

    async def listen() -> None:
        async for key in runtime.workloads.changes():
            woken.append(key)

    async def wakes() -> bool:
        return bool(woken)

    listening = asyncio.create_task(listen())
    try:
        service = {"selector": {"app": "app"}, "ports": [{"port": 80}]}
        for change in (
            runtime.api.patch("Deployment", runtime.namespace, "app-primary", {"metadata": {"annotations": {"example.com/x": "1"}}}),
            runtime.api.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "app"}, "spec": service}, runtime.namespace),
        ):
            woken.clear()
            await change
            await until(wakes, "the change wakes it")
    finally:
        listening.cancel()
        await asyncio.wait([listening])
    assert set(woken) == {runtime.key}


async def test_a_daemon_set_is_kept_from_its_nodes_and_let_back(plane: ControlPlane, api: Api, namespace: str) -> None:
    """WL-6."""
    made = deployment()
    made["spec"].pop("replicas")
    made["kind"] = "DaemonSet"
    async with running(plane, api, namespace, made) as runtime:
        await runtime.want(runtime.one, routed=False)
        await until(lambda: serves(runtime), "the primary comes up beside it")
        await runtime.want(runtime.one)
        await runtime.runs((runtime.one, 1), (None, 0))
        assert (await runtime.target())["spec"]["template"]["spec"]["nodeSelector"] == {"flagger.app/scale-to-zero": "true"}
        await edited(runtime, "blue")
        await runtime.want(runtime.one, runtime.two)
        await runtime.runs((runtime.one, 1), (runtime.two, 1))
        await runtime.want(runtime.two, runtime.two)
        await runtime.runs((runtime.two, 1), (runtime.two, 1))
        await runtime.want(runtime.two)
        await runtime.runs((runtime.two, 1), (None, 0))
        assert "nodeSelector" not in (await runtime.primary())["spec"]["template"]["spec"]


async def serves(runtime: Runtime) -> bool:
    return workloads.runs((await runtime.workloads.look(runtime.key, runtime.policy))[0], runtime.one, 1)


HPA = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "app"},
    "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"}, "minReplicas": 2, "maxReplicas": 4},
}
SCALED_BY_HPA = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "app"}


async def test_the_primarys_hpa_comes_when_it_serves_and_changes_with_promotions_only(
    plane: ControlPlane, api: Api, namespace: str
) -> None:
    """AS-1, WL-4."""
    async with running(plane, api, namespace, at(0, deployment()), autoscalerRef=SCALED_BY_HPA) as runtime:
        with pytest.raises(InputError, match=r'HorizontalPodAutoscaler app\.\S+ get query error: .* "app" not found'):
            await runtime.want(runtime.one, runtime.two)
        await api.create(HPA, namespace)
        await runtime.want(runtime.one, runtime.two)
        await runtime.runs((runtime.one, 1), (runtime.two, 2))
        own = await api.get("HorizontalPodAutoscaler", namespace, "app-primary")
        assert (own["spec"]["scaleTargetRef"]["name"], own["spec"]["minReplicas"]) == ("app-primary", 2)
        await api.patch("HorizontalPodAutoscaler", namespace, "app", {"spec": {"minReplicas": 3}})
        await runtime.want(runtime.one, runtime.two)
        await runtime.runs((runtime.one, 1), (runtime.two, 2))
        assert await minimum(api, namespace) == 2
        await runtime.want(runtime.two)
        assert await minimum(api, namespace) == 2, "the new primary does not serve yet"
        await runtime.runs((runtime.two, 1), (None, 0))
        assert await minimum(api, namespace) == 3


async def minimum(api: Api, namespace: str) -> int:
    return int((await api.get("HorizontalPodAutoscaler", namespace, "app-primary"))["spec"]["minReplicas"])


async def test_a_scaled_object_is_paused_while_there_is_no_canary(plane: ControlPlane, api: Api, namespace: str) -> None:
    """AS-3, QUIRK-7."""
    reference = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "app"}
    trigger = {"type": "prometheus", "metadata": {"query": 'load{workload="app"}'}}
    spec = {"scaleTargetRef": {"name": "app"}, "minReplicaCount": 2, "triggers": [trigger]}
    await api.create({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "app"}, "spec": spec}, namespace)
    async with running(plane, api, namespace, at(1, deployment()), autoscalerRef=reference) as runtime:
        await runtime.want(runtime.one)
        await runtime.runs((runtime.one, 1), (None, 0))
        assert await pause_of(api, namespace, "app") == "0"
        own = await api.get("ScaledObject", namespace, "app-primary")
        assert own["spec"]["triggers"][0]["metadata"] == {"query": 'load{workload="app-primary"}'}
        assert await pause_of(api, namespace, "app-primary") is None
        await runtime.want(runtime.one, runtime.two)
        await runtime.runs((runtime.one, 1), (runtime.two, 2))
        assert await pause_of(api, namespace, "app") is None


async def pause_of(api: Api, namespace: str, name: str) -> str | None:
    annotations: Raw = (await api.get("ScaledObject", namespace, name))["metadata"].get("annotations", {})
    return annotations.get("autoscaling.keda.sh/paused-replicas")


async def served(runtime: Runtime, serial: int, *, routed: bool) -> None:
    """The Services as a record wants them."""
    canary = runtime.cluster.canary(runtime.key)
    assert canary is not None
    await reconcile(runtime.cluster, runtime.key, canary, serial, routed=routed)


async def test_services_are_made_in_two_steps_and_then_left_alone(plane: ControlPlane, api: Api, namespace: str) -> None:
    """SVC-3: the apex, here somebody's own, leads to the primary only when that serves; it is never written without need."""
    spec = {"type": "NodePort", "selector": {"app": "app"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    own = await api.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "app"}, "spec": spec}, namespace)
    async with running(plane, api, namespace, at(0, deployment()), service={"port": 80, "targetPort": 9898}) as runtime:
        await served(runtime, 1, routed=False)
        assert await selected(api, namespace) == {"app": "app", "app-canary": "app", "app-primary": "app-primary"}
        assert (await api.get("Service", namespace, "app"))["metadata"]["resourceVersion"] == own["metadata"]["resourceVersion"]
        await served(runtime, 1, routed=True)
        assert await selected(api, namespace) == {"app": "app-primary", "app-canary": "app", "app-primary": "app-primary"}
        port = (await api.get("Service", namespace, "app"))["spec"]["ports"]
        assert [(one["targetPort"], one["nodePort"]) for one in port] == [(9898, own["spec"]["ports"][0]["nodePort"])]
        before = requests(plane, namespace)
        await served(runtime, 1, routed=True)
        assert requests(plane, namespace) == before
        await api.patch("Service", namespace, "app", {"spec": {"selector": {"app": "wrong"}}})
        await until(lambda: seen_wrong(runtime.cluster, namespace), "the mirror has the drift")
        await served(runtime, 1, routed=True)
        assert (await selected(api, namespace))["app"] == "app-primary"


async def test_a_deposed_leader_that_slept_leads_no_service_back(plane: ControlPlane, api: Api, namespace: str) -> None:
    """What a newer record has given back to the target stays with it."""
    async with running(plane, api, namespace, at(0, deployment())) as runtime:
        await served(runtime, 5, routed=True)
        uid = runtime.cluster.user(runtime.key)["uid"]
        given_back = {"metadata": {"annotations": {"trimtab.dev/serial": f"7/{uid}"}}, "spec": {"selector": {"app": "wrong"}}}
        await api.patch("Service", namespace, "app", given_back)
        await until(lambda: seen_wrong(runtime.cluster, namespace), "the mirror has it")
        with pytest.raises(Conflict, match="record 6 is stale, 7 was seen"):
            await served(runtime, 6, routed=True)
        assert (await selected(api, namespace))["app"] == "wrong"
        await served(runtime, 7, routed=True)
        assert (await selected(api, namespace))["app"] == "app-primary"


async def selected(api: Api, namespace: str) -> dict[str, str]:
    """Which pods each Service leads to."""
    return {found["metadata"]["name"]: found["spec"]["selector"]["app"] for found in await api.list("Service", namespace)}


async def seen_wrong(cluster: Cluster, namespace: str) -> bool:
    found: Any = cluster.mirrors[SERVICE].get(namespace, "app")
    return bool(found["spec"]["selector"] == {"app": "wrong"})


@pytest.mark.parametrize("address", [{}, {"clusterIP": "None"}])
async def test_a_service_as_target_is_cloned_and_each_clone_has_an_address_of_its_own(
    plane: ControlPlane, api: Api, namespace: str, address: dict[str, str]
) -> None:
    """WL-7, QUIRK-26."""
    spec = {**address, "selector": {"app": "app"}, "ports": [{"name": "http", "port": 80, "targetPort": 9898}]}
    metadata = {"name": "app", "labels": {"team": "red"}}
    target = await api.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}, namespace)
    await api.create(canary(targetRef={"apiVersion": "v1", "kind": "Service", "name": "app"}, provider="gatewayapi:v1"), namespace)
    async with opened(plane.kubeconfig, namespace) as cluster:
        key, adapter = CanaryKey(namespace, "app"), ClusterWorkloads(cluster)
        policy = Policy(Target("Service", "app", "v1"), Service("app", 80, "80"))
        one, two = (pinned({**target["spec"], "selector": {"app": app}}) for app in ("app", "other"))
        assert await adapter.look(key, policy) == (Copy(kind="Service"), Copy(kind="Service"))
        ready, none = (lambda found: Copy(found.id, 1, 1, 1, 1, kind="Service")), Copy(kind="Service")
        steps = [
            (Exposure(one), ready(one), none, "app", "app"),
            (Exposure(one, two), ready(one), ready(two), "app", "other"),
            (Exposure(two, two), ready(two), ready(two), "other", "other"),
            (Exposure(two), ready(two), none, "other", "other"),
        ]
        for serial, (exposure, primary, second, stable, exposed) in enumerate(steps, 1):
            await adapter.set(key, Wanted(serial, policy, exposure, None))
            assert await adapter.look(key, policy) == (primary, second)
            assert await selected(api, namespace) == {"app": "app", "app-primary": stable, "app-canary": exposed}
        with pytest.raises(Conflict):
            await adapter.set(key, Wanted(1, policy, Exposure(one), None))
        before = requests(plane, namespace)
        await adapter.set(key, Wanted(5, policy, Exposure(two), None))
        assert requests(plane, namespace) == before
        found = {item["metadata"]["name"]: item for item in await api.list("Service", namespace)}
        assert found["app"]["metadata"]["resourceVersion"] == target["metadata"]["resourceVersion"]
        assert found["app-canary"]["metadata"]["labels"] == {"team": "red"}
        addresses = {item["spec"]["clusterIP"] for item in found.values()}
        assert addresses == {"None"} if address else len(addresses) == 3


def pinned(spec: Raw) -> Revision:
    return Revision.of(canonical_json(spec), template_fingerprint(spec), ())


async def test_the_pods_of_both_copies_are_known_by_name_and_listed_again_only_when_something_has_changed(
    plane: ControlPlane, runtime: Runtime
) -> None:
    arms = ArmPods(runtime.workloads.upkeep)
    await runtime.want(runtime.one, runtime.two)
    await runtime.runs((runtime.one, 1), (runtime.two, 1))
    there = {str(pod["metadata"]["name"]) for pod in await runtime.api.list("Pod", runtime.namespace)}
    primaries = {name for name in there if name.startswith("app-primary-")}
    expected = dict.fromkeys(primaries, Arm.PRIMARY) | dict.fromkeys(there - primaries, Arm.CANARY)

    async def known() -> bool:
        # Pods on their way out are no pods of ours, but still there for a moment.
        return dict(await arms.of(runtime.key, runtime.policy)).items() <= expected.items()

    await until(known, f"pods are {expected}")
    found = await arms.of(runtime.key, runtime.policy)
    assert {arm for _, arm in found} == set(Arm)
    before = requests(plane, runtime.namespace)
    assert await arms.of(runtime.key, runtime.policy) == found
    assert requests(plane, runtime.namespace) == before
