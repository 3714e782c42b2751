"""`trimtab operator` as a real process in a namespace of its own, and the command line beside it, for tests."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

from cluster.opened import canary, config_map, deployment, until
from cluster.testbed.api import Api, ApiError
from cluster.testbed.plane import ControlPlane
from cluster.testbed.process import Process

Raw = dict[str, Any]
INTERVAL = "1s"


@dataclass
class Operating:
    """A namespace with operators that look after it, and nobody else."""

    plane: ControlPlane
    api: Api
    namespace: str
    folder: Path
    through: Path | None = None
    """The kubeconfig of the operators; without it the administrator's."""
    processes: list[Process] = field(default_factory=list)

    def start(self, *flags: str) -> Process:
        """One more operator."""
        kubeconfig = self.through or self.plane.kubeconfig
        base = ["operator", f"-kubeconfig={kubeconfig}", f"-namespace={self.namespace}", "-port=0", "-minimum-interval=100ms"]
        home = [f"-leader-election-namespace={self.namespace}", "-mesh-provider=kubernetes", *flags]
        log = self.folder / f"operator-{len(self.processes)}.log"
        started = Process([sys.executable, "-m", "trimtab", *base, *home], log, environment={**os.environ, "PYTHONWARNINGS": "error"})
        self.processes.append(started)
        return started

    def stop(self) -> None:
        """Ends all of them."""
        for process in self.processes:
            process.stop(SIGTERM)

    def kill(self) -> None:
        """As if the machine had gone."""
        self.processes[-1].stop(SIGKILL)

    async def leads(self) -> None:
        """Waits until the newest operator acts."""

        async def acts() -> bool:
            return '"leading ' in self.processes[-1].log.read_text()

        await until(acts, "the operator leads", 40.0)

    async def app(self, *, spec: Raw | None = None, **analysis: Any) -> None:
        """A target that reads a ConfigMap, and its Canary; returns when it is initialised."""
        rules = {"interval": INTERVAL, "threshold": 2, "iterations": 2, **analysis}
        for made in (config_map(color="red"), deployment(), canary(analysis=rules, **(spec or {}))):
            await self.api.create(made, self.namespace)
        await self.phase("Initialized")

    async def careful(self, canary: str) -> None:
        """From now on somebody has to say yes before a Canary promotes."""
        policy = {"apiVersion": "trimtab.dev/v1alpha1", "kind": "RolloutPolicy", "metadata": {"name": "careful"}}
        await self.api.create({**policy, "spec": {"gates": {"approvals": ["confirm-promotion"]}}}, self.namespace)
        await self.api.patch("Canary", self.namespace, canary, {"metadata": {"annotations": {"trimtab.dev/policy": "careful"}}})

    async def edit(self, **data: str) -> None:
        """Somebody edits the ConfigMap."""
        await self.api.patch("ConfigMap", self.namespace, "app-config", {"data": data})

    async def status(self, canary: str = "app") -> Raw:
        """The Canary's status."""
        found = await self.api.get("Canary", self.namespace, canary)
        status: Raw = found.get("status") or {}
        return status

    async def phase(self, wanted: str, within: float = 40.0, canary: str = "app") -> Raw:
        """Waits for a phase; the status."""

        async def reached() -> Raw | None:
            status = await self.status(canary)
            return status if status.get("phase") == wanted else None

        try:
            found: Raw = await until(reached, f"phase {wanted}", within)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {await self.status(canary)}: {self.processes[-1].last_lines(8)}") from None
        return found

    async def outcome(self, number: int, wanted: str, within: float = 40.0) -> Raw:
        """Waits for the end of an attempt; its object."""

        async def ended() -> Raw | None:
            run = await self.rollout(number)
            return run if run is not None and run["status"].get("outcome") == wanted else None

        found: Raw = await until(ended, f"rollout {number} is {wanted}", within)
        return found

    async def rollout(self, number: int, canary: str = "app") -> Raw | None:
        """An attempt's object; None while there is none."""
        try:
            found: Raw = await self.api.get("ConfigRollout", self.namespace, f"{canary}-{number}")
        except ApiError as error:
            assert error.status == 404
            return None
        return found

    async def say(self, *words: str, code: int = 0) -> str:
        """The command line, with the administrator's kubeconfig; what it printed on standard output."""
        command = [
            sys.executable,
            "-m",
            "trimtab",
            *words,
            "--in",
            "cluster",
            "-n",
            self.namespace,
            "--kubeconfig",
            str(self.plane.kubeconfig),
        ]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == code, f"{words} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    async def told(self, *words: str) -> Any:
        """The same, as JSON."""
        return json.loads(await self.say(*words, "-o", "json"))
