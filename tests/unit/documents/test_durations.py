"""Durations as Go writes them."""

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.documents.durations import parse_duration
from trimtab.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", timedelta(seconds=30)),
        ("1m30s", timedelta(seconds=90)),
        ("1.5h", timedelta(minutes=90)),
        (".5s", timedelta(milliseconds=500)),
        ("1.s", timedelta(seconds=1)),
        ("10ms", timedelta(milliseconds=10)),
        ("5us", timedelta(microseconds=5)),
        ("5µs", timedelta(microseconds=5)),
        ("1999ns", timedelta(microseconds=1)),
        ("0", timedelta()),
        ("-1m", timedelta(minutes=-1)),
        ("+1m", timedelta(minutes=1)),
        ("30s1m", timedelta(seconds=90)),
    ],
)
def test_durations_are_read_as_go_reads_them(text: str, expected: timedelta) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize("text", ["", "5", "1d", "5s30", "1m 30s", "s", "-", "1e3s", "٣s", "1m30", "30S", " 30s"])
def test_what_go_refuses_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InputError, match="1m30s"):
        parse_duration(text)


def test_a_duration_beyond_go_is_refused() -> None:
    with pytest.raises(InputError, match="292 years"):
        parse_duration("9999999h")


@given(st.integers(0, 10_000), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_parts_add_up(hours: int, minutes: int, seconds: int, milliseconds: int) -> None:
    expected = timedelta(hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)
    assert parse_duration(f"{hours}h{minutes}m{seconds}s{milliseconds}ms") == expected


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_an_input_error(text: str) -> None:
    with contextlib.suppress(InputError):
        assert isinstance(parse_duration(text), timedelta)
