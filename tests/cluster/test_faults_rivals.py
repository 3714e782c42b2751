"""Controllers that fight for what Trimtab writes: it does not give in, nor write as fast as it can, and requests go where they should."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cluster.faulty import WITHIN, Faulty
from cluster.opened import until
from cluster.testbed.api import Api

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
MOST = 45
"""Writes of ours for each state of a record until there is a pause: some beyond the burst that is free."""
PAUSE = 0.3
"""Seconds without a write of ours, in a fight that would have hundreds of them: less than the interval, at which there is one anyhow."""
BLOWS = 5


@asynccontextmanager
async def rival(api: Api, kind: str, namespace: str, name: str, wish: Callable[[Raw], Raw | None]) -> AsyncIterator[list[int]]:
    """Somebody who puts an object right at once, as they see it; how often they did."""
    wrote = [0]

    async def fight() -> None:
        async for change, found in api.watch(kind):
            if (found["metadata"].get("namespace"), found["metadata"]["name"], change) != (namespace, name, "MODIFIED"):
                continue
            patch = wish(found)
            if patch is not None:
                wrote[0] += 1
                await api.patch(kind, namespace, name, patch)

    task = asyncio.create_task(fight())
    try:
        yield wrote
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled(), task.exception()


def written(faulty: Faulty, resource: str, name: str) -> int:
    """How often the operator changed an object."""
    return sum(call.writes and (call.what, call.name) == (resource, name) for call in faulty.proxy.calls)


def audited(faulty: Faulty, resource: str, name: str) -> int:
    """The same, as the API server has it."""
    found = (entry["objectRef"] for entry in faulty.plane.audited("controller") if entry["verb"] in ("create", "patch", "update"))
    return sum((one.get("namespace"), one["resource"], one.get("name")) == (faulty.namespace, resource, name) for one in found)


async def serial(faulty: Faulty, canary: str, number: int) -> int:
    """How many states the record of a Canary had, by one of its attempts."""
    run = await faulty.rollout(number, canary)
    assert run is not None
    return int(json.loads(run["status"]["record"])["state"]["serial"])


async def fought(faulty: Faulty, wrote: list[int], resource: str, name: str) -> int:
    """How often the operator changes an object until it makes a pause, although the fight goes on."""
    seconds = asyncio.get_running_loop().time
    last, since = -1, seconds()

    async def pauses() -> bool:
        nonlocal last, since
        count = written(faulty, resource, name)
        if count != last or wrote[0] < BLOWS:
            last, since = count, seconds()
        return seconds() - since > PAUSE

    try:
        await until(pauses, f"a pause in the fight for {resource} {name}", WITHIN)
    except AssertionError as error:
        raise AssertionError(f"{error}, after {wrote} blows; {faulty.processes[-1].last_lines(5)}") from None
    return last


def back_to_primary(route: Raw) -> Raw | None:
    """Somebody who wants all requests on the primary; None where they go there."""
    rules = route["spec"]["rules"]
    if all(to["weight"] in (0, 100) for to in rules[-1]["backendRefs"]):
        return None
    for to in rules[-1]["backendRefs"]:
        to["weight"] = 100 if to["name"].endswith("-primary") else 0
    return {"spec": {"rules": rules}}


async def test_a_rival_that_takes_the_share_away_is_not_fought_without_end_and_no_law_is_broken_for_it(faulty: Faulty) -> None:
    faulty.start("-enable-leader-election=false")
    await faulty.apps("fought")

    begun = await serial(faulty, "fought-good", 1)

    async with rival(faulty.api, "HTTPRoute", faulty.namespace, "fought-good", back_to_primary) as wrote:
        await faulty.edit_both("fought")
        writes = await fought(faulty, wrote, "httproutes", "fought-good")
        states = await serial(faulty, "fought-good", 2) - begun
        assert BLOWS <= writes <= MOST * states
        assert BLOWS <= audited(faulty, "httproutes", "fought-good") <= MOST * states
    await faulty.phase("Succeeded", WITHIN, "fought-good")
    await faulty.phase("Failed", WITHIN, "fought-bad")
    await faulty.witness.caught_up()
    assert not faulty.witness.broken("fought-good") and not faulty.witness.broken("fought-bad")


async def test_rivals_about_a_service_and_a_primary_hold_up_no_rollout_and_are_not_fought_without_end(faulty: Faulty) -> None:
    faulty.start("-enable-leader-election=false")
    await faulty.apps("noted")

    def note(service: Raw) -> Raw | None:
        noted = "example.com/rival" in (service["metadata"].get("annotations") or {})
        return None if noted else {"metadata": {"annotations": {"example.com/rival": "was here"}}}

    def label(primary: Raw) -> Raw | None:
        there = primary["metadata"]["labels"].get("app") != "rival"
        return {"metadata": {"labels": {"app": "rival"}}} if there else None

    async with (
        rival(faulty.api, "Service", faulty.namespace, "noted-good", note) as noted,
        rival(faulty.api, "Deployment", faulty.namespace, "noted-good-primary", label) as labelled,
    ):
        await faulty.api.patch("Service", faulty.namespace, "noted-good", {"metadata": {"annotations": {"example.com/rival": "begins"}}})
        assert await fought(faulty, noted, "services", "noted-good") <= MOST
        await faulty.edit_both("noted")
        await faulty.end_as_ever("noted")
    assert labelled[0] and written(faulty, "deployments", "noted-good-primary") <= MOST
