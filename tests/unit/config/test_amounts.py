"""How many times as much, for amounts as they are written in configuration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.config.amounts import factor, factor_in_text, shown_factor
from trimtab.config.trees import Scalar


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (10, 20, 2),
        (10, 2.5, 0.25),
        ("10", "20", 2),
        ("1.5", 3, 2),
        ("500ms", "5s", 10),
        ("1h30m", "90m", 1),
        ("1d", "12h", 0.5),
        ("250µs", "1ms", 4),
        ("64Mi", "128Mi", 2),
        ("1Gi", "512Mi", 0.5),
        ("1MB", "1GB", 1000),
        ("1 GiB", "512 MiB", 0.5),
        ("1024", "1Ki", 1),
        ("500m", "1", 2),
        ("500m", "2h", 0.24),
        ("10%", "50%", 5),
        ("1e3", "2e3", 2),
        ('"10"', '"20"', 2),
        (-2, -4, 2),
    ],
)
def test_amounts_of_one_kind_have_a_factor(old: Scalar, new: Scalar, expected: float) -> None:
    assert factor(old, new) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (0, 5),
        (5, 0),
        (-1, 1),
        ("5s", 5),
        ("10%", "10"),
        ("1KB", "1024"),
        (True, False),
        (True, 2),
        (None, 1),
        ("", "1"),
        ("1.2.3", "1.2.4"),
        ("v1", "v2"),
        ("5x", "6x"),
        ("1ib", "2ib"),
        ("9" * 500, "1"),
        (10**400, 1),
        (1e-300, 1e300),
        (float("nan"), 1.0),
        (float("inf"), 1.0),
    ],
)
def test_what_cannot_be_compared_has_no_factor(old: Scalar, new: Scalar) -> None:
    assert factor(old, new) is None


@given(st.one_of(st.text(max_size=12), st.floats(), st.integers(), st.booleans(), st.none()), st.text(max_size=12))
def test_no_value_is_an_exception(old: Scalar, new: Scalar) -> None:
    factor(old, new)
    factor(new, old)


def test_a_line_has_a_factor_where_one_word_of_it_changed() -> None:
    assert factor_in_text("worker_connections 512;", "worker_connections 1024;") == 2
    assert factor_in_text("timeout=5s retries=1", "timeout=10s retries=1") == 2
    assert factor_in_text("a 1 2", "a 2 4") is None
    assert factor_in_text("a 1", "a 1 2") is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [(2, "x2"), (0.5, "x0.5"), (1 / 3, "x0.333"), (999.7, "x1000"), (12345, "x12300"), (1e-7, "x1e-07"), (1e20, "x1e+20")],
)
def test_factors_are_shown_with_three_digits(value: float, shown: str) -> None:
    assert shown_factor(value) == shown
