"""Which process listens on a port: for one message to people whose container ignores PORT. Called by `pods`. Linux only."""

import os
from collections.abc import Iterator
from pathlib import Path

LISTEN = "0A"


def listens(pid: int, port: int) -> bool:
    """Does a process of the group of `pid` listen on this TCP port?"""
    try:
        group = os.getpgid(pid)
    except ProcessLookupError:
        return False
    inodes = set(listening(port))
    return bool(inodes) and any(inodes & set(sockets(process)) for process in members(group))


def listening(port: int) -> Iterator[str]:
    """The inodes of sockets that listen on a port."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def members(group: int) -> Iterator[Path]:
    """The processes of a group."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(process.name)) == group:
                yield process
        except (ProcessLookupError, PermissionError):
            continue


def sockets(process: Path) -> Iterator[str]:
    """The inodes of a process's sockets."""
    try:
        handles = list((process / "fd").iterdir())
    except OSError:
        return
    for handle in handles:
        try:
            target = os.readlink(handle)
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]
