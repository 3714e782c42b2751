"""The record, the journal and the commands in one SQLite file: `ports.Store` for one machine.

Made by `wiring` for `up`, and by the faces that read or steer a running one from another process. One thread does all
the work of one Store in order, so a call that was cancelled is either done before the next one begins or not at all.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from trimtab.adapters.local import store_queries as queries
from trimtab.adapters.local.store_errors import NoRoom, explain
from trimtab.adapters.local.store_schema import connect
from trimtab.adapters.local.store_spare import Spare
from trimtab.errors import InputError, OutsideError, SafetyError, Unavailable
from trimtab.model.commands import Command
from trimtab.model.counted import Counted
from trimtab.model.decision import Decision
from trimtab.model.journal import Entry
from trimtab.model.names import CanaryKey
from trimtab.model.rollout import Answer, CanaryState
from trimtab.ports import Stored
from trimtab.rollout.safety import stays_or_shrinks

T = TypeVar("T")

PATIENCE = 5.0
"""Seconds to wait for another process that writes."""

POLL = 0.25
"""Seconds between two looks for commands of other processes."""


class Store:
    """`ports.Store` on SQLite. Opens the file at the first call; `close` it at the end."""

    def __init__(self, path: Path, *, poll: float = POLL) -> None:
        self._path, self._poll = path, poll
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="trimtab-store")
        self._connection: sqlite3.Connection | None = None
        self._listeners: set[asyncio.Event] = set()
        self._spare = Spare()

    async def load(self, key: CanaryKey) -> Stored:
        """The record and the commands that wait; a new Canary gets an empty record."""
        await self._retry(key)
        try:
            stored = await self._read(f"reading {key}", lambda file: queries.load(file, key))
        except Unavailable:
            if (held := self._spare.state(key)) is None:
                raise
            return Stored(held)
        return replace(stored, state=self._spare.state(key) or stored.state)

    async def replace(self, key: CanaryKey, before: CanaryState, decision: Decision) -> None:
        """Writes record, journal and answers in one transaction. Conflict if `before` is not the newest record.

        A decision that changed nothing keeps the serial of `before`; any other has the next one, else SafetyError.
        Where the disk is full, one that shows nothing new to anybody is kept in memory and written later (L8).
        """
        after = decision.state
        if after.key != key or after.serial not in (before.serial, before.serial + 1):
            raise SafetyError(f"a decision about {key} made record {after.serial} of {after.key} out of record {before.serial}")
        if after.serial == before.serial and after != before:
            raise SafetyError(f"a decision about {key} changed its record but kept serial {after.serial}")
        await self._retry(key)
        if self._spare.state(key) is not None:
            self._spare.add(before, decision)
            return
        try:
            await self._put(before, decision)
        except NoRoom:
            if not stays_or_shrinks(before, after):
                raise
            self._spare.add(before, decision)

    async def submit(self, key: CanaryKey, command: Command) -> None:
        """Keeps a command until a decision consumes it; the same id twice is one command."""
        await self._write(f"keeping a command for {key}", lambda file: queries.submit(file, key, command))
        for listener in self._listeners:
            listener.set()

    async def answer(self, key: CanaryKey, command: str) -> Answer | None:
        """What became of a command; None while it waits, or if it is not known."""
        return await self._read(f"reading an answer for {key}", lambda file: queries.answer(file, key, command))

    async def journal(self, key: CanaryKey, rollout: int | None = None) -> tuple[Entry, ...]:
        """The audit trail, oldest first, of one attempt or of all."""
        return await self._read(f"reading the journal of {key}", lambda file: queries.journal(file, key, rollout))

    async def counted(self, key: CanaryKey, rollout: int) -> tuple[Counted, ...]:
        """What the judge counted in one attempt, oldest first."""
        return await self._read(f"reading what was counted for {key}", lambda file: queries.counted(file, key, rollout))

    async def history(self, key: CanaryKey) -> tuple[CanaryState, ...]:
        """The record as it was when each attempt was last written, oldest first."""
        return await self._read(f"reading the history of {key}", lambda file: queries.attempts(file, key))

    async def keys(self) -> tuple[CanaryKey, ...]:
        """Every Canary that has a record, by namespace and name."""
        return tuple(state.key for state in await self.states())

    async def states(self) -> tuple[CanaryState, ...]:
        """The newest record of every Canary, by namespace and name."""
        return await self._read("reading all records", queries.states)

    async def changes(self) -> AsyncIterator[CanaryKey]:
        """A key each time a command for it came in, from this process at once, from others within the poll time.

        Commands that wait already come first. What a full disk could not take is tried again on the way. A file that cannot be read is
        told by the passes over each key, and tried again: whoever ended here would lose what is only in memory.
        """
        news, position = asyncio.Event(), 0
        self._listeners.add(news)
        try:
            while True:
                news.clear()
                found: Sequence[tuple[int, CanaryKey]] = ()
                with contextlib.suppress(OutsideError, InputError):
                    for key in tuple(self._spare.held):
                        await self._retry(key)
                    found = await self._read("looking for commands", partial(queries.arrived, after=position))
                for place, key in found:
                    position = place
                    yield key
                try:
                    await asyncio.wait_for(news.wait(), self._poll)
                except TimeoutError:
                    continue
        finally:
            self._listeners.discard(news)

    async def close(self) -> None:
        """Closes the file once everything that was begun is written. The Store is of no use afterwards."""
        await asyncio.get_running_loop().run_in_executor(self._worker, self._disconnect)
        self._worker.shutdown(wait=False)

    async def _put(self, before: CanaryState, decision: Decision) -> None:
        await self._write(f"recording {before.key}", lambda file: queries.replace(file, before, decision))

    async def _retry(self, key: CanaryKey) -> None:
        """Writes what is kept in memory; where that does not work yet, it stays there."""
        if (held := self._spare.held.get(key)) is not None:
            with contextlib.suppress(Unavailable):
                await self._put(held.before, held.decision)
                self._spare.held.pop(key, None)

    async def _read(self, doing: str, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._run, "BEGIN", doing, work)

    async def _write(self, doing: str, work: Callable[[sqlite3.Connection], T]) -> T:
        # The lock is taken before anything is read, or two processes could both see the serial that they expect.
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._run, "BEGIN IMMEDIATE", doing, work)

    def _run(self, begin: str, doing: str, work: Callable[[sqlite3.Connection], T]) -> T:
        """One transaction, on the thread that owns the file."""
        try:
            if self._connection is None:
                self._connection = connect(self._path, PATIENCE)
            return _transaction(self._connection, begin, work)
        except (sqlite3.Error, OSError) as error:
            problem = explain(error, doing, self._path)
            # The next call begins with a file that was opened and checked anew, but a full disk may have no room for opening one.
            if not isinstance(problem, NoRoom):
                self._disconnect()
            raise problem from error

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _transaction(file: sqlite3.Connection, begin: str, work: Callable[[sqlite3.Connection], T]) -> T:
    file.execute(begin)
    try:
        result = work(file)
        file.execute("COMMIT")
    except BaseException:
        if file.in_transaction:
            file.execute("ROLLBACK")
        raise
    return result
