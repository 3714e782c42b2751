"""One key at a time; come back later; back off. Pure bookkeeping with times handed in. Used by `loop`."""

import heapq
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from trimtab.model.names import CanaryKey

FIRST_DELAY = timedelta(seconds=0.5)
LONGEST_DELAY = timedelta(seconds=30)


@dataclass
class Queue:
    """Keys and when each is due. A key that is being worked on is not handed out again before `done`.

    Where somebody sets the clock back, what was due in a minute is due in a minute still.
    """

    chance: random.Random
    due: dict[CanaryKey, datetime] = field(default_factory=dict)
    heap: list[tuple[datetime, CanaryKey]] = field(default_factory=list)
    busy: set[CanaryKey] = field(default_factory=set)
    again: dict[CanaryKey, datetime] = field(default_factory=dict)
    """Keys that were woken while they were being worked on, and for when."""
    failures: dict[CanaryKey, int] = field(default_factory=dict)
    looked: datetime | None = None
    """When `take` was last asked."""

    def __len__(self) -> int:
        """How many keys a look is planned for."""
        return len(self.due)

    def add(self, key: CanaryKey, moment: datetime) -> None:
        """Looks at `key` at `moment`, or earlier where that was planned already."""
        if key in self.busy:
            self.again[key] = min(moment, self.again.get(key, moment))
        elif key not in self.due or moment < self.due[key]:
            self.due[key] = moment
            heapq.heappush(self.heap, (moment, key))

    def take(self, now: datetime) -> CanaryKey | None:
        """The key that has been due longest; None where none is."""
        if self.looked is not None and now < self.looked:
            self.set_back(self.looked - now)
        self.looked = now
        self.drop_outdated()
        if not self.heap or self.heap[0][0] > now:
            return None
        _, key = heapq.heappop(self.heap)
        del self.due[key]
        self.busy.add(key)
        return key

    def next(self) -> datetime | None:
        """When the next key is due."""
        self.drop_outdated()
        return self.heap[0][0] if self.heap else None

    def set_back(self, by: timedelta) -> None:
        """Everything is due so much earlier by the clock, which is not earlier at all."""
        self.due = {key: moment - by for key, moment in self.due.items()}
        self.again = {key: moment - by for key, moment in self.again.items()}
        self.heap = [(moment, key) for key, moment in self.due.items()]
        heapq.heapify(self.heap)

    def drop_outdated(self) -> None:
        """Entries of the heap that an earlier one has replaced."""
        while self.heap and self.due.get(self.heap[0][1]) != self.heap[0][0]:
            heapq.heappop(self.heap)

    def done(self, key: CanaryKey, wake: datetime | None) -> None:
        """The pass went well; when to come back, or never."""
        self.busy.discard(key)
        self.failures.pop(key, None)
        moments = [moment for moment in (wake, self.again.pop(key, None)) if moment is not None]
        if moments:
            self.add(key, min(moments))

    def failed(self, key: CanaryKey, now: datetime, after: timedelta | None = None) -> timedelta:
        """The pass did not go well: comes back later and later, with jitter, or `after` the time that was named."""
        self.busy.discard(key)
        self.again.pop(key, None)
        count = self.failures[key] = self.failures.get(key, 0) + 1
        backoff = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(count - 1, 10))
        delay = after if after is not None else backoff * self.chance.uniform(0.5, 1.0)
        self.add(key, now + delay)
        return delay
