"""Histograms of many rollouts at once, and the judge's rule over them. Used by the calibration tests and by benchmarks/judge.

Latency is lognormal with a median of 60 ms and a 99th percentile of 400 ms, in the eleven classic buckets (judge.md 9, R5).
"""

import math
from dataclasses import dataclass, fields

import numpy as np

from calibration.plays import NEVER, Ends
from calibration.worlds import SCRAPE, Array
from trimtab.analysis import counts, ridit
from trimtab.analysis.calibration import of_buckets
from trimtab.analysis.layout import Layout, layout
from trimtab.analysis.odds import joined
from trimtab.analysis.packing import leaves, placed, rebuilt, taken
from trimtab.analysis.verdicts import CALLS, calls
from trimtab.model.evidence import Calibration, MetricCalibration
from trimtab.model.judging import JudgeRules, Measured, MetricRule
from trimtab.model.ruling import Ruling

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MEDIAN, SPREAD = 0.060, math.log(400 / 60) / 2.3263478740408408
RULES = JudgeRules(metrics=(MetricRule("latency", Measured.LATENCY, slo=0.5),))
HISTORIES = 10
GRID = np.linspace(-1.5, 1.5, 1201)


def normal(x: Array) -> Array:
    """The distribution function, by the error function."""
    return np.asarray(0.5 * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2))))


TABLE = np.diff(
    np.concatenate(
        (
            np.zeros((GRID.size, 1)),
            normal((np.log(BOUNDS)[None, :] - math.log(MEDIAN) - GRID[:, None]) / SPREAD),
            np.ones((GRID.size, 1)),
        ),
        axis=1,
    ),
    axis=1,
)
"""Shares of the buckets, by the logarithm of how much slower everything is."""


@dataclass(frozen=True)
class Latency:
    """One service's latency, and what disturbs it."""

    rps: float
    pod_noise: float = 0.0
    """How much a pod's speed varies, correlated over a minute."""
    shared: float = 0.0
    """The same for all pods."""
    canary_pods: int = 1
    primary_pods: int = 10


@dataclass(frozen=True)
class Shift:
    """What is wrong with the canary."""

    slower: float = 0.0
    stuck: float = 0.0
    """This share of requests takes three seconds."""


AS_EVER = Shift()


class Buckets:
    """Scrape by scrape."""

    def __init__(self, world: Latency, runs: int, chance: np.random.Generator) -> None:
        self.world, self.runs, self.chance = world, runs, chance
        self.noise = chance.standard_normal((runs, world.canary_pods + world.primary_pods))
        self.common = chance.standard_normal((runs, 1))

    def scrape(self, weight: float, shift: Shift) -> Array:
        """(runs, pods, buckets), canary pods first."""
        world, chance, canaries = self.world, self.chance, self.world.canary_pods
        keep = math.exp(-SCRAPE / 60)
        self.noise = keep * self.noise + math.sqrt(1 - keep**2) * chance.standard_normal(self.noise.shape)
        self.common = keep * self.common + math.sqrt(1 - keep**2) * chance.standard_normal(self.common.shape)
        slow = world.pod_noise * self.noise + world.shared * self.common
        slow[:, :canaries] += math.log1p(shift.slower)
        place = np.clip(np.rint((slow - GRID[0]) / (GRID[1] - GRID[0])).astype(int), 0, GRID.size - 1)
        shares = TABLE[place].copy()
        shares[:, :canaries] *= 1 - shift.stuck
        shares[:, :canaries, int(np.searchsorted(BOUNDS, 3.0))] += shift.stuck
        each = np.concatenate((np.full(canaries, weight / canaries), np.full(world.primary_pods, (1 - weight) / world.primary_pods)))
        return chance.poisson(world.rps * SCRAPE * each[None, :, None] * shares).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Learned:
    """What independent histories say, side by side."""

    known: counts.Known
    ranks: ridit.Ranks
    parts: Array
    gating: np.ndarray
    bounds: np.ndarray
    """(HISTORIES, rows): which bound each row counts above; -2 for a row that is not in use."""


def learned(world: Latency, seed: int, hours: float = 4.0, rules: JudgeRules = RULES) -> Learned:
    """From so many histories of the primary alone."""
    traffic = Buckets(world, HISTORIES, np.random.default_rng(seed))
    values = np.stack([traffic.scrape(0.0, Shift())[:, world.canary_pods :] for _ in range(round(hours * 3600 / SCRAPE))], axis=1)
    load = world.rps * SCRAPE / world.primary_pods
    made = [of_buckets(MetricCalibration("latency", load=load), each, BOUNDS, 1, rules) for each in values]
    found: list[Layout] = [layout(rules, Calibration((each,))) for each in made]

    def beside(name: str, kind: type) -> object:
        return kind(*(np.stack([getattr(getattr(each, name), part.name) for each in found]) for part in fields(kind)))

    known, ranks = beside("known", counts.Known), beside("ranks", ridit.Ranks)
    assert isinstance(known, counts.Known) and isinstance(ranks, ridit.Ranks)
    parts = np.stack([each.parts for each in found])
    rows = np.asarray([[row.bound for row in each.rows] for each in found])
    return Learned(known, ranks, parts, np.stack([each.gating for each in found]), rows)


def play(
    world: Latency, weight: float, minutes: float, runs: int, seed: int, about: Learned, shift: Shift = AS_EVER, rules: JudgeRules = RULES
) -> Ends:
    """So many rollouts at a fixed weight, one step, until each is rolled back or promoted, or the time is over."""
    chance = np.random.default_rng(seed)
    which = chance.integers(0, HISTORIES, runs)
    about = rebuilt(about, (each[which] for each in leaves(about)))
    traffic = Buckets(world, runs, chance)
    constants, rows = rules.constants, about.bounds.shape[1]
    left_out = min(4, world.canary_pods) if world.canary_pods >= constants.least_pods else 0
    tails = counts.start((runs, rows), constants, constants.pod_groups, left_out)
    whole = ridit.start((runs, 1), constants, constants.pod_groups, left_out)
    ends = Ends(*(np.full(runs, NEVER) for _ in range(4)), np.zeros(runs))
    doubted = np.full(runs, NEVER)
    for scrape in range(1, round(minutes * 60 / SCRAPE) + 1):
        arms = grouped(traffic.scrape(weight, shift), world.canary_pods, constants.pod_groups)
        pods = np.full((runs, 1), float(world.canary_pods))
        whole = ridit.update(whole, ridit.SeenBuckets(arms[:, None], pods), about.ranks, rules)
        tails = with_tails(tails, arms, about, pods, rules)
        groups = np.full((runs, 1), left_out)
        series = joined(
            counts.odds(tails, about.known, np.repeat(groups, rows, axis=1), constants),
            ridit.odds(whole, groups, constants),
            about.parts,
            about.gating,
        )
        odds = counts.Odds(*(getattr(series, part.name)[:, 0] for part in fields(counts.Odds)))
        held = odds.worse >= np.log(rules.hold_odds)
        doubted = np.where(held & (doubted == NEVER), scrape, doubted)
        patient = (doubted == NEVER) | (scrape - np.minimum(doubted, scrape) < 8)
        call = calls(odds, whole.ledger.counted[:, 0] >= rules.least_scrapes, patient, rules)
        open_ = ends.rollback == NEVER
        ends.hold = np.minimum(ends.hold, np.where(held & open_, scrape, NEVER))
        back, on = call == CALLS.index(Ruling.ROLLBACK), call == CALLS.index(Ruling.GO_ON)
        ends.rollback = np.where(open_ & (ends.promoted == NEVER) & back, scrape, ends.rollback)
        ends.promoted = np.where(open_ & (ends.promoted == NEVER) & on, scrape, ends.promoted)
    return ends


def with_tails(state: counts.CountState, arms: Array, about: Learned, pods: Array, rules: JudgeRules) -> counts.CountState:
    """The series of slow requests."""
    above = np.cumsum(arms[..., ::-1], axis=-1)[..., ::-1]
    used = about.bounds >= 0
    place = np.where(used, about.bounds + 1, 0)
    bad = np.take_along_axis(above[:, None], place[:, :, None, None, None], axis=-1)[..., 0]
    size = np.broadcast_to(above[:, None, :, :, 0], bad.shape)
    flat = np.argwhere(used)
    if len(flat) == used.size:
        seen = counts.seen(np.stack((bad, size), axis=-1), np.broadcast_to(pods, used.shape))
        return counts.update(state, seen, about.known, 1.0, rules)
    runs, rows = used.shape
    one = np.flatnonzero(used.ravel())
    wide = rebuilt(state, (each.reshape(runs * rows, *each.shape[2:]) for each in leaves(state)))
    known = rebuilt(about.known, (each.reshape(runs * rows, *each.shape[2:]) for each in leaves(about.known)))
    both = np.stack((bad, size), axis=-1).reshape(runs * rows, *bad.shape[2:], 2)
    seen = counts.seen(both[one], np.repeat(pods, rows, axis=1).ravel()[one])
    after = placed(wide, one, counts.update(taken(wide, one), seen, taken(known, one), 1.0, rules))
    return rebuilt(state, (each.reshape(runs, rows, *each.shape[1:]) for each in leaves(after)))


def grouped(scrape: Array, canaries: int, groups: int) -> Array:
    """(runs, pods, buckets) as (runs, 2, pod groups, buckets)."""
    found = np.zeros((scrape.shape[0], 2, groups, scrape.shape[-1]))
    for place in range(scrape.shape[1]):
        arm = int(place >= canaries)
        found[:, arm, (place - arm * canaries) % groups] += scrape[:, place]
    return found
