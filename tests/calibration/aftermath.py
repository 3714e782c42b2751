"""Plays the watch after promotion, by its own rule, on primaries made up: how their pods come and go, and how their requests fail (ADR 19).

Used by the calibration tests and by benchmarks/judge.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from trimtab.analysis.judge import read
from trimtab.model.facts import Copy
from trimtab.model.names import Target
from trimtab.model.policy import Metric, MetricKind, Policy, Service
from trimtab.model.revision import Revision
from trimtab.model.rollout import Rollout, RolloutKind
from trimtab.model.verdict import Sample
from trimtab.model.watching import Look, PodRestarts, Restarts, Watch, WatchRules
from trimtab.rollout.afterwards import looked, readiness
from trimtab.rollout.watchwords import limit

Array = NDArray[np.float64]
DAY = 86400.0
INTERVAL = 60.0
"""Seconds between two looks, and the time that the success rate is of."""
RULES = WatchRules()
SUCCESS = Metric("request-success-rate", MetricKind.SUCCESS_RATE, minimum=99.0)
REVISION = Revision.of("{}", "v1:x", ())
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Primary:
    """What a promoted primary does, whatever was promoted, and what is wrong with that."""

    pods: int = 10
    restarts: float = 1.0
    """Of a pod's containers in a day."""
    lapses: float = 2.0
    """How often a pod is not ready in a day,"""
    lapse: float = 45.0
    """and for how many seconds on average."""
    rps: float = 500.0
    errors: float = 0.001
    incident: float = 1.0
    """So many times as many errors, once in the watch,"""
    lasts: float = 120.0
    """for so many seconds."""
    crashing: float = 0.0
    """The share of pods that crash again and again, from a minute after promotion."""
    unready: float = 0.0
    """The share of pods that are not ready from then on."""
    failing: float = 0.0
    """The share of requests that fail from then on."""


def play(primary: Primary, runs: int, seed: int, rules: WatchRules = RULES) -> Array:
    """(runs,): seconds from promotion until it was found broken; infinite where it was not."""
    chance = np.random.default_rng(seed)
    policy = Policy(Target("Deployment", "app"), Service("app"), watch=rules)
    run = Rollout(2, RolloutKind.CHANGE, None, REVISION, policy, START)
    return np.asarray([once(primary, run, rules, chance) for _ in range(runs)])


def once(primary: Primary, run: Rollout, rules: WatchRules, chance: np.random.Generator) -> float:
    """One promotion."""
    seconds = rules.lasts.total_seconds()
    times = np.arange(0.0, seconds + 1, INTERVAL)
    restarts, unready = restarted(primary, times, chance), not_ready(primary, times, seconds, chance)
    begins = chance.uniform(0.0, max(seconds - primary.lasts, 1.0))
    watch = Watch(START, START + rules.lasts, primary.pods)
    for place, time in enumerate(times):
        copy = Copy(REVISION.id, primary.pods, primary.pods, primary.pods, max(0, primary.pods - int(unready[place])))
        counts = Restarts((PodRestarts("all", int(restarts[place])),))
        found = Look(counts, (limit(read(SUCCESS, answered(primary, time, begins, chance))),) if place else ())
        watch = looked(watch, found, readiness(watch, copy, run), rules)
        if watch.broken:
            return float(time)
    return np.inf


def restarted(primary: Primary, times: Array, chance: np.random.Generator) -> Array:
    """Restarts up to each look: by chance, and of pods that crash with the pauses that Kubernetes makes between two tries."""
    by_chance = np.cumsum(chance.poisson(primary.pods * primary.restarts * INTERVAL / DAY, len(times)))
    tries = 60.0 + np.cumsum(np.minimum(10.0 * 2.0 ** np.arange(12), 300.0))
    return np.asarray(by_chance + round(primary.crashing * primary.pods) * np.searchsorted(tries, times, side="right"))


def not_ready(primary: Primary, times: Array, seconds: float, chance: np.random.Generator) -> Array:
    """Pods that are not ready at each look."""
    reach = 10 * primary.lapse
    count = chance.poisson(primary.pods * primary.lapses * (seconds + reach) / DAY)
    begins, lengths = chance.uniform(-reach, seconds, count), chance.exponential(primary.lapse, count)
    lapsed = np.sum((begins[None, :] <= times[:, None]) & (times[:, None] < (begins + lengths)[None, :]), axis=1)
    return np.asarray(lapsed + np.where(times >= INTERVAL, round(primary.unready * primary.pods), 0))


def answered(primary: Primary, time: float, begins: float, chance: np.random.Generator) -> Sample:
    """The success rate of the time since the look before."""
    shared = max(0.0, min(time, begins + primary.lasts) - max(time - INTERVAL, begins)) / INTERVAL
    rate = min(1.0, primary.errors * (1 + (primary.incident - 1) * shared) + (primary.failing if time > INTERVAL else 0.0))
    total = int(chance.poisson(primary.rps * INTERVAL))
    value = 100.0 * (1 - chance.binomial(total, rate) / total) if total else None
    return Sample(SUCCESS.name, SUCCESS.kind, value)
