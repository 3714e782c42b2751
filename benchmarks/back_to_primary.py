"""How long from the last allowed bad check to no canary traffic? Run it by hand: `PYTHONPATH=tests python benchmarks/back_to_primary.py`.

A real `trimtab up`; each change makes all requests of the canary fail, and the first bad check is one too many. Measured from the
moment of that check, as the journal has it, to the last answer of the canary that a client saw. Compared with what one more
interval would take, which is when Flagger goes back.
"""

import statistics
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from e2e.documents import SUCCESS, bad, shop
from e2e.harness import Load, Place, free_port, place

ROUNDS = 15
LIMIT = 1.0
"""Seconds."""
INTERVAL = 2


def check_to_primary(here: Place, load: Load, number: int) -> tuple[float, int]:
    """Seconds from the check to the last answer of the canary, and how many answers the canary gave."""
    text = f"bad-{number}"
    begin = len(load.answers)
    here.repository.commit({"settings.yaml": bad(text)})
    run = here.outcome(number)
    assert run["outcome"] == "RolledBack", run["why"]
    story = here.json("show", str(number))["timeline"]
    check = next(entry for entry in story if entry["text"].startswith("Halt "))
    failed = [found.at for found in load.answers[begin:] if found.status == 504]
    return max(failed) - datetime.fromisoformat(check["at"]).timestamp(), len(failed)


def main() -> int:
    """Measures and prints; 1 where the figure is missed."""
    rules = {"interval": f"{INTERVAL}s", "threshold": 1, "stepWeights": [50], "metrics": [SUCCESS]}
    with tempfile.TemporaryDirectory() as folder, place(Path(folder)) as here:
        here.repository.commit(shop(free_port(), rules))
        here.up()
        here.outcome(1)
        with Load(here.port(), rate=300, clients=6) as load:
            found = [check_to_primary(here, load, number) for number in range(2, ROUNDS + 2)]
    times = [seconds for seconds, _ in found]
    print(f"bad check to 0 % canary traffic  median {statistics.median(times):.3f} s, most {max(times):.3f} s, {len(times)} times")
    print(f"one interval later (Flagger)     {INTERVAL} s")
    print(f"lost                             {len(load.lost())} of {len(load.answers)} requests")
    return int(max(times) >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
