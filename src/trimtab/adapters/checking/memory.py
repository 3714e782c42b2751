"""What was found, kept under the digest of all that it was found in. Called by `wiring`.

Findings hold no values of Secrets. Several processes may use a folder at once: a file is whole or not there, and what cannot be read or
written is as if it had not been kept.
"""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

KEPT = 50_000
"""Entries that a folder keeps; beyond that those go that were used least lately."""
OLDER = 0.2
"""The share that goes then."""


class Memory:
    """Entries in a folder, one file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> bytes | None:
        """What was kept under a key: hexadecimal digits."""
        path = self._path(key)
        try:
            found = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return found

    def put(self, key: str, value: bytes) -> None:
        """Keeps something under a key."""
        path = self._path(key)
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            with open(handle, "wb") as file:
                file.write(value)
            os.replace(name, path)

    def tidy(self, most: int = KEPT) -> None:
        """Removes what was used least lately, where there is too much."""
        with suppress(OSError):
            found = [(path.stat().st_mtime, path) for path in self._folder.glob("??/*")]
            if len(found) > most:
                for _, path in sorted(found)[: len(found) - round(most * (1 - OLDER))]:
                    path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / key[2:]
