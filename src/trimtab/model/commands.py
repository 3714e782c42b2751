"""What a person may wish for a rollout. Made by the faces, kept by stores until a decision consumes them (R5)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Verb(StrEnum):
    """The wishes."""

    APPROVE = "approve"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    RETRY = "retry"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Command:
    """A wish, with who and why, bound to what that person looked at."""

    id: str
    verb: Verb
    actor: str
    reason: str
    at: datetime
    rollout: int
    """The number of the attempt that the person saw. If it moved on, the answer is `too late`."""
    gate: str = ""
    """For `approve`: the gate that was closed."""
    revision: str = ""
    """For `approve`: the id of the revision that waits. For `undo`: the id to go back to; empty for the previous one."""
    skip_analysis: bool = False
    """For `approve`: promote the pinned content now."""
    verified: bool | None = None
    """Is it certain that `actor` wished it? None where nobody but the owner of the state folder can wish anything."""
