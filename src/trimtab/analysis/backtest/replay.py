"""Many rollouts at once, judged by the rule scrape by scrape (judge.md 2, 3). Called by `runs`.

A scrape is closed one interval late, as in production: what is decided on it takes effect after one more scrape, which counts as evidence
against the canary, but earns nothing. After its end a trial is not followed: what would have happened then was not recorded.
"""

from dataclasses import dataclass, replace

import numpy as np

from trimtab.analysis.backtest import lines as series
from trimtab.analysis.backtest.lines import Evidence, Judged, Lines, Shown
from trimtab.analysis.backtest.placebo import Places, Regression, Trials, idle, natural, weighted, worsened
from trimtab.analysis.backtest.recording import Recording, Windows
from trimtab.analysis.backtest.trialled import Candidate, End, Ended
from trimtab.analysis.ledger import Array, Flags
from trimtab.analysis.packing import taken
from trimtab.analysis.verdicts import CALLS, calls
from trimtab.model.ruling import Ruling

BACK, GO_ON, HELD = (CALLS.index(each) for each in (Ruling.ROLLBACK, Ruling.GO_ON, Ruling.HOLD))
SPARSE = 0.7
"""When fewer than this share of trials still run, those that ended are dropped from the arrays."""


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """What all trials of a replay share."""

    windows: Windows
    candidate: Candidate
    about: Judged
    regression: Regression
    chance: np.random.Generator
    left_out: int
    """How many groups of canary pods are left out in turn."""

    @property
    def recording(self) -> Recording:
        """What is replayed."""
        return self.windows.recording

    @property
    def place(self) -> int:
        """The metric of the regression."""
        return self.recording.place(self.regression.metric) if self.regression.metric else 0


@dataclass(frozen=True, slots=True, eq=False)
class Running:
    """Trials that have not ended; arrays of shape (trials,) but for evidence."""

    number: Places
    """Which trial it is."""
    trials: Trials
    evidence: Evidence
    lines: Lines
    step: Places
    began: Array
    """Seconds at which its step took effect."""
    doubted: Array
    hurt: Array

    def some(self, places: Places) -> "Running":
        """A part of them."""
        return Running(
            self.number[places],
            self.trials.some(places),
            taken(self.evidence, places),
            taken(self.lines, places),
            self.step[places],
            self.began[places],
            self.doubted[places],
            self.hurt[places],
        )


def replayed(
    windows: Windows, about: Judged, trials: Trials, candidate: Candidate, regression: Regression, chance: np.random.Generator
) -> Ended:
    """What the candidate's rules would have made of these trials; `about` is what they make of each window's history."""
    constants = about.rules.constants
    left_out = min(trials.canaries, constants.left_out_groups) if trials.canaries >= constants.least_pods else 0
    stage = Stage(windows, candidate, about, regression, chance, left_out)
    number = len(trials.window)
    zero = np.zeros(number)
    evidence = series.start(number, about, constants.left_out_groups if left_out else 0)
    running = Running(
        np.arange(number), trials, evidence, taken(about.lines, trials.window), np.zeros(number, dtype=np.int64), zero, zero + np.inf,
        zero.copy(),
    )  # fmt: skip
    return play(stage, running)


def play(stage: Stage, running: Running) -> Ended:
    """Until every trial has ended or the windows are over."""
    number = len(running.number)
    ended = Ended(
        np.zeros(number, dtype=np.int64), np.zeros(number), np.full(number, np.inf), np.zeros(number), running.trials.window.copy()
    )  # fmt: skip
    interval = stage.recording.interval
    leaving = np.full(number, -1, dtype=np.int64)
    alive = np.ones(number, dtype=np.bool_)
    for scrape in range(stage.windows.scrapes):
        now = (scrape + 1) * interval
        running, call = scraped(stage, running, scrape, leaving < 0)
        over = (leaving >= 0) & alive
        settle(ended, running, (over, leaving), now)
        alive &= ~over
        leaving = np.where(alive & (leaving < 0), decided(stage, running, call, now + interval), leaving)
        running = advanced(stage, running, alive & (leaving < 0) & goes_on(stage, running, call, now + interval), now + interval)
        if np.mean(alive) < SPARSE:
            kept = np.flatnonzero(alive)
            running, leaving, alive = running.some(kept), leaving[kept], alive[kept]
        if not alive.size:
            break
    settle(ended, running, (alive, np.maximum(leaving, int(End.UNDECIDED))), stage.windows.scrapes * interval)
    return ended


def settle(ended: Ended, running: Running, over: tuple[Flags, Places], at: float) -> None:
    """Writes down how these trials ended."""
    which, how = over
    number = running.number[which]
    ended.end[number], ended.at[number] = how[which], at
    ended.doubted[number], ended.hurt[number] = running.doubted[which], running.hurt[which]


def scraped(stage: Stage, running: Running, scrape: int, open_still: Flags) -> tuple[Running, Places]:
    """One more scrape of each, and what the evidence then calls for."""
    rules, interval = stage.about.rules, stage.recording.interval
    now = (scrape + 1) * interval
    warming = now <= rules.warmup.total_seconds()
    shown, added = sight(stage, running, scrape)
    evidence = series.counted(running.evidence, shown, running.lines, stage.about, warming)
    running = replace(running, evidence=evidence, hurt=running.hurt + added)
    odds = series.odds(evidence, running.lines, stage.about, stage.left_out)
    doubtful = (odds.worse >= np.log(rules.hold_odds)) & open_still & np.isinf(running.doubted)
    running = replace(running, doubted=np.where(doubtful, now + interval, running.doubted))
    ready = series.scrapes(evidence, running.lines) >= rules.least_scrapes
    # The clock of the grace starts with the scrape, which was closed one interval before it was looked at.
    patient = now + 2 * interval - running.doubted < rules.grace.total_seconds()
    call = calls(odds, ready, patient | np.isinf(running.doubted), rules)
    if warming:
        call = np.where(odds.guard >= np.log(rules.rollback_odds), BACK, len(CALLS))
    return running, np.asarray(call)


def sight(stage: Stage, running: Running, scrape: int) -> tuple[Shown, Array]:
    """What this scrape of each trial holds, and how many requests the regression turned bad."""
    recording, trials, groups = stage.recording, running.trials, stage.about.rules.constants.pod_groups
    starts = np.asarray(stage.windows.starts)[trials.window] + scrape
    weight = np.asarray(stage.candidate.weights)[running.step]
    began = scrape * recording.interval
    bad = (running.step >= stage.regression.from_step) & (began >= stage.regression.after)
    arms, added, resting = [], np.zeros(len(starts)), idle(trials, groups)
    for row, metric in enumerate(recording.metrics):
        canary, primary = weighted(natural(metric, starts, trials, groups), trials, weight, stage.chance)
        if row == stage.place:
            canary, added = worsened(canary, bad, metric, stage.regression, stage.chance)
        both = np.stack((canary, primary), axis=1)
        both[..., 0] += resting
        arms.append(both)
    following = np.asarray((*stage.candidate.weights[1:], 1.0))[running.step]
    return Shown(tuple(arms), max(1, trials.canaries), following, began >= running.began), added


def goes_on(stage: Stage, running: Running, call: Places, at: float) -> Flags:
    """Which trials leave their step: on evidence, or on a clock where nothing speaks against it."""
    last = running.step >= len(stage.candidate.weights) - 1
    if stage.candidate.step is None:
        return np.asarray((call == GO_ON) & ~last)
    due = at - running.began >= stage.candidate.step
    return np.asarray(due & ~last & (call != HELD) & (call != BACK))


def decided(stage: Stage, running: Running, call: Places, at: float) -> Places:
    """How each trial ends now; -1 where it goes on."""
    rules, lasts = stage.about.rules, stage.candidate.step
    last = running.step >= len(stage.candidate.weights) - 1
    baked = at - running.began >= (rules.bake.total_seconds() if lasts is None else lasts)
    late = (at - running.began >= rules.step_deadline.total_seconds()) | (at >= rules.rollout_deadline.total_seconds())
    return np.select(
        [call == BACK, (call == GO_ON) & last & baked, late & (call != GO_ON)],
        [int(End.ROLLED_BACK), int(End.PROMOTED), int(End.UNDECIDED)],
        -1,
    )


def advanced(stage: Stage, running: Running, which: Flags, at: float) -> Running:
    """These begin their next step."""
    if not np.any(which):
        return running
    return replace(
        running,
        evidence=series.stepped(running.evidence, which, stage.about),
        step=running.step + which,
        began=np.where(which, at, running.began),
    )
