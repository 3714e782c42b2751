"""The ports in memory keep the promises of `trimtab.testing.contracts`, so what is tested on them holds for every adapter."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from trimtab.errors import Unavailable
from trimtab.model.commands import Command
from trimtab.model.content import Content
from trimtab.model.counted import Counted
from trimtab.model.decision import Decision
from trimtab.model.evidence import Calibration, MetricCalibration
from trimtab.model.facts import Capabilities, Copy, HookAnswer, Routes, Source
from trimtab.model.journal import Entry
from trimtab.model.names import CanaryKey, Target
from trimtab.model.policy import Analysis, Hook, HookType, Match, Metric, MetricKind, Policy, Service, StringMatch
from trimtab.model.revision import Revision
from trimtab.model.rollout import CanaryState
from trimtab.model.scrapes import Scrape
from trimtab.model.tellings import Telling
from trimtab.model.verdict import History, Sample, Samples
from trimtab.model.watching import PodRestarts, Restarts
from trimtab.ports import HookCall, Store, Stored, Wanted
from trimtab.testing.contracts import hooks, metrics, router, sources, store, teller, workloads
from trimtab.testing.contracts.promise import BrokenPromise
from trimtab.testing.memory import (
    Memory,
    MemoryHooks,
    MemoryMetrics,
    MemoryRouter,
    MemorySources,
    MemoryStore,
    MemoryTeller,
    MemoryWorkloads,
    run,
)
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
        return frozenset(f"{pod.copy} {pod.revision.id} {pod.started}" for pod in self.world.pods)


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

        self.metrics.script, self.metrics.promoted, self.metrics.problems = script, script, ()

    async def breaks(self) -> None:
        self.metrics.script = lambda policy: tuple(Sample(m.name, m.kind, None, "it is away") for m in policy.analysis.metrics)
        self.metrics.promoted = self.metrics.script
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


# --- Each check fails for an adapter that breaks its promise


class ForgetsConflicts(MemoryStore):
    def swap(self, key: CanaryKey, before: CanaryState, decision: Decision) -> None:
        self.records.pop(key, None)
        super().swap(key, CanaryState(key), decision)


class WritesBeforeItLooks(MemoryStore):
    def swap(self, key: CanaryKey, before: CanaryState, decision: Decision) -> None:
        self.entries.setdefault(key, []).extend(decision.entries)
        super().swap(key, before, replace(decision, entries=()))


class ConsumesNothing(MemoryStore):
    def stored(self, key: CanaryKey) -> Stored:
        return Stored(super().stored(key).state, tuple(self.wishes.get(key, [])))


class CountsTwice(MemoryStore):
    def wish(self, key: CanaryKey, command: Command) -> None:
        self.wishes.setdefault(key, []).append(command)


class NewestFirst(MemoryStore):
    async def journal(self, key: CanaryKey, rollout: int | None = None) -> tuple[Entry, ...]:
        return tuple(reversed(await super().journal(key, rollout)))


class AllAttemptsAtOnce(MemoryStore):
    async def journal(self, key: CanaryKey, rollout: int | None = None) -> tuple[Entry, ...]:
        return await super().journal(key)


class KeepsTheNewestLookAlone(MemoryStore):
    async def counted(self, key: CanaryKey, rollout: int) -> tuple[Counted, ...]:
        return (await super().counted(key, rollout))[-1:]


class OnlyTheNewestAttempt(MemoryStore):
    async def history(self, key: CanaryKey) -> tuple[CanaryState, ...]:
        return (await super().history(key))[-1:]


class OneForAll(MemoryStore):
    def stored(self, key: CanaryKey) -> Stored:
        return super().stored(KEY)


class NeverEmpty(MemoryStore):
    def stored(self, key: CanaryKey) -> Stored:
        found = super().stored(key)
        return replace(found, state=replace(found.state, serial=max(1, found.state.serial)))


class LosesRecords(InStore):
    async def reopened(self) -> Store:
        return MemoryStore()


class KeepsNothing(InSources):
    async def write(self, value: str) -> None:
        await super().write(value)
        self.memory.world.archive.clear()


class ForgetsOnRestart(InSources):
    async def restarted(self) -> MemorySources:
        return MemorySources(World(KEY, POLICY))


class AlwaysNew(InSources):
    async def write(self, value: str) -> None:
        await super().write(value)
        self.memory.world.image += "x"


class NeverLooks(InSources):
    async def write(self, value: str) -> None:
        """Nothing is seen."""


class Throws(InSources):
    async def spoil(self) -> None:
        self.memory.sources = Away(self.memory.world)


class Away(MemorySources):
    async def read(self, key: CanaryKey) -> Source:
        raise Unavailable("it is away")


class WrongBytes(MemorySources):
    async def contents(self, key: CanaryKey, revision: Revision) -> tuple[Content, ...]:
        return self.world.contents()


class NoKeys(MemorySources):
    async def keys(self) -> tuple[CanaryKey, ...]:
        return ()


class TakesAnyOrder(MemoryWorkloads):
    def apply(self, wanted: Wanted) -> None:
        self.world.set_pods(wanted.exposure, wanted.replicas)


class StartsAnew(MemoryWorkloads):
    def apply(self, wanted: Wanted) -> None:
        self.world.pods.clear()
        super().apply(wanted)


class NeverStops(MemoryWorkloads):
    def apply(self, wanted: Wanted) -> None:
        canary = wanted.exposure.canary or self.world.desired.get("canary", (None, 0))[0]
        super().apply(replace(wanted, exposure=replace(wanted.exposure, canary=canary)))


class KeepsTheFirst(MemoryWorkloads):
    def apply(self, wanted: Wanted) -> None:
        before = {copy: pods for copy, pods in self.world.desired.items() if copy == "primary"}
        super().apply(wanted)
        self.world.desired.update(before)


class AlwaysThere(MemoryWorkloads):
    async def look(self, key: CanaryKey, policy: Policy) -> tuple[Copy, Copy]:
        primary, canary = await super().look(key, policy)
        return replace(primary, total=primary.total + 1), canary


class RestartsFromTheBeginning(MemoryWorkloads):
    async def restarts(self, key: CanaryKey, policy: Policy) -> Restarts:
        return Restarts(tuple(PodRestarts(pod.name, 1) for pod in self.world.pods))


class ShiftsAnyOrder(MemoryRouter):
    def apply(self, wanted: Wanted) -> None:
        self.world.serials["router"] = 0
        super().apply(wanted)


class MovesFirst(MemoryRouter):
    def apply(self, wanted: Wanted) -> None:
        self.world.routes = Routes(wanted.exposure.weight)
        super().apply(wanted)


class RoutesAtOnce(MemoryRouter):
    def apply(self, wanted: Wanted) -> None:
        super().apply(replace(wanted, exposure=replace(wanted.exposure, routed=True)))


class InTens(MemoryRouter):
    def apply(self, wanted: Wanted) -> None:
        super().apply(replace(wanted, exposure=replace(wanted.exposure, weight=wanted.exposure.weight // 10 * 10)))


class AddsUp(MemoryRouter):
    def apply(self, wanted: Wanted) -> None:
        before = self.world.routes.weight if self.world.routes is not None else 0
        super().apply(replace(wanted, exposure=replace(wanted.exposure, weight=before + wanted.exposure.weight)))


class ForgetsMatches(MemoryRouter):
    def apply(self, wanted: Wanted) -> None:
        super().apply(replace(wanted, exposure=replace(wanted.exposure, matched=False, mirrored=False)))


class NeverWithout(MemoryRouter):
    def capabilities(self, policy: Policy) -> Capabilities:
        return Capabilities()


class RoutedBefore(MemoryRouter):
    async def look(self, key: CanaryKey, policy: Policy) -> Routes | None:
        return await super().look(key, policy) or Routes(0)


class Halves(MemoryMetrics):
    def answers(self, policy: Policy) -> tuple[Sample, ...]:
        return tuple(replace(sample, value=sample.value and sample.value / 2) for sample in super().answers(policy))


class Sorts(MemoryMetrics):
    def answers(self, policy: Policy) -> tuple[Sample, ...]:
        return tuple(sorted(super().answers(policy), key=lambda sample: sample.metric))


class Complains(MemoryMetrics):
    def answers(self, policy: Policy) -> tuple[Sample, ...]:
        return tuple(replace(sample, problem="nothing" if sample.value is None else "") for sample in super().answers(policy))


class Hides(MemoryMetrics):
    def answers(self, policy: Policy) -> tuple[Sample, ...]:
        return tuple(replace(sample, problem="") for sample in super().answers(policy))


class AsksLate(MemoryMetrics):
    async def measure(self, key: CanaryKey, policy: Policy, since: datetime) -> Samples:
        return replace(await super().measure(key, policy, since), asked=since - timedelta(hours=1))


class CountsAsCheck(MemoryMetrics):
    async def count(self, key: CanaryKey, policy: Policy, since: datetime, counted: datetime) -> Samples:
        return replace(await super().count(key, policy, since, counted), glance=False)


class CountsAnew(MemoryMetrics):
    async def count(self, key: CanaryKey, policy: Policy, since: datetime, counted: datetime) -> Samples:
        found = await super().count(key, policy, since, counted)
        return replace(found, scrapes=(Scrape("errors", counted - timedelta(seconds=15)),))


class MakesUpAPast(MemoryMetrics):
    async def history(self, key: CanaryKey, policy: Policy) -> History:
        return History(Calibration((MetricCalibration("errors"),)))


class IsAlwaysFine(MemoryMetrics):
    async def afterwards(self, key: CanaryKey, policy: Policy, since: datetime, counted: datetime) -> Samples:
        return Samples(since, tuple(Sample(metric.name, metric.kind, 100.0) for metric in policy.analysis.metrics))


class NeverProbes(MemoryMetrics):
    async def probe(self, key: CanaryKey, policy: Policy) -> tuple[str, ...]:
        return ()


class AsksEverybody(MemoryHooks):
    def answers(self, call: HookCall, hooks: Sequence[Hook]) -> tuple[HookAnswer, ...]:
        return tuple(answer for hook in hooks for answer in super(AsksEverybody, self).answers(call, [hook]))


class AsksTheFirst(MemoryHooks):
    def answers(self, call: HookCall, hooks: Sequence[Hook]) -> tuple[HookAnswer, ...]:
        return super().answers(call, hooks[:1])


class OpensInTrouble(MemoryHooks):
    def answers(self, call: HookCall, hooks: Sequence[Hook]) -> tuple[HookAnswer, ...]:
        return tuple(replace(answer, open=True) for answer in super().answers(call, hooks))


class SaysAll(MemoryHooks):
    def answers(self, call: HookCall, hooks: Sequence[Hook]) -> tuple[HookAnswer, ...]:
        return tuple(replace(answer, text=self.closed.get(answer.hook.name, "")) for answer in super().answers(call, hooks))


class MakesUpAnswers(MemoryHooks):
    def answers(self, call: HookCall, hooks: Sequence[Hook]) -> tuple[HookAnswer, ...]:
        return super().answers(call, hooks) or (HookAnswer(Hook("", HookType.EVENT, ""), True),)


class Repeats(MemoryTeller):
    def take(self, tellings: Sequence[Telling]) -> None:
        self.heard.extend(tellings)


class Backwards(MemoryTeller):
    def take(self, tellings: Sequence[Telling]) -> None:
        super().take(list(reversed(tellings)))


class Promises(MemoryTeller):
    async def told(self, key: CanaryKey) -> Mapping[str, str]:
        return {telling.id: "" for telling in self.heard}


class KnowsAll(MemoryTeller):
    async def told(self, key: CanaryKey) -> Mapping[str, str]:
        return {**await super().told(key), "other": ""}


class ForgetsTheLast(MemoryTeller):
    def take(self, tellings: Sequence[Telling]) -> None:
        super().take(tellings[:1])


class LosesTellings(InTeller):
    async def restarted(self) -> MemoryTeller:
        self.teller = ForgetsTheLast(self.world)
        return self.teller


def with_port(make: Callable[[], Any], name: str, port: Callable[[Any], object]) -> Callable[[], Any]:
    """A harness with another port in it."""

    def made() -> Any:
        harness = make()
        world = harness.memory.world if hasattr(harness, "memory") else getattr(harness, "world", None)
        if name == "sources":
            harness.memory.sources = port(world)
        else:
            setattr(harness, name, port(world))
        return harness

    return made


def in_store(port: type[MemoryStore]) -> Callable[[], Any]:
    return lambda: InStore(port())


BREAKS: dict[Callable[..., Awaitable[None]], list[Callable[[], Any]]] = {
    store.a_new_canary_has_an_empty_record: [in_store(NeverEmpty)],
    store.what_is_recorded_is_read_back_equal: [LosesRecords],
    store.a_stale_record_is_a_conflict_and_changes_nothing: [in_store(ForgetsConflicts), in_store(WritesBeforeItLooks)],
    store.a_command_waits_until_a_decision_answers_it: [in_store(ConsumesNothing)],
    store.the_same_command_twice_is_one: [in_store(CountsTwice), in_store(ConsumesNothing)],
    store.what_the_judge_counted_is_kept_with_its_attempt: [in_store(KeepsTheNewestLookAlone)],
    store.the_journal_is_told_oldest_first_of_one_attempt_or_of_all: [in_store(NewestFirst), in_store(AllAttemptsAtOnce)],
    store.the_history_holds_each_attempt_as_it_was_last_written: [in_store(OnlyTheNewestAttempt)],
    store.canaries_do_not_know_each_other: [in_store(OneForAll)],
    sources.a_canary_has_a_revision_and_a_policy: [with_port(InSources, "sources", NoKeys)],
    sources.the_same_content_is_the_same_revision: [AlwaysNew, NeverLooks],
    sources.the_bytes_of_the_newest_revision_are_there: [NeverLooks],
    sources.kept_bytes_stay_available_whatever_the_source_does_next: [
        KeepsNothing, ForgetsOnRestart, with_port(InSources, "sources", WrongBytes),
    ],
    sources.a_revision_stays_available_from_the_moment_it_is_told: [KeepsNothing, with_port(InSources, "sources", WrongBytes)],
    sources.an_unknown_revision_has_no_bytes: [with_port(InSources, "sources", WrongBytes)],
    sources.trouble_is_a_problem_and_no_exception: [Throws],
    workloads.what_was_never_wanted_has_no_pods: [with_port(InWorkloads, "workloads", AlwaysThere)],
    workloads.it_works_towards_what_is_wanted: [with_port(InWorkloads, "workloads", AlwaysThere)],
    workloads.the_same_order_twice_is_one: [with_port(InWorkloads, "workloads", StartsAnew)],
    workloads.a_stale_order_is_a_conflict_and_changes_nothing: [
        with_port(InWorkloads, "workloads", TakesAnyOrder), with_port(InWorkloads, "workloads", StartsAnew),
    ],
    workloads.a_copy_that_is_not_wanted_any_more_goes_and_the_other_stays: [
        with_port(InWorkloads, "workloads", NeverStops), with_port(InWorkloads, "workloads", StartsAnew),
    ],
    workloads.a_new_revision_replaces_the_old_one: [with_port(InWorkloads, "workloads", KeepsTheFirst)],
    workloads.the_number_of_pods_follows_what_is_wanted: [with_port(InWorkloads, "workloads", KeepsTheFirst)],
    workloads.new_pods_have_no_restarts: [with_port(InWorkloads, "workloads", RestartsFromTheBeginning)],
    router.what_was_never_routed_has_no_routes: [with_port(InRouter, "router", RoutedBefore)],
    router.traffic_that_is_not_ours_yet_is_left_alone: [with_port(InRouter, "router", RoutesAtOnce)],
    router.each_weight_is_seen_as_it_was_wanted: [with_port(InRouter, "router", InTens)],
    router.the_same_order_twice_is_one: [with_port(InRouter, "router", AddsUp)],
    router.a_stale_order_is_a_conflict_and_changes_nothing: [
        with_port(InRouter, "router", ShiftsAnyOrder), with_port(InRouter, "router", MovesFirst),
    ],
    router.matched_and_mirrored_requests_are_seen_where_it_can_do_that: [with_port(InRouter, "router", ForgetsMatches)],
    router.a_provider_without_weights_keeps_everybody_on_the_primary: [with_port(InRouter, "router", NeverWithout)],
    metrics.a_value_is_passed_on: [with_port(InMetrics, "metrics", Halves)],
    metrics.every_metric_is_answered_in_order: [with_port(InMetrics, "metrics", Sorts)],
    metrics.an_empty_answer_is_neither_value_nor_problem: [with_port(InMetrics, "metrics", Complains)],
    metrics.trouble_is_a_problem_and_no_exception: [with_port(InMetrics, "metrics", Hides)],
    metrics.answers_say_when_they_were_asked_for: [with_port(InMetrics, "metrics", AsksLate)],
    metrics.a_provider_that_can_be_used_is_no_problem: [with_port(InMetrics, "metrics", NeverProbes)],
    metrics.what_is_counted_is_new_and_is_no_check: [
        with_port(InMetrics, "metrics", CountsAsCheck), with_port(InMetrics, "metrics", CountsAnew),
    ],
    metrics.a_past_that_is_not_to_be_had_is_no_exception: [with_port(InMetrics, "metrics", MakesUpAPast)],
    metrics.the_promoted_primary_is_asked_for_every_metric: [with_port(InMetrics, "metrics", IsAlwaysFine)],
    hooks.without_hooks_there_are_no_answers: [with_port(InHooks, "hooks", MakesUpAnswers)],
    hooks.open_gates_are_all_asked_in_order: [with_port(InHooks, "hooks", AsksTheFirst)],
    hooks.the_first_closed_gate_decides: [with_port(InHooks, "hooks", AsksEverybody)],
    hooks.the_first_open_rollback_hook_decides: [with_port(InHooks, "hooks", AsksEverybody)],
    hooks.a_receiver_in_trouble_is_a_closed_hook_with_a_reason: [with_port(InHooks, "hooks", OpensInTrouble)],
    hooks.an_answer_is_at_most_256_printable_characters: [with_port(InHooks, "hooks", SaysAll)],
    teller.nothing_is_known_of_what_was_never_told: [with_port(InTeller, "teller", KnowsAll)],
    teller.everything_is_told_in_order_and_known_to_be: [with_port(InTeller, "teller", Backwards)],
    teller.what_is_known_already_is_not_told_again: [with_port(InTeller, "teller", Repeats)],
    teller.a_receiver_that_was_away_gets_everything_when_it_is_back: [with_port(InTeller, "teller", Promises)],
    teller.after_a_crash_everything_is_told_at_least_once: [LosesTellings],
}  # fmt: skip


def test_each_check_has_an_adapter_that_breaks_its_promise() -> None:
    listed = [check for found in (store, sources, workloads, router, metrics, hooks, teller) for check in found.CHECKS]
    assert set(listed) == set(BREAKS)


FOUND_OUT = [
    pytest.param(check, make, id=f"{check.__name__}-{number}") for check, makes in BREAKS.items() for number, make in enumerate(makes)
]


@pytest.mark.parametrize(("check", "make"), FOUND_OUT)
def test_an_adapter_that_breaks_a_promise_is_found_out(check: Callable[[object], object], make: Callable[[], object]) -> None:
    with pytest.raises((BrokenPromise, Unavailable)):
        run(check(make()))  # type: ignore[arg-type]
