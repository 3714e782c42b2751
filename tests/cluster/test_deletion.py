"""What becomes of a target when its Canary is deleted, with the operator as a process (DEL-1, DEL-2, QUIRK-8)."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cluster.opened import canary, config_map, deployment, until
from cluster.operating import INTERVAL, Operating
from cluster.testbed.api import Api, ApiError
from cluster.testbed.plane import ControlPlane

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
FINALIZER = "finalizer.flagger.app"
OWNED = ("Deployment/app-primary", "Service/app-primary", "Service/app-canary", "ConfigRollout/app-1")
SERVICE = {
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "app"},
    "spec": {"selector": {"app": "app"}, "ports": [{"name": "http", "port": 80, "targetPort": 80}]},
}  # fmt: skip


async def found(here: Operating, what: str) -> Raw | None:
    """An object by KIND/NAME; None where there is none."""
    kind, name = what.split("/")
    try:
        there: Raw = await here.api.get(kind, here.namespace, name)
    except ApiError as error:
        assert error.status == 404, error
        return None
    return there


async def gone(here: Operating, *what: str) -> None:
    """Waits until none of these is there. A garbage collector takes notice of new kinds every 30 s only."""

    async def none_left() -> bool:
        return not any([await found(here, one) for one in what])

    try:
        await until(none_left, f"{what} are gone", 120.0)
    except AssertionError as error:
        raise AssertionError(f"{error}: {await found(here, 'Canary/app')} {here.processes[-1].last_lines(12)}") from None


async def target(here: Operating) -> Raw:
    """The target."""
    there = await found(here, "Deployment/app")
    assert there is not None
    return there


async def apex(here: Operating) -> Raw:
    """What the Service in front selects."""
    there = await found(here, "Service/app")
    assert there is not None
    selector: Raw = there["spec"]["selector"]
    return selector


async def led_astray(here: Operating) -> AsyncIterator[str]:
    """Looks again and again; says when the Service leads to a copy without a ready pod."""
    while True:
        service = await found(here, "Service/app")
        copies = {name: await found(here, f"Deployment/{name}") for name in ("app", "app-primary")}
        after = await found(here, "Service/app")
        # Who was led elsewhere while the copies were looked at says nothing about where they are now.
        if service is not None and after is not None and service["spec"]["selector"] == after["spec"]["selector"]:
            name = service["spec"]["selector"]["app"]
            there = copies[name]
            if there is None or not there.get("status", {}).get("readyReplicas"):
                yield f"the Service leads to {name}, which is {there and there.get('status')}"
        await asyncio.sleep(0.05)


async def delete(here: Operating) -> None:
    """Deletes the Canary and waits until it is gone; meanwhile the Service never leads to a copy that is not ready."""
    bad: list[str] = []

    async def look() -> None:
        async for problem in led_astray(here):
            bad.append(problem)

    looking = asyncio.create_task(look())
    try:
        await here.api.delete("Canary", here.namespace, "app")
        await gone(here, "Canary/app")
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    assert not bad, bad


def said(here: Operating) -> list[Raw]:
    """The operator's log."""
    return [json.loads(line) for process in here.processes for line in process.log.read_text().splitlines() if line.startswith("{")]


async def events(here: Operating) -> list[str]:
    """What was told about the Canary, in order."""
    there = await here.api.list("Event", here.namespace)
    mine = [event for event in there if event["involvedObject"]["kind"] == "Canary"]
    return [event["message"] for event in sorted(mine, key=lambda event: int(event["metadata"]["resourceVersion"]))]


async def held(here: Operating, spec: Raw, **analysis: Any) -> None:
    """An initialised Canary, whose run then waits for a person's approval before it is promoted."""
    policy = {"apiVersion": "trimtab.dev/v1alpha1", "kind": "RolloutPolicy", "metadata": {"name": "careful"}}
    await here.api.create({**policy, "spec": {"gates": {"approvals": ["confirm-promotion"]}}}, here.namespace)
    rules = {"interval": INTERVAL, "threshold": 2, **analysis}
    for made in (config_map(color="red"), deployment(), canary("app", {"trimtab.dev/policy": "careful"}, analysis=rules, **spec)):
        await here.api.create(made, here.namespace)
    await here.phase("Initialized")
    await here.edit(color="blue")
    await here.phase("WaitingPromotion")


async def test_without_a_revert_what_it_owns_goes_and_the_operator_forgets_it(operating: Operating) -> None:
    await operating.app()
    await operating.api.delete("Canary", operating.namespace, "app")
    await gone(operating, "Canary/app", "Service/app", *OWNED)
    assert (await target(operating))["spec"]["replicas"] == 0
    maps = await operating.api.list("ConfigMap", operating.namespace)
    assert not [one for one in maps if "-primary-" in one["metadata"]["name"]]
    # Edits of what is left behind concern nobody.
    await operating.edit(color="blue")
    await operating.api.patch("Deployment", operating.namespace, "app", {"metadata": {"labels": {"some": "label"}}})
    await operating.api.create(
        canary("other", targetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}), operating.namespace
    )

    async def other_was_looked_at() -> bool:
        return any("none" in line["msg"] for line in said(operating))

    await until(other_was_looked_at, "the operator went on")
    about = [line for line in said(operating) if line.get("canary") == f"app.{operating.namespace}"]
    left = about[[line["msg"] for line in about].index(f"Canary app.{operating.namespace} is gone, and what it owns goes with it") :]
    assert len(left) == 1, left
    assert not any("not in the cluster" in text for text in await events(operating))


async def test_a_canary_that_is_made_again_begins_anew(operating: Operating) -> None:
    """Nothing that the one before noted, on the target or in memory, stands in its way."""
    await operating.app()
    await operating.edit(color="blue")
    await operating.phase("Succeeded")
    await operating.api.delete("Canary", operating.namespace, "app")
    await gone(operating, "Canary/app", *OWNED)
    await operating.api.patch("Deployment", operating.namespace, "app", {"spec": {"replicas": 1}})
    before = (await events(operating)).count(f"Initialization done! app.{operating.namespace}")
    await operating.api.create(canary(analysis={"interval": INTERVAL, "threshold": 2, "iterations": 2}), operating.namespace)
    await operating.phase("Initialized")

    async def at_rest() -> bool:
        return bool((await target(operating))["spec"]["replicas"] == 0)

    await until(at_rest, "the target is put to rest")

    async def told_again() -> bool:
        return (await events(operating)).count(f"Initialization done! app.{operating.namespace}") == before + 1

    await until(told_again, "its events are told")
    await operating.edit(color="green")
    await operating.phase("Succeeded")


async def test_a_canary_that_others_keep_while_it_is_deleted_is_left_alone(operating: Operating) -> None:
    """A foreground deletion takes what it owns first, and nothing may be made again."""
    await operating.app()
    await operating.api.patch("Canary", operating.namespace, "app", {"metadata": {"finalizers": ["example.com/keep"]}})
    await operating.api.delete("Canary", operating.namespace, "app")

    async def told() -> bool:
        return any("is gone" in line["msg"] for line in said(operating))

    await until(told, "the operator let it go")
    await operating.api.delete("Deployment", operating.namespace, "app-primary")
    await gone(operating, "Deployment/app-primary")
    await operating.edit(color="blue")
    await operating.api.create(
        canary("other", targetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}), operating.namespace
    )
    await until(lambda: none_named(operating), "the operator went on")
    assert await found(operating, "Deployment/app-primary") is None
    await operating.api.patch("Canary", operating.namespace, "app", {"metadata": {"finalizers": None}})


async def none_named(here: Operating) -> bool:
    """Was the Canary of a target that is not there looked at?"""
    return any("none" in line["msg"] for line in said(here))


async def test_with_a_revert_the_target_serves_again_before_the_canary_goes(operating: Operating) -> None:
    await operating.api.create({**SERVICE, "metadata": {"name": "app", "annotations": {"example.com/note": "mine"}}}, operating.namespace)
    await operating.app(spec={"revertOnDeletion": True})
    await operating.api.patch("Deployment", operating.namespace, "app-primary", {"spec": {"replicas": 3}})
    assert (await operating.api.get("Canary", operating.namespace, "app"))["metadata"]["finalizers"] == [FINALIZER]
    assert await apex(operating) == {"app": "app-primary"}
    await delete(operating)
    there = await target(operating)
    assert there["spec"]["replicas"] == 3 and there["status"]["readyReplicas"] == 3
    assert not [name for name in there["metadata"].get("annotations", {}) if name.startswith("trimtab.dev/")]
    assert await apex(operating) == {"app": "app"}
    await gone(operating, *OWNED)
    last = (await events(operating))[-2:]
    assert last == [f"Terminating canary app.{operating.namespace}", f"Terminated canary app.{operating.namespace}"]


async def test_the_service_leads_where_kubectl_said_last(operating: Operating) -> None:
    applied = {**SERVICE, "spec": {**SERVICE["spec"], "selector": {"app": "app", "tier": "web"}}}  # type: ignore[dict-item]
    work = deployment()
    work["spec"]["template"]["metadata"]["labels"]["tier"] = "web"
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(applied)}
    await operating.api.create({**applied, "metadata": {"name": "app", "annotations": annotations}}, operating.namespace)
    rules = {"interval": INTERVAL, "threshold": 2, "iterations": 2}
    for made in (config_map(color="red"), work, canary(analysis=rules, revertOnDeletion=True)):
        await operating.api.create(made, operating.namespace)
    await operating.phase("Initialized")
    await delete(operating)
    assert await apex(operating) == {"app": "app", "tier": "web"}


async def test_in_the_middle_of_a_run_nobody_loses_a_request(operating: Operating) -> None:
    await operating.api.create(SERVICE, operating.namespace)
    await held(operating, {"revertOnDeletion": True}, iterations=1)
    await delete(operating)
    assert await apex(operating) == {"app": "app"} and (await target(operating))["status"]["readyReplicas"] == 1


async def test_a_share_of_the_requests_leaves_the_canary_first_and_a_route_of_ours_goes_last(operating: Operating) -> None:
    await operating.api.create(SERVICE, operating.namespace)
    await held(operating, {"provider": "istio", "revertOnDeletion": True}, stepWeight=20, maxWeight=20)
    assert [to["weight"] for to in (await found(operating, "VirtualService/app") or {})["spec"]["http"][0]["route"]] == [80, 20]
    await delete(operating)
    await gone(operating, "VirtualService/app", *OWNED)
    assert await apex(operating) == {"app": "app"}


async def test_a_suspended_canary_gives_back_too(operating: Operating) -> None:
    await operating.api.create(SERVICE, operating.namespace)
    await operating.app(spec={"revertOnDeletion": True})
    await operating.api.patch("Canary", operating.namespace, "app", {"spec": {"suspend": True}})
    await delete(operating)
    assert await apex(operating) == {"app": "app"} and (await target(operating))["status"]["readyReplicas"] == 1


async def test_switching_it_off_takes_the_finalizer_away(operating: Operating) -> None:
    await operating.app(spec={"revertOnDeletion": True})
    await operating.api.patch("Canary", operating.namespace, "app", {"spec": {"revertOnDeletion": False}})

    async def without() -> bool:
        return not (await operating.api.get("Canary", operating.namespace, "app"))["metadata"].get("finalizers")

    await until(without, "the finalizer is off")


async def test_a_target_that_never_gets_ready_keeps_the_primary_until_somebody_lets_go(operating: Operating) -> None:
    await operating.api.create(SERVICE, operating.namespace)
    await operating.app(spec={"revertOnDeletion": True})
    await operating.api.patch(
        "Deployment", operating.namespace, "app", {"spec": {"template": {"spec": {"nodeSelector": {"no": "such-node"}}}}}
    )
    await operating.api.patch("Canary", operating.namespace, "app", {"spec": {"suspend": True}})
    await operating.api.delete("Canary", operating.namespace, "app")
    await operating.phase("Terminating")

    async def scaled() -> bool:
        return bool((await target(operating))["spec"]["replicas"])

    await until(scaled, "the target is scaled up")
    assert await apex(operating) == {"app": "app-primary"}
    await operating.api.patch("Canary", operating.namespace, "app", {"spec": {"revertOnDeletion": False}})
    await gone(operating, "Canary/app")


async def test_a_target_that_is_deleted_with_its_canary_keeps_nobody_waiting(operating: Operating) -> None:
    await operating.app(spec={"revertOnDeletion": True})
    await operating.api.delete("Deployment", operating.namespace, "app")
    await operating.api.delete("Canary", operating.namespace, "app")
    await gone(operating, "Canary/app", *OWNED)


async def test_a_namespace_that_is_deleted_is_not_kept_by_a_canary(plane: ControlPlane, api: Api, namespace: str, tmp_path: Path) -> None:
    """Its record and its target go at the same time, and nothing can be made there any more."""
    here = Operating(plane, api, namespace, tmp_path)
    here.start("-enable-leader-election=false")
    try:
        await here.api.create(SERVICE, namespace)
        await here.app(spec={"revertOnDeletion": True})
        await api.delete("Namespace", "", namespace)

        async def is_gone() -> bool:
            return await found(here, "Canary/app") is None

        try:
            await until(is_gone, "the Canary is gone", 60.0)
        except AssertionError as error:
            raise AssertionError(f"{error}: {await found(here, 'Canary/app')} {here.processes[-1].last_lines(12)}") from None
    finally:
        here.stop()


async def test_a_canary_of_flaggers_that_is_deleted_with_its_target_keeps_nobody_waiting(operating: Operating) -> None:
    """There is no record to go by, and nothing to take over any more."""
    await operating.app(spec={"revertOnDeletion": True})
    operating.kill()
    await operating.api.delete("ConfigRollout", operating.namespace, "app-1")
    await operating.api.delete("Deployment", operating.namespace, "app")
    await operating.api.delete("Canary", operating.namespace, "app")
    await gone(operating, "Deployment/app", "ConfigRollout/app-1")
    operating.start("-enable-leader-election=false")
    await gone(operating, "Canary/app")


@pytest.mark.parametrize("dies", ["before it is noticed", "while the target comes up", "when it was told"])
async def test_an_operator_that_dies_meanwhile_is_followed_by_one_that_goes_on(operating: Operating, dies: str) -> None:
    await operating.api.create(SERVICE, operating.namespace)
    await operating.app(spec={"revertOnDeletion": True})
    if dies == "before it is noticed":
        operating.kill()
    await operating.api.delete("Canary", operating.namespace, "app")
    if dies == "while the target comes up":
        await until(lambda: on_the_way(operating), "it is terminating")
        operating.kill()
    if dies == "when it was told":
        await until(lambda: told_of_the_end(operating), "the end was told")
        operating.kill()
    operating.start("-enable-leader-election=false")
    await gone(operating, "Canary/app", *OWNED)
    assert await apex(operating) == {"app": "app"} and (await target(operating))["status"]["readyReplicas"] == 1
    assert (await events(operating)).count(f"Terminated canary app.{operating.namespace}") == 1


async def on_the_way(here: Operating) -> bool:
    """Is it terminating, or gone already?"""
    there = await found(here, "Canary/app")
    return there is None or there.get("status", {}).get("phase") == "Terminating"


async def told_of_the_end(here: Operating) -> bool:
    """Was it said that everything is put back?"""
    return f"Terminated canary app.{here.namespace}" in await events(here)
