"""How soon a Canary is looked at that others wake again and again. Used by `loop`.

A controller that fights for what Trimtab writes wakes it with each of its writes; without this the two would write as fast as they can.
A bucket of looks for each key: a burst is free, after that it fills slowly, and at once when the record has changed.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from trimtab.model.names import CanaryKey

BURST = 30
"""Looks in a row that nothing came of."""
REFILL = timedelta(seconds=3)
"""After which there is one more."""


@dataclass(slots=True)
class Bucket:
    """The looks of one key."""

    left: float
    at: datetime
    """When that was so."""
    due: datetime
    """When the newest is due."""


@dataclass
class Calm:
    """The looks of all keys."""

    buckets: dict[CanaryKey, Bucket] = field(default_factory=dict)
    serials: dict[CanaryKey, int] = field(default_factory=dict)

    def moment(self, key: CanaryKey, now: datetime) -> datetime:
        """When the next look is due. Where somebody set the clock back, nobody waits longer for that."""
        bucket = self.buckets.setdefault(key, Bucket(BURST, now, now))
        if now < bucket.due <= now + REFILL:
            return bucket.due
        filled = max(timedelta(), now - bucket.at) / REFILL
        bucket.left, bucket.at = max(-1.0, min(BURST, bucket.left + filled) - 1), now
        bucket.due = now + max(0.0, -bucket.left) * REFILL
        return bucket.due

    def recorded(self, key: CanaryKey, serial: int) -> None:
        """The record is at this serial: a new one gives all looks back."""
        if self.serials.get(key) != serial:
            self.serials[key] = serial
            self.buckets.pop(key, None)

    def forget(self, key: CanaryKey) -> None:
        """The Canary is gone."""
        self.buckets.pop(key, None)
        self.serials.pop(key, None)
