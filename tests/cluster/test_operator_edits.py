"""What happens to content that changes at a bad moment: the operator as a process, and what pods really ran."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cluster.opened import canary, config_map, deployment, secret, until
from cluster.operating import INTERVAL, Operating
from cluster.testbed.api import Api
from cluster.testbed.node import Node
from cluster.testbed.plane import ControlPlane
from cluster.testbed.world import World

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
GATEWAY = {"gatewayRefs": [{"name": "edge", "namespace": "edge"}]}
SUCCESS = {"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"}


class Watched(Operating):
    """Operators, and the node that knows what their pods ran."""

    node: Node

    def colors(self, workload: str) -> list[str]:
        """The colour that each pod of a workload started with, oldest first."""
        return [_color(data) for data in self.node.began(self.namespace, workload)]

    async def runs(self, workload: str, *colors: str) -> None:
        """Waits until the living pods of a workload run these."""

        async def so() -> bool:
            return [_color(data) for data in self.node.reads(self.namespace, workload)] == list(colors)

        await until(so, f"{workload} runs {colors}", 40.0)


def _color(data: Raw) -> str:
    return str(next(content["color"] for name, content in data.items() if name.startswith("configmap/") and "color" in (content or {})))


@pytest.fixture
async def operating(plane: ControlPlane, node: Node, api: Api, namespace: str, tmp_path: Path) -> AsyncIterator[Watched]:
    made = Watched(plane, api, namespace, tmp_path)
    made.node = node
    async with World(node.reads, lambda where, channel, entry: None) as world:
        rule = {"workload": "app", "config": "configmap/app-config", "key": "color", "is": "bad", "value": 80}
        world.script(namespace, {"metrics": [{"value": 99.9, "when": rule}]})
        made.start(f"-metrics-server={world.address}/prom")
        try:
            yield made
        finally:
            made.stop()


async def mid_run(operating: Watched, color: str) -> None:
    """An edit, and its canary is being looked at."""
    await operating.edit(color=color)
    await operating.runs("app", color)

    async def looked_at() -> bool:
        return bool((await operating.status()).get("iterations"))

    await until(looked_at, "the first iteration")


async def test_a_second_edit_mid_run_restarts_the_canary_pods_and_only_the_second_is_promoted(operating: Watched) -> None:
    await operating.app(iterations=5)
    await mid_run(operating, "blue")
    await operating.edit(color="green")
    await operating.runs("app", "green")
    await operating.outcome(2, "Superseded")
    run = await operating.outcome(3, "Promoted")
    await operating.runs("app-primary", "green")
    assert run["spec"]["changedKeys"] == ["color: red -> green"]
    assert operating.colors("app-primary") == ["red", "green"]


async def test_putting_the_old_content_back_mid_run_ends_the_run_and_restarts_no_primary(operating: Watched) -> None:
    await operating.app(iterations=30)
    await mid_run(operating, "blue")
    await operating.edit(color="red")
    await operating.outcome(2, "Withdrawn")
    await operating.runs("app")
    assert operating.colors("app-primary") == ["red"]
    assert await operating.rollout(3) is None


async def test_an_edit_during_promotion_waits_its_turn_and_what_was_judged_is_promoted_first(operating: Watched) -> None:
    await operating.api.create(config_map(color="red"), operating.namespace)
    slow = deployment()
    slow["spec"]["minReadySeconds"] = 2
    await operating.api.create(slow, operating.namespace)
    await operating.api.create(canary(analysis={"interval": INTERVAL, "threshold": 2, "iterations": 1}), operating.namespace)
    await operating.phase("Initialized")
    await operating.edit(color="blue")
    await operating.phase("Promoting")
    await operating.edit(color="green")
    await operating.outcome(2, "Promoted")
    await operating.outcome(3, "Promoted")
    assert operating.colors("app-primary") == ["red", "blue", "green"]


async def test_an_edit_made_while_no_operator_runs_restarts_the_run(operating: Watched) -> None:
    await operating.app(iterations=5)
    await mid_run(operating, "blue")
    operating.kill()
    await operating.edit(color="green")
    operating.start("-enable-leader-election=false")
    await operating.outcome(2, "Superseded")
    await operating.outcome(3, "Promoted")
    assert operating.colors("app-primary") == ["red", "green"]


async def test_one_config_map_of_two_canaries_is_promoted_for_each_by_itself(operating: Watched) -> None:
    await operating.app()
    for made in (deployment("other"), canary("other", analysis={"interval": INTERVAL, "threshold": 2, "iterations": 1})):
        await operating.api.create(made, operating.namespace)
    await operating.phase("Initialized", canary="other")
    await operating.careful("other")
    await operating.edit(color="blue")
    await operating.outcome(2, "Promoted")
    await operating.phase("WaitingPromotion", canary="other")
    await operating.runs("app-primary", "blue")
    await operating.runs("other-primary", "red")
    await operating.say("approve", "other")
    await operating.phase("Succeeded", canary="other")
    await operating.runs("other-primary", "blue")
    assert operating.colors("other-primary") == ["red", "blue"]


async def test_a_bad_edit_on_the_gateway_api_is_rolled_back_and_the_next_good_one_is_promoted(operating: Watched) -> None:
    rules = {"interval": INTERVAL, "threshold": 2, "stepWeights": [20, 60], "metrics": [SUCCESS]}
    written = canary(provider="gatewayapi:v1", service={"port": 80, **GATEWAY}, analysis=rules)
    for made in (config_map(color="red"), deployment(), written):
        await operating.api.create(made, operating.namespace)
    await operating.phase("Initialized")
    await operating.edit(color="bad")
    run = await operating.outcome(2, "RolledBack")
    status = await operating.phase("Failed")
    assert status["canaryWeight"] == 0 and "success rate" in json.dumps(run["status"]["timeline"])
    route = await operating.api.get("HTTPRoute", operating.namespace, "app")
    assert {to["name"]: to["weight"] for to in route["spec"]["rules"][0]["backendRefs"]} == {"app-primary": 100, "app-canary": 0}
    await operating.runs("app")
    await operating.edit(color="blue")
    await operating.outcome(3, "Promoted")
    assert operating.colors("app-primary") == ["red", "blue"]


async def test_a_run_is_rolled_back_by_an_operator_that_was_started_after_its_canary_was_made_unusable(operating: Watched) -> None:
    rules = {"interval": INTERVAL, "threshold": 2, "stepWeights": [20, 60], "metrics": [SUCCESS]}
    written = canary(provider="gatewayapi:v1", service={"port": 80, **GATEWAY}, analysis=rules)
    for made in (config_map(color="red"), deployment(), written):
        await operating.api.create(made, operating.namespace)
    await operating.careful("app")
    await operating.phase("Initialized")
    await operating.edit(color="blue")
    await operating.phase("WaitingPromotion")
    operating.kill()
    await operating.api.patch("Canary", operating.namespace, "app", {"spec": {"service": {"gatewayRefs": None}}})
    operating.start("-enable-leader-election=false")
    await operating.say("abort", "app", "--reason", "not today")
    await operating.outcome(2, "Aborted")
    route = await operating.api.get("HTTPRoute", operating.namespace, "app")
    assert {to["name"]: to["weight"] for to in route["spec"]["rules"][0]["backendRefs"]} == {"app-primary": 100, "app-canary": 0}
    assert route["spec"]["parentRefs"], "it still belongs to its Gateway"
    await operating.runs("app")


async def test_a_rotated_secret_is_rolled_out_and_its_values_are_nowhere_to_be_read(operating: Watched) -> None:
    old, new = "first-hunter2-password", "second-hunter2-password"
    await operating.api.create(secret(password=old), operating.namespace)
    await operating.api.create(config_map(color="red"), operating.namespace)
    await operating.api.create(deployment(secrets=("app-secret",)), operating.namespace)
    await operating.api.create(canary(analysis={"interval": INTERVAL, "threshold": 2, "iterations": 1}), operating.namespace)
    await operating.phase("Initialized")
    await operating.api.patch("Secret", operating.namespace, "app-secret", {"stringData": {"password": new}})
    await operating.outcome(2, "Promoted")

    def passwords(data: Raw) -> set[str]:
        return {base64.b64decode(content["password"]).decode() for content in data.values() if "password" in content}

    ran = [passwords(data) for data in operating.node.began(operating.namespace, "app-primary")]
    assert ran == [{old}, {new}]
    told = [json.dumps(await operating.api.list(kind, operating.namespace)) for kind in ("ConfigRollout", "Canary", "Event")]
    told += [process.log.read_text() for process in operating.processes]
    told += [await operating.say("show", "2", "--canary", "app"), await operating.say("status", "app")]
    for value in (old, new):
        for form in (value, base64.b64encode(value.encode()).decode()):
            assert not any(form in text for text in told)


async def test_binary_data_is_rolled_out_too(operating: Watched) -> None:
    await operating.app()
    sent = base64.b64encode(b"\x00\x01").decode()
    await operating.api.patch("ConfigMap", operating.namespace, "app-config", {"binaryData": {"key.bin": sent}})
    await operating.outcome(2, "Promoted")
    copies = await operating.api.list("ConfigMap", operating.namespace)
    assert [sent] == [copy["binaryData"]["key.bin"] for copy in copies if "-primary-" in copy["metadata"]["name"] and "binaryData" in copy]


async def test_the_primary_outlives_the_source_of_what_it_reads(operating: Watched) -> None:
    await operating.app()
    await operating.runs("app")
    await operating.api.delete("ConfigMap", operating.namespace, "app-config")
    for pod in await operating.api.list("Pod", operating.namespace):
        # Those of the target are on their way out by themselves.
        if pod["metadata"]["labels"]["app"] == "app-primary":
            await operating.api.delete("Pod", operating.namespace, pod["metadata"]["name"])

    async def back() -> bool:
        return operating.colors("app-primary") == ["red", "red"]

    await until(back, "a new primary pod")
    assert (await operating.status())["phase"] == "Initialized"
    assert await operating.rollout(2) is None
