"""The scrapes of one moment, metric by metric, counted in the arrays of a rollout. Called by `evidence`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from trimtab.analysis import counts, objectives, ridit
from trimtab.analysis.grouping import Dealer, canary_pods
from trimtab.analysis.layout import UNUSED, WHOLE, Layout
from trimtab.analysis.ledger import Array, Ledger
from trimtab.analysis.packing import Table, placed, taken
from trimtab.analysis.ridit import SeenBuckets
from trimtab.model.evidence import Contribution
from trimtab.model.judging import Constants, JudgeRules, JudgeStep
from trimtab.model.scrapes import Arm, Scrape


@dataclass(frozen=True, slots=True)
class Batch:
    """The scrapes of one moment."""

    scrapes: Sequence[Scrape]
    learned: frozenset[str]
    """Metrics that used theirs up as their history."""
    step: JudgeStep
    layout: Layout

    @property
    def ended(self) -> datetime:
        """The moment."""
        return self.scrapes[0].ended

    @property
    def earns(self) -> bool:
        """Do they lie wholly within the step?"""
        return all(scrape.ended - scrape.length * (scrape.missed + 1) >= self.step.began for scrape in self.scrapes)

    def of(self, metric: str) -> Scrape | None:
        """That of a metric, unless it was used up or nobody asked anything: such a scrape is complete, and says nothing."""
        found = next((scrape for scrape in self.scrapes if scrape.metric == metric and metric not in self.learned), None)
        return found if found is not None and busy(found) else None


def busy(scrape: Scrape) -> bool:
    """Was there anything to count?"""
    return any(pod.total for pod in scrape.counts) or any(any(pod.counts) for pod in scrape.buckets)


def scored(arrays: Table, batch: Batch, dealer: Dealer, rules: JudgeRules, warming: bool) -> tuple[Table, list[Contribution]]:
    """With these scrapes, and what each of them brought. While the canary warms up only the guard counts."""
    before = arrays
    histograms = dict(metric_buckets(batch, dealer, rules))
    arrays = with_rows(arrays, batch, row_counts(batch, dealer, histograms, rules), rules, warming)
    if not warming:
        arrays = with_shifts(arrays, batch, shift_buckets(batch, histograms, rules), rules)
    return with_objectives(arrays, batch, rules), [] if warming else list(brought(before, arrays, batch, rules))


def unearned(before: Ledger, after: Ledger) -> Ledger:
    """A scrape that began before the step says nothing for going on."""
    return replace(after, promote=before.promote, counted=before.counted)


Found = tuple[int, Array, int]
"""Place of a series, its scrape as an array, how many canary pods."""


def gathered(found: Iterator[Found]) -> tuple[Array, Array, Array] | None:
    """The same side by side; None where no series has a scrape."""
    every = list(found)
    if not every:
        return None
    places, arms, pods = zip(*every, strict=True)
    return np.asarray(places), np.stack(arms), np.asarray(pods, dtype=np.float64)


def with_rows(arrays: Table, batch: Batch, found: Iterator[Found], rules: JudgeRules, warming: bool) -> Table:
    """The series of counts."""
    have = gathered(found)
    if have is None:
        return arrays
    places, arms, pods = have
    scrape = counts.seen(arms, pods)
    part, about = taken(arrays.counts, places), taken(batch.layout.known, places)
    if warming:
        after = counts.warmed(part, scrape, about, rules)
    else:
        after = counts.update(part, scrape, about, batch.step.next_weight, rules)
        after = after if batch.earns else replace(after, ledger=unearned(part.ledger, after.ledger))
    tallies = arrays.tallies.copy()
    recent = np.where((after.ledger.since <= 1)[:, None, None, None], 0.0, tallies[places, 1])
    tallies[places] = np.stack((tallies[places, 0] + arms, recent + arms), axis=1)
    return replace(arrays, counts=placed(arrays.counts, places, after), tallies=tallies)


def with_shifts(arrays: Table, batch: Batch, found: Iterator[Found], rules: JudgeRules) -> Table:
    """The latency metrics as a whole."""
    have = gathered(found)
    if have is None:
        return arrays
    places, arms, pods = have
    part = taken(arrays.shifts, places)
    after = ridit.update(part, SeenBuckets(arms, pods), taken(batch.layout.ranks, places), rules)
    after = after if batch.earns else replace(after, ledger=unearned(part.ledger, after.ledger))
    return replace(arrays, shifts=placed(arrays.shifts, places, after))


def row_counts(batch: Batch, dealer: Dealer, buckets: Mapping[int, Array], rules: JudgeRules) -> Iterator[Found]:
    """Bad and total of each series of counts that has a scrape; `buckets` are those of each latency metric."""
    for place, row in enumerate(batch.layout.rows):
        scrape = batch.of(rules.metrics[row.metric].name)
        if scrape is None or row.bound == UNUSED:
            continue
        if row.bound == WHOLE and scrape.counts:
            yield place, dealer.counts(scrape), canary_pods(scrape)
        elif row.metric in buckets:
            arms = buckets[row.metric]
            yield place, np.stack((np.sum(arms[..., row.bound + 1 :], axis=-1), np.sum(arms, axis=-1)), axis=-1), canary_pods(scrape)


def shift_buckets(batch: Batch, buckets: Mapping[int, Array], rules: JudgeRules) -> Iterator[Found]:
    """The buckets of each latency metric that has a scrape, as wide as the widest."""
    width = batch.layout.ranks.scores.shape[-1]
    for metric, arms in buckets.items():
        scrape = batch.of(rules.metrics[metric].name)
        if scrape is None:
            continue
        yield batch.layout.shifts.index(metric), np.pad(arms, ((0, 0), (0, 0), (0, width - arms.shape[-1]))), canary_pods(scrape)


def metric_buckets(batch: Batch, dealer: Dealer, rules: JudgeRules) -> Iterator[tuple[int, Array]]:
    """(2, pod groups, buckets of the history) of each latency metric whose scrape can be brought to those buckets."""
    for metric, bounds in zip(batch.layout.shifts, batch.layout.bounds, strict=True):
        scrape = batch.of(rules.metrics[metric].name)
        if scrape is not None and bounds and scrape.buckets and set(bounds) <= set(scrape.bounds):
            yield metric, dealer.buckets(scrape, bounds)


def with_objectives(arrays: Table, batch: Batch, rules: JudgeRules) -> Table:
    """The absolute objectives."""
    breaches, sums = arrays.breaches.copy(), arrays.sums.copy()
    for place, metric in enumerate(batch.layout.objectives):
        scrape, limit = batch.of(rules.metrics[metric].name), rules.metrics[metric].limit
        if scrape is None or limit is None:
            continue
        arms = np.asarray([summed(scrape, lambda arm: arm is Arm.CANARY), summed(scrape, lambda arm: arm is Arm.PRIMARY)])
        sums[place] += arms
        breaches[place] = objectives.breached(breaches[place], arms, np.full(2, limit), np.ones(2), rules)
    return replace(arrays, breaches=breaches, sums=sums)


def summed(scrape: Scrape, which: Callable[[Arm], bool]) -> tuple[int, int]:
    """Bad and total of some pods."""
    pods = [pod for pod in scrape.counts if which(pod.arm)]
    return sum(pod.bad for pod in pods), sum(pod.total for pod in pods)


def brought(before: Table, after: Table, batch: Batch, rules: JudgeRules) -> Iterator[Contribution]:
    """What each metric's scrape multiplied the evidence by, for the ratio that now has most of it."""
    most = np.log(rules.cap)
    rows = gains(before.counts.ledger, after.counts.ledger, batch.layout.known.prior, rules.constants)
    shifts = gains(before.shifts.ledger, after.shifts.ledger, np.zeros_like(after.shifts.ledger.sharp), rules.constants)
    for place, metric in enumerate(rules.metrics):
        scrape = batch.of(metric.name)
        found = [float(gain) for row, gain in zip(batch.layout.rows, rows, strict=True) if row.metric == place and row.bound != UNUSED]
        found += [float(gain) for shift, gain in zip(batch.layout.shifts, shifts, strict=True) if shift == place]
        if scrape is None or not found or max(found) <= 0:
            continue
        bad, total = summed(scrape, lambda arm: arm is Arm.CANARY)
        total += sum(sum(pod.counts) for pod in scrape.buckets if pod.arm is Arm.CANARY)
        yield Contribution(metric.name, batch.ended, bad, total, float(np.exp(max(found))), bool(max(found) >= most - 1e-9))


def gains(before: Ledger, after: Ledger, prior: Array, constants: Constants) -> Array:
    """(series,): the logarithm of the factor, 0 where nothing was counted."""
    best = np.argmax(after.sharp + prior, axis=-1)[..., None]
    refills = after.refills
    paid = np.where(refills > before.refills, (1 - constants.start_cash) / np.maximum(refills * (refills + 1), 1), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        bet = np.logaddexp(before.sharp, np.log(before.cash + paid)[..., None])
        gained = np.take_along_axis(after.sharp - bet, best, axis=-1)[..., 0]
    return np.where(np.isfinite(gained), gained, 0.0)
