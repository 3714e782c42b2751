"""What Flagger 1.44.0 did in 102 recorded scenarios, Trimtab does too, but for the departures that are declared (G1, G2)."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from .departures import DEPARTURES, UNPLAYED, Departure
from .lab_compare import differences, is_difference, of_flagger, of_trimtab, shown
from .lab_play import Play

GOLDEN = Path(__file__).parents[1] / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.yaml"))
PLAYED = [name for name in NAMES if name not in UNPLAYED]


@cache
def trace(name: str) -> dict[str, Any]:
    """A golden trace."""
    document: dict[str, Any] = yaml.load((GOLDEN / f"{name}.yaml").read_text(), yaml.CSafeLoader)
    return document


@cache
def found(name: str) -> dict[str, list[str]]:
    """Where Trimtab differs in a trace."""
    document = trace(name)
    return differences(of_flagger(document["expected"]["trace"]), of_trimtab(Play(document).run()))


def covers(row: Departure, line: str) -> bool:
    """Does a row of the table declare this line of a diff?"""
    pattern = row.flagger if line.startswith("-") else row.trimtab
    return bool(pattern) and is_difference(line) and re.search(pattern, line[1:]) is not None


def rows_of(name: str, channel: str) -> list[Departure]:
    """What is declared for a channel of a trace."""
    return [row for row in DEPARTURES if name in row.traces and row.channel == channel]


def undeclared(name: str, differs: dict[str, list[str]]) -> dict[str, list[str]]:
    """The channels with lines that no row declares."""
    return {
        channel: diff
        for channel, diff in differs.items()
        if any(is_difference(line) and not any(covers(row, line) for row in rows_of(name, channel)) for line in diff)
    }


@pytest.mark.parametrize("name", PLAYED)
def test_trimtab_does_what_flagger_did(name: str) -> None:
    left = undeclared(name, found(name))
    if left:
        pytest.fail(shown(name, left), pytrace=False)


@pytest.mark.parametrize(
    ("row", "name", "side"),
    [(row, name, side) for row in DEPARTURES for name in row.traces for side in ("flagger", "trimtab") if getattr(row, side)],
    ids=lambda value: value if isinstance(value, str) else value.channel.replace(" ", "-"),
)
def test_every_declared_departure_occurs(row: Departure, name: str, side: str) -> None:
    sign = "-" if side == "flagger" else "+"
    assert any(line.startswith(sign) and covers(row, line) for line in found(name).get(row.channel, ())), row.reason


def test_all_102_traces_are_played_or_say_why_not() -> None:
    assert len(NAMES) == 102
    assert set(UNPLAYED) <= set(NAMES) and all(UNPLAYED.values())


def test_every_played_trace_has_a_run_or_says_that_nothing_starts() -> None:
    """A comparison of nothing would always succeed."""
    for name in PLAYED:
        flagger = of_flagger(trace(name)["expected"]["trace"])
        assert len(flagger["status"]) > 1 and len(flagger["events"]) > 1, name


def test_a_difference_is_shown_with_its_channel_and_both_sides() -> None:
    flagger = of_flagger(trace("weighted-istio")["expected"]["trace"])
    changed = {**flagger, "weights": ["0", "30", *flagger["weights"][2:]]}
    left = undeclared("weighted-istio", differences(flagger, changed))
    text = shown("weighted-istio", left)
    assert "  weights\n" in text and "    -20" in text and "    +30" in text


@pytest.mark.parametrize("channel", ["status", "events", "hooks", "alerts", "weights", "pace", "workload app", "workload app-primary"])
def test_every_channel_is_compared_in_some_trace(channel: str) -> None:
    for name in PLAYED:
        lines = of_flagger(trace(name)["expected"]["trace"]).get(channel)
        if lines:
            changed = {channel: lines[:-1]}
            assert undeclared(name, differences({channel: lines}, changed))
            return
    pytest.fail(f"no trace has anything in {channel}")
