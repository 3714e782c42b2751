"""The watch after promotion in the judge's benchmark: what is played, and what is kept of it. Called by `run.py`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from calibration.aftermath import Primary, play

NOTHING_WRONG = {
    "calm: a pod restarts once a day, is not ready twice a day for 45 s": {},
    "restless: restarts 10 times a day": {"restarts": 10.0},
    "not ready 20 times a day for 2 min": {"lapses": 20.0, "lapse": 120.0},
    "2 rps, 0.5 % errors": {"rps": 2.0, "errors": 0.005},
    "0.05 rps": {"rps": 0.05},
    "incident x20 for 2 min": {"incident": 20.0},
    "incident x20 for 5 min": {"incident": 20.0, "lasts": 300.0},
}
BROKEN = {
    "all pods crash": {"crashing": 1.0},
    "a third of the pods crashes": {"crashing": 0.34},
    "half of the pods are not ready": {"unready": 0.5},
    "2 % of the requests fail": {"failing": 0.02},
}
PODS = (3, 10, 100)


@dataclass(frozen=True)
class WatchCell:
    """One simulation."""

    section: str
    row: str
    primary: Primary
    runs: int

    @property
    def name(self) -> str:
        """By which its figures are kept."""
        return f"{self.section} | {self.row} | {self.primary.pods} pods"


def nothing_wrong(short: bool) -> Iterator[WatchCell]:
    """False alarms, or with `undo` false rollbacks."""
    yield from cells("W1", NOTHING_WRONG, 200 if short else 2000)


def broken(short: bool) -> Iterator[WatchCell]:
    """How soon what is wrong is found."""
    yield from cells("W2", BROKEN, 100 if short else 300)


def cells(section: str, rows: dict[str, dict[str, float]], runs: int) -> Iterator[WatchCell]:
    """Of every row, with few and with many pods."""
    for row, what in rows.items():
        for pods in PODS:
            yield WatchCell(section, row, Primary(pods=pods, **what), runs)


def watched(cell: WatchCell) -> dict[str, Any]:
    """Its figures."""
    seed = sum(ord(letter) * (place + 1) for place, letter in enumerate(cell.name))
    found = play(cell.primary, cell.runs, seed)
    median = float(np.median(found))
    return {"runs": cell.runs, "broken": int(np.isfinite(found).sum()), "broken s": median if np.isfinite(median) else None}
