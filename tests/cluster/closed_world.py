"""A small closed world around one Deployment: users whose requests follow the live weights and the content that each pod runs, counted as
a mesh and an application count them, scraped by a real Prometheus; and a port 80 for webhooks, behind which a real load tester stands.
"""

import asyncio
import json
import os
import shutil
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from cluster.testbed.api import Api
from cluster.testbed.node import Node
from cluster.testbed.process import Process

Raw = dict[str, Any]
REQUESTS = 200.0
"""That users send in a second."""
BAD_CONTENT = "log_level: trace"
"""A pod that started with this fails a share of its requests."""
FAILED = 0.05
"""That share."""
BUCKETS = {"10": 0.5, "100": 0.995, "500": 1.0, "+Inf": 1.0}
"""Share of the requests that take at most so many milliseconds."""
LOAD_TESTER_PORT = 8080
READY_LIMIT = 30.0
PROMETHEUS = "prometheus"


class Traffic:
    """Requests to one Deployment, sent from the moment that there is a TrafficSplit, and counted whenever somebody looks at `metrics`.

    `weights` has every weight that the canary had. At each look `canary` gets the share of the requests that
    go to the target and what its pods run, if that has changed, and `lost` each workload that gets requests and has no pods.
    """

    def __init__(self, api: Api, node: Node, namespace: str, target: str) -> None:
        self.weights: list[int] = []
        self.canary: list[tuple[float, set[str]]] = []
        self.lost: list[str] = []
        self._api, self._node, self._namespace, self._target = api, node, namespace, target
        self._shares = {target: 0.0}
        self._good: dict[str, float] = defaultdict(float)
        self._bad: dict[str, float] = defaultdict(float)
        self._counted = asyncio.get_running_loop().time()

    async def follow(self) -> None:
        """Sends requests where the TrafficSplit says, until it is cancelled."""
        async for _, split in self._api.watch("TrafficSplit"):
            self._count()
            weights = {one["service"].removesuffix("-canary"): int(one["weight"]) for one in split["spec"]["backends"]}
            self._shares = {workload: weight / 100 for workload, weight in weights.items()}
            append_new(self.weights, weights[self._target])

    async def metrics(self, request: web.Request) -> web.Response:
        """What has been counted, in Prometheus' text format."""
        self._count()
        append_new(self.canary, (self._shares[self._target], contents(self._node, self._namespace, self._target)))
        lines = [line for workload in self._good for line in self._lines(workload)]
        return web.Response(text="".join(f"{line}\n" for line in sorted(lines)))

    def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        sent, self._counted = REQUESTS * (now - self._counted), now
        for workload, share in self._shares.items():
            if pods := self._node.reads(self._namespace, workload):
                failed = FAILED * sum(is_bad(read) for read in pods) / len(pods)
                self._good[workload] += sent * share * (1 - failed)
                self._bad[workload] += sent * share * failed
            elif share:
                self.lost.append(workload)

    def _lines(self, workload: str) -> list[str]:
        labels = f'namespace="{self._namespace}",deployment="{workload}"'
        good, bad = self._good[workload], self._bad[workload]
        mesh = f'{labels},direction="inbound"'
        return [
            f'http_requests_total{{{labels},status="200"}} {good}',
            f'http_requests_total{{{labels},status="500"}} {bad}',
            f'response_total{{{mesh},classification="success"}} {good}',
            f'response_total{{{mesh},classification="failure"}} {bad}',
            *(f'response_latency_ms_bucket{{{mesh},le="{most}"}} {(good + bad) * share}' for most, share in BUCKETS.items()),
        ]


def append_new(history: list[Any], seen: Any) -> None:
    """Adds what was seen, if it is not what was seen last."""
    if [seen] != history[-1:]:
        history.append(seen)


def contents(node: Node, namespace: str, workload: str) -> set[str]:
    """The values that living pods of a workload started with."""
    return {str(value) for read in node.reads(namespace, workload) for data in read.values() for value in (data or {}).values()}


def is_bad(read: Raw) -> bool:
    """Does what a pod started with make it fail requests?"""
    return any(BAD_CONTENT in str(value) for data in read.values() for value in (data or {}).values())


class Receiver:
    """Port 80: takes down each webhook by the host it was sent to, and hands those for the load tester on, as its Service would."""

    def __init__(self, load_tester: str) -> None:
        self.calls: dict[str, list[Raw]] = defaultdict(list)
        self._load_tester = load_tester

    async def answer(self, request: web.Request) -> web.Response:
        """A webhook's."""
        body = await request.json()
        self.calls[request.host].append(body)
        if request.host != self._load_tester:
            return web.Response(text="ok")
        async with aiohttp.ClientSession() as session, session.post(f"http://127.0.0.1:{LOAD_TESTER_PORT}/", json=body) as said:
            return web.Response(status=said.status, text=await said.text())


@asynccontextmanager
async def serving(answer: Any, port: int = 0) -> AsyncIterator[int]:
    """Answers every request on a loopback port, which it names."""
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def following(traffic: Traffic) -> AsyncIterator[None]:
    """Requests go where they should."""
    task = asyncio.create_task(traffic.follow())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled(), task.exception()


@asynccontextmanager
async def prometheus(folder: Path, address: str, scraped: int) -> AsyncIterator[Process]:
    """A Prometheus on an address that looks at a port every second. Skips where there is none, but never where CI is set."""
    found = shutil.which(PROMETHEUS)
    if found is None and not os.environ.get("CI"):
        pytest.skip("there is no prometheus on this machine (Debian: prometheus)")
    jobs = [{"job_name": "world", "static_configs": [{"targets": [f"127.0.0.1:{scraped}"]}]}]
    config = folder / "prometheus.yml"
    config.write_text(json.dumps({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}))
    command = [
        found or PROMETHEUS,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={address}",
    ]
    async with running(Process(command, folder / "prometheus.log"), f"http://{address}/-/ready") as process:
        yield process
    shutil.rmtree(folder / "tsdb", ignore_errors=True)


@asynccontextmanager
async def load_tester(folder: Path, program: Path) -> AsyncIterator[Process]:
    """Flagger's load tester; the program `hey` that it is told to run writes down its arguments in `hey.log`."""
    hey = folder / "bin" / "hey"
    hey.parent.mkdir()
    hey.write_text(f'#!/bin/sh\necho "$@" >>{folder / "hey.log"}\n')
    hey.chmod(0o700)
    environment = {**os.environ, "PATH": f"{hey.parent}:{os.environ['PATH']}"}
    process = Process([str(program), f"-port={LOAD_TESTER_PORT}"], folder / "loadtester.log", environment=environment)
    async with running(process, f"http://127.0.0.1:{LOAD_TESTER_PORT}/healthz"):
        yield process


@asynccontextmanager
async def running(process: Process, ready: str) -> AsyncIterator[Process]:
    """A process from when it says that it is ready until it is ended."""
    try:
        async with asyncio.timeout(READY_LIMIT), aiohttp.ClientSession() as session:
            while not await says_yes(session, ready):
                assert process.ended is None, process.last_lines()
                await asyncio.sleep(0.05)
        yield process
    finally:
        process.stop(signal.SIGKILL)


async def says_yes(session: aiohttp.ClientSession, address: str) -> bool:
    """Does it answer, and with 200?"""
    try:
        async with session.get(address) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
