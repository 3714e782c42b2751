"""Credentials and certificates that are given as such or stand in files that change. Used by `credentials` and `connection`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.errors import InputError

FRESH = 60.0
"""Seconds for which a file is believed to be as it was."""


@dataclass(slots=True)
class Material:
    """Some bytes, which may be secret. With a `path` they are read from there, and again when it changes."""

    what: str
    """For messages: which field of which file names it."""
    content: bytes = field(default=b"", repr=False)
    path: Path | None = None
    seconds: Callable[[], float] = field(default=lambda: 0.0, repr=False)
    """A clock in seconds; it may jump."""
    _looked: float | None = field(default=None, repr=False)

    def read(self) -> bytes:
        """The bytes. InputError where there is a path, nothing was ever read from it, and it cannot be read."""
        now = self.seconds()
        if self.path is None or (self._looked is not None and abs(now - self._looked) < FRESH):
            return self.content
        try:
            self.content = self.path.read_bytes() or self.content
        except OSError as error:
            if not self.content:
                raise InputError(f"{self.what} names {self.path}, which cannot be read: {error.strerror}. Correct it") from None
        self._looked = now
        return self.content

    def forget(self) -> None:
        """Looks at the file at the next `read`, whenever that is."""
        self._looked = None
