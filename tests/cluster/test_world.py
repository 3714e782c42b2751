"""The world of scenarios: what it answers, and that it tells of every request."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from cluster.testbed.world import World

Raw = dict[str, Any]
BAD = {"match": "success", "value": 99.9, "when": {"workload": "app", "config": "configmap/c", "key": "color", "is": "bad", "value": 80}}


class Place:
    """A world, what living pods read, and what it told."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.living: list[Raw] = []
        self.told: list[tuple[str, str, Raw]] = []
        self.world = World(lambda namespace, workload: self.living, lambda *call: self.told.append(call))

    async def ask(self, query: str) -> Any:
        """A metric query: the value, or what came instead."""
        async with self.session.get(f"{self.world.address}/prom/api/v1/query", params={"query": query}) as answer:
            if answer.status != 200:
                return answer.status
            return [item["value"][1] for item in (await answer.json())["data"]["result"]]

    async def call(self, name: str) -> int:
        """A webhook: its status."""
        async with self.session.post(f"{self.world.address}/hook/test/{name}", json={"name": "app"}) as answer:
            return answer.status


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with aiohttp.ClientSession() as session:
        made = Place(session)
        async with made.world:
            yield made


async def test_the_first_rule_that_is_found_in_a_query_answers(place: Place) -> None:
    place.world.script("test", {"metrics": [{"match": "latency", "values": [1, 2]}, {"match": "none", "empty": True}, {"value": 99.9}]})
    assert [await place.ask('latency{namespace="test"}') for _ in range(3)] == [["1"], ["2"], ["2"]]
    assert await place.ask('none{namespace="test"}') == []
    assert await place.ask('success{namespace="test"}') == ["99.9"]
    assert await place.ask('success{namespace="another"}') == []


async def test_a_metric_server_may_be_down_or_say_that_nothing_is_a_number(place: Place) -> None:
    place.world.script(
        "test", {"metrics": [{"match": "x", "status": 500}, {"match": "y", "nan": True}, {"match": "z", "value": 1, "series": 2}]}
    )
    assert [await place.ask(f'{name}{{namespace="test"}}') for name in "xyz"] == [500, ["NaN"], ["1", "1"]]


async def test_metrics_follow_what_living_pods_read(place: Place) -> None:
    place.world.script("test", {"metrics": [BAD]})
    place.living = [{"configmap/c": {"color": "red"}}]
    assert await place.ask('success{namespace="test"}') == ["99.9"]
    place.living = [{"configmap/c": {"color": "bad"}}]
    assert await place.ask('success{namespace="test"}') == ["80"]


async def test_hooks_answer_by_call_and_start_anew_with_a_new_script(place: Place) -> None:
    gate = {"hooks": {"gate": {"statuses": [403, 200]}}}
    place.world.script("test", gate)
    assert [await place.call("gate") for _ in range(3)] == [403, 200, 200]
    place.world.script("test", gate)
    assert await place.call("gate") == 403
    assert await place.call("another") == 200


async def test_every_request_is_told_with_its_answer(place: Place) -> None:
    place.world.script("test", {"metrics": [{"value": 7}]})
    await place.ask('up{namespace="test"}')
    await place.call("gate")
    (asked, called) = place.told
    assert asked[:2] == ("test", "queries") and asked[2]["answer"] == 7
    assert called[:2] == ("test", "hooks") and called[2]["body"] == {"name": "app"} and called[2]["answer"] == 200
