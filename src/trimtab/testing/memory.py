"""Every port, in memory, over one `World`. Each call suspends before and after its effect, so that a scheduler can come between.

`calls.run` drives a coroutine without an event loop; the simulation drives several, with faults.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from trimtab.errors import Conflict
from trimtab.model.commands import Command
from trimtab.model.content import Content
from trimtab.model.counted import Counted
from trimtab.model.decision import Decision
from trimtab.model.facts import Capabilities, Copy, HookAnswer, Routes, Source
from trimtab.model.journal import Entry
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Hook, HookType, Policy
from trimtab.model.revision import Revision
from trimtab.model.rollout import Answer, CanaryState, Leaving
from trimtab.model.tellings import Telling
from trimtab.model.verdict import History, Sample, Samples
from trimtab.model.watching import Restarts
from trimtab.ports import HookCall, Outside, Stored, Wanted
from trimtab.testing.calls import Point as Point
from trimtab.testing.calls import Stale as Stale
from trimtab.testing.calls import nothing
from trimtab.testing.calls import port_call as port_call
from trimtab.testing.calls import run as run
from trimtab.testing.traffic import Traffic, scrapes
from trimtab.testing.world import World

LONGEST_ANSWER = 256
"""Printable characters of a webhook's answer."""


@dataclass
class MemorySources:
    """The content of the world."""

    world: World

    async def keys(self) -> tuple[CanaryKey, ...]:
        """The one Canary."""
        return await port_call("sources.keys", lambda: (self.world.key,))

    async def read(self, key: CanaryKey) -> Source:
        """What the source says now."""
        return await port_call("sources.read", self.world.source)

    async def contents(self, key: CanaryKey, revision: Revision) -> tuple[Content, ...]:
        """The bytes of a revision."""
        return await port_call("sources.contents", lambda: self.world.archive.get(revision.id, ()))

    async def keep(self, key: CanaryKey, revisions: Sequence[Revision]) -> None:
        """The archive forgets nothing."""
        await port_call("sources.keep", lambda: None)

    def changes(self) -> AsyncIterator[CanaryKey]:
        """None: tests wake the loop themselves."""
        return nothing()


@dataclass
class MemoryWorkloads:
    """The pods of the world."""

    world: World

    async def look(self, key: CanaryKey, policy: Policy) -> tuple[Copy, Copy]:
        """Both copies."""
        return await port_call("workloads.look", lambda: (self.world.copy("primary"), self.world.copy("canary")))

    async def set(self, key: CanaryKey, wanted: Wanted) -> None:
        """Works towards it."""
        await port_call("workloads.set", lambda: self.apply(wanted))

    async def restarts(self, key: CanaryKey, policy: Policy) -> Restarts:
        """Of the primary."""
        return await port_call("workloads.restarts", lambda: self.world.restarts("primary"))

    def apply(self, wanted: Wanted) -> None:
        """The effect, refused when an older record says so."""
        refuse_stale(self.world, "workloads", wanted)
        if wanted.exposure.leaving is Leaving.NO:
            self.world.set_pods(wanted.exposure, wanted.replicas)
        else:
            self.world.give_back()

    def changes(self) -> AsyncIterator[CanaryKey]:
        """None: tests wake the loop themselves."""
        return nothing()


def refuse_stale(world: World, port: str, wanted: Wanted) -> None:
    """A deposed leader must not undo what the new one did."""
    if wanted.serial < world.serials.get(port, 0):
        raise Conflict(f"{port}: record {wanted.serial} is stale, {world.serials[port]} was seen; look again")
    world.serials[port] = wanted.serial


@dataclass
class MemoryRouter:
    """The routes of the world."""

    world: World
    moves: list[tuple[datetime, Routes]] = field(default_factory=list)

    def capabilities(self, policy: Policy) -> Capabilities:
        """What the world allows."""
        return self.world.capabilities

    async def look(self, key: CanaryKey, policy: Policy) -> Routes | None:
        """Where traffic goes."""
        return await port_call("router.look", lambda: self.world.routes)

    async def set(self, key: CanaryKey, wanted: Wanted) -> None:
        """Moves traffic."""
        await port_call("router.set", lambda: self.apply(wanted))

    def apply(self, wanted: Wanted) -> None:
        """The effect, refused when an older record says so."""
        refuse_stale(self.world, "router", wanted)
        exposure = wanted.exposure
        if not exposure.routed:
            return
        if exposure.leaving is Leaving.GIVING_BACK:
            self.world.routes = None
            return
        weight = exposure.weight if self.capabilities(wanted.policy).weights else 0
        routes = Routes(weight, exposure.matched, exposure.mirrored)
        if routes != self.world.routes:
            self.moves.append((self.world.now, routes))
        self.world.routes = routes


Script = Callable[[Policy], tuple[Sample, ...]]


@dataclass
class MemoryMetrics:
    """Answers what a script says; without one every metric is within its limits."""

    world: World
    script: Script | None = None
    problems: tuple[str, ...] = ()
    promoted: Script | None = None
    """What metrics answer that are asked of the primary after promotion."""
    traffic: Traffic | None = None
    """What the copies counted; None where nobody counts."""
    past: History = History()

    async def probe(self, key: CanaryKey, policy: Policy) -> tuple[str, ...]:
        """The problems that were set."""
        return await port_call("metrics.probe", lambda: self.problems)

    async def measure(self, key: CanaryKey, policy: Policy, since: datetime) -> Samples:
        """What the script says."""
        return await port_call("metrics.measure", lambda: Samples(self.world.now, self.answers(policy)))

    def answers(self, policy: Policy) -> tuple[Sample, ...]:
        """One sample for each metric."""
        return self.script(policy) if self.script is not None else fine(policy)

    async def count(self, key: CanaryKey, policy: Policy, since: datetime, counted: datetime) -> Samples:
        """What `traffic` says was counted since."""
        return await port_call("metrics.count", lambda: self.counted(policy, max(since, counted)))

    def counted(self, policy: Policy, after: datetime) -> Samples:
        """Nothing where nobody counts."""
        rules, now = policy.analysis.judge, self.world.now
        if rules is None or self.traffic is None:
            return Samples(now, glance=True)
        return Samples(now, scrapes=scrapes(self.traffic, rules, self.world, after), glance=True)

    async def afterwards(self, key: CanaryKey, policy: Policy, since: datetime, counted: datetime) -> Samples:
        """What `promoted` and `traffic` say."""
        return await port_call("metrics.afterwards", lambda: self.of_primary(policy, max(since, counted)))

    def of_primary(self, policy: Policy, after: datetime) -> Samples:
        """Scrapes of both copies: what the primary alone counts is told by its arm."""
        script = self.promoted if self.promoted is not None else fine
        return replace(self.counted(policy, after), answers=script(policy), glance=False)

    async def history(self, key: CanaryKey, policy: Policy) -> History:
        """What was set."""
        return await port_call("metrics.history", lambda: self.past)


def fine(policy: Policy) -> tuple[Sample, ...]:
    """Values that every metric likes."""
    return tuple(
        Sample(metric.name, metric.kind, metric.minimum if metric.minimum is not None else metric.maximum or 0.0)
        for metric in policy.analysis.metrics
    )


@dataclass
class MemoryHooks:
    """Answers what is set by hook name; everything else is open, but rollback hooks are closed."""

    world: World
    closed: dict[str, str] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)
    calls: list[tuple[HookCall, Hook]] = field(default_factory=list)

    async def ask(self, call: HookCall, hooks: Sequence[Hook]) -> tuple[HookAnswer, ...]:
        """The answers up to the one that decides."""
        return await port_call("hooks.ask", lambda: self.answers(call, hooks))

    def answers(self, call: HookCall, hooks: Sequence[Hook]) -> tuple[HookAnswer, ...]:
        """In order, up to the first closed one; for rollback hooks, up to the first open one."""
        found: list[HookAnswer] = []
        for hook in hooks:
            self.calls.append((call, hook))
            rollback = hook.type is HookType.ROLLBACK
            is_open = hook.name in self.opened if rollback else hook.name not in self.closed
            text = "".join(character for character in self.closed.get(hook.name, "") if character.isprintable())
            found.append(HookAnswer(hook, is_open, text[:LONGEST_ANSWER]))
            if is_open is rollback:
                break
        return tuple(found)


@dataclass
class MemoryTeller:
    """Remembers what it was told to tell; delivers at once unless `silent`."""

    world: World
    heard: list[Telling] = field(default_factory=list)
    silent: bool = False
    given_up: str = ""
    """Why nothing that it hears is delivered; empty where everything is."""

    async def tell(self, key: CanaryKey, policy: Policy, tellings: Sequence[Telling]) -> None:
        """Takes over what is new."""
        await port_call("teller.tell", lambda: self.take(tellings))

    def take(self, tellings: Sequence[Telling]) -> None:
        """Each id once."""
        known = {telling.id for telling in self.heard}
        self.heard.extend(telling for telling in tellings if telling.id not in known)

    async def told(self, key: CanaryKey) -> Mapping[str, str]:
        """All it heard, unless its receivers are away."""
        return await port_call("teller.told", lambda: {} if self.silent else {t.id: self.given_up for t in self.heard})


@dataclass
class MemoryStore:
    """Records, journal and commands."""

    records: dict[CanaryKey, CanaryState] = field(default_factory=dict)
    entries: dict[CanaryKey, list[Entry]] = field(default_factory=dict)
    wishes: dict[CanaryKey, list[Command]] = field(default_factory=dict)
    attempts: dict[tuple[CanaryKey, int], CanaryState] = field(default_factory=dict)
    looks: dict[tuple[CanaryKey, int], list[Counted]] = field(default_factory=dict)
    """What the judge counted in each attempt."""
    answers: dict[tuple[CanaryKey, str], Answer] = field(default_factory=dict)
    """What became of every wish, also of those that the record has forgotten."""
    on_replace: Callable[[CanaryState, CanaryState], None] = lambda before, after: None

    async def load(self, key: CanaryKey) -> Stored:
        """The record, or an empty one."""
        return await port_call("store.load", lambda: self.stored(key))

    def stored(self, key: CanaryKey) -> Stored:
        """What `load` answers."""
        state = self.records.get(key, CanaryState(key))
        return Stored(state, tuple(wish for wish in self.wishes.get(key, []) if (key, wish.id) not in self.answers))

    async def replace(self, key: CanaryKey, before: CanaryState, decision: Decision) -> None:
        """Compare and swap."""
        await port_call("store.replace", lambda: self.swap(key, before, decision))

    def swap(self, key: CanaryKey, before: CanaryState, decision: Decision) -> None:
        """The effect, all of it or nothing."""
        newest = self.records.get(key, CanaryState(key))
        if newest.serial != before.serial:
            raise Conflict(f"record {before.serial} of {key} is not the newest, {newest.serial} is; look again")
        self.on_replace(newest, decision.state)
        self.records[key] = decision.state
        self.answers.update({(key, answer.command): answer for answer in decision.state.handled})
        self.entries.setdefault(key, []).extend(decision.entries)
        if decision.state.rollout is not None:
            self.attempts[key, decision.state.rollout.number] = decision.state
            self.looks.setdefault((key, decision.state.rollout.number), []).extend(decision.counted)

    async def submit(self, key: CanaryKey, command: Command) -> None:
        """Keeps a command once."""
        await port_call("store.submit", lambda: self.wish(key, command))

    def wish(self, key: CanaryKey, command: Command) -> None:
        """The effect."""
        wishes = self.wishes.setdefault(key, [])
        if all(known.id != command.id for known in wishes):
            wishes.append(command)

    async def answer(self, key: CanaryKey, command: str) -> Answer | None:
        """What became of it."""
        return await port_call("store.answer", lambda: self.reply(key, command))

    def reply(self, key: CanaryKey, command: str) -> Answer | None:
        """Whenever that was."""
        return self.answers.get((key, command))

    async def journal(self, key: CanaryKey, rollout: int | None = None) -> tuple[Entry, ...]:
        """Oldest first."""
        entries = self.entries.get(key, [])
        return await port_call("store.journal", lambda: tuple(e for e in entries if rollout in (None, e.rollout)))

    async def counted(self, key: CanaryKey, rollout: int) -> tuple[Counted, ...]:
        """Oldest first."""
        return await port_call("store.counted", lambda: tuple(self.looks.get((key, rollout), ())))

    async def history(self, key: CanaryKey) -> tuple[CanaryState, ...]:
        """Oldest first."""
        return await port_call("store.history", lambda: tuple(self.attempts[at] for at in sorted(self.attempts) if at[0] == key))

    def changes(self) -> AsyncIterator[CanaryKey]:
        """None: tests wake the loop themselves."""
        return nothing()


@dataclass
class MemoryClock:
    """The world's time."""

    world: World

    def now(self) -> datetime:
        """Now, in the world."""
        return self.world.now

    async def sleep_until(self, moment: datetime) -> None:
        """The scheduler moves time."""
        await port_call("clock.sleep_until", lambda: None)


@dataclass
class Memory:
    """All ports over one world, each at hand for a test to turn its knobs."""

    world: World
    sources: MemorySources = field(init=False)
    workloads: MemoryWorkloads = field(init=False)
    router: MemoryRouter = field(init=False)
    metrics: MemoryMetrics = field(init=False)
    hooks: MemoryHooks = field(init=False)
    teller: MemoryTeller = field(init=False)
    store: MemoryStore = field(init=False)

    def __post_init__(self) -> None:
        world = self.world
        self.sources, self.workloads, self.router = MemorySources(world), MemoryWorkloads(world), MemoryRouter(world)
        self.metrics, self.hooks, self.teller = MemoryMetrics(world), MemoryHooks(world), MemoryTeller(world)
        self.store = MemoryStore()

    @property
    def outside(self) -> Outside:
        """The ports as `reconcile` takes them."""
        return Outside(
            self.sources, self.workloads, self.router, self.metrics, self.hooks, self.teller, self.store,
            MemoryClock(self.world),
        )  # fmt: skip

    @property
    def state(self) -> CanaryState:
        """The record as it is."""
        return self.store.records.get(self.world.key, CanaryState(self.world.key))

    def forget_record(self) -> None:
        """Someone deleted the record."""
        self.store.records.pop(self.world.key, None)

    def tune(self, **changes: object) -> None:
        """Edits the policy in the source."""
        self.world.policy = replace(self.world.policy, **changes)  # type: ignore[arg-type]  # the names are those of fields, as the tests show
