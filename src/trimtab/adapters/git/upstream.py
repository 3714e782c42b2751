"""Brings the newest commit of a repository into the clone. Called by `repository`.

A force-push is just another commit. Only the branch that is followed is fetched, and nothing is ever pushed.
"""

from dataclasses import dataclass
from pathlib import Path

from trimtab.adapters.git.clone import NEWEST, Clone
from trimtab.adapters.git.location import Local, Remote
from trimtab.adapters.git.process import Output
from trimtab.errors import Denied, InputError, OutsideError, Unavailable
from trimtab.model.names import some

FIRST_DEADLINE = 600.0
"""Seconds for the first fetch, which brings the history."""

ABSENT = "couldn't find remote ref"
MALFORMED = ("invalid refspec", "is not a valid")
REFUSED = (
    "Authentication failed", "could not read Username", "could not read Password", "Permission denied", "Host key verification failed",
    "The requested URL returned error: 401", "The requested URL returned error: 403", "dubious ownership",
)  # fmt: skip
NO_REPOSITORY = ("does not appear to be a git repository", "not found", "does not exist")
SHOWN = 10
"""How many branches a message names."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What the files of a repository on this machine say about its newest commit; equal while that is the same."""

    head: bytes
    branch: bytes
    packed: tuple[int, ...]


def sight(location: Local, branch: str) -> Sight:
    """A look that costs no process. Files that are missing count as empty."""
    head = _content(location.own / "HEAD")
    name = f"refs/heads/{branch}" if branch else head.decode(errors="replace").removeprefix("ref:").strip()
    loose = _content(location.common / name) if name.startswith("refs/") else b""
    tables = (location.common / "packed-refs", location.common / "reftable" / "tables.list")
    return Sight(head, loose, tuple(number for file in tables for number in _stamp(file)))


async def fetch(clone: Clone, location: Remote | Local, branch: str, deadline: float) -> str:
    """The id of the newest commit of the branch, or of the repository's own choice where `branch` is empty.

    InputError if there is no such branch or no commit at all, Denied without permission, Unavailable if the
    repository is away or does not answer within `deadline` seconds (the first time at least 600).
    """
    url = location.url if isinstance(location, Remote) else str(location.folder)
    wanted = f"refs/heads/{branch}" if branch else "HEAD"
    first = await clone.commit(NEWEST) is None
    patience = max(deadline, FIRST_DEADLINE) if first else deadline
    output = await clone.run(
        "fetch", "--quiet", "--force", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance",
        "--update-shallow", "--", url, f"+{wanted}:{NEWEST}", deadline=patience,
    )  # fmt: skip
    if output.code != 0 and ABSENT in output.errors:
        raise await _absent(clone, location, url, branch, deadline)
    if output.code != 0:
        raise _failed(output, location, branch)
    commit = await clone.commit(NEWEST)
    if commit is None:
        raise InputError(f"{branch or 'HEAD'} of {location} does not name a commit.")
    return commit


async def _absent(clone: Clone, location: Remote | Local, url: str, branch: str, deadline: float) -> InputError | OutsideError:
    listing = await clone.run("ls-remote", "--heads", "--", url, deadline=deadline)
    if listing.code != 0:
        return _failed(listing, location, branch)
    names = [line.split("refs/heads/", 1)[1] for line in listing.out.decode(errors="replace").splitlines() if "refs/heads/" in line]
    if not names:
        return InputError(f"{location} has no commits yet. Commit the manifests there first.")
    there = some(names, SHOWN)
    if branch:
        return InputError(f"{location} has no branch {branch}. There is: {there}.")
    return InputError(f"{location} points to a branch without commits. Choose one that has some: {there}.")


def _failed(output: Output, location: Remote | Local, branch: str) -> InputError | OutsideError:
    said = f"fetching {branch or 'HEAD'} of {location} failed: {output.complaint}"
    if any(sign in output.errors for sign in MALFORMED):
        return InputError(f"{said}. Choose the branch by its plain name.")
    if any(sign in output.errors for sign in REFUSED):
        return Denied(
            f"{said}. Git uses the credentials of the user that runs Trimtab; `git ls-remote {location}` must work for that user."
        )
    if any(sign in output.errors for sign in NO_REPOSITORY) and isinstance(location, Local):
        return Unavailable(f"{said}. The repository was there before; Trimtab looks again.")
    return Unavailable(f"{said}. Trimtab tries again; meanwhile the newest commit it has stays in force.")


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _stamp(file: Path) -> tuple[int, ...]:
    try:
        found = file.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
