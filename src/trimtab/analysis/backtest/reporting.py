"""What a backtest found: shares with their limits, times, and what a reader has to know before believing them (analysis.md 7).

Called by `trimtab backtest`. Windows are what is independent in a recording; pods drawn anew within one are not. So each share has two
upper limits: by rollouts, and by windows, as if each window had been one rollout.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from trimtab.analysis.backtest.lines import calibrated
from trimtab.analysis.backtest.placebo import draw
from trimtab.analysis.backtest.proportions import upper
from trimtab.analysis.backtest.recording import Windows
from trimtab.analysis.backtest.runs import Plan, Run
from trimtab.analysis.backtest.trialled import End
from trimtab.analysis.cautions import of_pods
from trimtab.analysis.ledger import Array
from trimtab.model.judging import JudgeRules
from trimtab.model.spans import spoken

LIMITS = (
    "A rollout is followed until its policy would have acted. What would have come after that was not recorded.",
    "The canary was played by pods of the primary, with the primary's configuration: load that a change moves or adds does not show.",
    "Requests were dropped at random to bring the canary to its weight. Clumps of errors got smaller by that.",
    "Regressions were spread evenly over the canary's good requests. Real ones may come in bursts, or hit some users only.",
    "Pods drawn anew from the same window are not independent: the limit by windows is the one to believe.",
    "A policy that was chosen by this recording has to be tried on another one.",
)
"""What no backtest can show, said with every one."""
CAUGHT = 0.8
"""A policy catches a regression that it rolls back in so many of the rollouts."""
POINTS = 41
"""Of a curve."""
MOST_QUARRELS = 10
ROUNDING = 1e-9
HOUR = 3600.0
ENOUGH_WINDOWS = 300
FEW_ERRORS = 1.0
MUCH_TRAFFIC = 0.8
MOST = 0.5


@dataclass(frozen=True, slots=True)
class Cell:
    """One policy against one regression. Shares are fractions of all rollouts, times medians in seconds; None: most never came to it."""

    policy: str
    regression: str
    placebo: bool
    """Nothing was wrong: every rollback is a false one."""
    rollouts: int
    windows: int
    rolled_back: float
    rolled_back_most: float
    """Upper limits, one-sided, at 95 %: by rollouts, and by windows."""
    rolled_back_most_windows: float
    promoted: float
    undecided: float
    doubted: float
    """Held, or failed a check, at least once."""
    until_doubt: float | None
    until_rollback: float | None
    until_promotion: float | None
    hurt: float
    """Requests that failed because of the regression, on average."""
    hurt_most: float
    """The same, exceeded by one rollout in twenty."""
    caught: tuple[tuple[float, float], ...] = ()
    """Seconds, and the share of rollouts rolled back by then."""


@dataclass(frozen=True, slots=True)
class Quarrel:
    """A window in which policies ended differently though nothing was wrong."""

    began: float
    """Seconds since 1970."""
    ends: tuple[tuple[str, float], ...]
    """Policies, and the share of the window's rollouts that each rolled back."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a backtest found."""

    metrics: tuple[str, ...]
    began: float
    ended: float
    """Of the recording, seconds since 1970."""
    interval: float
    pods: int
    canaries: int
    """0: the requests of the only pod were split at random."""
    traffic: float
    """The least share of the service's requests that was replayed: what brings the canary's share to its weight is dropping requests."""
    rate: float
    """Requests in a second."""
    base: tuple[float, ...]
    """The usual share of bad requests of each metric."""
    noise: tuple[tuple[float, float], ...]
    """Of each metric, the median over the windows: within a scrape, and lasting."""
    length: float
    history: float
    cells: tuple[Cell, ...]
    quarrels: tuple[Quarrel, ...]
    warnings: tuple[str, ...]
    limits: tuple[str, ...] = LIMITS

    def caught_by(self, policy: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The regressions that the policy catches, and those that it does not, each in their order."""
        tried = [cell for cell in self.cells if cell.policy == policy and not cell.placebo]
        return (
            tuple(cell.regression for cell in tried if cell.rolled_back >= CAUGHT),
            tuple(cell.regression for cell in tried if cell.rolled_back < CAUGHT),
        )


def report(windows: Windows, plan: Plan, runs: Sequence[Run]) -> Report:
    """What these runs say."""
    recording = windows.recording
    noise = np.asarray([noise_before(windows, start) for start in windows.starts])
    drawn = draw(windows, plan.canaries, len(windows.starts), np.random.default_rng(plan.seed))
    found = Report(
        tuple(metric.name for metric in recording.metrics),
        float(recording.ends[0]) - recording.interval,
        float(recording.ends[-1]),
        recording.interval,
        len(recording.pods),
        drawn.canaries,
        min(traffic(float(np.mean(drawn.share)), weight) for each in plan.candidates for weight in each.weights) if drawn.canaries else 1.0,
        recording.rate,
        tuple(metric.base for metric in recording.metrics),
        tuple((float(single), float(lasting)) for single, lasting in np.median(noise, axis=0)),
        windows.scrapes * recording.interval,
        windows.history * recording.interval,
        tuple(cell(each, windows) for each in runs),
        tuple(quarrels(windows, [each for each in runs if each.regression.none])),
        (),
    )
    return replace(found, warnings=tuple(warnings(found, plan)))


def traffic(share: float, weight: float) -> float:
    """What is left of all requests when an arm's share is brought to its weight by dropping requests of one of them."""
    return min((1 - share) / (1 - weight) if weight < 1 else 0.0, share / weight) if weight > 0 else 1.0


def noise_before(windows: Windows, start: int) -> list[tuple[float, float]]:
    """Of each metric before one window; that of independent requests where there is no history. Of latency that of its ranks."""
    known = calibrated(windows, start, JudgeRules())
    return [(known.of(metric.name).noise.single, known.of(metric.name).noise.lasting) for metric in windows.recording.metrics]


def cell(found: Run, windows: Windows) -> Cell:
    """What became of the rollouts of one run."""
    ended = found.ended
    rollouts, used = len(ended.end), len(np.unique(ended.window))
    back, on = ended.end == End.ROLLED_BACK, ended.end == End.PROMOTED
    share = float(np.mean(back))
    return Cell(
        found.candidate.name,
        found.regression.name,
        found.regression.none,
        rollouts,
        used,
        share,
        upper(int(np.sum(back)), rollouts),
        upper(math.ceil(share * used - ROUNDING), used),
        float(np.mean(on)),
        float(np.mean(ended.end == End.UNDECIDED)),
        float(np.mean(np.isfinite(ended.doubted))),
        middle(ended.doubted),
        middle(np.where(back, ended.at, np.inf)),
        middle(np.where(on, ended.at, np.inf)),
        float(np.mean(ended.hurt)),
        float(np.quantile(ended.hurt, 0.95)),
        tuple(curve(np.where(back, ended.at, np.inf), windows.scrapes * windows.recording.interval)),
    )


def middle(times: Array) -> float | None:
    """The median of all rollouts, those among them that never came to it."""
    found = float(np.median(times))
    return found if math.isfinite(found) else None


def curve(times: Array, length: float) -> Iterator[tuple[float, float]]:
    """Share of the rollouts by each moment."""
    for moment in np.linspace(0, length, POINTS):
        yield float(moment), float(np.mean(times <= moment))


def quarrels(windows: Windows, runs: Sequence[Run]) -> Iterator[Quarrel]:
    """Windows without a regression in which one policy rolled back half of the rollouts more than another; the worst first."""
    ends: Array = np.stack([by_window(each, len(windows.starts)) for each in runs]) if runs else np.zeros((0, 0))
    if len(runs) < 2:
        return
    apart = np.max(ends, axis=0) - np.min(ends, axis=0)
    for place in np.argsort(-apart, kind="stable")[:MOST_QUARRELS]:
        if apart[place] >= 0.5:
            began = float(windows.recording.ends[windows.starts[place]]) - windows.recording.interval
            yield Quarrel(began, tuple((each.candidate.name, float(ends[row, place])) for row, each in enumerate(runs)))


def by_window(found: Run, windows: int) -> Array:
    """(windows,): the share of its rollouts that was rolled back; 0 where there were none."""
    rollouts = np.bincount(found.ended.window, minlength=windows)
    back = np.bincount(found.ended.window, weights=found.ended.end == End.ROLLED_BACK, minlength=windows)
    return np.asarray(back / np.maximum(rollouts, 1))


def warnings(found: Report, plan: Plan) -> Iterator[str]:
    """What a reader has to know before believing the table."""
    if found.canaries == 0:
        yield (
            "Only one pod, or a gateway without pods, was recorded: its requests were split at random between canary and primary, "
            "so that differences between pods, and clumps of errors that stick to one of them, do not show."
        )
    else:
        yield from (f"{text[0].upper()}{text[1:]}." for text in of_pods(JudgeRules(), found.canaries))
    if found.traffic < MUCH_TRAFFIC:
        yield (
            "Requests of pods that play the canary beyond its weight are left out, so that only "
            f"{found.traffic:.0%} of the traffic was replayed: in production regressions are found that much earlier.".replace("%", " %")
        )
    if found.history < HOUR:
        yield f"The history before each window is {spoken(found.history)}; an hour is needed to know how noisy the service is."
    used = max((each.windows for each in found.cells), default=0)
    if used < ENOUGH_WINDOWS:
        yield (
            f"Only {used} window{'s are' if used != 1 else ' is'} independent. Without a single false rollback that shows no more than a "
            f"rate below {100 * upper(0, used):.2g} %; for 1 % {ENOUGH_WINDOWS} windows are needed."
        )
    yield from undecided(found)
    yield from of_nothing(found, plan)
    for candidate in plan.candidates:
        first = candidate.weights[0]
        for metric, base in zip(found.metrics, found.base, strict=True):
            errors = base * found.rate * first * found.length
            if errors < FEW_ERRORS:
                yield (
                    f"{metric} can hardly support {candidate.name}: at {100 * first:.3g} % of the requests a canary as good as the primary "
                    f"fails only {errors:.1g} times in {spoken(found.length)}."
                )


def undecided(found: Report) -> Iterator[str]:
    """Policies that mostly came to nothing in the time that they were followed."""
    late = [f"{cell.policy} (of 100 rollouts {100 * cell.undecided:.3g})" for cell in found.cells if cell.placebo and cell.undecided > MOST]
    if late:
        pods = f" --canary-pods {found.canaries}" if found.canaries else ""
        yield (
            f"Nothing was decided in {spoken(found.length)} by {', '.join(late)}, though nothing was wrong: what they did not catch may "
            f"only have needed longer. `trimtab plan{pods}` says how long a rollout takes; follow it as long (--length)."
        )


def of_nothing(found: Report, plan: Plan) -> Iterator[str]:
    """Regressions that are so many times next to nothing."""
    canary = found.rate * max(weight for each in plan.candidates for weight in each.weights) * found.length
    base = dict(zip(found.metrics, found.base, strict=True))
    for each in plan.regressions:
        metric = each.metric or found.metrics[0]
        if each.ratio > 1 and base.get(metric, 0.0) * each.ratio * canary < 1:
            yield (
                f"{each.name} adds next to nothing: in this recording hardly a request is bad by {metric}. Add a share of the requests "
                "instead, as --regression 1%."
            )
