"""What one decision says: the next state, why, and when to look again. Made by `rollout`, recorded by `control`."""

from dataclasses import dataclass
from datetime import datetime

from trimtab.model.counted import Counted
from trimtab.model.journal import Entry
from trimtab.model.rollout import CanaryState
from trimtab.model.verdict import Judgement


@dataclass(frozen=True, slots=True)
class Decision:
    """What should be next, why, and when to look again."""

    state: CanaryState
    entries: tuple[Entry, ...]
    """Why, for the journal; empty where nothing is worth saying."""
    wake: datetime | None
    """None: nothing to do until something changes. A time that has passed: look again at once."""
    counted: tuple[Counted, ...] = ()
    """What the evidence in `state` was made of since the state before; kept beside the record."""
    check: Judgement | None = None
    """What came of the check that this decision was made after; None where there was none."""
