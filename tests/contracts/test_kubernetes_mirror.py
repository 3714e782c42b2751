"""The mirror against a server that answers as a script says."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from random import Random

import pytest
from aiohttp import web

from trimtab.adapters.kubernetes.client import Client, Deadlines
from trimtab.adapters.kubernetes.errors import NotServed
from trimtab.adapters.kubernetes.kinds import CONFIG_MAP, SECRET
from trimtab.adapters.kubernetes.mirror import Mirror
from trimtab.errors import Denied, OutsideError

from .kubernetes_api import Api, Reply, bookmark, event, garbage, gives, listing, made, status, talking, until


class Still(Random):
    """No pauses."""

    def uniform(self, a: float, b: float) -> float:
        return 0.0


class Short(Random):
    """Pauses of a hundredth of the longest."""

    def uniform(self, a: float, b: float) -> float:
        return 0.02


@asynccontextmanager
async def mirrored(
    api: Api, client: Client, namespaces: tuple[str, ...] = (), chance: Random | None = None
) -> AsyncIterator[tuple[Mirror, list[str]]]:
    """A mirror that runs, and `NAME@VERSION` of all that it tells."""
    mirror, told = Mirror(client, CONFIG_MAP, namespaces, chance=chance or Still()), list[str]()
    mirror.listen(lambda found: told.append(words([found])[0]))
    task = asyncio.create_task(mirror.run())
    try:
        yield mirror, told
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def words(found: Iterable[dict[str, object]]) -> list[str]:
    return sorted(f"{one['metadata']['name']}@{one['metadata']['resourceVersion']}" for one in found)  # type: ignore[index]


async def test_what_is_listed_and_what_happens_later_is_held_and_told() -> None:
    async with talking() as (api, client):
        api.says(
            listing("10", made("a", "1"), made("b", "2")),
            api.stream(event("ADDED", made("c", "11")), event("MODIFIED", made("a", "12")), event("DELETED", made("b", "13")), then="stay"),
        )
        async with mirrored(api, client) as (mirror, told):
            await until(lambda: len(told) == 5)
            assert words(mirror.all()) == ["a@12", "c@11"]
            assert mirror.get("shop", "b") is None
            assert told == ["a@1", "b@2", "c@11", "a@12", "b@2"]


async def test_whoever_changes_what_the_mirror_gave_changes_nothing_in_it() -> None:
    async with talking() as (api, client):
        api.says(listing("10", made("a", "1")), api.stream(then="stay"))
        async with mirrored(api, client) as (mirror, told):
            await until(lambda: told == ["a@1"])
            found = mirror.get("shop", "a")
            assert found is not None
            found["metadata"] = {}
            assert words(mirror.all()) == ["a@1"]


async def test_ready_waits_for_the_first_complete_list_of_every_namespace() -> None:
    async with talking() as (api, client):
        gate = asyncio.Event()

        async def second(request: web.Request) -> web.StreamResponse:
            if request.query.get("watch"):
                return await api.stream(then="stay")(request)
            if "/two/" in request.path:
                await gate.wait()
            return await listing("5", made("x", "1", namespace=request.path.split("/")[4]))(request)

        api.says(second)
        async with mirrored(api, client, ("one", "two")) as (mirror, told):
            ready = asyncio.create_task(mirror.ready())
            await until(lambda: mirror.get("one", "x") is not None)
            assert not ready.done()
            gate.set()
            await ready
            assert mirror.get("two", "x") is not None
            assert len(told) == 2


@pytest.mark.parametrize(("reply", "error"), [(status(403, "Forbidden"), Denied), (garbage("404 page not found", 404), NotServed)])
async def test_ready_says_what_somebody_must_change_and_works_once_that_is_done(reply: Reply, error: type[OutsideError]) -> None:
    async with talking() as (api, client):
        fixed = asyncio.Event()

        async def refusing(request: web.Request) -> web.StreamResponse:
            if request.query.get("watch"):
                return await api.stream(then="stay")(request)
            return await (listing("10", made("a", "1")) if fixed.is_set() else reply)(request)

        api.says(refusing)
        async with mirrored(api, client, chance=Short()) as (mirror, told):
            with pytest.raises(error):
                await mirror.ready()
            fixed.set()
            await until(lambda: told == ["a@1"])
            await mirror.ready()


async def test_a_watch_that_ends_or_breaks_goes_on_from_the_last_version_without_a_list() -> None:
    async with talking() as (api, client):
        api.says(
            listing("10"),
            api.stream(event("ADDED", made("a", "11")), bookmark("40")),
            api.stream(event("ADDED", made("b", "41")), then="cut"),
            api.stream(event("ADDED", made("c", "42")), then="stay"),
        )
        async with mirrored(api, client) as (_, told):
            await until(lambda: "c@42" in told)
        assert [seen.query.get("resourceVersion", "list") for seen in api.seen] == ["list", "10", "40", "41"]
        assert all(seen.query["allowWatchBookmarks"] == "true" for seen in api.seen[1:])


async def test_a_dead_connection_is_replaced_and_only_a_server_that_is_away_is_trouble() -> None:
    async with talking(Deadlines(call=0.2, quiet=0.1)) as (api, client):
        api.says(
            listing("10"),
            api.stream(then="stay"),
            *[api.silence()] * 3,
            api.stream(event("ADDED", made("a", "11")), then="stay"),
        )
        async with mirrored(api, client) as (mirror, told):
            await until(lambda: len(api.seen) == 3)
            assert mirror.trouble == ""
            await until(lambda: bool(mirror.trouble))
            await until(lambda: told == ["a@11"])
            assert mirror.trouble == ""


@pytest.mark.parametrize("how", ["answer", "event"])
async def test_after_410_only_what_changed_meanwhile_is_told(how: str) -> None:
    async with talking() as (api, client):
        gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
        api.says(
            listing("10", made("a", "1"), made("b", "2"), made("c", "3")),
            status(410, "Expired") if how == "answer" else api.stream(event("ERROR", gone)),
            listing("50", made("a", "1"), made("b", "49")),
            api.stream(then="stay"),
        )
        async with mirrored(api, client) as (mirror, told):
            await until(lambda: len(api.seen) == 4)
            assert words(mirror.all()) == ["a@1", "b@49"]
            assert told[3:] == ["c@3", "b@49"]
        assert api.seen[3].query["resourceVersion"] == "50"


async def test_a_server_that_is_away_is_asked_with_growing_pauses_and_trouble_says_why() -> None:
    async with talking() as (api, client):
        api.says(*[status(500, "InternalError", "etcd is gone")] * 4, listing("10", made("a", "1")), api.stream(then="stay"))
        async with mirrored(api, client, chance=Short()) as (mirror, _):
            await until(lambda: bool(mirror.trouble))
            assert "list configmaps in all namespaces" in mirror.trouble
            assert "etcd is gone" in mirror.trouble
            await mirror.ready()
            assert mirror.trouble == ""
        gaps = [after.at - before.at for before, after in zip(api.seen[:4], api.seen[1:5], strict=True)]
        assert all(gap >= least for gap, least in zip(gaps, (0.01, 0.02, 0.04, 0.08), strict=True))


async def test_a_server_that_ends_every_watch_at_once_is_not_asked_without_pause() -> None:
    async with talking() as (api, client):
        api.says(listing("10"), api.stream())
        async with mirrored(api, client, chance=Short()):
            await until(lambda: len(api.seen) >= 6)
        gaps = [after.at - before.at for before, after in zip(api.seen[2:5], api.seen[3:6], strict=True)]
        assert all(gap >= least for gap, least in zip(gaps, (0.01, 0.02, 0.04), strict=True))


async def test_a_throttled_mirror_waits_as_long_as_it_was_told() -> None:
    async with talking() as (api, client):
        api.says(status(429, "TooManyRequests", after="1"), listing("10"), api.stream(then="stay"))
        async with mirrored(api, client) as (mirror, _):
            await mirror.ready()
        assert api.seen[1].at - api.seen[0].at >= 1.0


async def test_our_own_write_is_read_at_once_and_no_older_version_wins_over_it() -> None:
    async with talking() as (api, client):
        go = asyncio.Event()

        async def late(request: web.Request) -> web.StreamResponse:
            await go.wait()
            lines = [event("MODIFIED", made("a", "20")), event("MODIFIED", made("a", "ours")), event("MODIFIED", made("a", "5"))]
            return await api.stream(*lines, then="stay")(request)

        api.says(listing("10", made("a", "9")), late)
        async with mirrored(api, client) as (mirror, told):
            await mirror.ready()
            mirror.put(made("a", "ours"))
            assert words(mirror.all()) == ["a@ours"]
            go.set()
            # Versions are opaque: "5" came after ours, so it is newer.
            await until(lambda: words(mirror.all()) == ["a@5"])
            assert told == ["a@9", "a@ours", "a@5"]


async def test_an_answer_that_comes_after_the_watch_brought_it_changes_nothing() -> None:
    async with talking() as (api, client):
        lines = [
            event("MODIFIED", made("a", "11")),
            event("MODIFIED", made("a", "12")),
            event("ADDED", made("b", "13")),
            event("DELETED", made("b", "14")),
        ]
        api.says(listing("10", made("a", "9")), api.stream(*lines, then="stay"))
        async with mirrored(api, client) as (mirror, told):
            await until(lambda: len(told) == 5)
            # The last is what the API server answers to the write that takes away the last finalizer.
            for late in (made("a", "11"), made("a", "12"), made("b", "13"), made("b", "13.5")):
                mirror.put(late)
            assert words(mirror.all()) == ["a@12"]
            assert len(told) == 5


async def test_what_lies_outside_the_namespaces_is_not_kept() -> None:
    async with talking() as (_, client):
        mirror = Mirror(client, CONFIG_MAP, ("shop",))
        mirror.put(made("a", "1", namespace="other"))
        mirror.put(made("a", "1"))
        assert mirror.get("other", "a") is None
        assert mirror.get("shop", "a") is not None


async def test_what_we_made_and_somebody_deleted_is_gone() -> None:
    async with talking() as (api, client):
        go = asyncio.Event()

        async def late(request: web.Request) -> web.StreamResponse:
            await go.wait()
            return await api.stream(event("DELETED", made("a", "31")), event("ADDED", made("a", "32", uid="next")), then="stay")(request)

        api.says(listing("10"), late)
        async with mirrored(api, client) as (mirror, told):
            await mirror.ready()
            mirror.put(made("a", "30"))
            go.set()
            await until(lambda: told[-1:] == ["a@32"])
            assert told == ["a@30", "a@30", "a@32"]


async def test_what_is_put_while_a_list_is_under_way_is_read_again_and_wins() -> None:
    async with talking() as (api, client):
        asked, go = asyncio.Event(), asyncio.Event()

        async def old(request: web.Request) -> web.StreamResponse:
            asked.set()
            await go.wait()
            return await listing("10", made("a", "9"), made("b", "8"))(request)

        async def fresh(request: web.Request) -> web.StreamResponse:
            return await gives(made("a", "12"))(request)

        lines = [event("MODIFIED", made("a", "11")), event("MODIFIED", made("a", "12")), event("MODIFIED", made("a", "13"))]
        api.says(old, fresh, api.stream(*lines, then="stay"))
        async with mirrored(api, client) as (mirror, told):
            await asked.wait()
            mirror.put(made("a", "11"))
            go.set()
            await until(lambda: told[-1:] == ["a@13"])
            assert told == ["a@11", "a@12", "b@8", "a@13"]


async def test_neither_managed_fields_nor_the_last_applied_configuration_nor_values_of_secrets_are_kept() -> None:
    async with talking() as (api, client):
        found = made("a", "1", data={"k": "v"})
        found["metadata"] |= {
            "managedFields": [{"manager": "x"}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "own": "1"},
        }
        api.says(listing("10", found), api.stream(then="stay"))
        async with mirrored(api, client) as (mirror, _):
            await mirror.ready()
            kept = mirror.get("shop", "a")
            assert kept is not None
            assert kept["data"] == {"k": "v"}
            assert kept["metadata"] == {
                "namespace": "shop",
                "name": "a",
                "uid": "uid-a",
                "resourceVersion": "1",
                "annotations": {"own": "1"},
            }
        secrets = Mirror(client, SECRET, (), metadata_only=True)
        secrets.put(made("s", "1", data={"password": "aHVudGVyMg=="}))
        assert "aHVudGVyMg==" not in str(secrets.get("shop", "s"))


async def test_a_mirror_of_metadata_asks_for_metadata_only() -> None:
    async with talking() as (api, client):
        api.says(listing("10", made("a", "1")), api.stream(then="stay"))
        mirror = Mirror(client, SECRET, (), metadata_only=True, chance=Still())
        task = asyncio.create_task(mirror.run())
        await until(lambda: len(api.seen) == 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [seen.headers["Accept"] for seen in api.seen] == [
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        ]
        found = mirror.get("shop", "a")
        assert found is not None
        assert found["kind"] == "Secret"
