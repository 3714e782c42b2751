"""What does an idle `trimtab up` with one Canary cost? Run it by hand: `PYTHONPATH=tests python benchmarks/idle.py`.

Share of a core and resident memory of the Trimtab process alone, over some time in which nothing changes; compared in the same time
with a Python that has aiohttp loaded, serves it, and waits.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from e2e.documents import SUCCESS, shop
from e2e.harness import free_port, place, soon

SHARE, MEMORY = 2.0, 90.0
"""Percent of a core, and MB."""
IDLE = """
import asyncio
from aiohttp import web
async def main():
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await asyncio.Event().wait()
asyncio.run(main())
"""


def seconds(pid: int) -> float:
    """Processor time that a process has used, itself and what it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(fields[place]) for place in (11, 12, 13, 14)) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int) -> float:
    """Resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024 / 1e6


def main() -> int:
    """Measures and prints; 1 where a figure is missed."""
    parser = argparse.ArgumentParser(description="Measure an idle `trimtab up`.")
    parser.add_argument("--seconds", type=float, default=30)
    span = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder, place(Path(folder)) as here:
        here.repository.commit(shop(free_port(), {"interval": "10s", "threshold": 2, "stepWeights": [50], "metrics": [SUCCESS]}))
        here.up("--poll", "1")
        here.outcome(1)
        for stream in here.streams.values():
            stream.close()
        other = subprocess.Popen((sys.executable, "-c", IDLE))
        soon(lambda: megabytes(other.pid) > 15, "the other is up")
        assert here.up_process is not None
        pids = {"trimtab up": here.up_process.pid, "python with aiohttp": other.pid}
        time.sleep(2)  # noqa: TID251
        before = {name: seconds(pid) for name, pid in pids.items()}
        time.sleep(span)  # noqa: TID251
        shares = {name: 100 * (seconds(pid) - before[name]) / span for name, pid in pids.items()}
        sizes = {name: megabytes(pid) for name, pid in pids.items()}
        other.kill()
        other.wait()
        here.streams.clear()
    for name in pids:
        print(f"{name:20} {shares[name]:5.2f} % of a core over {span:g} s, {sizes[name]:5.1f} MB resident")
    return int(shares["trimtab up"] >= SHARE or sizes["trimtab up"] >= MEMORY)


if __name__ == "__main__":
    sys.exit(main())
