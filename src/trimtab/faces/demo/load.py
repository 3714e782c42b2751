"""Steady load on the demo's Service, counted. Called by `demo.play`."""

import asyncio
from dataclasses import dataclass

import aiohttp

RATE = 100
"""Requests a second."""
ANSWER = aiohttp.ClientTimeout(total=10)


@dataclass
class Load:
    """What was sent, and what came of it."""

    url: str
    sent: int = 0
    failed: int = 0
    """Answers of 500 and more."""
    lost: int = 0
    """Requests that got no answer at all."""

    async def run(self) -> None:
        """Sends until cancelled."""
        loop = asyncio.get_running_loop()
        begin, count = loop.time(), 0
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, asyncio.TaskGroup() as group:
            while True:
                count += 1
                await asyncio.sleep(max(0.0, begin + count / RATE - loop.time()))
                group.create_task(self.send(session))

    async def send(self, session: aiohttp.ClientSession) -> None:
        """One request."""
        self.sent += 1
        try:
            async with session.get(self.url, timeout=ANSWER) as answer:
                await answer.read()
                self.failed += answer.status >= 500
        except (aiohttp.ClientError, TimeoutError):
            self.lost += 1
