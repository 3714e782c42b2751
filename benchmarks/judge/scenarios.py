"""The scenarios of the judge's benchmark, R1 to R8: what is simulated, how often, from which seeds (judge.md 13).

Each section yields cells; a cell is played by `run.py`, which keeps its figures by name, so that an interrupted run goes on where it was.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from calibration.latencies import Latency, Shift
from calibration.plays import Fault, Plan
from calibration.worlds import INDEPENDENT, ZETAS, Fixed, Geometric, Sizes, World, quiet
from trimtab.model.judging import Clumps

PAIRS = ((50, 0.001), (50, 0.01), (500, 0.0001), (500, 0.001), (5000, 0.001), (5000, 0.01))
FURTHER = ((50, 0.0001), (500, 0.01), (5000, 0.0001))


@dataclass(frozen=True)
class Cell:
    """One simulation."""

    section: str
    row: str
    column: str
    world: World | Latency
    plan: Plan
    seed: int
    fault: Fault = Fault()
    shift: Shift = Shift()
    runs: int = 1000
    history: World | None = None
    """Where it is not honest: what the noise was learned from."""
    clumps: Clumps = Clumps.PODS
    history_seed: int = 0

    @property
    def name(self) -> str:
        """By which its figures are kept."""
        return f"{self.section} | {self.row} | {self.column}"


@dataclass(frozen=True)
class Trouble:
    """A row of R1: nothing is wrong with the canary, and yet the counts are not what independent requests would make them."""

    name: str
    sizes: Sizes = INDEPENDENT
    lands: str = "pod"
    canary_pods: int = 1
    pod_noise: float = 0.0
    drift: float = 0.0
    incident: float = 1.0
    skew: float = 1.0
    missing: float = 0.0
    resets: float = 0.0
    metrics: int = 1
    quiet: bool = False
    clumps: Clumps = Clumps.PODS

    def world(self, rps: float, base: float) -> World:
        """At this traffic and base rate."""
        return World(
            rps,
            base,
            self.sizes,
            self.lands,
            self.canary_pods,
            pod_noise=self.pod_noise,
            drift=self.drift,
            incident=self.incident,
            skew=self.skew,
            missing=self.missing,
            resets=self.resets,
            metrics=self.metrics,
        )


TROUBLES = (
    Trouble("clean"),
    Trouble("clumps, fixed size 10", Fixed(10)),
    Trouble("clumps, geometric, size-weighted mean 3", Geometric(3)),
    Trouble("clumps, geometric, 10", Geometric(10)),
    Trouble("clumps, zeta tail 2.5, about 3", ZETAS["3_2.5"]),
    Trouble("clumps, zeta tail 2.0, about 10", ZETAS["10_2.0"]),
    Trouble("clumps, zeta tail 1.5, about 10", ZETAS["10_1.5"]),
    Trouble("clumps, zeta tail 1.5, about 30", ZETAS["30_1.5"]),
    Trouble("the same, every error split at random", ZETAS["30_1.5"], "split"),
    Trouble("zeta 2.0, 10, five canary pods", ZETAS["10_2.0"], canary_pods=5),
    Trouble("shared incident x20 for 2 min", incident=20),
    Trouble("incident x20 and geometric 10", Geometric(10), incident=20),
    Trouble("shared drift CV 1, 60 s", drift=1),
    Trouble("split 20 % below plan", skew=0.8),
    Trouble("split 20 % above plan", skew=1.2),
    Trouble("pod noise CV 1, 60 s, one canary pod", pod_noise=1),
    Trouble("pod noise, five canary pods", pod_noise=1, canary_pods=5),
    Trouble("pod noise and incident x20, one pod", pod_noise=1, incident=20),
    Trouble("20 % missing scrapes per arm", missing=0.2),
    Trouble("2 % of pods reset per scrape", resets=0.02),
    Trouble("8 metrics at once", metrics=8),
    Trouble("quiet history: geometric 10, one pod", Geometric(10), quiet=True),
    Trouble("quiet history: geometric 10, five pods", Geometric(10), canary_pods=5, quiet=True),
    Trouble("quiet history: zeta 2.0, 10, five pods", ZETAS["10_2.0"], canary_pods=5, quiet=True),
    Trouble("quiet history: pod noise, one pod", pod_noise=1, quiet=True),
    Trouble("quiet history: pod noise, three pods", pod_noise=1, canary_pods=3, quiet=True),
    Trouble("quiet history: pod noise, five pods", pod_noise=1, canary_pods=5, quiet=True),
)
STICKY = (
    Trouble("clumps in one arm over its pods (sticky), geometric 10, clumps: pods", Geometric(10), "arm", 5),
    Trouble("clumps in one arm over its pods (sticky), geometric 10, clumps: time", Geometric(10), "arm", 5, clumps=Clumps.TIME),
)


def false_rollbacks(few: bool) -> Iterator[Cell]:
    """R1: no regression. `few` leaves most traffic out."""
    pairs = PAIRS[3:4] if few else PAIRS
    weights = (0.10, 0.50) if few else (0.01, 0.05, 0.10, 0.50)
    for number, trouble in enumerate((*TROUBLES, *STICKY), 1):
        further = () if few or trouble.quiet or trouble in STICKY else FURTHER
        for rps, base in (*pairs, *further):
            world = trouble.world(rps, base)
            plans = {f"fixed {weight:.0%}": Plan(weight=weight) for weight in weights}
            if (rps, base) in FURTHER:
                plans.pop("fixed 5%")
            else:
                plans |= {"evidence ramp": Plan("evidence")} if few else {"clock ramp": Plan("clock"), "evidence ramp": Plan("evidence")}
            for name, plan in plans.items():
                # A ramp has five canary pods unless the trouble names them.
                five = plan.kind != "fixed" and not trouble.quiet and "pod" not in trouble.name
                played = replace(world, canary_pods=5) if five else world
                seed = 50_000 + 10 * number if name == "fixed 5%" or (rps, base) in FURTHER else 1000 + 10 * number
                column = f"{rps} rps, {base:.2%}, {name}"
                learned = quiet(world) if trouble.quiet else None
                runs = 300
                yield Cell("R1", trouble.name, column, played, plan, seed, runs=runs, history=learned, clumps=trouble.clumps)


def detection(few: bool) -> Iterator[Cell]:
    """R2: how fast a regression is found at 10 %, and what each disturbance costs."""
    for rps in (50, 500, 5000):
        for ratio in (2, 5, 10, 50):
            for pods in (1, 5):
                plan = Plan(weight=0.10, minutes=(80 if rps == 50 else 40) if ratio == 2 else 20)
                yield Cell(
                    "R2",
                    f"{rps} rps, {ratio}x",
                    f"{pods} canary pod" + "s" * (pods > 1),
                    World(rps, 0.001, canary_pods=pods),
                    plan,
                    2000,
                    Fault(ratio),
                )
    costs = {
        "clean": World(0, 0),
        "geometric 3": World(0, 0, Geometric(3)),
        "geometric 10": World(0, 0, Geometric(10)),
        "zeta 2.0, 10": World(0, 0, ZETAS["10_2.0"]),
        "pod noise, 1 pod": World(0, 0, pod_noise=1),
        "pod noise, 5 pods": World(0, 0, pod_noise=1, canary_pods=5),
        "shared drift": World(0, 0, drift=1),
        "incident x20 on": World(0, 0, incident=20, incident_lasts=True),
        "20 % missing": World(0, 0, missing=0.2),
    }
    for rps in () if few else (500, 5000):
        for ratio in (2, 5, 10):
            for name, world in costs.items():
                plan = Plan(weight=0.10, minutes=40 if ratio == 2 else 20)
                noisy = replace(world, rps=rps, base=0.001)
                # The history of an incident that lasts is that of the days before.
                about = replace(noisy, incident=1.0) if world.incident_lasts else None
                yield Cell("R2 cost", f"{rps} rps, {ratio}x", name, noisy, plan, 2000, Fault(ratio), runs=500, history=about)
    for rps in () if few else (500, 5000):
        for weight in (0.5, 0.1):
            for ratio in (2, 5, 10):
                plan = Plan(weight=weight, minutes=40)
                yield Cell(
                    "R2 late", f"{rps} rps, {weight:.0%}", f"{ratio}x", World(rps, 0.001), plan, 710, Fault(ratio, after=40), runs=500
                )


def promotion(few: bool) -> Iterator[Cell]:
    """R3: who is promoted by evidence, and when."""
    worlds = {
        "clean, 500 rps": World(500, 0.001, canary_pods=5),
        "clean, 5000 rps": World(5000, 0.001, canary_pods=5),
        "clean, one canary pod, 500 rps": World(500, 0.001),
        "geometric 3, 500 rps": World(500, 0.001, Geometric(3), canary_pods=5),
        "geometric 3, 5000 rps": World(5000, 0.001, Geometric(3), canary_pods=5),
        "geometric 10, 500 rps": World(500, 0.001, Geometric(10), canary_pods=5),
        "geometric 10, 5000 rps": World(5000, 0.001, Geometric(10), canary_pods=5),
        "zeta 2.0, 10, 500 rps": World(500, 0.001, ZETAS["10_2.0"], canary_pods=5),
        "zeta 2.0, 10, 5000 rps": World(5000, 0.001, ZETAS["10_2.0"], canary_pods=5),
        "zeta 1.5, 30, 5000 rps": World(5000, 0.001, ZETAS["30_1.5"], canary_pods=5),
        "pod noise CV 1, 500 rps": World(500, 0.001, canary_pods=5, pod_noise=1),
        "pod noise CV 1, 5000 rps": World(5000, 0.001, canary_pods=5, pod_noise=1),
    }
    faults = {
        "healthy": (Fault(), 500),
        "+20 %": (Fault(1.2), 500),
        "2x from the start": (Fault(2), 1000),
        "2x from the 5 % step": (Fault(2, step=1), 1000),
        "2x from the 10 % step": (Fault(2, step=2), 1000),
        "2x from the 25 % step": (Fault(2, step=3), 1000),
        "2x from the 50 % step": (Fault(2, step=4), 2000),
        "5x from the 25 % step": (Fault(5, step=3), 300),
        "5x from the 50 % step": (Fault(5, step=4), 300),
    }
    for name, world in list(worlds.items())[: 2 if few else None]:
        base = 40_000 if name.startswith("clean") else 4000
        for onset, (what, (fault, runs)) in enumerate(faults.items()):
            yield Cell("R3", name, what, world, Plan("evidence"), base + onset, fault, runs=runs)
        for minutes in () if few or "clean" not in name else (0, 5):
            fault = Fault(2, step=4, scrapes_in=4)
            plan = Plan("evidence", bake=minutes * 4)
            yield Cell("R3 late", name, f"2x, 60 s into the 50 % step, bake {minutes} min", world, plan, base + 5, fault, runs=500)


def harmless(few: bool) -> Iterator[Cell]:
    """R4: a canary that is 20 % worse, which is within tolerance."""
    for rps, base in () if few else ((5000, 0.001), (5000, 0.01), (500, 0.001)):
        for name, plan in (("fixed 50%", Plan(weight=0.5)), ("evidence ramp", Plan("evidence"))):
            world = World(rps, base, canary_pods=5)
            yield Cell("R4", f"{rps} rps, {base:.1%}", name, world, plan, 700, Fault(1.2), runs=1000)


def latency(few: bool) -> Iterator[Cell]:
    """R5: histograms at 10 %."""
    worlds = {
        "50 rps, no noise": Latency(50),
        "500 rps, no noise": Latency(500),
        "500 rps, 3 %": Latency(500, 0.03),
        "500 rps, 10 % + 10 % shared": Latency(500, 0.1, 0.1),
        "5000 rps, no noise": Latency(5000),
        "5000 rps, 3 %": Latency(5000, 0.03),
        "5000 rps, 10 % + 10 % shared": Latency(5000, 0.1, 0.1),
    }
    shifts = {
        "none, 40 min": (Shift(), 40),
        "+5 %": (Shift(0.05), 10),
        "+9 %": (Shift(0.09), 10),
        "+10 %": (Shift(0.10), 10),
        "+25 %": (Shift(0.25), 10),
        "+50 %": (Shift(0.5), 10),
        "2 % take 3 s": (Shift(0, 0.02), 10),
    }
    for name, world in list(worlds.items())[1 : 3 if few else None] if few else worlds.items():
        for what, (shift, minutes) in shifts.items():
            runs = 600 if shift == Shift() else 300
            yield Cell("R5", name, what, world, Plan(weight=0.1, minutes=minutes), 5, shift=shift, runs=runs, history_seed=99)


def thin(few: bool) -> Iterator[Cell]:
    """R7: five canary requests a minute."""
    for weight in (0.05, 0.10, 0.50):
        for base in (0.0001, 0.001, 0.01):
            for ratio in (1, 5, 20, 100) if not few else (1,):
                world, plan = World(5 / 60 / weight, base), Plan(weight=weight, minutes=60)
                yield Cell("R7", f"{weight:.0%}, {base:.2%}", f"{ratio}x", world, plan, 77, Fault(ratio), runs=1000 if ratio == 1 else 400)


def thin_clumps(few: bool) -> Iterator[Cell]:
    """R8: so few requests that pods of the history cannot show whole clumps. Not in judge.md."""
    worlds = {
        "1.7 rps, 1 %, geometric 10": World(1.67, 0.01, Geometric(10)),
        "1.7 rps, 1 %, zeta 1.5, 30": World(1.67, 0.01, ZETAS["30_1.5"]),
        "1.7 rps, 0.1 %, geometric 10": World(1.67, 0.001, Geometric(10)),
        "5 rps, 1 %, geometric 10": World(5, 0.01, Geometric(10)),
    }
    for name, world in list(worlds.items())[: 1 if few else None]:
        for weight in (0.10, 0.50):
            for ratio in (1, 20):
                plan = Plan(weight=weight, minutes=60)
                yield Cell("R8", f"{name}, {weight:.0%}", f"{ratio}x", world, plan, 78, Fault(ratio), runs=1000 if ratio == 1 else 300)


SECTIONS = {"R1": false_rollbacks, "R2": detection, "R3": promotion, "R4": harmless, "R5": latency, "R7": thin, "R8": thin_clumps}
