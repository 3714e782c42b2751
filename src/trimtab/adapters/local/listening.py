"""Which process listens on a port: for one message to people whose container ignores PORT. Called by `containers`. Linux only."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

LISTEN = "0A"


def listens(pids: Iterable[int], port: int) -> bool:
    """Does one of these processes listen on this TCP port?"""
    inodes = set(listening(port))
    return bool(inodes) and any(inodes & set(sockets(pid)) for pid in pids)


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


def sockets(pid: int) -> Iterator[str]:
    """The inodes of a process's sockets."""
    try:
        handles = list(Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return
    for handle in handles:
        try:
            target = os.readlink(handle)
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]
