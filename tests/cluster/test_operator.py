"""The operator as a process: rollouts, commands with a person's kubeconfig, and what survives a kill."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from signal import SIGKILL

import pytest

from cluster.opened import until
from cluster.operating import Operating

pytestmark = pytest.mark.cluster


async def test_an_edit_is_promoted_and_its_story_is_told_by_kubectl_and_by_the_command_line(operating: Operating) -> None:
    await operating.app()
    await operating.edit(color="blue")
    await operating.say("watch", "app", "--wait", "--content", "f234cb93c08ad64e", "--timeout", "60s")
    run = await operating.rollout(2)
    assert run is not None and run["status"]["outcome"] == "Promoted" and run["spec"]["changedKeys"] == ["color: red -> blue"]
    status = await operating.phase("Succeeded")
    assert status["trackedConfigs"] == {"configmap/app-config": "f234cb93c08ad64e"}
    told = await operating.told("status", "app")
    assert (told["phase"], told["rollout"]["outcome"]) == ("Succeeded", "Promoted")
    assert [attempt["outcome"] for attempt in await operating.told("history")] == ["Promoted", "Promoted"]

    async def all_told() -> bool:
        events = await operating.api.list("Event", operating.namespace)
        return {"NewRevision", "Advanced", "Promoted"} <= {
            event["reason"] for event in events if event["involvedObject"]["kind"] == "Canary"
        }

    await until(all_told, "the events are told")


async def test_pause_resume_approve_abort_retry_and_undo_act_in_a_cluster(operating: Operating) -> None:
    await operating.api.create(
        {
            "apiVersion": "trimtab.dev/v1alpha1", "kind": "RolloutPolicy", "metadata": {"name": "careful"},
            "spec": {"gates": {"approvals": ["confirm-promotion"]}},
        },
        operating.namespace,
    )  # fmt: skip
    await operating.app()
    await operating.api.patch("Canary", operating.namespace, "app", {"metadata": {"annotations": {"trimtab.dev/policy": "careful"}}})
    await operating.edit(color="blue")
    await operating.phase("WaitingPromotion")
    assert "waits" in await operating.say("status", "app")
    assert "paused" in await operating.say("pause", "app", "--reason", "lunch")
    assert "resumed" in await operating.say("resume", "app")
    assert "approved" in await operating.say("approve", "app", "--reason", "looked at the dashboards")
    await operating.phase("Succeeded")
    run = await operating.rollout(2)
    assert run is not None and run["status"]["actor"] == "admin (unverified)", "no admission policy is installed here"
    await operating.edit(color="green")
    await operating.phase("WaitingPromotion")
    assert "aborted" in await operating.say("abort", "app", "--reason", "not today")
    await operating.phase("Failed")
    assert "trying again" in await operating.say("retry", "app")
    await operating.phase("WaitingPromotion")
    await operating.say("approve", "app")
    await operating.phase("Succeeded")
    assert "going back" in await operating.say("undo", "app")

    async def undone() -> bool:
        found = await operating.rollout(5)
        return found is not None and found["status"].get("outcome") == "Undone"

    await until(undone, "the undo is through")
    assert "looked at the dashboards" in await operating.say("show", "2", "--canary", "app")


@pytest.mark.parametrize("phase", ["Progressing", "WaitingPromotion", "Promoting", "Finalising"])
async def test_a_kill_in_any_phase_loses_nothing(operating: Operating, phase: str) -> None:
    await operating.app()
    if phase == "WaitingPromotion":
        policy = {"apiVersion": "trimtab.dev/v1alpha1", "kind": "RolloutPolicy", "metadata": {"name": "careful"}}
        await operating.api.create({**policy, "spec": {"gates": {"approvals": ["confirm-promotion"]}}}, operating.namespace)
        await operating.api.patch("Canary", operating.namespace, "app", {"metadata": {"annotations": {"trimtab.dev/policy": "careful"}}})
    await operating.edit(color="blue")
    await until(lambda: seen(operating, phase), f"phase {phase} or later")
    operating.kill()
    before = await operating.rollout(2)
    operating.start("-enable-leader-election=false")
    await operating.leads()
    if phase == "WaitingPromotion":
        await operating.phase("WaitingPromotion")
        await operating.say("approve", "app")
    await operating.phase("Succeeded")
    after = await operating.rollout(2)
    assert before is not None and after is not None and after["status"]["outcome"] == "Promoted"
    assert after["status"]["timeline"][: len(before["status"]["timeline"])] == before["status"]["timeline"]
    assert await operating.rollout(3) is None


async def seen(operating: Operating, phase: str) -> bool:
    """Short phases may be over before anybody looks: a later one will do."""
    order = ["Progressing", "WaitingPromotion", "Promoting", "Finalising", "Succeeded"]
    found = (await operating.status()).get("phase")
    return found in order and order.index(found) >= order.index(phase)


async def test_of_two_operators_one_acts_and_the_other_takes_over_within_15_seconds(operating: Operating) -> None:
    await operating.app()
    second = operating.start()

    async def waits() -> bool:
        return "waiting for lease" in second.log.read_text()

    await until(waits, "the second one waits", 40.0)
    await operating.edit(color="blue")
    await operating.phase("Succeeded")
    assert "leading" not in second.log.read_text()
    operating.processes[0].stop(SIGKILL)
    await operating.edit(color="green")
    await operating.phase("Progressing", within=15.0)
    await operating.phase("Succeeded")
    assert "leading 1 canaries" in second.log.read_text()


async def test_an_operator_that_is_told_to_end_lets_the_next_one_begin_at_once(operating: Operating) -> None:
    await operating.app()
    assert operating.processes[0].stop() == 0
    lease = await operating.api.get("Lease", operating.namespace, "trimtab")
    assert lease["spec"]["holderIdentity"] == ""


async def test_kubectl_trimtab_looks_at_the_cluster_without_being_told(operating: Operating) -> None:
    await operating.app()
    plugin = Path(sys.executable).with_name("kubectl-trimtab")
    environment = {**os.environ, "KUBECONFIG": str(operating.plane.kubeconfig)}
    command = [str(plugin), "status", "-n", operating.namespace]
    done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr.startswith("in cluster https://127.0.0.1:")
    assert "Initialized" in done.stdout
