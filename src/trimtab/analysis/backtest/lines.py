"""All series that a rollout is judged by, for many rollouts at once, each with the history before its window. Called by `replay`.

What `layout` says of one rollout is stacked over the windows; what `scoring` does with the scrapes of one is done with arrays of all.
"""

from dataclasses import dataclass, replace

import numpy as np

from trimtab.analysis import counts, ledger, ridit
from trimtab.analysis.backtest.placebo import Places
from trimtab.analysis.backtest.recording import Recorded, Windows, idling
from trimtab.analysis.calibration import WINDOW, noise_of, of_buckets
from trimtab.analysis.counts import CountState, Known, Odds
from trimtab.analysis.layout import UNUSED, WHOLE, Layout, layout
from trimtab.analysis.ledger import Array, Flags, Ledger
from trimtab.analysis.noise import Dispersion
from trimtab.analysis.odds import joined
from trimtab.analysis.packing import leaves, rebuilt
from trimtab.analysis.ridit import Ranks, SeenBuckets, ShiftState
from trimtab.errors import InputError
from trimtab.model.evidence import Calibration, MetricCalibration
from trimtab.model.judging import JudgeRules, Measured, MetricRule

LEAST_HISTORY = 2
"""Scrapes from which anything can be learned."""


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """What is known of each series in each window, or in each trial: arrays of shape (windows, ...)."""

    known: Known
    """(windows, rows)"""
    ranks: Ranks
    """(windows, latency metrics)"""
    bounds: Places
    """(windows, rows): as `layout.Row.bound`."""
    parts: Array
    """(windows, metrics, rows and then latency metrics)"""
    gating: Flags


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The rules of a replay, and which series belong to which metric."""

    rules: JudgeRules
    """With one rule for each recorded metric, in their order."""
    rows: tuple[int, ...]
    """The metric of each row."""
    shifts: tuple[int, ...]
    """The latency metrics."""
    weights: Array
    """(metrics,), logarithms"""
    lines: Lines


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Of all trials."""

    counts: CountState
    """(trials, rows)"""
    shifts: ShiftState
    """(trials, latency metrics)"""


def judged(windows: Windows, rules: JudgeRules) -> Judged:
    """What the rules make of the history before each window. InputError where a latency metric has none."""
    metrics = windows.recording.metrics
    if windows.history < LEAST_HISTORY and any(metric.bounds for metric in metrics):
        raise InputError("latency cannot be judged without a history: its ranks are learned from it. Leave out --history 0s, or --slo")
    named = {rule.name: rule for rule in rules.metrics}
    wanted = tuple(named.get(metric.name, usual(metric)) for metric in metrics)
    rules = replace(rules, metrics=wanted)
    found = [layout(rules, calibrated(windows, start, rules)) for start in windows.starts]
    first = found[0]
    return Judged(rules, tuple(row.metric for row in first.rows), first.shifts, first.weights, stacked(found))


def usual(metric: Recorded) -> MetricRule:
    """The rule of a metric that the policy does not name."""
    return MetricRule(metric.name, Measured.LATENCY, slo=metric.objective) if metric.bounds else MetricRule(metric.name)


def stacked(found: list[Layout]) -> Lines:
    """Side by side."""

    def together(trees: list[Known] | list[Ranks]) -> list[Array]:
        return [np.stack(each) for each in zip(*(leaves(tree) for tree in trees), strict=True)]

    return Lines(
        rebuilt(found[0].known, iter(together([each.known for each in found]))),
        rebuilt(found[0].ranks, iter(together([each.ranks for each in found]))),
        np.asarray([[row.bound for row in each.rows] for each in found], dtype=np.int64),
        np.stack([each.parts for each in found]),
        np.stack([each.gating for each in found]),
    )


def calibrated(windows: Windows, start: int, rules: JudgeRules) -> Calibration:
    """The history before one window, as when a rollout begins."""
    if windows.history < LEAST_HISTORY:
        return Calibration()
    recording, history = windows.recording, slice(start - windows.history, start)
    parts = max(1, round(windows.history * recording.interval / WINDOW))
    return Calibration(tuple(of_metric(metric, idling(recording, metric, history), parts, rules) for metric in recording.metrics))


def of_metric(metric: Recorded, values: Array, parts: int, rules: JudgeRules) -> MetricCalibration:
    """One metric from its history, as `idling` has it."""
    sizes = np.sum(values, axis=-1)
    load = float(np.rint(np.sum(sizes))) / max(1, int(np.sum(sizes > 0)))
    about = MetricCalibration(metric.name, load=load, scrapes=len(values))
    if metric.bounds:
        return of_buckets(about, values, metric.bounds, parts, rules)
    return replace(about, noise=noise_of(np.stack((values[..., 1], sizes), axis=-1), parts, False, rules))


def start(trials: int, about: Judged, left_out: int) -> Evidence:
    """Before the first scrape."""
    constants = about.rules.constants
    return Evidence(
        counts.start((trials, len(about.rows)), constants, constants.pod_groups, left_out),
        ridit.start((trials, len(about.shifts)), constants, constants.pod_groups, left_out),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One scrape of all trials."""

    arms: tuple[Array, ...]
    """Of each metric (trials, 2, pod groups, columns), the canary's first."""
    canary_pods: int
    next_weight: Array
    """(trials,)"""
    earns: Flags
    """(trials,): it lies wholly within the step."""


def counted(before: Evidence, shown: Shown, lines: Lines, about: Judged, warming: bool) -> Evidence:
    """With this scrape. Trials in which nobody asked for anything stay as they were."""
    rules = about.rules
    pods = np.full(before.counts.ledger.cash.shape, float(shown.canary_pods))
    if about.rows:
        groups = np.stack([row_of(shown, about, lines, row) for row in range(len(about.rows))], axis=1)
        seen = counts.seen(groups, pods)
        if warming:
            after = replace(before, counts=counts.warmed(before.counts, seen, lines.known, rules))
        else:
            after = replace(before, counts=counts.update(before.counts, seen, lines.known, shown.next_weight[:, None], rules))
    else:
        after = before
    if about.shifts and not warming:
        wide = lines.ranks.scores.shape[-1]
        groups = np.stack([padded(shown.arms[metric], wide) for metric in about.shifts], axis=1)
        pods = np.full(before.shifts.ledger.cash.shape, float(shown.canary_pods))
        after = replace(after, shifts=ridit.update(before.shifts, SeenBuckets(groups, pods), lines.ranks, rules))
    if not warming:
        after = earned(before, after, shown.earns)
    asked = np.any(np.stack([np.sum(arms, axis=(1, 2, 3)) >= 1 for arms in shown.arms]), axis=0)
    return after if np.all(asked) else chosen(asked, after, before)


def row_of(shown: Shown, about: Judged, lines: Lines, row: int) -> Array:
    """(trials, 2, pod groups, 2): bad and total of one series of counts."""
    arms, bound = shown.arms[about.rows[row]], lines.bounds[:, row]
    total = np.sum(arms, axis=-1)
    above = np.cumsum(arms[..., ::-1], axis=-1)[..., ::-1]
    first = np.where(bound == WHOLE, 1, np.where(bound == UNUSED, 0, bound + 1))
    bad = np.take_along_axis(above, first[:, None, None, None], axis=-1)[..., 0]
    used = (bound != UNUSED)[:, None, None]
    return np.stack((bad * used, total * used), axis=-1)


def padded(arms: Array, width: int) -> Array:
    """Histograms of different widths side by side."""
    return np.pad(arms, [(0, 0)] * (arms.ndim - 1) + [(0, width - arms.shape[-1])]) if arms.shape[-1] < width else arms


def earned(before: Evidence, after: Evidence, earns: Flags) -> Evidence:
    """Scrapes that did not lie wholly within the step say nothing for going on."""
    if np.all(earns):
        return after

    def kept(old: Ledger, new: Ledger) -> Ledger:
        promote = np.where(earns[:, None, None], new.promote, old.promote)
        return replace(new, promote=promote, counted=np.where(earns[:, None], new.counted, old.counted))

    return Evidence(
        replace(after.counts, ledger=kept(before.counts.ledger, after.counts.ledger)),
        replace(after.shifts, ledger=kept(before.shifts.ledger, after.shifts.ledger)),
    )


def chosen(which: Flags, one: Evidence, other: Evidence) -> Evidence:
    """One where it is so, the other where not."""
    mixed = (
        np.where(which.reshape(-1, *[1] * (new.ndim - 1)), new, old) for new, old in zip(leaves(one), leaves(other), strict=True)
    )  # fmt: skip
    return rebuilt(one, mixed)


def stepped(evidence: Evidence, which: Flags, about: Judged) -> Evidence:
    """These trials begin a new step: a new bet, and going on has to be earned anew."""

    def fresh(books: Ledger) -> Ledger:
        opened = ledger.refilled(books, np.broadcast_to(which[:, None], books.cash.shape), about.rules.constants)
        promote = np.where(which[:, None, None], 0.0, opened.promote)
        return replace(opened, promote=promote, counted=np.where(which[:, None], 0.0, opened.counted))

    def unloaded(noise: Dispersion) -> Dispersion:
        return replace(noise, exposure=np.where(which[:, None, None], 0.0, noise.exposure))

    rows, shifts = evidence.counts, evidence.shifts
    return Evidence(
        replace(rows, ledger=fresh(rows.ledger), noise=unloaded(rows.noise)),
        replace(shifts, ledger=fresh(shifts.ledger), noise=unloaded(shifts.noise)),
    )


def odds(evidence: Evidence, lines: Lines, about: Judged, left_out: int) -> Odds:
    """(trials,): of all metrics together."""
    rows = counts.odds(evidence.counts, lines.known, np.full(evidence.counts.ledger.cash.shape, left_out), about.rules.constants)
    shifts = ridit.odds(evidence.shifts, np.full(evidence.shifts.ledger.cash.shape, left_out), about.rules.constants)
    each = joined(rows, shifts, lines.parts, lines.gating)
    return Odds(
        ledger.total(each.worse, about.weights),
        ledger.total(each.beyond, about.weights),
        ledger.total(each.without_pod, about.weights),
        np.min(each.refuted, axis=-1, initial=np.inf),
        ledger.total(each.guard, about.weights),
    )


def scrapes(evidence: Evidence, lines: Lines) -> Array:
    """(trials,): complete ones within the step, of the gating series that has fewest."""
    each = np.concatenate((evidence.counts.ledger.counted, evidence.shifts.ledger.counted), axis=-1)
    gating = np.any(lines.gating, axis=-2)
    return np.asarray(np.min(np.where(gating | ~np.any(gating, axis=-1, keepdims=True), each, np.inf), axis=-1))
