"""Counters from CSV files, as people export them for `trimtab plan` and `trimtab backtest`. Called by `wiring`.

One line for each counter of each pod at each scrape. Columns: `time` (seconds since 1970, or RFC 3339 with a time zone), `pod`, `counter`
(its name), `value` (as it stood), and `arm` (canary or primary) or `workload`; without either all pods are the primary's. Every other
column is a label; `le` makes a histogram's bucket.
"""

import contextlib
import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from trimtab.analysis.recipes import BOUND, Found
from trimtab.errors import DocumentError
from trimtab.model.scrapes import Arm

NEEDED = ("time", "counter", "value")
ARM, WORKLOAD, PRIMARY = "arm", "workload", "-primary"
MANY_FALLS = 0.1
"""A counter that falls in so many of its steps is none."""
FEW = 20
LATEST = 1e11
"""Seconds; the year 5138."""

Labels = tuple[tuple[str, str], ...]


def read(files: Sequence[Path]) -> list[Found]:
    """All series of these files together. DocumentError, with file and line, for what cannot be read."""
    points: dict[Labels, list[tuple[float, float]]] = defaultdict(list)
    for file in files:
        for labels, moment, value in lines(file):
            points[labels].append((moment, value))
    found = [series(labels, pairs, files) for labels, pairs in points.items()]
    if not found:
        raise DocumentError("holds no counters", file=str(files[0]) if files else "")
    return told_apart(found, str(files[0]))


def lines(file: Path) -> Iterator[tuple[Labels, float, float]]:
    """Labels, time and value of every line."""
    try:
        with open(file, encoding="utf-8-sig", newline="") as handle:
            reader = csv.reader(handle, strict=True)
            header = [name.strip() for name in next(reader, [])]
            headed(header, file)
            for row in reader:
                if row:
                    yield line(dict(zip(header, row, strict=False)), len(row) == len(header), file, reader.line_num)
    except UnicodeDecodeError:
        raise DocumentError("is not UTF-8 text", file=str(file)) from None
    except csv.Error as error:
        raise DocumentError(f"is not CSV: {error}", file=str(file), line=reader.line_num) from None
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", file=str(file)) from None


def headed(header: list[str], file: Path) -> None:
    """The columns that must be there."""
    for name in NEEDED:
        if name not in header:
            there = ", ".join(header) or "none"
            raise DocumentError(
                f"the first line must name the columns, and there is no {name!r}; there are: {there}", file=str(file), line=1
            )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DocumentError(f"the column {twice[0]!r} is there twice", file=str(file), line=1)


def line(row: dict[str, str], complete: bool, file: Path, number: int) -> tuple[Labels, float, float]:
    """One line."""
    try:
        if not complete:
            raise ValueError("has not as many fields as the first line names columns")
        moment, value = seconds(row.pop("time").strip()), count(row.pop("value").strip())
        labels = {"__name__": row.pop("counter").strip()} | {name: text.strip() for name, text in row.items() if text.strip()}
        if labels.get(ARM, Arm.PRIMARY) not in tuple(Arm):
            raise ValueError(f"{ARM} is {labels[ARM]!r}; it must be canary or primary")
        if BOUND in labels:
            count(labels[BOUND], BOUND)
    except ValueError as error:
        raise DocumentError(str(error), file=str(file), line=number) from None
    return tuple(sorted(labels.items())), moment, value


def count(text: str, column: str = "value") -> float:
    """What a counter stood at, or the bound of a bucket. ValueError in words."""
    try:
        found = float(text)
    except ValueError:
        raise ValueError(f"{column} is {text!r}; a number is needed") from None
    if math.isnan(found) or found < 0 or (math.isinf(found) and column != BOUND):
        raise ValueError(f"{column} is {text!r}; a number that is not negative is needed")
    return found


def seconds(text: str) -> float:
    """A time as seconds since 1970. ValueError in words."""
    found: float | None = None
    with contextlib.suppress(ValueError):
        found = float(text)
    if found is not None:
        if not 0 <= found < LATEST:
            raise ValueError(f"time is {text!r}; it must be in seconds since 1970, not in milliseconds")
        return found
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"time is {text!r}; it must be seconds since 1970 or like 2026-01-02T15:04:05Z") from None
    if moment.tzinfo is None:
        raise ValueError(f"time is {text!r} without a time zone; add Z for UTC")
    return moment.timestamp()


def series(labels: Labels, pairs: list[tuple[float, float]], files: Sequence[Path]) -> Found:
    """One counter in order of time."""
    points = np.asarray(sorted(pairs), dtype=np.float64)
    times, values = points[:, 0], points[:, 1]
    name = " ".join(text for _, text in labels)
    if np.any(np.diff(times) == 0):
        when = float(times[np.argmax(np.diff(times) == 0)])
        raise DocumentError(f"{name} is there twice at {when:.0f} s", file=str(files[0]))
    falls = int(np.sum(np.diff(values) < 0))
    if len(values) >= FEW and falls > MANY_FALLS * len(values):
        raise DocumentError(
            f"{name} falls in {falls} of {len(values) - 1} steps, and a counter only grows. Record the counter itself, not its rate",
            file=str(files[0]),
        )
    return Found(dict(labels), times, values)


def told_apart(found: list[Found], file: str) -> list[Found]:
    """Every series with its arm. Of workloads those called NAME-primary are the primary; where there is none, all are."""
    workloads = {each.labels[WORKLOAD] for each in found if WORKLOAD in each.labels}
    primaries = {name for name in workloads if name.endswith(PRIMARY)}
    targets = {name.removesuffix(PRIMARY) for name in primaries} or workloads
    if len(targets) > 1:
        raise DocumentError(f"holds several workloads: {', '.join(sorted(targets))}. Keep one, and its primary", file=file)
    for name in sorted(workloads - primaries - targets):
        raise DocumentError(f"holds the workload {name!r} beside {sorted(targets)[0]!r}. Keep one, and its primary", file=file)
    return [Found({ARM: arm_of(each.labels.get(WORKLOAD, ""), primaries), **each.labels}, each.times, each.values) for each in found]


def arm_of(workload: str, primaries: Iterable[str]) -> str:
    """Of a series that does not say it."""
    return Arm.CANARY if workload and primaries and workload not in primaries else Arm.PRIMARY
