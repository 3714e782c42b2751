"""A pod on disk: its record, the files it reads, and what its processes wrote. The folder is the truth about a pod (L1).

Folders lie below their revision: `revisions/NAMESPACE.OWNER/REVISION/POD`. They hold values of Secrets, so they are 0700 and
their files 0600 (C1). What pods print is in `logs`, and stays there for a while when they are gone. Called by `pods` and `node`.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import msgspec

from trimtab.adapters.local import process
from trimtab.adapters.local.dataplane import CopyName
from trimtab.adapters.local.envoy_ports import free
from trimtab.adapters.local.podspec import Plan
from trimtab.errors import InputError, Unavailable
from trimtab.model.names import CanaryKey

ROOM = 64 * 1024 * 1024
"""Free bytes below which nothing new starts (L8)."""
FIRST_PORT, LAST_PORT = 30_000, 32_767
"""Ports of pods: above those of Services, below those that the system gives to outgoing connections."""
LOGS = 40
"""How many logs of pods that are gone are kept."""
LARGEST_LOG = 10 * 1024 * 1024
"""Bytes of a log above which it is begun anew, as of Kubernetes; what was in it before is kept once, in a file beside it."""
FORMAT = 1
"""Of the record: one more with each change that an older or newer Trimtab could not read."""


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
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Written:
    """What is read of a record before anything else."""

    format: int = FORMAT


def folder_of(state: Path, key: CanaryKey, revision: str, name: str) -> Path:
    """Where a pod lies."""
    return state / "revisions" / f"{key.namespace}.{key.name}" / revision / name


def log_of(state: Path, pod: str, container: str) -> Path:
    """Where a container's output goes."""
    return state / "logs" / f"{pod}.{container}.log"


def create(state: Path, record: PodRecord) -> Path:
    """Writes a pod's folder, whole or not at all. Unavailable where the disk is too full for anything new, or will not do."""
    final = folder_of(state, record.key, record.revision, record.name)
    draft = final.with_name(f".{final.name}")
    try:
        need_room(shutil.disk_usage(state).free, state, record.name)
        private(state / "logs")
        lay_out(draft, record)
        draft.rename(final)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise Unavailable(f"starting pod {record.name}: its folder {final} cannot be written: {error.strerror}") from None
    return final


def need_room(present: int, state: Path, name: str) -> None:
    """Unavailable where fewer than `ROOM` bytes are free (L8)."""
    if present < ROOM:
        raise Unavailable(f"starting pod {name}: {present >> 20} MB are free in {state}, {ROOM >> 20} MB are needed. Make room")


def lay_out(draft: Path, record: PodRecord) -> None:
    """Folders, content, links, and last the record, without the bytes that are on disk anyway."""
    plan = record.plan
    for name in ("", *(f"c-{container.name}" for container in (*plan.init, *plan.containers)), *plan.folders):
        private(draft / name)
    for path, file in plan.files.items():
        write(draft / path, file.content, 0o500 if file.executable else 0o400)
    for path, target in plan.links.items():
        link = draft / path
        private(link.parent)
        link.symlink_to(os.path.relpath(draft / target, link.parent.resolve()))
    write(draft / "pod.json", msgspec.json.encode(replace(record, plan=replace(plan, files={}))), 0o600)


def private(folder: Path) -> None:
    """A folder, and those above it that are missing, for its owner alone."""
    if not folder.is_dir():
        private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def write(path: Path, content: bytes, mode: int) -> None:
    """A new file that only its owner can read."""
    private(path.parent)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(handle, "wb") as file:
        file.write(content)


def read_all(state: Path, report: Callable[[str], None]) -> Iterator[tuple[PodRecord, Path]]:
    """Every pod there is. Half-written ones, left by a crash, are removed. InputError for one that another version of Trimtab wrote."""
    for folder in pods_in(state):
        if folder.name.startswith("."):
            report(f"{folder} is half of a pod, left when Trimtab was ended in the middle; it is removed")
            discard(folder)
        else:
            yield read(folder), folder


def stop_unreadable(state: Path, report: Callable[[str], None]) -> int:
    """Kills the processes of pods whose record cannot be read, and removes them; how many they were."""
    count = 0
    for folder in pods_in(state):
        try:
            if not folder.name.startswith("."):
                read(folder)
        except InputError as problem:
            report(f"{problem}. Its processes are killed, and it is removed")
            discard(folder)
            count += 1
    return count


def pods_in(state: Path) -> list[Path]:
    """Their folders, those that are half-written included."""
    return sorted((state / "revisions").glob("*/*/*"))


def read(folder: Path) -> PodRecord:
    """A pod's record. InputError where it says what this version does not understand: its processes may serve people."""
    file = folder / "pod.json"
    advice = "Start the version of Trimtab that wrote it, or stop what runs with `trimtab down`"
    try:
        text = file.read_bytes()
        written = msgspec.json.decode(text, type=Written)
        if written.format == FORMAT:
            return msgspec.json.decode(text, type=PodRecord)
    except OSError as error:
        raise InputError(f"the record of a pod, {file}, cannot be read: {error.strerror}. {advice}") from None
    except msgspec.DecodeError as error:
        raise InputError(f"the record of a pod, {file}, cannot be read: {error}. {advice}") from None
    raise InputError(f"the record of a pod, {file}, has format {written.format}; this version of Trimtab reads {FORMAT}. {advice}")


def discard(folder: Path) -> None:
    """Kills what a pod started, and removes it."""
    for container in folder.glob("c-*"):
        process.kill(list(process.session(container)))
    shutil.rmtree(folder, ignore_errors=True)


def remove(state: Path, folder: Path) -> None:
    """Removes a pod, and its revision's folder when it was the last one. Its logs stay until there are too many."""
    gone = folder.with_name(f".{folder.name}")
    # Half of it must not be taken for a pod.
    with contextlib.suppress(OSError):
        folder.rename(gone)
    for left in (gone, folder):
        shutil.rmtree(left, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()
        folder.parent.parent.rmdir()
    with contextlib.suppress(OSError):
        present = {pod.name for pod in (state / "revisions").glob("*/*/*")}
        old = [log for log in (state / "logs").iterdir() if not any(log.name.startswith(f"{pod}.") for pod in present)]
        for log in sorted(old, key=lambda log: log.stat().st_mtime)[:-LOGS]:
            log.unlink()


def rotate_logs(state: Path) -> None:
    """Begins logs anew that have become too large. Their writers go on in the same file: they append to it."""
    for log in sorted((state / "logs").glob("*.log")):
        # Logs of a disk that will not do are not worth a word: pods without room are told.
        with contextlib.suppress(OSError):
            if log.stat().st_size > LARGEST_LOG:
                old = log.with_name(f"{log.name}.old")
                with contextlib.suppress(OSError):
                    shutil.copyfile(log, old)
                    old.chmod(0o600)
                os.truncate(log, 0)


def free_ports(count: int, taken: Set[int]) -> list[int]:
    """Loopback ports that nobody listens on, and that no pod has. Unavailable if there are not enough."""
    begin, span, found = secrets.randbelow(LAST_PORT + 1 - FIRST_PORT), LAST_PORT + 1 - FIRST_PORT, list[int]()
    for step in range(span):
        if len(found) == count:
            return found
        port = FIRST_PORT + (begin + step) % span
        if port not in taken and free(port):
            found.append(port)
    if len(found) == count:
        return found
    raise Unavailable(
        f"looking for {count} free ports from {FIRST_PORT} to {LAST_PORT} on 127.0.0.1: there are not as many. End what uses them"
    )


def mark_ready(folder: Path, ready: bool) -> None:
    """Remembers readiness over a restart of Trimtab, so that a pod that serves is not taken for one that does not."""
    with contextlib.suppress(OSError):
        if ready:
            (folder / "ready").touch(mode=0o600)
        else:
            (folder / "ready").unlink(missing_ok=True)


def was_ready(folder: Path) -> bool:
    """Was it ready when Trimtab last looked?"""
    return (folder / "ready").exists()


def restarts(folder: Path) -> int:
    """How often the container of this folder was started again."""
    try:
        return int((folder / "restarts").read_text())
    except (OSError, ValueError):
        return 0


def count_restart(folder: Path) -> None:
    """One more. A full disk loses the count, not the container."""
    count = restarts(folder) + 1
    with contextlib.suppress(OSError):
        (folder / "restarts.new").unlink(missing_ok=True)
        write(folder / "restarts.new", str(count).encode(), 0o600)
        (folder / "restarts.new").rename(folder / "restarts")
