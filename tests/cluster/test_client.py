"""The Kubernetes client and the mirror against a real API server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest

from cluster.testbed.api import Api
from cluster.testbed.plane import ControlPlane
from trimtab.adapters.kubernetes.client import Client, Deadlines, Object, connected
from trimtab.adapters.kubernetes.connection import connection
from trimtab.adapters.kubernetes.errors import Gone, NotServed
from trimtab.adapters.kubernetes.kinds import CANARY, CONFIG_MAP, DEPLOYMENT, SECRET, Kind
from trimtab.adapters.kubernetes.mirror import Mirror, uid_of, version_of
from trimtab.config.references import mapping
from trimtab.errors import Conflict, Denied, InputError

pytestmark = pytest.mark.cluster


@pytest.fixture
async def client(plane: ControlPlane) -> AsyncIterator[Client]:
    async with connected(connection(str(plane.kubeconfig))) as opened:
        yield opened


@asynccontextmanager
async def running(mirror: Mirror) -> AsyncIterator[None]:
    task = asyncio.create_task(mirror.run())
    try:
        async with asyncio.timeout(30):
            await mirror.ready()
        yield
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


def config(namespace: str, name: str = "app", **data: str) -> Object:
    return {"metadata": {"namespace": namespace, "name": name}, "data": data}


async def test_an_object_is_made_changed_and_deleted_by_compare_and_swap(client: Client, namespace: str) -> None:
    made = await client.create(CONFIG_MAP, config(namespace, color="red"))
    assert await client.get(CONFIG_MAP, namespace, "app") == made
    with pytest.raises(Conflict):
        await client.create(CONFIG_MAP, config(namespace))
    changed = await client.replace(CONFIG_MAP, {**made, "data": {"color": "blue"}})
    with pytest.raises(Conflict):
        await client.replace(CONFIG_MAP, {**made, "data": {"color": "green"}})
    with pytest.raises(Conflict):
        await client.patch(CONFIG_MAP, namespace, "app", {"metadata": {"resourceVersion": version_of(made)}, "data": {"color": "green"}})
    patched = await client.patch(
        CONFIG_MAP, namespace, "app", {"metadata": {"resourceVersion": version_of(changed)}, "data": {"more": "1"}}
    )
    assert patched["data"] == {"color": "blue", "more": "1"}
    assert await client.delete(CONFIG_MAP, namespace, "app", uid="00000000-0000-0000-0000-000000000000") is False
    assert await client.get(CONFIG_MAP, namespace, "app") is not None
    assert await client.delete(CONFIG_MAP, namespace, "app", uid=uid_of(made)) is True
    assert await client.delete(CONFIG_MAP, namespace, "app", uid=uid_of(made)) is False
    assert await client.get(CONFIG_MAP, namespace, "app") is None
    for write in (client.patch(CONFIG_MAP, namespace, "app", {}), client.replace(CONFIG_MAP, patched)):
        with pytest.raises(Conflict):
            await write


async def test_apply_takes_over_what_it_names_and_changes_nothing_the_second_time(client: Client, namespace: str) -> None:
    await client.create(CONFIG_MAP, config(namespace, color="red", size="1"))
    wanted = config(namespace, color="blue")
    first = await client.apply(CONFIG_MAP, wanted)
    second = await client.apply(CONFIG_MAP, wanted)
    assert first["data"] == {"color": "blue", "size": "1"}
    assert version_of(second) == version_of(first)


async def test_what_the_api_server_refuses_names_the_field_but_not_the_value_of_a_secret(client: Client, namespace: str) -> None:
    with pytest.raises(InputError, match=r"spec\.selector"):
        await client.create(DEPLOYMENT, {"metadata": {"namespace": namespace, "name": "app"}, "spec": {}})
    for secret in ({"data": {"password": "hunter2 is no base64"}}, {"type": "kubernetes.io/tls", "stringData": {"hunter2": "hunter2"}}):
        with pytest.raises(InputError) as raised:
            await client.create(SECRET, {"metadata": {"namespace": namespace, "name": "s"}, **secret})
        assert "hunter2" not in str(raised.value)


async def test_a_kind_that_is_not_installed_and_a_namespace_that_is_not_there_are_told_apart(client: Client, namespace: str) -> None:
    unknown = Kind("nobody.example/v1", "Thing", "things")
    with pytest.raises(NotServed, match=r"Install the CRD of things\.nobody\.example"):
        await client.get(unknown, namespace, "a")
    with pytest.raises(NotServed):
        await client.list(unknown)
    assert await client.get(CANARY, namespace, "a") is None
    with pytest.raises(Exception, match="Create the namespace"):
        await client.create(CONFIG_MAP, config("no-such-namespace"))


async def test_who_may_not_ask_is_told_what_is_missing(plane: ControlPlane, api: Api, namespace: str) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
    async with connected(connection(str(plane.account(namespace, "reader", rules)))) as reader:
        assert await reader.get(CONFIG_MAP, namespace, "app") is None
        with pytest.raises(Denied, match=rf"list secrets in {namespace}.*system:serviceaccount:{namespace}:reader.*Role"):
            await reader.list(SECRET, namespace)
        with pytest.raises(Denied):
            async for _ in reader.watch(CONFIG_MAP, namespace, "1"):
                pass
    async with connected(connection(str(plane.write_kubeconfig("stranger", "no-such-token")))) as stranger:
        with pytest.raises(Denied, match="does not accept the credentials"):
            await stranger.get(CONFIG_MAP, namespace, "app")


async def test_metadata_only_brings_no_values_neither_listed_nor_watched(client: Client, namespace: str) -> None:
    await client.create(SECRET, {"metadata": {"namespace": namespace, "name": "s"}, "stringData": {"password": "hunter2"}})
    listing = await client.list(SECRET, namespace, metadata_only=True)
    found = await client.get(SECRET, namespace, "s", metadata_only=True)
    assert [(item["kind"], "data" in item) for item in (*listing.items, found or {})] == [("Secret", False)] * 2
    await client.patch(SECRET, namespace, "s", {"stringData": {"password": "hunter3"}})
    async for change in client.watch(SECRET, namespace, listing.version, metadata_only=True):
        if change.type != "BOOKMARK":
            assert (change.type, change.object["kind"], "data" in change.object) == ("MODIFIED", "Secret", False)
            break


async def test_a_watch_ends_when_its_time_is_over(plane: ControlPlane, namespace: str) -> None:
    async with connected(connection(str(plane.kubeconfig)), Deadlines(watch=1.0)) as client:
        listing = await client.list(CONFIG_MAP, namespace)
        async with asyncio.timeout(20):
            assert {change.type async for change in client.watch(CONFIG_MAP, namespace, listing.version)} == {"BOOKMARK"}


async def test_a_mirror_that_is_also_written_to_never_goes_back_and_ends_as_the_api_server_has_it(client: Client, namespace: str) -> None:
    mirror, told = Mirror(client, CONFIG_MAP, (namespace,), chance=Random(1)), dict[str, list[int]]()
    mirror.listen(lambda found: told.setdefault(uid_of(found), []).append(int(version_of(found))))
    chance = Random(2)

    async def write(name: str) -> None:
        for count in range(25):
            match chance.randrange(4):
                case 0 if mirror.get(namespace, name) is not None:
                    await client.delete(CONFIG_MAP, namespace, name)
                case 1:
                    await client.apply(CONFIG_MAP, config(namespace, name, count=str(count)))
                case _:
                    mirror.put(await client.apply(CONFIG_MAP, config(namespace, name, count=str(count))))

    async with running(mirror):
        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(write(f"app-{number}"))
        listing = await client.list(CONFIG_MAP, namespace)
        wanted = {uid_of(item): version_of(item) for item in listing.items}
        await until(lambda: {uid_of(item): version_of(item) for item in mirror.all()} == wanted)
    assert all(versions == sorted(versions) for versions in told.values())


async def test_a_mirror_outlives_the_api_server_which_then_knows_no_old_versions(
    plane: ControlPlane, client: Client, namespace: str
) -> None:
    await client.create(CONFIG_MAP, config(namespace, "before"))
    mirror, told = Mirror(client, CONFIG_MAP, (namespace,), chance=Random(1)), list[str]()
    mirror.listen(lambda found: told.append(str(mapping(found["metadata"])["name"])))
    async with running(mirror):
        await asyncio.to_thread(plane.stop, "kube-apiserver")
        await until(lambda: bool(mirror.trouble))
        assert mirror.get(namespace, "before") is not None
        plane.start("kube-apiserver")  # by a thread that lives on: it is killed with the thread that started it
        await asyncio.to_thread(plane.wait_ready)
        await client.create(CONFIG_MAP, config(namespace, "after"))
        await until(lambda: mirror.get(namespace, "after") is not None)
        assert mirror.trouble == ""
    assert told.count("before") == 1
    assert told.count("after") == 1
    with pytest.raises(Gone):
        async for _ in client.watch(CONFIG_MAP, namespace, "1"):
            pass
