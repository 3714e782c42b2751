"""Gitea and Forgejo: `ports.Forge` over their REST API, version 1. Made by `wiring`."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from trimtab.adapters.forges.api import MOST_PAGES, PAGE, Api
from trimtab.adapters.forges.as_github import ask_for_review, set_status
from trimtab.errors import Denied, Vanished
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

T = TypeVar("T")

LONGEST_BODY = 65_535
"""What MySQL keeps of a text, the least of Gitea's databases."""
LONGEST_DESCRIPTION = 255
DRAFT = "WIP: "
COLOUR = "#70c24a"
"""Of labels that are made where they are missing."""
PERMISSIONS = {"owner": Permission.ADMIN, "admin": Permission.ADMIN, "write": Permission.WRITE, "read": Permission.READ}
VERDICTS = {
    "pending": StatusState.PENDING, "success": StatusState.SUCCESS, "skipped": StatusState.SUCCESS, "failure": StatusState.FAILURE,
    "warning": StatusState.FAILURE,
}  # fmt: skip
"""Everything else is an error."""


class User(msgspec.Struct):
    """An account."""

    login: str


class Label(msgspec.Struct):
    """A label."""

    name: str


class End(msgspec.Struct):
    """One end of a pull request."""

    ref: str
    sha: str
    repo_id: int


class Pull(msgspec.Struct):
    """A pull request."""

    number: int
    html_url: str
    state: str
    title: str
    body: str
    head: End
    base: End
    user: User | None
    labels: list[Label] | None = None
    merged: bool = False
    merge_commit_sha: str | None = None
    draft: bool = False


class IssueAnswer(msgspec.Struct):
    """An issue, or a pull request as one."""

    number: int
    html_url: str
    state: str
    title: str
    body: str
    user: User | None
    labels: list[Label] | None = None
    pull_request: dict[str, Any] | None = None


class Signature(msgspec.Struct):
    """Who made a commit, by its own word."""

    email: str = ""


class Inner(msgspec.Struct):
    """What git knows about a commit."""

    message: str
    author: Signature
    committer: Signature


class CommitAnswer(msgspec.Struct):
    """A commit; without an account that Gitea knows, `author` is null."""

    sha: str
    commit: Inner
    author: User | None


class ReviewAnswer(msgspec.Struct):
    """One word of a reviewer; a team has no user."""

    user: User | None
    state: str
    commit_id: str
    dismissed: bool
    stale: bool


class CommentAnswer(msgspec.Struct):
    """A comment."""

    id: int
    user: User | None
    body: str
    created_at: datetime
    updated_at: datetime


class Event(msgspec.Struct):
    """Something that happened to a thread; a label was put there if the body is `1`."""

    type: str
    user: User | None
    body: str
    created_at: datetime
    label: Label | None = None


class PermissionAnswer(msgspec.Struct):
    """What somebody may do."""

    permission: str


class Status(msgspec.Struct):
    """The newest status of one context."""

    context: str
    status: str
    description: str
    target_url: str


class Combined(msgspec.Struct):
    """The newest statuses of a commit; Gitea says pending also where there are none."""

    statuses: list[Status] | None


class Branch(msgspec.Struct):
    """A branch, and what guards it."""

    protected: bool
    required_approvals: int
    status_check_contexts: list[str] | None
    user_can_push: bool
    enable_status_check: bool


@dataclass(frozen=True, slots=True)
class Gitea:
    """One repository, `OWNER/NAME`."""

    api: Api
    repository: str
    longest_body: int = LONGEST_BODY

    @property
    def where(self) -> str:
        """For messages."""
        return self.api.where

    @property
    def root(self) -> str:
        """The path of the repository."""
        return f"/repos/{quote(self.repository)}"

    async def me(self) -> str:
        """Empty for a token that may not read its own user."""
        try:
            return (await self.api.get("/user", User)).login
        except Denied:
            return ""

    async def unlinked(self, path: str, kind: type[list[T]]) -> AsyncIterator[T]:
        """Entries of a list whose pages do not say whether there is a next one, and may be shorter than asked for: up to an empty one."""
        for number in range(1, MOST_PAGES + 1):
            answer = await self.api.call("GET", f"{self.root}{path}", query={"page": number, self.api.page_size: PAGE})
            if answer.body.strip() in (b"null", b"[]"):
                return
            for found in self.api.decoded(answer, kind):
                yield found

    async def pull_request(self, head: str, base: str) -> PullRequest | None:
        """Lists cannot be asked for a head. That there is any pull request of it is one question, which the first promotion ends with."""
        try:
            await self.api.get(f"{self.root}/pulls/{quote(base, safe='')}/{quote(head, safe='')}", Pull)
        except Vanished:
            return None
        for state in ("open", "closed"):
            async for pull in self.api.listed(f"{self.root}/pulls", list[Pull], {"state": state, "base_branch": base}):
                if pull.head.repo_id == pull.base.repo_id and (pull.head.ref, pull.base.ref) == (head, base):
                    return read_pull(pull)
        return None

    async def open_pull_request(self, new: NewPullRequest) -> PullRequest:
        """Labels and reviewers are put there after it was opened: a later `edit` makes up for what is missing."""
        body = {"title": f"{DRAFT}{new.title}" if new.draft else new.title, "head": new.head, "base": new.base, "body": new.body}
        number = (await self.api.send("POST", f"{self.root}/pulls", body, Pull)).number
        await self.add_labels(number, new.labels)
        for reviewer in new.reviewers:
            await ask_for_review(self.api, f"{self.root}/pulls/{number}", reviewer)
        return read_pull(await self.api.get(f"{self.root}/pulls/{number}", Pull))

    async def add_labels(self, number: int, labels: Sequence[str]) -> None:
        """Gitea passes over labels that do not exist; those are made first and added again."""
        if not labels:
            return
        path = f"{self.root}/issues/{number}/labels"
        there = {label.name for label in await self.api.send("POST", path, {"labels": list(labels)}, list[Label])}
        missing = [label for label in labels if label not in there]
        for label in missing:
            await self.api.call("POST", f"{self.root}/labels", body={"name": label, "color": COLOUR})
        if missing:
            await self.api.call("POST", path, body={"labels": missing})

    async def commits(self, request: PullRequest) -> tuple[BranchCommit, ...]:
        """Gitea lists the newest first."""
        query = {"verification": "false", "files": "false"}
        found = [one async for one in self.api.listed(f"{self.root}/pulls/{request.number}/commits", list[CommitAnswer], query)]
        return tuple(read_commit(one) for one in reversed(found))

    async def reviews(self, request: PullRequest) -> tuple[Review, ...]:
        """What Gitea marks as stale or dismissed is not current, and neither is what is about another commit: the marks come late."""
        last: dict[str, ReviewAnswer] = {}
        async for found in self.unlinked(f"/pulls/{request.number}/reviews", list[ReviewAnswer]):
            if found.user is not None and found.state in ("APPROVED", "REQUEST_CHANGES"):
                last[found.user.login] = found
        return tuple(
            Review(login, found.state == "APPROVED", found.commit_id == request.head_commit and not found.stale and not found.dismissed)
            for login, found in last.items()
            if not same_person(login, request.author)
        )

    async def issue(self, label: str, marker: str) -> Issue | None:
        """Gitea passes over labels that do not exist, so what it lists is looked at again."""
        for state in ("open", "closed"):
            query = {"state": state, "labels": label, "type": "issues"}
            async for found in self.api.listed(f"{self.root}/issues", list[IssueAnswer], query):
                if label in [there.name for there in found.labels or ()] and marker in found.body and found.pull_request is None:
                    return read_issue(found)
        return None

    async def open_issue(self, title: str, body: str, labels: Sequence[str]) -> Issue:
        """Labels are put there after it was opened."""
        number = (await self.api.send("POST", f"{self.root}/issues", {"title": title, "body": body}, IssueAnswer)).number
        await self.add_labels(number, labels)
        return read_issue(await self.api.get(f"{self.root}/issues/{number}", IssueAnswer))

    async def edit(self, thread: Thread, edit: Edit) -> None:
        """Text and state in one request, labels in others; a draft stays one."""
        is_request = isinstance(thread, PullRequest)
        title = f"{DRAFT}{edit.title}" if edit.title is not None and isinstance(thread, PullRequest) and thread.draft else edit.title
        named = {"title": title, "body": edit.body, "state": "closed" if edit.close else None}
        changes = {name: value for name, value in named.items() if value is not None}
        if changes:
            await self.api.call("PATCH", f"{self.root}/{'pulls' if is_request else 'issues'}/{thread.number}", body=changes)
        await self.add_labels(thread.number, edit.labels)

    async def comments(self, thread: Thread) -> tuple[Comment, ...]:
        """All at once: this list has no pages."""
        found = await self.api.get(f"{self.root}/issues/{thread.number}/comments", list[CommentAnswer])
        return tuple(
            Comment(said.id, said.user.login if said.user else "", said.body, said.created_at, said.updated_at > said.created_at)
            for said in found
        )

    async def say(self, thread: Thread, text: str) -> None:
        """A comment."""
        await self.api.call("POST", f"{self.root}/issues/{thread.number}/comments", body={"body": text})

    async def labels(self, thread: Thread) -> tuple[Labelling, ...]:
        """The last event about each label says who put it there."""
        now = await self.api.get(f"{self.root}/issues/{thread.number}/labels", list[Label])
        last: dict[str, Labelling] = {}
        async for found in self.unlinked(f"/issues/{thread.number}/timeline", list[Event]):
            if found.type == "label" and found.label is not None and found.body == "1":
                last[found.label.name] = Labelling(found.label.name, found.user.login if found.user else "", found.created_at)
        return tuple(last[label.name] for label in now if label.name in last)

    async def permission(self, login: str) -> Permission:
        """Only who administers the repository is told about others. With less, the people who may be assigned are looked at: in the
        repository of a person those may write, in that of an organisation that is not certain, which is Denied.
        """
        try:
            found = await self.api.get(f"{self.root}/collaborators/{quote(login, safe='')}/permission", PermissionAnswer)
            return PERMISSIONS.get(found.permission, Permission.NONE)
        except Vanished:
            return Permission.NONE
        except Denied as error:
            people = await self.api.get(f"{self.root}/assignees", list[User])
            if not any(same_person(person.login, login) for person in people):
                return Permission.NONE
            with suppress(Vanished):
                await self.api.get(f"/orgs/{quote(self.repository.partition('/')[0])}", dict[str, Any])
                raise Denied(
                    f"{error}. What {login} may do in an organisation's repository is told to its administrators only: make the bot one, "
                    "or name the approvers in trimtab.yaml"
                ) from None
            return Permission.WRITE

    async def statuses(self, commit: str) -> tuple[CommitStatus, ...]:
        """The newest of each context."""
        found: list[CommitStatus] = []
        async for page in self.api.pages(f"{self.root}/commits/{quote(commit)}/status", Combined):
            found += [
                CommitStatus(one.context, VERDICTS.get(one.status, StatusState.ERROR), one.description, one.target_url)
                for one in page.statuses or ()
            ]
        return tuple(found)

    async def set_status(self, commit: str, status: CommitStatus) -> None:
        """The description is cut to what Gitea shows."""
        await set_status(self.api, f"{self.root}/statuses/{quote(commit)}", status, LONGEST_DESCRIPTION)

    async def protection(self, branch: str) -> Protection:
        """All that an administrator of the repository would see, too."""
        with suppress(Vanished):
            found = await self.api.get(f"{self.root}/branches/{quote(branch, safe='')}", Branch)
            checks = tuple(found.status_check_contexts or ()) if found.enable_status_check else ()
            return Protection(found.protected, found.required_approvals, checks, found.user_can_push)
        return Protection(False)


def read_pull(found: Pull) -> PullRequest:
    """A pull request in our words."""
    state = RequestState.MERGED if found.merged else RequestState(found.state)
    text = (found.title.removeprefix(DRAFT), found.body, tuple(label.name for label in found.labels or ()))
    branches = (found.head.ref, found.head.sha, found.base.ref)
    merged = (found.merge_commit_sha or "") if found.merged else ""
    author = found.user.login if found.user else ""
    return PullRequest(found.number, found.html_url, state, *text, *branches, author, merged, found.draft)


def read_issue(found: IssueAnswer) -> Issue:
    """An issue in our words."""
    labels = tuple(label.name for label in found.labels or ())
    author = found.user.login if found.user else ""
    return Issue(found.number, found.html_url, RequestState(found.state), found.title, found.body, labels, author)


def read_commit(found: CommitAnswer) -> BranchCommit:
    """A commit in our words."""
    inner = found.commit
    return BranchCommit(found.sha, found.author.login if found.author else "", inner.author.email, inner.committer.email, inner.message)
