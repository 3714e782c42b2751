"""Where the source is: a git repository here or far away, or a plain folder. Called by `repository` when it is opened."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from trimtab.adapters.git.process import Git, without_credentials
from trimtab.errors import Denied, InputError

REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[^/\\:]+:(?!\\)")
"""An address, or the short form `user@host:path`."""

OUTSIDE = "not a git repository"


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository that is reached through an address."""

    url: str
    path: str = ""

    def __str__(self) -> str:
        return without_credentials(self.url)

    def __repr__(self) -> str:
        return f"Remote({self}, {self.path})"


@dataclass(frozen=True, slots=True)
class Local:
    """A repository on this machine. `own` and `common` are its git folders; they differ in a linked work tree."""

    folder: Path
    own: Path
    common: Path
    path: str = ""

    def __str__(self) -> str:
        return str(self.folder)


@dataclass(frozen=True, slots=True)
class Plain:
    """A folder that git knows nothing of."""

    folder: Path

    def __str__(self) -> str:
        return str(self.folder)


Location = Remote | Local | Plain


async def locate(source: str, path: str, git: Git) -> Location:
    """What `source` names: an address, a repository on this machine (or a folder inside one), or a plain folder.

    `path` is the folder below it that holds the manifests. InputError if there is no such thing.
    """
    below = _inside(path)
    folder = _folder(source)
    if folder is not None:
        return await _on_this_machine(folder, below, git)
    if source.startswith("-") or not REMOTE.match(source):
        raise InputError(f"{without_credentials(source)} is neither a folder on this machine nor the address of a git repository.")
    return Remote(source, below)


def _folder(source: str) -> Path | None:
    folder = Path(source)
    if folder.is_dir():
        return folder.resolve()
    if folder.exists():
        raise InputError(f"{source} is a file. Name the folder or the repository that it lies in.")
    return None


def _inside(path: str) -> str:
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts:
        raise InputError(f"the path {path} must lie within the source: name it from the source's root, without `..`.")
    return "/".join(parts)


async def _on_this_machine(folder: Path, below: str, git: Git) -> Local | Plain:
    asked = await git.run(
        folder, "rev-parse", "--path-format=absolute", "--is-inside-work-tree", "--git-dir", "--git-common-dir", "--show-prefix"
    )
    if asked.code != 0 and OUTSIDE in asked.errors:
        return _plain(folder, below)
    if asked.code != 0:
        raise Denied(f"git does not let us read the repository of {folder}: {asked.complaint}")
    inside, own, common, *prefix = os.fsdecode(asked.out).splitlines()
    if inside != "true":
        return Local(Path(own), Path(own), Path(common), below)
    shown = "".join(prefix).rstrip("/")
    root = folder
    for _ in Path(shown).parts:
        root = root.parent
    return Local(root, Path(own), Path(common), "/".join(part for part in (shown, below) if part))


def _plain(folder: Path, below: str) -> Plain:
    found = folder / below
    if not found.is_dir():
        raise InputError(f"{folder} has no folder {below}.")
    return Plain(found)
