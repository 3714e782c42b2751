"""Waits until an Argo CD Application really runs a commit, by the Application object only. Made by `wiring`.

What each field proves was measured on Argo CD 3.6.1:

- The annotation `refresh` is taken away when git was looked at afresh, after `sync.revision` was written. `reconciledAt` proves no such
  look.
- A commit that renders to the same objects moves `sync.revision` and starts no operation. A first `Succeeded` is mostly replaced at once
  by a self-heal operation, and right after it OutOfSync is normal for a moment. Between retries `finishedAt` is set while the phase is
  Running.
- After a ComparisonError `sync.revision` is the branch's name, and health stays Healthy.
- A change of a ConfigMap alone is Healthy at once, while pods still run the old values: that pods run the content is proven elsewhere.

Trouble of Argo CD is waited out and named; it is never taken for a canary that failed.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from trimtab.adapters.argocd.application import (
    REFRESH,
    Application,
    Health,
    Operation,
    Synced,
    Wanted,
    application,
    is_commit,
    out_of_sync,
    said,
    source_of,
    trouble,
)
from trimtab.adapters.argocd.notice import cleared
from trimtab.errors import Conflict, InputError, Throttled, Unavailable
from trimtab.ports import Clock

LOOK = timedelta(seconds=1)
"""Between two looks at the object."""
AGAIN = timedelta(seconds=20)
"""After which git is looked at afresh once more, where it did not have the commit."""
LINGERS = timedelta(seconds=30)
"""How long an application that was Degraded before the commit arrived may stay so: its pods may only now be replaced."""
NOTHING: Mapping[str, str | None] = {}
Includes = Callable[[str], Awaitable[bool]]
"""Is this revision of the repository the wanted commit, or a later one that contains it?"""


class Objects(Protocol):
    """Who reads and marks Applications for us: the client of the cluster, handed in by `wiring`."""

    async def read(self, namespace: str, name: str) -> Mapping[str, object] | None:
        """The Application as JSON; None where there is none."""

    async def annotate(self, namespace: str, name: str, annotations: Mapping[str, str | None]) -> None:
        """Sets annotations, or with None takes them away; others stay."""


class State(Enum):
    """Where an Application is on its way to the commit. All but WAITING are final."""

    WAITING = "waiting"
    RUNNING = "running"
    DEGRADED = "degraded"
    """It runs the commit, and what the commit started does not get healthy."""
    REFUSED = "refused"
    """The cluster did not take the commit's objects, after all tries."""
    LATE = "late"
    """The time was over; the reason says what it was waiting for."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look came to. `revision` is what git had; empty where that is not known."""

    state: State
    reason: str
    revision: str = ""


@dataclass(slots=True)
class Follower:
    """Follows one Application. Made anew for each commit."""

    objects: Objects
    clock: Clock
    includes: Includes
    wanted: Wanted
    asked: datetime | None = None
    """When git was last to be looked at afresh."""
    synced: datetime | None = None
    """When it was first seen to be synced to the commit."""
    was_well: bool = False
    """Was it anything but Degraded since then?"""
    known: dict[str, bool] = field(default_factory=dict)
    """Which revisions contain the commit."""

    async def follow(self, within: timedelta) -> AsyncIterator[Look]:
        """A look whenever something changed; the last one is final.

        InputError where the Application cannot come to run the commit unless somebody changes it, Denied where it may not be read.
        """
        begin, last = self.clock.now(), Look(State.WAITING, "")
        while True:
            found = await self.look()
            if found.state is State.WAITING and self.clock.now() - begin >= within:
                late = f"{self.wanted} does not run {self.wanted.commit[:10]} after {within.total_seconds():g} s"
                found = Look(State.LATE, f"{late}: {found.reason}", found.revision)
            if found != last:
                yield found
            if found.state is not State.WAITING:
                return
            last = found
            await self.clock.sleep_until(self.clock.now() + LOOK)

    async def look(self) -> Look:
        """One look; trouble on the way is a reason to wait."""
        try:
            raw = await self.objects.read(self.wanted.namespace, self.wanted.name)
            if raw is None:
                raise InputError(f"{self.wanted} is not there. Correct argocd of the target in trimtab.yaml")
            found = application(raw, self.wanted)
            index = source_of(found, self.wanted)
            if self.asked is None:
                return await self.refresh("git is to be looked at afresh", cleared(found.metadata.annotations))
            if REFRESH in found.metadata.annotations:
                return Look(State.WAITING, "the controller of Argo CD has not looked at git yet")
            return await self.judge(found, index)
        except (Unavailable, Throttled, Conflict) as error:
            return Look(State.WAITING, str(error))

    async def refresh(self, reason: str, more: Mapping[str, str | None] = NOTHING) -> Look:
        """Asks for a fresh look at git; the first time what was noticed about an older commit is taken away."""
        await self.objects.annotate(self.wanted.namespace, self.wanted.name, {REFRESH: "normal", **more})
        self.asked = self.clock.now()
        return Look(State.WAITING, reason)

    async def judge(self, found: Application, index: int | None) -> Look:
        """After git was looked at afresh: what is still missing?"""
        status = found.status
        sync = status.sync or Synced()
        revision = sync.of(index)
        if problem := trouble(status.conditions):
            return await self.later(problem)
        if not is_commit(revision):
            return await self.later(f"what git had is not known: {revision or 'nothing'!r}")
        if not await self.contains(revision):
            return await self.later(f"git had {revision[:10]}, which does not contain {self.wanted.commit[:10]}", revision)
        operation = status.operation_state or Operation()
        if unfinished := await self.operating(found, operation, index):
            refused = unfinished.state is State.REFUSED and unfinished.revision == revision
            return Look(State.REFUSED if refused else State.WAITING, unfinished.reason, revision)
        if sync.status != "Synced":
            return Look(State.WAITING, out_of_sync(found, sync.status), revision)
        if operation.finished_at is not None and (status.reconciled_at is None or status.reconciled_at < operation.finished_at):
            return await self.later("health was last looked at before the end of the operation", revision)
        return self.healthy(status.health or Health(), revision)

    async def contains(self, revision: str) -> bool:
        """Asked once for each revision."""
        if revision not in self.known:
            self.known[revision] = await self.includes(revision)
        return self.known[revision]

    async def later(self, reason: str, revision: str = "") -> Look:
        """Waits, and asks for another fresh look at git from time to time."""
        if self.asked is not None and self.clock.now() - self.asked >= AGAIN:
            await self.refresh(reason)
        return Look(State.WAITING, reason, revision)

    async def operating(self, found: Application, operation: Operation, index: int | None) -> Look | None:
        """What an operation is about; None where none is in the way. One without a result says nothing and is waited for."""
        if found.operation is not None:
            return Look(State.WAITING, "an operation is to begin")
        asked = operation.sync_result or (operation.operation.sync if operation.operation else None)
        revision = asked.of(index) if asked is not None else ""
        ours = is_commit(revision) and await self.contains(revision)
        if operation.phase in ("Running", "Terminating"):
            again = f", try {operation.retry_count + 1}" if operation.retry_count else ""
            old = "" if ours or not revision else f" of {revision[:10]}, which is older: until it ends, {self.wanted.commit[:10]} waits"
            return Look(State.WAITING, f"a sync is {operation.phase.lower()}{again}{old}{said(operation.message)}")
        if operation.phase in ("Failed", "Error") and ours:
            return Look(State.REFUSED, f"the sync of {revision[:10]} ended as {operation.phase}{said(operation.message)}", revision)
        if operation.phase == "Succeeded" and ours and (operation.sync_result is None or operation.finished_at is None):
            return Look(State.WAITING, "the sync is said to have succeeded, without a result")
        return None

    def healthy(self, health: Health, revision: str) -> Look:
        """Synced to the commit: what of its health? A turn to Degraded is final at once, one from before only if it lasts."""
        if health.status == "Healthy":
            later = "" if revision == self.wanted.commit else f", at {revision[:10]}, which contains it"
            return Look(State.RUNNING, f"{self.wanted} is synced and healthy{later}", revision)
        self.synced = self.synced or self.clock.now()
        lasts = self.clock.now() - self.synced >= LINGERS
        if health.status == "Degraded" and (self.was_well or lasts):
            return Look(State.DEGRADED, f"{self.wanted} is Degraded{said(health.message)}", revision)
        self.was_well = self.was_well or health.status != "Degraded"
        return Look(State.WAITING, f"health is {health.status or 'unknown'}{said(health.message)}", revision)
