"""A network and an API server on their bad days, between a real operator and a real API server: nothing is lost, doubled or out of order.

Two edits are rolled out side by side, a good and a bad one. The fault comes at the first weight, and again during the promotion.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cluster.opened import canary, config_map, deployment, until
from cluster.operating import Operating
from cluster.testbed import fault_proxy
from cluster.testbed.api import Api
from cluster.testbed.fault_proxy import Call, Fault, FaultProxy
from cluster.testbed.node import Node
from cluster.testbed.plane import ControlPlane
from cluster.testbed.process import Process
from cluster.testbed.world import World
from cluster.witness import Witness, doubled, witnessed
from trimtab.errors import Unavailable

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
WITHIN = 90.0
GOOD, BAD = "good", "bad"
EDGE: Raw = {
    "provider": "gatewayapi:v1",
    "service": {"port": 80, "gatewayRefs": [{"name": "edge", "namespace": "edge"}]},
    "analysis": {
        "interval": "500ms",
        "threshold": 1,
        "stepWeights": [20, 60],
        "metrics": [{"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "1m"}],
    },
}
LATER = {"Progressing": 0, "Promoting": 1, "Finalising": 2, "Succeeded": 3}


@dataclass
class Faulty(Operating):
    """Operators behind a proxy, what the API server sees of them, and what their pods read."""

    proxy: FaultProxy = field(kw_only=True)
    witness: Witness = field(kw_only=True)
    node: Node = field(kw_only=True)
    token: Path = field(kw_only=True)
    metrics: str = field(kw_only=True)
    edited: dict[str, int] = field(default_factory=dict)
    """The resourceVersion of each edit."""

    def start(self, *flags: str) -> Process:
        """One more operator."""
        return super().start(f"-metrics-server={self.metrics}", *flags)

    async def apps(self, *stems: str) -> None:
        """Two targets with their Canaries for each stem; returns when all are initialised."""
        for name in names(*stems):
            target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
            read = f"{name}-config"
            for made in (config_map(read, color="red"), deployment(name, reads=(read,)), canary(name, **EDGE, targetRef=target)):
                await self.api.create(made, self.namespace)
        for name in names(*stems):
            await self.phase("Initialized", WITHIN, name)

    async def edit_both(self, *stems: str) -> None:
        """Somebody edits what both read."""
        for name in names(*stems):
            written = await self.api.patch("ConfigMap", self.namespace, f"{name}-config", {"data": {"color": name.rpartition("-")[2]}})
            self.edited[name] = int(written["metadata"]["resourceVersion"])

    async def at(self, stem: str, phase: str, weight: int = 0) -> None:
        """Waits until the good edit is there, or further on."""

        async def so() -> bool:
            status = await self.status(f"{stem}-{GOOD}")
            place = LATER.get(status["phase"], -1)
            return place > LATER[phase] or (place == LATER[phase] and status["canaryWeight"] >= weight)

        await until(so, f"the good edit of {stem} is {phase} with {weight}", WITHIN)

    async def end_as_ever(self, *stems: str) -> None:
        """Good edits are promoted and bad ones rolled back, as without any fault; and on the way no law was broken."""
        for name in names(*stems):
            try:
                await self.phase("Succeeded" if name.endswith(GOOD) else "Failed", WITHIN, name)
            except AssertionError as error:
                raise AssertionError(f"{error}; met {[fault.met for fault in self.proxy.faults]}") from None
        await self.witness.caught_up()
        wrong = {name: found for name in names(*stems) if (found := [one async for one in self.differences(name)])}
        assert not wrong, wrong

    async def differences(self, name: str) -> AsyncIterator[str]:
        """What is otherwise than without any fault."""
        good = name.endswith(GOOD)
        for broken in self.witness.broken(name):
            yield broken
        for what, found, wanted in (
            ("weights", self.witness.weights(name), [0, 20, 60, 0] if good else [0, 20, 0]),
            ("pods of the primary", self.ran(f"{name}-primary"), ["red", GOOD] if good else ["red"]),
            ("pods of the canary", self.ran(name), ["red", GOOD if good else BAD]),
            ("attempts", len(self.witness.names("ConfigRollout", name)), 2),
        ):
            if found != wanted:
                yield f"{what}: {found}, not {wanted}"
        run = await self.rollout(2, name)
        assert run is not None
        outcome = "Promoted" if good else "RolledBack"
        timeline = [(entry["reason"], entry["text"]) for entry in run["status"]["timeline"]]
        if run["status"]["outcome"] != outcome or doubled(timeline):
            yield f"it is {run['status']['outcome']}, with {doubled(timeline)} twice"
        told = await until(lambda: self.told(name, outcome), f"all about {name} is told")
        if doubled(told):
            yield f"told twice: {doubled(told)}"

    async def told(self, name: str, last: str) -> list[tuple[str, str]]:
        """Reason and text of each Event about a Canary since the edit, once the last one is there."""
        found = [one for one in await self.api.list("Event", self.namespace) if one["involvedObject"]["name"] == name]
        told = [(one["reason"], one["message"]) for one in found if int(one["metadata"]["resourceVersion"]) > self.edited[name]]
        return told if {"NewRevision", "Advanced", last} <= {reason for reason, _ in told} else []

    async def says(self, text: str, count: int = 1) -> None:
        """Waits until the newest operator has logged a text so often."""

        async def said() -> bool:
            return self.processes[-1].log.read_text().count(text) >= count

        await until(said, f"{count} times {text!r} in the log", WITHIN)

    def ran(self, workload: str) -> list[str]:
        """The colour that each pod of a workload started with, oldest first."""
        return [str(content["color"]) for data in self.node.began(self.namespace, workload) for content in data.values()]


def names(*stems: str) -> Iterator[str]:
    """Of all Canaries."""
    for stem in stems:
        yield f"{stem}-{GOOD}"
        yield f"{stem}-{BAD}"


@pytest.fixture
async def faulty(plane: ControlPlane, node: Node, api: Api, namespace: str, tmp_path: Path) -> AsyncIterator[Faulty]:
    """Everything but an operator."""
    token = tmp_path / "token"
    token.write_text("admin")
    async with (
        FaultProxy(plane.kubeconfig) as proxy,
        World(node.reads, lambda where, channel, entry: None) as world,
        witnessed(api, namespace) as witness,
    ):
        script = [{"match": "-bad", "value": 80}, {"match": "", "value": 99.9}]
        world.script(namespace, {"metrics": script})
        through = proxy.kubeconfig(tmp_path / "proxied.kubeconfig", token, namespace)
        made = Faulty(
            plane, api, namespace, tmp_path, through, proxy=proxy, witness=witness, node=node, token=token, metrics=f"{world.address}/prom"
        )
        try:
            yield made
        finally:
            # Not here: this thread is the proxy, through which an operator gives its lease back.
            await asyncio.to_thread(made.stop)


def writes(call: Call) -> bool:
    """Anything that is written."""
    return call.writes


def records(call: Call) -> bool:
    """What a rollout writes first: the record, and who gets which share."""
    return call.writes and call.what in ("configrollouts", "httproutes")


def reads(call: Call) -> bool:
    """What a pass asks for."""
    return call.method == "GET" and call.what in ("httproutes", "pods") and not call.watch


ANSWERS: dict[str, tuple[fault_proxy.Deed, Callable[[Call], bool]]] = {
    "throttled": (fault_proxy.says(429, Retry_After="1"), records),
    "failed": (fault_proxy.says(500), writes),
    "unread": (fault_proxy.says(500), reads),
    "cut": (fault_proxy.cut, reads),
    "lost": (fault_proxy.lost, writes),
    "halved": (fault_proxy.cut, writes),
    "slow": (fault_proxy.late(1.0), lambda call: records(call) or reads(call)),
}
"""What is done to a request, and to which. Each request of its kind is met once at the first weight, and once more during the promotion."""


async def test_refused_slow_cut_and_lost_answers_change_nothing_but_the_time_that_a_run_takes(faulty: Faulty) -> None:
    faulty.start("-enable-leader-election=false")
    await faulty.apps(*ANSWERS)

    def fault(stem: str) -> Fault:
        deed, concerns = ANSWERS[stem]
        return Fault(deed, lambda call: concerns(call) and f"{stem}-" in call.name)

    faults = {stem: fault(stem) for stem in ANSWERS}
    faulty.proxy.faults += faults.values()
    await faulty.edit_both(*ANSWERS)

    async def again(stem: str) -> None:
        for phase, weight in (("Progressing", 20), ("Promoting", 0)):
            await faulty.at(stem, phase, weight)
            faults[stem].anew()

    await asyncio.gather(*map(again, ANSWERS))
    await faulty.end_as_ever(*ANSWERS)
    assert [stem for stem in ANSWERS if not faults[stem].met] == []


async def test_watches_that_end_break_or_are_too_old_lose_nothing(faulty: Faulty) -> None:
    faulty.start("-enable-leader-election=false")
    await faulty.apps("watched")
    old = Fault(fault_proxy.gone, lambda call: call.watch)
    faulty.proxy.faults.append(old)
    # Nobody hears of the edit, for the watches are gone and new ones are told to list anew.
    assert faulty.proxy.drop_watches()
    await faulty.edit_both("watched")
    await faulty.at("watched", "Progressing", 20)
    refused = Fault(fault_proxy.says(410), lambda call: call.watch)
    faulty.proxy.faults.append(refused)
    faulty.proxy.drop_watches()
    await faulty.at("watched", "Promoting")
    faulty.proxy.drop_watches()
    await faulty.end_as_ever("watched")
    assert old.met and refused.met


async def test_a_run_goes_on_where_it_was_when_the_api_server_comes_back(faulty: Faulty) -> None:
    faulty.start("-enable-leader-election=false")
    await faulty.apps("away")
    await faulty.edit_both("away")
    for phase, weight in (("Progressing", 20), ("Promoting", 0)):
        await faulty.at("away", phase, weight)
        before = faulty.processes[0].log.read_text().count("cannot connect")
        await faulty.proxy.leave()
        await faulty.says("cannot connect", before + 1)
        await faulty.proxy.come_back()
    await faulty.end_as_ever("away")


async def test_an_operator_that_loses_its_lease_with_the_api_server_ends_and_the_next_one_goes_on(faulty: Faulty) -> None:
    first = faulty.start()
    await faulty.apps("long")
    await faulty.edit_both("long")
    await faulty.at("long", "Progressing", 20)
    await faulty.proxy.leave()
    assert await ends(first) == Unavailable.exit_code
    assert "could not be renewed in time" in first.log.read_text()
    early = faulty.start()
    await faulty.says("cannot connect")
    assert early.stop() == 0, "it can be told to end while it waits"
    faulty.start("-enable-leader-election=false")
    await faulty.says("cannot connect")
    await faulty.proxy.come_back()
    await faulty.end_as_ever("long")


async def test_a_token_that_expires_is_read_anew_and_nobody_notices(faulty: Faulty) -> None:
    faulty.start("-enable-leader-election=false")
    await faulty.apps("rotated")
    await faulty.edit_both("rotated")
    await faulty.at("rotated", "Progressing", 20)
    rotate(faulty.token, "controller")
    faulty.proxy.expired.add("admin")
    await faulty.end_as_ever("rotated")
    assert faulty.proxy.refused == ["admin"] * len(faulty.proxy.refused) != []
    assert "credentials" not in faulty.processes[0].log.read_text()


async def ends(process: Process) -> int:
    """The exit code, when there is one."""

    async def so() -> bool:
        return process.ended is not None

    await until(so, "the operator ends", WITHIN)
    return process.stop()


def rotate(token: Path, value: str) -> None:
    """As a kubelet does it: in one step."""
    new = token.with_suffix(".new")
    new.write_text(value)
    new.replace(token)
