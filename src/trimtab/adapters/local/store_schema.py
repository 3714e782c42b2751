"""The tables of the SQLite file, and how one is opened so that it is safe to use. Called by `store` only.

`canary` holds the newest record of each, `attempt` the record as it was when each attempt was last written (R1),
`journal` the audit trail (R4), `counted` what the judge counted, `command` what people wish for and what became of it (R5).
"""

import os
import sqlite3
from pathlib import Path

from trimtab.errors import InputError

VERSION = 2
"""Kept in `PRAGMA user_version`; a file without tables has 0."""

TABLES = """
CREATE TABLE canary (namespace TEXT, name TEXT, serial INTEGER NOT NULL, state TEXT NOT NULL, PRIMARY KEY (namespace, name));
CREATE TABLE attempt (namespace TEXT, name TEXT, number INTEGER, state TEXT NOT NULL, PRIMARY KEY (namespace, name, number));
CREATE TABLE journal (
  position INTEGER PRIMARY KEY AUTOINCREMENT, namespace TEXT NOT NULL, name TEXT NOT NULL, rollout INTEGER NOT NULL, entry TEXT NOT NULL
);
CREATE INDEX journal_of ON journal (namespace, name, rollout);
CREATE TABLE command (
  position INTEGER PRIMARY KEY AUTOINCREMENT, namespace TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL,
  rollout INTEGER NOT NULL, command TEXT NOT NULL, answer TEXT, UNIQUE (namespace, name, id)
);
"""

NEWER = """
CREATE TABLE counted (
  position INTEGER PRIMARY KEY AUTOINCREMENT, namespace TEXT NOT NULL, name TEXT NOT NULL, rollout INTEGER NOT NULL, looks TEXT NOT NULL
);
CREATE INDEX counted_of ON counted (namespace, name, rollout);
"""
"""What version 2 adds: what the judge counted in an attempt, a few looks in each row."""

DURABLE = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON", "PRAGMA secure_delete = ON")
"""FULL: once a decision is recorded it survives a power cut, since what follows acts on it."""


def connect(path: Path, patience: float) -> sqlite3.Connection:
    """Opens the file, makes it where it is missing (mode 0600), and checks who wrote it.

    `patience` is how many seconds to wait for another process's lock. InputError for a file of a newer Trimtab;
    sqlite3.Error and OSError as they come.
    """
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
    try:
        for pragma in DURABLE:
            connection.execute(pragma)
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if _version(connection) < VERSION:
        connection.execute("BEGIN IMMEDIATE")
        # Another process may have made the tables while this one waited for the lock.
        there = _version(connection)
        if there < VERSION:
            for statement in filter(str.strip, ("" if there else TABLES).split(";") + NEWER.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    found = _version(connection)
    if found > VERSION:
        raise InputError(
            f"{path} was written by a newer Trimtab: its layout has version {found}, this one knows versions up to {VERSION}. "
            "Use that newer Trimtab, or another state folder."
        )


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
