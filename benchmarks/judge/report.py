"""The report of the judge's benchmark, as Markdown, from the figures that `run.py` kept. Names every miss."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from reference import DOUBLED_AT_HALF, FALSE_ROLLBACKS, FOUND, HEALTHY
from scipy.stats import beta, fisher_exact

Figures = dict[str, Any]
Kept = dict[str, Figures]
SCRAPE = 15
UNLIKELY = 0.001
"""Two counts differ where chance alone would make them differ so much less often than this."""


ENOUGH = 200
"""With fewer rollouts in a cell only what is surely too much is a miss."""


def upper(hits: int, runs: int) -> float:
    """The one-sided 95 % bound of Clopper and Pearson."""
    return 1.0 if hits == runs else float(beta.ppf(0.95, hits + 1, runs - hits))


def too_often(hits: int, runs: int, limit: float) -> bool:
    """Does the bound reach beyond the limit? Of few rollouts the lower bound is taken."""
    return upper(hits, runs) > limit if runs > ENOUGH else hits > 0 and float(beta.ppf(0.05, hits, runs - hits + 1)) > limit


def of(kept: Kept, section: str) -> dict[str, dict[str, Figures]]:
    """Rows and columns of a section."""
    found: dict[str, dict[str, Figures]] = {}
    for name, figures in kept.items():
        part, row, column = name.split(" | ")
        if part == section:
            found.setdefault(row, {})[column] = figures
    return found


def share(hits: int, runs: int) -> str:
    """Per cent."""
    return f"{hits / runs:.2%}".replace("%", " %")


def seconds(value: float | None) -> str:
    """A median."""
    return "-" if value is None else f"{value:.0f}"


def table(head: tuple[str, ...], lines: Iterator[tuple[str, ...]]) -> str:
    """As Markdown."""
    body = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join((f"| {' | '.join(head)} |", "|" + " --- |" * len(head), *body)) + "\n"


def false_rollbacks(kept: Kept, missed: list[str]) -> Iterator[tuple[str, ...]]:
    """R1, a line for each disturbance."""
    for row, cells in of(kept, "R1").items():
        runs, hits = (sum(cell[key] for cell in cells.values()) for key in ("runs", "rollback"))
        worst = max(cells, key=lambda column: upper(cells[column]["rollback"], cells[column]["runs"]))
        bound = upper(cells[worst]["rollback"], cells[worst]["runs"])
        doubt = max(cell["hold"] / cell["runs"] for cell in cells.values())
        asked = not row.startswith("quiet history") and "clumps: pods" not in row
        if asked and too_often(cells[worst]["rollback"], cells[worst]["runs"], 0.01):
            missed.append(
                f"R1, {row}, {worst}: bound {bound:.2%} of false rollbacks ({cells[worst]['rollback']} of {cells[worst]['runs']})"
            )
        others = [cell for cell in cells.values() if "others" in cell]
        rival = " / ".join(
            f"{max(cell[key] / cell['others'] for cell in others):.1%}" if others else "-" for key in ("thresholds", "rank test")
        )
        said = FALSE_ROLLBACKS.get(row)
        agrees = ""
        if said is not None:
            odd = fisher_exact([[hits, runs - hits], [said[0], said[1] - said[0]]]).pvalue < UNLIKELY
            agrees = f"{said[0] / said[1]:.3%}" + (" (differs)" if odd else "")
        yield (
            row,
            str(len(cells)),
            str(runs),
            f"{hits} = {hits / runs:.3%}",
            f"{cells[worst]['rollback'] / cells[worst]['runs']:.2%}, **{bound:.2%}** ({worst})",
            f"{doubt:.1%}",
            rival,
            agrees,
        )


def allowed(ratio: int, oracle: float) -> float:
    """What the issue allows for finding a regression of this size."""
    return (1.5 if ratio <= 5 else 2.5) * oracle + SCRAPE


def detection(kept: Kept, missed: list[str]) -> Iterator[tuple[str, ...]]:
    """R2, a line for each traffic and ratio."""
    for row, cells in of(kept, "R2").items():
        one, five = cells["1 canary pod"], cells.get("5 canary pods")
        ratio = int(row.split(", ")[1][:-1])
        oracle, hold = one["oracle s"], one["hold s"]
        limit = None if oracle is None else allowed(ratio, oracle)
        if limit is not None and (hold is None or hold > limit):
            missed.append(f"R2, {row}: held after {seconds(hold)} s, allowed {limit:.0f} s")
        said = FOUND.get(row)
        yield (
            row,
            seconds(oracle),
            seconds(limit),
            f"**{seconds(hold)}**",
            f"{seconds(one['rollback s'])} ({seconds(five['rollback s']) if five else '-'})",
            seconds(one["thresholds s"]),
            seconds(one["rank test s"]),
            " / ".join(f"{one[key]:.1f}" for key in ("oracle failed", "failed", "thresholds failed", "rank test failed")),
            f"{seconds(said[0])} / {seconds(said[1])}" if said else "",
        )
        harm(row, ratio, one, missed)


def harm(row: str, ratio: int, one: Figures, missed: list[str]) -> None:
    """Failed requests until the rollback, where the issue asks for them."""
    if not row.startswith("500 rps") or ratio < 5:
        return
    scrape = 500 * 0.1 * SCRAPE * 0.001 * ratio
    if one["failed"] > 2.5 * one["oracle failed"] + scrape:
        missed.append(
            f"R2, {row}: {one['failed']:.1f} failed requests until the rollback, allowed {2.5 * one['oracle failed'] + scrape:.1f}"
        )
    if one["thresholds"] * 2 > one["others"] and one["failed"] > one["thresholds failed"] / 8:
        missed.append(
            f"R2, {row}: {one['failed']:.1f} failed requests, more than an eighth of the thresholds' {one['thresholds failed']:.1f}"
        )


def promotion(kept: Kept, missed: list[str]) -> Iterator[tuple[str, ...]]:
    """R3, a line for each service."""
    for row, cells in of(kept, "R3").items():
        if "5x from the 50 % step" not in cells:
            continue  # an interrupted run
        healthy, slightly = cells["healthy"], cells["+20 %"]
        doubled = {column: cell for column, cell in cells.items() if column.startswith("2x")}
        for column, cell in doubled.items():
            if too_often(cell["promoted"], cell["runs"], 0.05):
                missed.append(f"R3, {row}, {column}: promoted with a bound of {upper(cell['promoted'], cell['runs']):.2%}")
        half = doubled["2x from the 50 % step"]
        later = [cells[f"5x from the {step} % step"] for step in (25, 50)]
        said, told = HEALTHY.get(row), DOUBLED_AT_HALF.get(row)
        odd = (
            told is not None
            and fisher_exact([[half["promoted"], half["runs"] - half["promoted"]], [round(told * 2000), 2000 - round(told * 2000)]]).pvalue
            < UNLIKELY
        )
        yield (
            row,
            f"{share(healthy['promoted'], healthy['runs'])}, **{seconds(healthy['promoted s'])}**",
            f"{share(slightly['promoted'], slightly['runs'])}, {seconds(slightly['promoted s'])}",
            " / ".join(share(cell["promoted"], cell["runs"]) for column, cell in doubled.items() if "50 %" not in column),
            f"**{share(half['promoted'], half['runs'])}** ({upper(half['promoted'], half['runs']):.2%})",
            " / ".join(f"{seconds(cell['hold s'])}, {seconds(cell['rollback s'])}" for cell in later),
            f"{said}; {told:.2%}{' (differs)' if odd else ''}" if said and told is not None else "",
        )
        if row == "clean, 5000 rps" and (healthy["promoted s"] is None or healthy["promoted s"] > 600 / 3):
            missed.append(f"R3, {row}: a healthy canary takes {seconds(healthy['promoted s'])} s, a third of a clock's 600 s is allowed")


def plain(kept: Kept, section: str, cell: Callable[[Figures], str]) -> str:
    """A section as rows and columns."""
    rows = of(kept, section)
    columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
    return table(
        ("", *columns), ((row, *(cell(cells[column]) if column in cells else "" for column in columns)) for row, cells in rows.items())
    )


def held_and_rolled(cell: Figures) -> str:
    """Medians of both."""
    return f"{seconds(cell['hold s'])} / {seconds(cell['rollback s'])}"


def shares(cell: Figures) -> str:
    """Shares, and medians where half did."""
    parts = []
    for key in ("hold", "rollback"):
        when = cell[f"{key} s"]
        parts.append(f"{cell[key] / cell['runs']:.1%}" + (f", {when:.0f}" if when is not None and cell[key] else ""))
    return " ; ".join(parts)


def ended(cell: Figures) -> str:
    """How rollouts ended."""
    return (
        f"{cell['rollback'] / cell['runs']:.2%} back, {cell['hold'] / cell['runs']:.0%} in doubt, {cell['promoted'] / cell['runs']:.1%} on"
    )


def found_broken(cell: Figures) -> str:
    """How often a promoted primary was found broken, with the bound; and how soon, where half were."""
    hits, runs, when = cell["broken"], cell["runs"], cell["broken s"]
    return f"{share(hits, runs)} ({share_bound(hits, runs)})" + (f", {when:.0f} s" if when is not None else "")


def found_in_time(cell: Figures) -> str:
    """What is wrong: how often it was found, and how soon."""
    return f"{share(cell['broken'], cell['runs'])}, {seconds(cell['broken s'])} s"


def share_bound(hits: int, runs: int) -> str:
    """The one-sided 95 % bound in per cent."""
    return f"{upper(hits, runs):.2%}".replace("%", " %")


def calm_watch(kept: Kept, missed: list[str]) -> str:
    """W1; a calm primary is not to be found broken in more than one of a hundred promotions."""
    for row, columns in of(kept, "W1").items():
        for column, cell in columns.items():
            if row.startswith("calm") and too_often(cell["broken"], cell["runs"], 0.01):
                missed.append(f"W1, {row}, {column}: bound {share_bound(cell['broken'], cell['runs'])} of false alarms")
    return plain(kept, "W1", found_broken)


SECTIONS = ("R1", "R2", "R2 cost", "R2 late", "R3", "R3 late", "R4", "R5", "R7", "R8", "W1", "W2")


def written(kept: Kept, histories: int) -> tuple[str, bool]:
    """The report, and whether a figure is missed."""
    missed: list[str] = []
    parts = {
        "R1": table(
            (
                "disturbance (no regression)",
                "cells",
                "rollouts",
                "false rollbacks, all",
                "worst cell: rate, 95 % bound",
                "false doubt, worst cell",
                "thresholds / rank test, worst",
                "judge.md",
            ),
            false_rollbacks(kept, missed),
        ),
        "R2": table(
            (
                "10 % weight, 0.1 % errors",
                "oracle, s",
                "allowed",
                "**held**",
                "rolled back (5 pods)",
                "thresholds",
                "rank test",
                "failed requests: oracle / ours / thresholds / rank test",
                "judge.md: held / rolled back",
            ),
            detection(kept, missed),
        ),
        "R2 cost": plain(kept, "R2 cost", held_and_rolled),
        "R2 late": plain(kept, "R2 late", held_and_rolled),
        "R3": table(
            (
                "steps 1-5-10-25-50 %",
                "healthy: promoted, median s",
                "+20 %",
                "2x from the start / 5 % / 10 % / 25 % step: promoted",
                "**2x from the 50 % step** (bound)",
                "5x from the 25 % / 50 % step: held, rolled back, s",
                "judge.md: healthy s; 2x from 50 %",
            ),
            promotion(kept, missed),
        ),
        "R3 late": plain(kept, "R3 late", ended),
        "R4": plain(kept, "R4", ended),
        "R5": plain(kept, "R5", shares),
        "R7": plain(kept, "R7", ended),
        "R8": plain(kept, "R8", ended),
        "W1": calm_watch(kept, missed),
        "W2": plain(kept, "W2", found_in_time),
    }
    runs, spent = sum(cell["runs"] for cell in kept.values()), sum(cell.get("cpu", 0.0) for cell in kept.values())
    verdict = "Every figure is met." if not missed else "Missed:\n\n" + "\n".join(f"- {line}" for line in missed)
    made = f"Made {time.strftime('%Y-%m-%d', time.gmtime())} by `make benchmark-judge`: {runs:,} simulated rollouts in {len(kept)} cells, "
    text = [
        "# How honest and how fast is the judge?\n",
        made + f"{spent:.0f} s of processor time, {histories} independent histories of four hours a cell.\n",
        INTRODUCTION,
        f"## Figures\n\n{verdict}\n",
    ]
    text += [f"## {TITLES[section]}\n\n{parts[section]}" for section in SECTIONS if of(kept, section)]
    return "\n".join(text), bool(missed)


INTRODUCTION = """Traffic is made up: Poisson requests, 10 primary pods, scrapes of 15 s, noise learned from the primary's own history
unless a row says that the history was quiet. "Bound" is the one-sided 95 % bound of Clopper and Pearson for one cell, not adjusted for the
number of cells. Rollouts of 60 min unless a ramp ends earlier. In R1 a cell starts with 300 rollouts and gets 1 000 where one of them was
rolled back, with an honest history 3 000 where three were; all are counted, which makes the rates of such cells a little too high and lets
the worst cells weigh most in "all", as in the design's own table with other numbers of runs. *Thresholds*: success below 99 % of a minute,
five checks, as Flagger counts them. *Rank test*: error ratios of whole minutes on a growing window, as Kayenta judges them; written anew,
40 min. *Oracle*: the sequential likelihood ratio test at 100:1 that knows the ratio. The column `judge.md` repeats what the rule's own
design measured, with other seeds; "differs" marks what chance alone explains in fewer than one of a thousand cases. W1 and W2 are the watch
after promotion by the defaults of a RolloutPolicy: looks every minute for 15 min, success above 99 %; 500 rps and 0.1 % errors unless a row
says otherwise.
"""
TITLES = {
    "R1": "R1 False rollbacks over a whole rollout",
    "R2": "R2 Detection, median seconds from the start",
    "R2 cost": "R2 What protection costs: held / rolled back at 10 %, median s",
    "R2 late": "R2 A fault that begins after ten healthy minutes at fixed weight: held / rolled back, median s after it began",
    "R3": "R3 Promotion by evidence, five canary pods unless named, no bake time",
    "R3 late": "R3 A doubling that begins in the middle of the last step",
    "R4": "R4 A harmless canary: 20 % worse, within tolerance",
    "R5": "R5 Latency at 10 %, tolerance 9 %: share held, median s ; share rolled back, median s",
    "R7": "R7 Five canary requests a minute",
    "R8": "R8 Little traffic and clumps of errors, one canary pod (not among the design's scenarios)",
    "W1": "W1 After promotion, nothing wrong with what was promoted: found broken (bound), median s where half were",
    "W2": "W2 After promotion, broken from a minute on: found, median s after promotion",
}
