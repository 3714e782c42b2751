"""The watch after promotion: by which rule, what one look found, and what is known so far. In the policy, in facts and in the record.

Made by `documents` and `control`, decided by `rollout.afterwards`. It needs no second copy: restarts, readiness, absolute limits.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class WatchRules:
    """By which rule the primary is watched after promotion (ADR 19). Shares are fractions."""

    undo: bool = False
    """Goes back to the revision before; else people are told how to."""
    lasts: timedelta = timedelta(minutes=15)
    looks: int = 3
    """In so many looks in a row something has to be broken; one look is every interval of the Canary."""
    restarts: int = 3
    restarts_of_pods: float = 0.1
    """So many restarts of containers since promotion, and for so large a share of its pods, are too many."""
    ready: float = 0.75
    """At least this share of the pods has to be ready: of as many as there were to be at promotion, or are to be now, if that is fewer."""


@dataclass(frozen=True, slots=True)
class PodRestarts:
    """How often the containers of one pod were started again in its life."""

    pod: str
    count: int


@dataclass(frozen=True, slots=True)
class Restarts:
    """Of all pods of a copy; those that never were are left out. `problem`: why nobody knows."""

    pods: tuple[PodRestarts, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """One thing in one look. `good` is None where nothing is known of it: that is neither broken nor fine."""

    what: str
    good: bool | None
    said: str = ""
    """What was seen, or why nothing is known."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the promoted primary found, besides its readiness."""

    restarts: Restarts = Restarts()
    checked: tuple[Checked, ...] = ()
    upto: datetime | None = None
    """The newest scrape in it."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One thing over all looks."""

    what: str
    broken: int = 0
    """In so many looks in a row, the newest that said anything among them."""
    known: int = 0
    """Looks that said something of it."""
    unknown: int = 0
    said: str = ""
    """Of the newest look in which it was broken or unknown."""


@dataclass(frozen=True, slots=True)
class Watch:
    """The watch of one attempt. Over once `ended` is there; the primary is gone back from where it is broken and `ended` is not."""

    began: datetime
    until: datetime
    pods: int
    """That the primary was to have at promotion."""
    looks: int = 0
    restarts: int = 0
    """Since the first look that could count them."""
    counts: tuple[PodRestarts, ...] | None = None
    """At the newest look that could count them; None before there was one."""
    seen: tuple[Watched, ...] = ()
    upto: datetime | None = None
    """The newest scrape that was counted."""
    broken: str = ""
    """What was found broken, in words."""
    stopped: str = ""
    """Why it was left off early."""
    ended: datetime | None = None
