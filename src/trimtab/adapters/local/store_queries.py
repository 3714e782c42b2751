"""What `store` reads and writes, each a function of an open file. Runs inside the transaction that `store` opened."""

import sqlite3

from trimtab.documents.counted import packed, unpacked
from trimtab.documents.records import from_text, to_text
from trimtab.errors import Conflict
from trimtab.model.commands import Command
from trimtab.model.counted import Counted
from trimtab.model.decision import Decision
from trimtab.model.journal import Entry
from trimtab.model.names import CanaryKey
from trimtab.model.rollout import Answer, CanaryState
from trimtab.ports import Stored

ROOM = 2000
"""Characters of a row of what was counted, from which on another one is begun."""


def load(file: sqlite3.Connection, key: CanaryKey) -> Stored:
    """The newest record, or an empty one, and the commands without an answer in the order in which they came."""
    row = file.execute("SELECT state FROM canary WHERE namespace = ? AND name = ?", _of(key)).fetchone()
    state = from_text(row[0], CanaryState, f"the record of {key}") if row is not None else CanaryState(key)
    waiting = file.execute(
        "SELECT command FROM command WHERE namespace = ? AND name = ? AND answer IS NULL ORDER BY position", _of(key)
    ).fetchall()
    return Stored(state, tuple(from_text(text, Command, f"a command for {key}") for (text,) in waiting))


def replace(file: sqlite3.Connection, before: CanaryState, decision: Decision) -> None:
    """Compare-and-swap of the record, with all that belongs to it. Conflict if `before` is not the newest.

    Of older attempts, with their journal, as many are kept as the policy says; the newest always is.
    """
    after, key = decision.state, before.key
    row = file.execute("SELECT serial FROM canary WHERE namespace = ? AND name = ?", _of(key)).fetchone()
    newest = int(row[0]) if row is not None else 0
    if newest != before.serial:
        raise Conflict(f"recording {key}: the record is at serial {newest}, the decision was made from {before.serial}")
    _append(file, key, decision.entries)
    if after.serial == before.serial:
        return
    text = to_text(after)
    file.execute("INSERT OR REPLACE INTO canary VALUES (?, ?, ?, ?)", (*_of(key), after.serial, text))
    file.executemany(
        "UPDATE command SET answer = ? WHERE namespace = ? AND name = ? AND id = ? AND answer IS NULL",
        [(to_text(answer), *_of(key), answer.command) for answer in after.handled],
    )
    if after.rollout is not None:
        file.execute("INSERT OR REPLACE INTO attempt VALUES (?, ?, ?, ?)", (*_of(key), after.rollout.number, text))
        if decision.counted:
            _count(file, key, after.rollout.number, decision.counted)
        if after.policy is not None:
            _forget(file, key, after.policy.history)


def submit(file: sqlite3.Connection, key: CanaryKey, command: Command) -> None:
    """Keeps a command; one with a known id is left as it is."""
    file.execute(
        "INSERT OR IGNORE INTO command (namespace, name, id, rollout, command) VALUES (?, ?, ?, ?, ?)",
        (*_of(key), command.id, command.rollout, to_text(command)),
    )


def answer(file: sqlite3.Connection, key: CanaryKey, command: str) -> Answer | None:
    """What became of a command; None while it waits, or if it is not known."""
    row = file.execute("SELECT answer FROM command WHERE namespace = ? AND name = ? AND id = ?", (*_of(key), command)).fetchone()
    return from_text(row[0], Answer, f"the answer to {command}") if row is not None and row[0] is not None else None


def journal(file: sqlite3.Connection, key: CanaryKey, rollout: int | None) -> tuple[Entry, ...]:
    """The audit trail, oldest first, of one attempt or of all."""
    rows = file.execute(
        "SELECT entry FROM journal WHERE namespace = ? AND name = ? AND (? IS NULL OR rollout = ?) ORDER BY position",
        (*_of(key), rollout, rollout),
    )
    return tuple(from_text(text, Entry, f"the journal of {key}") for (text,) in rows.fetchall())


def counted(file: sqlite3.Connection, key: CanaryKey, rollout: int) -> tuple[Counted, ...]:
    """What the judge counted in one attempt, oldest first."""
    rows = file.execute(
        "SELECT looks FROM counted WHERE namespace = ? AND name = ? AND rollout = ? ORDER BY position", (*_of(key), rollout)
    ).fetchall()
    return tuple(look for (text,) in rows for look in unpacked(text, f"what was counted in rollout {rollout} of {key}"))


def attempts(file: sqlite3.Connection, key: CanaryKey) -> tuple[CanaryState, ...]:
    """The record as it was when each attempt was last written, oldest first."""
    rows = file.execute("SELECT state FROM attempt WHERE namespace = ? AND name = ? ORDER BY number", _of(key))
    return tuple(from_text(text, CanaryState, f"the history of {key}") for (text,) in rows.fetchall())


def states(file: sqlite3.Connection) -> tuple[CanaryState, ...]:
    """The newest record of every Canary, by namespace and name."""
    rows = file.execute("SELECT namespace, name, state FROM canary ORDER BY namespace, name")
    return tuple(from_text(text, CanaryState, f"the record of {name}.{namespace}") for namespace, name, text in rows.fetchall())


def arrived(file: sqlite3.Connection, after: int) -> tuple[tuple[int, CanaryKey], ...]:
    """Commands without an answer that came in after a position, with the key that each is for."""
    rows = file.execute("SELECT position, namespace, name FROM command WHERE position > ? AND answer IS NULL ORDER BY position", (after,))
    return tuple((int(position), CanaryKey(namespace, name)) for position, namespace, name in rows.fetchall())


def _append(file: sqlite3.Connection, key: CanaryKey, entries: tuple[Entry, ...]) -> None:
    file.executemany(
        "INSERT INTO journal (namespace, name, rollout, entry) VALUES (?, ?, ?, ?)",
        [(*_of(key), entry.rollout, to_text(entry)) for entry in entries],
    )


def _count(file: sqlite3.Connection, key: CanaryKey, rollout: int, looks: tuple[Counted, ...]) -> None:
    """Keeps what was counted, together with the newest row while that is small: many looks in one row take much less room."""
    last = file.execute(
        "SELECT position, looks FROM counted WHERE namespace = ? AND name = ? AND rollout = ? ORDER BY position DESC LIMIT 1",
        (*_of(key), rollout),
    ).fetchone()
    if last is not None and len(last[1]) < ROOM:
        together = packed((*unpacked(last[1], f"what was counted in rollout {rollout} of {key}"), *looks))
        file.execute("UPDATE counted SET looks = ? WHERE position = ?", (together, last[0]))
        return
    file.execute("INSERT INTO counted (namespace, name, rollout, looks) VALUES (?, ?, ?, ?)", (*_of(key), rollout, packed(looks)))


def _forget(file: sqlite3.Connection, key: CanaryKey, history: int) -> None:
    """Drops attempts beyond the newest `history`, and with them their journal and their answered commands."""
    row = file.execute(
        "SELECT number FROM attempt WHERE namespace = ? AND name = ? ORDER BY number DESC LIMIT 1 OFFSET ?", (*_of(key), history - 1)
    ).fetchone()
    if row is None:
        return
    oldest = (*_of(key), int(row[0]))
    file.execute("DELETE FROM attempt WHERE namespace = ? AND name = ? AND number < ?", oldest)
    file.execute("DELETE FROM counted WHERE namespace = ? AND name = ? AND rollout < ?", oldest)
    file.execute("DELETE FROM journal WHERE namespace = ? AND name = ? AND rollout < ?", oldest)
    file.execute("DELETE FROM command WHERE namespace = ? AND name = ? AND rollout < ? AND answer IS NOT NULL", oldest)


def _of(key: CanaryKey) -> tuple[str, str]:
    return key.namespace, key.name
