"""Many rollouts at once, held against fixed limits as Flagger does it (flagger.md 2.5, SM-25). Called by `runs`.

Checks look at the canary alone, once an interval. A failed one keeps the weight as it is and is never forgotten; one interval after the
last that is allowed, traffic goes back.
"""

from dataclasses import dataclass

import numpy as np

from trimtab.analysis.backtest.placebo import Places, Regression, Trials, natural, weighted, worsened
from trimtab.analysis.backtest.recording import Windows
from trimtab.analysis.backtest.trialled import Candidate, End, Ended, Thresholds
from trimtab.analysis.ledger import Array, Flags


@dataclass(slots=True, eq=False)
class Checked:
    """Where each trial stands; all of shape (trials,), changed in place."""

    step: Places
    failed: Places
    over: Flags
    ended: Ended


def held_against_thresholds(
    windows: Windows, trials: Trials, candidate: Candidate, regression: Regression, chance: np.random.Generator
) -> Ended:
    """What the candidate's thresholds would have made of these trials."""
    limits, recording = candidate.thresholds, windows.recording
    assert limits is not None
    number, weights = len(trials.window), np.asarray(candidate.weights)
    place = recording.place(regression.metric) if regression.metric else 0
    zero = np.zeros(number, dtype=np.int64)
    ended = Ended(
        zero.copy(), np.full(number, windows.scrapes * recording.interval), np.full(number, np.inf), np.zeros(number), trials.window
    )
    state = Checked(zero.copy(), zero.copy(), np.zeros(number, dtype=np.bool_), ended)
    every = max(1, round(limits.interval / recording.interval))
    sums = np.zeros((number, len(recording.metrics), 2))
    for scrape in range(windows.scrapes):
        starts = np.asarray(windows.starts)[trials.window] + scrape
        bad = (state.step >= regression.from_step) & (scrape * recording.interval >= regression.after)
        for row, metric in enumerate(recording.metrics):
            arms = natural(metric, starts, trials, max(1, trials.canaries))
            canary, _ = weighted(arms, trials, weights[state.step], chance)
            if row == place:
                canary, added = worsened(canary, bad, metric, regression, chance)
                ended.hurt[:] += np.where(state.over, 0.0, added)
            sums[:, row] += np.stack((np.sum(canary[..., metric.bad_from :], axis=(1, 2)), np.sum(canary, axis=(1, 2))), axis=-1)
        if (scrape + 1) % every == 0:
            check(state, sums, limits, len(weights), (scrape + 1) * recording.interval)
            sums[:] = 0
        if np.all(state.over):
            break
    return ended


def check(state: Checked, sums: Array, limits: Thresholds, steps: int, now: float) -> None:
    """One check of every trial."""
    ended, going = state.ended, ~state.over
    back = going & (state.failed >= limits.failures)
    finish(state, back, End.ROLLED_BACK, now)
    going &= ~back
    # Without a request there is no value, which is a failed check.
    passed = np.all((sums[..., 0] <= limits.limit * sums[..., 1]) & (sums[..., 1] > 0), axis=-1)
    failed = going & ~passed
    state.failed += failed
    ended.doubted[failed] = np.minimum(ended.doubted[failed], now)
    going &= passed & (state.failed < limits.failures)
    finish(state, going & (state.step >= steps - 1), End.PROMOTED, now)
    state.step += going & (state.step < steps - 1)


def finish(state: Checked, which: Flags, end: End, now: float) -> None:
    """These end now."""
    state.over |= which
    state.ended.end[which], state.ended.at[which] = int(end), now
