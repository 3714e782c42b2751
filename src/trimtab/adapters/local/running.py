"""One process for certain: written down by itself, found again, waited for, ended. Called by `envoy_process`, `envoy` and `process`.

What Trimtab starts is nobody's child, so it outlives Trimtab and is never waited for as a child (L1). Linux only.
"""

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

UNKNOWN = "?"
"""State of a process that cannot be looked at."""
LOOK = 0.5
"""Seconds between two looks at a process that the system does not tell us the end of."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Running:
    """One process for certain: pids come back, a pid together with its start time and the boot does not."""

    pid: int
    started: str
    """Clock ticks between the boot and its start, as `/proc` says."""
    boot: str


def recorded(file: Path) -> Running | None:
    """What a process wrote about itself to `file`; None where nothing useful is there."""
    try:
        first, _, boot = file.read_text().strip().rpartition("\n")
        return Running(int(first.split(" ", 1)[0]), _start_of(first)[1], boot)
    except (OSError, ValueError, IndexError):
        return None


def alive(running: Running) -> bool:
    """Is it still there? A dead process that nobody has taken leave of is not; one that cannot be looked at just now is."""
    return _state(running) not in ("", "Z", "X")


def boot_id() -> str:
    """Which boot of the machine this is."""
    return BOOT_ID.read_text().strip()


async def ended(running: Running) -> None:
    """Returns when the process is gone with all its threads, so that nothing holds its ports any more."""
    try:
        descriptor = os.pidfd_open(running.pid)
    except ProcessLookupError:
        return
    except OSError:
        # There are too many open files already. It is looked at until it is gone.
        while alive(running):
            await asyncio.sleep(LOOK)
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
            # It may end by itself between the two lines, and whoever takes leave of it is not Trimtab.
            with contextlib.suppress(ProcessLookupError):
                os.kill(running.pid, number)
        try:
            async with asyncio.timeout(seconds):
                return await ended(running)
        except TimeoutError:
            continue


def _state(running: Running) -> str:
    try:
        state, started = _start_of(Path(f"/proc/{running.pid}/stat").read_text())
        return state if started == running.started and boot_id() == running.boot else ""
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return ""
    except OSError:
        return UNKNOWN


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
