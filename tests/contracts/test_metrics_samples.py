"""Raw samples: pages of a Prometheus, servers that misbehave, and endpoints read directly."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import aiohttp
import numpy as np
import pytest

from contracts.fake_prometheus import FakePrometheus
from trimtab.adapters.metrics import openmetrics
from trimtab.adapters.metrics.openmetrics import Readings
from trimtab.adapters.metrics.prometheus import Server, with_credentials
from trimtab.adapters.metrics.prometheus_samples import samples
from trimtab.analysis.recipes import Found
from trimtab.errors import Denied, InputError, OutsideError, Throttled, Unavailable
from trimtab.testing.receiver import Receiver, receiver

START = datetime(2026, 1, 2, tzinfo=UTC)
QUERY = "/api/v1/query"
PASSWORD = "opensesame-7"


@dataclass
class Desk:
    """A Prometheus that scraped every 15 s."""

    there: Receiver
    session: aiohttp.ClientSession
    server: FakePrometheus = field(default_factory=FakePrometheus)

    def scraped(self, hours: float) -> None:
        self.there.answers[QUERY] = self.server.answer
        for number in range(round(hours * 240)):
            self.server.scraped(START.timestamp() + 4 + 15 * number, number, "requests", pod="a")

    async def ask(self, hours: float, selector: str = 'requests{pod="a"}', **more: object) -> list[Found]:
        asked = with_credentials(Server(self.there.address), {"token": PASSWORD.encode()}, "secret shop")
        return await samples(self.session, asked, selector, (START, START + timedelta(hours=hours)), **more)  # type: ignore[arg-type]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with receiver() as there, aiohttp.ClientSession() as session:
        yield Desk(there, session)


@pytest.mark.parametrize("closed", [True, False])
async def test_long_stretches_come_in_pages_and_every_sample_once(desk: Desk, closed: bool) -> None:
    desk.server.closed = closed
    desk.scraped(3)
    told: list[float] = []
    (found,) = await desk.ask(2.5, tell=told.append)
    assert found.labels == {"__name__": "requests", "pod": "a"}
    assert found.values.tolist() == list(range(600))
    assert np.all(np.diff(found.times) == 15)
    assert told == pytest.approx([0.4, 0.8, 1.0])
    assert [query for query, _ in desk.server.asked] == ['requests{pod="a"}[3601s]'] * 2 + ['requests{pod="a"}[1801s]']


async def test_a_page_that_is_more_than_the_server_loads_at_once_is_halved(desk: Desk) -> None:
    desk.server.most = 100
    desk.scraped(1)
    (found,) = await desk.ask(1)
    assert found.values.tolist() == list(range(240))


async def test_series_that_even_the_smallest_page_is_too_much_for_are_an_input_error(desk: Desk) -> None:
    desk.server.most = 2
    desk.scraped(1)
    with pytest.raises(InputError, match=r'cannot load 60 s of requests\{pod="a"\} at once. Name fewer series'):
        await desk.ask(1)


async def test_an_answer_of_nothing_is_empty(desk: Desk) -> None:
    desk.scraped(1)
    assert await desk.ask(1, 'requests{pod="b"}') == []


async def test_a_refused_query_says_what_the_server_said(desk: Desk) -> None:
    desk.scraped(0.1)
    with pytest.raises(InputError, match=r"refused the query requests.*: parse error: requests.*Correct names and labels"):
        await desk.ask(1, "requests")


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((200, "<html>"), Unavailable, "does not answer like a Prometheus"),
        ((200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}})), InputError, "'vector'"),
        ((401, f"no {PASSWORD}"), Denied, "which must be allowed to query"),
        ((429, "slow down"), Throttled, "Status 429"),
        ((503, "busy"), Unavailable, "Status 503"),
    ],
)
async def test_servers_that_misbehave_are_told_apart_and_no_credential_is_shown(
    desk: Desk, answer: tuple[int, str], kind: type[Exception], words: str
) -> None:
    desk.there.says(QUERY, answer)
    with pytest.raises(kind, match=words) as caught:
        await desk.ask(1)
    assert PASSWORD not in str(caught.value)
    assert desk.there.seen[0].headers["Authorization"] == f"Bearer {PASSWORD}"


async def test_a_server_that_is_not_there_is_unavailable(desk: Desk) -> None:
    with pytest.raises(Unavailable, match="cannot connect to"):
        await samples(desk.session, Server("http://127.0.0.1:1"), "up{}", (START, START + timedelta(hours=1)))


OPEN = {"Content-Type": "application/openmetrics-text; version=1.0.0; charset=utf-8"}
TEXT = """# TYPE http_requests counter
http_requests_total{code="200"} 7
http_requests_created{code="200"} 1700000000.5
# TYPE took histogram
took_bucket{le="0.1"} 3
took_bucket{le="+Inf"} 4
took_count 4
took_sum 1.5
took_created 1700000001
# TYPE temperature gauge
temperature 20
# EOF
"""
CLASSIC = """# TYPE http_requests_total counter
http_requests_total{code="200"} 7
# TYPE http_requests_created gauge
http_requests_created{code="200"} 1700000000.5
"""


async def scraped(desk: Desk, *answer: object) -> list[Found]:
    desk.there.says("/metrics", answer)  # type: ignore[arg-type]
    return await openmetrics.scrape(desk.session, Server(f"{desk.there.address}/metrics"), 1_700_000_015.0, {"pod": "a"})


async def test_an_openmetrics_endpoint_says_since_when_it_counts(desk: Desk) -> None:
    found = {(each.labels["__name__"], each.labels.get("le")): each for each in await scraped(desk, 200, TEXT, OPEN)}
    assert set(found) == {
        ("http_requests_total", None), ("took_bucket", "0.1"), ("took_bucket", "+Inf"), ("took_count", None), ("took_sum", None),
    }  # fmt: skip
    total, bucket = found["http_requests_total", None], found["took_bucket", "0.1"]
    assert (total.labels["pod"], total.values.tolist(), total.times.tolist()) == ("a", [7], [1_700_000_015])
    assert total.created is not None and total.created.tolist() == [1_700_000_000.5]
    assert bucket.created is not None and bucket.created.tolist() == [1_700_000_001]
    assert "application/openmetrics-text" in desk.there.seen[0].headers["Accept"]


async def test_an_endpoint_of_prometheus_own_format_does_not(desk: Desk) -> None:
    (found,) = await scraped(desk, 200, CLASSIC, {"Content-Type": "text/plain; version=0.0.4"})
    assert found.values.tolist() == [7] and found.created is None


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ((200, "<html>"), Unavailable, "neither OpenMetrics nor Prometheus' text"),
        ((200, TEXT.replace("# EOF\n", ""), OPEN), Unavailable, "neither OpenMetrics nor Prometheus' text"),
        ((404, "no"), Unavailable, "it answered 404"),
        ((403, "no"), Denied, "refuses with 403; it was asked with no credentials"),
    ],
)
async def test_endpoints_that_misbehave_are_outside_errors(
    desk: Desk, answer: tuple[object, ...], kind: type[OutsideError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        await scraped(desk, *answer)


def test_readings_are_kept_as_a_server_would_and_old_ones_go() -> None:
    kept = Readings(30)
    for number in range(5):
        kept.add([Found({"__name__": "a"}, np.asarray([15.0 * number]), np.asarray([float(number)]))])
    (found,) = kept.series()
    assert found.times.tolist() == [30, 45, 60] and found.values.tolist() == [2, 3, 4]
