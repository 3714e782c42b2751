"""How soon after one another passes begin while many are due at once. Pure bookkeeping with times handed in. Used by `loop`.

Canaries that get ready in the same moment would have their checks in the same moments from then on, and each of these would be late by
what all of them together need. Their grids begin with the pass that sees them ready (ADR 1), so passes that begin apart spread the checks
over the interval; a Canary that is alone with a few others notices nothing.
"""

import math
from dataclasses import dataclass

EASE = 8
"""So many passes under way are no crowd: the next one begins at once."""
APART = 0.025
"""Seconds between the beginnings of two passes in a crowd. 200 checks take 5 s so, which is half the shortest usual interval, and leave
an API server on one core time for the three writes of each."""


@dataclass
class Pace:
    """Remembers when the last pass began, in seconds of a clock that nobody sets."""

    last: float = -math.inf

    def rest(self, under_way: int, seconds: float) -> float:
        """Seconds until one more pass may begin beside those under way."""
        return 0.0 if under_way < EASE else max(0.0, self.last + APART - seconds)

    def begins(self, seconds: float) -> None:
        """A pass begins now."""
        self.last = seconds
