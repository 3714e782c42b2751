"""What others would do with the same traffic: thresholds as Flagger's, a rank test as Kayenta's, and the best that could be done.

Each takes bad and total of both arms, (runs, scrapes, 2, 2) with the canary first, and says in which scrape (from 1) it would roll back;
NEVER where it would not. All are written anew from descriptions; none is their code.
"""

from dataclasses import replace

import numpy as np

from calibration.plays import HEALTHY, NEVER, Fault
from calibration.worlds import Array, Traffic, World
from trimtab.analysis.counts import likelihood

MINUTE = 4
"""Scrapes."""


def series(world: World, weight: float, runs: int, scrapes: int, seed: int, fault: Fault = HEALTHY) -> Array:
    """Both arms, scrape by scrape, at a fixed weight."""
    traffic = Traffic(replace(world, metrics=1), (runs,), np.random.default_rng(seed))
    found = np.zeros((runs, scrapes, 2, 2))
    for place in range(scrapes):
        pods = traffic.scrape(weight, fault.ratio if place >= fault.after else 1.0)
        found[:, place, 0] = pods[:, : world.canary_pods].sum(axis=1)
        found[:, place, 1] = pods[:, world.canary_pods :].sum(axis=1)
    return found


def first(hits: np.ndarray) -> np.ndarray:
    """The first scrape of each run that hits."""
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, NEVER)


def minutes(both: Array) -> Array:
    """(runs, minutes, 2, 2)."""
    whole = both.shape[1] // MINUTE
    return both[:, : whole * MINUTE].reshape(both.shape[0], whole, MINUTE, 2, 2).sum(axis=2)


def thresholds(both: Array, least: float = 0.99, failures: int = 5) -> np.ndarray:
    """Success of the canary in each minute; the check after the fifth that failed rolls back (cumulative, as Flagger counts)."""
    canary = minutes(both)[:, :, 0]
    failed = (canary[..., 1] > 0) & (1 - canary[..., 0] / np.maximum(canary[..., 1], 1) < least)
    full = failed.cumsum(axis=1) >= failures
    when = first(full)
    late = np.where(when == NEVER, NEVER, (np.minimum(when, both.shape[1]) + 1) * MINUTE)
    return np.where(late <= both.shape[1], late, NEVER)


def rank_test(both: Array) -> np.ndarray:
    """Error ratios of whole minutes, judged every minute on a growing window, by a rank sum shifted by a quarter of the estimate."""
    each = minutes(both)
    ratio = each[..., 0] / np.maximum(each[..., 1], 1)
    canary, primary = ratio[..., 0], ratio[..., 1]
    hits = np.zeros(canary.shape, dtype=bool)
    for size in range(2, canary.shape[1] + 1):
        x, y = canary[:, :size], primary[:, :size]
        shift = np.median((x[:, :, None] - y[:, None, :]).reshape(x.shape[0], -1), axis=1)
        moved = x - 0.25 * np.abs(shift)[:, None]
        above = (moved[:, :, None] > y[:, None, :]).sum(axis=(1, 2)) + 0.5 * (moved[:, :, None] == y[:, None, :]).sum(axis=(1, 2))
        pooled = np.sort(np.concatenate((moved, y), axis=1), axis=1)
        spread = np.sqrt(size * size / 12 * np.maximum((2 * size + 1) - ties(pooled) / (2 * size * (2 * size - 1)), 1e-12))
        hits[:, size - 1] = (above - size * size / 2 - 0.5) / spread > 2.3263
    when = first(hits)
    return np.where(when == NEVER, NEVER, np.minimum(when, both.shape[1]) * MINUTE)


def ties(ordered: Array) -> Array:
    """The sum of t^3 - t over groups of t equal values of each row."""
    runs, size = ordered.shape
    fresh = np.concatenate((np.ones((runs, 1), dtype=bool), ordered[:, 1:] != ordered[:, :-1]), axis=1)
    group = fresh.cumsum(axis=1) - 1
    count = np.zeros((runs, size))
    np.add.at(count, (np.repeat(np.arange(runs), size), group.ravel()), 1)
    return (count**3 - count).sum(axis=1)


def oracle(both: Array, ratio: float, odds: float = 100.0) -> np.ndarray:
    """The sequential likelihood ratio test that knows the true ratio, conditional on how many failed: nothing honest is faster."""
    each = likelihood(both[:, :, 0], both[:, :, 1], np.ones(both.shape[:2]), np.asarray([ratio]))[..., 0]
    return first(each.cumsum(axis=1) >= np.log(odds))


def failed_until(both: Array, when: np.ndarray) -> Array:
    """Failed canary requests up to and in that scrape; all of them where it never came."""
    summed = both[:, :, 0, 0].cumsum(axis=1)
    return summed[np.arange(len(when)), np.minimum(when, both.shape[1]) - 1]
