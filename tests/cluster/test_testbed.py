"""The testbed itself: what tests on a cluster may rely on."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from cluster.testbed.api import Api, ApiError
from cluster.testbed.binaries import kubernetes
from cluster.testbed.node import Node
from cluster.testbed.plane import PROJECT, QUIET, ControlPlane
from cluster.testbed.scenario import GOLDEN, find

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
WITHIN = 30.0


async def soon(claim: Callable[[], Awaitable[Any]], what: str, within: float = WITHIN) -> Any:
    """Waits until a claim holds; what it returned."""
    end = time.monotonic() + within
    while not (found := await claim()):
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        await asyncio.sleep(0.05)
    return found


def config_map(name: str = "app-config", **data: str) -> Raw:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name: str = "app", **annotations: str) -> Raw:
    labels = {"app": name}
    container = {"name": "app", "image": "registry.example/app:1.0.0", "envFrom": [{"configMapRef": {"name": "app-config"}}]}
    template = {"metadata": {"labels": labels, "annotations": annotations}, "spec": {"containers": [container]}}
    spec = {"replicas": 2, "progressDeadlineSeconds": 2, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


async def ready(api: Api, namespace: str, name: str = "app") -> int:
    """How many pods of a Deployment are ready, by its own status."""
    return int((await api.get("Deployment", namespace, name)).get("status", {}).get("readyReplicas", 0))


async def stalled(api: Api, namespace: str) -> bool:
    """Has the Deployment given up?"""
    conditions = (await api.get("Deployment", namespace, "app")).get("status", {}).get("conditions", [])
    return any(item["reason"] == "ProgressDeadlineExceeded" for item in conditions)


async def test_the_api_server_is_the_kubernetes_of_go_mod_and_checks_who_asks(plane: ControlPlane, api: Api) -> None:
    assert (await api.call("GET", f"{api.server}/version"))["gitVersion"] == kubernetes()
    stranger = plane.write_kubeconfig("stranger", "no-such-token")
    async with Api(stranger) as asked:
        with pytest.raises(ApiError) as refused:
            await asked.list("ConfigMap", "default")
    assert refused.value.status == 401


async def test_a_restricted_account_may_do_what_its_rules_say_and_nothing_else(plane: ControlPlane, api: Api, namespace: str) -> None:
    await api.create(config_map(color="red"), namespace)
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
    async with Api(plane.account(namespace, "reader", rules)) as reader:
        assert (await reader.get("ConfigMap", namespace, "app-config"))["data"] == {"color": "red"}
        with pytest.raises(ApiError) as refused:
            await reader.list("Secret", namespace)
    assert refused.value.status == 403
    user = f"system:serviceaccount:{namespace}:reader"
    asked = [(item["verb"], item["objectRef"]["resource"], item["responseStatus"]["code"]) for item in plane.audited(user)]
    assert asked == [("get", "configmaps", 200), ("list", "secrets", 403)]


async def test_the_audit_log_has_who_is_tested_and_not_the_testbed_itself(plane: ControlPlane, api: Api, namespace: str) -> None:
    async with Api(plane.kubeconfig_of("controller")) as controller:
        await controller.find("ConfigMap", namespace, "no-such-map")
    assert "no-such-map" in [entry.get("objectRef", {}).get("name") for entry in plane.audited("controller")]
    assert plane.audited("admin")
    assert not [user for user in QUIET if plane.audited(user)]


async def test_a_deployment_gets_ready_on_the_node_and_the_node_knows_what_its_pods_read(api: Api, node: Node, namespace: str) -> None:
    await api.create(config_map(color="red"), namespace)
    await api.create(deployment(), namespace)
    await soon(lambda: is_equal(ready(api, namespace), 2), "two pods are ready")
    assert node.reads(namespace, "app") == [{"configmap/app-config": {"color": "red"}}] * 2
    await api.patch("Deployment", namespace, "app", {"spec": {"replicas": 0}})
    await soon(lambda: is_equal(count(api.list("Pod", namespace)), 0), "pods are gone")
    assert node.reads(namespace, "app") == []


async def is_equal(asked: Awaitable[Any], wanted: object) -> bool:
    return bool(await asked == wanted)


async def count(asked: Awaitable[list[Raw]]) -> int:
    return len(await asked)


@pytest.mark.parametrize("data", [{"lab.ready": "never"}, {"app.yaml": "color: red\nlab/ready: never\n"}, {"lab.unready": "app"}])
async def test_pods_whose_configuration_says_so_never_get_ready(api: Api, node: Node, namespace: str, data: dict[str, str]) -> None:
    await api.create(config_map(**data), namespace)
    await api.create(deployment(), namespace)
    await soon(lambda: stalled(api, namespace), "the Deployment gives up")
    assert len(node.reads(namespace, "app")) == 2
    assert await ready(api, namespace) == 0


async def test_a_pod_may_get_unready_later(api: Api, namespace: str) -> None:
    await api.create(config_map(**{"lab.crash-after": "1s"}), namespace)
    await api.create(deployment(), namespace)
    await soon(lambda: is_equal(ready(api, namespace), 2), "two pods are ready")
    await soon(lambda: is_equal(ready(api, namespace), 0), "no pod is ready any more")


async def test_a_pod_waits_for_a_mandatory_config(api: Api, node: Node, namespace: str) -> None:
    await api.create(deployment(), namespace)
    await soon(lambda: stalled(api, namespace), "the Deployment gives up")
    assert node.reads(namespace, "app") == []
    await api.create(config_map(color="red"), namespace)
    await soon(lambda: is_equal(ready(api, namespace), 2), "two pods are ready")


async def test_owned_objects_are_collected(api: Api, namespace: str) -> None:
    owner = await api.create(config_map("owner"), namespace)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    owned = config_map("owned")
    owned["metadata"]["ownerReferences"] = [reference]
    await api.create(owned, namespace)
    await api.delete("ConfigMap", namespace, "owner")

    async def gone() -> bool:
        return await api.find("ConfigMap", namespace, "owned") is None

    await soon(gone, "the owned object is gone")


async def test_every_crd_of_ours_and_of_the_meshes_is_accepted(api: Api) -> None:
    wanted = {
        document["metadata"]["name"]
        for path in (PROJECT / "crds").glob("*.yaml")
        for document in yaml.safe_load_all(path.read_text())
        if document
    }
    wanted |= {"httproutes.gateway.networking.k8s.io", "virtualservices.networking.istio.io", "destinationrules.networking.istio.io"}
    wanted |= {"scaledobjects.keda.sh", "trafficsplits.split.smi-spec.io", "traefikservices.traefik.io"}
    found = {item["metadata"]["name"]: item for item in await api.list("CustomResourceDefinition")}
    assert wanted <= found.keys()
    for name in wanted:
        conditions = {item["type"]: item["status"] for item in found[name]["status"]["conditions"]}
        assert conditions["Established"] == "True" and conditions.get("NonStructuralSchema") != "True", name


@pytest.mark.parametrize("name", sorted(path.stem for path in GOLDEN.glob("*.yaml")))
async def test_every_object_of_a_golden_trace_is_accepted_without_a_dropped_field(api: Api, namespace: str, name: str) -> None:
    for item in find(name).everything():
        await api.create(item, namespace, dryRun="All", fieldValidation="Strict")


async def test_a_stopped_api_server_comes_back_with_all_that_it_held(tmp_path_factory: pytest.TempPathFactory, plane: ControlPlane) -> None:
    """On a control plane of its own, for other tests share theirs."""
    with ControlPlane(tmp_path_factory.mktemp("own")) as own:
        async with Api(own.kubeconfig) as asked:
            await asked.create(config_map(color="red"), "default")
            own.stop("kube-apiserver")
            with pytest.raises(aiohttp.ClientConnectionError):
                await asked.get("ConfigMap", "default", "app-config")
            own.start("kube-apiserver")
            await asyncio.to_thread(own.wait_ready)
            assert (await asked.get("ConfigMap", "default", "app-config"))["data"] == {"color": "red"}
        pids = [process.pid for process in own.processes.values()]
    assert len(pids) == 4 and not [pid for pid in pids if is_alive(pid)]


def test_nothing_is_left_behind_when_the_tests_are_killed(tmp_path: Path) -> None:
    """Even SIGKILL of the test run ends what it started."""
    starts = (
        "import sys, time; from pathlib import Path; from cluster.testbed.process import Process;"
        "print(Process(['sleep', '600'], Path(sys.argv[1])).pid, flush=True); time.sleep(600)"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "tests")}
    with subprocess.Popen(
        [sys.executable, "-c", starts, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_alive(child)
        parent.kill()
    end = time.monotonic() + WITHIN
    while is_alive(child):
        assert time.monotonic() < end, f"process {child} is still there"
        threading.Event().wait(0.02)


def is_alive(pid: int) -> bool:
    """Does a process run, and not only wait to be buried?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
