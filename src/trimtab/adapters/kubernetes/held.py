"""What `store` remembers of the newest record of a Canary."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from trimtab.adapters.kubernetes.counted import Kept
from trimtab.model.journal import Entry
from trimtab.model.rollout import CanaryState


@dataclass(frozen=True, slots=True)
class Held:
    """The newest record as it was read or written."""

    state: CanaryState
    uid: str = ""
    """Of the Canary: one that is made anew begins anew."""
    version: str = ""
    """The resourceVersion of its object; empty while there is none, before the first attempt."""
    specs: Mapping[str, str] = field(default_factory=dict)
    counted: Kept = Kept()
    entries: tuple[Entry, ...] | None = ()
    """The journal of the attempt; None while nothing is under way, to save memory."""

    @property
    def number(self) -> int:
        """Of the newest attempt."""
        return self.state.rollout.number if self.state.rollout is not None else 0

    @property
    def documents(self) -> tuple[str, ...]:
        """How the Canary was written: when its policy was last valid, and when the attempt under way was detected."""
        run, newest = self.state.running, self.state.policy
        found = (newest, run.policy if run is not None else None)
        return tuple(policy.document for policy in found if policy is not None and policy.document)
