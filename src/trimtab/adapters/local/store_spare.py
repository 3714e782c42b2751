"""Decisions that a full disk could not take, in memory until it can: shrinking never depends on the disk (L8). Used by `store`."""

from dataclasses import dataclass, field, replace

from trimtab.errors import Conflict, Unavailable
from trimtab.model.decision import Decision
from trimtab.model.names import CanaryKey
from trimtab.model.rollout import CanaryState
from trimtab.rollout.safety import stays_or_shrinks


@dataclass(frozen=True, slots=True)
class Held:
    """Everything that was decided since the record `before`, as one decision."""

    before: CanaryState
    decision: Decision


@dataclass
class Spare:
    """What is to be written, for each Canary. A crash loses it: the next start then goes on from the older record on disk."""

    held: dict[CanaryKey, Held] = field(default_factory=dict)

    def state(self, key: CanaryKey) -> CanaryState | None:
        """The newest state that is only here."""
        held = self.held.get(key)
        return held.decision.state if held is not None else None

    def add(self, before: CanaryState, decision: Decision) -> None:
        """Keeps one more. Conflict if `before` is not the newest; Unavailable for one that would show somebody something new."""
        held = self.held.get(before.key)
        if held is None:
            self.held[before.key] = Held(before, decision)
            return
        if held.decision.state.serial != before.serial:
            raise Conflict(f"recording {before.key}: the decision was made from record {before.serial}, which is not the newest")
        if not stays_or_shrinks(before, decision.state):
            raise Unavailable(
                f"recording {before.key} failed: the disk is full, so nothing new starts. Free some space; Trimtab tries again."
            )
        # What was counted is kept under the attempt of the newest record, and belongs to no other.
        same = attempt(held.decision.state) == attempt(decision.state)
        counted = (*(held.decision.counted if same else ()), *decision.counted)
        both = replace(decision, entries=held.decision.entries + decision.entries, counted=counted)
        self.held[before.key] = Held(held.before, both)


def attempt(state: CanaryState) -> int:
    """The number of the newest attempt; 0 before the first."""
    return state.rollout.number if state.rollout is not None else 0
