"""Commits on branches of somebody's repository, made beside their work tree and pushed with a lease. Called by `wiring`, `journal`.

Objects are written into the repository, refs only below `refs/trimtab`, but for the remote-tracking branches that a push moves; its
index, work tree and own branches stay as they are. Without a remote, what would be pushed is a ref of the repository itself, replaced
by compare-and-swap.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from trimtab.adapters.git.clone import Clone, File
from trimtab.adapters.git.process import Git, Output, without_credentials
from trimtab.adapters.git.upstream import REFUSED
from trimtab.errors import Conflict, Denied, InputError, OutsideError, Unavailable

REMOTE = "origin"
SEEN = "refs/trimtab/seen"
"""Where commits of the remote's refs are kept: `refs/trimtab/seen/heads/main`."""
LOOKED_AT = "refs/trimtab/looked-at"
"""Where they are kept until it is known whether they may follow what was seen before."""
NOBODY = ("Trimtab", "trimtab@localhost")
"""Who commits where git does not know who the user is."""
NET = 120.0
"""Seconds for what goes over the network."""
PROTECTED = ("protected branch", "GH006", "GH013", "not allowed to push", "pre-receive hook declined", "hook declined", "denied")
STALE = (
    "stale info",
    "fetch first",
    "non-fast-forward",
    "failed to update ref",
    "cannot lock ref",
    "reference already exists",
    "incorrect old value",
)


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of files in a commit: new bytes by path, None for a file that goes."""

    files: Mapping[str, bytes | None] = field(repr=False)
    message: str
    parents: tuple[str, ...]


class Branches:
    """A repository on this machine, and its remote if it has one. `folder` is its git folder.

    `person` has variables such as GIT_AUTHOR_NAME that say who commits, where that is not in git's settings.
    """

    def __init__(self, folder: Path, git: Git, *, person: Mapping[str, str] | None = None, deadline: float = NET) -> None:
        self.folder, self.git, self.deadline = folder, git, deadline
        self.person = dict(person or {})
        self.objects = Clone(folder, git)
        self._settings: dict[tuple[str, ...], Output] = {}
        self._checked: set[str] = set()

    async def address(self) -> str:
        """The remote's address; empty where there is no remote."""
        found = await self._setting("remote", "get-url", "--", REMOTE)
        return found.out.decode(errors="replace").strip() if found.code == 0 else ""

    async def _setting(self, *words: str) -> Output:
        """What git answers to a question about its settings; asked once."""
        if words not in self._settings:
            self._settings[words] = await self.objects.run(*words)
        return self._settings[words]

    async def newest(self, ref: str, place: str = SEEN) -> str | None:
        """The commit that a ref (`refs/heads/main`) names, at the remote where there is one; None where there is no such ref.

        It is kept in `place`.
        """
        await self.check(ref)
        if not await self.address():
            return await self.objects.commit(ref)
        output = await self._fetch(ref, place)
        if output.code == 0:
            return await self.objects.commit(kept(ref, place))
        if "couldn't find remote ref" in output.errors:
            return None
        raise _fetch_failed(output, ref, await self.address())

    async def saw(self, ref: str, commit: str, before: str | None) -> None:
        """Notes what a ref of the remote names, unless somebody else here noted something else than `before` meanwhile."""
        if await self.address():
            await self.objects.run("update-ref", kept(ref), commit, before or "0" * len(commit))

    async def whole_history(self, ref: str) -> None:
        """Brings the history of a ref that a shallow checkout left out."""
        asked = await self._setting("rev-parse", "--is-shallow-repository")
        if asked.out.strip() == b"true" and await self.address():
            output = await self._fetch(ref, SEEN, "--unshallow")
            self._settings.clear()
            if output.code != 0:
                raise _fetch_failed(output, ref, await self.address())

    async def _fetch(self, ref: str, place: str, *options: str) -> Output:
        wanted = f"+{ref}:{kept(ref, place)}"
        settings = ("--quiet", "--refmap=", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance")
        return await self.objects.run("fetch", *settings, *options, "--", REMOTE, wanted, deadline=self.deadline)

    async def check(self, ref: str) -> None:
        """InputError for what cannot be the full name of a ref."""
        if ref in self._checked:
            return
        name = ref.removeprefix("refs/heads/")
        if not ref.startswith("refs/") or (await self.objects.run("check-ref-format", ref)).code != 0 or name.startswith("-"):
            raise InputError(f"{name!r} cannot be the name of a branch. Write it as `git branch` shows it")
        self._checked.add(ref)

    async def files(self, commit: str, path: str = "") -> tuple[File, ...]:
        """The regular files of a commit below a path."""
        return await self.objects.files(commit, path)

    async def commit(self, change: Change, at: datetime) -> str:
        """A commit with the files of its first parent but for what changes. Nothing points at it yet."""
        return await self.commit_of(await self.tree(change), change.message, change.parents, at)

    async def commit_of(self, tree: str, message: str, parents: Sequence[str], at: datetime) -> str:
        """A commit of a tree, signed where git is set up so."""
        words = [word for parent in parents for word in ("-p", parent)]
        sign = ["-S"] if (await self._setting("config", "--type=bool", "--get", "commit.gpgSign")).out.strip() == b"true" else []
        objects = Clone(self.folder, self.git.with_variables(await self._person(at)))
        output = await objects.run("commit-tree", *sign, *words, "-F", "-", tree, stdin=message.encode())
        if output.code != 0 and sign:
            raise Denied(
                f"signing a commit in {self.folder} failed: {output.complaint}. commit.gpgSign is set, so nothing unsigned is made"
            )
        if output.code != 0:
            raise Unavailable(f"making a commit in {self.folder} failed: {output.complaint}")
        return output.out.decode().strip()

    async def tree(self, change: Change) -> str:
        """The tree that a change leads to."""
        with tempfile.TemporaryDirectory(prefix="trimtab-index-") as folder:
            own = Clone(self.folder, self.git.with_variables({"GIT_INDEX_FILE": str(Path(folder) / "index")}))
            if change.parents:
                await own.must("read-tree", change.parents[0], doing=f"reading commit {change.parents[0][:10]}")
            modes = await self._modes(change.parents[0], tuple(change.files)) if change.parents else {}
            lines = []
            for path, data in change.files.items():
                if data is None:
                    lines.append(f"0 {'0' * len(change.parents[0])}\t{path}\0")
                    continue
                blob = await own.must("hash-object", "-w", "--stdin", stdin=data, doing=f"writing {path}")
                lines.append(f"{modes.get(path, '100644')} {blob.decode().strip()}\t{path}\0")
            await own.must("update-index", "-z", "--index-info", stdin="".join(lines).encode(), doing="changing files")
            return (await own.must("write-tree", doing="writing a tree")).decode().strip()

    async def _modes(self, commit: str, paths: Sequence[str]) -> dict[str, str]:
        wanted = ("ls-tree", "-z", "--full-tree", commit, "--", *paths)
        listing = await self.objects.must(*wanted, doing=f"listing commit {commit[:10]}")
        rows = (row.partition("\t") for row in listing.decode(errors="backslashreplace").split("\0") if row)
        return {name: about.split()[0] for about, _, name in rows}

    async def _person(self, at: datetime) -> dict[str, str]:
        stamp = f"{int(at.timestamp())} +0000"
        found = {"GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp}
        if (await self._setting("config", "--get", "user.email")).code != 0:
            for role in ("AUTHOR", "COMMITTER"):
                found |= {f"GIT_{role}_NAME": NOBODY[0], f"GIT_{role}_EMAIL": NOBODY[1]}
        return {**found, **self.person}

    async def publish(self, ref: str, commit: str | None, before: str | None) -> None:
        """Makes a ref name a commit, or takes it away, if it still names `before`. Conflict if it does not; Denied where we may not."""
        await self.check(ref)
        if not await self.address():
            await self._replace(ref, commit, before)
            return
        order = f"{commit or ''}:{ref}"
        lease = f"--force-with-lease={ref}:{before or ''}"
        output = await self.objects.run("push", "--porcelain", "--no-verify", lease, "--", REMOTE, order, deadline=self.deadline)
        if output.code != 0:
            raise _push_failed(output, ref, await self.address())
        await self.objects.must("update-ref", *([kept(ref), commit] if commit else ["-d", kept(ref)]), doing=f"noting {ref}")

    async def _replace(self, ref: str, commit: str | None, before: str | None) -> None:
        checked_out = await self.objects.run("symbolic-ref", "--quiet", "HEAD")
        bare = await self.objects.run("rev-parse", "--is-bare-repository")
        if checked_out.out.decode().strip() == ref and bare.out.strip() != b"true":
            raise InputError(
                f"{ref.removeprefix('refs/heads/')} is checked out in {self.folder.parent}, which has no remote {REMOTE}: after a commit "
                "beside the work tree it would look as if you had undone it. Give the repository a remote, or use --dry-run"
            )
        nothing = "0" * len(commit or before or "")
        order = f"update {ref} {commit} {before or nothing}\n" if commit else f"delete {ref} {before or nothing}\n"
        output = await self.objects.run("update-ref", "--stdin", stdin=order.encode())
        if output.code != 0:
            raise Conflict(f"{ref} moved meanwhile: {output.complaint}")


def kept(ref: str, place: str = SEEN) -> str:
    """The ref here under which one of the remote's is kept."""
    return f"{place}/{ref.removeprefix('refs/')}"


def _fetch_failed(output: Output, ref: str, where: str) -> OutsideError:
    said = f"fetching {ref} of {without_credentials(where)} failed: {output.complaint}"
    if any(sign in output.errors for sign in REFUSED):
        return Denied(f"{said}. The token or the credentials that git has here must be allowed to read the repository")
    return Unavailable(f"{said}. Nothing was changed; run it again when the repository can be reached.")


def _push_failed(output: Output, ref: str, where: str) -> OutsideError:
    said = output.errors + "\n" + output.out.decode(errors="replace")
    rejected = [line.split("\t")[-1] for line in said.splitlines() if line.startswith("!")]
    told = f"pushing {ref} to {without_credentials(where)} was refused: {(rejected or [output.complaint])[0]}"
    if any(sign in said for sign in STALE):
        return Conflict(f"{told}. Somebody pushed first")
    if any(sign in said for sign in (*REFUSED, *PROTECTED)):
        return Denied(f"{told}. The token or the credentials that git has here must be allowed to write this ref")
    return Unavailable(f"{told}. Run it again when the repository can be reached")
