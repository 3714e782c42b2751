"""The ports in memory keep the promises of `trimtab.testing.contracts`, so what is tested on them holds for every adapter."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from trimtab.model.facts import Capabilities, Copy
from trimtab.model.names import CanaryKey, Target
from trimtab.model.policy import Analysis, Hook, HookType, Match, Metric, MetricKind, Policy, Service, StringMatch
from trimtab.model.revision import Revision
from trimtab.model.verdict import Sample
from trimtab.ports import Store
from trimtab.testing.contracts import hooks, metrics, router, sources, store, teller, workloads
from trimtab.testing.memory import Memory, MemorySources, MemoryStore, MemoryTeller, run
from trimtab.testing.world import World

KEY = CanaryKey("shop", "app")
METRIC = Metric("request-success-rate", MetricKind.SUCCESS_RATE, minimum=99.0)
POLICY = Policy(
    Target("Deployment", "app"), Service("app"), weights=(10, 50), analysis=Analysis((METRIC,)),
    match=(Match(headers=(StringMatch("x-canary", "exact", "yes"),)),),
)  # fmt: skip


def memory() -> Memory:
    return Memory(World(KEY, POLICY))


@dataclass
class InStore:
    store: MemoryStore = field(default_factory=MemoryStore)
    key: CanaryKey = KEY

    async def reopened(self) -> Store:
        return self.store


@dataclass
class InSources:
    memory: Memory = field(default_factory=memory)
    key: CanaryKey = KEY

    @property
    def sources(self) -> MemorySources:
        return self.memory.sources

    async def write(self, value: str) -> None:
        self.memory.world.problem = ""
        self.memory.world.edit(color=value)

    async def spoil(self) -> None:
        self.memory.world.problem = 'configmaps "app-config" not found'

    async def restarted(self) -> MemorySources:
        return MemorySources(self.memory.world)


class InWorkloads:
    def __init__(self) -> None:
        self.world = World(KEY, POLICY)
        self.workloads, self.key, self.policy = Memory(self.world).workloads, KEY, POLICY
        self.one, self.two = self.revision("one"), self.revision("two")

    def revision(self, color: str) -> Revision:
        self.world.edit(color=color)
        return self.world.revision()

    async def settled(self, claim: Callable[[Copy, Copy], bool]) -> tuple[Copy, Copy]:
        self.world.now += timedelta(minutes=1)
        return await self.workloads.look(KEY, POLICY)

    def pods(self) -> frozenset[str]:
        return frozenset(str(id(pod)) for pod in self.world.pods)


class InRouter:
    def __init__(self) -> None:
        self.memory = memory()
        self.router, self.key, self.policy = self.memory.router, KEY, POLICY

    def weightless(self) -> Policy:
        self.memory.world.capabilities = Capabilities(weights=False, match=False, mirror=False)
        return POLICY


class InMetrics:
    probed = True

    def __init__(self) -> None:
        self.memory = memory()
        self.metrics, self.key, self.policy = self.memory.metrics, KEY, POLICY

    async def says(self, value: float | None) -> None:
        def script(policy: Policy) -> tuple[Sample, ...]:
            values = [None if metric.kind is MetricKind.UNUSABLE else value for metric in policy.analysis.metrics]
            return tuple(Sample(metric.name, metric.kind, found) for metric, found in zip(policy.analysis.metrics, values, strict=True))

        self.metrics.script, self.metrics.problems = script, ()

    async def breaks(self) -> None:
        self.metrics.script = lambda policy: tuple(Sample(m.name, m.kind, None, "it is away") for m in policy.analysis.metrics)
        self.metrics.problems = ("it is away",)

    def now(self) -> datetime:
        return self.memory.world.now


class InHooks:
    def __init__(self) -> None:
        self.hooks = memory().hooks

    def hook(self, name: str, kind: HookType) -> Hook:
        return Hook(name, kind, f"http://hook/{name}")

    def says(self, hook: Hook, is_open: bool, text: str = "") -> None:
        if is_open:
            self.hooks.opened.add(hook.name)
        else:
            self.hooks.closed[hook.name] = text

    def breaks(self, hook: Hook) -> None:
        self.says(hook, False, "it is away")

    def called(self) -> list[str]:
        return [hook.name for _, hook in self.hooks.calls]


class InTeller:
    def __init__(self) -> None:
        self.world = World(KEY, POLICY)
        self.teller, self.key, self.policy = MemoryTeller(self.world), KEY, POLICY
        self.before: list[str] = []

    def heard(self) -> list[str]:
        return [*self.before, *(telling.text for telling in self.teller.heard)]

    def away(self, is_away: bool) -> None:
        self.teller.silent = is_away

    async def settled(self, claim: Callable[[], Awaitable[bool]]) -> bool:
        return await claim()

    async def restarted(self) -> MemoryTeller:
        self.before, self.teller = self.heard(), MemoryTeller(self.world)
        return self.teller

    def now(self) -> datetime:
        return self.world.now


ALL = [
    pytest.param(make, check, id=f"{make.__name__[2:].lower()}-{check.__name__}")
    for make, checks in (
        (InStore, store.CHECKS), (InSources, sources.CHECKS), (InWorkloads, workloads.CHECKS), (InRouter, router.CHECKS),
        (InMetrics, metrics.CHECKS), (InHooks, hooks.CHECKS), (InTeller, teller.CHECKS),
    )
    for check in checks
]  # fmt: skip


@pytest.mark.parametrize(("make", "check"), ALL)
def test_the_ports_in_memory_keep_their_promises(make: Callable[[], object], check: Callable[[object], object]) -> None:
    run(check(make()))  # type: ignore[arg-type]
