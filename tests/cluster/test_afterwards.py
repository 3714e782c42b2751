"""After promotion in a cluster: containers of the primary that are started again are told of, or gone back from, as the policy says."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cluster.opened import canary, config_map, deployment, until
from cluster.operating import INTERVAL, Operating
from cluster.testbed.api import Api
from cluster.testbed.plane import ControlPlane
from cluster.testbed.world import World

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
POLICY = {"apiVersion": "trimtab.dev/v1alpha1", "kind": "RolloutPolicy", "metadata": {"name": "careful"}, "spec": {}}


class Alerted(Operating):
    """Operators, and what a chat heard from them."""

    heard: list[str]
    address: str

    async def restarted(self, times: int) -> None:
        """The node says that the containers of the primary's pods were started again."""
        for pod in await self.api.list("Pod", self.namespace):
            if not pod["metadata"]["name"].startswith("app-primary-"):
                continue
            status = {"containerStatuses": [{**found, "restartCount": times} for found in pod["status"]["containerStatuses"]]}
            await self.api.patch("Pod", self.namespace, pod["metadata"]["name"], {"status": status}, sub="status", style="strategic")

    async def watched(self, number: int, words: str) -> Raw:
        """Waits until an attempt says this of what came after its promotion; its object."""

        async def said() -> Raw | None:
            run = await self.rollout(number)
            return run if run is not None and words in (run["status"].get("watch") or "") else None

        found: Raw = await until(
            said, f"rollout {number} says {words!r} of its primary: {(await self.rollout(number) or {}).get('status')}", 40.0
        )
        return found


@pytest.fixture
async def operating(plane: ControlPlane, api: Api, namespace: str, tmp_path: Path) -> AsyncIterator[Alerted]:
    made = Alerted(plane, api, namespace, tmp_path)
    made.heard = []
    async with World(lambda where, workload: [], lambda where, channel, entry: made.heard.append(str(entry))) as world:
        made.address = f"{world.address}/alert/{namespace}/ops"
        made.start()
        try:
            yield made
        finally:
            made.stop()


async def test_restarts_after_promotion_are_told_with_the_way_back_or_gone_back_from(operating: Alerted) -> None:
    chat = {"apiVersion": "flagger.app/v1beta1", "kind": "AlertProvider", "metadata": {"name": "ops"}}
    alerts = [{"name": "ops", "severity": "error", "providerRef": {"name": "ops"}}]
    rules = {"interval": INTERVAL, "threshold": 2, "iterations": 1, "alerts": alerts}
    for made in (
        POLICY,
        {**chat, "spec": {"type": "slack", "address": operating.address}},
        config_map(color="red"),
        deployment(),
        canary(annotations={"trimtab.dev/policy": "careful"}, analysis=rules),
    ):
        await operating.api.create(made, operating.namespace)
    await operating.phase("Initialized")
    await operating.edit(color="blue")
    await operating.outcome(2, "Promoted")
    await operating.watched(2, "3 looks, nothing broken")
    await operating.restarted(3)
    run = await operating.watched(2, "broken after promotion: 3 restarts of containers since promotion")
    assert (run["status"]["outcome"], (await operating.status())["phase"]) == ("Promoted", "Succeeded")
    words = "is broken after promotion: 3 restarts of containers since promotion. Go back with: trimtab undo app"

    async def told() -> bool:
        events = await operating.api.list("Event", operating.namespace)
        return any(words in event["message"] for event in events) and any(words in entry for entry in operating.heard)

    await until(told, "an event and an alert say so", 40.0)

    await operating.api.patch("RolloutPolicy", operating.namespace, "careful", {"spec": {"afterPromotion": "undo"}})

    async def known() -> bool:
        # The newest policy is in the record; the next attempt pins it.
        newest = await operating.rollout(2)
        return newest is not None and '"undo":true' in newest["status"]["record"]

    await until(known, "the operator has heard of the new policy", 40.0)
    await operating.edit(color="green")
    await operating.outcome(3, "Promoted")
    await operating.watched(3, "3 looks, nothing broken")
    await operating.restarted(3)
    undo = await operating.outcome(4, "Undone")
    assert (undo["spec"]["kind"], undo["status"]["actor"]) == ("undo", "the watch after promotion")
    assert undo["spec"]["to"]["id"] == run["spec"]["to"]["id"]

    async def heard() -> bool:
        return any("Undo of app" in entry and "3 restarts" in entry for entry in operating.heard)

    await until(heard, "an alert says why it goes back", 40.0)
