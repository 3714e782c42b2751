"""The source's files, commit by commit, with commits that stay available. Made by `wiring`, used by `sources`.

A git repository and a plain folder look the same from here: both are read through the clone in the state folder.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from trimtab.adapters.git import plain, upstream
from trimtab.adapters.git.clone import Clone, File
from trimtab.adapters.git.location import Local, Location, Plain, Remote, locate
from trimtab.adapters.git.process import Git
from trimtab.documents.kubernetes import MANIFESTS
from trimtab.errors import InputError
from trimtab.model.names import some
from trimtab.model.rendered import Rendered

REMOTE_POLL = 30.0
LOCAL_POLL = 1.0
"""Seconds between two looks, where nothing else is asked for."""

SHOWN = 12
"""How many names a message lists."""


@dataclass(frozen=True, slots=True)
class Place:
    """What of a repository is read: a folder, or with `target` what the `trimtab.yaml` in or above it calls `APP/TARGET`."""

    path: str = ""
    target: str = ""


Render = Callable[[Clone, str, Place], Awaitable[Rendered | None]]
"""What a commit renders to at a place; None where its files are to be read as they are written."""


@dataclass(frozen=True, slots=True)
class Watching:
    """What to follow and how. `branch` empty: the repository's own choice (its HEAD). Times in seconds."""

    source: str
    path: str = ""
    branch: str = ""
    poll: float | None = None
    deadline: float = 30.0
    target: str = ""


class Repository:
    """A source and its clone. Open one with `open_repository`."""

    def __init__(self, location: Location, watching: Watching, clone: Clone, render: Render | None = None) -> None:
        self.location, self.clone = location, clone
        self._render, self._target = render, watching.target
        self.path = "" if isinstance(location, Plain) else location.path
        self._branch, self._deadline = watching.branch, watching.deadline
        self.poll = watching.poll or (REMOTE_POLL if isinstance(location, Remote) else LOCAL_POLL)
        self._taken: upstream.Sight | plain.Sight | None = None
        self._glimpsed: upstream.Sight | plain.Sight | None = None

    def __str__(self) -> str:
        return str(self.location)

    async def newest(self) -> str:
        """Brings the newest commit into the clone; its id. InputError, Denied or Unavailable, with what git said."""
        # Looked at before the fetch: what comes in between is fetched once too often rather than never.
        before, self._taken = self._look(), None
        try:
            commit = await self._fetch()
        except InputError:
            # Looking again does not help until something there changes.
            self._taken = before
            raise
        self._taken = before
        return commit

    def moved(self) -> bool:
        """May there be something new since `newest`? Cheap for what is on this machine, always True for the rest.

        A plain folder has moved when it looks new twice in a row, so that no half-written file is taken.
        """
        glimpsed, self._glimpsed = self._glimpsed, self._look()
        settled = self._glimpsed == glimpsed or not isinstance(self.location, Plain)
        return self._glimpsed is None or (settled and self._glimpsed != self._taken)

    def _look(self) -> upstream.Sight | plain.Sight | None:
        """What can be seen without reading much; None for what is far away."""
        if isinstance(self.location, Plain):
            return plain.look(self.location.folder)
        return upstream.sight(self.location, self._branch) if isinstance(self.location, Local) else None

    async def _fetch(self) -> str:
        if isinstance(self.location, Plain):
            return await plain.take(self.clone, self.location.folder)
        return await upstream.fetch(self.clone, self.location, self._branch, self._deadline)

    async def rendered(self, commit: str) -> Rendered | None:
        """What a commit renders to; None where its files are read as they are written, as those of a plain folder always are.

        InputError for what does not render.
        """
        if self._render is None or isinstance(self.location, Plain):
            return None
        return await self._render(self.clone, commit, Place(self.path, self._target))

    async def manifests(self, commit: str) -> tuple[File, ...]:
        """The YAML and JSON files of a commit below the path. InputError that names what there is if there are none."""
        files = await self.clone.files(commit, self.path)
        found = tuple(file for file in files if file.path.endswith(MANIFESTS))
        if found:
            return found
        where = f"commit {commit[:10]} of {self}"
        if files:
            there = some([file.path for file in files], SHOWN)
            raise InputError(f"{where} has no YAML or JSON files below {self.path or 'its root'}. There is: {there}.")
        names = await self.clone.top(commit)
        raise InputError(f"{where} has no path {self.path}. At its root there is: {some(names, SHOWN) or 'nothing'}.")


async def open_repository(watching: Watching, folder: Path, git: Git, render: Render | None = None) -> Repository:
    """The repository that `watching` names, with its clone in `folder`. InputError if it names nothing usable."""
    location = await locate(watching.source, watching.path, git)
    for what in (f"branch {watching.branch}" if watching.branch else "", f"target {watching.target}" if watching.target else ""):
        if isinstance(location, Plain) and what:
            raise InputError(f"{location} is a plain folder, not a git repository, so there is no {what} in it.")
    clone = Clone(folder, git)
    await clone.prepare()
    repository = Repository(location, watching, clone, render)
    await clone.follow(f"{location} {watching.branch}".strip(), repository.path, watching.target)
    return repository
