"""What a change is judged against: the commit that it began at, and whose trimtab.yaml counts. Called by `checking`.

A change by strangers is judged by the rules of the base: its own are theirs. So are the rules of a pull request from a fork.
"""

import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from trimtab.adapters.git.clone import Clone
from trimtab.adapters.git.location import Local, locate
from trimtab.adapters.git.process import Git
from trimtab.errors import DocumentError, InputError
from trimtab.wiring.pipeline import FILE, Project, files_of, project_in


@dataclass(frozen=True, slots=True)
class Base:
    """The files of the base: at the commit where the change began, and at the newest one of the base, which is mostly the same."""

    name: str
    began: str
    tip: str
    root: Path
    newest: Path
    below: str
    """Where in the repository it is looked."""

    def project(self) -> Project | None:
        """The trimtab.yaml that the change began with; None where there was none, or none that can be read."""
        try:
            return _project(self.root, self.began, self.below)
        except DocumentError:
            return None

    def trusted(self) -> Project | None:
        """The one of the base now, whose rules count for strangers: nobody may choose an old one by beginning there."""
        return _project(self.newest, self.tip, self.below)


async def opened(folder: Path, name: str, stack: AsyncExitStack) -> Base:
    """The base of what is in a folder. Its files are there until the stack is closed. InputError where there is no such commit."""
    location = await locate(str(folder), "", Git())
    if not isinstance(location, Local):
        raise InputError(f"{folder} is not in a git repository, so there is no commit {name!r}")
    clone = Clone(location.own, Git())
    tip = await clone.commit(name)
    if tip is None:
        raise InputError(f"{location} has no commit {name!r}. In a pipeline, fetch it first: git fetch origin BRANCH")
    began = await _began(clone, tip)
    root = await stack.enter_async_context(files_of(clone, began))
    newest = root if tip == began else await stack.enter_async_context(files_of(clone, tip))
    return Base(name, began, tip, root, newest, location.path)


async def _began(clone: Clone, tip: str) -> str:
    """Where the change left the base; the base itself where the history is not there."""
    found = await clone.run("merge-base", "HEAD", tip)
    return found.out.decode().strip() if found.code == 0 else tip


def _project(root: Path, commit: str, below: str) -> Project | None:
    here = PurePosixPath(below)
    there = any((root / folder / FILE).is_file() for folder in (here, *here.parents))
    return project_in(root, commit, below) if there else None


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
