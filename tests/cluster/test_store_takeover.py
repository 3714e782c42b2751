"""Taking over what Flagger left, in a real API server: nothing starts, no pod restarts, and the status goes on saying the same."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from cluster.opened import canary, config_map, deployment, opened, secret, until
from cluster.testbed.api import Api
from cluster.testbed.plane import ControlPlane
from trimtab.adapters.clock import SystemClock
from trimtab.adapters.kubernetes.adoption import Adoption
from trimtab.adapters.kubernetes.cluster import Cluster
from trimtab.adapters.kubernetes.configs import Configs, content_of
from trimtab.adapters.kubernetes.copies import Copies
from trimtab.adapters.kubernetes.settings import Settings
from trimtab.adapters.kubernetes.sources import ClusterSources
from trimtab.adapters.kubernetes.store import ClusterStore
from trimtab.config.digest import DigestKey, checksum
from trimtab.errors import Unavailable
from trimtab.model.facts import Capabilities, Copy, Facts
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.rollout import CanaryState, Phase
from trimtab.rollout.decide import decide

pytestmark = pytest.mark.cluster
SECRET = DigestKey("k1", b"k" * 32)


async def never_routed(key: CanaryKey, policy: Policy) -> int:
    return 0


class Operator:
    """Sources and a store over one namespace, as the operator has them."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.key, clock = CanaryKey(namespace, "app"), SystemClock()
        configs = Configs(cluster, SECRET)
        self.sources = ClusterSources(cluster, Settings(), configs, Copies(cluster, Settings(), configs), clock)
        self.clock, adoption = clock, Adoption(cluster, self.sources, configs, lambda policy: Capabilities(), clock, never_routed)
        self.store = ClusterStore(cluster, adoption.adopt, configs.checksum, clock)

    async def state(self) -> CanaryState:
        return (await self.store.load(self.key)).state

    async def after_a_pass(self) -> CanaryState:
        """What would be recorded next."""
        before = await self.state()
        source = await self.sources.read(self.key)
        serving = Copy(before.promoted.id if before.promoted else "", 1, 1, 1, 1)
        return decide(before, Facts(self.clock.now(), source, primary=serving), None).state


class Legacy:
    """What Flagger leaves: target, primary, copies and a status."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api, self.namespace = api, namespace

    async def leave(self, phase: str = "Succeeded", *, edit: Callable[[dict[str, Any]], None] | None = None, **status: Any) -> None:
        target = deployment(secrets=("app-secret",))
        target["spec"]["replicas"] = 0
        primary = json.loads(
            json.dumps(target).replace('"app-config"', '"app-config-primary"').replace('"app-secret"', '"app-secret-primary"')
        )
        primary["metadata"]["name"] = "app-primary"
        primary["spec"]["replicas"], primary["spec"]["selector"] = 1, {"matchLabels": {"app": "app-primary"}}
        primary["spec"]["template"]["metadata"] = {"labels": {"app": "app-primary"}, "annotations": {"flagger-id": "3f1c"}}
        if edit is not None:
            edit(target)
        login = secret(password="hunter2")
        contents = [{**config_map(color="red"), "binaryData": {"blob": "/w=="}}, config_map("app-config-primary", color="red")]
        for made in (target, primary, *contents, login, secret("app-secret-primary", password="hunter2")):
            await self.api.create(made, self.namespace)
        await self.api.create(canary(), self.namespace)
        tracked = {
            f"{kind.lower()}/{name}": checksum(
                content_of({"apiVersion": "v1", "kind": kind, **await self.api.get(kind, self.namespace, name)})
            )
            for kind, name in (("ConfigMap", "app-config"), ("Secret", "app-secret"))
        }
        condition = {
            "type": "Promoted",
            "status": "True",
            "reason": phase,
            "message": "as Flagger says",
            "lastUpdateTime": "2026-01-01T00:00:00Z",
        }
        written = {
            "phase": phase, "canaryWeight": 0, "failedChecks": 0, "iterations": 0, "trackedConfigs": tracked,
            "lastAppliedSpec": "5978589476", "lastPromotedSpec": "5978589476", "lastTransitionTime": "2026-01-01T00:00:00Z",
            "conditions": [condition], **status,
        }  # fmt: skip
        await self.api.patch("Canary", self.namespace, "app", {"status": written}, sub="status")

    async def untouched(self) -> dict[str, Any]:
        """Everything that must not change."""
        found = {}
        for kind in ("Deployment", "ConfigMap", "Secret", "Canary", "Service"):
            for one in await self.api.list(kind, self.namespace):
                # Kubernetes numbers the templates of a Deployment when it gets to it.
                notes = {name: text for name, text in one["metadata"].get("annotations", {}).items() if not name.startswith("deployment.")}
                found[f"{kind}/{one['metadata']['name']}"] = one.get("spec") or one.get("data"), notes
        found["status"] = (await self.api.get("Canary", self.namespace, "app"))["status"]
        return found


@pytest.fixture
def legacy(api: Api, namespace: str) -> Legacy:
    return Legacy(api, namespace)


@pytest.fixture
async def started(plane: ControlPlane, namespace: str) -> AsyncIterator[Callable[[], Any]]:
    async with AsyncExitStack() as stack:

        async def start() -> Operator:
            return Operator(await stack.enter_async_context(opened(plane.kubeconfig, namespace)), namespace)

        yield start


async def test_a_settled_canary_is_taken_over_and_nothing_else_is_touched(
    legacy: Legacy, started: Callable[[], Any], api: Api, namespace: str
) -> None:
    await legacy.leave()
    before = await legacy.untouched()
    operator = await started()
    state = await operator.after_a_pass()
    assert (state.phase, state.running, state.held) == (Phase.SUCCEEDED, None, None)
    assert await legacy.untouched() == before
    assert [one["metadata"]["name"] for one in await api.list("ConfigRollout", namespace)] == ["app-1"]
    assert (await operator.store.journal(operator.key))[0].reason == "TakenOver"


async def test_a_second_start_finds_the_record_of_the_first(legacy: Legacy, started: Callable[[], Any]) -> None:
    await legacy.leave()
    first = await (await started()).state()
    assert await (await started()).state() == first


async def test_a_record_that_is_gone_is_made_again_after_a_restart(
    legacy: Legacy, started: Callable[[], Any], api: Api, namespace: str
) -> None:
    await legacy.leave()
    first = await (await started()).state()
    await api.delete("ConfigRollout", namespace, "app-1")

    async def gone() -> bool:
        return await api.find("ConfigRollout", namespace, "app-1") is None

    await until(gone, "the record is gone")
    state = await (await started()).after_a_pass()
    assert (state.promoted, state.running) == (first.promoted, None)


async def test_content_that_failed_under_flagger_is_held_and_new_content_is_not(
    legacy: Legacy, started: Callable[[], Any], api: Api, namespace: str
) -> None:
    await legacy.leave(
        "Failed", edit=lambda target: target["spec"]["template"]["metadata"].update(annotations={"a": "bad"}), lastAppliedSpec="7788"
    )
    operator = await started()
    state = await operator.after_a_pass()
    assert state.running is None and state.held is not None and state.applied != state.promoted
    assert (await api.get("Canary", namespace, "app"))["status"]["lastAppliedSpec"] == "7788"


async def test_an_edit_while_nobody_ran_starts_a_rollout(legacy: Legacy, started: Callable[[], Any], api: Api, namespace: str) -> None:
    await legacy.leave()
    await api.patch("ConfigMap", namespace, "app-config", {"data": {"color": "blue"}})
    state = await (await started()).after_a_pass()
    assert state.running is not None and state.running.number == 2


async def test_a_run_in_the_middle_goes_on(legacy: Legacy, started: Callable[[], Any]) -> None:
    await legacy.leave(
        "Progressing",
        edit=lambda target: target["spec"]["template"]["metadata"].update(annotations={"a": "new"}),
        lastAppliedSpec="7788",
        iterations=2,
    )
    before = await legacy.untouched()
    state = await (await started()).state()
    assert state.running is not None and state.running.position == 2 and state.promoted != state.running.to
    after = await legacy.untouched()
    assert after["status"]["iterations"] == 2 and after["status"]["lastAppliedSpec"] == "7788"
    assert {name: value for name, value in after.items() if name != "status"} == {k: v for k, v in before.items() if k != "status"}


async def test_what_cannot_be_read_yet_is_left_as_it_is(legacy: Legacy, started: Callable[[], Any], api: Api, namespace: str) -> None:
    """Without a record the Canary would seem new, and its target would be promoted unjudged."""
    await legacy.leave()
    await api.delete("ConfigMap", namespace, "app-config")
    operator = await started()
    with pytest.raises(Unavailable, match=r"taking over Canary app.* in phase Succeeded: GetTargetConfigs failed"):
        await operator.state()
    assert await api.list("ConfigRollout", namespace) == []
