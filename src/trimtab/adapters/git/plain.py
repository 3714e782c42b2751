"""A plain folder as a source: its manifests are copied into the clone as a commit named by their content.

Called by `repository`. So what was judged stays available, byte for byte, whatever happens in the folder (S7).
"""

import os
from collections.abc import Iterator
from pathlib import Path

from trimtab.adapters.git.clone import NEWEST, Clone
from trimtab.documents.kubernetes import MANIFESTS
from trimtab.errors import Denied, InputError, OutsideError, Unavailable

TRIES = 5
UNKNOWN = "unknown <>"
"""Author of a commit that nobody made. The date is fixed too, so equal content is the same commit."""

Sight = tuple[tuple[str, int, int, int], ...]
"""Path, size, time of the last change and inode of every manifest."""


def look(folder: Path) -> Sight:
    """The manifests of a folder as the file system describes them, without reading them. OutsideError if it is away."""
    try:
        return tuple(sorted(_walk(folder, "")))
    except OSError as error:
        raise explain(error, folder) from error


async def take(clone: Clone, folder: Path) -> str:
    """Copies the manifests into the clone; the id of the commit. InputError if there are none."""
    for _ in range(TRIES):
        before = look(folder)
        if not before:
            raise InputError(f"{folder} holds no manifests: no file that ends in {', '.join(MANIFESTS)}.")
        try:
            files = {path: (folder / path).read_bytes() for path, *_ in before}
        except FileNotFoundError:
            continue
        except OSError as error:
            raise explain(error, folder) from error
        if look(folder) == before:
            return await _commit(clone, files)
    raise Unavailable(f"{folder} changes faster than it can be read. Trimtab tries again.")


def explain(error: OSError, folder: Path) -> OutsideError:
    """The error to raise instead."""
    said = f"reading {error.filename or folder} failed: {error.strerror or error}"
    if isinstance(error, PermissionError):
        return Denied(f"{said}. The user that runs Trimtab must be allowed to read it.")
    return Unavailable(f"{said}. Trimtab tries again; meanwhile what it read last stays in force.")


def _walk(folder: Path, below: str) -> Iterator[tuple[str, int, int, int]]:
    with os.scandir(folder / below) as entries:
        for entry in entries:
            path = f"{below}{entry.name}"
            # Folders that begin with a dot hold tools' own data, among them Trimtab's.
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                yield from _walk(folder, f"{path}/")
            elif entry.name.endswith(MANIFESTS) and entry.is_file():
                found = entry.stat()
                yield path, found.st_size, found.st_mtime_ns, found.st_ino


async def _commit(clone: Clone, files: dict[str, bytes]) -> str:
    """Through fast-import, which takes bytes as they are: no line ending or filter setting can change them."""
    parts = [f"commit {NEWEST}\ncommitter {UNKNOWN} 0 +0000\ndata 0\ndeleteall\n".encode()]
    for path, content in sorted(files.items()):
        quoted = os.fsencode(path).replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n")
        parts.append(b'M 100644 inline "' + quoted + b'"\ndata ' + str(len(content)).encode() + b"\n" + content + b"\n")
    stream = b"".join(parts)
    await clone.must("fast-import", "--quiet", "--force", "--done", stdin=stream + b"done\n", doing="copying the folder")
    commit = await clone.commit(NEWEST)
    if commit is None:
        raise Unavailable(f"copying the folder into {clone.folder} left no commit. Trimtab tries again.")
    return commit
