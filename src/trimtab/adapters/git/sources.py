"""Content and policies out of git: `ports.Sources`. Made by `wiring` for `up`, and by faces that read a repository.

One snapshot per commit, all files at once. A commit that cannot be read is refused as a whole: the last good one stays
in force, and everybody is told so until a later commit can be read (C3, L6).
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from trimtab.adapters.git.archive import Archive
from trimtab.adapters.git.clone import NEWEST
from trimtab.adapters.git.evaluate import Meaning, Translate, meaning, shared_targets
from trimtab.adapters.git.location import Plain
from trimtab.adapters.git.manifests import Manifests
from trimtab.adapters.git.reading import Reader
from trimtab.adapters.git.repository import Repository
from trimtab.config.digest import DigestKey
from trimtab.errors import InputError, OutsideError, Unavailable, Vanished
from trimtab.model.content import Content
from trimtab.model.facts import Source
from trimtab.model.names import CanaryKey
from trimtab.model.revision import Origin, Revision
from trimtab.ports import Clock

UNKNOWN_AUTHOR = "unknown"
"""Of a plain folder, which does not say who changed it."""

LONGEST_WAIT = timedelta(seconds=60)
"""Between two tries while the source is away."""

REMEMBERED = 100
"""How many refused commits are remembered."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A commit that is not in force, and why. Without a commit where none could be had, for example for a missing branch."""

    origin: Origin
    problem: str

    def __str__(self) -> str:
        by = f" by {self.origin.author}" if self.origin.author else ""
        what = f"commit {self.origin.commit[:10]}{by} is refused" if self.origin.commit else "the source cannot be read"
        return f"{what}: {self.problem}"


class GitSources:
    """`ports.Sources` over a repository. `secret` is the key for digests of Secrets. Call `start` before anything else.

    With `prune` a Canary that the source does not have any more has vanished; else what it left goes on as it is (L6).
    """

    def __init__(self, repository: Repository, translate: Translate, secret: DigestKey, clock: Clock, *, prune: bool = False) -> None:
        self._repository, self._translate, self._secret, self._clock = repository, translate, secret, clock
        self._prune = prune
        self._reader = Reader(repository)
        self._archive = Archive(repository.clone, self._reader, secret)
        self._meanings: dict[CanaryKey, Meaning] = {}
        self._origins: dict[CanaryKey, tuple[str, Origin]] = {}
        self._refusals: tuple[Refusal, ...] = ()
        self._refused: Refusal | None = None
        self._away = ""
        self._manifests = Manifests()

    @property
    def manifests(self) -> Manifests:
        """Everything that the commit in force says: also workloads without a Canary, Services, and warnings."""
        return self._manifests

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Commits refused since the start, oldest first."""
        return self._refusals

    @property
    def away(self) -> str:
        """Why the source cannot be reached just now; empty while it can."""
        return self._away

    async def start(self) -> None:
        """Takes the newest commit into force. InputError with every document that must be changed first (exit code 2).

        A remote that is away is no obstacle if something was fetched before.
        """
        await self.refresh()
        if self._refused is not None:
            raise InputError(str(self._refused))
        wrong = {key: found.source.policy_problem for key, found in self._meanings.items() if found.source.policy_problem}
        wrong |= shared_targets(self._manifests)
        if wrong:
            raise InputError("\n".join(dict.fromkeys(wrong.values())))

    async def refresh(self) -> tuple[CanaryKey, ...]:
        """Looks for a newer commit and takes it into force; the keys for which something changed. OutsideError if it is away."""
        before, refused = self._meanings, self._refused
        try:
            commit = await self._newest()
        except InputError as error:
            self._refuse(Refusal(Origin(), str(error)))
        else:
            await self._consider(commit)
        keys = sorted({*before, *self._meanings})
        return tuple(key for key in keys if refused != self._refused or before.get(key) != self._meanings.get(key))

    async def keys(self) -> tuple[CanaryKey, ...]:
        """Every Canary of the commit in force, also those that are invalid."""
        return self._manifests.known()

    async def read(self, key: CanaryKey) -> Source:
        """What the commit in force says. The commit is pinned before its revision is told to anyone (S7). Vanished, see `prune`."""
        if self._prune and key not in self._manifests.known():
            raise Vanished(f"Canary {key} is not in the source any more, so its pods are stopped")
        found = self._meanings.get(key) or self._mean(key)
        # A newer commit may come into force at any await below; this answer is about one commit from end to end.
        manifests = self._manifests
        source = found.source
        if self._refused is not None:
            told = f"{self._refused}. Commit {manifests.commit[:10]} stays in force."
            source = replace(source, policy_problem="; ".join(filter(None, (told, source.policy_problem))))
        if source.revision is None:
            return source
        try:
            await self._archive.admit(key, source.revision, manifests)
        except OutsideError as error:
            # A full disk must not keep an attempt under way from going back (L8), but nothing new may start from this.
            return replace(source, revision=None, problem=str(error))
        known = self._origins.get(key)
        if known is None or known[0] != source.revision.id:
            known = source.revision.id, await self._origin(manifests.commit, found.files)
            self._origins[key] = known
        return replace(source, origin=known[1])

    async def contents(self, key: CanaryKey, revision: Revision) -> tuple[Content, ...]:
        """The bytes of everything that pods of a revision read, of the commit in force or of a kept one.

        What is not tracked (CFG-5, CFG-6) is shared by all revisions, so it is the newest. Unknown ones are left out.
        """
        return await self._archive.contents(key, revision, self._manifests)

    async def keep(self, key: CanaryKey, revisions: Sequence[Revision]) -> None:
        """Lets go of commits that only other revisions need; those of these were pinned when they were first read."""
        current = self._meanings[key].source.revision if key in self._meanings else None
        await self._archive.keep(key, {revision.id for revision in (*revisions, current) if revision is not None})

    async def changes(self) -> AsyncIterator[CanaryKey]:
        """A key after each commit that changed something about it. Only one reader may ask; looks again every poll time."""
        poll = timedelta(seconds=self._repository.poll)
        wait = poll
        while True:
            await self._clock.sleep_until(self._clock.now() + wait)
            try:
                changed = await self.refresh() if self._away or self._repository.moved() else ()
            except OutsideError as error:
                self._away = str(error)
                wait = min(wait * 2, max(LONGEST_WAIT, poll))
                continue
            self._away, wait = "", poll
            for key in changed:
                yield key

    async def _newest(self) -> str:
        try:
            return await self._repository.newest()
        except OutsideError as error:
            fetched = await self._repository.clone.commit(NEWEST)
            if self._manifests.commit or fetched is None:
                raise
            self._away = str(error)
            return fetched

    def _take(self, manifests: Manifests) -> None:
        """Puts a commit in force. Canaries that have become invalid keep the target that they named last."""
        last = {key: self._manifests.canaries[key] for key in manifests.invalid if key in self._manifests.canaries}
        self._manifests = replace(manifests, canaries={**last, **manifests.canaries})
        self._refused = None
        shared = shared_targets(self._manifests)
        self._meanings = {key: self._mean(key) for key in self._manifests.known()}
        for key, text in shared.items():
            self._meanings[key] = Meaning(replace(self._meanings[key].source, revision=None, problem=text))

    def _mean(self, key: CanaryKey) -> Meaning:
        return meaning(self._manifests, key, self._translate, self._secret)

    async def _consider(self, commit: str) -> None:
        """Takes a commit into force, or refuses it; looks at each only once."""
        if commit == self._manifests.commit:
            self._refused = None
        elif self._refused is None or self._refused.origin.commit != commit:
            try:
                self._take(await self._reader.load(commit))
            except InputError as error:
                self._refuse(Refusal(await self._author(commit), str(error)))

    def _refuse(self, refusal: Refusal) -> None:
        if refusal != self._refused:
            self._refusals = (*self._refusals, refusal)[-REMEMBERED:]
        self._refused = refusal

    async def _origin(self, commit: str, files: Sequence[str]) -> Origin:
        """Who made a revision: the newest commit that touched one of its files."""
        try:
            return await self._author(commit, files)
        except Unavailable:
            # A long history may take longer than the deadline; whose commit it was is not worth stopping for.
            return Origin(commit)

    async def _author(self, commit: str, files: Sequence[str] = ()) -> Origin:
        if isinstance(self._repository.location, Plain):
            return Origin(commit, UNKNOWN_AUTHOR, f"content of {self._repository}")
        return await self._repository.clone.origin(commit, files)
