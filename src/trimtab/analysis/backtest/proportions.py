"""How sure a share is that was counted: limits of Clopper and Pearson. Called by `runs`; checked against SciPy in tests."""

import math

HALVINGS = 60


def upper(events: int, trials: int, error: float = 0.05) -> float:
    """The largest share of which so few events are not rarer than `error`: one-sided, 1 without trials."""
    if trials <= 0 or events >= trials:
        return 1.0
    low, high = events / trials, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if at_most(events, trials, middle) > error else (low, middle)
    return high


def at_most(events: int, trials: int, share: float) -> float:
    """The chance of at most so many events."""
    if share <= 0:
        return 1.0
    if share >= 1:
        return float(events >= trials)
    logs = [log_chance(found, trials, share) for found in range(events + 1)]
    top = max(logs)
    return min(1.0, math.exp(top) * sum(math.exp(each - top) for each in logs))


def log_chance(events: int, trials: int, share: float) -> float:
    """The logarithm of the chance of exactly so many."""
    ways = math.lgamma(trials + 1) - math.lgamma(events + 1) - math.lgamma(trials - events + 1)
    return ways + events * math.log(share) + (trials - events) * math.log1p(-share)
