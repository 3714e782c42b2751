"""A network of a test's own, with host names of its own: nothing done in it gets out, and nothing outside gets in."""

import asyncio
import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
COMMANDS = (
    "mount --make-rprivate /",
    "mount --bind {hosts} /etc/hosts",
    "ip link set lo up",
    "ip addr add 192.0.2.1/24 dev lo",
    "ip route add default dev lo",  # the API server wants a route to find an address of its own
)
Story = Callable[[], Coroutine[Any, Any, None]]
_libc = ctypes.CDLL(None, use_errno=True)


def run_alone(names: Sequence[str], folder: Path, story: Story) -> None:
    """Runs a story in a thread with a network of its own, in which each of the names is 127.0.0.1.

    Namespaces belong to a thread and go on to the threads and processes that it starts; the test's own thread keeps the machine's.
    Skips the test where that needs more rights than it has.
    """
    hosts = folder / "hosts"
    hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in ("localhost", socket.gethostname(), *names)))
    ended: Future[None] = Future()
    threading.Thread(target=_live, args=(hosts, story, ended), name="alone", daemon=True).start()
    ended.result()


def _live(hosts: Path, story: Story, ended: "Future[None]") -> None:
    try:
        _enter(hosts)
        asyncio.run(story())
    except BaseException as error:
        ended.set_exception(error)
    else:
        ended.set_result(None)


def _enter(hosts: Path) -> None:
    missing = [program for program in ("mount", "ip") if not shutil.which(program)]
    if missing:
        pytest.skip(f"no network of its own: there is no {missing[0]} on this machine")
    if _libc.unshare(CLONE_NEWNET | CLONE_NEWNS):
        pytest.skip(f"no network of its own: unshare needs root: {os.strerror(ctypes.get_errno())}")
    for command in COMMANDS:
        done = subprocess.run(command.format(hosts=hosts).split(), capture_output=True, text=True, check=False, timeout=10)
        if done.returncode:
            pytest.skip(f"no network of its own: {command}: {done.stderr.strip()}")
