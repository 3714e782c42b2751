"""Every policy against every regression, on the same trials. Called by `trimtab backtest`, which has `reporting` make a report of it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trimtab.analysis.backtest.lines import Judged, judged
from trimtab.analysis.backtest.placebo import Regression, Trials, draw
from trimtab.analysis.backtest.recording import Windows
from trimtab.analysis.backtest.replay import replayed
from trimtab.analysis.backtest.thresholds import held_against_thresholds
from trimtab.analysis.backtest.trialled import Candidate, Ended
from trimtab.errors import InputError

BATCH = 1000
"""Trials at once: enough for arrays to pay, few enough to stay in the cache."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be tried."""

    candidates: tuple[Candidate, ...]
    regressions: tuple[Regression, ...]
    """An A/A test among them."""
    rollouts: int
    canaries: int
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One policy against one regression."""

    candidate: Candidate
    regression: Regression
    ended: Ended


def run(windows: Windows, plan: Plan) -> Iterator[Run]:
    """Each policy against each regression, one after the other. The trials are the same for all of them.

    InputError where a regression is of something that was not recorded.
    """
    for regression in plan.regressions:
        metric = windows.recording.metrics[windows.recording.place(regression.metric) if regression.metric else 0]
        if regression.slower and not metric.bounds:
            raise InputError(f"{regression.name}: only a histogram can get slower, and {metric.name} is none")
    drawn = draw(windows, plan.canaries, plan.rollouts, np.random.default_rng(plan.seed))
    about = [judged(windows, each.rules) if each.rules is not None else None for each in plan.candidates]
    for regression in plan.regressions:
        for candidate, before in zip(plan.candidates, about, strict=True):
            parts = [
                tried(windows, before, drawn.some(places), (candidate, regression), np.random.default_rng((plan.seed, number)))
                for number, places in enumerate(np.array_split(np.arange(plan.rollouts), max(1, plan.rollouts // BATCH)))
            ]
            yield Run(candidate, regression, joined(parts))


def tried(windows: Windows, before: Judged | None, some: Trials, pair: tuple[Candidate, Regression], chance: np.random.Generator) -> Ended:
    """One batch; `before` is what is known of each window where the rule is to judge."""
    if before is None:
        return held_against_thresholds(windows, some, *pair, chance)
    return replayed(windows, before, some, *pair, chance)


def joined(parts: list[Ended]) -> Ended:
    """All batches."""
    names = ("end", "at", "doubted", "hurt", "window")
    return Ended(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
