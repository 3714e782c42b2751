"""What a forge knows: pull requests, issues, what people say there, and verdicts on commits.

Made by `adapters.forges` behind `ports.Forge`; read by whoever promotes, rolls back or reports. Logins are as the forge writes them;
two that differ only in case are one person (`same_person`).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum


class RequestState(Enum):
    """What became of a pull request or issue. CLOSED is without a merge: somebody declined it, or we withdrew it."""

    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"


class Permission(IntEnum):
    """What somebody may do in the repository; each may what the lower ones may."""

    NONE = 0
    READ = 1
    WRITE = 2
    ADMIN = 3


class StatusState(Enum):
    """A verdict on a commit, as forges show it."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request (GitLab: merge request) from a branch of the repository itself, never of a fork."""

    number: int
    url: str
    state: RequestState
    title: str
    body: str
    labels: tuple[str, ...]
    head: str
    """The branch it brings, without `refs/heads/`."""
    head_commit: str
    """What is on that branch, or was when the request ended."""
    base: str
    author: str
    merge_commit: str = ""
    """What the base got; empty unless MERGED."""
    draft: bool = False


@dataclass(frozen=True, slots=True)
class NewPullRequest:
    """What a pull request is opened with. Reviewers that the forge does not know, or who wrote it, are left out."""

    head: str
    base: str
    title: str
    body: str
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    draft: bool = False


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue; never MERGED."""

    number: int
    url: str
    state: RequestState
    title: str
    body: str
    labels: tuple[str, ...]
    author: str


Thread = PullRequest | Issue
"""What can be talked about."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What is changed about a thread; None stays. `labels` are added, those that are there stay."""

    title: str | None = None
    body: str | None = None
    labels: tuple[str, ...] = ()
    close: bool = False


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody said. `edited`: it was changed later, perhaps by somebody else than `author`, so it proves nothing about them."""

    id: int
    author: str
    body: str
    at: datetime
    edited: bool = False


@dataclass(frozen=True, slots=True)
class Labelling:
    """A label that is there now, and who put it there last; empty where the forge does not say."""

    label: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Review:
    """The last word of a reviewer. `current`: it is about what the branch holds now, and was not dismissed."""

    by: str
    approves: bool
    """False: changes are wanted."""
    current: bool


@dataclass(frozen=True, slots=True)
class BranchCommit:
    """A commit that a pull request brings."""

    id: str
    author: str
    """The login; empty where no account has this address."""
    email: str
    committer_email: str
    message: str


@dataclass(frozen=True, slots=True)
class CommitStatus:
    """A verdict on a commit under a name, `context`; a later one under the same name takes its place."""

    context: str
    state: StatusState
    description: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Protection:
    """What guards a branch, as far as our token may see it."""

    protected: bool
    approvals: int | None = None
    """How many must approve before a merge; None where we are not told."""
    checks: tuple[str, ...] = ()
    """Contexts of statuses that must be SUCCESS before a merge."""
    can_push: bool | None = None
    """May our token push to it directly? None where we are not told."""


def same_person(one: str, other: str) -> bool:
    """Do two logins name one account? Never where one is empty."""
    return bool(one) and one.casefold() == other.casefold()
