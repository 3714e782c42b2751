"""What was counted of the canary before is not this one's (C6): since when metrics are asked, and what follows from nothing yet."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from trimtab.model.names import CanaryKey
from trimtab.model.policy import Analysis, Policy
from trimtab.model.rollout import Outcome, Phase
from trimtab.model.verdict import Sample, Samples
from trimtab.testing.memory import MemoryMetrics
from trimtab.testing.policies import SUCCESS
from trimtab.testing.story import Story

Tell = Callable[..., Story]
STRICT = Analysis((SUCCESS,), threshold=1)


@dataclass
class Asked(MemoryMetrics):
    """Metrics that remember since when they were asked."""

    since: list[datetime] = field(default_factory=list)

    async def measure(self, key: CanaryKey, policy: Policy, since: datetime) -> Samples:
        self.since.append(since)
        return await super().measure(key, policy, since)


def asking(story: Story) -> Asked:
    """Puts such metrics in place."""
    made = Asked(story.memory.world)
    story.memory.metrics = made
    return made


def nothing_yet(policy: Policy) -> tuple[Sample, ...]:
    return tuple(Sample(metric.name, metric.kind, early=True) for metric in policy.analysis.metrics)


@pytest.mark.parametrize("how", ["an edit in the middle", "an edit after a rollback"])
def test_c6_a_canary_is_measured_from_when_the_one_before_it_was_gone(told: Tell, how: str) -> None:
    story = told(analysis=STRICT)
    asked = asking(story)
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: bool(asked.since))
    assert asked.since[0].year == 1970, "after initialisation there was no canary before"
    if how == "an edit after a rollback":
        story.turn_bad()
        assert story.until_settled().phase is Phase.FAILED
        asked.script = None
    story.memory.world.edit(color="green")
    before = len(asked.since)
    story.go_on(until=lambda state: len(asked.since) > before)
    old = story.memory.store.attempts[story.state.key, 2].rollout
    assert old is not None and old.ended is not None
    assert asked.since[-1] == old.ended


def test_c6_where_there_is_nothing_yet_a_check_neither_fails_nor_lets_exposure_grow(told: Tell) -> None:
    story = told(analysis=STRICT)
    story.memory.world.edit(color="blue")
    story.memory.metrics.script = nothing_yet
    story.go_on(timedelta(minutes=5))
    run = story.state.running
    assert run is not None and run.position == 1 and story.state.evidence.failed_checks == 0
    told_of_it = [text for text in story.said() if "the canary before" in text]
    assert len(told_of_it) == 1, "what stays the same is told once"
    story.memory.metrics.script = None
    last = story.until_settled().rollout
    assert last is not None and last.outcome is Outcome.PROMOTED


def test_c6_a_canary_that_served_on_after_a_failed_promotion_counts_until_it_is_left_alone(told: Tell) -> None:
    story = told(analysis=STRICT)
    asked, world = asking(story), story.memory.world
    world.edit(color="blue")
    story.go_on(until=lambda state: story.weights()[-1] == 40)
    world.stuck.add(f"primary/{world.revision().id}")
    assert story.until_settled().fallback is not None, "everybody is on the canary"
    story.go_on(timedelta(minutes=10))
    world.stuck.clear()
    world.edit(color="green")
    before = len(asked.since)
    story.go_on(until=lambda state: len(asked.since) > before)
    run = story.state.running
    assert run is not None and asked.since[-1] == run.began
    assert run.began is not None and run.began >= run.detected
