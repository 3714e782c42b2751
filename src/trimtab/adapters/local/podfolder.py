"""A pod on disk: its record, the files it reads, and what its processes wrote. The folder is the truth about a pod (L1).

Folders lie below their revision: `revisions/NAMESPACE.OWNER/REVISION/POD`. They hold values of Secrets, so they are 0700 and
their files 0600. Called by `pods` and `node`.
"""

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import msgspec

from trimtab.adapters.local.dataplane import CopyName
from trimtab.adapters.local.podspec import Plan
from trimtab.errors import Unavailable
from trimtab.model.names import CanaryKey

ROOM = 64 * 1024 * 1024
"""Free bytes below which nothing new starts (L8)."""


@dataclass(frozen=True, slots=True)
class PodRecord:
    """What a pod is, as it was when it was made."""

    key: CanaryKey
    copy: CopyName
    revision: str
    name: str
    ports: dict[int, int]
    """Local ports by container port."""
    plan: Plan
    created: datetime


def create(state: Path, record: PodRecord) -> Path:
    """Writes a pod's folder, whole or not at all. Unavailable where the disk is too full for anything new."""
    free = shutil.disk_usage(state).free
    if free < ROOM:
        raise Unavailable(f"starting pod {record.name}: {free >> 20} MB are free in {state}, {ROOM >> 20} MB are needed. Make room")
    final = folder_of(state, record)
    draft = final.with_name(f".{final.name}")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        for name in ("", "root", "root/tmp", *(f"root/{path.strip('/')}" for path in record.plan.folders)):
            (draft / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        for path, content in record.plan.files.items():
            write(draft / "root" / path.strip("/"), content, 0o400)
        for container in (*record.plan.init, *record.plan.containers):
            (draft / f"c-{container.name}").mkdir(mode=0o700)
        # Mounted content lies in the files already; the record keeps what is needed to run and stop the pod.
        write(draft / "pod.json", msgspec.json.encode(record_without_files(record)), 0o600)
        draft.rename(final)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise Unavailable(f"starting pod {record.name}: its folder {final} cannot be written: {error.strerror}") from None
    return final


def record_without_files(record: PodRecord) -> PodRecord:
    """The record without the bytes that are on disk anyway."""
    return replace(record, plan=replace(record.plan, files={}))


def folder_of(state: Path, record: PodRecord) -> Path:
    """Where a pod lies."""
    return state / "revisions" / f"{record.key.namespace}.{record.key.name}" / record.revision / record.name


def write(path: Path, content: bytes, mode: int) -> None:
    """A new file that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(handle, "wb") as file:
        file.write(content)


def read_all(state: Path) -> Iterator[tuple[PodRecord, Path]]:
    """Every pod there is. Half-written ones, left by a crash, are removed."""
    for folder in sorted((state / "revisions").glob("*/*/*")):
        try:
            record = msgspec.json.decode((folder / "pod.json").read_bytes(), type=PodRecord)
        except (OSError, msgspec.DecodeError):
            shutil.rmtree(folder, ignore_errors=True)
            continue
        yield record, folder


def remove(folder: Path) -> None:
    """Removes a pod, and its revision's folder when it was the last one."""
    shutil.rmtree(folder, ignore_errors=True)
    for parent in (folder.parent, folder.parent.parent):
        try:
            parent.rmdir()
        except OSError:
            return


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for found in sockets:
            found.bind(("127.0.0.1", 0))
        return [found.getsockname()[1] for found in sockets]
    finally:
        for found in sockets:
            found.close()


def mark_ready(folder: Path, ready: bool) -> None:
    """Remembers readiness over a restart of Trimtab, so that a pod that serves is not taken for one that does not."""
    try:
        if ready:
            (folder / "ready").touch(mode=0o600)
        else:
            (folder / "ready").unlink(missing_ok=True)
    except OSError:
        return


def was_ready(folder: Path) -> bool:
    """Was it ready when Trimtab last looked?"""
    return (folder / "ready").exists()


def restarts(folder: Path) -> int:
    """How often a container was started again."""
    try:
        return int((folder / "restarts").read_text())
    except (OSError, ValueError):
        return 0
