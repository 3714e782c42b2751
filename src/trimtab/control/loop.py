"""Watches, queue and workers in one task group: the asyncio shell around `reconcile`. Run by the faces.

When a watcher dies the process dies, loudly; the store has everything. A pass that is under way is cancelled by a command
or a change of the source (P5), so a slow hook never delays an abort; but not again and again, for a pass that never comes to its
decision keeps a canary from being rolled back.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from trimtab.control.calm import Calm
from trimtab.control.pace import Pace
from trimtab.control.queue import Queue
from trimtab.control.reconcile import reconcile
from trimtab.errors import Conflict, Denied, InputError, SafetyError, Throttled, TrimtabError, Vanished, place_of
from trimtab.model.decision import Decision
from trimtab.model.names import CanaryKey
from trimtab.ports import Outside

HELD = timedelta(seconds=30)
"""How soon to look again at what needs a person."""
WORKERS = 256
"""Passes at the same time, each of another Canary: most of a pass is waiting for an API server, webhooks and metrics, and one that waits
for a worker begins late, be it a rollback."""
NAP = 60.0
"""Seconds after which the clock is looked at again at the latest: it may have been set forward, or the machine have slept."""

CHANGES_IN_A_ROW, COMMANDS_IN_A_ROW = 1, 3
"""How many passes over a key a change of its source, and a command, may cut off until one comes to its decision."""

WHAT_NOW = "which is a bug in Trimtab: please report it. This Canary stays as it is and is looked at again every 30 s"

Report = Callable[[CanaryKey, TrimtabError | None], None]


@dataclass
class Loop:
    """Keeps every Canary reconciled until it is cancelled. `report` hears of each pass that went wrong, and of the next that did not."""

    outside: Outside
    report: Report
    seen: Callable[[CanaryKey, Decision, timedelta], None]
    """Hears of each decision, and how long its pass took."""
    chance: random.Random = field(default_factory=random.SystemRandom)
    queue: Queue = field(init=False)
    calm: Calm = field(default_factory=Calm)
    pace: Pace = field(default_factory=Pace)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    passes: dict[CanaryKey, asyncio.Task[None]] = field(default_factory=dict)
    begun: set[CanaryKey] = field(default_factory=set)
    """Keys whose pass has come to run: a task that is cancelled before that never ends as a pass."""
    interrupted: set[CanaryKey] = field(default_factory=set)
    cut: dict[CanaryKey, int] = field(default_factory=dict)
    """How many passes in a row were cut off."""
    missed: set[CanaryKey] = field(default_factory=set)
    """Keys of which something was heard during a pass that was not cut off for it."""
    fresh: set[CanaryKey] = field(default_factory=set)
    """Keys that were there at the start and that no pass has begun for: nothing is paced before all of them were looked at (ADR 18)."""
    refused: dict[CanaryKey, str] = field(default_factory=dict)
    """Why the last pass over a key needs somebody to change something: the next one tells people."""

    def __post_init__(self) -> None:
        self.queue = Queue(self.chance)

    async def run(self) -> None:
        """Until cancelled, or until something breaks that must not."""
        self.fresh = set(await self.outside.sources.keys())
        for key in sorted(self.fresh):
            self.queue.add(key, self.outside.clock.now())
        async with asyncio.TaskGroup() as group:
            group.create_task(self.watch(self.outside.sources.changes(), CHANGES_IN_A_ROW))
            group.create_task(self.watch(self.outside.store.changes(), COMMANDS_IN_A_ROW))
            group.create_task(self.watch(self.outside.workloads.changes(), 0))
            await self.dispatch(group)

    async def watch(self, changes: AsyncIterator[CanaryKey], interrupts: int) -> None:
        """Wakes a key at each change; where others may fight with us over what changed, not faster than is good.

        A pass under way is cut off, unless so many in a row were already: `interrupts`.
        """
        async for key in changes:
            now = self.outside.clock.now()
            self.wake(key, now if interrupts else self.calm.moment(key, now))
            if not interrupts or key not in self.begun or key in self.interrupted:
                continue
            if self.cut.get(key, 0) < interrupts:
                self.interrupted.add(key)
                self.passes[key].cancel()
            else:
                self.missed.add(key)

    def wake(self, key: CanaryKey, moment: datetime) -> None:
        """Looks at a key at that moment."""
        self.queue.add(key, moment)
        self.woken.set()

    async def dispatch(self, group: asyncio.TaskGroup) -> None:
        """Hands out keys as they get due, to at most `WORKERS` at a time."""
        seconds = asyncio.get_running_loop().time
        while True:
            self.woken.clear()
            now = self.outside.clock.now()
            while self.free(seconds()) and (key := self.queue.take(now)) is not None:
                self.pace.begins(seconds())
                self.fresh.discard(key)
                self.passes[key] = group.create_task(self.work(key))
            await self.until_due(self.rest(seconds()))

    def free(self, seconds: float) -> bool:
        """May one more pass begin?"""
        return len(self.passes) < WORKERS and not self.rest(seconds)

    def rest(self, seconds: float) -> float:
        """How long the next pass waits for the one before it."""
        return 0.0 if self.fresh else self.pace.rest(len(self.passes), seconds)

    async def until_due(self, rest: float) -> None:
        """Until the next key is due and a worker is free, or something wakes; the former not before `rest` seconds are over."""
        moment = self.queue.next() if len(self.passes) < WORKERS else None
        if moment is None:
            await self.woken.wait()
            return
        delay = (moment - self.outside.clock.now()).total_seconds()
        try:
            async with asyncio.timeout(min(max(rest, delay), NAP)):
                await self.woken.wait()
        except TimeoutError:
            pass

    async def work(self, key: CanaryKey) -> None:
        """One pass for a key, and what follows from how it went."""
        begin = self.outside.clock.now()
        self.begun.add(key)
        try:
            decision = await reconcile(key, self.outside, self.refused.get(key, ""))
        except asyncio.CancelledError:
            if key not in self.interrupted:
                raise
            self.cut[key] = self.cut.get(key, 0) + 1
            self.queue.done(key, self.outside.clock.now())
        except TrimtabError as problem:
            self.failed(key, problem)
        except Exception as bug:
            # One poisoned Canary must not keep all others from rolling back. Its message may hold anything, so it is not shown; where it
            # was raised holds nothing, and is all that there is to find it by.
            self.failed(key, SafetyError(f"a pass over {key} ended with {type(bug).__name__} at {place_of(bug)}, {WHAT_NOW}"))
        else:
            self.cut.pop(key, None)
            self.refused.pop(key, None)
            self.report(key, None)
            took = self.outside.clock.now() - begin
            self.seen(key, decision, max(took, timedelta()))
            self.calm.recorded(key, decision.state.serial)
            # Where the clock was set back meanwhile, so is what the pass said by the clock of before.
            self.queue.done(key, decision.wake and decision.wake + min(took, timedelta()))
        finally:
            self.interrupted.discard(key)
            self.begun.discard(key)
            self.passes.pop(key, None)
            self.woken.set()
            if key in self.missed:
                self.missed.discard(key)
                self.queue.add(key, self.outside.clock.now())

    def failed(self, key: CanaryKey, problem: TrimtabError) -> None:
        """The class of the error says what happens next (DESIGN §7)."""
        self.cut.pop(key, None)
        now = self.outside.clock.now()
        if isinstance(problem, Conflict):
            # At once, but not for ever: somebody may write whenever we do, and then that is said.
            moment = self.calm.moment(key, now)
            if moment > now:
                self.report(key, problem)
            self.queue.done(key, moment)
            return
        self.report(key, problem)
        if isinstance(problem, Vanished):
            # Nobody comes back to it unless it is made anew, which wakes it.
            self.refused.pop(key, None)
            self.calm.forget(key)
            self.queue.done(key, None)
        elif isinstance(problem, InputError | Denied):
            first = key not in self.refused
            self.refused[key] = str(problem)
            self.queue.failed(key, now, timedelta() if first else HELD)
        elif isinstance(problem, Throttled):
            self.queue.failed(key, now, timedelta(seconds=problem.after))
        elif isinstance(problem, SafetyError):
            self.queue.failed(key, now, HELD)
        else:
            self.queue.failed(key, now)
