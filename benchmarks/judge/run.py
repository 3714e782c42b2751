"""Plays the judge's scenarios against made-up traffic and writes the report.

PYTHONPATH=tests python benchmarks/judge/run.py [--short] [--only R1,R2] [--seconds 120] [--results FILE] [--report FILE]

Figures are kept in the results file, cell by cell; cells that are in it are not played again, so that a run can be cut into pieces.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from afterwards import WatchCell, broken, nothing_wrong, watched
from report import written
from scenarios import SECTIONS, Cell

from calibration import latencies, rivals
from calibration.latencies import Latency
from calibration.plays import HISTORIES, NEVER, RULES, Ends, known_of, play
from calibration.worlds import World
from trimtab.analysis.counts import Known

HERE = Path(__file__).resolve().parent
EVERY: dict[str, Callable[[bool], Iterator[Cell | WatchCell]]] = {**SECTIONS, "W1": nothing_wrong, "W2": broken}
Figures = dict[str, Any]


@lru_cache(maxsize=4)
def known(world: World, clumps: str, seed: int) -> Known:
    """Histories, drawn once for all cells of a row."""
    return known_of(world, replace(RULES, clumps=clumps), seed)


@lru_cache(maxsize=4)
def learned(world: Latency, seed: int) -> latencies.Learned:
    """The same for latency."""
    return latencies.learned(world, seed)


def seed_of(cell: Cell, round_: int) -> int:
    """Cells of one row differ by their column."""
    column = sum(ord(letter) * (place + 1) for place, letter in enumerate(cell.column))
    return (cell.seed + 100_000 * round_) * 10_000 + column % 10_000


def once(cell: Cell, runs: int, round_: int) -> Ends:
    """Plays it."""
    if isinstance(cell.world, Latency):
        about = learned(cell.world, cell.history_seed)
        return latencies.play(cell.world, cell.plan.weight, cell.plan.minutes, runs, seed_of(cell, round_), about, cell.shift)
    history = replace(cell.history or cell.world, canary_pods=1)
    rules = replace(RULES, clumps=cell.clumps)
    return play(cell.world, cell.plan, runs, seed_of(cell, round_), known(history, cell.clumps, cell.seed + 7), cell.fault, rules)


def middle(seconds: np.ndarray) -> float | None:
    """The median; None where half of the runs never did."""
    found = float(np.median(seconds))
    return found if np.isfinite(found) else None


def figures(every: list[Ends]) -> Figures:
    """What is kept of a cell."""
    joined = {name: np.concatenate([getattr(ends, name) for ends in every]) for name in ("rollback", "hold", "promoted", "failed")}
    times = {name: np.concatenate([ends.seconds(name) for ends in every]) for name in ("rollback", "hold", "promoted")}
    found: Figures = {"runs": len(joined["hold"]), "failed": float(joined["failed"].mean())}
    for name, seconds in times.items():
        found[name] = int((joined[name] < NEVER).sum())
        found[f"{name} s"] = middle(seconds)
    return found


def played(cell: Cell, short: bool) -> Figures:
    """All figures of a cell; false rollbacks are looked for in more runs where some were found."""
    runs = max(100, cell.runs // 5) if short else cell.runs
    every = [once(cell, runs, 0)]
    if cell.section == "R1" and not short:
        if sum(int((ends.rollback < NEVER).sum()) for ends in every):
            every.append(once(cell, 1000 - runs, 1))
        if cell.history is None and sum(int((ends.rollback < NEVER).sum()) for ends in every) >= 3:
            every.append(once(cell, 2000, 2))
    return figures(every) | (others(cell, runs) if wants_others(cell) else {})


def wants_others(cell: Cell) -> bool:
    """Where thresholds, the rank test and the oracle are played as well."""
    if cell.section == "R2":
        return cell.column == "1 canary pod"
    common = ("500 rps, 0.10%, ", "5000 rps, 0.10%, ")
    return cell.section == "R1" and cell.column in {f"{start}fixed {weight}" for start in common for weight in ("1%", "10%", "50%")}


def others(cell: Cell, runs: int) -> Figures:
    """The same traffic by other rules."""
    assert isinstance(cell.world, World)
    minutes = 40 if cell.section == "R1" else round(cell.plan.minutes)
    both = rivals.series(cell.world, cell.plan.weight, min(runs, 500), minutes * 4, cell.seed, cell.fault)
    found: Figures = {"others": len(both)}
    rules = {"thresholds": rivals.thresholds(both), "rank test": rivals.rank_test(both)}
    if cell.fault.ratio > 1:
        rules["oracle"] = rivals.oracle(both, cell.fault.ratio)
    for name, when in rules.items():
        found[name] = int((when < NEVER).sum())
        found[f"{name} s"] = middle(np.where(when < NEVER, when * 15.0, np.inf))
        found[f"{name} failed"] = float(rivals.failed_until(both, when).mean())
    return found


def main() -> int:
    """Plays, keeps, reports; 1 where a figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="a fifth of the runs, and fewer scenarios")
    parser.add_argument("--only", default=",".join(EVERY), help="which sections")
    parser.add_argument("--seconds", type=float, default=np.inf, help="stop after so long")
    parser.add_argument("--part", default="1/1", help="only every so many-th cell, as 1/2 and 2/2 for two processes")
    parser.add_argument("--results", type=Path, help="where figures are kept between runs")
    parser.add_argument("--report", type=Path, help="where the report goes (default: standard output)")
    options = parser.parse_args()
    kept: dict[str, Figures] = {}
    if options.results and options.results.exists():
        kept = json.loads(options.results.read_text())
    part, parts = (int(each) for each in options.part.split("/"))
    began = time.monotonic()
    for section in options.only.split(","):
        for number, cell in enumerate(EVERY[section](options.short)):
            if cell.name in kept or number % parts != part - 1:
                continue
            if time.monotonic() - began > options.seconds:
                print(f"{len(kept)} cells so far; to be continued", file=sys.stderr)
                return 0
            start = time.process_time()
            found = watched(cell) if isinstance(cell, WatchCell) else played(cell, options.short)
            kept[cell.name] = found | {"cpu": round(time.process_time() - start, 2)}
            if options.results:
                options.results.write_text(json.dumps(kept))
    if parts > 1:
        print(f"part {part} of {parts}: {len(kept)} cells; put the results files together and run once more with --results for the report")
        return 0
    text, missed = written(kept, HISTORIES)
    if options.report:
        options.report.write_text(text)
    else:
        print(text)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
