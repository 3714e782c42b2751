"""How many requests does a rollout lose? Run it by hand: `PYTHONPATH=tests python benchmarks/lost_requests.py`.

A real `trimtab up` under steady load: a calm time to compare with, weight changes and a promotion, a rollback, a SIGKILL of Trimtab
while the canary gets a share, and one while the primary is replaced, each with a new start. Lost is a request that no pod answered:
a connection error, or an answer that Envoy made itself. `moving_weights.py` strains the same path without Trimtab, for longer.
Exit code 1 if a request was lost.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from e2e.documents import SUCCESS, bad, settings, shop
from e2e.harness import Place, free_port, place

CLIENTS = 50
PATIENCE = 10.0
"""Seconds that an answer may take."""


class Load:
    """Steady requests on kept connections, in one thread with its own event loop."""

    def __init__(self, port: int, rate: float) -> None:
        self.port, self.pause = port, CLIENTS / rate
        self.stage = "calm"
        self.stages: Counter[tuple[str, str]] = Counter()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.run()))

    async def run(self) -> None:
        """All clients until it is told to stop."""
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(self.client(number / CLIENTS * self.pause))

    async def client(self, offset: float) -> None:
        """One connection, opened anew when it breaks; its requests keep to their own beat."""
        loop = asyncio.get_running_loop()
        due, streams = loop.time() + offset, None
        while not self.stop.is_set():
            await asyncio.sleep(max(0.0, due - loop.time()))
            due = max(due + self.pause, loop.time())
            try:
                async with asyncio.timeout(PATIENCE):
                    streams = streams or await asyncio.open_connection("127.0.0.1", self.port)
                    kind = await self.ask(*streams)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as problem:
                kind, streams = f"lost: {problem!r}", None
            self.stages[self.stage, kind] += 1

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        """One request, and what kind of answer came."""
        writer.write(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        body = await reader.readexactly(length)
        status = int(head.split(b" ")[1])
        if status < 500:
            return "answered"
        return "failed by a pod" if b"database" in body else f"lost: {status} {body.decode()}"

    def __enter__(self) -> "Load":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()


def calm(here: Place) -> None:
    """Nothing changes."""
    threading.Event().wait(8)


def promotion(here: Place) -> None:
    """Weights of 10, 40 and 70 %, then the primary is replaced, with its traffic moved in steps."""
    here.repository.commit({"settings.yaml": settings("two")})
    assert here.outcome(2)["outcome"] == "Promoted"


def rollback(here: Place) -> None:
    """All requests of the canary fail."""
    here.repository.commit({"settings.yaml": bad()})
    assert here.outcome(3)["outcome"] == "RolledBack"


def restart_at_a_weight(here: Place) -> None:
    """SIGKILL while the canary gets a share, and a new start."""
    here.repository.commit({"settings.yaml": settings("three")})
    here.wait(lambda view: view["weight"] == 40, "the second step")
    here.signal(signal.SIGKILL)
    here.up()
    assert here.outcome(4)["outcome"] == "Promoted"


def restart_while_promoting(here: Place) -> None:
    """SIGKILL while the primary is replaced, and a new start."""
    here.repository.commit({"settings.yaml": settings("four")})
    here.phase("Promoting", 5)
    here.signal(signal.SIGKILL)
    here.up()
    assert here.outcome(5)["outcome"] == "Promoted"


STAGES: tuple[Callable[[Place], None], ...] = (calm, promotion, rollback, restart_at_a_weight, restart_while_promoting)


def main() -> int:
    """Measures and prints; 1 where a request was lost."""
    parser = argparse.ArgumentParser(description="Count the requests that a rollout loses.")
    parser.add_argument("--rate", type=float, default=1000, help="requests in a second, all clients together")
    rate = parser.parse_args().rate
    rules = {"interval": "2s", "threshold": 2, "stepWeights": [10, 40, 70], "stepWeightPromotion": 35, "metrics": [SUCCESS]}
    with tempfile.TemporaryDirectory() as folder, place(Path(folder)) as here:
        here.repository.commit(shop(free_port(), rules, replicas=2))
        here.up()
        here.outcome(1)
        with Load(here.port(), rate) as load:
            for stage in STAGES:
                load.stage = stage.__name__.replace("_", " ")
                stage(here)
    report(load.stages)
    return int(any(kind.startswith("lost") for _, kind in load.stages))


def report(stages: Counter[tuple[str, str]]) -> None:
    """One line for each stage."""
    for name in dict.fromkeys(stage for stage, _ in stages):
        kinds = {kind: count for (stage, kind), count in stages.items() if stage == name}
        lost = sum(count for kind, count in kinds.items() if kind.startswith("lost"))
        print(f"{name:26} {sum(kinds.values()):7} requests, {kinds.get('failed by a pod', 0):5} failed by a pod, {lost} lost")
    for (stage, kind), count in stages.items():
        if kind.startswith("lost"):
            print(f"  {stage}: {count} x {kind}")


if __name__ == "__main__":
    sys.exit(main())
