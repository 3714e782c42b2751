"""One process of a pod: started so that it outlives Trimtab, found again by what it wrote, stopped as Kubernetes does (L1).

A small shell in a session of its own writes its pid and start time before, and the exit code after. Output goes to a file.
The process never hangs on a pipe of ours and is nobody's child that has to be reaped. Called by `containers` and `podfolder`.
"""

import asyncio
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.adapters.local.running import Running, alive, boot_id, ended, recorded
from trimtab.errors import Unavailable

# The outer shell ends when the inner one has said who it is, or is gone; so the inner one belongs to nobody. The inner one must
# survive a TERM to its group, to write down how its child ended; a trap that does something is not inherited, an ignored signal
# would be. If it cannot say who it is, it must not start anything, since nobody would know. What it says itself about its
# child's end does not belong into the log; the brackets are there because dash redirects its own output with a plain command's.
LAUNCH = (
    'umask 077; log=$1 run=$2; shift 2; "$@" </dev/null >>"$log" 2>&1 &'
    ' while [ ! -e "$run" ] && kill -0 $! 2>/dev/null; do sleep 0.002; done'
)
WATCH = (
    '{ cat /proc/$$/stat /proc/sys/kernel/random/boot_id >"$1/run.new" && mv "$1/run.new" "$1/run"; } || exit 126; trap : TERM INT;'
    ' d=$1 where=$2; shift 2; exec 3>&2; if cd "$where"; then exec 2>/dev/null; (exec "$@" 2>&3 3>&-); code=$?; else code=126; fi;'
    ' echo $code >"$d/exit.new"; mv "$d/exit.new" "$d/exit"'
)
BASE = ("PATH", "LANG", "LC_ALL", "TZ")
"""Variables of Trimtab's own environment that pods get; all others stay private."""
KILL_SECONDS = 5.0
"""How long to wait for processes to be gone that were killed; one that the system does not let go of is left to it."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to start: `folder` is where its records go, `home` the folder that stands for the file system, `where` it begins."""

    name: str
    words: Sequence[str]
    variables: Mapping[str, str]
    folder: Path
    log: Path
    home: Path
    where: Path


def environment(variables: Mapping[str, str], home: Path) -> dict[str, str]:
    """The environment of a pod's process."""
    inherited = {name: os.environ[name] for name in BASE if name in os.environ}
    return {"PATH": os.defpath, **inherited, "HOME": str(home), "TMPDIR": str(home / "tmp"), **variables}


async def start(command: Command) -> Running:
    """Starts it, and returns when it has said who it is. Unavailable where that does not happen.

    Cancelled, it still waits for that, some milliseconds: a process that nobody knows would never be stopped.
    """
    starting = asyncio.ensure_future(launch(command))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait([starting])
        raise


async def launch(command: Command) -> Running:
    """Runs the two shells."""
    folder, run = command.folder, command.folder / "run"
    inner = ("/bin/sh", "-c", WATCH, "sh", str(folder), str(command.where), *command.words)
    try:
        for name in ("run", "exit"):
            (folder / name).unlink(missing_ok=True)
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", LAUNCH, "sh", str(command.log), str(run), *inner),
            start_new_session=True,
            env=environment(command.variables, command.home),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await process.wait()
    except (OSError, ValueError) as error:
        raise Unavailable(f"starting {command.name}: {error}") from None
    running = recorded(run)
    if running is None:
        raise Unavailable(f"starting {command.name}: it could not write {run}. Is the disk full? See {command.log}")
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
    """Returns when the shell, and with it the process, is gone."""
    await ended(running)


async def stop(folder: Path, grace: float) -> None:
    """TERM to what runs in this folder, KILL to all that it started after `grace` seconds; returns when it is gone."""
    running = found(folder)
    if running is not None:
        send(running, signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                await ended(running)
        except TimeoutError:
            pass
    await clear(folder)


async def clear(folder: Path) -> None:
    """KILL to everything that is left of what was started in this folder; returns when it is gone.

    The shell is left to the end, so that it can write down how its child ended.
    """
    running = recorded(folder / "run")
    loop = asyncio.get_running_loop()
    begin = loop.time()
    while (left := list(session(folder))) and loop.time() - begin < KILL_SECONDS:
        late = loop.time() - begin > KILL_SECONDS / 2
        kill([pid for pid in left if late or running is None or pid != running.pid])
        await asyncio.sleep(0.01)


def kill(pids: Sequence[int]) -> None:
    """KILL to each of these."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def send(running: Running, number: int) -> None:
    """A signal to the whole process group."""
    try:
        os.killpg(os.getpgid(running.pid), number)
    except ProcessLookupError:
        return


def session(folder: Path) -> Iterator[int]:
    """The pids of what was started in this folder and is still there, dead ones that nobody has taken leave of left out.

    The number of a session is not given out again as long as someone is in it. Its first process ended at once, so where there is
    one of that number, the session is somebody else's.
    """
    try:
        first, _, boot = (folder / "run").read_text().strip().rpartition("\n")
        number = int(first.rpartition(")")[2].split()[3])
    except (OSError, ValueError, IndexError):
        return
    if boot == boot_id() and not fields_of(number):
        yield from (pid for pid in everybody() if (fields := fields_of(pid)) and int(fields[3]) == number)


def everybody() -> Iterator[int]:
    """Every pid of this machine."""
    return (int(process.name) for process in Path("/proc").glob("[0-9]*"))


def fields_of(pid: int) -> list[str]:
    """What the system says about a process, from its state on; empty for one that is gone or dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return fields if fields and fields[0] not in "ZX" else []
