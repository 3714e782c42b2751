"""Everything needed from outside, one page of Protocols.

Implemented by `adapters` and, in memory, by `testing`; called by `control` and nobody else, but for `Forge`, which commands of pipelines
call. Ports take lists, so that concurrency and deadlines live in adapters (P6). Every call may raise OutsideError; which one says what the
loop does next.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from trimtab.model.commands import Command
from trimtab.model.content import Content
from trimtab.model.counted import Counted
from trimtab.model.decision import Decision
from trimtab.model.facts import Capabilities, Copy, HookAnswer, Routes, Source
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
    Review,
    Thread,
)
from trimtab.model.journal import Entry
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Hook, Policy
from trimtab.model.revision import Revision
from trimtab.model.rollout import Answer, CanaryState, Exposure
from trimtab.model.tellings import Telling
from trimtab.model.verdict import History, Samples
from trimtab.model.watching import Restarts


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the runtime and the router should look like for one Canary. `serial` names the record that says so."""

    serial: int
    policy: Policy
    exposure: Exposure
    replicas: int | None
    """Pods per copy; None leaves them as they are."""


@dataclass(frozen=True, slots=True)
class HookCall:
    """What a webhook is told about the Canary (HOOK-3)."""

    key: CanaryKey
    phase: str
    checksum: str


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as it was read, and what people wish for."""

    state: CanaryState
    commands: tuple[Command, ...] = ()


class Sources(Protocol):
    """Where content and policies come from: a git repository or a cluster."""

    async def keys(self) -> tuple[CanaryKey, ...]:
        """Every Canary there is."""

    async def read(self, key: CanaryKey) -> Source:
        """What the source says now. Vanished where the Canary is gone for good."""

    async def contents(self, key: CanaryKey, revision: Revision) -> tuple[Content, ...]:
        """The bytes that a revision reads, of the source's newest or of a kept one. Unknown ones are left out."""

    async def keep(self, key: CanaryKey, revisions: Sequence[Revision]) -> None:
        """Makes sure that the bytes of these stay available, whatever the source does next (S7); those of others may go."""

    def changes(self) -> AsyncIterator[CanaryKey]:
        """A key each time something about it may have changed; duplicates are fine."""


class Workloads(Protocol):
    """Where pods run."""

    async def look(self, key: CanaryKey, policy: Policy) -> tuple[Copy, Copy]:
        """The primary and the canary, as they are."""

    async def set(self, key: CanaryKey, wanted: Wanted) -> None:
        """Makes the runtime work towards `wanted`. Idempotent; a stale `serial` raises Conflict and changes nothing."""

    async def restarts(self, key: CanaryKey, policy: Policy) -> Restarts:
        """How often containers of the primary's living pods were started again. Never raises OutsideError: trouble is in the answer."""

    def changes(self) -> AsyncIterator[CanaryKey]:
        """A key each time its pods may have changed."""


class Router(Protocol):
    """Where traffic is shifted."""

    def capabilities(self, policy: Policy) -> Capabilities:
        """What it can do for this policy's provider."""

    async def look(self, key: CanaryKey, policy: Policy) -> Routes | None:
        """Where traffic goes, as the data plane itself says; None where it is not routed by us yet."""

    async def set(self, key: CanaryKey, wanted: Wanted) -> None:
        """Moves traffic; with `routed` False makes ready for it and leaves it as it is.

        Idempotent; a stale `serial` raises Conflict and changes nothing.
        """


class Metrics(Protocol):
    """Who is asked for numbers."""

    async def probe(self, key: CanaryKey, policy: Policy) -> tuple[str, ...]:
        """One line per metric provider that cannot be used; empty when all can."""

    async def measure(self, key: CanaryKey, policy: Policy, since: datetime) -> Samples:
        """The answers to all metrics of the policy. Windows never reach back before `since`, when another canary was there, where the
        adapter chooses them (C6)."""

    async def count(self, key: CanaryKey, policy: Policy, since: datetime, counted: datetime) -> Samples:
        """What canary and primary counted: the complete scrapes that ended after `counted`, of a canary that was ready at `since`."""

    async def afterwards(self, key: CanaryKey, policy: Policy, since: datetime, counted: datetime) -> Samples:
        """What is known of a primary that was promoted at `since`: the answers to all metrics of the policy, asked of the primary, and of
        the judge's objectives what it alone counted in scrapes that ended after `counted`."""

    async def history(self, key: CanaryKey, policy: Policy) -> History:
        """What the primary's own past says of its noise and rates."""


class Hooks(Protocol):
    """Who is asked for permission."""

    async def ask(self, call: HookCall, hooks: Sequence[Hook]) -> tuple[HookAnswer, ...]:
        """The answers in order, up to and with the first that decides: a closed one, for rollback hooks an open one (HOOK-1)."""


class Teller(Protocol):
    """Who is told. Works beside the pass; what was delivered is found out by `told`."""

    async def tell(self, key: CanaryKey, policy: Policy, tellings: Sequence[Telling]) -> None:
        """Takes over what is not delivered yet, in order. Ids that it knows already are not told again."""

    async def told(self, key: CanaryKey) -> Mapping[str, str]:
        """Ids that are done with: an empty text where it was delivered, else why it was given up, after an hour at the latest."""


class Store(Protocol):
    """The record, the journal and the commands."""

    async def load(self, key: CanaryKey) -> Stored:
        """The record and the commands that wait; a new Canary gets an empty record."""

    async def replace(self, key: CanaryKey, before: CanaryState, decision: Decision) -> None:
        """Writes record, journal entries and consumed commands in one transaction. Conflict if `before` is not the newest."""

    async def submit(self, key: CanaryKey, command: Command) -> None:
        """Keeps a command until a decision consumes it; the same id twice is one command."""

    async def answer(self, key: CanaryKey, command: str) -> Answer | None:
        """What became of a command; None while it waits."""

    async def journal(self, key: CanaryKey, rollout: int | None = None) -> tuple[Entry, ...]:
        """The audit trail, oldest first, of one attempt or of all."""

    async def counted(self, key: CanaryKey, rollout: int) -> tuple[Counted, ...]:
        """What the judge counted in one attempt, oldest first. Goes with the attempt; a very long one may be cut off at its end."""

    async def history(self, key: CanaryKey) -> tuple[CanaryState, ...]:
        """The record as it was when each attempt was last written, oldest first."""

    def changes(self) -> AsyncIterator[CanaryKey]:
        """A key each time a command for it came in."""


class Clock(Protocol):
    """The only one who knows the time."""

    def now(self) -> datetime:
        """Now, in UTC."""

    async def sleep_until(self, moment: datetime) -> None:
        """Returns at `moment`; after as much time as was left until then where somebody sets the clock back meanwhile."""


class Forge(Protocol):
    """Where pull requests are opened: one repository of one forge, with one token.

    Beside OutsideError a call raises InputError where a setting is wrong: the address, the repository, what was given.
    """

    @property
    def where(self) -> str:
        """For messages: `acme/shop on github.com`."""

    @property
    def longest_body(self) -> int:
        """Characters that the body of a pull request, issue or comment may have."""

    async def me(self) -> str:
        """The login that the token stands for; empty where the forge does not tell this token."""

    async def pull_request(self, head: str, base: str) -> PullRequest | None:
        """The open one from this branch, else the newest that ended; None where there was none. Forks do not count."""

    async def open_pull_request(self, new: NewPullRequest) -> PullRequest:
        """Conflict where there is an open one already: look again."""

    async def commits(self, request: PullRequest) -> tuple[BranchCommit, ...]:
        """What it brings, oldest first."""

    async def reviews(self, request: PullRequest) -> tuple[Review, ...]:
        """The last word of each reviewer; its author's own is left out."""

    async def issue(self, label: str, marker: str) -> Issue | None:
        """The open one with this label and, in its body, this text, else the newest that ended. A label cannot be set by everybody."""

    async def open_issue(self, title: str, body: str, labels: Sequence[str]) -> Issue:
        """A new one, with labels that are made where they are missing."""

    async def edit(self, thread: Thread, edit: Edit) -> None:
        """Changes title, body, labels or state."""

    async def comments(self, thread: Thread) -> tuple[Comment, ...]:
        """What was said, oldest first; remarks of the forge itself are left out."""

    async def say(self, thread: Thread, text: str) -> None:
        """Adds a comment."""

    async def labels(self, thread: Thread) -> tuple[Labelling, ...]:
        """The labels that are there now, and who put them there."""

    async def permission(self, login: str) -> Permission:
        """What somebody may do in the repository; NONE for somebody unknown."""

    async def statuses(self, commit: str) -> tuple[CommitStatus, ...]:
        """The newest of each context; none yet is an empty answer."""

    async def set_status(self, commit: str, status: CommitStatus) -> None:
        """Says something about a commit under the status's context."""

    async def protection(self, branch: str) -> Protection:
        """What guards a branch."""


@dataclass(frozen=True, slots=True)
class Outside:
    """All ports of one process. Built in `wiring`, or in `testing` from memory."""

    sources: Sources
    workloads: Workloads
    router: Router
    metrics: Metrics
    hooks: Hooks
    teller: Teller
    store: Store
    clock: Clock
