"""How long does one `decide` take? Run it by hand: `python benchmarks/decide.py`.

Every pass of a story of six changes (promoted and rolled back) in virtual time is taken down with its facts and
verdict, then decided again, many times over. Compared with one round trip of the same record through JSON, as the store does it.
"""

import copy
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from trimtab.analysis.judge import judge
from trimtab.control.act import act
from trimtab.control.observe import observe
from trimtab.control.record import record
from trimtab.documents.records import from_text, to_text
from trimtab.model.decision import Decision
from trimtab.model.facts import Facts
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Analysis, Policy
from trimtab.model.rollout import CanaryState
from trimtab.model.verdict import Sample, Verdict
from trimtab.rollout.decide import decide
from trimtab.testing.memory import Memory, run
from trimtab.testing.policies import BASE, SUCCESS
from trimtab.testing.world import World

Pass = tuple[CanaryState, Facts, Verdict | None]
ROUNDS = 30
LIMIT = 80.0
"""Microseconds."""


async def one(memory: Memory, key: CanaryKey, taken: list[Pass]) -> Decision:
    """What `reconcile` does, with what was decided upon taken down."""
    outside = memory.outside
    stored = await outside.store.load(key)
    facts = await observe(stored, outside)
    verdict = judge(stored.state.analysis, stored.state.evidence, facts.samples, facts.now)
    taken.append((stored.state, facts, verdict))
    decision = decide(stored.state, facts, verdict)
    await record(stored, facts, verdict, decision, outside)
    await act(decision.state, facts, outside)
    return decision


def story() -> list[Pass]:
    """Six changes; every second one is rolled back."""
    key = CanaryKey("bench", "app")
    memory = Memory(World(key, replace(BASE, weights=(10, 20, 40, 60), analysis=Analysis((SUCCESS,), 3))))
    taken: list[Pass] = []
    for number in range(1, 8):
        memory.metrics.script = failing if number % 3 == 0 else None
        settle(memory, number, taken)
        memory.world.edit(text=f"content {number}")
    return taken


def failing(policy: Policy) -> tuple[Sample, ...]:
    """Every metric has a bad value."""
    return tuple(Sample(metric.name, metric.kind, 10.0) for metric in policy.analysis.metrics)


def settle(memory: Memory, number: int, taken: list[Pass]) -> None:
    """Passes until an attempt has ended, and one more."""
    while True:
        decision = run(one(memory, memory.world.key, taken))
        rollout = decision.state.rollout
        if rollout is not None and rollout.number == number and rollout.ended is not None:
            run(one(memory, memory.world.key, taken))
            return
        moments = [moment for moment in (decision.wake, memory.world.next_change()) if moment is not None]
        memory.world.now = max(memory.world.now, min(moments))


def microseconds(work: Callable[[], object]) -> float:
    """The time of one call."""
    begin = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - begin) / 1000


def through_json(state: CanaryState) -> CanaryState:
    """Written and read again, as the store does it."""
    return from_text(to_text(state), CanaryState, "the record")


def main() -> int:
    """Measures and prints; 1 where the figure is missed."""
    taken = story()
    found: dict[str, list[float]] = {"decide": [], "JSON round trip of the record": [], "deep copy of the record": []}
    for _ in range(ROUNDS):
        for state, facts, verdict in taken:
            found["decide"].append(microseconds(partial(decide, state, facts, verdict)))
            found["JSON round trip of the record"].append(microseconds(partial(through_json, state)))
            found["deep copy of the record"].append(microseconds(partial(copy.deepcopy, state)))
    phases = sorted({state.phase for state, _, _ in taken})
    print(f"passes taken down          {len(taken)}, {ROUNDS} times each, in phases {', '.join(phases)}")
    for what, times in found.items():
        cuts = statistics.quantiles(times, n=100)
        print(f"{what:30} median {statistics.median(times):6.1f} us, p99 {cuts[98]:6.1f} us")
    return int(statistics.median(found["decide"]) >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
