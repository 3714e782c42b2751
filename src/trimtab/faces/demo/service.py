"""The web service of the demo: answers from a pretended database, by the configuration in its ConfigMap.

Run as a pod, with nothing but the standard library. One query in ten is slow; a timeout that is too short turns these into
errors, as it would anywhere.
"""

import asyncio
import os
import sys
from pathlib import Path

SLOW, FAST = 0.040, 0.002
"""Seconds that the pretended database takes for every tenth query, and for the others."""


def read(path: Path) -> dict[str, str]:
    """`name: value` lines, as far as this service needs YAML."""
    pairs = (line.split(":", 1) for line in path.read_text().splitlines() if ":" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, value in pairs}


class Service:
    """Requests are counted to make one in ten slow."""

    def __init__(self, settings: dict[str, str], token: str) -> None:
        self.timeout = float(settings["timeout_ms"]) / 1000
        self.greeting, self.token, self.queries = settings.get("greeting", "hello"), token, 0

    async def answer(self, path: str) -> tuple[str, str]:
        """Status and body."""
        if path == "/ready":
            return ("200 OK", "ready") if self.token else ("503 Service Unavailable", "no token")
        self.queries += 1
        takes = SLOW if self.queries % 10 == 0 else FAST
        await asyncio.sleep(min(takes, self.timeout))
        if takes > self.timeout:
            return "504 Gateway Timeout", "the database did not answer in time"
        return "200 OK", self.greeting

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, as many requests as it sends."""
        try:
            while request := await reader.readline():
                while (await reader.readline()).strip():
                    pass
                status, body = await self.answer(request.split(b" ")[1].decode())
                writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
                await writer.drain()
        except (ConnectionError, IndexError):
            pass
        finally:
            writer.close()


async def main(settings: Path, port: int) -> None:
    """Serves until it is told to end."""
    service = Service(read(settings), os.environ.get("API_TOKEN", ""))
    server = await asyncio.start_server(service.serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(os.environ["PORT"])))
