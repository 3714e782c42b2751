"""What promotions and rollbacks work with: a repository, its journal, its targets as files and as they render.

Used by `promoting` and `rolling_back`.

Everything is read out of commits, never out of somebody's work tree.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from trimtab.adapters.git.branches import Branches, Change
from trimtab.adapters.git.clone import File
from trimtab.adapters.git.journal import Journal
from trimtab.config.difference import Change as Difference
from trimtab.config.difference import difference
from trimtab.config.digest import DigestKey, canonical_json, fingerprinted
from trimtab.documents.kubernetes import KUSTOMIZATIONS
from trimtab.documents.pipeline import App, Promotion, Target
from trimtab.errors import Conflict, InputError, Unavailable
from trimtab.model.names import ConfigKind
from trimtab.promotion.asking import Commit
from trimtab.promotion.content import Judged, judged
from trimtab.promotion.evidence import Evidence, decode, name_of
from trimtab.promotion.journal import Entry, Kind, Record, find_evidence
from trimtab.promotion.merging import Move
from trimtab.promotion.outcome import Outcome
from trimtab.promotion.places import places
from trimtab.promotion.plan import Plan, planned, source_ids
from trimtab.promotion.proof import Picture, contents, prove_content, prove_nothing_else
from trimtab.promotion.sides import Rules, Side
from trimtab.promotion.text import trailers_of

TRIES = 5
"""How often it looks anew after somebody else was first."""
Paint = Callable[[str, App, Target], Awaitable[Picture]]
"""What a target renders to at a commit."""


@dataclass(frozen=True, slots=True)
class Edge:
    """From which target to which, and the branch that clusters follow."""

    app: App
    source: Target
    receiver: Target
    branch: str

    @property
    def ref(self) -> str:
        """The protected branch."""
        return f"refs/heads/{self.branch}"

    @property
    def promotion(self) -> Promotion:
        """How content gets into the receiver."""
        return self.receiver.promotion or Promotion()


@dataclass(frozen=True, slots=True)
class Proof:
    """Evidence: what it says, its bytes as the journal keeps them, and its name."""

    evidence: Evidence
    data: bytes = field(repr=False)
    name: str

    @classmethod
    def of(cls, text: bytes, file: str) -> "Proof":
        """Out of a file. InputError where it is none."""
        return cls(decode(text, file), canonical_json(json.loads(text)).encode(), name_of(text))


@dataclass(frozen=True, slots=True)
class Draft:
    """An edit that was proved: what it comes to, and the tree as a commit that nothing points at."""

    base: str
    plan: Plan
    judged: Judged
    changes: Sequence[Difference] = field(repr=False)
    commit: str = ""
    hidden: tuple[str, ...] = ()
    """Files in which Secrets are written: no patch of them is shown."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """One repository, for one run."""

    branches: Branches
    journal: Journal
    paint: Paint
    now: Callable[[], datetime]
    run: str = ""
    """The run of the pipeline that this is; empty outside of one."""
    actor: str = ""
    secret: DigestKey | None = None

    async def base(self, edge: Edge, *, dry: bool) -> str:
        """The commit that a change is made on: a dry run's is what is checked out, if anything is."""
        return (await self.branches.objects.commit("HEAD") if dry else None) or await self.head(edge.ref)

    async def records(self, *, dry: bool) -> Sequence[Record]:
        """The journal; for a dry run as it is known here."""
        return await (self.journal.known() if dry else self.journal.read())

    async def head(self, ref: str) -> str:
        """The newest commit of the protected branch. InputError where there is none."""
        found = await self.branches.newest(ref)
        if found is None:
            raise InputError(f"there is no branch {ref.removeprefix('refs/heads/')}. trimtab.yaml names the protected one in spec.branch")
        return found

    async def side(self, commit: str, app: App, target: Target) -> Side:
        """A target's own files at a commit."""
        if app.chart or app.rendering == "helm":
            if not target.values:
                raise InputError(
                    f"target {target.name} of {app.name} names no values files in trimtab.yaml, so it has no content of its own"
                )
            named = [await self.branches.files(commit, name) for name in dict.fromkeys(target.values)]
            return Side(
                target.name, "helm", await self._read([one for files in named for one in files]), "", target.values, tuple(target.set)
            )
        folder = (target.path or "").strip("/")
        files = await self._read(await self.branches.files(commit, folder))
        side = Side(target.name, "plain", files, folder)
        kustomized = any(side.inside(path) in KUSTOMIZATIONS for path in files)
        return replace(side, rendering=app.rendering or ("kustomize" if kustomized else "plain"))

    async def _read(self, files: Sequence[File]) -> dict[str, bytes]:
        blobs = await self.branches.objects.read(file.blob for file in files)
        return {file.path: blobs[file.blob] for file in files}

    async def judged(self, commit: str, app: App, target: Target) -> Judged:
        """What a target is at a commit, in digests: what evidence about it names."""
        side, picture = await self.side(commit, app, target), await self.paint(commit, app, target)
        return judged(picture.values, source_ids(side, shared_files(app, target), algorithm(commit)), self.secret)

    async def draft(self, base: str, edge: tuple[App, Target, Target], before: Side | None, expected: "Expected") -> Draft:
        """Plans, renders and proves an edit on top of a commit. InputError where it cannot or must not be made."""
        app, source, receiver = edge
        theirs, mine = await self.side(base, app, source), await self.side(base, app, receiver)
        given, old = await both(self.paint(base, app, source), self.paint(base, app, receiver))
        found = judged(given.values, source_ids(theirs, shared_files(app, source), algorithm(base)), self.secret)
        expected.check(found)
        names = frozenset(key.name for key in ({*given.values} | {*old.values} if expected.move is Move.ROLL_BACK else {*given.values}))
        plan = planned(theirs, mine, before, Rules(app.keep, names), expected.move)
        if not plan.files:
            if not plan.left:
                prove_content(old, old, given, app.keep, plan.apart)
            return Draft(base, plan, found, ())
        commit = await self.branches.commit(Change(plan.files, "a draft\n", (base,)), self.now())
        new = await self.paint(commit, app, receiver)
        prove_nothing_else(old, new, names)
        if not plan.left:
            prove_content(old, new, given, app.keep, plan.apart)
        hidden = secretive(theirs, (given, old, new)) | secretive(mine, (given, old, new))
        return Draft(base, plan, found, self.changes(old, new), commit, tuple(sorted(hidden & {*plan.files})))

    def changes(self, old: Picture, new: Picture) -> Sequence[Difference]:
        """What the pods of a target will see, key by key; of Secrets fingerprints where there is a key."""
        shown = [[fingerprinted(one, self.secret) if self.secret else one for one in contents(side.values)] for side in (old, new)]
        return difference(*shown)

    async def carrying(self, commit: str, line: str) -> tuple[Commit, ...]:
        """The commits of a history whose messages have this line, newest first."""
        return await self._log(f"--grep=^{line}$", commit)

    async def content_of(self, commit: str) -> str:
        """The content that the message of a commit names; empty for none."""
        return trailers_of((await self._log("-1", commit))[0].message).get("Content", "")

    async def changes_any(self, commit: str, paths: Sequence[str]) -> bool:
        """Does a commit change any of these files or folders? Of a merge counts what it brings; a first commit changes nothing."""
        return (await self.branches.objects.run("diff", "--quiet", f"{commit}^", commit, "--", *paths)).code == 1

    async def within(self, older: str, newer: str) -> bool:
        """Is a commit in the history of another?"""
        return (await self.branches.objects.run("merge-base", "--is-ancestor", older, newer)).code == 0

    async def between(self, base: str, head: str) -> tuple[Commit, ...]:
        """The commits that a branch has and its base has not."""
        return await self._log(f"{base}..{head}")

    async def _log(self, *wanted: str) -> tuple[Commit, ...]:
        listing = await self.branches.objects.must("log", "--format=%H%x00%T%x00%B%x01", *wanted, doing="reading the history")
        rows = (part.strip("\n").split("\0", 2) for part in listing.decode(errors="replace").split("\1") if "\0" in part)
        return tuple(Commit(commit, message, tree) for commit, tree, message in rows)

    async def tree_of(self, commit: str) -> str:
        """The tree of a commit."""
        return (await self.branches.objects.must("rev-parse", f"{commit}^{{tree}}", doing="reading a commit")).decode().strip()

    async def same_files(self, one: str, other: str, paths: Sequence[str]) -> bool:
        """Do these files have the same content in two commits?"""
        return (await self.branches.objects.run("diff", "--quiet", one, other, "--", *paths)).code == 0

    async def patch(self, draft: Draft) -> str:
        """What would be committed, as git shows it; without the files that hold Secrets."""
        if not draft.commit:
            return ""
        shown = [path for path in draft.plan.files if path not in draft.hidden]
        left_out = "".join(f"the patch of {path} is not shown: it may hold Secrets\n" for path in draft.hidden)
        words = ("diff", "--no-color", "--no-ext-diff", "--no-textconv", draft.base, draft.commit, "--", *shown)
        found = await self.branches.objects.must(*words, doing="comparing commits") if shown else b""
        return found.decode(errors="replace") + left_out

    async def available(self, commit: str) -> str:
        """A commit that evidence names, fetched where a shallow checkout has left it out. Unavailable where it cannot be had."""
        found = await self.branches.objects.commit(commit)
        if found is None and await self.branches.address():
            await self.branches.objects.run(
                "fetch", "--quiet", "--refmap=", "--no-tags", "--", "origin", commit, deadline=self.branches.deadline
            )
            found = await self.branches.objects.commit(commit)
        if found is None:
            raise Unavailable(f"the judged commit {commit[:10]} is not in this repository any more and cannot be fetched")
        return found

    async def noted(self, entry: Entry, proof: Proof | None, unless: Callable[[Sequence[Record]], bool]) -> tuple[Record, ...]:
        """An entry in the journal, and the evidence with it where it is not there yet; the whole journal then."""

        def wanted(records: Sequence[Record]) -> list[tuple[Entry, bytes]]:
            found: list[tuple[Entry, bytes]] = []
            if proof is not None and find_evidence(records, proof.name) is None:
                found.append((self.verdict(proof), proof.data))
            return found if unless(records) else [*found, (entry, b"")]

        return await self.journal.append(wanted, self.now())

    def verdict(self, proof: Proof) -> Entry:
        """What evidence says, as an entry."""
        said = proof.evidence
        return Entry(
            kind=Kind.VERDICT, at=self.now(), app=said.app, target=said.target, actor=self.actor, content=said.content, commit=said.commit,
            evidence=proof.name, verdict=said.verdict.judgement, run=said.run.url or said.run.id, text=said.verdict.text,
        )  # fmt: skip


def shared_files(app: App, target: Target) -> frozenset[str]:
    """The values files of a target that other targets of the app use, too: they are nobody's own, and a promotion may change them."""
    return frozenset(file for other in app.targets if other.name != target.name for file in other.values)


async def both(one: Awaitable[Picture], other: Awaitable[Picture]) -> tuple[Picture, Picture]:
    """Two at the same time; where one fails, the other is waited for all the same, so that nothing is left running."""
    found = await asyncio.gather(one, other, return_exceptions=True)
    first, second = found
    if isinstance(first, BaseException):
        raise first
    if isinstance(second, BaseException):
        raise second
    return first, second


async def undisputed(once: Callable[[], Awaitable[Outcome]]) -> Outcome:
    """What came of it once nobody else was first; Unavailable where others always are."""
    for _ in range(TRIES):
        try:
            return await once()
        except Conflict as conflict:
            last = conflict
    raise Unavailable(f"{last}. Others were first {TRIES} times; run it again")


def algorithm(commit: str) -> str:
    """With what a repository makes its ids, by the length of one."""
    return "sha256" if len(commit) == 64 else "sha1"


def secretive(side: Side, pictures: Sequence[Picture]) -> set[str]:
    """The files of a target in which Secrets may be written: of Helm values all, where the chart makes a Secret that pods read."""
    if side.rendering == "helm":
        return {*side.values} if any(key.name.kind is ConfigKind.SECRET for one in pictures for key in one.values) else set()
    return {side.outside(place.file) for place in places(side) if place.name.kind is ConfigKind.SECRET}


@dataclass(frozen=True, slots=True)
class Expected:
    """Which way content goes, and what is asked of what was found before anything is planned."""

    move: Move
    check: Callable[[Judged], None]
