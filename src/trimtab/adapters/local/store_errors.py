"""What an SQLite error means for the loop and for the reader. Used by `store` at its border, and nowhere else."""

import errno
import shutil
import sqlite3
from pathlib import Path

from trimtab.errors import Denied, InputError, TrimtabError, Unavailable

PRIMARY_CODE = 0xFF
"""An extended result code of SQLite holds its primary code in the lowest byte."""

DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
FORBIDDEN = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH})
OCCUPIED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
NO_SPACE = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})


class NoRoom(Unavailable):
    """The disk did not take it; what shrinks exposure is kept in memory then (L8)."""


def explain(error: sqlite3.Error | OSError, doing: str, path: Path) -> TrimtabError:
    """The error to raise instead: InputError for a damaged file, Denied for missing permissions, else Unavailable (L8).

    `doing` completes the sentence "... failed", for example `recording app.default`.
    """
    code = _code(error)
    said = f"{doing} in {path} failed: {error}"
    if code in DAMAGED:
        return InputError(
            f"{said}. The file is damaged. Stop Trimtab and put back a copy of it, or move it away: "
            "Trimtab then begins with an empty record, as for a Canary that it has never seen."
        )
    if code in FORBIDDEN:
        return Denied(f"{said}. The user that runs Trimtab needs permission to write the file and its folder.")
    if code in OCCUPIED:
        return Unavailable(f"{said}. Another process holds it; Trimtab tries again.")
    if code in NO_SPACE:
        return NoRoom(f"{said}. {_space(path)}Free some space; Trimtab tries again.")
    return Unavailable(f"{said}. Trimtab tries again; see whether the folder is there and can be read.")


def _code(error: sqlite3.Error | OSError) -> int:
    """SQLite's primary result code; for an error of the system the one that comes closest."""
    if isinstance(error, PermissionError):
        return sqlite3.SQLITE_PERM
    if isinstance(error, OSError):
        return sqlite3.SQLITE_FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else sqlite3.SQLITE_CANTOPEN
    # Errors that Python's own binding raises, for example about a closed file, carry no code.
    found = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return int(found) & PRIMARY_CODE


def _space(path: Path) -> str:
    """How much room is left, for a message; nothing where even that cannot be found out."""
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError:
        return ""
    return f"{free / 1_000_000:.1f} MB are free on that disk. "
