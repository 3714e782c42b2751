"""The real clock. Made by `wiring`."""

import asyncio
from datetime import UTC, datetime


class SystemClock:
    """`ports.Clock`: the time of this machine, in UTC."""

    def now(self) -> datetime:
        """Now."""
        return datetime.now(UTC)  # noqa: TID251  # here the time comes from

    async def sleep_until(self, moment: datetime) -> None:
        """Returns at `moment`, also when the machine slept in between; a clock that is set back keeps nobody waiting."""
        seconds = asyncio.get_running_loop().time
        end = seconds() + (moment - self.now()).total_seconds()
        while (left := min((moment - self.now()).total_seconds(), end - seconds())) > 0:
            await asyncio.sleep(min(left, 60.0))
