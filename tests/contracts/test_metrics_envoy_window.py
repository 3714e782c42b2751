"""Windows over counters: what is counted, from when, and what a restart of the counted does to it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.adapters.metrics.envoy_history import COARSE_SECONDS, COARSE_STEP, FINE_SECONDS, TIDY_EVERY, History
from trimtab.adapters.metrics.envoy_window import Bucket, Increase, Reading, increase, window

START = datetime(2026, 1, 2, tzinfo=UTC).timestamp()
counts = st.integers(0, 50)


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Reading], list[tuple[float, int]]]:
    """Readings of a counter, and when how many requests really happened."""
    readings, events, at, total = [], [], 0.0, 0
    for gap, happened in draw(st.lists(st.tuples(st.integers(1, 9), counts), min_size=1, max_size=30)):
        at += gap
        total += happened
        events.append((at - 0.5, happened))
        readings.append(Reading(at, total, 0))
    return readings, events


@given(stories(), st.floats(0, 300), st.floats(0, 300))
def test_nothing_from_before_the_canary_was_ready_is_counted(
    story: tuple[list[Reading], list[tuple[float, int]]], start: float, since: float
) -> None:
    readings, events = story
    counted = increase(window(readings, max(start, since), since)).requests
    assert counted <= sum(happened for at, happened in events if at > since)


@given(stories(), st.floats(0, 300))
def test_everything_since_the_reading_at_the_start_of_the_window_is_counted(
    story: tuple[list[Reading], list[tuple[float, int]]], start: float
) -> None:
    readings, events = story
    counted = increase(window(readings, start, 0)).requests
    assert counted >= sum(happened for at, happened in events if at > max(start, readings[0].at))


@given(st.lists(st.tuples(counts, counts), min_size=1), st.lists(st.tuples(counts, counts), min_size=1))
def test_a_restart_of_envoy_loses_only_what_was_not_read(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    readings, truth = [Reading(START, 0, 0)], 0
    for life in (first, second):
        good, bad = 0, 0
        for more_good, more_bad in life:
            good, bad = good + more_good, bad + more_bad
            readings.append(Reading(readings[-1].at + 1, good + bad, bad))
        truth += good + bad
        readings.append(Reading(readings[-1].at + 1, 0, 0))
    assert increase(readings).requests == truth


def test_without_requests_there_is_no_rate_and_no_duration() -> None:
    nothing = increase([Reading(START, 7, 7), Reading(START + 1, 7, 7)])
    assert (nothing.success_rate, nothing.slowest) == (None, None)
    assert increase([]) == increase([Reading(START, 1, 0)]) == Increase(0, 0, ())


def test_one_reading_with_no_reading_before_it_says_nothing_of_what_was_before_it() -> None:
    assert increase(window([Reading(START, 100, 0)], START - 60, START - 60)).requests == 0


def test_an_idle_backend_is_known_in_between_its_readings() -> None:
    readings = [Reading(0, 5, 0), Reading(100, 5, 0), Reading(101, 9, 0)]
    assert increase(window(readings, 50, 50)).requests == 4
    busy = [Reading(0, 4, 0), Reading(100, 5, 0), Reading(101, 9, 0)]
    assert increase(window(busy, 50, 50)).requests == 4
    assert increase(window(busy, 50, 0)).requests == 5


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ((Bucket(100, 150, 100),), 0.1495),
        ((Bucket(0, 10, 99), Bucket(400, 500, 1)), 0.01),
        ((Bucket(0, 10, 98), Bucket(400, 500, 2)), 0.45),
        ((Bucket(0, 0.5, 1),), 0.000495),
    ],
)
def test_the_duration_is_linear_within_a_bucket(durations: tuple[Bucket, ...], expected: float) -> None:
    assert Increase(100, 0, durations).slowest == pytest.approx(expected)


def test_readings_outlive_a_restart_and_a_torn_line(tmp_path: Path) -> None:
    file = tmp_path / "backend.jsonl"
    before = History(file)
    readings = [Reading(START + second, second, 0, (Bucket(0, 0.5, second + 1),)) for second in range(3)]
    for reading in readings:
        before.add(reading)
    with file.open("ab") as handle:
        handle.write(b"[1767312003.0,4")
    assert list(History(file).readings) == readings
    assert file.stat().st_mode & 0o077 == 0


def test_what_stays_the_same_is_kept_twice_only(tmp_path: Path) -> None:
    history = History(tmp_path / "backend.jsonl")
    for second in range(100):
        history.add(Reading(START + second, 3, 1))
    assert [reading.at - START for reading in history.readings] == [0, 99]


def test_old_readings_are_thinned_out_and_very_old_ones_dropped(tmp_path: Path) -> None:
    history = History(tmp_path / "backend.jsonl")
    history.add(Reading(START - COARSE_SECONDS, 1, 0))
    for second in range(2 * TIDY_EVERY):
        history.add(Reading(START + second, second + 2, 0))
    ages = [history.readings[-1].at - reading.at for reading in history.readings]
    assert max(ages) <= COARSE_SECONDS
    old = [age for age in ages if age > FINE_SECONDS + TIDY_EVERY]
    assert len(old) <= (2 * TIDY_EVERY - FINE_SECONDS) / COARSE_STEP + 1
    assert ages[-FINE_SECONDS:] == [float(age) for age in range(FINE_SECONDS - 1, -1, -1)]
    assert len(History(tmp_path / "backend.jsonl").readings) == len(history.readings)


def test_a_file_that_cannot_be_written_does_not_stop_the_counting(tmp_path: Path) -> None:
    history = History(tmp_path / "missing" / "backend.jsonl")
    history.add(Reading(START, 1, 0))
    assert timedelta(seconds=history.readings[0].at - START) == timedelta()
