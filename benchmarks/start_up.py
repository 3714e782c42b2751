"""How long does `trimtab --help` take? Run it by hand: `python benchmarks/start_up.py`.

Compared in the same run, turn by turn, with a Python that does nothing, and with one that imports click alone.
"""

import statistics
import subprocess
import sys
import time

ROUNDS = 40
LIMIT = 150.0
"""Milliseconds."""
COMMANDS = {
    "trimtab --help": ("-m", "trimtab", "--help"),
    "trimtab status --help": ("-m", "trimtab", "status", "--help"),
    "python -c 'import click'": ("-c", "import click"),
    "python -c pass": ("-c", "pass"),
}


def milliseconds(arguments: tuple[str, ...]) -> float:
    """The time of one process."""
    begin = time.perf_counter()
    subprocess.run((sys.executable, *arguments), check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begin) * 1000


def main() -> int:
    """Measures and prints; 1 where the figure is missed."""
    found: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, arguments in COMMANDS.items():
            found[name].append(milliseconds(arguments))
    for name, times in found.items():
        print(f"{name:26} median {statistics.median(times):6.1f} ms, most {max(times):6.1f} ms")
    return int(statistics.median(found["trimtab --help"]) >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
