"""The Kubernetes client against a server that answers as a script says."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from trimtab import __version__
from trimtab.adapters.kubernetes.client import Deadlines, connected
from trimtab.adapters.kubernetes.connection import Connection
from trimtab.adapters.kubernetes.errors import Gone, NotServed
from trimtab.adapters.kubernetes.kinds import CANARY, CONFIG_MAP, DEPLOYMENT, SECRET
from trimtab.adapters.kubernetes.trust import Trust
from trimtab.errors import Conflict, Denied, InputError, Throttled, TrimtabError, Unavailable

from .kubernetes_api import (
    Nobody,
    bookmark,
    certificates,
    event,
    garbage,
    gives,
    listing,
    made,
    serving,
    serving_tls,
    status,
    talking,
    towards,
)


async def test_get_gives_the_object_and_none_only_where_it_is_not_there() -> None:
    async with talking() as (api, client):
        api.says(gives(made("a", "1")), status(404, "NotFound", 'configmaps "b" not found', name="b", kind="configmaps"))
        assert await client.get(CONFIG_MAP, "shop", "a") == made("a", "1")
        assert await client.get(CONFIG_MAP, "shop", "b") is None
        assert [seen.path for seen in api.seen] == ["/api/v1/namespaces/shop/configmaps/a", "/api/v1/namespaces/shop/configmaps/b"]
        assert api.seen[0].headers["User-Agent"] == f"trimtab/{__version__}"


async def test_a_kind_that_the_api_server_does_not_know_is_not_mistaken_for_an_object_that_is_not_there() -> None:
    async with talking() as (api, client):
        api.says(garbage("404 page not found\n", 404))
        with pytest.raises(NotServed, match=r"get canaries.flagger.app shop/a .*Install the CRD of canaries.flagger.app"):
            await client.get(CANARY, "shop", "a")
        assert await client.delete(CANARY, "shop", "a") is False


async def test_a_list_is_read_page_by_page() -> None:
    async with talking() as (api, client):
        api.says(listing("7", made("a", "1"), made("b", "2"), more="TOKEN"), listing("7", made("c", "3")))
        found = await client.list(CONFIG_MAP, "shop", labels="app=web")
        assert found.items == (made("a", "1"), made("b", "2"), made("c", "3"))
        assert found.version == "7"
        assert [seen.query for seen in api.seen] == [
            {"labelSelector": "app=web", "limit": "500"},
            {"labelSelector": "app=web", "limit": "500", "continue": "TOKEN"},
        ]


async def test_a_list_whose_pages_expire_is_read_at_once() -> None:
    async with talking() as (api, client):
        api.says(listing("7", made("a", "1"), more="TOKEN"), status(410, "Expired"), listing("8", made("a", "1"), made("b", "2")))
        found = await client.list(CONFIG_MAP)
        assert [item["metadata"]["name"] for item in found.items] == ["a", "b"]  # type: ignore[index]
        assert found.version == "8"
        assert api.seen[2].query == {}


async def test_writes_name_their_manager_and_say_what_they_are() -> None:
    async with talking() as (api, client):
        api.says(gives(made("a", "2")))
        bare = {"metadata": {"namespace": "shop", "name": "a"}, "data": {"k": "v"}}
        await client.create(CONFIG_MAP, bare)
        await client.replace(CONFIG_MAP, bare)
        await client.apply(CONFIG_MAP, bare)
        await client.patch(DEPLOYMENT, "shop", "a", {"spec": {"replicas": 0}}, style="strategic", subresource="scale")
        await client.patch(CANARY, "shop", "a", {"status": {}}, subresource="status")
        assert [(seen.method, seen.path.removeprefix("/api/v1/namespaces/shop"), seen.headers["Content-Type"]) for seen in api.seen] == [
            ("POST", "/configmaps", "application/json"),
            ("PUT", "/configmaps/a", "application/json"),
            ("PATCH", "/configmaps/a", "application/apply-patch+yaml"),
            ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/a/scale", "application/strategic-merge-patch+json"),
            ("PATCH", "/apis/flagger.app/v1beta1/namespaces/shop/canaries/a/status", "application/merge-patch+json"),
        ]
        assert all(seen.query["fieldManager"] == "trimtab" for seen in api.seen)
        assert api.seen[2].query["force"] == "true"
        assert api.seen[0].body == {"apiVersion": "v1", "kind": "ConfigMap", **bare}


async def test_delete_names_the_uid_and_tells_whether_that_one_went() -> None:
    async with talking() as (api, client):
        conflict = status(409, "Conflict", "Precondition failed: UID in precondition: u1, UID in object meta: u2")
        api.says(
            gives({"kind": "Status", "status": "Success"}), conflict, gives(made("a", "9", uid="u2")), status(404, "NotFound", name="a")
        )
        assert await client.delete(CONFIG_MAP, "shop", "a", uid="u1") is True
        assert await client.delete(CONFIG_MAP, "shop", "a", uid="u1") is False
        assert await client.delete(CONFIG_MAP, "shop", "a") is False
        assert api.seen[0].body["preconditions"] == {"uid": "u1"}
        assert api.seen[0].body["propagationPolicy"] == "Background"


async def test_a_delete_that_conflicts_although_the_uid_is_right_is_a_conflict() -> None:
    async with talking() as (api, client):
        api.says(status(409, "Conflict", "the object has been modified"), gives(made("a", "9", uid="u1")))
        with pytest.raises(Conflict):
            await client.delete(CONFIG_MAP, "shop", "a", uid="u1")


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (400, "BadRequest", InputError),
        (401, "Unauthorized", Denied),
        (403, "Forbidden", Denied),
        (404, "NotFound", Conflict),
        (409, "Conflict", Conflict),
        (409, "AlreadyExists", Conflict),
        (410, "Expired", Gone),
        (422, "Invalid", InputError),
        (429, "TooManyRequests", Throttled),
        (500, "InternalError", Unavailable),
        (503, "ServiceUnavailable", Unavailable),
        (504, "Timeout", Unavailable),
    ],
)
async def test_each_status_becomes_the_error_that_says_what_to_do(code: int, reason: str, error: type[TrimtabError]) -> None:
    async with talking() as (api, client):
        api.says(status(code, reason, "spec.replicas: Invalid value: -1", name="a"))
        with pytest.raises(error) as raised:
            await client.patch(DEPLOYMENT, "shop", "a", {})
        assert "patch deployments.apps shop/a" in str(raised.value)
        assert "spec.replicas: Invalid value: -1" in str(raised.value)
        assert type(raised.value) is error or issubclass(type(raised.value), error)


async def test_a_403_names_verb_resource_and_who_asked() -> None:
    async with talking() as (api, client):
        api.says(
            status(403, "Forbidden", 'deployments.apps is forbidden: User "system:serviceaccount:x:y" cannot list resource "deployments"')
        )
        with pytest.raises(Denied) as raised:
            await client.list(DEPLOYMENT, "shop")
        for part in ("list deployments.apps in shop", "system:serviceaccount:x:y", "user ann of context test in config", "Role"):
            assert part in str(raised.value)


@pytest.mark.parametrize(("after", "seconds"), [("86400", 60.0), ("7", 7.0), ("", 1.0), ("soon", 1.0)])
async def test_a_429_says_how_long_to_wait(after: str, seconds: float) -> None:
    async with talking() as (api, client):
        api.says(status(429, "TooManyRequests", after=after))
        with pytest.raises(Throttled) as raised:
            await client.get(CONFIG_MAP, "shop", "a")
        assert raised.value.after == seconds


async def test_credentials_are_fetched_anew_once_after_a_401() -> None:
    ann = Nobody()
    async with talking(credentials=ann) as (api, client):
        api.says(status(401, "Unauthorized"), gives(made("a", "1")), status(401, "Unauthorized"))
        assert await client.get(CONFIG_MAP, "shop", "a") is not None
        assert [seen.headers["Authorization"] for seen in api.seen] == ["Bearer token-0", "Bearer token-1"]
        with pytest.raises(Denied, match="user ann of context test in config"):
            await client.get(CONFIG_MAP, "shop", "a")
        assert len(api.seen) == 4


@pytest.mark.parametrize("code", [400, 409, 422, 500])
async def test_no_message_about_a_secret_holds_what_may_be_its_value(code: int) -> None:
    async with talking() as (api, client):
        causes = [{"reason": "FieldValueInvalid", "field": "data[password]", "message": 'Invalid value: "hunter2"'}]
        api.says(status(code, "Invalid", 'Secret "s" is invalid: data[password]: Invalid value: "hunter2"', name="s", causes=causes))
        with pytest.raises(TrimtabError) as raised:
            await client.create(SECRET, {"metadata": {"namespace": "shop", "name": "s"}, "data": {"password": "hunter2"}})
        assert "hunter2" not in str(raised.value)
        assert "data[password]: FieldValueInvalid" in str(raised.value)
        assert raised.value.__context__ is None or "hunter2" not in str(raised.value.__context__)


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    async with talking(Deadlines(call=0.1)) as (api, client):
        api.says(api.silence())
        with pytest.raises(Unavailable, match=r"get configmaps shop/a at .*no answer within 0.1 s"):
            await client.get(CONFIG_MAP, "shop", "a")


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with serving() as api:
        pass
    async with connected(towards(api)) as client:
        with pytest.raises(Unavailable, match="cannot connect"):
            await client.get(CONFIG_MAP, "shop", "a")


@pytest.mark.parametrize("text", ["<html>welcome</html>", "[]", "\xff"])
async def test_what_is_no_api_server_is_said_to_be_none(text: str) -> None:
    async with talking() as (api, client):
        api.says(garbage(text))
        with pytest.raises(Unavailable, match="not an API server"):
            await client.get(CONFIG_MAP, "shop", "a")


async def test_credentials_do_not_follow_a_redirect() -> None:
    async with talking() as (api, client):

        async def elsewhere(request: web.Request) -> web.StreamResponse:
            return web.Response(status=302, headers={"Location": f"{api.server}/other"})

        api.says(elsewhere)
        with pytest.raises(Unavailable, match="redirected"):
            await client.get(CONFIG_MAP, "shop", "a")
        assert len(api.seen) == 1


async def test_a_watch_brings_changes_cut_anywhere_and_values_with_every_kind_of_line_break() -> None:
    async with talking() as (api, client):
        odd = made("a", "11", data={"k": "one\u0085two\u2028three\x0bfour\r"})
        line = b'{"type":"ADDED","object":' + msgspec.json.encode(odd) + b"}\n"

        async def pieces(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            for at in range(0, len(line), 7):
                await response.write(line[at : at + 7])
            return response

        api.says(pieces)
        changes = [change async for change in client.watch(CONFIG_MAP, "shop", "10")]
        assert [(change.type, change.object["metadata"]["resourceVersion"]) for change in changes] == [("BOOKMARK", "10"), ("ADDED", "11")]  # type: ignore[index]
        assert changes[1].object == odd
        assert api.seen[0].query == {"watch": "1", "allowWatchBookmarks": "true", "resourceVersion": "10", "timeoutSeconds": "280"}


async def test_a_change_that_the_end_of_the_stream_cuts_off_is_left_out() -> None:
    async with talking() as (api, client):
        api.says(api.stream(bookmark("12"), b'{"type":"ADDED","obj'))
        assert len([change async for change in client.watch(CONFIG_MAP, "", "10")]) == 2


async def test_a_watch_that_falls_silent_ends() -> None:
    async with talking(Deadlines(quiet=0.1)) as (api, client):
        api.says(api.stream(event("ADDED", made("a", "11")), then="stay"))
        async with asyncio.timeout(5):
            seen = [change.type async for change in client.watch(CONFIG_MAP, "shop", "10")]
        assert seen == ["BOOKMARK", "ADDED"]


async def test_a_watch_that_is_not_answered_is_given_up_as_soon_as_any_call() -> None:
    async with talking(Deadlines(call=0.1)) as (api, client):
        api.says(api.silence())
        with pytest.raises(Unavailable, match=r"watch configmaps in shop at .*no answer within 0.1 s"):
            async with asyncio.timeout(5):
                async for _ in client.watch(CONFIG_MAP, "shop", "10"):
                    pass


async def test_a_watch_that_breaks_is_unavailable() -> None:
    async with talking() as (api, client):
        api.says(api.stream(event("ADDED", made("a", "11")), then="cut"))
        with pytest.raises(Unavailable, match="the connection broke"):
            async for _ in client.watch(CONFIG_MAP, "shop", "10"):
                pass


@pytest.mark.parametrize(("code", "error"), [(410, Gone), (500, Unavailable), (504, Unavailable), (429, Throttled)])
async def test_what_the_api_server_says_inside_a_watch_is_raised(code: int, error: type[TrimtabError]) -> None:
    async with talking() as (api, client):
        api.says(api.stream(event("ERROR", {"kind": "Status", "code": code, "message": "too old resource version: 1 (2)"})))
        with pytest.raises(error, match="too old resource version"):
            async for _ in client.watch(CONFIG_MAP, "shop", "1"):
                pass


async def test_garbage_in_a_watch_is_unavailable_not_a_bug() -> None:
    async with talking() as (api, client):
        api.says(api.stream(b"<html>\n"))
        with pytest.raises(Unavailable, match="not an API server"):
            async for _ in client.watch(CONFIG_MAP, "shop", "1"):
                pass


async def test_a_watch_that_is_left_gives_its_connection_back() -> None:
    async with talking() as (api, client):
        api.says(api.stream(then="stay"))
        async with aclosing(client.watch(CONFIG_MAP, "shop", "1")) as changes:
            async for _ in changes:
                break
        api.script.clear()
        api.says(gives(made("a", "1")))
        assert await client.get(CONFIG_MAP, "shop", "a") is not None


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize(
    ("known", "name", "verify", "problem"),
    [
        (True, "api.test", True, ""),
        (True, "", True, "its certificate is not trusted"),
        (False, "api.test", True, "its certificate is not trusted"),
        (False, "", False, ""),
    ],
)
async def test_the_servers_certificate_is_verified_as_the_kubeconfig_says(
    authority: Path, known: bool, name: str, verify: bool, problem: str
) -> None:  # fmt: skip
    async with serving(serving_tls(authority)) as api:
        api.says(gives(made("a", "1")))
        trust = Trust("test", (authority / "ca.pem").read_bytes() if known else b"", verify, name)
        async with connected(Connection(api.server, "default", "ann", trust, Nobody())) as client:
            if problem:
                with pytest.raises(Unavailable, match=problem):
                    await client.get(CONFIG_MAP, "shop", "a")
            else:
                assert await client.get(CONFIG_MAP, "shop", "a") is not None
