"""Records, journals and commands in a real API server: what `ports.Store` promises, and what is special about a cluster."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import Any

import pytest

from cluster.opened import canary, opened, until
from cluster.testbed.api import Api, ApiError
from cluster.testbed.plane import ControlPlane
from trimtab.adapters.clock import SystemClock
from trimtab.adapters.kubernetes.cluster import Cluster
from trimtab.adapters.kubernetes.store import Adopted, ClusterStore
from trimtab.errors import Conflict
from trimtab.model.decision import Decision
from trimtab.model.names import CanaryKey, ConfigName
from trimtab.model.rollout import Answer, CanaryState, Phase
from trimtab.testing.contracts import store

pytestmark = pytest.mark.cluster
EVERY = (*store.CHECKS, *store.WATCHED)


async def nothing_to_adopt(key: CanaryKey, older: CanaryState | None) -> Adopted | None:
    return None


def no_checksum(namespace: str, name: ConfigName, digest: str) -> str:
    return ""


class Operators:
    """Stores over one namespace, each with mirrors of its own, as operators have."""

    def __init__(self, plane: ControlPlane, namespace: str, stack: AsyncExitStack) -> None:
        self.plane, self.namespace, self.stack = plane, namespace, stack
        self.key = CanaryKey(namespace, "app")
        self.clusters: list[Cluster] = []

    async def start(self) -> "Operators":
        self.store = await self.reopened()
        return self

    async def reopened(self) -> ClusterStore:
        cluster = await self.stack.enter_async_context(opened(self.plane.kubeconfig, self.namespace))
        self.clusters.append(cluster)
        return ClusterStore(cluster, nothing_to_adopt, no_checksum, SystemClock())

    async def record(self, number: int, before: CanaryState, *, by: ClusterStore | None = None) -> CanaryState:
        after = store.following(before, number)
        await (by or self.store).replace(self.key, before, Decision(after, (store.entry(f"{after.serial}", number),), None))
        return after


@pytest.fixture
async def operators(plane: ControlPlane, api: Api, namespace: str) -> AsyncIterator[Operators]:
    await api.create(canary(), namespace)
    async with AsyncExitStack() as stack:
        yield await Operators(plane, namespace, stack).start()


@pytest.mark.parametrize("check", EVERY, ids=[check.__name__ for check in EVERY])
async def test_the_store_of_a_cluster(operators: Operators, check: Callable[[Any], Awaitable[None]]) -> None:
    await check(operators)


async def test_an_attempt_is_one_object_that_people_can_read(operators: Operators, api: Api, namespace: str) -> None:
    await operators.record(2, await operators.record(1, CanaryState(operators.key)))
    found = await api.list("ConfigRollout", namespace)
    assert sorted(one["metadata"]["name"] for one in found) == ["app-1", "app-2"]
    newest = await api.get("ConfigRollout", namespace, "app-2")
    assert newest["spec"]["canary"] == "app" and newest["spec"]["number"] == 2
    assert newest["status"]["progress"] == "Progressing" and newest["status"]["timeline"][0]["text"] == "2"
    assert newest["metadata"]["ownerReferences"][0]["kind"] == "Canary"


async def test_what_is_attempted_cannot_be_changed_afterwards(operators: Operators, api: Api, namespace: str) -> None:
    await operators.record(1, CanaryState(operators.key))
    with pytest.raises(ApiError, match="what is attempted never changes"):
        await api.patch("ConfigRollout", namespace, "app-1", {"spec": {"number": 7}})


async def test_of_two_operators_that_begin_the_same_attempt_one_is_told(operators: Operators) -> None:
    other, empty = await operators.reopened(), CanaryState(operators.key)
    first = await operators.record(1, empty)
    await other.load(operators.key)
    second = await operators.record(2, first)
    with pytest.raises(Conflict):
        await operators.record(2, first, by=other)
    assert (await other.load(operators.key)).state == second


async def test_an_operator_that_slept_cannot_go_on_with_an_attempt_that_is_over(operators: Operators, namespace: str) -> None:
    """The object of the old attempt has not changed since it was read: only the next one's tells."""
    first = await operators.record(1, CanaryState(operators.key))
    async with opened(operators.plane.kubeconfig, namespace) as asleep:
        late = ClusterStore(Cluster(operators.clusters[0].client, asleep.mirrors), nothing_to_adopt, no_checksum, SystemClock())
        await late.load(operators.key)
    second = await operators.record(2, first)
    with pytest.raises(Conflict):
        await operators.record(1, first, by=late)
    assert (await operators.store.load(operators.key)).state == second


async def test_history_is_as_long_as_the_policy_says(operators: Operators, api: Api, namespace: str) -> None:
    state = CanaryState(operators.key)
    for number in (1, 2, 3, 4):
        after = store.following(state, number)
        assert after.policy is not None
        after = replace(after, policy=replace(after.policy, history=2))
        await operators.store.replace(operators.key, state, Decision(after, (), None))
        state = after
    assert sorted(one["metadata"]["name"] for one in await api.list("ConfigRollout", namespace)) == ["app-3", "app-4"]


async def test_a_record_that_somebody_deletes_is_put_back(operators: Operators, api: Api, namespace: str) -> None:
    state = await operators.record(1, CanaryState(operators.key))
    await api.delete("ConfigRollout", namespace, "app-1")

    async def back() -> bool:
        assert (await operators.store.load(operators.key)).state == state
        return await api.find("ConfigRollout", namespace, "app-1") is not None

    await until(back, "the record is back")
    assert (await operators.record(1, state)).serial == state.serial + 1


async def test_a_newest_record_that_somebody_deletes_is_put_back_though_an_older_one_is_there(
    operators: Operators, api: Api, namespace: str
) -> None:
    state = await operators.record(2, await operators.record(1, CanaryState(operators.key)))
    await api.delete("ConfigRollout", namespace, "app-2")

    async def back() -> bool:
        assert (await operators.store.load(operators.key)).state == state
        return await api.find("ConfigRollout", namespace, "app-2") is not None

    await until(back, "the record is back")
    assert (await operators.record(2, state)).serial == state.serial + 1


async def test_a_record_deleted_while_it_is_written_to_never_goes_back_to_an_older_one(
    operators: Operators, api: Api, namespace: str
) -> None:  # fmt: skip
    state = await operators.record(2, await operators.record(1, CanaryState(operators.key)))
    await api.delete("ConfigRollout", namespace, "app-2")
    with suppress(Conflict):  # It does not know yet that there is nothing to write to, or has put it back already.
        await operators.record(2, state)

    async def back() -> bool:
        assert (await operators.store.load(operators.key)).state.serial >= state.serial
        return await api.find("ConfigRollout", namespace, "app-2") is not None

    await until(back, "the record is back")


async def test_a_canary_made_anew_begins_anew(operators: Operators, api: Api, namespace: str) -> None:
    await operators.record(1, CanaryState(operators.key))
    old = (await api.get("Canary", namespace, "app"))["metadata"]["uid"]
    await api.delete("Canary", namespace, "app")
    await api.create(canary(), namespace)

    async def seen() -> bool:
        raw = operators.clusters[0].raw(operators.key)
        return raw is not None and raw["metadata"]["uid"] != old  # type: ignore[index]

    await until(seen, "the new Canary is seen")

    async def recorded() -> CanaryState | None:
        stored = await operators.store.load(operators.key)
        assert stored.state == CanaryState(operators.key)
        try:
            return await operators.record(1, stored.state)
        except Conflict:
            return None

    await until(recorded, "the first attempt of the new Canary takes the place of the old one's")


async def test_the_status_follows_the_record_and_is_written_once(operators: Operators, api: Api, namespace: str) -> None:
    await operators.record(1, CanaryState(operators.key))
    found = await api.get("Canary", namespace, "app")
    condition = found["status"]["conditions"][0]
    assert (found["status"]["phase"], condition["status"], condition["reason"]) == ("Progressing", "Unknown", "Progressing")
    await operators.store.load(operators.key)
    again = await api.get("Canary", namespace, "app")
    assert again["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]


async def test_a_status_that_somebody_changed_is_put_right_in_the_next_pass(operators: Operators, api: Api, namespace: str) -> None:
    await operators.record(1, CanaryState(operators.key))
    await api.patch("Canary", namespace, "app", {"status": {"phase": "Failed", "canaryWeight": 30}}, sub="status")

    async def right() -> bool:
        await operators.store.load(operators.key)
        status = (await api.get("Canary", namespace, "app"))["status"]
        return (status["phase"], status["canaryWeight"]) == (Phase.PROGRESSING, 0)

    await until(right, "the status is what the record says")


async def test_a_command_cannot_be_changed_and_its_answer_is_shown(operators: Operators, api: Api, namespace: str) -> None:
    await operators.store.submit(operators.key, store.wish("c1"))
    with pytest.raises(ApiError, match="a command never changes"):
        await api.patch("RolloutCommand", namespace, "app-c1", {"spec": {"actor": "bob"}})
    empty = CanaryState(operators.key)
    after = store.following(empty, 1, Answer("c1", "aborted", True))
    await operators.store.replace(operators.key, empty, Decision(after, (), None))
    assert (await api.get("RolloutCommand", namespace, "app-c1"))["status"] == {"answer": "aborted", "done": True}


async def test_nothing_is_written_while_nothing_changes(operators: Operators, api: Api, namespace: str) -> None:
    await operators.store.submit(operators.key, store.wish("c1"))
    empty = CanaryState(operators.key)
    await operators.store.replace(operators.key, empty, Decision(store.following(empty, 1, Answer("c1", "ok", True)), (), None))

    async def versions() -> list[str]:
        kinds = ("Canary", "ConfigRollout", "RolloutCommand")
        return [one["metadata"]["resourceVersion"] for kind in kinds for one in await api.list(kind, namespace)]

    before = await versions()
    for _ in range(3):
        await operators.store.load(operators.key)
    assert await versions() == before
