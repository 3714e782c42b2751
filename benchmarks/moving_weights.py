"""How many requests are lost while weights change and pods are replaced without a pause? `python benchmarks/moving_weights.py --help`.

Real processes on the loopback interface: Envoy, a primary and a canary that are replaced in the order of the node loop (new pod
published, old one withdrawn, no request under way, TERM), and clients that keep a steady pace. Lost is a connection error or an
answer that no pod made. Exit code 1 if a request was lost.
"""

import argparse
import asyncio
import os
import signal
import statistics
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiohttp

from trimtab.adapters.local.dataplane import Backend, CopyName, Endpoint
from trimtab.adapters.local.envoy import Envoy
from trimtab.adapters.local.envoy_dataplane import EnvoyDataPlane
from trimtab.adapters.local.envoy_files import until
from trimtab.adapters.local.envoy_process import find_program
from trimtab.adapters.local.envoy_router import EnvoyRouter
from trimtab.model.names import CanaryKey, Target
from trimtab.model.policy import Policy, Service
from trimtab.model.rollout import Exposure
from trimtab.ports import Wanted

KEY = CanaryKey("bench", "web")
LONGEST_REQUEST = 5.0

POD = """
import asyncio, sys
async def serve(reader, writer):
    try:
        while True:
            await reader.readuntil(b"\\r\\n\\r\\n")
            await asyncio.sleep(0.002)
            writer.write(b"HTTP/1.1 200 OK\\r\\nx-pod: 1\\r\\ncontent-length: 2\\r\\n\\r\\nok")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@dataclass
class Pod:
    """A process that answers after 2 ms and dies at once when it is told to."""

    process: asyncio.subprocess.Process
    endpoint: Endpoint


@dataclass
class Tally:
    """What the clients saw."""

    answers: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    moves: list[float] = field(default_factory=list)
    pods: int = 0

    def print(self, span: float) -> int:
        """Prints the result; returns how many requests were lost."""
        lost = self.answers.total() - self.answers["answered"]
        cuts = statistics.quantiles(self.seconds, n=100)
        print(f"requests            {self.answers.total()} in {span:g} s")
        print(f"lost                {lost}")
        print(f"latency p50, p99    {cuts[49] * 1000:.1f} ms, {cuts[98] * 1000:.1f} ms")
        usual, most = statistics.median(self.moves) * 1000, max(self.moves) * 1000
        print(f"weight changes      {len(self.moves)}, median {usual:.1f} ms, most {most:.1f} ms")
        print(f"pods replaced       {self.pods}")
        for what, count in self.answers.items():
            if what != "answered":
                print(f"  {count} x {what}")
        return lost


async def start_pod(started: list[asyncio.subprocess.Process]) -> Pod:
    """Starts a pod, notes it in `started`, and waits until it listens."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", POD, stdout=asyncio.subprocess.PIPE)
    started.append(process)
    line = await process.stdout.readline() if process.stdout else b""
    return Pod(process, Endpoint(int(line)))


async def end(process: asyncio.subprocess.Process) -> None:
    """TERM, which a pod here does not handle: whatever was still under way is lost."""
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    await process.wait()


async def client(session: aiohttp.ClientSession, url: str, pause: float, tally: Tally) -> None:
    """Asks for ever, at most once in `pause` seconds."""
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        try:
            async with session.post(url, data=b"x") as answer:
                text = await answer.text()
                tally.answers["answered" if "x-pod" in answer.headers else f"{answer.status} {text}"] += 1
        except aiohttp.ClientError as error:
            tally.answers[repr(error)] += 1
        tally.seconds.append(loop.time() - began)
        await asyncio.sleep(max(0.0, pause - (loop.time() - began)))


async def move_weights(router: EnvoyRouter, policy: Policy, tally: Tally) -> None:
    """Changes the canary's weight ten times a second."""
    loop = asyncio.get_running_loop()
    for serial in range(1, sys.maxsize):
        began = loop.time()
        await router.set(KEY, Wanted(serial, policy, Exposure(weight=serial * 7 % 101), None))
        tally.moves.append(loop.time() - began)
        await asyncio.sleep(0.1)


async def replace_pods(plane: EnvoyDataPlane, pods: dict[Backend, Pod], started: list[asyncio.subprocess.Process], tally: Tally) -> None:
    """Replaces one pod after the other."""
    while True:
        for backend, old in tuple(pods.items()):
            new = await start_pod(started)
            pods[backend] = new
            await plane.publish(backend, [old.endpoint, new.endpoint])
            await plane.publish(backend, [new.endpoint])
            await until(partial(idle, plane, backend, old.endpoint), LONGEST_REQUEST)
            await end(old.process)
            tally.pods += 1


async def idle(plane: EnvoyDataPlane, backend: Backend, endpoint: Endpoint) -> bool:
    """Has a pod no request under way?"""
    return not await plane.active(backend, endpoint)


async def measure(arguments: argparse.Namespace, folder: Path) -> int:
    """One run; returns how many requests were lost."""
    policy = Policy(Target("Deployment", "web"), Service("web", 80), provider="istio")
    tally, started = Tally(), list[asyncio.subprocess.Process]()
    pods = {Backend("bench", "web", copy): await start_pod(started) for copy in CopyName}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        envoy = Envoy(folder, session, lambda: find_program(os.environ))
        plane = EnvoyDataPlane(envoy)
        try:
            service = await envoy.expose("bench", "web", 80)
            for backend, pod in pods.items():
                await plane.publish(backend, [pod.endpoint])
            url, pause = f"http://127.0.0.1:{service.port}/", arguments.clients / arguments.rate
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(client(session, url, pause, tally)) for _ in range(arguments.clients)]
                running.append(tasks.create_task(move_weights(EnvoyRouter(envoy), policy, tally)))
                running.append(tasks.create_task(replace_pods(plane, pods, started, tally)))
                await asyncio.sleep(arguments.seconds)
                for task in running:
                    task.cancel()
        finally:
            await envoy.stop()
            for process in started:
                await end(process)
    return tally.print(arguments.seconds)


def main() -> int:
    """Reads the command line, runs once."""
    parser = argparse.ArgumentParser(description="Count requests that are lost while weights change and pods are replaced.")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=500, help="requests in a second, all clients together")
    parser.add_argument("--clients", type=int, default=32)
    with tempfile.TemporaryDirectory() as folder:
        return 1 if asyncio.run(measure(parser.parse_args(), Path(folder) / "envoy")) else 0


if __name__ == "__main__":
    sys.exit(main())
