"""Plays the judge's rule against made-up traffic, many rollouts at once. Used by the calibration tests and by benchmarks/judge."""

from dataclasses import dataclass, field, replace

import numpy as np

from calibration.worlds import SCRAPE, STEPS, Array, Traffic, World, history
from trimtab.analysis import counts
from trimtab.analysis.calibration import dispersion
from trimtab.analysis.counts import Known, Odds
from trimtab.analysis.ledger import total
from trimtab.analysis.noise import PRESENT
from trimtab.analysis.packing import leaves, placed, rebuilt, taken
from trimtab.analysis.verdicts import CALLS, calls
from trimtab.model.judging import JudgeRules
from trimtab.model.ruling import Ruling

RULES = JudgeRules()
HISTORIES = 40
GRACE = 8
"""Scrapes."""
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Plan:
    """How exposure grows."""

    kind: str = "fixed"
    """`fixed` at one weight; `clock`: two minutes a step; `evidence`: as the judge says."""
    weight: float = 0.10
    minutes: float = 60.0
    bake: int = 0
    """Scrapes that the last step lasts at least."""


@dataclass(frozen=True)
class Fault:
    """The canary fails `ratio` times as often from some scrape on, or from some step on."""

    ratio: float = 1.0
    after: int = 0
    step: int = 0
    scrapes_in: int = 0
    """Not at once with the step but so many scrapes later."""


HEALTHY = Fault()


@dataclass
class Ends:
    """When what happened, in scrapes from 1 (NEVER if it did not), for each run."""

    rollback: np.ndarray
    hold: np.ndarray
    promoted: np.ndarray
    onset: np.ndarray
    failed: Array
    """Failed canary requests until the rollback or the end."""
    step: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def seconds(self, which: str) -> Array:
        """From the onset of the fault; inf where it never happened."""
        when = getattr(self, which)
        began = np.where(self.onset == NEVER, 0, self.onset)
        return np.where(when == NEVER, np.inf, (when - began) * SCRAPE)


def known_of(world: World, rules: JudgeRules, seed: int, hours: float = 4.0) -> Known:
    """(HISTORIES,) or (HISTORIES, metrics): what independent histories of this world say."""
    values = np.stack([history(world, HISTORIES, hours, seed + metric) for metric in range(world.metrics)], axis=1)
    values[..., 1] += PRESENT
    single, lasting = dispersion(values, False, rules.clumps, rules.constants)
    sums = values.sum(axis=(2, 3))
    shape = (HISTORIES, world.metrics)
    found = counts.unknown(shape, rules)
    load = sums[..., 1] / (values.shape[2] * values.shape[3])
    return replace(found, single=single, lasting=lasting, bad=sums[..., 0], total=sums[..., 1], load=load)


def grouped(scrape: Array, world: World, rules: JudgeRules) -> Array:
    """(..., pods, 2) as (..., 2, pod groups, 2)."""
    groups = rules.constants.pod_groups
    found = np.zeros((*scrape.shape[:-2], 2, groups, 2))
    for place in range(scrape.shape[-2]):
        arm = int(place >= world.canary_pods)
        group = found[..., arm, (place - arm * world.canary_pods) % groups, :]
        group += scrape[..., place, :]
        group[..., 1] += PRESENT
    return found


def joined(odds: Odds) -> Odds:
    """(runs, metrics) as (runs,): metrics of equal weight, all of them gating."""
    even = np.full(odds.worse.shape[-1], -np.log(odds.worse.shape[-1]))
    return Odds(*(total(each, even) for each in (odds.worse, odds.beyond, odds.without_pod)), odds.refuted.min(axis=-1), odds.guard[..., 0])


def play(world: World, plan: Plan, runs: int, seed: int, known: Known, fault: Fault = HEALTHY, rules: JudgeRules = RULES) -> Ends:
    """So many rollouts until each is rolled back or promoted, or the time is over."""
    chance = np.random.default_rng(seed)
    live = np.arange(runs)
    known = taken(known, chance.integers(0, HISTORIES, runs))
    traffic = Traffic(world, (runs, world.metrics), chance)
    vouching = world.canary_pods >= rules.constants.least_pods
    left_out = min(rules.constants.left_out_groups, world.canary_pods) if vouching else 0
    state = counts.start((runs, world.metrics), rules.constants, rules.constants.pod_groups, left_out)
    ends = Ends(*(np.full(runs, NEVER) for _ in range(4)), np.zeros(runs), np.zeros(runs, dtype=np.int64))
    doubted = np.full(runs, NEVER)
    entered = np.zeros(runs, dtype=np.int64)
    waiting = np.zeros((runs, world.metrics, 2, rules.constants.pod_groups, 2))
    for scrape in range(1, round(plan.minutes * 60 / SCRAPE) + 1):
        if live.size == 0:
            break
        step = ends.step[live]
        weight, following = weights(plan, step)
        bad = faulty(fault, scrape, step, entered[live], ends.onset, live)
        arms = grouped(traffic.scrape(weight[:, None], np.where(bad, fault.ratio, 1.0)[:, None]), world, rules)
        ends.failed[live] += arms[:, 0, 0, :, 0].sum(axis=-1)
        complete = np.ones(live.size, dtype=bool)
        if world.missing:
            waiting += arms
            complete = (chance.random((live.size, 2)) >= world.missing).all(axis=-1)
            arms, waiting = waiting, np.where(complete[:, None, None, None, None], 0.0, waiting)
        some = np.flatnonzero(complete & (arms[:, 0, :, :, 1].sum(axis=(-1, -2)) >= 1))
        seen = counts.seen(arms[some], np.full((some.size, world.metrics), float(world.canary_pods)))
        part = counts.update(taken(state, some), seen, taken(known, some), following[some, None], rules)
        state = placed(state, some, part)
        odds = joined(counts.odds(state, known, np.full((live.size, world.metrics), left_out), rules.constants))
        held = odds.worse >= np.log(rules.hold_odds)
        doubted[live] = np.where(held & (doubted[live] == NEVER), scrape, doubted[live])
        ends.hold[live] = np.minimum(ends.hold[live], np.where(held, scrape, NEVER))
        patient = (doubted[live] == NEVER) | (scrape - np.minimum(doubted[live], scrape) < GRACE)
        ready = state.ledger.counted[:, 0] >= rules.least_scrapes
        call = calls(odds, ready, patient, rules)
        back = call == CALLS.index(Ruling.ROLLBACK)
        ends.rollback[live[back]] = scrape
        goes = grows(plan, call, step, scrape, entered[live])
        state = stepped(state, goes, rules)
        entered[live[goes]] = scrape
        ends.step[live[goes]] += 1
        through = goes & (step == len(STEPS) - 1)
        ends.promoted[live[through]] = scrape
        stay = ~(back | through)
        if not stay.all():
            live, state, known, waiting = live[stay], narrowed(state, stay), narrowed(known, stay), waiting[stay]
            traffic.shape = (live.size, world.metrics)
            traffic.noise = None if traffic.noise is None else traffic.noise[stay]
            traffic.shared = None if traffic.shared is None else traffic.shared[stay]
    return ends


def narrowed(tree, stay):
    """Those that are still under way."""
    return rebuilt(tree, (each[stay] for each in leaves(tree)))


def weights(plan: Plan, step: np.ndarray) -> tuple[Array, Array]:
    """The weight of each run and the one that follows."""
    if plan.kind == "fixed":
        return np.full(step.shape, plan.weight), np.ones(step.shape)
    ladder = np.asarray((*STEPS, 1.0))
    return ladder[step], ladder[step + 1]


def faulty(fault: Fault, scrape: int, step: np.ndarray, entered: np.ndarray, onset: np.ndarray, live: np.ndarray) -> np.ndarray:
    """Which runs fail now; notes when each began to."""
    if fault.ratio == 1:
        return np.zeros(step.shape, dtype=bool)
    now = (scrape > fault.after) & ((step > fault.step) | ((step == fault.step) & (scrape - entered > fault.scrapes_in)))
    fresh = now & (onset[live] == NEVER)
    onset[live[fresh]] = scrape - 1
    return now


def grows(plan: Plan, call: np.ndarray, step: np.ndarray, scrape: int, entered: np.ndarray) -> np.ndarray:
    """Which runs leave their step."""
    if plan.kind == "evidence":
        last = step == len(STEPS) - 1
        return (call == CALLS.index(Ruling.GO_ON)) & (~last | (scrape - entered >= plan.bake))
    if plan.kind == "clock":
        return (scrape - entered >= 8) & (step < len(STEPS) - 1) & (call != CALLS.index(Ruling.HOLD))
    return np.zeros(step.shape, dtype=bool)


def stepped(state, goes: np.ndarray, rules: JudgeRules):
    """A new step for some."""
    places = np.flatnonzero(goes)
    if not places.size:
        return state
    return placed(state, places, counts.advanced(taken(state, places), rules.constants))
