"""A watch that is left and gone on with later: what it knows, in a file. Called by the faces for `trimtab monitor --detach` and `--resume`.

The file holds sums and digests, never values. Who may write it could write the verdict as well: it belongs to the pipeline's own runs.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from trimtab.documents.records import to_text
from trimtab.errors import InputError
from trimtab.promotion.evidence import Figure, Query
from trimtab.promotion.watching import Seen
from trimtab.wiring.monitoring import Monitoring


@dataclass(frozen=True, slots=True)
class Kept:
    """A watch as it was left."""

    app: str
    target: str
    commit: str
    content: str
    policy: str
    """Digests of what is judged, and of the rules."""
    started: datetime
    seen: Seen
    smoked: tuple[Figure, ...] = ()
    queries: tuple[Query, ...] = ()
    counted: tuple[Query, ...] = ()
    notes: tuple[str, ...] = ()
    version: Literal[1] = 1


def save(file: Path, monitoring: Monitoring) -> bool:
    """Writes down where a watch stands; False where it has not begun to look. InputError where the file cannot be written."""
    subject, seen = monitoring.subject, monitoring.seen
    if seen is None:
        return False
    kept = Kept(
        subject.app, subject.target, subject.commit, subject.judged.content, subject.digest, monitoring.started, seen, monitoring.smoked,
        monitoring.queries, monitoring.counted, monitoring.notes,
    )  # fmt: skip
    try:
        whole(file, to_text(kept).encode())
    except OSError as error:
        raise InputError(f"--state {file} cannot be written: {error.strerror}") from error
    return True


def whole(file: Path, data: bytes) -> None:
    """Writes a file so that whoever is killed meanwhile leaves it as it was. OSError where it cannot be written, and it is as it was."""
    if file.exists() and not file.is_file():
        # A pipe, or a terminal.
        file.write_bytes(data)
        return
    place = file.resolve()
    new = place.with_name(f".{place.name}.new")
    try:
        new.write_bytes(data)
        new.replace(place)
    except OSError:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def load(file: Path) -> Kept:
    """A watch as it was left. InputError where there is none."""
    try:
        return msgspec.convert(json.loads(file.read_text(encoding="utf-8")), Kept)
    except FileNotFoundError:
        raise InputError(
            f"--state {file}: there is no such file, so nothing is being watched. Begin with `trimtab monitor --detach`"
        ) from None
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise InputError(f"--state {file} cannot be read: {error}. Begin anew without --resume") from None


def resume(kept: Kept, monitoring: Monitoring) -> None:
    """Puts a watch where it was left. InputError where something else is watched now, or by other rules."""
    subject = monitoring.subject
    if kept.content != subject.judged.content or kept.policy != subject.digest:
        what = "the content" if kept.content != subject.judged.content else "the rules"
        raise InputError(f"{what} of {subject} at commit {kept.commit[:10]} is not what was watched. Begin anew without --resume")
    monitoring.started, monitoring.seen, monitoring.smoked = kept.started, kept.seen, kept.smoked
    monitoring.queries, monitoring.counted, monitoring.notes = kept.queries, kept.counted, kept.notes


def forget(file: Path) -> None:
    """There is a verdict."""
    with suppress(OSError):
        file.unlink(missing_ok=True)
