"""What end-to-end stories are told with: a git repository, real `trimtab` processes on it, and requests through Envoy.

Nothing is patched and nothing is called inside the program: the tests see what a person sees.
"""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = (sys.executable, "-W", "error", "-m", "trimtab")
WITHIN = 25.0
"""Seconds that anything may take; on a quiet machine everything takes a fraction of it."""
LOOK = 0.02


def soon(claim: Callable[[], Any], what: str | Callable[[], str], within: float = WITHIN) -> Any:
    """Waits until a claim holds; what it returned."""
    end = time.monotonic() + within
    while not (found := claim()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {within:g} s: {what if isinstance(what, str) else what()}")
        threading.Event().wait(LOOK)
    return found


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Repository:
    """A git repository in a folder, and commits in it as people make them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def write(self, name: str, text: str) -> None:
        """One file, not yet committed."""
        (self.folder / name).write_text(text)

    def commit(self, files: Mapping[str, str], message: str = "Change") -> str:
        """Writes files and commits them; the commit's id."""
        for name, text in files.items():
            self.write(name, text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments: str) -> str:
        """Git in this repository, whatever the user of the machine has configured."""
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null")
        return subprocess.run(["git", *who, *arguments], cwd=self.folder, check=True, capture_output=True, text=True).stdout


class Stream:
    """`trimtab watch -o json`: every status that was seen, in order."""

    def __init__(self, command: Sequence[str]) -> None:
        self.seen: list[dict[str, Any]] = []
        self.place = 0
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        """Until the process ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.seen.append(json.loads(line))

    def find(self, claim: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        """The first status, from the last found one on, for which the claim holds."""
        for place in range(self.place, len(self.seen)):
            if claim(self.seen[place]):
                self.place = place
                return self.seen[place]
        return None

    def close(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.wait()
        self.reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


@dataclass
class Place:
    """A folder with a repository, a state folder, and the processes of one story."""

    folder: Path
    repository: Repository
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    up_process: subprocess.Popen[bytes] | None = None
    begun: int = 0
    """Where in the log the newest `up` begins."""
    streams: dict[str, Stream] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.folder / "state"

    @property
    def log(self) -> Path:
        """Everything that every `up` said."""
        return self.folder / "up.log"

    def up(self, *options: str, source: str | Path | None = None) -> None:
        """Starts `trimtab up`, with short intervals allowed."""
        given = ("--state", str(self.state), "--minimum-interval", "500ms", "--poll", "0.2", *options)
        self.begun = len(self.said())
        with self.log.open("ab") as log:
            self.up_process = subprocess.Popen(
                (*PROGRAM, "up", str(source or self.repository.folder), *given),
                stdout=log,
                stderr=log,
                env=self.environment,
                cwd=self.folder,
            )

    def said(self) -> str:
        """What every `up` said so far."""
        return self.log.read_text() if self.log.exists() else ""

    def says(self, text: str) -> str:
        """Waits until the newest `up` has said something that a pattern matches; what it matched."""

        def look() -> re.Match[str] | None:
            found = re.search(text, self.said()[self.begun :])
            if found is None:
                self.must_run()
            return found

        found: re.Match[str] = soon(look, lambda: f"`up` says {text!r}; it said:\n{self.said()}")
        return found.group(0)

    def must_run(self) -> None:
        """Nothing more is to be expected of a process that has ended."""
        if self.up_process is not None and self.up_process.poll() is not None:
            raise AssertionError(f"`up` has ended with {self.up_process.returncode}:\n{self.said()}")

    def ended(self) -> int:
        """Waits for the end of `up`; its exit code."""
        assert self.up_process is not None
        return self.up_process.wait(WITHIN)

    def signal(self, number: signal.Signals) -> int:
        """Sends `up` a signal and waits for its end."""
        assert self.up_process is not None
        self.up_process.send_signal(number)
        return self.ended()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Any command; those that look at a state folder look at this one."""
        return subprocess.run((*PROGRAM, *arguments), capture_output=True, text=True, timeout=60, env=self.seen_by(), cwd=self.folder)

    def seen_by(self) -> dict[str, str]:
        """The environment of commands."""
        return self.environment | {"TRIMTAB_STATE": str(self.state)}

    def ok(self, *arguments: str) -> str:
        """A command that has to succeed; its output."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"{arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """A command that has to succeed, with `-o json`."""
        return json.loads(self.ok(*arguments, "-o", "json"))

    def wait(self, claim: Callable[[dict[str, Any]], bool], what: str, canary: str = "shop") -> dict[str, Any]:
        """Waits until `watch` shows a status for which the claim holds; never misses one that was shown since the last time."""

        def look() -> dict[str, Any] | None:
            if self.up_process is not None:
                self.must_run()
            stream = self.streams.get(canary)
            if stream is None or stream.process.poll() is not None:
                if stream is not None:
                    stream.close()
                self.streams[canary] = Stream((*PROGRAM, "watch", canary, "-o", "json", "--state", str(self.state)))
                return None
            return stream.find(claim)

        soon(lambda: self.state.is_dir() or self.must_run(), "there is a state folder")
        try:
            found: dict[str, Any] = soon(look, what)
        except AssertionError as problem:
            seen = self.streams[canary].seen if canary in self.streams else []
            raise AssertionError(f"{problem}; `watch` showed last: {json.dumps(seen[-1:], indent=1)}; `up` said:\n{self.said()}") from None
        return found

    def outcome(self, number: int, canary: str = "shop") -> dict[str, Any]:
        """Waits for the end of an attempt; the attempt."""
        found = self.wait(lambda view: over(view, number), f"the end of rollout {number} of {canary}", canary)
        rollout: dict[str, Any] = found["rollout"]
        return rollout

    def phase(self, phase: str, number: int, canary: str = "shop") -> dict[str, Any]:
        """Waits until an attempt is in a phase; the status."""
        claim = f"rollout {number} of {canary} is {phase}"
        return self.wait(lambda view: view["phase"] == phase and view["rollout"]["number"] == number, claim, canary)

    def port(self, service: str = "shop") -> int:
        """Waits until a Service is listened for; its port."""
        return int(self.says(rf"Service {service}\.default is at http://127\.0\.0\.1:(\d+)").rsplit(":", 1)[1])

    def processes(self) -> dict[int, str]:
        """Every process that runs in or for this place, except `watch` and the test's own: command and folder, by id."""
        found = {}
        ours = {os.getpid(), *(stream.process.pid for stream in self.streams.values())}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdecimal() and int(entry.name) not in ours:
                    command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    told = f"{command}in {os.readlink(entry / 'cwd')}"
                    if str(self.folder) in told:
                        found[int(entry.name)] = told
        return found

    def pods(self) -> dict[int, str]:
        """The processes that go on without Trimtab: those of pods, and Envoy."""
        found = self.processes()
        return {number: told for number, told in found.items() if f"{self.state}/revisions/" in told or "bin/envoy " in told}

    def close(self) -> None:
        """Ends everything; AssertionError if something was left behind that `trimtab down` does not end."""
        for stream in self.streams.values():
            stream.close()
        if self.up_process is not None and self.up_process.poll() is None:
            self.up_process.kill()
            self.up_process.wait()
        try:
            if self.state.is_dir():
                self.run("down")
            left = soon(lambda: not self.processes(), "nothing is left", 5) is not True
        except (AssertionError, subprocess.TimeoutExpired):
            left = True
        rest = self.processes() if left else {}
        for number in rest:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        assert not rest, f"`trimtab down` left behind: {rest}"


def over(view: Mapping[str, Any], number: int) -> bool:
    """Has an attempt ended?"""
    run = view["rollout"]
    return run is not None and run["number"] == number and run["ended"] is not None


@dataclass
class Answer:
    """One request and what came back; status 0 where nothing did."""

    at: float
    status: int
    body: str


class Load:
    """Steady requests to a port, in threads, until the block is left. What Envoy or the network lost is told apart from errors of pods."""

    def __init__(self, port: int, rate: float = 60, headers: Mapping[str, str] | None = None, clients: int = 3) -> None:
        self.port, self.pause, self.headers = port, clients / rate, dict(headers or {})
        self.answers: list[Answer] = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.send, daemon=True) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join(10)

    def send(self) -> None:
        """One client, on one connection as long as that lasts."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        while not self.stop.wait(self.pause):
            try:
                connection.request("GET", "/", headers=self.headers)
                response = connection.getresponse()
                answer = Answer(time.time(), response.status, response.read().decode())
            except (OSError, http.client.HTTPException) as problem:
                answer = Answer(time.time(), 0, repr(problem))
                connection.close()
            self.answers.append(answer)
        connection.close()

    def lost(self) -> list[Answer]:
        """Requests that no pod answered."""
        return [found for found in self.answers if found.status == 0 or (found.status >= 500 and "database" not in found.body)]

    def bodies(self, since: float = 0) -> dict[str, int]:
        """How many answers there were of each kind."""
        counts: dict[str, int] = {}
        for found in list(self.answers):
            if found.at >= since:
                counts[found.body] = counts.get(found.body, 0) + 1
        return counts


def get(port: int, headers: Mapping[str, str] | None = None) -> Answer:
    """One request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/", headers=dict(headers or {}))
        response = connection.getresponse()
        return Answer(time.time(), response.status, response.read().decode())
    finally:
        connection.close()


@contextlib.contextmanager
def place(folder: Path) -> Iterator[Place]:
    """A place for one story; everything in it is ended with the block."""
    made = Place(folder, Repository(folder / "repository"))
    try:
        yield made
    finally:
        made.close()
