"""Histories that come far: settled at first, with one process that mostly leads and passes that mostly come to their end. Used by tests.

In those of `simulation` time passes in the middle of nearly every pass, so few attempts come past their first steps. These reach promotion,
what follows it, and gates, with the same faults, only fewer. `deeply(SEED)` runs one again.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta

from trimtab.model.commands import Verb
from trimtab.model.policy import HookType
from trimtab.model.rollout import CanaryState, Phase
from trimtab.testing.simulation import Process, Simulation, played
from trimtab.testing.story import Story

FAULTS = 0.01
"""The chance of a fault at a port call: a pass has about twenty, and most passes are to come to their end."""
ASKED = 4
"""In one history of so many a person has to say yes at the first gate and at the last."""


@dataclass
class Deep:
    """One history over a simulation, which holds its chance, its world and its laws. `phases` counts the records in each phase."""

    simulation: Simulation
    phases: Counter[Phase] = field(default_factory=Counter)
    lead: Process = field(init=False)

    def __post_init__(self) -> None:
        self.lead = self.simulation.processes[0]
        if self.simulation.seed % ASKED == 2:
            world = self.simulation.memory.world
            world.policy = replace(world.policy, approvals=frozenset({HookType.CONFIRM_ROLLOUT, HookType.CONFIRM_PROMOTION}))

    def run(self, moves: int) -> None:
        """A Canary that is settled, some moves, then a working world left alone (L1)."""
        simulation = self.simulation
        story = Story(simulation.memory)
        simulation.memory.store.on_replace = self.record
        story.until_settled()
        simulation.edit()
        for _ in range(moves):
            simulation.random.choices((self.passes, self.time_passes, self.something_happens), weights=(58, 34, 8))[0]()
        simulation.left_alone()

    def record(self, before: CanaryState, after: CanaryState) -> None:
        """Counts what is held to the laws."""
        self.simulation.watch.record(before, after)
        self.phases[after.phase] += 1

    def passes(self) -> None:
        """The process that leads goes on for a while; now and then the other one does, or comes to lead."""
        simulation = self.simulation
        if simulation.random.random() < 0.15:
            self.lead = simulation.random.choice(simulation.processes)
        for _ in range(simulation.random.choice((3, 10, 30, 60))):
            simulation.step(self.lead if simulation.random.random() < 0.97 else simulation.random.choice(simulation.processes))

    def time_passes(self) -> None:
        """Mostly until the next thing is due."""
        world, due, chance = self.simulation.memory.world, self.simulation.memory.state.due, self.simulation.random
        if due is not None and due > world.now and chance.random() < 0.6:
            world.now = due + timedelta(seconds=chance.choice((0, 0, 0.3)))
        else:
            world.now += timedelta(seconds=chance.choice((0.5, 1.1, 3, 10)))
        self.simulation.log.append(f"{world.now:%H:%M:%S}")

    def something_happens(self) -> None:
        """Often only a change, several wishes at once, or somebody who puts things right, so that attempts come far."""
        simulation = self.simulation
        kind = simulation.random.choice((simulation.edit, self.wishes, self.wishes, simulation.put_right, simulation.something_happens))
        kind()
        simulation.log.append(kind.__name__)

    def wishes(self) -> None:
        """A person who is asked and says yes, or people who have not heard of one another."""
        run, chance = self.simulation.memory.state.running, self.simulation.random
        if run is not None and run.gate is not None and chance.random() < 0.6:
            self.simulation.wish(Verb.APPROVE)
            return
        verbs = chance.choice((tuple(Verb), (Verb.ABORT, Verb.UNDO)))
        for _ in range(chance.choice((1, 2, 3))):
            self.simulation.wish(chance.choice(verbs))


def deeply(seed: int, moves: int = 150) -> Deep:
    """Runs history `seed`; raises LawBroken with its seed where a law did not hold."""
    deep = Deep(Simulation(seed, FAULTS))
    played(deep.simulation, lambda: deep.run(moves))
    return deep
