"""What the primary's own history says of noise, base rate and load (judge.md 4). Called when a rollout begins, by `plan` and by backtests.

An hour is needed, a day preferred: over long histories the noisiest four hours count. Without history nothing is known, and counts are
taken for what they seem until the rollout itself shows otherwise.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from trimtab.analysis import ridit
from trimtab.analysis.ledger import Array
from trimtab.analysis.noise import PRESENT, uneven
from trimtab.model.evidence import Calibration, MetricCalibration, Noise
from trimtab.model.judging import Clumps, Constants, JudgeRules, Measured, MetricRule
from trimtab.model.scrapes import Arm, Scrape

WINDOW = 4 * 3600.0
"""Seconds: a longer history is looked at in windows of about this length."""
TIME_BLOCKS = (1, 4)
"""Scrapes: what `Clumps.TIME` compares with the next block."""


def calibrate(history: Iterable[Scrape], rules: JudgeRules) -> Calibration:
    """Each metric of the rules from its complete scrapes. Only primary pods are looked at; the order of scrapes does not matter."""
    scrapes = sorted(history, key=lambda scrape: scrape.ended)
    made = (of_metric([scrape for scrape in scrapes if scrape.metric == rule.name], rule, rules) for rule in rules.metrics)
    return Calibration(tuple(metric for metric in made if metric is not None))


def of_metric(scrapes: Sequence[Scrape], rule: MetricRule, rules: JudgeRules) -> MetricCalibration | None:
    """One metric from its scrapes in order; None where there is nothing to learn from."""
    latency = rule.kind is Measured.LATENCY
    scrapes = [scrape for scrape in scrapes if not latency or scrape.bounds == scrapes[-1].bounds]
    pods = sorted({pod.pod for scrape in scrapes for pod in (scrape.buckets or scrape.counts) if pod.arm is Arm.PRIMARY})
    values = series(scrapes, pods, latency)
    sizes = np.sum(values, axis=-1) if latency else values[..., 1]
    present = np.sum(sizes > 0, axis=-1)
    bins = np.asarray([scrape.missed + 1.0 for scrape in scrapes])
    if np.sum(sizes) < 1:
        return None
    load = float(np.rint(np.sum(sizes)) / np.sum(present * bins))
    about = MetricCalibration(
        rule.name,
        load=load,
        scrapes=len(scrapes),
        pods=int(np.max(present)),
        began=scrapes[0].ended - scrapes[0].length * (scrapes[0].missed + 1),
        ended=scrapes[-1].ended,
    )
    windows = max(1, round(float(np.sum(bins)) * scrapes[-1].length.total_seconds() / WINDOW))
    if latency:
        return of_buckets(about, values, scrapes[-1].bounds, windows, rules)
    return replace(about, noise=noise_of(values, windows, False, rules))


def series(scrapes: Sequence[Scrape], pods: Sequence[str], latency: bool) -> Array:
    """(scrapes, pods, 2), or (scrapes, pods, buckets); 0 where a pod was not seen."""
    places = {pod: place for place, pod in enumerate(pods)}
    width = len(scrapes[-1].bounds) + 1 if latency and scrapes else 2
    values = np.zeros((len(scrapes), len(pods), width))
    for row, scrape in enumerate(scrapes):
        for pod in scrape.buckets if latency else ():
            if pod.arm is Arm.PRIMARY:
                values[row, places[pod.pod]] += pod.counts
                values[row, places[pod.pod], 0] += PRESENT
        for counted in () if latency else scrape.counts:
            if counted.arm is Arm.PRIMARY:
                values[row, places[counted.pod]] += (counted.bad, counted.total + PRESENT)
    return values


def of_buckets(about: MetricCalibration, values: Array, bounds: tuple[float, ...], windows: int, rules: JudgeRules) -> MetricCalibration:
    """A histogram: the ranks of its buckets, and "slower than this" for each bound."""
    buckets = np.sum(values, axis=(0, 1))
    sizes = np.sum(values, axis=-1)
    ranks = values @ ridit.scores(ridit.shares(buckets))
    above = np.cumsum(values[..., ::-1], axis=-1)[..., -2::-1]
    return replace(
        about,
        noise=noise_of(np.stack((ranks, sizes), axis=-1), windows, True, rules),
        bounds=bounds,
        buckets=tuple(float(each) for each in np.rint(buckets)),
        above=tuple(noise_of(np.stack((above[..., place], sizes), axis=-1), windows, False, rules) for place in range(len(bounds))),
    )


def noise_of(values: Array, windows: int, scores: bool, rules: JudgeRules) -> Noise:
    """Of one series, (scrapes, pods, 2): value and size. The most of all windows."""
    found = [dispersion(window[None], scores, rules.clumps, rules.constants) for window in np.array_split(values, windows) if window.size]
    single, lasting = (max(float(each[which][0]) for each in found) for which in (0, 1))
    return Noise(single, lasting, 0.0 if scores else float(np.rint(np.sum(values[..., 0]))), float(np.rint(np.sum(values[..., 1]))))


def dispersion(values: Array, scores: bool, clumps: Clumps, constants: Constants) -> tuple[Array, Array]:
    """Noise within a scrape and the most over longer blocks, both at least 1, of many series (..., scrapes, pods, 2) at once.

    Where one pod is all there is, its blocks are compared with the next ones instead of pods with pods; drift then counts as noise.
    """
    pods = values.shape[-2]
    found = [ratio(blocks(values, length), scores, pods < 2, constants) for length in constants.history_blocks]
    single, lasting = found[0], np.max(found, axis=0)
    if clumps is Clumps.TIME:
        arm = np.sum(values, axis=-2, keepdims=True)
        time = np.max([ratio(blocks(arm, length), scores, True, constants) for length in TIME_BLOCKS], axis=0)
        single, lasting = np.maximum(single, time), np.maximum(lasting, time)
    return np.maximum(1.0, single), np.asarray(np.maximum(1.0, lasting))


def blocks(values: Array, length: int) -> Array:
    """Sums over blocks of scrapes; an unfinished last block is left out."""
    whole = values.shape[-3] // length
    cut = values[..., : whole * length, :, :]
    return np.asarray(np.sum(cut.reshape(*cut.shape[:-3], whole, length, *cut.shape[-2:]), axis=-3))


def ratio(block: Array, scores: bool, adjacent: bool, constants: Constants) -> Array:
    """Pearson's dispersion over all blocks: how many times more uneven than independent requests. 1 where nothing can be compared.

    An error that is alone in its block says nothing of how errors come together, so a history of few errors is believed little (ADR 8).
    """
    groups = np.stack((block[..., :-1, 0, :], block[..., 1:, 0, :]), axis=-2) if adjacent else block
    chi, freedom = uneven(groups, scores)
    total = np.sum(freedom, axis=-1)
    found = np.where(total > 0, np.sum(chi, axis=-1) / np.where(total > 0, total, 1.0), 1.0)
    events = np.sum(groups[..., 1 if scores else 0], axis=-1)
    together = np.sum(np.maximum(0.0, events - 1), axis=-1)
    return np.asarray(1 + (found - 1) * together / (together + constants.history_strength))
