"""GitHub, of github.com or of a company: `ports.Forge` over its REST API, version 2022-11-28. Made by `wiring`."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from trimtab.adapters.forges.api import Api
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

LONGEST_BODY = 65_536
LONGEST_DESCRIPTION = 140
"""Characters of a commit status's description."""
HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
PERMISSIONS = {"admin": Permission.ADMIN, "write": Permission.WRITE, "read": Permission.READ}


class User(msgspec.Struct):
    """An account."""

    login: str


class Label(msgspec.Struct):
    """A label of a thread."""

    name: str


class Place(msgspec.Struct):
    """A repository."""

    full_name: str


class End(msgspec.Struct):
    """One end of a pull request; a fork's repository may be gone."""

    ref: str
    sha: str
    repo: Place | None


class Pull(msgspec.Struct):
    """A pull request, as lists and single answers both have it."""

    number: int
    html_url: str
    state: str
    title: str
    head: End
    base: End
    labels: list[Label]
    user: User | None
    body: str | None = None
    merged_at: datetime | None = None
    merge_commit_sha: str | None = None
    draft: bool = False


class IssueAnswer(msgspec.Struct):
    """An issue, or a pull request as one."""

    number: int
    html_url: str
    state: str
    title: str
    user: User | None
    labels: list[Label | str]
    body: str | None = None
    pull_request: dict[str, Any] | None = None


class Signature(msgspec.Struct):
    """Who made a commit, by its own word."""

    email: str | None = None


class Inner(msgspec.Struct):
    """What git knows about a commit."""

    message: str
    author: Signature | None
    committer: Signature | None


class CommitAnswer(msgspec.Struct):
    """A commit of a pull request; an account that GitHub does not know is null or an empty object."""

    sha: str
    commit: Inner
    author: dict[str, Any] | None


class ReviewAnswer(msgspec.Struct):
    """One word of a reviewer."""

    user: User | None
    state: str
    commit_id: str | None = None


class CommentAnswer(msgspec.Struct):
    """A comment."""

    id: int
    user: User | None
    created_at: datetime
    updated_at: datetime
    body: str = ""


class Event(msgspec.Struct):
    """Something that happened to a thread."""

    event: str
    created_at: datetime
    actor: User | None = None
    label: Label | None = None


class PermissionAnswer(msgspec.Struct):
    """What somebody may do."""

    permission: str


class Status(msgspec.Struct):
    """The newest status of one context."""

    context: str
    state: str
    description: str | None
    target_url: str | None


class Combined(msgspec.Struct):
    """The newest statuses of a commit."""

    statuses: list[Status]


class Branch(msgspec.Struct):
    """A branch."""

    protected: bool


class Rule(msgspec.Struct):
    """A rule that applies to a branch."""

    type: str
    parameters: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class GitHub:
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
        """Empty for the token of a job or an app, which may not ask."""
        try:
            return (await self.api.get("/user", User)).login
        except Denied:
            return ""

    async def pull_request(self, head: str, base: str) -> PullRequest | None:
        """GitHub's own filter also finds a fork of the same owner, and everything where it understands a name differently."""
        for state in ("open", "closed"):
            query = {
                "state": state,
                "head": f"{self.repository.partition('/')[0]}:{head}",
                "base": base,
                "sort": "created",
                "direction": "desc",
            }
            async for pull in self.api.listed(f"{self.root}/pulls", list[Pull], query):
                ours = pull.head.repo is not None and pull.head.repo.full_name.casefold() == self.repository.casefold()
                if ours and (pull.head.ref, pull.base.ref) == (head, base):
                    return read_pull(pull)
        return None

    async def open_pull_request(self, new: NewPullRequest) -> PullRequest:
        """Labels and reviewers are put there after it was opened: a later `edit` makes up for what is missing."""
        body = {"title": new.title, "head": new.head, "base": new.base, "body": new.body, "draft": new.draft}
        made = read_pull(await self.api.send("POST", f"{self.root}/pulls", body, Pull))
        await self.add_labels(made.number, new.labels)
        for reviewer in new.reviewers:
            if not same_person(reviewer, made.author):
                await ask_for_review(self.api, f"{self.root}/pulls/{made.number}", reviewer)
        return replace(made, labels=new.labels)

    async def add_labels(self, number: int, labels: Sequence[str]) -> None:
        """GitHub makes those that are missing."""
        if labels:
            await self.api.call("POST", f"{self.root}/issues/{number}/labels", body={"labels": list(labels)})

    async def commits(self, request: PullRequest) -> tuple[BranchCommit, ...]:
        """At most 250, which is all that GitHub tells."""
        found = self.api.entries(f"{self.root}/pulls/{request.number}/commits", list[CommitAnswer])
        return tuple([read_commit(commit) async for commit in found])

    async def reviews(self, request: PullRequest) -> tuple[Review, ...]:
        """A review without a verdict changes nothing; a dismissed one is as if it had not been."""
        last: dict[str, ReviewAnswer] = {}
        async for said in self.api.entries(f"{self.root}/pulls/{request.number}/reviews", list[ReviewAnswer]):
            if said.user and said.state not in ("COMMENTED", "PENDING"):
                last[said.user.login] = said
        return tuple(
            Review(login, found.state == "APPROVED", found.commit_id == request.head_commit)
            for login, found in last.items()
            if found.state in ("APPROVED", "CHANGES_REQUESTED") and not same_person(login, request.author)
        )

    async def issue(self, label: str, marker: str) -> Issue | None:
        """The list has pull requests, too."""
        for state in ("open", "closed"):
            query = {"state": state, "labels": label, "sort": "created", "direction": "desc"}
            async for found in self.api.listed(f"{self.root}/issues", list[IssueAnswer], query):
                if found.pull_request is None and marker in (found.body or ""):
                    return read_issue(found)
        return None

    async def open_issue(self, title: str, body: str, labels: Sequence[str]) -> Issue:
        """GitHub drops labels that the token may not set."""
        return read_issue(
            await self.api.send("POST", f"{self.root}/issues", {"title": title, "body": body, "labels": list(labels)}, IssueAnswer)
        )

    async def edit(self, thread: Thread, edit: Edit) -> None:
        """Text and state in one request, labels in another."""
        kind = "pulls" if isinstance(thread, PullRequest) else "issues"
        named = {"title": edit.title, "body": edit.body, "state": "closed" if edit.close else None}
        changes = {name: value for name, value in named.items() if value is not None}
        if changes:
            await self.api.call("PATCH", f"{self.root}/{kind}/{thread.number}", body=changes)
        await self.add_labels(thread.number, edit.labels)

    async def comments(self, thread: Thread) -> tuple[Comment, ...]:
        """Those of the thread, not those on lines."""
        found = self.api.entries(f"{self.root}/issues/{thread.number}/comments", list[CommentAnswer])
        return tuple(
            [
                Comment(said.id, said.user.login if said.user else "", said.body, said.created_at, said.updated_at > said.created_at)
                async for said in found
            ]
        )

    async def say(self, thread: Thread, text: str) -> None:
        """A comment."""
        await self.api.call("POST", f"{self.root}/issues/{thread.number}/comments", body={"body": text})

    async def labels(self, thread: Thread) -> tuple[Labelling, ...]:
        """The last event about each label says who put it there."""
        now = read_issue(await self.api.get(f"{self.root}/issues/{thread.number}", IssueAnswer)).labels
        last: dict[str, Labelling] = {}
        async for found in self.api.entries(f"{self.root}/issues/{thread.number}/events", list[Event]):
            if found.event == "labeled" and found.label is not None:
                name = found.label.name
                last[name] = Labelling(name, found.actor.login if found.actor else "", found.created_at)
        return tuple(last[name] for name in now if name in last)

    async def permission(self, login: str) -> Permission:
        """GitHub counts `maintain` as write and `triage` as read."""
        try:
            found = await self.api.get(f"{self.root}/collaborators/{quote(login, safe='')}/permission", PermissionAnswer)
        except Vanished:
            return Permission.NONE
        return PERMISSIONS.get(found.permission, Permission.NONE)

    async def statuses(self, commit: str) -> tuple[CommitStatus, ...]:
        """Only statuses; check runs of apps are something else."""
        pages = self.api.pages(f"{self.root}/commits/{quote(commit)}/status", Combined)
        return tuple(
            [
                CommitStatus(found.context, StatusState(found.state), found.description or "", found.target_url or "")
                async for page in pages
                for found in page.statuses
            ]
        )

    async def set_status(self, commit: str, status: CommitStatus) -> None:
        """The description is cut to what GitHub takes."""
        await set_status(self.api, f"{self.root}/statuses/{quote(commit)}", status, LONGEST_DESCRIPTION)

    async def protection(self, branch: str) -> Protection:
        """Rulesets say what they ask for to everybody; classic protection only that it is there."""
        name, protected, rules = quote(branch, safe=""), False, list[Rule]()
        with suppress(Vanished):
            protected = (await self.api.get(f"{self.root}/branches/{name}", Branch)).protected
        with suppress(Vanished):  # a company's older server has no rulesets
            rules = [rule async for rule in self.api.entries(f"{self.root}/rules/branches/{name}", list[Rule])]
        counts = [rule.parameters.get("required_approving_review_count", 0) for rule in rules if rule.type == "pull_request"]
        checks = [
            str(check.get("context", ""))
            for rule in rules
            if rule.type == "required_status_checks"
            for check in rule.parameters.get("required_status_checks", ())
        ]
        return Protection(protected or bool(rules), max(counts, default=None), tuple(checks))


def read_pull(found: Pull) -> PullRequest:
    """A pull request in our words."""
    merged = found.merged_at is not None
    return PullRequest(
        found.number, found.html_url, RequestState.MERGED if merged else RequestState(found.state), found.title, found.body or "",
        tuple(label.name for label in found.labels), found.head.ref, found.head.sha, found.base.ref, found.user.login if found.user else "",
        (found.merge_commit_sha or "") if merged else "", found.draft,
    )  # fmt: skip


def read_issue(found: IssueAnswer) -> Issue:
    """An issue in our words."""
    labels = tuple(label if isinstance(label, str) else label.name for label in found.labels)
    author = found.user.login if found.user else ""
    return Issue(found.number, found.html_url, RequestState(found.state), found.title, found.body or "", labels, author)


def read_commit(found: CommitAnswer) -> BranchCommit:
    """A commit in our words."""
    inner = found.commit
    return BranchCommit(
        found.sha,
        str((found.author or {}).get("login", "")),
        (inner.author and inner.author.email) or "",
        (inner.committer and inner.committer.email) or "",
        inner.message,
    )
