"""From scrapes to evidence, one rollout at a time. Called by the loop's `judge`, by backtests and by replays of a record.

Counting is idempotent: a scrape that was counted is left out, by its time. Promotion is earned only with scrapes that lie wholly within
the step, because what depends on load shows at the step's own weight.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby

import numpy as np

from trimtab.analysis import counts, ridit
from trimtab.analysis.calibration import of_metric
from trimtab.analysis.grouping import Dealer, dealt, leavable
from trimtab.analysis.layout import Layout, layout
from trimtab.analysis.odds import combined, weighted
from trimtab.analysis.packing import Table, packed, unpacked
from trimtab.analysis.readings import finite
from trimtab.analysis.scoring import Batch, scored
from trimtab.analysis.series import added
from trimtab.model.evidence import Calibration, JudgeEvidence, MetricUpto, Moment
from trimtab.model.judging import JudgeRules, JudgeStep
from trimtab.model.scrapes import Arm, Scrape

TOP = 3
"""Scrapes that are remembered because they brought most."""


def begin(at: datetime) -> JudgeEvidence:
    """Nothing seen yet; the canary's pods have been ready since `at`."""
    return JudgeEvidence(at)


def known(evidence: JudgeEvidence, calibration: Calibration) -> Calibration:
    """The history, and what had to be learned during the rollout for want of one."""
    return replace(calibration, metrics=(*evidence.learned, *calibration.metrics))


def table(evidence: JudgeEvidence, rules: JudgeRules, calibration: Calibration) -> tuple[Layout, Table]:
    """The arrays in `evidence`. SafetyError if it was gathered under other rules."""
    found = layout(rules, known(evidence, calibration))
    return found, unpacked(evidence.numbers, found, rules.constants)


def advance(evidence: JudgeEvidence, step: JudgeStep, rules: JudgeRules, calibration: Calibration) -> JudgeEvidence:
    """At the start of a step: a new bet, and promotion has to be earned anew. Nothing where the evidence is of this step already."""
    if evidence.step == step.number:
        return evidence
    if not evidence.numbers:
        return replace(evidence, step=step.number)
    _, arrays = table(evidence, rules, calibration)
    return replace(evidence, step=step.number, numbers=packed(stepped(arrays, rules)))


def stepped(arrays: Table, rules: JudgeRules) -> Table:
    """All series at the start of a step."""
    constants = rules.constants
    tallies = arrays.tallies.copy()
    tallies[:, 1] = 0
    return replace(
        arrays, counts=counts.advanced(arrays.counts, constants), shifts=ridit.advanced(arrays.shifts, constants), tallies=tallies
    )


def update(
    evidence: JudgeEvidence, scrapes: Iterable[Scrape], rules: JudgeRules, calibration: Calibration, step: JudgeStep
) -> JudgeEvidence:
    """With these complete scrapes, of whatever metrics, in whatever order. Those that were counted, and unknown metrics, are left out."""
    evidence = advance(evidence, step, rules, calibration)
    fresh = sorted(new(evidence, scrapes, rules), key=lambda scrape: (scrape.ended, scrape.metric))
    if not fresh:
        return evidence
    found, arrays = table(evidence, rules, calibration)
    for _, together in groupby(fresh, key=lambda scrape: scrape.ended):
        batch = list(together)
        evidence, learned = learn(evidence, batch, rules, found)
        if learned:
            found = layout(rules, known(evidence, calibration))
        evidence, arrays = counted(evidence, arrays, Batch(batch, learned, step, found), rules)
    return replace(evidence, numbers=packed(arrays))


def new(evidence: JudgeEvidence, scrapes: Iterable[Scrape], rules: JudgeRules) -> Iterable[Scrape]:
    """Those that were not counted yet, each once."""
    upto = {seen.metric: seen.upto for seen in evidence.seen}
    names = {metric.name for metric in rules.metrics}
    for key, scrape in {(scrape.metric, scrape.ended): scrape for scrape in scrapes}.items():
        later = key[0] not in upto or scrape.ended > upto[key[0]]
        if scrape.metric in names and later and (scrape.counts or scrape.buckets):
            yield scrape


def learn(evidence: JudgeEvidence, batch: Sequence[Scrape], rules: JudgeRules, found: Layout) -> tuple[JudgeEvidence, frozenset[str]]:
    """A latency metric without history takes the primary's buckets of its first scrape for one. Says which metrics did so now."""
    blind = {
        rules.metrics[place].name: rules.metrics[place] for place, bounds in zip(found.shifts, found.bounds, strict=True) if not bounds
    }
    primary = [scrape for scrape in batch if scrape.metric in blind and any(pod.arm is Arm.PRIMARY for pod in scrape.buckets)]
    made = [of_metric([scrape], blind[scrape.metric], rules) for scrape in primary]
    learned = tuple(metric for metric in made if metric is not None)
    return replace(evidence, learned=(*evidence.learned, *learned)), frozenset(metric.metric for metric in learned)


def counted(evidence: JudgeEvidence, arrays: Table, batch: Batch, rules: JudgeRules) -> tuple[JudgeEvidence, Table]:
    """With the scrapes of one moment."""
    groups = dealt(evidence.groups, batch.scrapes, rules.constants)
    warming = batch.ended <= evidence.began + rules.warmup
    arrays, brought = scored(arrays, batch, Dealer(groups, rules.constants), rules, warming)
    upto = {seen.metric: seen.upto for seen in evidence.seen} | {scrape.metric: scrape.ended for scrape in batch.scrapes}
    odds = weighted(combined(arrays, batch.layout, leavable(groups, rules.constants), rules), batch.layout)
    worse, beyond, refuted = (finite(each) for each in (odds.worse, odds.beyond, odds.refuted))
    told = replace(
        evidence,
        upto=max(batch.ended, evidence.upto or batch.ended),
        interval=batch.scrapes[-1].length,
        doubted=evidence.doubted or (batch.ended if worse >= np.log(rules.hold_odds) else None),
        seen=tuple(MetricUpto(name, moment) for name, moment in sorted(upto.items())),
        groups=groups,
        inputs=chained(evidence.inputs, batch.scrapes),
        series=added(evidence, Moment(batch.ended, evidence.step, worse, beyond, refuted)),
        top=tuple(sorted((*evidence.top, *brought), key=lambda each: -each.odds)[:TOP]),
    )
    return told, arrays


def chained(before: str, scrapes: Sequence[Scrape]) -> str:
    """The digest of these scrapes and of all before them; the order of pods does not matter."""
    found = hashlib.sha256(before.encode())
    for scrape in scrapes:
        pods = sorted((str(pod.arm), pod.pod, pod.bad, pod.total) for pod in scrape.counts)
        buckets = sorted((str(pod.arm), pod.pod, *pod.counts) for pod in scrape.buckets)
        found.update(repr((scrape.metric, scrape.ended.isoformat(), scrape.missed, scrape.bounds, pods, buckets)).encode())
    return found.hexdigest()[:16]
