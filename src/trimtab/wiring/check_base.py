"""What a change is judged against: the commit that it began at, and whose trimtab.yaml counts. Called by `checking`.

A change by strangers is judged by the rules of the base: its own are theirs. So are the rules of a pull request from a fork.
"""

import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from trimtab.adapters.git.clone import Clone
from trimtab.errors import DocumentError, InputError
from trimtab.wiring.check_digests import Tree, tree
from trimtab.wiring.pipeline import Project, files_of, project_in, repository_with, written_in


class Base:
    """The commit at which the change began, and the newest one of the base, which is mostly the same.

    Their files are written out when somebody asks for them, and are there until the stack is closed.
    """

    def __init__(self, clone: Clone, name: str, commits: tuple[str, str], below: str, stack: AsyncExitStack) -> None:
        self.name, self.below = name, below
        self.began, self.tip = commits
        self._clone, self._stack = clone, stack
        self._roots: dict[str, Path] = {}

    def __str__(self) -> str:
        return f"{self.name} ({self.began[:10]})"

    async def root(self) -> Path:
        """The files that the change began with."""
        return await self._files(self.began)

    async def tree(self, root: Path) -> Tree:
        """The ids of the same, to be held against files on disk."""
        return await tree(self._clone, self.began, root)

    async def project(self) -> Project | None:
        """The trimtab.yaml that the change began with; None where there was none, or none that can be read."""
        try:
            return _project(await self._files(self.began), self.began, self.below)
        except DocumentError:
            return None

    async def trusted(self) -> Project | None:
        """The one of the base now, whose rules count for strangers: nobody may choose an old one by beginning there."""
        return _project(await self._files(self.tip), self.tip, self.below)

    async def _files(self, commit: str) -> Path:
        if commit not in self._roots:
            self._roots[commit] = await self._stack.enter_async_context(files_of(self._clone, commit))
        return self._roots[commit]


async def opened(folder: Path, name: str, stack: AsyncExitStack) -> Base:
    """The base of what is in a folder. InputError where there is no such commit."""
    location, clone = await repository_with(folder, name)
    tip = await clone.commit(name)
    if tip is None:
        raise InputError(f"{location} has no commit {name!r}. In a pipeline, fetch it first: git fetch origin BRANCH")
    return Base(clone, name, (await _began(clone, tip), tip), location.path, stack)


async def _began(clone: Clone, tip: str) -> str:
    """Where the change left the base; the base itself where the history is not there."""
    found = await clone.run("merge-base", "HEAD", tip)
    return found.out.decode().strip() if found.code == 0 else tip


def _project(root: Path, commit: str, below: str) -> Project | None:
    return project_in(root, commit, below) if written_in(root, below) is not None else None


def nothing_fetched(*, untrusted: bool, network: bool) -> None:
    """InputError where a change by strangers would have something fetched."""
    if untrusted and network:
        raise InputError("for a change by strangers nothing is fetched from the network. Leave out --network")


def from_a_fork(environment: Mapping[str, str]) -> bool:
    """Is this the pipeline of a pull request whose changes come from another repository?"""
    if environment.get("GITHUB_EVENT_NAME", "").startswith("pull_request"):
        return _head(environment.get("GITHUB_EVENT_PATH", "")) != environment.get("GITHUB_REPOSITORY")
    source = environment.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID")
    return source is not None and source != environment.get("CI_MERGE_REQUEST_PROJECT_ID", "")


def _head(event: str) -> str:
    """The repository that a pull request comes from, as the event says; nobody's where it does not."""
    try:
        found = json.loads(Path(event).read_text(encoding="utf-8"))["pull_request"]["head"]["repo"]["full_name"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return found if isinstance(found, str) else ""
