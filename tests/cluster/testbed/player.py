"""Plays scenarios side by side against one controller, each in a namespace of its own, and returns a trace of each."""

import asyncio
import os
import re
import shlex
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster.testbed.api import Api
from cluster.testbed.compare import is_as_told
from cluster.testbed.node import Node, workload_of
from cluster.testbed.plane import ControlPlane, free_ports
from cluster.testbed.process import Process
from cluster.testbed.recorder import Recorder, Take
from cluster.testbed.scenario import Scenario, fill, places
from cluster.testbed.trace import finish, is_disturbed
from cluster.testbed.world import World

Raw = dict[str, Any]
SERVING = 1.5
"""Seconds after its pods are ready that a target serves before it is adopted."""
STEP_AFTER = 0.5
LOOK = 0.2
STAGGER = 0.4
LISTS = 3.0
"""Seconds that a controller gets to list and watch before the first scenario."""
OVERLOAD = 4
"""Processes that want to run, for each core."""
TRIES = 3
"""A trace that is not as told and whose ticks came late because the machine was busy is taken anew, so many times in all."""
SETTLED = 30.0
"""Seconds between such tries."""
Taken = Callable[[Scenario, Raw], None]
"""Told of each trace."""


class ControllerEnded(Exception):
    """The controller under test is gone; the text has the end of its log."""


@dataclass
class Stage:
    """What scenarios are played on."""

    plane: ControlPlane
    api: Api
    world: World
    node: Node
    recorder: Recorder
    background: list["asyncio.Task[None]"]
    """None of them may end before the scenarios."""
    say: Callable[[str], None]


@asynccontextmanager
async def stage(plane: ControlPlane, ready_after: float = 1.0, say: Callable[[str], None] = print) -> AsyncIterator[Stage]:
    """A node, a world and a recorder on a control plane that runs."""
    async with Api(plane.kubeconfig_of("testbed")) as api:
        recorder = Recorder(api)
        node = Node(api, ready_after, recorder.pod_started)
        async with World(node.reads, recorder.called) as world:
            tasks = [asyncio.create_task(node.run()), asyncio.create_task(recorder.run())]
            try:
                yield Stage(plane, api, world, node, recorder, tasks, say)
            finally:
                await ended(tasks)


def start_controller(where: Stage, command: str, log: Path) -> Process:
    """Starts the controller under test; {kubeconfig}, {world} and {port} in its command line are filled in."""
    (port,) = free_ports(1)
    words = {"kubeconfig": where.plane.kubeconfig_of("controller"), "world": where.world.address, "port": port}
    line = shlex.split(command.format(**words))
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return Process(line, log, environment=environment)


async def play_against(
    plane: ControlPlane, command: str, scenarios: list[Scenario], log: Path, parallel: int = 60, taken: Taken = lambda scenario, trace: None
) -> dict[str, Raw]:
    """Starts a controller, plays every scenario and ends it; traces by name. `taken` is told of each as it is there."""
    async with stage(plane) as where:
        controller = start_controller(where, command, log)
        where.background.append(asyncio.create_task(_runs(controller)))
        try:
            await asyncio.sleep(LISTS)
            return await play_all(where, scenarios, parallel, taken)
        finally:
            await asyncio.to_thread(controller.stop)


async def play_all(
    where: Stage, scenarios: list[Scenario], parallel: int = 60, taken: Taken = lambda scenario, trace: None
) -> dict[str, Raw]:
    """Plays every scenario; traces by name. Ends with the error of whatever in the background ends too early."""
    gate = asyncio.Semaphore(parallel)
    traces: dict[str, Raw] = {}

    async def one(position: int, scenario: Scenario) -> None:
        await asyncio.sleep(position * STAGGER)
        async with gate:
            traces[scenario.name] = await play_undisturbed(where, scenario)
            taken(scenario, traces[scenario.name])

    playing = asyncio.gather(*(one(position, scenario) for position, scenario in enumerate(scenarios)))
    running: list[asyncio.Future[Any]] = [playing, *where.background]
    try:
        done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await ended([playing])
    return traces


async def ended(tasks: Sequence["asyncio.Future[Any]"]) -> None:
    """Cancels what still runs, and waits until it is gone."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def play_undisturbed(where: Stage, scenario: Scenario) -> Raw:
    """One scenario, again if the machine was too busy."""
    for number in range(1, TRIES + 1):
        play = Play(where, scenario, f"lab-{scenario.name}" + ("" if number == 1 else f"-x{number}"))
        document = await play.run()
        if is_as_told(scenario, document) or not (is_disturbed(play.take) or overloaded()):
            break
        where.say(f"{scenario.name}: ticks came late, the machine is busy ({number} of {TRIES})")
        await asyncio.sleep(SETTLED if number < TRIES else 0)
    return document


def overloaded() -> bool:
    """Does everything take several times as long as on a quiet machine, deadlines of seconds included?"""
    return os.getloadavg()[0] > OVERLOAD * (os.cpu_count() or 1)


async def _runs(controller: Process) -> None:
    """As long as the controller does.

    Raises:
        ControllerEnded: it ended by itself.
    """
    while controller.ended is None:
        await asyncio.sleep(LOOK)
    raise ControllerEnded(f"the controller ended with {controller.ended}: {controller.last_lines(10)}")


class Play:
    """One scenario in its namespace."""

    def __init__(self, where: Stage, scenario: Scenario, namespace: str) -> None:
        self.where, self.scenario, self.namespace = where, scenario, namespace
        self.take: Take = where.recorder.begin(scenario, namespace)
        self._places = places(namespace, where.world.address)
        self._since = time.monotonic()
        self._mark = 0

    async def run(self) -> Raw:
        """From the first object to the trace."""
        self.where.world.script(self.namespace, self.scenario.world)
        await self.where.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})
        await self._given()
        ended = "as told"
        try:
            async with asyncio.timeout(self.scenario.limit * self.scenario.interval):
                await self._steps()
        except TimeoutError:
            ended = f"limit of {self.scenario.limit} intervals"
        await asyncio.sleep(self.scenario.end.get("settle", 0.5) * self.scenario.interval)
        self.where.recorder.takes.pop(self.namespace)
        return finish(self.take, self.where.recorder.now[self.namespace], ended, self.namespace, self._places)

    async def _given(self) -> None:
        adopted = False
        for item in self.scenario.objects:
            if item["kind"] == "Canary" and not adopted:
                await asyncio.sleep(self.where.node.delay + SERVING)
                adopted = True
            await self._create(item)

    async def _steps(self) -> None:
        for step in self.scenario.steps:
            await self._until(step.get("when") or {})
            await asyncio.sleep(step.get("after", STEP_AFTER))
            for action in step["do"]:
                await self._act(action)
            self._since, self._mark = time.monotonic(), len(self.take.entries)
        await self._until(self.scenario.end.get("when") or {})

    async def _create(self, item: Raw) -> None:
        await self.where.api.create(fill(item, self._places), self.namespace)

    async def _act(self, action: Raw) -> None:
        ((verb, what),) = action.items()
        what = fill(what, self._places)
        self.take.add("lab", {verb: what})
        if verb == "patch":
            style = what.get("style", "strategic" if what["kind"] in ("Deployment", "DaemonSet") else "merge")
            await self.where.api.patch(what["kind"], self.namespace, what["name"], what["body"], style=style)
        elif verb == "create":
            await self._create(what)
        elif verb == "delete":
            await self.where.api.delete(what["kind"], self.namespace, what["name"])
        elif verb == "world":
            self.where.world.script(self.namespace, what)
        elif verb == "unready":
            await self._unready(what)
        else:
            raise ValueError(f"{self.scenario.name}: there is no action {verb!r}")

    async def _unready(self, what: Raw) -> None:
        """Some living pods of a workload stop being ready."""
        pods = [pod for pod in await self.where.api.list("Pod", self.namespace) if "deletionTimestamp" not in pod["metadata"]]
        mine = sorted((pod for pod in pods if workload_of(pod) == what["workload"]), key=lambda pod: str(pod["metadata"]["name"]))
        for pod in mine[: what["pods"]]:
            await self.where.node.report(pod, False)

    async def _until(self, when: Raw) -> None:
        while not self._holds(when):
            try:
                async with asyncio.timeout(LOOK), self.where.recorder.changed:
                    await self.where.recorder.changed.wait()
            except TimeoutError:
                continue

    def _holds(self, when: Raw) -> bool:
        """Do all parts of a condition hold at this moment? Events and hooks count since the last step."""
        now = self.where.recorder.now[self.namespace]
        name = when.get("canary") or next(iter(self.take.canaries), "app")
        status = now.get(("Canary", name), {}).get("status") or {}
        fresh = self.take.entries[self._mark :]
        fields = {"phase": "phase", "weight": "canaryWeight", "iterations": "iterations", "failed": "failedChecks"}
        checks: dict[str, Callable[[Any], bool]] = {
            "event": lambda wanted: any(channel == "events" and re.search(wanted, entry) for _, channel, entry in fresh),
            "hook": lambda wanted: any(channel == "hooks" and entry["hook"] == wanted for _, channel, entry in fresh),
            "ticks": lambda wanted: time.monotonic() - self._since >= wanted * self.scenario.interval,
            "gone": lambda wanted: tuple(wanted.split("/")) not in now,
            "canary": lambda wanted: True,
        }
        return all(status.get(fields[key]) == wanted if key in fields else checks[key](wanted) for key, wanted in when.items())
