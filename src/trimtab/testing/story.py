"""Tells a story in virtual time: passes of the real loop over memory ports, time jumping from wake to wake.

For tests of behaviour without faults; the simulation is for faults.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from trimtab.control.reconcile import reconcile
from trimtab.model.commands import Command, Verb
from trimtab.model.decision import Decision
from trimtab.model.rollout import CanaryState, Phase
from trimtab.model.verdict import Sample
from trimtab.testing.memory import Memory, run

BUSY = 200
"""Passes at one moment; more than this is a loop that does not come to rest."""


@dataclass
class Story:
    """A Canary whose life is told. `states` holds every record that was written."""

    memory: Memory
    states: list[CanaryState] = field(default_factory=list)
    commands: int = 0

    def __post_init__(self) -> None:
        self.memory.store.on_replace = lambda before, after: self.states.append(after)

    @property
    def state(self) -> CanaryState:
        """The record as it is."""
        return self.memory.state

    def look(self) -> datetime | None:
        """Passes until there is nothing more to do at this moment; when to look again."""
        for _ in range(BUSY):
            decision: Decision = run(reconcile(self.memory.world.key, self.memory.outside))
            if decision.wake is None or decision.wake > self.memory.world.now:
                return decision.wake
        raise AssertionError(f"the loop does not come to rest at {self.memory.world.now}: {self.state}")

    def go_on(self, limit: timedelta = timedelta(hours=1), until: Callable[[CanaryState], bool] = lambda state: False) -> bool:
        """Lets time pass until the claim holds or the limit is over. Says which."""
        world = self.memory.world
        end = world.now + limit
        while True:
            wake = self.look()
            if until(self.state):
                return True
            moments = [moment for moment in (wake, world.next_change()) if moment is not None]
            if not moments or min(moments) > end:
                world.now = end
                return until(self.state)
            world.now = min(moments)

    def until_phase(self, phase: Phase, limit: timedelta = timedelta(hours=1)) -> None:
        """Lets time pass until the phase is reached; fails if it never is."""
        if not self.go_on(limit, lambda state: state.phase is phase):
            raise AssertionError(f"{phase} was not reached; it is {self.state.phase}: {self.said()[-5:]}")

    def until_settled(self, limit: timedelta = timedelta(hours=1)) -> CanaryState:
        """Lets time pass until no attempt is under way."""
        if not self.go_on(limit, lambda state: state.rollout is not None and state.running is None):
            raise AssertionError(f"still {self.state.phase}: {self.said()[-5:]}")
        return self.state

    def say(self, verb: Verb, **details: object) -> str:
        """A person's wish, obeyed at once; its answer."""
        self.commands += 1
        number = self.state.rollout.number if self.state.rollout is not None else 0
        made = {"id": f"c{self.commands}", "verb": verb, "actor": "ann", "reason": "", "at": self.memory.world.now, "rollout": number}
        command = Command(**{**made, **details})  # type: ignore[arg-type]  # the names are those of fields, as the tests show
        self.memory.store.wish(self.memory.world.key, command)
        self.look()
        answer = self.memory.store.reply(self.memory.world.key, command.id)
        return answer.text if answer is not None else ""

    def turn_bad(self, value: float | None = 80.0) -> None:
        """From now on every metric answers this; None for an empty answer."""
        self.memory.metrics.script = lambda policy: tuple(Sample(metric.name, metric.kind, value) for metric in policy.analysis.metrics)

    def said(self) -> list[str]:
        """Every event, as the event webhook would get it."""
        return [telling.text for telling in self.memory.teller.heard if telling.kind == "event"]

    def phases(self) -> list[Phase]:
        """The phases in the order in which they were recorded."""
        found: list[Phase] = []
        for state in self.states:
            if not found or found[-1] is not state.phase:
                found.append(state.phase)
        return found

    def weights(self) -> list[int]:
        """The canary's weight, each time it changed."""
        return [routes.weight for _, routes in self.memory.router.moves]
