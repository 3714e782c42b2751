"""Operators behind a network and an API server that have bad days, and what the API server saw of them. Used by `test_faults` and its kin.

Two edits are rolled out side by side, a good and a bad one; `end_as_ever` says how that ends without any fault.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster.opened import canary, config_map, deployment, until
from cluster.operating import Operating
from cluster.testbed.api import Api
from cluster.testbed.fault_proxy import FaultProxy
from cluster.testbed.node import Node
from cluster.testbed.plane import ControlPlane
from cluster.testbed.process import Process
from cluster.testbed.world import World
from cluster.witness import Witness, doubled, witnessed

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
        told = await until(lambda: self.events_of(name, outcome), f"all about {name} is told")
        if doubled(told):
            yield f"told twice: {doubled(told)}"

    async def ended(self, stem: str) -> bool:
        """Have both attempts ended, by their records?"""
        runs = [await self.rollout(2, name) for name in names(stem)]
        return all(run is not None and run["status"].get("outcome") for run in runs)

    async def events_of(self, name: str, last: str) -> list[tuple[str, str]]:
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


@asynccontextmanager
async def behind_a_proxy(plane: ControlPlane, node: Node, api: Api, namespace: str, folder: Path) -> AsyncIterator[Faulty]:
    """Everything but an operator; those that are started are the user `controller`."""
    token = folder / "token"
    token.write_text("controller")
    async with (
        FaultProxy(plane.kubeconfig) as proxy,
        World(node.reads, lambda where, channel, entry: None) as world,
        witnessed(api, namespace) as witness,
    ):
        script = [{"match": "-bad", "value": 80}, {"match": "", "value": 99.9}]
        world.script(namespace, {"metrics": script})
        through = proxy.kubeconfig(folder / "proxied.kubeconfig", token, namespace)
        made = Faulty(
            plane, api, namespace, folder, through, proxy=proxy, witness=witness, node=node, token=token, metrics=f"{world.address}/prom"
        )
        try:
            yield made
        finally:
            # Not here: this thread is the proxy, through which an operator gives its lease back.
            await asyncio.to_thread(made.stop)
