"""One process of a pod: started so that it outlives Trimtab, found again by what it wrote, stopped as Kubernetes does (L1).

A small shell in a session of its own writes its pid and start time before, and the exit code after. Output goes to a file.
The process never hangs on a pipe of ours and is nobody's child that has to be reaped. Called by `pods`.
"""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.adapters.local.envoy_process import Running, alive, ended, recorded
from trimtab.errors import Unavailable

# The outer shell ends at once, so the inner one belongs to nobody. The inner one must survive a TERM to its group, to write
# down how its child ended; a trap that does something is not inherited, an ignored signal would be.
LAUNCH = 'umask 077; log=$1; shift; "$@" </dev/null >>"$log" 2>&1 &'
WATCH = (
    'cd "$2" || exit 126; cat /proc/$$/stat /proc/sys/kernel/random/boot_id >"$1/run.new" && mv "$1/run.new" "$1/run"; trap : TERM INT;'
    ' d=$1; shift 2; "$@"; code=$?; echo $code >"$d/exit.new"; mv "$d/exit.new" "$d/exit"'
)
START_SECONDS = 10.0
BASE = ("PATH", "LANG", "LC_ALL", "TZ")
"""Variables of Trimtab's own environment that pods get; all others stay private."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to start: `folder` is where its records and log go, `where` the working directory."""

    words: Sequence[str]
    variables: Mapping[str, str]
    folder: Path
    where: Path


def environment(variables: Mapping[str, str], home: Path) -> dict[str, str]:
    """The environment of a pod's process."""
    inherited = {name: os.environ[name] for name in BASE if name in os.environ}
    return {"PATH": os.defpath, **inherited, "HOME": str(home), "TMPDIR": str(home / "tmp"), **variables}


async def start(command: Command) -> Running:
    """Starts it, and returns when it has said who it is. Unavailable where that does not happen."""
    folder = command.folder
    for name in ("run", "exit"):
        (folder / name).unlink(missing_ok=True)
    inner = ("/bin/sh", "-c", WATCH, "sh", str(folder), str(command.where), *command.words)
    try:
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", LAUNCH, "sh", str(folder / "log"), *inner),
            start_new_session=True,
            env=environment(command.variables, command.where),
            stdin=asyncio.subprocess.DEVNULL,
        )
    except (OSError, ValueError) as error:
        raise Unavailable(f"starting {command.words[0]}: {error}") from None
    await process.wait()
    end = asyncio.get_running_loop().time() + START_SECONDS
    while (running := recorded(folder / "run")) is None and not (folder / "exit").exists():
        if asyncio.get_running_loop().time() > end:
            raise Unavailable(f"starting {command.words[0]}: it did not come up within {START_SECONDS:g} s; see {folder / 'log'}")
        await asyncio.sleep(0.005)
    if running is None:
        raise Unavailable(f"starting {command.words[0]}: it cannot be started; see {folder / 'log'}")
    return running


def found(folder: Path) -> Running | None:
    """The process that was started in this folder, if it is still there."""
    running = recorded(folder / "run")
    return running if running is not None and alive(running) else None


def exit_code(folder: Path) -> int | None:
    """How it ended; None where it did not, or was killed together with its shell."""
    try:
        return int((folder / "exit").read_text())
    except (OSError, ValueError):
        return None


async def gone(running: Running) -> None:
    """Returns when the process and its shell are gone."""
    await ended(running)


async def stop(running: Running, grace: float) -> None:
    """TERM to everything it started, KILL after `grace` seconds; returns when it is gone."""
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        if not alive(running):
            return
        send(running, number)
        try:
            async with asyncio.timeout(patience):
                await ended(running)
                return
        except TimeoutError:
            continue


def send(running: Running, number: int) -> None:
    """A signal to the whole process group."""
    try:
        os.killpg(os.getpgid(running.pid), number)
    except ProcessLookupError:
        return
