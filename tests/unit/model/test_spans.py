"""How long something takes, told in one way everywhere."""

import math
from datetime import timedelta

import pytest

from trimtab.model.spans import spoken


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"), (0.24, "0.2 s"), (0.96, "1 s"), (45, "45 s"), (119.6, "2 min"), (270, "4 min 30 s"), (1215, "20 min"),
        (6000, "100 min"), (7185, "2 h"), (7500, "2 h 5 min"), (90000, "25 h"), (450000, "5 days"), (math.inf, "more time than there is"),
    ],
)  # fmt: skip
def test_times_are_told_as_people_say_them(seconds: float, words: str) -> None:
    assert spoken(seconds) == words
    assert math.isinf(seconds) or spoken(timedelta(seconds=seconds)) == words
