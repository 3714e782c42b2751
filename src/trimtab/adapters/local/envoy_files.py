"""Files that Envoy reads: replaced in one step, and seen to be taken over. Called by `envoy`, `envoy_dataplane` and `envoy_router`."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

from trimtab.adapters.local.envoy_admin import Admin
from trimtab.adapters.local.envoy_documents import Document
from trimtab.errors import Unavailable

DEADLINE = 5.0
"""Seconds until Envoy must have taken over a file; it needs 4 ms at most (L4)."""

BLOCK = 16_384
"""Files have a multiple of this many bytes, so that most changes fit into what there is."""

SHORTEST_LOOK, LONGEST_LOOK = 0.001, 0.05

REFUSALS = ("config update rejected: ", "config update failure: ", "error adding listener")


class Rejected(Unavailable):
    """Envoy read a file and refused what is in it; `reason` is in its own words."""

    def __init__(self, file: Path, reason: str) -> None:
        self.reason = reason
        super().__init__(f"Envoy refuses {file}: {reason}. It goes on with what it had.")


def replace(file: Path, content: bytes, *, durable: bool = False) -> None:
    """Puts JSON in place of a file in one step, which is also how Envoy takes notice (L4). Unavailable where the disk does not let us.

    The replaced file stays as a spare that the next content is written into, filled up with spaces: so a rollback needs not a single
    block more than the disk has given already (L8).
    """
    spare, old = file.with_name(f".{file.name}.spare"), file.with_name(f".{file.name}.old")
    try:
        descriptor = os.open(spare, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size < len(content):
                size = -(-len(content) // BLOCK) * BLOCK
                os.posix_fallocate(descriptor, 0, size)
            os.pwrite(descriptor, content.ljust(size), 0)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        old.unlink(missing_ok=True)
        if file.exists():
            os.link(file, old)
        os.replace(spare, file)
        if old.exists():
            os.replace(old, spare)
    except OSError as error:
        raise Unavailable(f"writing {file}: {error.strerror}") from error


def remove(file: Path) -> None:
    """Takes a file away, with its spare."""
    for one in (file, file.with_name(f".{file.name}.spare"), file.with_name(f".{file.name}.old")):
        one.unlink(missing_ok=True)


async def take_over(admin: Admin, file: Path, document: Document, seen: Callable[[], Awaitable[bool]], refusals: str) -> None:
    """Replaces a file and returns when `seen` says that Envoy goes by it; where it does not within 5 s the old file is put back.

    `refusals` is a regular expression for the counters that move when Envoy refuses it. Raises Rejected or Unavailable.
    """
    before = _content(file)
    counted = await admin.counters(refusals)
    replace(file, msgspec.json.encode(document))

    async def settled() -> bool:
        return await seen() or await admin.counters(refusals) != counted

    await until(settled, DEADLINE)
    if await seen():
        return
    moved = await admin.counters(refusals)
    # What Envoy refused must not be what it finds when it starts again.
    if before is not None:
        replace(file, before)
    if moved != counted:
        raise Rejected(file, last_refusal(file.parent.parent / "envoy.log"))
    raise Unavailable(f"Envoy has not taken over {file} within {DEADLINE:g} s; counters of refusals: {dict(moved)}.")


async def until(true: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    """Looks again and again until something is true, less and less often; says whether it became true in time."""
    loop = asyncio.get_running_loop()
    end, pause = loop.time() + seconds, SHORTEST_LOOK
    while not await true():
        if loop.time() > end:
            return False
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_LOOK)
    return True


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None


def last_refusal(log: Path) -> str:
    """Why Envoy refused something last, in its own words."""
    for line in reversed(_tail(log)):
        for words in REFUSALS:
            if words in line:
                return line.partition(words)[2].strip() or words.strip()
    return "it does not say why"


def last_line(log: Path) -> str:
    """What Envoy said last."""
    return next((line for line in reversed(_tail(log)) if line.strip()), "nothing")


def _tail(log: Path) -> Sequence[str]:
    try:
        with log.open("rb") as handle:
            handle.seek(max(0, log.stat().st_size - BLOCK))
            return handle.read().decode(errors="replace").splitlines()
    except OSError:
        return ()
