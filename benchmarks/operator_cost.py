"""What does the operator cost when nothing happens, and how soon does it act?

Run it by hand: `PYTHONPATH=tests python benchmarks/operator_cost.py`. Many settled Canaries of the provider `kubernetes`, each with a
ConfigMap and a Secret, on a control plane of the tests' own; then CPU, memory and API requests (from the audit log) for a while, a start
anew, and the time from an edit to canary pods asked for. Where a `flagger` is on PATH it does the same, on objects of its own, first. How
late checks are when many roll out at once is measured by `rush.py`.
"""

import argparse
import asyncio
import os
import shlex
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

import aiohttp

from cluster.opened import Raw, canary, config_map, deployment, secret
from cluster.testbed.api import Api
from cluster.testbed.node import node_running
from cluster.testbed.plane import ControlPlane, free_ports
from cluster.testbed.process import Process

FLAGS = (
    "-kubeconfig={kubeconfig} -namespace={space} -mesh-provider=kubernetes -metrics-server=http://127.0.0.1:9 -port={port} -log-level=error"
)
COMMANDS = {
    "flagger": f"flagger {FLAGS}",
    "trimtab": f"{sys.executable} -m trimtab operator {FLAGS} -enable-leader-election=false -leader-election-namespace={{space}}",
}
IMAGE = {"MALLOC_MMAP_THRESHOLD_": "131072"}
"""Variables that the Containerfile sets."""
USER = "controller"
SETTLED = 5.0
INTERVAL = 10
LIMIT = 900.0


def seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(fields[place]) for place in (11, 12)) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int) -> float:
    """Resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024 / 1e6


def requests(plane: ControlPlane) -> int:
    """How many the controller has sent, watches and leases left out."""
    sent = plane.audited(USER)
    return sum(entry["verb"] != "watch" and entry.get("objectRef", {}).get("resource") != "leases" for entry in sent)


async def until(claim: Callable[[], Awaitable[bool]], what: str) -> float:
    """Waits for a claim; how long that took."""
    begun = time.monotonic()
    while not await claim():
        if time.monotonic() - begun > LIMIT:
            raise TimeoutError(what)
        await asyncio.sleep(0.05)
    return time.monotonic() - begun


@dataclass(frozen=True)
class Amounts:
    """How much is measured."""

    canaries: int
    seconds: float


async def measure(name: str, plane: ControlPlane, api: Api, amounts: Amounts) -> None:
    """One controller, in a namespace of its own."""
    count, span = amounts.canaries, amounts.seconds
    apps = [f"app-{number}" for number in range(count)]

    async def initialised() -> bool:
        found = await api.list("Canary", name)
        return len(found) == count and all((item.get("status") or {}).get("phase") == "Initialized" for item in found)

    await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    (port,) = free_ports(1)
    command = shlex.split(COMMANDS[name].format(kubeconfig=plane.kubeconfig_of(USER), space=name, port=port))
    running = Process(command, plane.folder / f"{name}.log", environment={**os.environ, **IMAGE})
    try:
        await asyncio.sleep(2 * SETTLED)
        empty = megabytes(running.pid)
        for app in apps:
            for made in objects(app):
                await api.create(made, name)
        await until(initialised, "all initialised")
        await asyncio.sleep(2 * SETTLED)
        before, cpu, begun = requests(plane), seconds(running.pid), time.monotonic()
        await asyncio.sleep(span)
        idle, spent = requests(plane) - before, time.monotonic() - begun
        share, size = 100 * (seconds(running.pid) - cpu) / spent, megabytes(running.pid)
        each = idle / spent * 60 / count
        print(f"{name:8} {count} idle Canaries: {share:5.2f} % of a core, {each:6.2f} API requests per Canary and minute")
        print(
            f"{name:8} memory: {size:.0f} MB, without Canaries {empty:.0f} MB: {1000 * (size - empty) / count:.0f} kB a Canary", flush=True
        )
        running.stop(SIGTERM)
        running, begun = Process(command, plane.folder / f"{name}.log", environment={**os.environ, **IMAGE}), time.monotonic()
        if name == "trimtab":
            await until(lambda: looked_at(port, count), "all were looked at")
            print(f"{name:8} start-up until all {count} were looked at: {time.monotonic() - begun:.1f} s")
        else:
            await asyncio.sleep(30)
        delays = []
        for app in apps[:10]:
            await api.patch("ConfigMap", name, f"{app}-config", {"data": {"color": "blue"}})

            async def asked(app: str = app) -> bool:
                return bool((await api.get("Deployment", name, app))["spec"].get("replicas"))

            delays.append(await until(asked, "canary pods"))
        middle, most = statistics.median(delays), max(delays)
        print(f"{name:8} ConfigMap edit to canary pods asked for: median {middle:.2f} s, most {most:.2f} s of {len(delays)}", flush=True)
    finally:
        running.stop(SIGTERM)


async def looked_at(port: int, count: int) -> bool:
    """Has every Canary been looked at once?"""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            return (await answer.text()).count("\ntrimtab_last_pass_timestamp_seconds{") == count
    except aiohttp.ClientError:
        return False


def objects(app: str) -> tuple[Raw, ...]:
    """A target, what it reads, and its Canary."""
    reads, secrets = (f"{app}-config",), (f"{app}-secret",)
    analysis = {"interval": f"{INTERVAL}s", "threshold": 2, "iterations": 6}
    made = canary(app, analysis=analysis)
    return config_map(reads[0], color="red"), secret(secrets[0], token="x"), deployment(app, reads, secrets), made


async def bench(folder: Path, given: argparse.Namespace) -> None:
    """All controllers that there are."""
    counts = {"flagger": given.flagger_canaries, "trimtab": given.canaries}
    with ControlPlane(folder / "plane") as plane, node_running(plane.kubeconfig_of("testbed"), 0.1):
        async with Api(plane.kubeconfig) as api:
            for name in COMMANDS:
                if counts[name] and (name == "trimtab" or shutil.which("flagger")):
                    await measure(name, plane, api, Amounts(counts[name], given.seconds))


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="Measure the operator beside Flagger.")
    parser.add_argument("--canaries", type=int, default=100)
    parser.add_argument("--flagger-canaries", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(bench(Path(folder), given))


if __name__ == "__main__":
    main()
