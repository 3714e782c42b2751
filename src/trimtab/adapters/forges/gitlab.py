"""GitLab, of gitlab.com or of one's own: `ports.Forge` over its REST API, version 4. Made by `wiring`.

Its merge requests are our pull requests. A line that begins with a slash is a command to GitLab, also inside a description that we write:
such lines are written so that they say what they say and do nothing.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import quote

import msgspec

from trimtab.adapters.forges.api import Api
from trimtab.errors import Conflict, Denied, InputError, Vanished
from trimtab.model.forge import (
    BranchCommit,
    Comment,
    CommitStatus,
    Edit,
    Issue,
    Labelling,
    NewPullRequest,
    Permission,
    Protection,
    PullRequest,
    RequestState,
    Review,
    StatusState,
    Thread,
    same_person,
)

LONGEST_BODY = 1_048_576
LONGEST_DESCRIPTION = 255
DRAFT = "Draft: "
SAME = timedelta(seconds=1)
"""Two times of one note this close are those of its writing, not of an edit."""
COMMAND = re.compile(r"^([ \t]*)/(?=\w)", re.MULTILINE)
STATES = {"opened": RequestState.OPEN, "locked": RequestState.OPEN, "closed": RequestState.CLOSED, "merged": RequestState.MERGED}
"""A request is locked while it is being merged."""
VERDICTS = {
    "success": StatusState.SUCCESS, "skipped": StatusState.SUCCESS, "failed": StatusState.FAILURE, "canceled": StatusState.ERROR,
}  # fmt: skip
"""Everything else is pending."""
WORDS = {StatusState.PENDING: "pending", StatusState.SUCCESS: "success", StatusState.FAILURE: "failed", StatusState.ERROR: "canceled"}
DEVELOPER, MAINTAINER, GUEST = 30, 40, 10


class User(msgspec.Struct):
    """An account."""

    id: int
    username: str


class Request(msgspec.Struct):
    """A merge request."""

    iid: int
    web_url: str
    state: str
    title: str
    labels: list[str]
    source_branch: str
    target_branch: str
    source_project_id: int | None
    target_project_id: int
    author: User
    description: str | None = None
    sha: str | None = None
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    draft: bool = False


class IssueAnswer(msgspec.Struct):
    """An issue."""

    iid: int
    web_url: str
    state: str
    title: str
    labels: list[str]
    author: User
    description: str | None = None


class CommitAnswer(msgspec.Struct):
    """A commit."""

    id: str
    message: str
    author_email: str
    committer_email: str


class Approver(msgspec.Struct):
    """Somebody who approved; older versions do not say when."""

    user: User
    approved_at: datetime | None = None


class Approvals(msgspec.Struct):
    """Who approved."""

    approved_by: list[Approver]


class Reviewer(msgspec.Struct):
    """Somebody who was asked to look."""

    user: User
    state: str


class Version(msgspec.Struct):
    """What a push made of a request."""

    head_commit_sha: str
    created_at: datetime


class Note(msgspec.Struct):
    """A comment, or a remark of GitLab itself."""

    id: int
    body: str
    author: User
    created_at: datetime
    updated_at: datetime
    system: bool


class Name(msgspec.Struct):
    """A label; one that was deleted has none."""

    name: str


class LabelEvent(msgspec.Struct):
    """Somebody put a label there or took it away."""

    user: User | None
    created_at: datetime
    action: str
    label: Name | None


class Member(msgspec.Struct):
    """What somebody may do, counted with the groups that they are in."""

    access_level: int
    state: str = "active"


class Status(msgspec.Struct):
    """The newest status of one name: ours, other tools', and jobs of pipelines."""

    name: str
    status: str
    description: str | None = None
    target_url: str | None = None


class Branch(msgspec.Struct):
    """A branch."""

    protected: bool
    can_push: bool | None = None


@dataclass(frozen=True, slots=True)
class GitLab:
    """One project, `GROUP/.../NAME`."""

    api: Api
    repository: str
    longest_body: int = LONGEST_BODY

    @property
    def where(self) -> str:
        """For messages."""
        return self.api.where

    @property
    def root(self) -> str:
        """The path of the project."""
        return f"/projects/{quote(self.repository, safe='')}"

    async def me(self) -> str:
        """Empty for the token of a job, which may not ask."""
        try:
            return (await self.api.get("/user", User)).username
        except Denied:
            return ""

    async def pull_request(self, head: str, base: str) -> PullRequest | None:
        """The open one, else the newest."""
        for state in ("opened", "all"):
            query = {"state": state, "source_branch": head, "target_branch": base, "order_by": "created_at", "sort": "desc"}
            async for found in self.api.listed(f"{self.root}/merge_requests", list[Request], query):
                if found.source_project_id == found.target_project_id and (found.source_branch, found.target_branch) == (head, base):
                    return read_request(found)
        return None

    async def open_pull_request(self, new: NewPullRequest) -> PullRequest:
        """A draft is one by its title."""
        body: dict[str, object] = {
            "source_branch": new.head,
            "target_branch": new.base,
            "title": f"{DRAFT}{new.title}" if new.draft else new.title,
            "description": harmless(new.body),
            "labels": joined(new.labels),
            "reviewer_ids": [number for name in new.reviewers if (number := await self.number_of(name)) is not None],
        }
        return read_request(await self.api.send("POST", f"{self.root}/merge_requests", body, Request))

    async def number_of(self, login: str) -> int | None:
        """The number of an account; None where nobody has the name."""
        found = await self.api.get("/users", list[User], {"username": login})
        return next((user.id for user in found if same_person(user.username, login)), None)

    async def commits(self, request: PullRequest) -> tuple[BranchCommit, ...]:
        """GitLab lists the newest first and names no accounts."""
        found = [one async for one in self.api.entries(f"{self.root}/merge_requests/{request.number}/commits", list[CommitAnswer])]
        return tuple(BranchCommit(one.id, "", one.author_email, one.committer_email, one.message) for one in reversed(found))

    async def reviews(self, request: PullRequest) -> tuple[Review, ...]:
        """An approval counts for the head if it was given after the push that brought it; one without a time counts for nothing."""
        root = f"{self.root}/merge_requests/{request.number}"
        approvals = await self.api.get(f"{root}/approvals", Approvals)
        versions = await self.api.get(f"{root}/versions", list[Version])
        pushed = max((one.created_at for one in versions), default=None)
        seen = pushed is not None and any((one.created_at, one.head_commit_sha) == (pushed, request.head_commit) for one in versions)
        found = {
            one.user.username: Review(
                one.user.username, True, bool(seen and pushed and one.approved_at is not None and one.approved_at >= pushed)
            )
            for one in approvals.approved_by
        }
        async for reviewer in self.api.listed(f"{root}/reviewers", list[Reviewer]):
            if reviewer.state == "requested_changes":
                found[reviewer.user.username] = Review(reviewer.user.username, False, seen)
        return tuple(review for review in found.values() if not same_person(review.by, request.author))

    async def issue(self, label: str, marker: str) -> Issue | None:
        """The open one, else the newest."""
        for state in ("opened", "closed"):
            query = {"state": state, "labels": joined((label,)), "order_by": "created_at", "sort": "desc"}
            async for found in self.api.listed(f"{self.root}/issues", list[IssueAnswer], query):
                if marker in (found.description or ""):
                    return read_issue(found)
        return None

    async def open_issue(self, title: str, body: str, labels: Sequence[str]) -> Issue:
        """A new one."""
        wanted = {"title": title, "description": harmless(body), "labels": joined(labels)}
        return read_issue(await self.api.send("POST", f"{self.root}/issues", wanted, IssueAnswer))

    async def edit(self, thread: Thread, edit: Edit) -> None:
        """All in one request; a draft stays one."""
        title = edit.title
        if title is not None and isinstance(thread, PullRequest) and thread.draft:
            title = f"{DRAFT}{title}"
        named = {
            "title": title,
            "description": None if edit.body is None else harmless(edit.body),
            "add_labels": joined(edit.labels) or None,
            "state_event": "close" if edit.close else None,
        }
        changes = {name: value for name, value in named.items() if value is not None}
        if changes:
            await self.api.call("PUT", self.path_of(thread), body=changes)

    def path_of(self, thread: Thread) -> str:
        """Issues and merge requests are numbered apart."""
        return f"{self.root}/{'merge_requests' if isinstance(thread, PullRequest) else 'issues'}/{thread.number}"

    async def comments(self, thread: Thread) -> tuple[Comment, ...]:
        """Without GitLab's own remarks."""
        notes = self.api.entries(f"{self.path_of(thread)}/notes", list[Note], {"sort": "asc", "order_by": "created_at"})
        found = [note async for note in notes if not note.system]
        return tuple(
            Comment(note.id, note.author.username, note.body, note.created_at, note.updated_at - note.created_at > SAME) for note in found
        )

    async def say(self, thread: Thread, text: str) -> None:
        """A note."""
        await self.api.call("POST", f"{self.path_of(thread)}/notes", body={"body": harmless(text)})

    async def labels(self, thread: Thread) -> tuple[Labelling, ...]:
        """The last event about each label says who put it there."""
        path = self.path_of(thread)
        kind: type[Request | IssueAnswer] = Request if isinstance(thread, PullRequest) else IssueAnswer
        now = (await self.api.get(path, kind)).labels
        last: dict[str, Labelling] = {}
        async for event in self.api.entries(f"{path}/resource_label_events", list[LabelEvent]):
            if event.action == "add" and event.label is not None:
                by = event.user.username if event.user else ""
                last[event.label.name] = Labelling(event.label.name, by, event.created_at)
        return tuple(last[name] for name in now if name in last)

    async def permission(self, login: str) -> Permission:
        """By the account's number, for names of members are only searched for."""
        number = await self.number_of(login)
        if number is None:
            return Permission.NONE
        try:
            member = await self.api.get(f"{self.root}/members/all/{number}", Member)
        except Vanished:
            return Permission.NONE
        level = member.access_level if member.state == "active" else 0
        ranks = ((MAINTAINER, Permission.ADMIN), (DEVELOPER, Permission.WRITE), (GUEST, Permission.READ))
        return next((may for least, may in ranks if level >= least), Permission.NONE)

    async def statuses(self, commit: str) -> tuple[CommitStatus, ...]:
        """Jobs of pipelines are among them."""
        found = self.api.entries(f"{self.root}/repository/commits/{quote(commit)}/statuses", list[Status])
        return tuple(
            [
                CommitStatus(one.name, VERDICTS.get(one.status, StatusState.PENDING), one.description or "", one.target_url or "")
                async for one in found
            ]
        )

    async def set_status(self, commit: str, status: CommitStatus) -> None:
        """GitLab refuses a status that says what the last one said; then there is nothing to do."""
        body = {"state": WORDS[status.state], "name": status.context, "description": status.description[:LONGEST_DESCRIPTION]}
        try:
            await self.api.call(
                "POST", f"{self.root}/statuses/{quote(commit)}", body={**body, "target_url": status.url} if status.url else body
            )
        except InputError as error:
            if "Cannot transition status" not in str(error):
                raise
            now = {one.context: one.state for one in await self.statuses(commit)}
            if now.get(status.context) is not status.state:
                raise Conflict(f"{error}. Another status of this name is under way: look again") from None

    async def protection(self, branch: str) -> Protection:
        """How many must approve is told to nobody but maintainers of a paid plan, so it is not asked for."""
        with suppress(Vanished):
            found = await self.api.get(f"{self.root}/repository/branches/{quote(branch, safe='')}", Branch)
            return Protection(found.protected, can_push=found.can_push)
        return Protection(False)


def harmless(text: str) -> str:
    """A text in which no line is a command to GitLab; shown, it looks the same."""
    return COMMAND.sub(r"\1\\/", text)


def joined(labels: Sequence[str]) -> str:
    """Labels as GitLab takes them. InputError for one that holds a comma."""
    if wrong := [label for label in labels if "," in label]:
        raise InputError(f"the label {wrong[0]!r} holds a comma, which GitLab takes for two labels. Choose another")
    return ",".join(labels)


def read_request(found: Request) -> PullRequest:
    """A merge request in our words. One that was merged without a commit of its own put its head on the base."""
    state, sha = STATES.get(found.state, RequestState.OPEN), found.sha or ""
    title = found.title.removeprefix(DRAFT) if found.draft else found.title
    merged = found.merge_commit_sha or found.squash_commit_sha or sha if state is RequestState.MERGED else ""
    text = (title, found.description or "", tuple(found.labels))
    branches = (found.source_branch, sha, found.target_branch)
    return replace(
        PullRequest(found.iid, found.web_url, state, *text, *branches, found.author.username), merge_commit=merged, draft=found.draft
    )


def read_issue(found: IssueAnswer) -> Issue:
    """An issue in our words."""
    state = STATES.get(found.state, RequestState.OPEN)
    return Issue(found.iid, found.web_url, state, found.title, found.description or "", tuple(found.labels), found.author.username)
