"""Many rollouts at once, judged by the rule scrape by scrape (judge.md 2, 3). Called by `runs`.

A scrape is closed one interval late, as in production: what is decided on it takes effect after one more scrape, which counts as evidence
against the canary, but earns nothing. After its end a trial is not followed: what would have happened then was not recorded.
"""

from dataclasses import dataclass, replace

import numpy as np

from trimtab.analysis import counts, ledger
from trimtab.analysis.backtest.placebo import Moment, Places, Regression, Trials, natural, weighted, worsened
from trimtab.analysis.backtest.recording import Recording, Windows, chosen
from trimtab.analysis.backtest.trialled import Candidate, End, Ended
from trimtab.analysis.calibration import WINDOW, noise_of
from trimtab.analysis.counts import CountState, Known, Odds
from trimtab.analysis.ledger import Array, Flags
from trimtab.analysis.packing import taken
from trimtab.analysis.verdicts import CALLS, calls
from trimtab.model.judging import JudgeRules, MetricRule, Role
from trimtab.model.ruling import Outcome

BACK, GO_ON, HELD = (CALLS.index(each) for each in (Outcome.ROLLBACK, Outcome.GO_ON, Outcome.HOLD))
LEAST_HISTORY = 2
"""Scrapes from which anything can be learned."""
SPARSE = 0.7
"""When fewer than this share of trials still run, those that ended are dropped from the arrays."""


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """What all trials of a replay share."""

    windows: Windows
    candidate: Candidate
    rules: JudgeRules
    regression: Regression
    chance: np.random.Generator
    chances: float
    """That a good request of the canary fails because of the regression."""
    place: int
    """The metric of the regression."""
    log_weights: Array
    """(metrics,)"""
    gating: Flags

    @property
    def recording(self) -> Recording:
        """What is replayed."""
        return self.windows.recording


@dataclass(frozen=True, slots=True, eq=False)
class Running:
    """Trials that have not ended; arrays of shape (trials,) but for evidence."""

    number: Places
    """Which trial it is."""
    trials: Trials
    evidence: CountState
    """(trials, metrics)"""
    known: Known
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
            taken(self.known, places),
            self.step[places],
            self.began[places],
            self.doubted[places],
            self.hurt[places],
        )


def metric_rules(recording: Recording, rules: JudgeRules) -> list[MetricRule]:
    """The rule of each recorded metric; that of an ordinary one where the policy does not name it."""
    named = {rule.name: rule for rule in rules.metrics}
    return [named.get(name, MetricRule(name)) for name in recording.metrics]


def replayed(
    windows: Windows, about: Known, trials: Trials, candidate: Candidate, regression: Regression, chance: np.random.Generator
) -> Ended:
    """What the candidate's rules would have made of these trials; `about` is what was `known` before each window."""
    assert candidate.rules is not None
    recording = windows.recording
    of_metrics = metric_rules(recording, candidate.rules)
    weights = np.asarray([0.0 if rule.role is Role.INFO else rule.weight for rule in of_metrics])
    (place,) = chosen([regression.metric or recording.metrics[0]], recording)
    with np.errstate(divide="ignore"):
        log_weights = np.log(weights / (np.sum(weights) or 1.0))
    stage = Stage(
        windows, candidate, candidate.rules, regression, chance, failing(recording, regression, place), place, log_weights,
        np.asarray([rule.role is Role.GATE for rule in of_metrics]),
    )  # fmt: skip
    return play(stage, begun(stage, trials, about))


def failing(recording: Recording, regression: Regression, place: int) -> float:
    """The chance that a good request of the canary fails because of the regression."""
    base = float(recording.base[place])
    return min(1.0, (base * (regression.ratio - 1) + regression.share) / (1 - base)) if not regression.none else 0.0


def known(windows: Windows, rules: JudgeRules) -> Known:
    """(windows, metrics): what the history before each window says, as when a rollout begins."""
    recording = windows.recording
    shape = (len(windows.starts), len(recording.metrics))
    relative, absolute = (np.broadcast_to(each, shape) for each in tolerances(recording, rules))
    made = replace(counts.unknown(shape, rules), relative=relative, absolute=absolute)
    if windows.history < LEAST_HISTORY:
        return made
    parts = max(1, round(windows.history * recording.interval / WINDOW))
    found = np.zeros((5, *shape))
    for row, start in enumerate(windows.starts):
        values = recording.values[start - windows.history : start]
        for place in range(shape[1]):
            noise = noise_of(values[:, place], parts, False, rules)
            pods = max(1, int(np.sum(values[:, place, :, 1] > 0)))
            found[:, row, place] = noise.single, noise.lasting, noise.bad, noise.total, noise.total / pods
    single, lasting, bad, total, load = found
    return replace(made, single=single, lasting=lasting, bad=bad, total=total, load=load)


def tolerances(recording: Recording, rules: JudgeRules) -> tuple[Array, Array]:
    """(metrics,) each: relative and absolute."""
    found = metric_rules(recording, rules)
    relative = [rules.tolerance_relative if rule.tolerance is None else rule.tolerance for rule in found]
    absolute = [rules.tolerance_absolute if rule.absolute is None else rule.absolute for rule in found]
    return np.asarray(relative), np.asarray(absolute)


def begun(stage: Stage, trials: Trials, about: Known) -> Running:
    """All trials at their start."""
    number, constants = len(trials.window), stage.rules.constants
    left_out = constants.left_out_groups if trials.canaries >= constants.least_pods else 0
    evidence = counts.start((number, len(stage.recording.metrics)), constants, constants.pod_groups, left_out)
    zero = np.zeros(number)
    return Running(
        np.arange(number), trials, evidence, taken(about, trials.window), np.zeros(number, dtype=np.int64), zero, zero + np.inf, zero.copy()
    )  # fmt: skip


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
    rules, interval = stage.rules, stage.recording.interval
    now = (scrape + 1) * interval
    moment = shown(stage, running, scrape)
    pods = np.full(running.evidence.ledger.cash.shape, float(max(1, running.trials.canaries)))
    seen = counts.seen(np.stack((moment.canary, moment.primary), axis=-3), pods)
    before = running.evidence
    if now <= rules.warmup.total_seconds():
        after = counts.warmed(before, seen, running.known, rules)
    else:
        after = counts.update(before, seen, running.known, next_weight(stage, running)[:, None], rules)
        after = earned(before, after, now - interval >= running.began)
    running = replace(running, evidence=after, hurt=running.hurt + moment.added)
    odds = weighed(stage, running)
    doubtful = (odds.worse >= np.log(rules.hold_odds)) & open_still & np.isinf(running.doubted)
    running = replace(running, doubted=np.where(doubtful, now + interval, running.doubted))
    ready = np.min(after.ledger.counted, axis=-1) >= rules.least_scrapes
    patient = now + 2 * interval - running.doubted < rules.grace.total_seconds()
    call = calls(odds, ready, patient | np.isinf(running.doubted), rules)
    if now <= rules.warmup.total_seconds():
        call = np.where(odds.guard >= np.log(rules.rollback_odds), BACK, len(CALLS))
    return running, np.asarray(call)


def shown(stage: Stage, running: Running, scrape: int) -> Moment:
    """What this scrape of each trial holds."""
    recording, groups = stage.recording, stage.rules.constants.pod_groups
    starts = np.asarray(stage.windows.starts)[running.trials.window] + scrape
    weight = np.asarray(stage.candidate.weights)[running.step]
    canary, primary = weighted(natural(recording, starts, running.trials, groups), running.trials, weight, stage.chance)
    bad = (running.step >= stage.regression.from_step) & (scrape * recording.interval >= stage.regression.after)
    canary, added = worsened(canary, stage.place, np.where(bad, stage.chances, 0.0), stage.regression.pods, stage.chance)
    return Moment(canary, primary, added)


def next_weight(stage: Stage, running: Running) -> Array:
    """What comes after the present step; 1 after the last."""
    return np.asarray((*stage.candidate.weights[1:], 1.0))[running.step]


def earned(before: CountState, after: CountState, earns: Flags) -> CountState:
    """Scrapes that did not lie wholly within the step say nothing for going on."""
    if np.all(earns):
        return after
    promote = np.where(earns[:, None, None], after.ledger.promote, before.ledger.promote)
    counted = np.where(earns[:, None], after.ledger.counted, before.ledger.counted)
    return replace(after, ledger=replace(after.ledger, promote=promote, counted=counted))


def weighed(stage: Stage, running: Running) -> Odds:
    """(trials,): of all metrics together."""
    constants, canaries = stage.rules.constants, running.trials.canaries
    groups = min(canaries, constants.left_out_groups) if canaries >= constants.least_pods else 0
    each = counts.odds(running.evidence, running.known, np.full(running.evidence.ledger.cash.shape, groups), constants)
    return Odds(
        ledger.total(each.worse, stage.log_weights),
        ledger.total(each.beyond, stage.log_weights),
        ledger.total(each.without_pod, stage.log_weights),
        np.min(np.where(stage.gating, each.refuted, np.inf), axis=-1),
        ledger.total(each.guard, stage.log_weights),
    )


def goes_on(stage: Stage, running: Running, call: Places, at: float) -> Flags:
    """Which trials leave their step: on evidence, or on a clock where nothing speaks against it."""
    last = running.step >= len(stage.candidate.weights) - 1
    if stage.candidate.step is None:
        return np.asarray((call == GO_ON) & ~last)
    due = at - running.began >= stage.candidate.step
    return np.asarray(due & ~last & (call != HELD) & (call != BACK))


def decided(stage: Stage, running: Running, call: Places, at: float) -> Places:
    """How each trial ends now; -1 where it goes on."""
    rules = stage.rules
    last = running.step >= len(stage.candidate.weights) - 1
    baked = at - running.began >= max(rules.bake.total_seconds() if stage.candidate.step is None else 0.0, stage.candidate.step or 0.0)
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
    books = running.evidence.ledger
    fresh = ledger.refilled(books, np.broadcast_to(which[:, None], books.cash.shape), stage.rules.constants)
    fresh = replace(
        fresh,
        promote=np.where(which[:, None, None], 0.0, fresh.promote),
        counted=np.where(which[:, None], 0.0, fresh.counted),
    )
    return replace(
        running,
        evidence=replace(running.evidence, ledger=fresh),
        step=running.step + which,
        began=np.where(which, at, running.began),
    )
