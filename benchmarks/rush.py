"""How late are checks when many Canaries roll out at once, and what are the cores busy with meanwhile?

Run it by hand: `PYTHONPATH=tests python benchmarks/rush.py`. The Canaries are those of `operator_cost.py`. Their ConfigMaps are edited one
after the other; a watch of the tests' own notes when each Canary's status counts an iteration. Two iterations lie an interval apart, so
what is more is lateness, by the same yardstick for both controllers; for Trimtab the grids and checks in its records are read as well.
Where a `flagger` is on PATH it does the same, on objects of its own, first.
"""

import argparse
import asyncio
import itertools
import json
import math
import os
import shlex
import shutil
import statistics
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from signal import SIGTERM

from operator_cost import COMMANDS, INTERVAL, SETTLED, USER, megabytes, objects, seconds, until

from cluster.opened import Raw
from cluster.testbed.api import Api
from cluster.testbed.node import node_running
from cluster.testbed.plane import ControlPlane, free_ports
from cluster.testbed.process import Process

OVER = ("Succeeded", "Failed")


@dataclass
class Steps:
    """When each Canary of a namespace was seen to count an iteration, and which are over."""

    space: str
    moments: dict[str, list[float]] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    over: dict[str, str] = field(default_factory=dict)

    async def follow(self, api: Api) -> None:
        """Notes until it is cancelled."""
        async for _, found in api.watch("Canary"):
            if found["metadata"]["namespace"] == self.space:
                self.seen(found["metadata"]["name"], found.get("status") or {})

    def seen(self, name: str, status: Raw) -> None:
        """One state of one Canary."""
        iterations, before = status.get("iterations", 0), self.counted.get(name, 0)
        self.counted[name] = iterations
        if iterations > before:
            self.moments.setdefault(name, []).append(time.monotonic())
            self.over.pop(name, None)
        elif status.get("phase") in OVER and name in self.moments:
            self.over[name] = status["phase"]

    def late(self) -> list[float]:
        """By how much the time between two iterations was longer than the interval, in seconds."""
        return [max(0.0, late - early - INTERVAL) for seen in self.moments.values() for early, late in itertools.pairwise(seen)]


@dataclass
class Busy:
    """Processor time of everything that runs here."""

    pids: dict[str, int]
    begun: float = field(default_factory=time.monotonic)
    before: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.before = {name: seconds(pid) for name, pid in self.pids.items()}

    def shares(self) -> str:
        """Per cent of one core for each process since the beginning."""
        spent = time.monotonic() - self.begun
        used = {name: 100 * (seconds(pid) - self.before[name]) / spent for name, pid in self.pids.items()}
        return ", ".join(f"{name} {share:.0f} %" for name, share in used.items()) + f" of {os.cpu_count()} x 100 %"


async def measure(name: str, plane: ControlPlane, api: Api, count: int) -> None:
    """One controller, in a namespace of its own."""
    apps = [f"app-{number}" for number in range(count)]

    async def initialised() -> bool:
        await asyncio.sleep(1)
        return all((item.get("status") or {}).get("phase") == "Initialized" for item in await api.list("Canary", name))

    await api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    (port,) = free_ports(1)
    command = shlex.split(COMMANDS[name].format(kubeconfig=plane.kubeconfig_of(USER), space=name, port=port))
    running = Process(command, plane.folder / f"{name}.log")
    try:
        await asyncio.sleep(SETTLED)
        for app in apps:
            for made in objects(app):
                await api.create(made, name)
        await until(initialised, "all initialised")
        await asyncio.sleep(2 * SETTLED)
        own = {process: known.pid for process, known in plane.processes.items()}
        busy = Busy({name: running.pid, **own, "benchmark with its node": os.getpid()})
        await rush(name, plane, api, apps)
        print(f"{name:8} processor time: {busy.shares()}; load {os.getloadavg()[0]:.1f}; {megabytes(running.pid):.0f} MB", flush=True)
    finally:
        running.stop(SIGTERM)


async def rush(name: str, plane: ControlPlane, api: Api, apps: list[str]) -> None:
    """Edits everything and waits until all are through."""
    steps, sent = Steps(name), len(plane.audited(USER))
    following = asyncio.ensure_future(steps.follow(api))

    async def through() -> bool:
        await asyncio.sleep(1)
        return len(steps.over) == len(apps)

    try:
        begun = time.monotonic()
        for app in apps:
            await api.patch("ConfigMap", name, f"{app}-config", {"data": {"color": "green"}})
        edited = time.monotonic() - begun
        await until(through, "all rolled out")
        spent = time.monotonic() - begun
    finally:
        following.cancel()
    outcomes = ", ".join(f"{count} {phase}" for phase, count in Counter(steps.over.values()).items())
    print(f"{name:8} {len(apps)} rollouts at once, edited within {edited:.0f} s: {outcomes} after {spent:.0f} s")
    print(f"{name:8} iterations seen late by {spread(steps.late())}")
    if name == "trimtab":
        print(f"{name:8} checks late by {spread(await by_record(api, name))}, by grids and checks in the records")
    requests = Counter(f"{entry['verb']} {entry.get('objectRef', {}).get('resource')}" for entry in plane.audited(USER)[sent:])
    print(f"{name:8} requests a rollout: " + ", ".join(f"{asked} {count / len(apps):.1f}" for asked, count in requests.most_common(12)))


def spread(late: list[float]) -> str:
    """Median, 99th percentile, most, and how many are more than a second."""
    known = sorted(late)
    most = known[math.ceil(0.99 * len(known)) - 1]
    more = sum(one > 1 for one in known)
    return f"median {statistics.median(known):.2f} s, 99 % {most:.2f} s, most {known[-1]:.2f} s; {more} of {len(known)} by more than 1 s"


async def by_record(api: Api, space: str) -> list[float]:
    """How late each check began, by the point of the grid that it belongs to."""
    late = list[float]()
    for item in await api.list("ConfigRollout", space):
        record = json.loads(item["status"]["record"])["state"]
        if item["spec"]["number"] == 1:
            continue
        ready = datetime.fromisoformat(record["rollout"]["ready"])
        checks = [datetime.fromisoformat(entry["at"]) for entry in item["status"]["timeline"] if entry["reason"] == "CheckPassed"]
        late += [(check - ready).total_seconds() - INTERVAL * number for number, check in enumerate(checks, start=1)]
    return late


async def bench(folder: Path, controllers: list[str], count: int) -> None:
    """All controllers that there are."""
    with ControlPlane(folder / "plane") as plane, node_running(plane.kubeconfig_of("testbed"), 0.1):
        async with Api(plane.kubeconfig_of("testbed")) as api:
            for name in controllers:
                if name == "trimtab" or shutil.which(name):
                    await measure(name, plane, api, count)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description="How late are checks when many Canaries roll out at once?")
    parser.add_argument("--rollouts", type=int, default=200)
    parser.add_argument("--controllers", default=",".join(COMMANDS))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(bench(Path(folder), given.controllers.split(","), given.rollouts))


if __name__ == "__main__":
    main()
