"""The operator has every right that it uses and uses every right that it has: one target for each provider is rolled out under the shipped
rules, and the API server's audit log tells what was asked for."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.installed import HOME, USER, manifests, operator_running, running, token_of
from cluster.opened import canary, config_map, deployment, secret, until
from cluster.testbed.api import Api
from cluster.testbed.plane import ControlPlane

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
Right = tuple[str, str, str]
"""API group, resource with its subresource, verb."""

WHERE = "rights"
WITHIN = 120.0
ITERATIONS: Raw = {"interval": "1s", "threshold": 2, "iterations": 3}
WEIGHTS: Raw = {"interval": "1s", "threshold": 2, "stepWeights": [50]}
BACKEND = {"service": {"name": "n", "port": {"number": 80}}}
FLAGS = ("--minimum-interval=1s", "--mesh-provider=kubernetes", "--log-level=debug")
CANARIES = ("plain", "agent", "worker", "g", "i", "n", "s", "t", "v")
UNUSED = {
    ("flagger.app", "canaries/finalizers", "update"): "asked for by an admission plugin that is off here, not by a request",
    ("flagger.app", "canaries", "get"): "only for what was written while it was being listed",
    ("trimtab.dev", "rolloutcommands", "get"): "only for what was written while it was being listed",
}
"""Rights that this run need not use, and why they are there all the same."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The rights, and nobody yet who uses them."""
    with running(tmp_path_factory.mktemp("installed")) as plane:
        plane.kubectl("apply", "-f", "-", given=manifests())
        plane.kubectl("delete", "deployment/trimtab", f"--namespace={HOME}")
        yield plane


def reference(found: Raw) -> Raw:
    """How a Canary names an object."""
    return {"apiVersion": found["apiVersion"], "kind": found["kind"], "name": found["metadata"]["name"]}


def target(name: str, **spec: Any) -> list[Raw]:
    """A Deployment that reads what all read, and its Canary."""
    work = deployment(name, ("shared",), ("shared",))
    work["spec"]["revisionHistoryLimit"] = 0
    return [work, canary(name, {"trimtab.dev/policy": "lean"}, **{"analysis": WEIGHTS, **spec})]


def made(api_version: str, kind: str, name: str, spec: Raw) -> Raw:
    """An object that somebody else is in charge of."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def everything() -> list[Raw]:
    """A target for each provider, and one for each kind of autoscaler and of workload."""
    work = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "plain"}
    hpa = made("autoscaling/v2", "HorizontalPodAutoscaler", "plain", {"scaleTargetRef": work, "minReplicas": 1, "maxReplicas": 2})
    keda = made("keda.sh/v1alpha1", "ScaledObject", "worker", {"scaleTargetRef": {"name": "worker"}, "triggers": []})
    rule = {"host": "n.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}}
    ingress = made("networking.k8s.io/v1", "Ingress", "n", {"rules": [rule]})
    daemons = deployment("agent", ("shared",))
    daemons["kind"] = "DaemonSet"
    del daemons["spec"]["replicas"]
    on_daemons = canary("agent", {"trimtab.dev/policy": "lean"}, targetRef=reference(daemons), analysis=ITERATIONS)
    return [
        made("trimtab.dev/v1alpha1", "RolloutPolicy", "lean", {"keepRevisions": 1, "history": 1}),
        config_map("shared", color="red"), secret("shared", word="one"),
        made("v1", "Service", "plain", {"selector": {"app": "plain"}, "ports": [{"port": 80}]}),
        made("networking.istio.io/v1beta1", "VirtualService", "v", {"hosts": ["v"], "http": [{"route": [{"destination": {"host": "v"}}]}]}),
        hpa, keda, ingress, daemons, on_daemons,
        *target("plain", analysis=ITERATIONS, autoscalerRef=reference(hpa)),
        *target("worker", analysis=ITERATIONS, autoscalerRef=reference(keda)),
        *target("g", provider="gatewayapi:v1", service={"port": 80, "gatewayRefs": [{"name": "public"}]}, revertOnDeletion=True),
        *target("i", provider="istio", revertOnDeletion=True),
        *target("v", provider="istio", revertOnDeletion=True),
        *target("n", provider="nginx", ingressRef=reference(ingress), revertOnDeletion=True),
        *target("s", provider="linkerd", revertOnDeletion=True),
        *target("t", provider="traefik", revertOnDeletion=True),
    ]  # fmt: skip


async def settled(api: Api, phase: str, checksums: Iterable[str] = ()) -> set[str]:
    """Waits until every Canary is in a phase, with other content than before; Flagger's checksums of what each reads."""
    seen: dict[str, Raw] = {}

    async def reached() -> bool:
        seen.update({found["metadata"]["name"]: found.get("status", {}) for found in await api.list("Canary", WHERE)})
        return all(status.get("phase") == phase and content(status) not in checksums for status in seen.values())

    await until(reached, f"every Canary is {phase}", WITHIN)
    assert set(seen) == set(CANARIES)
    return {content(status) for status in seen.values()}


def content(status: Raw) -> str:
    """What a Canary reads."""
    return json.dumps(status.get("trackedConfigs"))


async def has_ready_pod(api: Api, name: str) -> bool:
    """Has the canary of a target a pod that is ready?"""
    pods = [pod for pod in await api.list("Pod", WHERE) if pod["metadata"]["labels"].get("app") == name]
    return any(
        condition["type"] == "Ready" and condition["status"] == "True" for pod in pods for condition in pod["status"].get("conditions", [])
    )


async def roll_out_everything(api: Api) -> None:
    """Everything that the operator does: it begins, is edited in the middle of a run, promotes, is given a command, tidies up, leaves."""
    first = await settled(api, "Initialized")
    wish = {"canary": "plain", "verb": "pause", "actor": "admin", "at": "2026-01-01T00:00:00+00:00", "rollout": 1}
    await api.create(made("trimtab.dev/v1alpha1", "RolloutCommand", "wish", wish), WHERE)
    await until(lambda: answered(api), "the command is answered")
    await api.patch("ConfigMap", WHERE, "shared", {"data": {"color": "blue"}})
    await until(lambda: has_ready_pod(api, "plain"), "the canary has a pod", WITHIN)
    await api.patch("ConfigMap", WHERE, "shared", {"data": {"color": "green"}})
    known = first | await settled(api, "Succeeded", first)
    policy = {"spec": {"service": {"trafficPolicy": {"loadBalancer": {"simple": "ROUND_ROBIN"}}}}}
    await api.patch("Canary", WHERE, "i", policy)
    for word in ("two", "three", "four"):
        await api.patch("Secret", WHERE, "shared", {"stringData": {"word": word}})
        await api.patch("ConfigMap", WHERE, "shared", {"data": {"color": word}})
        known |= await settled(api, "Succeeded", known)
    await until(lambda: is_tidy(api), "what is not kept has gone", WITHIN)
    for name in CANARIES:
        await api.delete("Canary", WHERE, name)
    await until(lambda: are_gone(api), "every Canary is gone", WITHIN)


async def answered(api: Api) -> bool:
    """Was the command understood?"""
    return bool((await api.get("RolloutCommand", WHERE, "wish")).get("status", {}).get("answer"))


async def are_gone(api: Api) -> bool:
    """Are they?"""
    return not await api.list("Canary", WHERE)


async def is_tidy(api: Api) -> bool:
    """One attempt for each Canary, and no old command."""
    return len(await api.list("ConfigRollout", WHERE)) == len(CANARIES) and not await api.list("RolloutCommand", WHERE)


def granted() -> set[Right]:
    """Every right in the rules that are shipped."""
    rules = [rule for found in yaml.safe_load_all(manifests()) if found["kind"] in ("ClusterRole", "Role") for rule in found["rules"]]
    return {(group, name, verb) for rule in rules for group in rule["apiGroups"] for name in rule["resources"] for verb in rule["verbs"]}


def right(entry: Raw) -> Right:
    """What was asked for."""
    about = entry["objectRef"]
    return about.get("apiGroup", ""), "/".join(filter(None, (about["resource"], about.get("subresource", "")))), entry["verb"]


async def test_no_request_is_denied_and_every_right_is_used(installed: ControlPlane, tmp_path: Path) -> None:
    log = tmp_path / "operator.log"
    async with Api(installed.kubeconfig) as api:
        await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": WHERE}})
        for item in everything():
            await api.create(item, WHERE)
        with operator_running(token_of(installed), log, FLAGS) as process:
            try:
                await roll_out_everything(api)
            except AssertionError as error:
                denied = [right(entry) for entry in installed.audited(USER) if entry["responseStatus"]["code"] == 403]
                raise AssertionError(f"{error}; denied: {denied}; {process.last_lines(15)}") from None
    asked = [entry for entry in installed.audited(USER) if "objectRef" in entry]
    assert [right(entry) for entry in asked if entry["responseStatus"]["code"] == 403] == []
    assert granted() - {right(entry) for entry in asked} <= set(UNUSED)
