"""The player of scenarios: steps, conditions, and what is taken down, with a few lines in place of a controller."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.testbed.api import Api
from cluster.testbed.plane import ControlPlane
from cluster.testbed.player import ControllerEnded, Play, Stage, play_against, stage
from cluster.testbed.scenario import Scenario

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
GIVEN = """
scenario: small
objects:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: app-config}, data: {color: red}}
- apiVersion: apps/v1
  kind: Deployment
  metadata: {name: app}
  spec:
    replicas: 1
    selector: {matchLabels: {app: app}}
    template:
      metadata: {labels: {app: app}}
      spec:
        containers: [{name: app, image: 'registry.example/app:1.0.0', envFrom: [{configMapRef: {name: app-config}}]}]
- apiVersion: flagger.app/v1beta1
  kind: Canary
  metadata: {name: app}
  spec:
    targetRef: {apiVersion: apps/v1, kind: Deployment, name: app}
    service: {port: 80}
    analysis: {interval: 1s, threshold: 1, iterations: 1, webhooks: [{name: gate, url: '${HOOKS}/gate'}]}
world: {hooks: {gate: {statuses: [403, 200]}}}
steps:
- when: {phase: Initialized}
  do:
  - patch: {kind: ConfigMap, name: app-config, body: {data: {color: blue}}}
  - create: {apiVersion: v1, kind: Secret, metadata: {name: more}}
- when: {hook: gate}
  do: [{unready: {workload: app, pods: 1}}, {delete: {kind: Secret, name: more}}]
- when: {gone: Secret/more, ticks: 1}
  do: [{world: {hooks: {gate: {status: 500}}}}]
end: {when: {phase: Succeeded}}
"""


@pytest.fixture(scope="module")
def own_plane(tmp_path_factory: pytest.TempPathFactory, plane: ControlPlane) -> Iterator[ControlPlane]:
    """A control plane for the player's own node; `plane` says why where there can be none."""
    with ControlPlane(tmp_path_factory.mktemp("played")) as running:
        yield running


@pytest.fixture
async def where(own_plane: ControlPlane) -> AsyncIterator[Stage]:
    async with stage(own_plane, ready_after=0.1, say=lambda text: None) as made:
        yield made


async def controller(where: Stage, namespace: str) -> None:
    """Writes the phases that the scenario waits for, and calls its webhook."""
    api: Api = where.api

    async def status(phase: str, weight: int) -> None:
        body = {"status": {"phase": phase, "canaryWeight": weight, "iterations": 0, "failedChecks": 0}}
        await api.patch("Canary", namespace, "app", body, sub="status")

    while await api.find("Canary", namespace, "app") is None:
        await asyncio.sleep(0.05)
    await status("Initialized", 0)
    while await api.find("Secret", namespace, "more") is None:
        await asyncio.sleep(0.05)
    await status("Progressing", 50)
    for _ in range(2):
        async with api.session.post(f"{where.world.address}/hook/{namespace}/gate", json={"name": "app", "checksum": "abc"}):
            pass
    while (await api.get("Deployment", namespace, "app"))["status"].get("readyReplicas"):
        await asyncio.sleep(0.05)
    await status("Succeeded", 0)


def entries(document: Raw, channel: str) -> list[Any]:
    """All entries of a channel."""
    return [entry for tick in document["trace"] for entry in tick.get(channel, [])]


async def test_a_scenario_is_played_step_by_step_and_taken_down(where: Stage) -> None:
    scenario = Scenario.of(yaml.safe_load(GIVEN))
    assert scenario.interval == 1.0
    acting = asyncio.create_task(controller(where, "lab-small"))
    document = await Play(where, scenario, "lab-small").run()
    await acting
    assert document["ended"] == "as told"
    assert [entry["phase"] for entry in entries(document, "status")] == ["Initialized", "Progressing", "Succeeded"]
    assert [next(iter(entry)) for entry in entries(document, "lab")] == ["patch", "create", "unready", "delete", "world"]
    assert [(entry["hook"], entry["answer"], entry["payload"]["checksum"]) for entry in entries(document, "hooks")] == [
        ("gate", 403, "<run-1>"), ("gate", 200, "<run-1>"),
    ]  # fmt: skip
    assert entries(document, "pods") == [{"started": "app", "image": "1.0.0", "reads": "configmap/app-config=241889ca0604e333"}]
    assert [entry.get("gone", False) for entry in entries(document, "copies")] == [False, True]
    assert document["final"]["canaries"]["app"]["status"]["phase"] == "Succeeded"


async def test_a_scenario_that_never_ends_is_over_at_its_limit(where: Stage) -> None:
    given = {**yaml.safe_load(GIVEN), "steps": [], "limit": 2}
    document = await Play(where, Scenario.of(given), "lab-endless").run()
    assert document["ended"] == "limit of 2 intervals"


async def test_a_controller_that_ends_by_itself_ends_the_play_with_its_last_words(own_plane: ControlPlane, tmp_path: Path) -> None:
    command = f"{sys.executable} -c \"import sys; sys.exit('cannot read {{kubeconfig}}')\""
    with pytest.raises(ControllerEnded, match=r"ended with 1: cannot read .*controller\.kubeconfig"):
        await play_against(own_plane, command, [Scenario.of(yaml.safe_load(GIVEN))], tmp_path / "log")
