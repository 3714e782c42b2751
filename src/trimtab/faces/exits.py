"""How the program ends (DESIGN §7). Errors carry their own code: 2, 6 or 70."""

DONE = 0
"""Done, or promoted."""
FAILED = 1
"""A failed verdict, rolled back, refused."""
INCONCLUSIVE = 3
WAITING = 4
"""For a person."""
TIMED_OUT = 5
BUG = 70
INTERRUPTED = 130
"""A signal came before what was waited for."""
