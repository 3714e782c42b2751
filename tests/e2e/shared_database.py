"""The demo's service over a database that both copies share: it is down while a file is there. Run as a pod."""

import asyncio
import os
import sys
from pathlib import Path

from trimtab.faces.demo.service import Service, read


class Sharing(Service):
    """Fails whatever its own configuration says, as long as the database is down."""

    async def answer(self, path: str) -> tuple[str, str]:
        if path != "/ready" and self.down():
            return "503 Service Unavailable", "the database is down"
        return await super().answer(path)

    def down(self) -> bool:
        """Is the database down?"""
        return Path(sys.argv[2]).exists()


async def main() -> None:
    """Serves until it is told to end."""
    service = Sharing(read(Path(sys.argv[1])), os.environ.get("API_TOKEN", ""))
    server = await asyncio.start_server(service.serve, "127.0.0.1", int(os.environ["PORT"]))
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
