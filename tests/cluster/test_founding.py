"""Strategy 2 of the founding document for real: its files, host names and interval, a real Prometheus and Flagger's real load tester.

`founding/` has the files as they are printed; docs/strategies/flagger.md has them with their defects put right, and those are applied.
Every line that the page shows below the heading of that strategy is typed into a shell.
"""

import asyncio
import difflib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from cluster import closed_world as world
from cluster.closed_world_network import run_alone
from cluster.opened import until
from cluster.programs import program
from cluster.testbed.api import Api
from cluster.testbed.node import Node, node_running
from cluster.testbed.plane import ControlPlane, PlaneError
from cluster.testbed.process import Process

Raw = dict[str, Any]
PRINTED = Path(__file__).parent / "founding"
PAGE = Path(__file__).parents[2] / "docs" / "strategies" / "flagger.md"
SECTIONS = {
    part.partition("\n")[0]: re.findall(r"^    (\S.*)$", re.sub(r"^```.*?^```", "", part, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    for part in PAGE.read_text().split("\n## ")[1:]
}
"""The lines that the page shows, by its headings."""
FILES = dict(re.findall(r"^`(\S+\.yaml)`[^\n]*\n\n```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL))
LOAD_TESTER = ("github.com/fluxcd/flagger/cmd/loadtester", "v1.44.0")
PROMETHEUS, HOOKED, CHAT = "prometheus.monitoring", "load-tester.production", "slack-bot.production"
SPACE = "production"
PORT = 18090
"""Of the operator; each story has a network of its own."""
ONE_RUN = 150.0
"""Seconds in which a run with an interval of 10 s ends: five steps, five failed checks, and some room."""


@dataclass
class Founding:
    """The founding document's cluster, with its application initialised."""

    plane: ControlPlane
    api: Api
    node: Node
    traffic: world.Traffic
    receiver: world.Receiver
    operator: Process
    folder: Path

    def type(self, script: str, within: float = ONE_RUN) -> "subprocess.CompletedProcess[str]":
        """Runs what stands on the page in a shell: its exit code, and what it said."""
        return typed(self.plane, self.folder, script, within)

    async def kubectl(self, *words: str, given: str = "") -> str:
        """What a person does."""
        return await asyncio.to_thread(self.plane.kubectl, *words, given=given)

    async def edit(self, version: str, **changes: str) -> None:
        """Applies the document's ConfigMap with another `config.version`, and other values in its config.yaml."""
        await self.kubectl("apply", "-f", "-", given=self.edited(version, **changes))

    async def followed(self, version: str, **changes: str) -> int:
        """The same as the page says to do it in a workflow, which waits; how that ends."""
        file = self.folder / "k8s/configmaps/app-config.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.edited(version, **changes))
        done = await asyncio.to_thread(self.type, "\n".join(SECTIONS["How to look"][4:]))
        assert done.returncode in (0, 1), done.stdout + done.stderr
        return done.returncode

    async def looked(self) -> str:
        """What the page's lines show of the run, told by those that say what happened. A watch that goes on is ended."""
        lines = SECTIONS["How to look"][:4]
        said = [await asyncio.to_thread(self.type, f"timeout 2 {line} || test $? = 124" if "--watch" in line else line) for line in lines]
        assert not [one.stderr for one in said if one.returncode], said
        return "".join(one.stdout for one in said)

    def edited(self, version: str, **changes: str) -> str:
        """The ConfigMap."""
        text = FILES["configmap.yaml"].replace('config.version: "v2"', f'config.version: "{version}"')
        for key, value in changes.items():
            text, count = re.subn(rf"{key}: \S+", f"{key}: {value}", text)
            assert count == 1
        return text

    async def reached(self, what: str, claim: Callable[[Raw], Any], within: float = ONE_RUN) -> Raw:
        """Waits until the Canary's status is as claimed."""
        status: Raw = {}

        async def holds() -> bool:
            nonlocal status
            assert self.operator.ended is None, self.operator.last_lines(20)
            status = (await self.api.get("Canary", SPACE, "myapp")).get("status") or {}
            return bool(claim(status))

        try:
            await until(holds, what, within)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {status}; {await self.told()}; {self.operator.last_lines(8)}") from None
        return status

    async def run(self, number: int) -> Raw:
        """An attempt's status, with its changed keys."""
        found = await self.api.get("ConfigRollout", SPACE, f"myapp-{number}")
        return {**found["status"], "changedKeys": found["spec"]["changedKeys"]}

    async def told(self) -> list[str]:
        """The texts of the Canary's events."""
        return [event["message"] for event in await self.api.list("Event", SPACE) if event["involvedObject"]["kind"] == "Canary"]

    def runs_on(self, workload: str) -> set[str]:
        """The config.yaml that living pods of a workload started with."""
        return world.contents(self.node, SPACE, workload)

    def shares(self, content: str) -> list[float]:
        """Shares of the requests that pods got that ran this and nothing else, in order."""
        return [share for share, ran in self.traffic.canary if ran == {content} and share]

    def heard(self) -> None:
        """The load tester ran what the Canary says, and the chat heard its message, both at each check."""
        assert set((self.folder / "hey.log").read_text().splitlines()) == {"-z 1m -q 10 -c 2 http://myapp.production/"}
        calls = self.receiver.calls
        assert {call["metadata"]["message"] for call in calls[CHAT]} == {"Canary deployment for myapp started"}
        assert len(calls[CHAT]) == len(calls[HOOKED])


def typed(plane: ControlPlane, folder: Path, script: str, within: float) -> "subprocess.CompletedProcess[str]":
    """A shell of somebody who has kubectl and trimtab on PATH, and the cluster's kubeconfig."""
    path = f"{plane.folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    variables = {**os.environ, "PATH": path, "KUBECONFIG": str(plane.kubeconfig)}
    words = ["bash", "-e", "-o", "pipefail", "-c", script]
    return subprocess.run(words, cwd=folder, env=variables, capture_output=True, text=True, timeout=within, check=False)


def content(log_level: str = "debug", pool_size: int = 20) -> str:
    """The config.yaml of the document's ConfigMap."""
    return f"log_level: {log_level}\ndatabase:\n  pool_size: {pool_size}\n"


async def follows() -> bool:
    """Does the operator lead, with mirrors that keep up?"""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{PORT}/readyz") as answer:
            return await answer.text() == "leading"
    except aiohttp.ClientError:
        return False


@asynccontextmanager
async def founding(folder: Path, load_tester: Path) -> AsyncIterator[Founding]:
    """Applies the document's files, waits until the application is initialised, and sets the interval to 10 s."""
    async with AsyncExitStack() as stack:
        plane = stack.enter_context(ControlPlane(folder / "plane"))
        node = stack.enter_context(node_running(plane.kubeconfig_of("testbed"), 0.2))
        api = await stack.enter_async_context(Api(plane.kubeconfig))
        users = await stack.enter_async_context(Api(plane.kubeconfig_of("testbed")))
        traffic, receiver = world.Traffic(users, node, SPACE, "myapp"), world.Receiver(HOOKED)
        await stack.enter_async_context(world.following(traffic))
        counted = await stack.enter_async_context(world.serving(traffic.metrics))
        await stack.enter_async_context(world.serving(receiver.answer, 80))
        await stack.enter_async_context(world.load_tester(folder, load_tester))
        await stack.enter_async_context(world.prometheus(folder, f"{PROMETHEUS}:9090", counted))
        install, *spaces = SECTIONS["The founding document's second strategy"]
        for line in (install, *spaces):
            done = await asyncio.to_thread(typed, plane, folder, line, 60.0)
            assert done.returncode == 0, done.stderr
        # Nobody runs containers here, so the operator that the page installs runs beside the cluster, with the flags of the page's line.
        flags = shlex.split(install.partition(" --print-manifests")[0])[2:]
        own = [f"-kubeconfig={plane.kubeconfig}", f"-port={PORT}"]
        operator = Process([sys.executable, "-m", "trimtab", "operator", *flags, *own], folder / "operator.log")
        stack.callback(operator.stop, signal.SIGTERM)
        made = Founding(plane, api, node, traffic, receiver, operator, folder)
        # Right after its CRDs were made, an API server refuses watches for a moment; what is missed then is pinned into the first run.
        await until(follows, "the operator follows the cluster", 60.0)
        for text in FILES.values():
            await made.kubectl("apply", "-f", "-", given=text)
        await made.reached("initialised", lambda status: status.get("phase") == "Initialized")
        (shorter,) = SECTIONS["What happens when"]
        assert (await asyncio.to_thread(made.type, shorter)).returncode == 0
        yield made
        assert not traffic.lost, "requests went where no pod was"


def test_every_line_of_the_page_below_its_beginning_is_typed_in_a_story() -> None:
    shown = {heading: len(lines) for heading, lines in SECTIONS.items() if lines}
    assert shown == {"Begin": 7, "The founding document's second strategy": 3, "What happens when": 1, "How to look": 6}


def play(folder: Path, story: Callable[[Founding], Awaitable[None]]) -> None:
    """Plays a story in a network in which the document's host names mean something."""
    load_tester = program(LOAD_TESTER)

    async def told() -> None:
        async with founding(folder, load_tester) as made:
            await story(made)

    run_alone((PROMETHEUS, HOOKED, CHAT), folder, told)


def test_the_files_are_the_printed_ones_but_for_the_lines_that_the_page_names() -> None:
    added = {}
    for name, text in FILES.items():
        lines = difflib.ndiff((PRINTED / name).read_text().splitlines(), text.splitlines())
        changed = [line for line in lines if line[0] in "+-"]
        assert not [line for line in changed if line[0] == "-"]
        added[name] = [line[2:].strip() for line in changed]
    assert added == {
        "configmap.yaml": [],
        "deployment.yaml": ["selector:", "matchLabels:", "app: myapp", "labels:", "app: myapp"],
        "canary.yaml": [],
    }


@pytest.mark.cluster
def test_of_the_printed_files_the_deployment_alone_is_refused(plane: ControlPlane) -> None:
    for name in FILES:
        text = (PRINTED / name).read_text().replace(f"namespace: {SPACE}", "namespace: default").replace("flagger-system", "default")
        said = ""
        try:
            plane.kubectl("apply", "--dry-run=server", "-f", "-", given=text)
        except PlaneError as error:
            said = str(error)
        assert ("spec.selector: Required value" in said) == (name == "deployment.yaml"), said or name


@pytest.mark.cluster
@pytest.mark.slow
def test_a_good_edit_is_promoted_after_five_checks_with_more_and_more_requests(tmp_path: Path, built: None) -> None:
    async def story(here: Founding) -> None:
        await here.edit("v3")
        assert await here.followed("v3", pool_size="25") == 0
        status = await here.reached("the edit is promoted or not", ended)
        told = await here.looked()
        assert "pool_size: 20 -> 25" in told and "Advance myapp.production canary weight 50" in told and "Promoted" in told, told
        run = await here.run(2)
        assert (status["phase"], run["outcome"], run["checks"], run["failedChecks"]) == ("Succeeded", "Promoted", 5, 0)
        assert run["changedKeys"] == ["config.yaml: database.pool_size: 20 -> 25 (x1.25)"], "a new config.version alone is no change"
        assert here.traffic.weights == [0, 10, 20, 30, 40, 50, 0]
        assert here.shares(content(pool_size=25)) == [0.1, 0.2, 0.3, 0.4, 0.5]
        assert here.runs_on("myapp-primary") == {content(pool_size=25)}
        assert len(here.receiver.calls[CHAT]) == 5
        here.heard()

    play(tmp_path, story)


@pytest.mark.cluster
@pytest.mark.slow
def test_a_bad_edit_is_rolled_back_because_of_the_error_rate_that_was_measured(tmp_path: Path, built: None) -> None:
    async def story(here: Founding) -> None:
        assert await here.followed("v3", log_level="trace") == 1
        status = await here.reached("the edit is rolled back or not", ended)
        run = await here.run(2)
        assert (status["phase"], run["outcome"], run["checks"], run["failedChecks"]) == ("Failed", "RolledBack", 5, 5)
        assert any(text.startswith("Halt myapp.production advancement success rate 95.") for text in await here.told())
        assert measured(run) == [("request-success-rate", "below", 95), ("error-rate", "above", 5)] * 5
        assert here.traffic.weights == [0, 10, 0] and here.shares(content("trace")) == [0.1]
        assert here.runs_on("myapp-primary") == {content()}
        here.heard()

    play(tmp_path, story)


@pytest.mark.cluster
@pytest.mark.slow
def test_an_edit_in_the_middle_of_a_run_restarts_it_and_canary_pods_run_the_newest_content(tmp_path: Path, built: None) -> None:
    async def story(here: Founding) -> None:
        await here.edit("v3", pool_size="25")
        await here.reached("the first edit has 20 %", lambda _: here.shares(content(pool_size=25)) == [0.1, 0.2])
        await here.edit("v4", pool_size="30")
        await here.reached("the second edit has 20 %", lambda _: here.shares(content(pool_size=30)) == [0.1, 0.2])
        assert here.traffic.weights == [0, 10, 20, 0, 10, 20]
        assert (await here.run(2))["outcome"] == "Superseded"
        assert "New revision detected! Restarting analysis for myapp.production" in await here.told()
        assert (here.runs_on("myapp"), here.runs_on("myapp-primary")) == ({content(pool_size=30)}, {content()})
        assert not [ran for share, ran in here.traffic.canary if share and len(ran) > 1], "requests went to both contents at once"
        here.heard()

    play(tmp_path, story)


def measured(run: Raw) -> list[tuple[str, str, int]]:
    """What each failed check found outside the limits, and which number Prometheus gave for it, rounded."""
    checks = [entry["results"] for entry in run["timeline"] if entry["reason"] == "CheckFailed"]
    wrong = [one for check in checks for one in check if one["reading"] != "within"]
    return [(one["metric"], one["reading"], round(float(one["value"]))) for one in wrong]


def ended(status: Raw) -> bool:
    """Is the run over?"""
    return status.get("phase") in ("Succeeded", "Failed")
