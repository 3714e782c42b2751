"""The files of one commit in a folder of their own, for tools that read folders. Called by `wiring`.

Bytes are as they are in the commit: no line endings are changed and no filters run. Links are made only where they stay inside.
"""

import os
import posixpath
from pathlib import Path

from trimtab.adapters.git.clone import Clone
from trimtab.errors import InputError

LARGEST_FILE = 8 * 1024 * 1024
"""Bytes; what is larger goes into no Kubernetes object and is left out."""
LARGEST_TREE = 1024 * 1024 * 1024
AT_ONCE = 2000
"""How many files are read with one run of git."""
LINK = "120000"


async def export(clone: Clone, commit: str, folder: Path) -> tuple[str, ...]:
    """Writes the files of a commit; the names of those left out for their size. InputError for a tree that nobody could want."""
    listing = await clone.must("ls-tree", "-r", "-z", "-l", "--full-tree", commit, doing=f"listing commit {commit[:10]}")
    rows = [_row(row) for row in listing.split(b"\0") if row]
    wanted = [row for row in rows if row[2] <= LARGEST_FILE and row[0].startswith(("100", "120")) and _honest(row[3])]
    if sum(row[2] for row in wanted) > LARGEST_TREE:
        raise InputError(f"commit {commit[:10]} has more than {LARGEST_TREE // 2**30} GiB of files, which is too much to render from")
    # Links last, so that no file is written through one.
    wanted.sort(key=lambda row: row[0] == LINK)
    for start in range(0, len(wanted), AT_ONCE):
        part = wanted[start : start + AT_ONCE]
        blobs = await clone.read(blob for _, blob, _, _ in part)
        for mode, blob, _, path in part:
            _write(folder, path, mode, blobs[blob])
    return tuple(path for mode, _, size, path in rows if size > LARGEST_FILE and mode.startswith("100"))


def _row(row: bytes) -> tuple[str, str, int, str]:
    about, _, name = row.partition(b"\t")
    mode, _, blob, size = about.decode().split()
    return mode, blob, int(size) if size != "-" else 0, os.fsdecode(name)


def _honest(path: str) -> bool:
    """Git itself makes no such paths, but a tree that somebody forged may hold them."""
    return not path.startswith("/") and not {"..", ".", "", ".git"} & set(path.split("/"))


def _write(folder: Path, path: str, mode: str, content: bytes) -> None:
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    if mode != LINK:
        place.write_bytes(content)
        return
    leads = posixpath.normpath(posixpath.join(posixpath.dirname(path), os.fsdecode(content)))
    if not content.startswith(b"/") and leads != ".." and not leads.startswith("../") and not place.exists():
        place.symlink_to(os.fsdecode(content))
