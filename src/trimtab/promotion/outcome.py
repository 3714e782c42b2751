"""How a promotion or a rollback ended, for the commands that show it. Made by `wiring`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from trimtab.config.difference import Change


class Word(StrEnum):
    """What came of it, in one word."""

    PROPOSED = "proposed"
    """There is a pull request now, and it is as it should be."""
    PROMOTED = "promoted"
    NOTHING = "nothing"
    """The receiver has this content already."""
    WAITING = "waiting"
    """An issue waits for an approval."""
    FOREIGN = "foreign"
    """Somebody else's commits are on our branch; it is theirs now."""
    DECLINED = "declined"
    HELD = "held"
    """This content was rolled back, and nobody asked for it again."""
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no-data"
    ROLLED_BACK = "rolled-back"
    PLANNED = "planned"
    """Nothing was done, as asked."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One promotion or rollback. `text` says it in a sentence; the rest is for programs."""

    word: Word
    text: str
    app: str
    target: str
    content: str = ""
    evidence: str = ""
    verdict: str = ""
    branch: str = ""
    commit: str = ""
    url: str = ""
    number: int = 0
    operation: str = "none"
    """What was done to the pull request or issue: `created`, `updated`, `closed` or `none`."""
    changes: Sequence[Change] = field(default=(), repr=False)
    notes: tuple[str, ...] = ()
    patch: str = field(default="", repr=False)
    """With `--dry-run`: what would be committed."""
