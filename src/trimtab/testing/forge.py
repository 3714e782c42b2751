"""A forge in memory: pull requests, issues, and the people who look at them. For tests of whatever promotes or rolls back.

`MemoryForge` is `ports.Forge` with the bot's token over a `Hub`, on which tests play the other people.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from trimtab.errors import Conflict, InputError
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
    Thread,
    same_person,
)

LONGEST_BODY = 65_536
START = datetime(2026, 1, 1, tzinfo=UTC)

Log = Callable[[str, str], Sequence[BranchCommit]]
"""The commits on a head (second) that a base (first) has not, oldest first; a test may read them from a real repository."""


@dataclass
class Hub:
    """The forge itself, and what people do there without us."""

    log: Log
    people: dict[str, Permission] = field(default_factory=lambda: {"trimtab-bot": Permission.WRITE, "ann": Permission.WRITE})
    protections: dict[str, Protection] = field(default_factory=dict)
    threads: dict[int, Thread] = field(default_factory=dict)
    said: dict[int, list[Comment]] = field(default_factory=dict)
    labelled: dict[int, list[Labelling]] = field(default_factory=dict)
    reviewed: dict[int, list[tuple[str, bool, str]]] = field(default_factory=dict)
    """By request: who, approves?, the commit that was looked at."""
    verdicts: dict[str, dict[str, CommitStatus]] = field(default_factory=dict)
    ticks: int = 0

    def now(self) -> datetime:
        """A second later each time."""
        self.ticks += 1
        return START + timedelta(seconds=self.ticks)

    def fresh(self, thread: Thread) -> Thread:
        """As it is now, with the newest commit of its branch while it is open."""
        now = self.threads[thread.number]
        if isinstance(now, PullRequest) and now.state is RequestState.OPEN:
            commits = self.log(now.base, now.head)
            now = replace(now, head_commit=commits[-1].id if commits else now.head_commit)
        return replace(now, labels=tuple(found.label for found in self.labelled.get(now.number, ())))

    def add(self, thread: Thread, labels: Sequence[str], by: str) -> Thread:
        """A new thread with its labels."""
        self.threads[thread.number] = thread
        self.label(thread, labels, by)
        return self.fresh(thread)

    def label(self, thread: Thread, labels: Sequence[str], by: str) -> None:
        """Puts labels there that are not there yet."""
        found = self.labelled.setdefault(thread.number, [])
        found += [Labelling(label, by, self.now()) for label in labels if label not in [there.label for there in found]]

    def comment(self, thread: Thread, text: str, by: str, edited: bool = False) -> None:
        """Somebody says something."""
        found = self.said.setdefault(thread.number, [])
        found.append(Comment(sum(map(len, self.said.values())) + 1, by, text, self.now(), edited))

    def review(self, request: PullRequest, by: str, approves: bool = True) -> None:
        """Somebody looks at what is there now and says what they think of it."""
        now = self.fresh(request)
        if isinstance(now, PullRequest):
            self.reviewed.setdefault(request.number, []).append((by, approves, now.head_commit))

    def end(self, thread: Thread, state: RequestState = RequestState.CLOSED) -> None:
        """Somebody closes it, or merges it; moving the branch is the test's part."""
        now = self.fresh(thread)
        if isinstance(now, PullRequest):
            merged = now.head_commit if state is RequestState.MERGED else ""
            self.threads[thread.number] = replace(now, state=state, merge_commit=merged)
        else:
            self.threads[thread.number] = replace(now, state=state)


def nothing_strikes(call: str, moment: str) -> None:
    """The usual day."""


@dataclass
class MemoryForge:
    """`ports.Forge` over a hub. `strike` is called `before` and `after` each call, with its name, and may raise."""

    hub: Hub
    login: str = "trimtab-bot"
    strike: Callable[[str, str], None] = nothing_strikes
    where: str = "acme/shop in memory"
    longest_body: int = LONGEST_BODY

    async def me(self) -> str:
        """The login."""
        self.strike("me", "before")
        return self.login

    async def pull_request(self, head: str, base: str) -> PullRequest | None:
        """The open one, else the newest."""
        self.strike("pull_request", "before")
        found = [self.hub.fresh(thread) for thread in self.hub.threads.values()]
        requests = [one for one in found if isinstance(one, PullRequest) and (one.head, one.base) == (head, base)]
        return next((one for one in requests if one.state is RequestState.OPEN), requests[-1] if requests else None)

    async def open_pull_request(self, new: NewPullRequest) -> PullRequest:
        """One of each head and base."""
        self.strike("open_pull_request", "before")
        there = await self.pull_request(new.head, new.base)
        if there is not None and there.state is RequestState.OPEN:
            raise Conflict(f"{self.where} has pull request {there.number} from {new.head} to {new.base} already: look again")
        commits = self.hub.log(new.base, new.head)
        if not commits:
            raise InputError(f"{self.where}: {new.head} has no commit that {new.base} has not")
        number = len(self.hub.threads) + 1
        text, branches = (new.title, self.fitting(new.body), ()), (new.head, commits[-1].id, new.base)
        made = PullRequest(number, f"memory:{number}", RequestState.OPEN, *text, *branches, self.login, draft=new.draft)
        opened = self.hub.add(made, new.labels, self.login)
        self.strike("open_pull_request", "after")
        assert isinstance(opened, PullRequest)
        return opened

    async def commits(self, request: PullRequest) -> tuple[BranchCommit, ...]:
        """From the log."""
        self.strike("commits", "before")
        return tuple(self.hub.log(request.base, request.head))

    async def reviews(self, request: PullRequest) -> tuple[Review, ...]:
        """The last of each person."""
        self.strike("reviews", "before")
        now = self.hub.fresh(request)
        last = {
            by: (approves, commit) for by, approves, commit in self.hub.reviewed.get(request.number, ()) if not same_person(by, now.author)
        }
        head = now.head_commit if isinstance(now, PullRequest) else ""
        return tuple(Review(by, approves, commit == head) for by, (approves, commit) in last.items())

    async def issue(self, label: str, marker: str) -> Issue | None:
        """The open one, else the newest."""
        self.strike("issue", "before")
        found = [self.hub.fresh(thread) for thread in self.hub.threads.values()]
        issues = [one for one in found if isinstance(one, Issue) and label in one.labels and marker in one.body]
        return next((one for one in issues if one.state is RequestState.OPEN), issues[-1] if issues else None)

    async def open_issue(self, title: str, body: str, labels: Sequence[str]) -> Issue:
        """A new one each time."""
        self.strike("open_issue", "before")
        number = len(self.hub.threads) + 1
        opened = self.hub.add(
            Issue(number, f"memory:{number}", RequestState.OPEN, title, self.fitting(body), (), self.login), labels, self.login
        )
        self.strike("open_issue", "after")
        assert isinstance(opened, Issue)
        return opened

    async def edit(self, thread: Thread, edit: Edit) -> None:
        """All at once."""
        self.strike("edit", "before")
        now = self.hub.threads[thread.number]
        title, body = edit.title or now.title, now.body if edit.body is None else self.fitting(edit.body)
        self.hub.threads[thread.number] = replace(now, title=title, body=body)
        self.hub.label(thread, edit.labels, self.login)
        if edit.close:
            self.hub.end(thread)
        self.strike("edit", "after")

    async def comments(self, thread: Thread) -> tuple[Comment, ...]:
        """In order."""
        self.strike("comments", "before")
        return tuple(self.hub.said.get(thread.number, ()))

    async def say(self, thread: Thread, text: str) -> None:
        """As the bot."""
        self.strike("say", "before")
        self.hub.comment(thread, self.fitting(text), self.login)
        self.strike("say", "after")

    async def labels(self, thread: Thread) -> tuple[Labelling, ...]:
        """All of them."""
        self.strike("labels", "before")
        return tuple(self.hub.labelled.get(thread.number, ()))

    async def permission(self, login: str) -> Permission:
        """Who is not among the people may nothing."""
        self.strike("permission", "before")
        return next((may for person, may in self.hub.people.items() if same_person(person, login)), Permission.NONE)

    async def statuses(self, commit: str) -> tuple[CommitStatus, ...]:
        """One of each context."""
        self.strike("statuses", "before")
        return tuple(self.hub.verdicts.get(commit, {}).values())

    async def set_status(self, commit: str, status: CommitStatus) -> None:
        """The newest counts."""
        self.strike("set_status", "before")
        self.hub.verdicts.setdefault(commit, {})[status.context] = status
        self.strike("set_status", "after")

    async def protection(self, branch: str) -> Protection:
        """None unless a test says so."""
        self.strike("protection", "before")
        return self.hub.protections.get(branch, Protection(False))

    def fitting(self, body: str) -> str:
        """InputError for what is too long."""
        if len(body) > self.longest_body:
            raise InputError(f"{self.where}: a text has {len(body)} characters, {self.longest_body} are allowed")
        return body
