"""Made-up traffic of many rollouts at once: who gets how many requests, how errors clump, what disturbs them (judge.md 13).

Counts are (runs, pods, 2): bad and total. Chance comes in as a seeded generator. Used by the calibration tests and by benchmarks/judge.
"""

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SCRAPE = 15.0
"""Seconds."""
STEPS = (0.01, 0.05, 0.10, 0.25, 0.50)


class Sizes(Protocol):
    """How many errors one cause makes."""

    mean: float

    def total(self, clumps: Array, chance: np.random.Generator) -> Array:
        """The errors of so many causes."""
        ...


@dataclass(frozen=True)
class Fixed:
    size: int = 1

    @property
    def mean(self) -> float:
        return float(self.size)

    def total(self, clumps: Array, chance: np.random.Generator) -> Array:
        return clumps * self.size


@dataclass(frozen=True)
class Geometric:
    """Size-weighted mean as named."""

    weighted: float

    @property
    def p(self) -> float:
        return 2 / (self.weighted + 1)

    @property
    def mean(self) -> float:
        return 1 / self.p

    def total(self, clumps: Array, chance: np.random.Generator) -> Array:
        more = chance.negative_binomial(np.maximum(clumps, 1), self.p)
        return clumps + np.where(clumps > 0, more, 0)


@dataclass(frozen=True)
class Zeta:
    """P(S >= s) proportional to max(s/c, 1)^-a on 1..most."""

    a: float
    c: float
    most: int
    cumulative: Array = field(init=False, compare=False, repr=False)
    mean: float = field(init=False, compare=False)

    def __post_init__(self) -> None:
        sizes = np.arange(1, self.most + 2)
        tail = np.maximum(sizes / self.c, 1.0) ** -self.a
        mass = tail[:-1] - tail[1:]
        mass /= mass.sum()
        object.__setattr__(self, "cumulative", np.cumsum(mass))
        object.__setattr__(self, "mean", float(mass @ sizes[:-1]))

    def total(self, clumps: Array, chance: np.random.Generator) -> Array:
        flat = clumps.ravel().astype(np.int64)
        sizes = np.searchsorted(self.cumulative, chance.random(int(flat.sum()))) + 1.0
        ends = np.cumsum(flat)
        summed = np.concatenate(([0.0], np.cumsum(sizes)))
        return (summed[ends] - summed[ends - flat]).reshape(clumps.shape)


INDEPENDENT = Fixed()
ZETAS = {"3_2.5": Zeta(2.5, 1, 20000), "10_2.0": Zeta(2.0, 1.5, 700), "10_1.5": Zeta(1.5, 2, 50), "30_1.5": Zeta(1.5, 1, 700)}


@dataclass(frozen=True)
class World:
    """One service, and what happens to it."""

    rps: float
    base: float
    sizes: Sizes = INDEPENDENT
    lands: str = "pod"
    """Where a clump goes: one `pod`; `split` error by error over all; one `arm`, evenly over its pods."""
    canary_pods: int = 1
    primary_pods: int = 10
    pod_noise: float = 0.0
    """Coefficient of variation of each pod's own error rate, correlated over a minute."""
    drift: float = 0.0
    """The same, shared by all pods."""
    incident: float = 1.0
    """Both arms fail so many times as often in scrapes 9 to 16."""
    incident_lasts: bool = False
    skew: float = 1.0
    """The canary gets so many times its planned share."""
    missing: float = 0.0
    """So often a scrape of one arm is missing."""
    resets: float = 0.0
    """So often a pod's counters begin anew within a scrape."""
    metrics: int = 1


def quiet(world: World) -> World:
    """The same without clumps or noise: what a quiet night shows of it."""
    return replace(world, sizes=INDEPENDENT, pod_noise=0.0, drift=0.0, lands="pod")


class Traffic:
    """Scrape by scrape, for so many runs. Keeps what is correlated in time."""

    def __init__(self, world: World, shape: tuple[int, ...], chance: np.random.Generator) -> None:
        self.world, self.shape, self.chance = world, shape, chance
        pods = world.canary_pods + world.primary_pods
        self.noise = chance.standard_normal((*shape, pods)) if world.pod_noise else None
        self.shared = chance.standard_normal(shape) if world.drift else None
        self.number = 0

    def level(self) -> Array:
        """(..., pods): how many times as often as usual each pod fails now."""
        world = self.world
        level = np.ones((*self.shape, world.canary_pods + world.primary_pods))
        keep = np.exp(-SCRAPE / 60)
        if self.noise is not None:
            self.noise = keep * self.noise + np.sqrt(1 - keep**2) * self.chance.standard_normal(self.noise.shape)
            level = level * lognormal(self.noise, world.pod_noise)
        if self.shared is not None:
            self.shared = keep * self.shared + np.sqrt(1 - keep**2) * self.chance.standard_normal(self.shared.shape)
            level = level * lognormal(self.shared, world.drift)[..., None]
        self.number += 1
        if world.incident != 1 and (world.incident_lasts or 9 <= self.number <= 16):
            level = level * world.incident
        return level

    def scrape(self, weight: Array | float, ratio: Array | float = 1.0) -> Array:
        """(..., pods, 2): one scrape; canary pods first. `ratio` is how many times as often as the primary the canary fails."""
        world, chance, canaries = self.world, self.chance, self.world.canary_pods
        share = np.minimum(1.0, np.broadcast_to(np.asarray(weight) * world.skew, self.shape))
        level = self.level()
        times = np.broadcast_to(np.asarray(ratio), self.shape)
        level[..., :canaries] *= times[..., None]
        each = np.concatenate(
            (
                np.repeat((share / canaries)[..., None], canaries, axis=-1),
                np.repeat(((1 - share) / world.primary_pods)[..., None], world.primary_pods, axis=-1),
            ),
            axis=-1,
        )
        total = chance.poisson(world.rps * SCRAPE * each)
        expected = world.rps * SCRAPE * each * np.minimum(1.0, world.base * level)
        bad = np.minimum(self.errors(expected, canaries), total)
        counts = np.stack((bad, total), axis=-1).astype(np.float64)
        if world.resets:
            kept = np.where(chance.random(total.shape) < world.resets, chance.random(total.shape), 1.0)
            counts = np.floor(counts * kept[..., None])
        return counts

    def errors(self, expected: Array, canaries: int) -> Array:
        """How many fail, where so many are expected to."""
        sizes, chance, lands = self.world.sizes, self.chance, self.world.lands
        if lands == "pod":
            return sizes.total(chance.poisson(expected / sizes.mean), chance)
        if lands == "split":
            whole = sizes.total(chance.poisson(expected.sum(axis=-1) / sizes.mean), chance)
            return chance.multinomial(whole.astype(np.int64), expected / expected.sum(axis=-1, keepdims=True))
        found = np.zeros_like(expected)
        for arm in (slice(0, canaries), slice(canaries, None)):
            part = expected[..., arm]
            whole = sizes.total(chance.poisson(part.sum(axis=-1) / sizes.mean), chance)
            found[..., arm] = chance.multinomial(whole.astype(np.int64), part / np.maximum(part.sum(axis=-1, keepdims=True), 1e-300))
        return found


def lognormal(z: Array, variation: float) -> Array:
    """Positive, of mean 1 and so much variation."""
    square = np.log(1 + variation**2)
    return np.exp(np.sqrt(square) * z - square / 2)


def history(world: World, number: int, hours: float, seed: int) -> Array:
    """(number, scrapes, primary pods, 2): the primary alone, serving everything."""
    alone = replace(world, canary_pods=1, missing=0.0, incident=world.incident if world.incident_lasts else 1.0, skew=1.0)
    traffic = Traffic(alone, (number,), np.random.default_rng(seed))
    return np.stack([traffic.scrape(0.0)[:, 1:] for _ in range(round(hours * 3600 / SCRAPE))], axis=1)
