"""The journal of a repository in a ref of its own: one commit for each entry, never rewritten. Called by `wiring`.

A commit holds the entry as `entry.json` and, where it brings evidence, `evidence.json`. Two who write at once both get their entry in:
whoever is second builds it anew on what the first wrote.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from datetime import datetime

from trimtab.adapters.git.branches import LOOKED_AT, Branches, Change, kept
from trimtab.errors import Conflict, InputError, Unavailable
from trimtab.promotion.journal import Entry, Mention, Record, chained

REF = "refs/trimtab/journal"
PATIENCE = 60.0
"""Seconds in which an entry must find its place."""
TRAILER = "Trimtab-Journal"
_CARRIED = re.compile(rf"^{TRAILER}: ([0-9a-f]{{64}})\s*$", re.MULTILINE)
_OURS = re.compile(r"^Trimtab-(Promotion|Rollback): \S+/\S+\s*$", re.MULTILINE)
"""What else a commit says that brings content; a line of its own in another message is no head of the journal."""

Wanted = tuple[Entry, bytes]
"""An entry and the evidence that it brings, empty for none."""


class Journal:
    """The journal of one repository."""

    def __init__(self, branches: Branches) -> None:
        self.branches = branches

    async def read(self) -> tuple[Record, ...]:
        """Every entry, oldest first, as the remote has it. InputError where what was seen before is gone from it."""
        seen = await self.branches.objects.commit(kept(REF))
        head = await self.branches.newest(REF, LOOKED_AT)
        if seen is not None and head != seen and not (head is not None and await self._follows(seen, head)):
            raise InputError(
                f"the journal {REF} was rewritten: commit {seen[:10]}, seen here before, is not in it any more. Nothing is promoted on its "
                "word. Put that commit back, or, if this was meant, delete the ref "
                f"{kept(REF)} here"
            )
        if head is not None and head != seen:
            await self.branches.saw(REF, head, seen)
        return await self._records(head)

    async def known(self) -> tuple[Record, ...]:
        """Every entry that is in this repository, without asking the remote."""
        seen = await self.branches.objects.commit(kept(REF))
        return await self._records(seen or await self.branches.objects.commit(REF))

    async def append(self, make: Callable[[Sequence[Record]], Sequence[Wanted]], at: datetime) -> tuple[Record, ...]:
        """Adds what `make` wants once it has seen what is there; all entries then. Asks it again when somebody else was first."""
        seconds = asyncio.get_running_loop().time
        end = seconds() + PATIENCE
        while True:
            records = await self.read()
            wanted = make(records)
            if not wanted:
                return records
            added = await self._built(records, wanted, at)
            try:
                await self.branches.publish(REF, added[-1].commit, records[-1].commit if records else None)
            except Conflict as conflict:
                if seconds() > end:
                    raise Unavailable(f"{conflict}. The journal did not take the entry within {PATIENCE:g} s; run it again") from conflict
                continue
            return (*records, *added)

    async def mentions(self, commit: str) -> tuple[Mention, ...]:
        """The hashes of entries that promotions and rollbacks of a history carry, newest first."""
        wanted = ("log", f"--grep=^{TRAILER}: ", "--format=%H%x00%B%x01", commit)
        listing = await self.branches.objects.must(*wanted, doing=f"reading the history of {commit[:10]}")
        parts = (part.strip().split("\0", 1) for part in listing.decode(errors="replace").split("\1") if "\0" in part)
        # Not as git reads trailers: forges that squash put other text behind them.
        return tuple(Mention(found, value) for found, text in parts if _OURS.search(text) for value in _CARRIED.findall(text))

    async def unsigned(self, records: Sequence[Record]) -> tuple[str, ...]:
        """A line for each entry without a good signature, by what git's settings here call good."""
        if not records:
            return ()
        wanted = ("log", "--first-parent", "--format=%H %G?", records[-1].commit)
        listing = await self.branches.objects.must(*wanted, doing="reading the journal", deadline=PATIENCE)
        signed = dict(line.split(" ", 1) for line in listing.decode().splitlines())
        places = enumerate(records, start=1)
        return tuple(
            f"entry {number} (commit {one.commit[:10]}) has no good signature" for number, one in places if signed.get(one.commit) != "G"
        )

    async def _follows(self, older: str, newer: str) -> bool:
        return (await self.branches.objects.run("merge-base", "--is-ancestor", older, newer)).code == 0

    async def _built(self, records: Sequence[Record], wanted: Sequence[Wanted], at: datetime) -> list[Record]:
        added: list[Record] = []
        for entry, evidence in wanted:
            last = added[-1] if added else records[-1] if records else None
            data = chained(entry, last)
            gone: dict[str, bytes | None] = {"evidence.json": None} if last is not None and last.evidence else {}
            files = {**gone, "entry.json": data, **({"evidence.json": evidence} if evidence else {})}
            message = f"{entry.kind} {entry.app}/{entry.target}\n"
            commit = await self.branches.commit(Change(files, message, (last.commit,) if last is not None else ()), at)
            added.append(Record(commit, data, evidence))
        return added

    async def _records(self, head: str | None) -> tuple[Record, ...]:
        if head is None:
            return ()
        listing = await self.branches.objects.must("rev-list", "--first-parent", "--reverse", head, doing="reading the journal")
        commits = listing.decode().split()
        names = [f"{commit}:{name}" for commit in commits for name in ("entry.json", "evidence.json")]
        found = await self._contents(names)
        return tuple(Record(commit, found[2 * index], found[2 * index + 1]) for index, commit in enumerate(commits))

    async def _contents(self, names: Sequence[str]) -> list[bytes]:
        """The contents of files in commits; empty for those that are not there."""
        objects = self.branches.objects
        stream = await objects.must("cat-file", "--batch", stdin="\n".join(names).encode() + b"\n", doing="reading the journal")
        found: list[bytes] = []
        position = 0
        while position < len(stream):
            end = stream.index(b"\n", position)
            head = stream[position:end].split(b" ")
            size = int(head[-1]) if head[-1].isdigit() else -1
            found.append(stream[end + 1 : end + 1 + size] if size >= 0 else b"")
            position = end + 1 + (size + 1 if size >= 0 else 0)
        return found
