"""What the audit trail says. Written with each decision, never changed, read by `history` and `show`."""

from dataclasses import dataclass
from datetime import datetime

from trimtab.model.verdict import Result


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the audit trail."""

    at: datetime
    rollout: int
    reason: str
    """What happened, as one word: `Advanced`, `RolledBack`."""
    text: str
    phase: str
    severity: str = "info"
    actor: str = ""
    weight: int = 0
    results: tuple[Result, ...] = ()
    """The check that led to it, where one did."""
    verified: bool | None = None
    """Is it certain that it was `actor`? None where there is none, or nobody else that it could have been."""
