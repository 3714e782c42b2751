"""The whole loop in virtual time, with faults: crashes at any port call, lost answers, stale reads, two leaders.

A seeded scheduler decides who goes on, when time jumps, which call fails and whether its effect took place; so every
history has a number and can be run again: `simulate(SEED)`. Laws are checked at every write (DESIGN §6, §8).
"""

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from trimtab.control.reconcile import reconcile
from trimtab.errors import OutsideError, Unavailable
from trimtab.model.commands import Command, Verb
from trimtab.model.decision import Decision
from trimtab.model.judging import MetricRule
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.rollout import CanaryState, Leaving
from trimtab.model.scrapes import Scrape
from trimtab.model.verdict import Sample
from trimtab.rollout.afterwards import under_way
from trimtab.rollout.exposure import wanted
from trimtab.testing.memory import Memory, Point, Stale
from trimtab.testing.policies import any_policy, compared, watched
from trimtab.testing.story import Story
from trimtab.testing.traffic import Rates, requests
from trimtab.testing.trouble import ForgetfulSources, RouterByProvider, Trouble, provided
from trimtab.testing.watched import Watch
from trimtab.testing.world import World

READS = frozenset({"sources.read", "workloads.look", "router.look", "store.load"})
"""Calls whose answer may be an older one."""
COMPARED = 8
"""One history in so many compares canary and primary."""
WATCHED = 4
"""And one in so many is watched after promotion."""
FAULTS = ("crash", "lost", "failed", "stale")


class LawBroken(AssertionError):
    """A history in which something happened that must not."""


@dataclass
class Process:
    """One process that believes to lead: a pass under way, or none."""

    name: str
    going: Coroutine[Point, Stale | None, Decision] | None = None
    point: Point | None = None


@dataclass
class Simulation:
    """One history. `faults` is the chance of a fault at a port call."""

    seed: int
    faults: float = 0.04
    memory: Memory = field(init=False)
    log: list[str] = field(default_factory=list)
    wished: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        policy, able = any_policy(self.random)
        # By its number, so that other histories stay what they were before there was a judge.
        if self.seed % COMPARED == 3:
            policy = compared(policy, able, random.Random(self.seed))
        if self.seed % WATCHED == 1:
            policy = watched(policy, random.Random(self.seed))
        policy = provided(policy, able)
        world = World(CanaryKey("test", "app"), policy, replicas=self.random.choice((1, 2)))
        self.memory = Memory(world)
        self.memory.sources, self.memory.router = ForgetfulSources(world), RouterByProvider(world)
        self.trouble = Trouble(self.memory, self.random)
        if self.random.random() < 0.1:
            self.trouble.unreadable()
        self.watch = Watch(self.memory, self.trouble, self.broken)
        self.memory.store.on_replace = self.watch.record
        self.memory.metrics.script, self.memory.metrics.traffic = self.measured, self.counted
        self.memory.metrics.promoted = self.primary
        self.processes = [Process("one"), Process("two")]
        self.seen: dict[str, list[object]] = {}
        self.bad_until = world.now

    def broken(self, problem: str) -> None:
        """A law does not hold."""
        raise LawBroken(self.told(problem))

    def told(self, problem: str) -> str:
        """A failure, with what is needed to see it again."""
        return f"seed {self.seed}: {problem}\n" + "\n".join(self.log[-40:])

    # --- the history ------------------------------------------------------------------------------------------

    def run(self, moves: int = 400) -> None:
        """Some moves with faults, then a working world left alone, in which everything must end (L1)."""
        for _ in range(moves):
            self.random.choices((self.step, self.time_passes, self.something_happens), weights=(60, 4, 1))[0]()
        self.left_alone()

    def step(self, process: Process | None = None) -> None:
        """One process goes on by one port call; whichever it may be where none is named."""
        process = process or self.random.choice(self.processes)
        try:
            self.go_on(process)
        except OutsideError as problem:
            self.log.append(f"{process.name}: {type(problem).__name__}")
            process.going = process.point = None
        self.watch.world()

    def go_on(self, process: Process) -> None:
        """To the next point, unless something strikes here."""
        if process.going is None:
            process.going = reconcile(self.memory.world.key, self.memory.outside)
            process.point = process.going.send(None)
            return
        point = process.point
        assert point is not None
        try:
            process.point = self.strike(process, point) if self.random.random() < self.faults else process.going.send(None)
        except StopIteration:
            process.going = process.point = None
        if point.moment == "after" and point.call in READS:
            self.seen.setdefault(point.call, []).append(point.result)

    def strike(self, process: Process, point: Point) -> Point | None:
        """A fault at this point."""
        fault = self.random.choice(FAULTS)
        self.log.append(f"{process.name}: {fault} {point.moment} {point.call}")
        going = process.going
        assert going is not None
        older = self.seen.get(point.call, [])[-6:]
        if fault == "stale" and point.moment == "after" and point.call in READS and older:
            return going.send(Stale(self.random.choice(older)))
        if fault == "crash":
            going.close()
            process.going = None
            return None
        if (fault == "failed" and point.moment == "before") or (fault == "lost" and point.moment == "after"):
            return going.throw(Unavailable(f"{point.call} did not answer"))
        return going.send(None)

    def time_passes(self) -> None:
        """A little, or until the next thing is due."""
        world = self.memory.world
        world.now += timedelta(seconds=self.random.choice((0.2, 1, 3, 10, 10, 30)))
        self.log.append(f"{world.now:%H:%M:%S}")

    def something_happens(self) -> None:
        """People and machines do what they do."""
        kinds: tuple[Callable[[], None], ...]
        kinds = (self.edit, self.edit, self.take_back, self.turn_bad, self.pod_dies, self.pods_stick, self.wish, self.wish,
                 self.gate, self.suspend, self.deploy, self.trouble_comes, self.trouble_comes, self.trouble_comes)  # fmt: skip
        if self.seed % 5 == 4:
            kinds = (*kinds[1:], self.leave)
        if self.seed % WATCHED == 1:
            kinds = (*kinds, self.restart, self.uncount)
        happening = self.random.choice(kinds)
        happening()
        self.log.append(happening.__name__)

    def leave(self) -> None:
        """Somebody deletes the Canary, and everything is to be put back."""
        self.memory.world.leaving = True

    def trouble_comes(self) -> None:
        """Something out of the ordinary."""
        self.log.append(self.trouble.happens())

    def edit(self) -> None:
        """Someone commits a change."""
        self.memory.world.edit(color=self.random.choice(("blue", "green", "black", "bad")))

    def take_back(self) -> None:
        """Someone reverts to the first content."""
        self.memory.world.edit(color="red")

    def deploy(self) -> None:
        """Someone changes the image, too."""
        self.memory.world.image = f"app:{self.random.randrange(3)}"

    def turn_bad(self) -> None:
        """Metrics get bad for a while, or silent."""
        self.bad_until = self.memory.world.now + timedelta(seconds=self.random.choice((5, 20, 60)))

    def counted(self, metric: MetricRule, end: datetime) -> Scrape | None:
        """What both copies counted: nobody knows it while metrics are silent; the canary fails where its content is bad."""
        world = self.memory.world
        if world.routes is None or (world.now < self.bad_until and self.seed % 3 == 0):
            return None
        canary = world.desired.get("canary")
        bad = canary is not None and world.archive[canary[0].id][0].data["color"] == b"bad"
        share = world.routes.weight / 100 or 0.2 * (world.routes.matched or world.routes.mirrored)
        return requests(metric, end, share, Rates(0.2 if bad or world.now < self.bad_until else 0.002))

    def measured(self, policy: Policy) -> tuple[Sample, ...]:
        """Bad while they are bad, and for the content that is bad."""
        world = self.memory.world
        canary = world.desired.get("canary")
        colour = world.archive[canary[0].id][0].data["color"] if canary else b""
        silent = world.now < self.bad_until and self.seed % 3 == 0
        value = None if silent else 50.0 if world.now < self.bad_until or colour == b"bad" else 100.0
        return tuple(Sample(metric.name, metric.kind, value) for metric in policy.analysis.metrics)

    def primary(self, policy: Policy) -> tuple[Sample, ...]:
        """The same of the primary, after promotion."""
        world = self.memory.world
        primary = world.desired.get("primary")
        bad = world.now < self.bad_until or (primary is not None and world.archive[primary[0].id][0].data["color"] == b"bad")
        value = None if world.now < self.bad_until and self.seed % 3 == 0 else 50.0 if bad else 100.0
        return tuple(Sample(metric.name, metric.kind, value) for metric in policy.analysis.metrics)

    def restart(self) -> None:
        """Containers of the primary end and are started again."""
        self.memory.world.restart("primary")

    def uncount(self) -> None:
        """Nobody knows how often that was, or it is known again."""
        self.memory.world.uncounted = "" if self.memory.world.uncounted else "the pods could not be listed"

    def pod_dies(self) -> None:
        """A copy loses its pods."""
        self.memory.world.kill(self.random.choice(("primary", "canary")))

    def pods_stick(self) -> None:
        """New pods of a copy do not get ready for a while, or do again."""
        copy = self.random.choice(("primary", "canary"))
        self.memory.world.stuck ^= {copy}

    def gate(self) -> None:
        """Somebody closes or opens a hook."""
        hook = self.random.choice(("gate", "check", "abort"))
        if hook == "abort":
            self.memory.hooks.opened ^= {"abort"}
        elif hook in self.memory.hooks.closed:
            del self.memory.hooks.closed[hook]
        else:
            self.memory.hooks.closed[hook] = "no"

    def suspend(self) -> None:
        """`spec.suspend`, or the source cannot be read, or neither."""
        world = self.memory.world
        world.suspended = self.random.random() < 0.4
        world.problem = "configmap app-config not found" if self.random.random() < 0.3 else ""

    def wish(self, verb: Verb | None = None) -> None:
        """A person says something; whatever it may be where nothing is named."""
        self.wished += 1
        number = self.memory.state.rollout.number if self.memory.state.rollout else 0
        verb = verb or self.random.choice(tuple(Verb))
        skip = verb is Verb.APPROVE and self.random.random() < 0.2
        command = Command(f"w{self.wished}", verb, "ann", "", self.memory.world.now, number, skip_analysis=skip)
        self.memory.store.wish(self.memory.world.key, command)
        self.log.append(f"{verb} rollout {number}")

    def put_right(self) -> None:
        """What kept attempts from going on is over."""
        world, hooks = self.memory.world, self.memory.hooks
        world.suspended, world.problem, world.policy_problem, self.bad_until = False, "", "", world.now
        hooks.closed.clear()
        hooks.opened.clear()
        world.stuck.clear()
        world.pods = [pod for pod in world.pods if pod.ready is not None]

    # --- the end ----------------------------------------------------------------------------------------------

    def left_alone(self) -> None:
        """The world works again and people say yes: the attempt ends, everybody was told, and the record says why."""
        world, memory = self.memory.world, self.memory
        for process in self.processes:
            if process.going is not None:
                process.going.close()
        self.put_right()
        world.policy = replace(world.policy, approvals=frozenset())
        story = Story(memory)
        memory.store.on_replace = self.watch.record
        for _ in range(12):
            story.go_on(timedelta(minutes=30))
            if story.state.running is None:
                break
            story.say(Verb.RESUME)
            story.say(Verb.APPROVE)
        self.check_end(story)

    def check_end(self, story: Story) -> None:
        """L1, and that nothing was lost: every telling was heard once, the journal has the outcome, and no watch goes on for ever."""
        story.go_on(timedelta(minutes=1))
        if under_way(story.state) is not None:
            story.go_on(timedelta(minutes=30))
            if under_way(story.state) is not None:
                self.broken(f"left alone, it is watched for ever: {story.state.rollout}")
        state, world = story.state, self.memory.world
        self.watch.world()
        if world.leaving:
            self.check_left(state)
            return
        if state.running is not None or state.rollout is None:
            raise LawBroken(self.told(f"L1: left alone, it is {state.phase}, asks {state.asks}, gate {state.rollout}"))
        heard = sorted(int(telling.id.rsplit("/", 1)[1]) for telling in self.memory.teller.heard)
        if heard != list(range(1, state.told + 1)) or state.to_tell:
            raise LawBroken(self.told(f"told {state.told}, heard {heard[-5:]}, left {len(state.to_tell)}"))
        primary = self.memory.world.desired.get("primary")
        if state.promoted is not None and (primary is None or primary[0] != state.promoted):
            raise LawBroken(self.told("the primary does not run what was promoted"))
        if state.fallback is None and self.memory.world.desired.get("canary") is not None:
            raise LawBroken(self.told("a canary is left behind"))
        want = wanted(state)
        if want.routed and world.routes != self.watch.seen_as(want, state.rules):
            self.broken(f"the record wants {want.weight} {want.matched}, routes say {world.routes}")
        content = world.archive[world.revision().id]
        settled = (state.promoted.id if state.promoted is not None else "", state.held.revision if state.held is not None else "")
        if content not in (world.archive.get(revision) for revision in settled):
            self.broken("the source is neither promoted nor held")

    def check_left(self, state: CanaryState) -> None:
        """The Canary may go: nothing leads traffic, and who got requests from a primary gets them from the target."""
        world = self.memory.world
        if state.leaving is not Leaving.GONE or world.routes is not None:
            raise LawBroken(self.told(f"deleted and left alone, it is {state.phase}, {state.leaving}, routes {world.routes}"))
        if state.promoted is not None and not world.copy("canary").available:
            raise LawBroken(self.told("traffic was given back to a target without pods"))


def simulate(seed: int) -> Simulation:
    """Runs history `seed`; raises LawBroken with its seed where a law did not hold."""
    simulation = Simulation(seed)
    played(simulation, simulation.run)
    return simulation


def played(simulation: Simulation, run: Callable[[], None]) -> None:
    """Runs a history. Whatever else is raised is a broken law too, and told with its seed."""
    try:
        run()
    except LawBroken:
        raise
    except Exception as problem:
        raise LawBroken(simulation.told(f"{type(problem).__name__}: {problem}")) from problem
