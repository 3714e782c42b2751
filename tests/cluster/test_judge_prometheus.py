"""Raw counters out of a real Prometheus are what was counted, and `trimtab plan` reads them."""

import asyncio
import json
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from cluster.closed_world import prometheus, serving
from cluster.opened import until
from trimtab.adapters.clock import SystemClock
from trimtab.adapters.metrics.prometheus import Server
from trimtab.adapters.metrics.prometheus_samples import samples
from trimtab.analysis.recipes import HTTP, Found, Whose

pytestmark = pytest.mark.cluster
WHOSE = Whose("shop", "web")
PODS = ("web-primary-5f7b9c6d8d-aaaaa", "web-primary-5f7b9c6d8d-bbbbb")
SCRAPES = 6


class Application:
    """Counts 40 good requests and one failed one of each pod between two looks; one pod begins anew after the third look."""

    def __init__(self) -> None:
        self.shown: list[dict[tuple[str, str], int]] = []

    async def metrics(self, request: web.Request) -> web.Response:
        looks = len(self.shown) + 1
        since = {PODS[0]: looks, PODS[1]: looks if looks <= 3 else looks - 3}
        self.shown.append({(pod, status): count * since[pod] for pod in PODS for status, count in (("200", 40), ("500", 1))})
        lines = [
            f'http_request_duration_seconds_count{{namespace="shop",pod="{pod}",status="{status}"}} {value}'
            for (pod, status), value in self.shown[-1].items()
        ]
        return web.Response(text="\n".join((*lines, "")))


@asynccontextmanager
async def scraped(folder: Path) -> AsyncIterator[tuple[str, Application]]:
    """A Prometheus that scrapes the application every second."""
    application = Application()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    async with serving(application.metrics) as port, prometheus(folder, address, port):
        yield f"http://{address}", application


async def asked(address: str) -> list[Found]:
    """All that it has kept of the workload until now."""
    now = SystemClock().now()
    (query, *_) = HTTP.queries(HTTP.requests, WHOSE)
    async with aiohttp.ClientSession() as session:
        return await samples(session, Server(address), query, (now - timedelta(minutes=5), now))


async def until_kept(address: str) -> list[Found]:
    """Asks until enough scrapes are there."""
    async with asyncio.timeout(60):
        while True:
            found = await asked(address)
            if found and min(len(each.times) for each in found) >= SCRAPES:
                return found
            await asyncio.sleep(0.2)


async def test_raw_samples_of_a_real_prometheus_are_what_was_counted_scrape_by_scrape(tmp_path: Path) -> None:
    async with scraped(tmp_path) as (address, application):
        found = await until_kept(address)
        assert {(each.labels["pod"], each.labels["status"]) for each in found} == set(application.shown[0])
        for each in found:
            told = [shown[each.labels["pod"], each.labels["status"]] for shown in application.shown]
            assert each.values.tolist() == told[: len(each.values)]
            assert all(later > earlier for earlier, later in zip(each.times[:-1], each.times[1:], strict=True))


async def planned(address: str) -> Any:
    """What `trimtab plan` says by that Prometheus."""
    words = ("plan", "--prometheus", address, "-n", "shop", "--target", "web", "--last", "5m", "-o", "json")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "trimtab", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return json.loads(out)


async def test_a_plan_is_made_from_a_real_prometheus(tmp_path: Path) -> None:
    async with scraped(tmp_path) as (address, _):
        await until_kept(address)

        async def in_time() -> Any:
            """The plan, if the Prometheus has come to scrape every second: a busy machine lets it wait."""
            found = await planned(address)
            every_second = found["intervalSeconds"] == 1 and found["requestsPerSecond"] == pytest.approx(82, rel=0.3)
            return found if every_second else None

        plan = await until(in_time, "82 requests a second, as they were counted", 60.0)
    assert plan["baseline"] == pytest.approx(1 / 41, rel=0.05)
    assert any(re.search(r"\d (s|min) of history", warning) for warning in plan["warnings"])
