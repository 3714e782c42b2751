"""The real clock. Made by `wiring`."""

import asyncio
from datetime import UTC, datetime


class SystemClock:
    """`ports.Clock`: the time of this machine, in UTC."""

    def now(self) -> datetime:
        """Now."""
        return datetime.now(UTC)  # noqa: TID251  # here the time comes from

    async def sleep_until(self, moment: datetime) -> None:
        """Returns at or after `moment`, also when the machine slept in between."""
        while (left := (moment - self.now()).total_seconds()) > 0:
            await asyncio.sleep(min(left, 60.0))
