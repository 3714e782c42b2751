"""What wakes a Canary of a cluster, and so cuts off the pass that is under way, and what only has it looked at again (P5)."""

import asyncio
from typing import Any, cast

from cluster.opened import canary, config_map, deployment
from trimtab.adapters.clock import SystemClock
from trimtab.adapters.kubernetes.client import Client, Listing
from trimtab.adapters.kubernetes.cluster import Cluster
from trimtab.adapters.kubernetes.configs import Configs
from trimtab.adapters.kubernetes.copies import Copies
from trimtab.adapters.kubernetes.kinds import CANARY, CONFIG_MAP, CONFIG_ROLLOUT, DEPLOYMENT, Kind
from trimtab.adapters.kubernetes.mirror import Mirror
from trimtab.adapters.kubernetes.rollouts import rollout_object
from trimtab.adapters.kubernetes.settings import Settings
from trimtab.adapters.kubernetes.sources import ClusterSources
from trimtab.adapters.kubernetes.store import Adopted, ClusterStore
from trimtab.config.digest import DigestKey
from trimtab.errors import Unavailable
from trimtab.model.names import CanaryKey
from trimtab.model.rollout import CanaryState
from trimtab.testing.contracts.store import following
from trimtab.wiring.cluster import MIRRORED

APP, OTHER = CanaryKey("shop", "app"), CanaryKey("shop", "other")
Raw = dict[str, Any]
OWNER: Raw = {"apiVersion": CANARY.api_version, "kind": CANARY.kind, "name": "app", "uid": "Canary-uid"}


async def nothing(key: CanaryKey, older: CanaryState | None) -> Adopted | None:
    return None


class Values:
    """An API server that gives out the values of one ConfigMap, or cannot; statuses it does not take."""

    def __init__(self) -> None:
        self.there: Raw | None = None
        self.away = False

    async def get(self, kind: Kind, namespace: str, name: str) -> Raw | None:
        if self.away:
            raise Unavailable(f"{kind.kind} {name} cannot be read")
        return self.there if kind is CONFIG_MAP else None

    async def patch(self, kind: Kind, namespace: str, name: str, change: Raw, subresource: str = "") -> Raw:
        raise Unavailable(f"{kind.kind} {name} cannot be written")


class Place:
    """Two Canaries, of which one reads a ConfigMap. `again` are those that are to be looked at again."""

    def __init__(self) -> None:
        self.values, self.versions = Values(), 0
        self.mirrors = {kind: Mirror(cast(Client, self.values), kind, ()) for kind in MIRRORED}
        self.cluster = Cluster(cast(Client, self.values), self.mirrors, Settings())
        self.again: asyncio.Queue[CanaryKey] = asyncio.Queue()
        self.cluster.wakers.append(self.again.put_nowait)
        configs = Configs(self.cluster, DigestKey("k1", b"k" * 32))
        self.sources = ClusterSources(self.cluster, Settings(), configs, Copies(self.cluster, Settings(), configs), SystemClock())
        self.put(DEPLOYMENT, deployment())
        self.put(DEPLOYMENT, deployment("other", reads=()))
        self.put(CANARY, canary())
        self.put(CANARY, canary("other"))
        self.write("one")

    def put(self, kind: Kind, found: Raw) -> Raw:
        """As the watch brings it."""
        self.versions += 1
        head = {**found["metadata"], "namespace": "shop", "uid": f"{kind.kind}-uid", "resourceVersion": str(self.versions)}
        self.mirrors[kind].put({**found, "metadata": head})
        return {**found, "metadata": head}

    def write(self, value: str) -> None:
        """Somebody writes the ConfigMap, maybe what it held before."""
        self.values.there = self.put(CONFIG_MAP, config_map(value=value))

    def edit_other(self, number: int) -> None:
        """Somebody edits the Canary that reads nothing."""
        self.put(CANARY, canary("other", {"edited": str(number)}))

    def attempt(self, number: int) -> Raw:
        """The record of an attempt of the first Canary, as the watch brings it."""
        made = rollout_object(following(CanaryState(APP), number), (), OWNER, {})
        return self.put(CONFIG_ROLLOUT, {**made, "metadata": {"name": f"app-{number}", "ownerReferences": [OWNER]}})

    def store(self) -> ClusterStore:
        """Over what the mirrors have; there was nothing before it."""
        return ClusterStore(self.cluster, nothing, lambda namespace, name, digest: "", SystemClock())


async def test_a_config_map_that_is_written_with_what_it_held_wakes_nobody_and_one_with_something_else_does() -> None:
    place = Place()
    for key in (APP, OTHER):
        assert (await place.sources.read(key)).revision is not None
    changes = place.sources.changes()
    assert {await anext(changes), await anext(changes)} == {APP, OTHER}
    place.write("one")
    place.edit_other(1)
    assert await anext(changes) == OTHER
    place.write("two")
    assert await anext(changes) == APP
    place.edit_other(2)
    assert await anext(changes) == OTHER
    assert place.again.empty()


async def test_a_config_map_that_changes_while_a_pass_reads_it_wakes_all_the_same() -> None:
    place = Place()
    await place.sources.read(APP)
    changes = place.sources.changes()
    assert {await anext(changes), await anext(changes)} == {APP, OTHER}
    place.write("two")
    await place.sources.read(APP)
    assert await anext(changes) == APP


async def test_content_that_cannot_be_read_is_looked_at_again_and_cuts_off_nothing() -> None:
    place = Place()
    await place.sources.read(APP)
    changes = place.sources.changes()
    assert {await anext(changes), await anext(changes)} == {APP, OTHER}
    place.values.away = True
    place.write("two")
    place.edit_other(1)
    assert await anext(changes) == OTHER
    coming = asyncio.ensure_future(anext(changes))
    async with asyncio.timeout(20):
        assert await place.again.get() == APP
        assert (await place.sources.read(APP)).revision is None
        assert await place.again.get() == APP
    assert not coming.done()
    coming.cancel()
    await asyncio.wait([coming])


async def test_a_status_that_cannot_be_written_is_tried_again_and_cuts_off_nothing() -> None:
    place = Place()
    rollout = place.attempt(1)
    place.put(CANARY, {**canary(), "metadata": {"name": "app", "finalizers": ["finalizer.flagger.app"]}})
    place.values.there = None

    async def get(kind: Kind, namespace: str, name: str) -> Raw | None:
        return rollout if kind is CONFIG_ROLLOUT else None

    place.values.get = get  # type: ignore[method-assign]

    store = place.store()
    await store.load(APP)
    assert APP in store.behind
    coming = asyncio.ensure_future(anext(store.changes()))
    async with asyncio.timeout(20):
        assert await place.again.get() == APP
    assert not coming.done()
    coming.cancel()
    await asyncio.wait([coming])


async def test_a_newest_attempt_that_somebody_deletes_has_its_canary_looked_at_and_an_older_one_does_not() -> None:
    place = Place()
    there = {f"app-{number}": place.attempt(number) for number in (1, 2)}

    async def get(kind: Kind, namespace: str, name: str, *, metadata_only: bool = False) -> Raw | None:
        return there.get(name)

    async def listing(kind: Kind, namespace: str, *, metadata_only: bool = False) -> Listing:
        place.versions += 1
        return Listing(tuple(there.values()), str(place.versions))

    place.values.get = get  # type: ignore[method-assign]
    place.values.list = listing  # type: ignore[attr-defined]
    store = place.store()
    await store.load(APP)
    while not place.again.empty():
        place.again.get_nowait()
    mirror = place.mirrors[CONFIG_ROLLOUT]
    for name, woken in (("app-1", []), ("app-2", [APP])):
        del there[name]
        await mirror._list(mirror._scopes[0])
        assert [place.again.get_nowait() for _ in range(place.again.qsize())] == woken
