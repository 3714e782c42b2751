"""What is to be told to people and programs, in order, at least once, each with an id (P4).

Made by `rollout`, delivered by the teller beside the pass, struck off by the next decision.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from trimtab.model.policy import Hook


class TellingKind(StrEnum):
    """An event goes to the log, the cluster and event hooks; an alert to the policy's alert targets; hooks are called."""

    EVENT = "event"
    ALERT = "alert"
    HOOKS = "hooks"


@dataclass(frozen=True, slots=True)
class Telling:
    """One thing to tell. `run` is the webhook checksum that names the run (flagger.md 5.3)."""

    id: str
    kind: TellingKind
    at: datetime
    phase: str
    text: str = ""
    reason: str = ""
    """What happened, as one word: `Advanced`, `RolledBack`."""
    severity: str = "info"
    """`info`, `warn` or `error`; an event that is not info is a Warning."""
    detailed: bool = False
    """An alert that lists the target, threshold, deadline and routing (AL-3)."""
    hooks: tuple[Hook, ...] = ()
    run: str = ""
