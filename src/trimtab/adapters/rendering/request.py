"""What is to be rendered, and what comes of it; and where a path may lead. Used by every module of this adapter."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.errors import DocumentError, InputError
from trimtab.model.rendered import RenderedObject

DEADLINE = 60.0
"""Seconds that one run of a tool may take, unless something else is said."""
LARGEST = 64 * 1024 * 1024
"""Bytes that one target may render to, and that one input may have."""


@dataclass(frozen=True, slots=True)
class Request:
    """One target. Paths are from the repository's root, `root` itself is without links in it."""

    root: Path
    label: str
    """For people: `myapp/canary`."""
    path: str
    """The folder, or the chart."""
    target: str = ""
    namespace: str = ""
    release: str = ""
    values: tuple[str, ...] = ()
    set: Mapping[str, str] = field(default_factory=dict)
    network: bool = False
    """May something be fetched?"""
    deadline: float = DEADLINE


@dataclass(frozen=True, slots=True)
class Rendering:
    """What a target renders to."""

    tool: str
    objects: Sequence[RenderedObject] = field(repr=False)
    inputs: Sequence[str] = ()
    warnings: Sequence[str] = ()


def inside(root: Path, path: Path, *, written: str, file: str = "", line: int = 0) -> Path:
    """A path without links in it. DocumentError where it leads out of the repository, or where nothing is there.

    `written` is how somebody wrote it, at `file` and `line`.
    """
    try:
        # What lies outside is refused whether or not it exists: nobody learns that.
        found = Path(os.path.realpath(path))
        exists = found.exists()
    except (OSError, ValueError):
        raise DocumentError(f"{shown(written)} is no path", file=file, line=line) from None
    if found != root and root not in found.parents:
        raise DocumentError(f"{shown(written)} leads out of the repository. Only files of the repository are read", file=file, line=line)
    if not exists:
        raise DocumentError(f"{shown(written)}: there is no such file or folder", file=file, line=line)
    return found


def read(root: Path, path: Path) -> str:
    """The text of a file that `inside` has seen. InputError where it is no text, or larger than any honest input."""
    name = relative(root, path)
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{name} has more than {LARGEST // 2**20} MiB. Nothing that goes into a cluster is that large")
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise DocumentError("not UTF-8 text. Save the file as UTF-8", file=name) from None
    except OSError as error:
        raise InputError(f"reading {name} failed: {error.strerror}") from None


def relative(root: Path, path: Path) -> str:
    """A path as it is from the repository's root."""
    return path.relative_to(root).as_posix()


def shown(text: str) -> str:
    """A text from a file, printable on one line."""
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return repr(printable if len(printable) <= 200 else printable[:200] + "...")
