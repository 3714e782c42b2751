"""The laws in the world of a simulation: what the ports saw, held against the records that moved them. Called by `simulation`."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from trimtab.model.facts import Routes
from trimtab.model.policy import Policy
from trimtab.model.rollout import CanaryState, Exposure, Phase, RolloutKind
from trimtab.rollout.exposure import wanted
from trimtab.rollout.transitions import allowed
from trimtab.rollout.watchwords import ACTOR
from trimtab.testing.memory import Memory
from trimtab.testing.trouble import Trouble, may_be_seen


@dataclass
class Watch:
    """What every record wanted, by serial. `broken` is told what does not hold."""

    memory: Memory
    trouble: Trouble
    broken: Callable[[str], None]
    wants: dict[int, Exposure] = field(default_factory=dict)
    routes: dict[int, Routes] = field(default_factory=dict)
    good: set[str] = field(default_factory=set)
    """Ids of revisions that were looked into and found without an error."""
    answered: set[str] = field(default_factory=set)
    """Wishes that were obeyed or refused."""

    def record(self, before: CanaryState, after: CanaryState) -> None:
        """A record follows the table and the serials; what is promoted was judged to the end (S7), or a judge's question was answered."""
        if after.serial != before.serial + 1 or not allowed(before.phase, after.phase):
            self.broken(f"{after.phase} {after.serial} follows {before.phase} {before.serial}")
        self.wants[after.serial] = exposure = wanted(after)
        self.routes[after.serial] = self.seen_as(exposure, after.rules)
        self.afterwards(before, after)
        self.wishes(before, after)
        run = after.rollout
        if run is not None and after.phase is Phase.PROMOTING and before.phase is not Phase.PROMOTING and not run.skip:
            judged = run.position == len(run.steps) and run.passed is not None and run.grown is not None and run.passed > run.grown
            waived = run.waived and run.policy.analysis.judge is not None
            if run.kind is RolloutKind.CHANGE and not judged and not waived:
                self.broken("S7: what was not judged to the end is promoted")

    def afterwards(self, before: CanaryState, after: CanaryState) -> None:
        """What is seen after promotion changes no word about it, and nothing goes back for it that was not found broken."""
        was, run = before.rollout, after.rollout
        if was is None or run is None or was.ended is None:
            return
        if was.number == run.number:
            if replace(run, watch=was.watch) != was or (run.watch != was.watch and after.phase is not before.phase):
                self.broken("an attempt that has ended was changed by what came after it")
        elif run.actor == ACTOR:
            rules, watch = was.policy.watch, was.watch
            if watch is None or not watch.broken or watch.ended is not None or rules is None or not rules.undo:
                self.broken("it went back by itself from what nobody found broken")
            if run.kind is not RolloutKind.UNDO or run.to != was.before:
                self.broken("it went back by itself to something else than what was there before")

    def wishes(self, before: CanaryState, after: CanaryState) -> None:
        """A wish is answered once (R5)."""
        new = {answer.command for answer in after.handled} - {answer.command for answer in before.handled}
        if again := new & self.answered:
            self.broken(f"R5: {', '.join(again)} was obeyed again")
        self.answered |= new

    def seen_as(self, exposure: Exposure, policy: Policy | None) -> Routes:
        """What a router makes of it."""
        able = policy is None or self.memory.router.capabilities(policy).weights
        return Routes(exposure.weight if able else 0, exposure.matched, exposure.mirrored)

    def world(self) -> None:
        """S1, S5, S7, S9 as the ports see them."""
        world = self.memory.world
        serial = world.serials.get("router", 0)
        if world.routes is not None and world.routes is not self.trouble.drifted and world.routes != self.routes.get(serial, Routes(0)):
            self.broken(f"S1: record {serial} wants {self.routes.get(serial)}, routes say {world.routes}")
        for pod in world.pods:
            # A target that is given back has pods of what the source holds, whoever judged it.
            if pod.revision.id in self.good or (world.leaving and pod.copy == "canary"):
                continue
            if not may_be_seen(world.archive[pod.revision.id]):
                self.broken(f"S5: a {pod.copy} pod runs content with an error")
            self.good.add(pod.revision.id)
        primary, want = world.desired.get("primary"), self.wants.get(world.serials.get("workloads", 0))
        if primary is not None and not world.leaving and (want is None or primary[0] != want.primary):
            self.broken("S7: the primary runs what no record wants")
        reached = world.routes is not None and (world.routes.weight or world.routes.matched)
        if reached and world.routes is not self.trouble.drifted and "canary" not in world.desired:
            self.broken(f"S9: requests reach a canary that is not wanted, {world.routes}")
