"""What became of rollouts that were replayed, and the policy that did it. Made by `replay` and `thresholds`, read by `runs`."""

from dataclasses import dataclass
from enum import IntEnum

from trimtab.analysis.backtest.placebo import Places
from trimtab.analysis.ledger import Array
from trimtab.model.judging import JudgeRules


class End(IntEnum):
    """How a replayed rollout ended."""

    UNDECIDED = 0
    """The window, or a deadline, was over first."""
    ROLLED_BACK = 1
    PROMOTED = 2


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Flagger's: the canary alone is held against fixed limits, and failed checks are counted (SM-25)."""

    interval: float = 60.0
    """Seconds between checks; each looks at the requests of one interval."""
    failures: int = 5
    limit: float = 0.01
    """The largest share of bad requests that passes."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One policy to try. Either `rules` or `thresholds`; weights are fractions of all requests."""

    name: str
    weights: tuple[float, ...]
    rules: JudgeRules | None = None
    thresholds: Thresholds | None = None
    step: float | None = None
    """Seconds that a step lasts; None: as long as the evidence needs."""


@dataclass(frozen=True, slots=True, eq=False)
class Ended:
    """Of each trial; all of shape (trials,), times in seconds from the start."""

    end: Places
    at: Array
    """When traffic had gone back, or was promoted, or the replay ended."""
    doubted: Array
    """When it was first held, or a check first failed; infinite if never."""
    hurt: Array
    """Requests that failed because of the regression until then."""
    window: Places
