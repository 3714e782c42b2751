"""A clock for tests with an event loop: waiting takes no time, and is noted. Called by tests of adapters and by `contracts`."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass
class JumpingClock:
    """`ports.Clock` that jumps. `meanwhile` is called at each jump: what happens while somebody waits."""

    moment: datetime = datetime(2026, 1, 2, tzinfo=UTC)
    waits: list[float] = field(default_factory=list)
    """How long it was asked to wait each time, in seconds."""
    meanwhile: Callable[[], object] = lambda: None

    def now(self) -> datetime:
        """The time it has jumped to."""
        return self.moment

    async def sleep_until(self, moment: datetime) -> None:
        """Jumps, and lets others go on once."""
        self.waits.append((moment - self.moment).total_seconds())
        self.moment = max(self.moment, moment)
        self.meanwhile()
        await asyncio.sleep(0)
