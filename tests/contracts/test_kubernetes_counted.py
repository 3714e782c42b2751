"""What a person's commands read of a cluster: contents, and what the judge counted, through an API server that merges patches."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from trimtab.adapters.kubernetes.rollouts import rollout_object
from trimtab.adapters.kubernetes.visitor import Visitor
from trimtab.config.digest import checksum
from trimtab.errors import InputError
from trimtab.model.content import Content
from trimtab.model.counted import Counted
from trimtab.model.decision import Decision
from trimtab.model.names import ConfigKind, ConfigName
from trimtab.model.rollout import CanaryState
from trimtab.testing.contracts.store import following, look

from .kubernetes_api import status, talking
from .test_kubernetes_store import HEAD, KEY, OWNER, a_store


@dataclass
class Server:
    """One ConfigRollout, as an API server keeps it."""

    found: dict[str, Any]
    patches: list[dict[str, Any]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        name = request.path.rsplit("/", 1)[-1]
        if name == "configrollouts":
            return web.json_response({"metadata": {"resourceVersion": "9"}, "items": [self.found]})
        if name == "status":
            return web.json_response({"metadata": HEAD})
        if name != "app-1":
            return await status(404, "NotFound", name=name, kind="configrollouts")(request)
        if request.method == "PATCH":
            patch = json.loads(await request.read())
            self.patches.append(patch)
            version = int(self.found["metadata"]["resourceVersion"]) + 1
            self.found = merged(self.found, patch) | {"metadata": self.found["metadata"] | {"resourceVersion": str(version)}}
        return web.json_response(self.found)


def merged(old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """As RFC 7396 merges."""
    both = {**old, **{name: merged(old.get(name) or {}, value) if isinstance(value, dict) else value for name, value in patch.items()}}
    return {name: value for name, value in both.items() if value is not None}


async def test_counts_are_added_look_by_look_and_read_back_by_another_person() -> None:
    state, looks = following(CanaryState(KEY), 1), list[Counted]()
    there = rollout_object(state, (), OWNER, {})
    there["metadata"] = {**HEAD, "name": "app-1", "ownerReferences": [OWNER]}
    server = Server(there)
    async with talking() as (api, client):
        api.says(server.answer)
        store = a_store(client, server.found)
        for number in range(1, 5):
            if number == 3:
                # An operator that was just started finds what there is, and adds to it.
                store = a_store(client, server.found)
            after = following(state, 1)
            await store.replace(KEY, state, Decision(after, (), None, (look(number),)))
            state, looks = after, [*looks, look(number)]
            assert await store.counted(KEY, 1) == tuple(looks)
        assert await Visitor(client, "shop").counted(KEY, 1) == tuple(looks)
        assert await Visitor(client, "shop").counted(KEY, 2) == ()
    assert [len(patch["status"]["counted"]) for patch in server.patches] == [1, 1, 1, 1], "a patch holds only what is new"


async def test_what_an_object_holds_is_told_as_the_status_tells_it_whatever_is_in_its_values() -> None:
    data = {"url": "http://x/?a=1&b=<2>"}
    held = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app", "namespace": "shop"}, "data": data}

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/namespaces/shop/configmaps/app"):
            return web.json_response(held)
        return await status(404, "NotFound", name="app", kind="secrets")(request)

    async with talking() as (api, client):
        api.says(answer)
        person = Visitor(client, "shop")
        name = ConfigName(ConfigKind.CONFIG_MAP, "app")
        assert await person.checksum(KEY, name) == checksum(Content(name, {"url": data["url"].encode()})) != checksum(Content(name, {}))
        with pytest.raises(InputError, match="Secret app is not in namespace shop"):
            await person.checksum(KEY, ConfigName(ConfigKind.SECRET, "app"))
