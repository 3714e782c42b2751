"""Runs kustomize, kubectl or helm: with a deadline, without a shell, and with an environment that holds nothing of the user's.

Called by `kustomize` and `helm`. Without leave to use the network a tool finds no git, no plugins, no kubeconfig and no proxy that works.
"""

import asyncio
import os
import shutil
import signal
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from trimtab.adapters.rendering.request import LARGEST
from trimtab.errors import InputError, Unavailable

A = TypeVar("A")
B = TypeVar("B")
NOWHERE = "http://127.0.0.1:1"
"""A proxy that nobody is, for tools that would fetch something unasked."""
NO_HOME = Path(os.devnull)
"""The home of a tool that has no reason to write anything: there is nothing below it, and nothing can be put there."""
FOR_NETWORK = (
    "PATH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "SSH_AUTH_SOCK", "GIT_SSH_COMMAND",
)  # fmt: skip
"""What a tool gets of the user's environment where it may fetch."""
GRACE = 2.0
"""Seconds until a tool that was stopped is left alone: something that it started holds its pipes."""
LOUDEST = 4 * 1024 * 1024
"""Bytes of error output that are read."""


@dataclass(frozen=True, slots=True)
class Output:
    """How a tool ended."""

    code: int
    out: str = field(repr=False)
    errors: str


@dataclass(frozen=True, slots=True)
class Tools:
    """Where programs are looked for (as in PATH), and the environment that a tool gets parts of if it may use the network."""

    path: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def find(self, name: str) -> str | None:
        """The program of that name."""
        return shutil.which(name, path=self.path)

    def variables(self, home: Path, *, network: bool) -> dict[str, str]:
        """The environment of a tool with a home of its own."""
        places = {name: str(home) for name in ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
        own = {**places, "LC_ALL": "C", "KUBECONFIG": os.devnull}
        if network:
            return {**own, **{name: self.environment[name] for name in FOR_NETWORK if name in self.environment}}
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), NOWHERE)
        return {**own, **proxies, "PATH": str(home)}


async def run(
    program: str, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], deadline: float, stdin: bytes = b""
) -> Output:
    """One run in a folder. A tool that fails is an answer; Unavailable after the deadline (seconds) or where it cannot be started.

    InputError where it writes more than any honest target renders to.
    """
    name = Path(program).name
    try:
        process = await asyncio.create_subprocess_exec(
            program, *arguments, cwd=folder, env=dict(environment), start_new_session=True, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as error:
        raise Unavailable(f"starting {program} failed: {error.strerror or error}") from error
    try:
        async with asyncio.timeout(deadline):
            reading = both(_read(process.stdout, LARGEST, name), _read(process.stderr, LOUDEST, name))
            (out, errors), _ = await both(reading, _write(process.stdin, stdin)) if stdin else (await reading, None)
            code = await process.wait()
    except TimeoutError:
        raise Unavailable(f"{name} did not finish within {deadline:g} s and was stopped") from None
    finally:
        await _stop(process)
    return Output(code, out.decode(errors="replace"), errors.decode(errors="replace").strip())


async def both(one: Coroutine[None, None, A], other: Coroutine[None, None, B]) -> tuple[A, B]:
    """What two coroutines come to that run side by side; where one fails, its error, and the other is over too."""
    try:
        async with asyncio.TaskGroup() as tasks:
            first, second = tasks.create_task(one), tasks.create_task(other)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return first.result(), second.result()


async def _write(stream: asyncio.StreamWriter | None, text: bytes) -> None:
    """All of it, or as much as the tool wants to know."""
    if stream is not None:
        with suppress(BrokenPipeError, ConnectionResetError):
            stream.write(text)
            await stream.drain()
        stream.close()


async def _read(stream: asyncio.StreamReader | None, limit: int, name: str) -> bytes:
    """Everything that comes. InputError where it is more than the limit."""
    parts, size = list[bytes](), 0
    while stream is not None and (part := await stream.read(2**18)):
        parts.append(part)
        size += len(part)
        if size > limit:
            raise InputError(f"{name} wrote more than {limit // 2**20} MiB and was stopped. A target that large cannot be rolled out")
    return b"".join(parts)


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Stops a tool and whatever it started, and reads what is left in its pipes, without which it never counts as ended."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await process.communicate()
