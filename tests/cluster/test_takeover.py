"""Fifty Canaries that Flagger left, settled and in the middle of runs: starting Trimtab starts no rollout and restarts no pod."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cluster.opened import canary, config_map, deployment, until
from cluster.operating import Operating
from cluster.testbed.api import Api
from cluster.testbed.plane import ControlPlane
from trimtab.config.digest import checksum
from trimtab.model.content import Content
from trimtab.model.names import ConfigKind, ConfigName

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
SETTLED, RUNNING = 44, 6
WITHIN = 60.0
RULES = {"interval": "60m", "threshold": 3, "iterations": 3}


@pytest.fixture
async def nobody(plane: ControlPlane, api: Api, namespace: str, tmp_path: Path) -> AsyncIterator[Operating]:
    """A namespace that nobody looks after yet."""
    made = Operating(plane, api, namespace, tmp_path)
    try:
        yield made
    finally:
        await asyncio.to_thread(made.stop)


def tracked(name: str, color: str) -> dict[str, str]:
    """What Flagger notes of a ConfigMap."""
    content = Content(ConfigName(ConfigKind.CONFIG_MAP, f"{name}-config"), {"color": color.encode()})
    return {f"configmap/{name}-config": checksum(content)}


def primary_of(name: str) -> Raw:
    """As Flagger makes it."""
    made: Raw = json.loads(json.dumps(deployment(name, (f"{name}-config",))).replace(f'"{name}-config"', f'"{name}-config-primary"'))
    made["metadata"]["name"] = f"{name}-primary"
    made["spec"]["selector"] = {"matchLabels": {"app": f"{name}-primary"}}
    made["spec"]["template"]["metadata"] = {"labels": {"app": f"{name}-primary"}, "annotations": {"flagger-id": "3f1c"}}
    return made


async def leave(api: Api, namespace: str, name: str, phase: str, color: str) -> None:
    """What Flagger leaves of one: the primary reads `red`, the ConfigMap says `color`, and the target runs where a run is under way."""
    running = phase == "Progressing"
    for made in (config_map(f"{name}-config", color=color), config_map(f"{name}-config-primary", color="red")):
        await api.create(made, namespace)
    target = deployment(name, (f"{name}-config",))
    target["spec"]["replicas"] = 0
    await api.create(target, namespace)
    await api.create(primary_of(name), namespace)
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    await api.create(canary(name, targetRef=reference, analysis=RULES), namespace)
    status = {
        "phase": phase, "canaryWeight": 0, "failedChecks": 1 if running else 0, "iterations": 1 if running else 0,
        "trackedConfigs": tracked(name, color), "lastAppliedSpec": "5978589476", "lastPromotedSpec": "5978589476",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    await api.patch("Canary", namespace, name, {"status": status}, sub="status")


async def pods(api: Api, namespace: str) -> set[tuple[str, str]]:
    """Every pod there is, by name and uid."""
    return {(pod["metadata"]["name"], pod["metadata"]["uid"]) for pod in await api.list("Pod", namespace)}


async def test_fifty_canaries_of_flaggers_are_taken_over_and_no_pod_restarts(nobody: Operating, api: Api, namespace: str) -> None:
    phases = [("Initialized", "red"), ("Succeeded", "red"), ("Failed", "bad")]
    left = {f"app-{number}": phases[number % 3] for number in range(SETTLED)}
    left |= {f"run-{number}": ("Progressing", "blue") for number in range(RUNNING)}
    await asyncio.gather(*(leave(api, namespace, name, phase, color) for name, (phase, color) in left.items()))

    async def pods_are(count: int) -> bool:
        found = await api.list("Pod", namespace)
        return len(found) == count and all((pod.get("status") or {}).get("phase") == "Running" for pod in found)

    await until(lambda: pods_are(len(left)), "all primaries run", WITHIN)
    # Flagger scales a target up some time after the edit, so its pods are younger than what they read.
    await asyncio.gather(*(api.patch("Deployment", namespace, name, {"spec": {"replicas": 1}}) for name in left if name.startswith("run")))
    await until(lambda: pods_are(len(left) + RUNNING), "the canaries of runs run", WITHIN)
    before = await pods(api, namespace)
    nobody.start("-enable-leader-election=false")

    async def taken_over() -> bool:
        runs = {run["spec"]["canary"] for run in await api.list("ConfigRollout", namespace)}
        services = {service["metadata"]["name"] for service in await api.list("Service", namespace)}
        return runs == set(left) and {f"{name}-primary" for name in left} <= services

    await until(taken_over, "all have a record, and a pass was through", WITHIN)
    runs = {run["spec"]["canary"]: run for run in await api.list("ConfigRollout", namespace)}
    assert {run["metadata"]["name"] for run in runs.values()} == {f"{name}-1" for name in left}
    phases_now = {name: (await nobody.status(name))["phase"] for name in left}
    assert phases_now == {name: phase for name, (phase, _) in left.items()}
    for name in left:
        record = json.loads(runs[name]["status"]["record"])["state"]
        assert (record["rollout"]["ended"] is None, record["rollout"]["position"]) == ((True, 1) if name.startswith("run") else (False, 0))
    assert await pods(api, namespace) == before
