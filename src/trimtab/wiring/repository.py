"""The repository around a folder, for commands of pipelines: its trimtab.yaml, its journal, its forge.

Used by the faces for `promote`, `rollback`, and for `history`, `show` and `retry` with `--in repo`.
"""

import asyncio
import getpass
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from trimtab.adapters.clock import SystemClock
from trimtab.adapters.git.branches import Branches
from trimtab.adapters.git.journal import Journal
from trimtab.adapters.git.location import Local, locate
from trimtab.adapters.git.process import Git, without_credentials
from trimtab.adapters.git.token import with_token
from trimtab.adapters.rendering.tool import Tools
from trimtab.config.digest import DigestKey
from trimtab.documents.pipeline import App, PipelineSpec, Target
from trimtab.errors import Denied, InputError, OutsideError
from trimtab.ports import Forge
from trimtab.promotion.edges import run_of
from trimtab.promotion.journal import Mention, Record
from trimtab.promotion.pictures import picture
from trimtab.promotion.proof import Picture
from trimtab.wiring.pipeline import Project, Rules, load, load_at, rendered
from trimtab.wiring.workshop import Edge, Workshop

FINGERPRINT_KEY = "TRIMTAB_FINGERPRINT_KEY"
IDENTITY = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
Choose = Callable[[PipelineSpec, str], tuple[App, Target, Target]]
"""Which app is meant, whose content moves, and who gets it, by a name that somebody typed."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository that has a trimtab.yaml, as it is on this machine."""

    root: Path
    branches: Branches
    journal: Journal
    document: str
    """The path of trimtab.yaml from the root."""
    spec: PipelineSpec
    """What it says, as it is checked out."""
    remote: str
    """The remote's address; empty where there is none."""
    environment: Mapping[str, str] = field(repr=False)

    def __str__(self) -> str:
        return f"repository {self.root}" + (f", remote {without_credentials(self.remote)}" if self.remote else ", which has no remote")

    async def records(self) -> tuple[Sequence[Record], str]:
        """The journal, and why it may not be the newest; empty where it is."""
        try:
            return await self.journal.read(), ""
        except OutsideError as problem:
            return await self.journal.known(), f"{problem} This is what is known here."

    async def mentions(self) -> tuple[Mention, ...]:
        """What the protected branch carries of the journal."""
        ref = f"refs/heads/{self.spec.branch}"
        commit = await self.branches.newest(ref)
        if commit is None:
            raise InputError(f"there is no branch {self.spec.branch}, which {self.document} names in spec.branch")
        await self.branches.whole_history(ref)
        return await self.journal.mentions(commit)

    def actor(self) -> str:
        """Who runs this: as the pipeline says, else the user of this machine."""
        found = run_of(self.environment).actor
        if found:
            return found
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            return f"uid-{os.getuid()}"


def fingerprint_key(environment: Mapping[str, str]) -> DigestKey | None:
    """The key of TRIMTAB_FINGERPRINT_KEY; None where that is not set. Its id says nothing about it."""
    key = environment.get(FINGERPRINT_KEY, "").encode()
    return DigestKey(hashlib.sha256(b"trimtab key id" + key).hexdigest()[:8], key) if key else None


async def repository(folder: Path, environment: Mapping[str, str] | None = None) -> Repository:
    """The repository around a folder, with its trimtab.yaml as it is checked out. InputError where there is none."""
    known = os.environ if environment is None else environment
    project = load(folder)
    git = Git(known)
    location = await locate(str(project.root), "", git)
    if not isinstance(location, Local):
        raise InputError(f"{project.root} is not a git repository, so nothing can be promoted in it and it has no journal")
    person = {name: known[name] for name in IDENTITY if known.get(name)}
    remote = await Branches(location.own, git).address()
    spec = project.document.spec
    branches = Branches(location.own, git.with_variables(credentials(remote, known, spec)), person=person)
    return Repository(location.folder, branches, Journal(branches), project.file, spec, remote, known)


def credentials(remote: str, environment: Mapping[str, str], spec: PipelineSpec) -> dict[str, str]:
    """The variables by which git shows the forge's token to the remote, if that is on the forge's server; else none."""
    if not remote.startswith(("http://", "https://")):
        return {}
    from trimtab.wiring.forge import find_place, find_token, git_login

    try:
        place = find_place(spec.forge, environment, remote)
        user, token = git_login(place, find_token(place, environment))
    except (InputError, Denied):
        return {}
    return with_token(environment, remote, user, token) if urlsplit(remote).hostname == place.host else {}


class Commits:
    """The files of commits in temporary folders, each written once and gone when the stack is closed."""

    def __init__(self, folder: Path, stack: AsyncExitStack, environment: Mapping[str, str]) -> None:
        self._folder, self._stack = folder, stack
        self._rules = Rules(tools=Tools(environment.get("PATH", os.defpath), environment))
        self._projects: dict[str, Project] = {}
        self._lock = asyncio.Lock()

    async def at(self, commit: str) -> Project:
        """The project as a commit has it."""
        async with self._lock:
            if commit not in self._projects:
                self._projects[commit] = await self._stack.enter_async_context(load_at(self._folder, commit))
        return self._projects[commit]

    async def paint(self, commit: str, app: App, target: Target) -> Picture:
        """What a target renders to at a commit."""
        return picture(await rendered(await self.at(commit), app, target, self._rules), target.name)


@asynccontextmanager
async def workshop_for(
    found: Repository, choose: Choose, name: str, *, dry: bool, spare: bool = False
) -> AsyncIterator[tuple[Workshop, Edge, Forge | None]]:
    """What a promotion or rollback needs. Which target is meant, and how it is rendered, is read from the protected branch itself.

    A dry run reads what is checked out, and asks neither the remote nor the forge. With `spare` the forge is only needed if a push is
    refused, so that it may be missing; a promotion by push has no use for one.
    """
    async with AsyncExitStack() as stack:
        shop, commits = workshop(found, stack)
        head = await found.branches.objects.commit("HEAD") if dry else await found.branches.newest(f"refs/heads/{found.spec.branch}")
        if head is None:
            raise InputError(f"{found.root} has no {'commits' if dry else f'branch {found.spec.branch}'} yet")
        spec = (await commits.at(head)).document.spec
        app, source, receiver = choose(spec, name)
        edge = Edge(app, source, receiver, spec.branch)
        unused = dry or (edge.promotion.by == "push" and not spare)
        forge = None if unused else await stack.enter_async_context(forge_for(found, spec, spare=spare))
        yield shop, edge, forge


def workshop(found: Repository, stack: AsyncExitStack) -> tuple[Workshop, Commits]:
    """The workshop of a repository, and its commits as files, which are there until the stack is closed."""
    commits = Commits(found.root / Path(found.document).parent, stack, found.environment)
    run, now, secret = run_of(found.environment).id, SystemClock().now, fingerprint_key(found.environment)
    return Workshop(found.branches, found.journal, commits.paint, now, run, found.actor(), secret), commits


@asynccontextmanager
async def forge_for(found: Repository, spec: PipelineSpec, *, spare: bool) -> AsyncIterator[Forge | None]:
    """The forge of a repository; None where nothing says which it is, and where it is only a spare one that cannot be used."""
    from trimtab.wiring.forge import find_place, find_token, open_forge

    try:
        place = find_place(spec.forge, found.environment, found.remote)
        token = find_token(place, found.environment)
    except (InputError, Denied) as problem:
        if not spare and (spec.forge is not None or isinstance(problem, Denied)):
            raise
        yield None
        return
    async with open_forge(place, token, SystemClock()) as forge:
        yield forge
