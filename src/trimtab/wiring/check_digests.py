"""What a target is made from, as digests: by these it is known what the base has as well, and what was found already.

Called by `checking`, `check_base` and `check_memory`.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice, takewhile
from pathlib import Path

import trimtab
from trimtab.adapters.git.clone import Clone
from trimtab.adapters.rendering.inputs import Inputs, inputs
from trimtab.adapters.rendering.tool import Tools
from trimtab.errors import DocumentError
from trimtab.wiring.pipeline import kind_of
from trimtab.wiring.units import Unit

PROGRAMS = ("kustomize", "kubectl", "helm")


@dataclass(frozen=True, slots=True)
class Digest:
    """Of one file: its SHA-256, the id that git gives it, and by what a later change of it is noticed."""

    sha256: str
    blob: str
    state: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Made:
    """What a unit is made from."""

    inputs: Inputs
    digests: Mapping[str, Digest] = field(repr=False)


class Digests:
    """Digests of the files below a root, each file read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, Digest] = {}

    def of(self, unit: Unit) -> Made | None:
        """What a unit is made from; None where that cannot be told, since it does not render or reads what it likes."""
        try:
            rendering = unit.rendering or kind_of(unit.request)
            found = inputs(unit.request, rendering, unit.files)
            if found is None:
                return None
            return Made(found, {name: self.file(name) for name in found.files})
        except (DocumentError, OSError):
            return None

    def file(self, name: str) -> Digest:
        """The digest of one file. OSError where it cannot be read."""
        if name not in self._known:
            path = self._root / name
            state = _state(path)
            content = path.read_bytes()
            blob = hashlib.sha1(b"blob %d\0" % len(content), usedforsecurity=False)
            blob.update(content)
            self._known[name] = Digest(hashlib.sha256(content).hexdigest(), blob.hexdigest(), state)
        return self._known[name]

    def moved(self, made: Iterable[Made]) -> bool:
        """Was one of the files touched since it was read?"""
        try:
            return any(_state(self._root / name) != digest.state for one in made for name, digest in one.digests.items())
        except OSError:
            return True


class Tree:
    """The files of a commit, by their ids."""

    def __init__(self, blobs: Mapping[str, str], root: Path) -> None:
        self._blobs, self._root, self._names = blobs, root, sorted(blobs)

    def has(self, made: Made) -> bool:
        """Is a unit made from the same in the commit as on disk?"""
        if any(self._blobs.get(name) != digest.blob for name, digest in made.digests.items()):
            return False
        return all((self._root / name).exists() for folder in made.inputs.folders for name in self._in(folder, made.inputs.names))

    def same(self, name: str) -> bool:
        """Is a file the same in the commit as on disk, or missing in both?"""
        path = self._root / name
        there = Digests(self._root).file(name).blob if path.is_file() else None
        return self._blobs.get(name) == there

    def _in(self, folder: str, names: tuple[str, ...]) -> Iterable[str]:
        prefix = f"{folder}/" if folder not in ("", ".") else ""
        if names:
            return [f"{prefix}{name}" for name in names if f"{prefix}{name}" in self._blobs]
        start = bisect_left(self._names, prefix)
        return takewhile(lambda name: name.startswith(prefix), islice(self._names, start, None))


async def tree(clone: Clone, commit: str, root: Path) -> Tree:
    """The files of a commit. Links count by where they lead, so their ids fit nothing on disk."""
    return Tree({file.path: file.blob for file in await clone.files(commit)}, root)


def ourselves(tools: Tools) -> str:
    """By what it is told which Trimtab and which tools found something: the version, and the state of every file of the programs."""
    package = Path(trimtab.__file__).parent
    files = sorted(path for path in package.rglob("*") if path.suffix in (".py", ".gz", ".yaml"))
    programs = [Path(found).resolve() for name in PROGRAMS if (found := tools.find(name)) is not None]
    parts = [trimtab.__version__, *(f"{path}:{_state(path)}" for path in (*files, *programs))]
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size
