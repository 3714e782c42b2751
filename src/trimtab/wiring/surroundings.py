"""The repository that a folder lies in, with or without a trimtab.yaml: its root, branch, remote. Called by the faces for `init`."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from trimtab.adapters.git.branches import Branches
from trimtab.adapters.git.location import Local, locate
from trimtab.adapters.git.process import Git, without_credentials

BRANCH = "main"
HEADS = ("refs/remotes/origin/", "refs/heads/")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of it."""

    root: Path
    git: bool
    """False for a folder that is in no repository."""
    branch: str
    """The one that the remote has as its own; else the one that is checked out."""
    remote: str
    """Its address without credentials; empty where there is none."""


async def surroundings(folder: Path) -> Surroundings:
    """Of a folder. InputError for one that is not there."""
    git = Git()
    found = await locate(str(folder), "", git)
    if not isinstance(found, Local):
        return Surroundings(await asyncio.to_thread(folder.resolve), False, BRANCH, "")
    remote = without_credentials(await Branches(found.own, git).address())
    for name, prefix in (("refs/remotes/origin/HEAD", HEADS[0]), ("HEAD", HEADS[1])):
        asked = await git.run(found.folder, "symbolic-ref", "--quiet", name)
        branch = asked.out.decode(errors="replace").strip()
        if asked.code == 0 and branch.startswith(prefix):
            return Surroundings(found.folder, True, branch.removeprefix(prefix), remote)
    return Surroundings(found.folder, True, BRANCH, remote)
