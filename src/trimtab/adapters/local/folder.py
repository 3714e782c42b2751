"""The state folder of one machine: where it is, who holds it, and the key for digests of Secrets (L7, C1).

Used by `wiring` and by the faces before anything else; everything that `up` keeps lies in this folder.
"""

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trimtab.config.digest import DigestKey
from trimtab.errors import Denied, InputError, OutsideError, Unavailable

KEY_BYTES = 32

TRIES = 1000
"""How often to try while nobody but a passing `holder` has the lock, which it has for some microseconds."""


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The folder and what is where in it. Make one with `open_folder`."""

    path: Path

    @property
    def database(self) -> Path:
        """The SQLite file with record, journal and commands."""
        return self.path / "trimtab.db"

    @property
    def repository(self) -> Path:
        """The bare clone of the source."""
        return self.path / "repo"

    @property
    def source(self) -> Path:
        """Says what is followed here."""
        return self.path / "source"

    @property
    def lock(self) -> Path:
        """Holds the id of the process that runs here."""
        return self.path / "lock"

    @property
    def key(self) -> Path:
        """The secret key of this installation."""
        return self.path / "key"


def locate(argument: Path | None, environment: Mapping[str, str], here: Path) -> Path:
    """Where the state folder is: `--state`, else `TRIMTAB_STATE`, else `.trimtab` below `here`."""
    named = argument or (Path(environment["TRIMTAB_STATE"]) if environment.get("TRIMTAB_STATE") else None)
    return (here / (named or ".trimtab")).absolute()


def open_folder(path: Path) -> StateFolder:
    """Makes the folder where it is missing: only this user may enter it, and git does not see what is in it.

    InputError if something else is there, Denied or Unavailable if the system does not let us.
    """
    try:
        if path.exists() and not path.is_dir():
            raise InputError(f"the state folder {path} is a file. Name another folder with --state or TRIMTAB_STATE.")
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
        _write_once(path / ".gitignore", b"*\n")
    except OSError as error:
        raise _explain(error, f"making the state folder {path}") from error
    return StateFolder(path)


@contextmanager
def locked(folder: StateFolder) -> Iterator[None]:
    """Holds the folder as long as the block runs. InputError, with the process id, if another process holds it (L7).

    Denied or Unavailable if the system does not let us. It lets go of the lock when the process ends, however it ends.
    """
    try:
        handle = os.open(folder.lock, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise _explain(error, f"opening the lock {folder.lock}") from error
    try:
        if not _locked_by_us(handle):
            raise InputError(
                f"the state folder {folder.path} is in use by process {_pid(folder) or 'of another user'}. "
                "Stop that one first, or name another folder with --state or TRIMTAB_STATE."
            )
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def holder(folder: StateFolder) -> int | None:
    """The id of the process that runs here, None if none does. Denied or Unavailable if the system does not let us look."""
    try:
        handle = os.open(folder.lock, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _explain(error, f"opening the lock {folder.lock}") from error
    try:
        return None if _take(handle, fcntl.LOCK_SH) else _pid(folder)
    finally:
        os.close(handle)


def claim(folder: StateFolder, source: str) -> None:
    """Writes down what is followed here, at the first call. InputError where that is something else: its records would be taken for ours.

    Denied or Unavailable if the system does not let us.
    """
    try:
        _write_once(folder.source, f"{source}\n".encode())
        before = folder.source.read_text(errors="replace").strip()
    except OSError as error:
        raise _explain(error, f"reading what the state folder {folder.path} is about in {folder.source}") from error
    if before != source:
        raise InputError(
            f"the state folder {folder.path} is about {before}, not {source}. Name another folder with --state or TRIMTAB_STATE; "
            f"where {before} is only called otherwise now, remove {folder.source}."
        )


def digest_key(folder: StateFolder) -> DigestKey:
    """The key for digests of Secrets, made at the first call. Its id is the start of its own SHA-256 (C1)."""
    try:
        _write_once(folder.key, secrets.token_bytes(KEY_BYTES))
        key = folder.key.read_bytes()
    except OSError as error:
        raise _explain(error, f"reading the key for digests of Secrets {folder.key}") from error
    if len(key) != KEY_BYTES:
        raise InputError(
            f"the key for digests of Secrets {folder.key} has {len(key)} bytes instead of {KEY_BYTES}. Put back a copy of it, or "
            "delete it: a new one is made, and each Secret is compared by content until its next promotion."
        )
    return DigestKey(hashlib.sha256(key).hexdigest()[:8], key)


def _locked_by_us(handle: int) -> bool:
    """Takes the lock for ourselves. False as soon as it is certain that another process holds it for itself."""
    for _ in range(TRIES):
        if _take(handle, fcntl.LOCK_EX):
            return True
        if not _take(handle, fcntl.LOCK_SH):
            return False
    return False


def _take(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid(folder: StateFolder) -> int | None:
    text = folder.lock.read_text().strip()
    return int(text) if text.isdecimal() else None


def _write_once(path: Path, content: bytes) -> None:
    """Writes a file whole unless it is there; of several processes that try, one wins."""
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _explain(error: OSError, doing: str) -> OutsideError:
    said = f"{doing} failed: {error.strerror or error}"
    if isinstance(error, PermissionError):
        return Denied(f"{said}. The user that runs Trimtab needs permission there, or name another folder with --state.")
    return Unavailable(f"{said}. See whether the disk is there and has room, or name another folder with --state.")
