"""The bare clone in the state folder: commits, files and pins. One code path for repositories and plain folders.

Called by `repository` and `sources`. It is made private, for files of Secrets are in it (C1). Whoever opens it holds
the lock of the state folder.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from trimtab.adapters.git.process import Git, Output
from trimtab.errors import Unavailable
from trimtab.model.names import CanaryKey
from trimtab.model.revision import Origin

NEWEST = "refs/trimtab/source"
"""Where the newest commit of the source is kept."""

SOURCE_SETTING, PATH_SETTING, TARGET_SETTING = "trimtab.source", "trimtab.path", "trimtab.target"

PINS = "refs/trimtab/keep"
"""Commits of kept revisions: `refs/trimtab/keep/NAMESPACE/NAME/REVISION` (L6)."""

HOUSEKEEPING_DEADLINE = 120.0
LONGEST_MESSAGE = 1000
REGULAR = ("100644", "100755")


@dataclass(frozen=True, order=True, slots=True)
class File:
    """A file of a commit: its path from the root of the repository and the id of its content."""

    path: str
    blob: str


class Clone:
    """A bare repository in `folder`."""

    def __init__(self, folder: Path, git: Git) -> None:
        self.folder, self._git = folder, git

    async def prepare(self) -> None:
        """Makes the clone where it is missing, and tidies up one that was left in the middle of something."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        await self.must("init", "--quiet", "--bare", "--shared=0600", "--template=", ".", doing="making the clone")
        for lock in (*self.folder.glob("*.lock"), *(self.folder / "refs").rglob("*.lock")):
            # Nobody else writes here, so these belong to a git that was killed.
            with suppress(FileNotFoundError):
                os.unlink(lock)
        await self.run("-c", "gc.auto=5000", "-c", "gc.autoDetach=false", "gc", "--quiet", "--auto", deadline=HOUSEKEEPING_DEADLINE)

    async def follow(self, source: str, path: str, target: str = "") -> None:
        """Notes which source this clone is of, and where in it. What was fetched from another one is not its newest commit; pins stay."""
        await self.must("config", PATH_SETTING, path, doing="noting the path")
        await self.must("config", TARGET_SETTING, target, doing="noting the target")
        noted = await self.run("config", "--get", SOURCE_SETTING)
        if noted.out.decode(errors="replace").strip() != source:
            await self.must("update-ref", "-d", NEWEST, doing="leaving another source")
            await self.must("config", SOURCE_SETTING, source, doing="noting the source")

    async def followed(self) -> tuple[str, str]:
        """The path, empty for the root, and the target that were noted last."""
        path, target = [(await self.run("config", "--get", name)).out.decode(errors="replace") for name in (PATH_SETTING, TARGET_SETTING)]
        return path.strip(), target.strip()

    async def run(self, *arguments: str, stdin: bytes = b"", deadline: float = 30.0) -> Output:
        """A git command in the clone, whatever comes of it."""
        return await self._git.run(self.folder, f"--git-dir={self.folder}", *arguments, stdin=stdin, deadline=deadline)

    async def must(self, *arguments: str, doing: str, stdin: bytes = b"", deadline: float = 30.0) -> bytes:
        """The output of a git command that works unless the clone is damaged: Unavailable then."""
        output = await self.run(*arguments, stdin=stdin, deadline=deadline)
        if output.code != 0:
            raise Unavailable(
                f"{doing} in {self.folder} failed: {output.complaint}. If that stays so, stop Trimtab and move the folder away: "
                "it is fetched anew, but revisions kept for undo that the source no longer has are lost."
            )
        return output.out

    async def commit(self, name: str) -> str | None:
        """The id of the commit that a ref names, None where there is none."""
        output = await self.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        return output.out.decode().strip() if output.code == 0 else None

    async def files(self, commit: str, path: str = "") -> tuple[File, ...]:
        """The regular files of a commit below a path, or the one at it; links and submodules are left out."""
        below = ("--", path) if path else ()
        listing = await self.must("ls-tree", "-r", "-z", "--full-tree", commit, *below, doing=f"listing commit {commit[:10]}")
        # A name that is no UTF-8 is spelt out, since what messages hold must be writable anywhere.
        rows = (row.partition("\t") for row in listing.decode(errors="backslashreplace").split("\0") if row)
        return tuple(File(name, about.split()[2]) for about, _, name in rows if about.startswith(REGULAR))

    async def top(self, commit: str) -> tuple[str, ...]:
        """What lies at the root of a commit, for messages."""
        listing = await self.must("ls-tree", "-z", "--name-only", "--full-tree", commit, doing=f"listing commit {commit[:10]}")
        return tuple(name for name in listing.decode(errors="replace").split("\0") if name)

    async def read(self, blobs: Iterable[str]) -> dict[str, bytes]:
        """The contents of many blobs in one go."""
        wanted = sorted(set(blobs))
        if not wanted:
            return {}
        stream = await self.must("cat-file", "--batch", stdin="\n".join(wanted).encode() + b"\n", doing="reading files")
        found: dict[str, bytes] = {}
        position = 0
        while position < len(stream):
            end = stream.index(b"\n", position)
            head = stream[position:end].decode().split()
            if len(head) != 3:
                raise Unavailable(
                    f"reading files in {self.folder} failed: object {' is '.join(head)}. Stop Trimtab and move the folder away."
                )
            start, size = end + 1, int(head[2])
            found[head[0]] = stream[start : start + size]
            position = start + size + 1
        return found

    async def origin(self, commit: str, files: Sequence[str] = ()) -> Origin:
        """Who made a commit, when and why: the newest up to `commit` that touched one of `files`, else `commit` itself."""
        shape = "--format=%H%x00%an <%ae>%x00%ct%x00%B"
        if files:
            said = await self.must("log", "-1", shape, commit, "--", *files, doing=f"reading the history of {commit[:10]}")
            if said.strip():
                return _origin(said)
        return _origin(await self.must("log", "-1", shape, commit, doing=f"reading commit {commit[:10]}"))

    async def pins(self, key: CanaryKey) -> dict[str, str]:
        """The commits pinned for a Canary by revision id."""
        listing = await self.must("for-each-ref", "--format=%(objectname) %(refname)", _pins_of(key), doing=f"listing pins of {key}")
        rows = (line.split(" ", 1) for line in listing.decode().splitlines())
        return {name.rsplit("/", 1)[1]: commit for commit, name in rows}

    async def pin(self, key: CanaryKey, pins: Mapping[str, str | None]) -> None:
        """Pins commits by revision id, or lets go of those whose commit is None; all or nothing."""
        refs = {f"{_pins_of(key)}{revision}": commit for revision, commit in pins.items()}
        orders = [f"update {ref} {commit}\n" if commit else f"delete {ref}\n" for ref, commit in refs.items()]
        if orders:
            await self.must("update-ref", "--stdin", stdin="".join(orders).encode(), doing=f"pinning revisions of {key}")


def _pins_of(key: CanaryKey) -> str:
    # A dot is allowed in names of objects, but not everywhere in names of refs.
    parts = (quote(part, safe="").replace(".", "%2e") for part in (key.namespace, key.name))
    return "/".join((PINS, *parts, ""))


def _origin(said: bytes) -> Origin:
    commit, author, at, message = said.decode(errors="replace").split("\0", 3)
    return Origin(commit, _plain(author), _plain(message).strip()[:LONGEST_MESSAGE], _moment(at))


def _moment(seconds: str) -> datetime | None:
    """When a commit was made; None where it does not say anything sensible, as those of some converters do."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _plain(text: str) -> str:
    """Without control characters, which could play tricks on a terminal."""
    return "".join(sign for sign in text if sign.isprintable() or sign == "\n")
