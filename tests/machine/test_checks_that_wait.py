"""Checks of a rollout that waits for long: they go on, and the journal and the record stay as small as what there is to say."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count

from trimtab.model.commands import Verb
from trimtab.model.journal import Entry
from trimtab.model.policy import Analysis, HookType, Metric, MetricKind, WhenUnknown
from trimtab.model.rollout import Outcome, Phase
from trimtab.model.verdict import Sample
from trimtab.testing.policies import SUCCESS
from trimtab.testing.story import Story

Tell = Callable[..., Story]
LONG = timedelta(hours=1)


def lines(story: Story, reason: str) -> int:
    return sum(entry.reason == reason for entry in journal(story))


def journal(story: Story) -> list[Entry]:
    return story.memory.store.entries[story.memory.world.key]


def test_an_hour_at_a_gate_is_an_hour_of_checks_and_one_line(told: Tell) -> None:
    story = told(approvals=frozenset({HookType.CONFIRM_PROMOTION}))
    story.memory.world.edit(color="blue")
    story.until_phase(Phase.WAITING_PROMOTION)
    before, checks = lines(story, "CheckPassed"), story.state.evidence.checks
    story.go_on(LONG)
    assert story.state.phase is Phase.WAITING_PROMOTION
    assert story.state.evidence.checks > checks + 100
    assert lines(story, "CheckPassed") == before
    story.say(Verb.APPROVE)
    assert story.until_settled().phase is Phase.SUCCEEDED


def test_a_check_that_fails_at_a_gate_is_told_and_so_is_the_next_good_one(told: Tell) -> None:
    story = told(approvals=frozenset({HookType.CONFIRM_PROMOTION}), analysis=Analysis((SUCCESS,), 3))
    story.memory.world.edit(color="blue")
    story.until_phase(Phase.WAITING_PROMOTION)
    before, good = lines(story, "CheckPassed"), story.memory.metrics.script
    story.turn_bad()
    story.go_on(until=lambda state: state.evidence.failed_checks == 1)
    story.memory.metrics.script = good
    story.go_on(timedelta(minutes=30))
    assert lines(story, "CheckPassed") == before + 1


def test_an_hour_without_answers_is_told_once_whatever_the_server_says(told: Tell) -> None:
    metric = Metric("latency", MetricKind.TEMPLATE, maximum=1.0)
    story = told(analysis=Analysis((metric,), provider_down=WhenUnknown.HOLD))
    request = count()
    story.memory.metrics.script = lambda policy: (Sample("latency", metric.kind, None, f"status 503, request {next(request)}"),)
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: state.evidence.checks == 1)
    told_before, entries, marks = len(story.said()), len(journal(story)), len(story.state.spoken)
    story.go_on(LONG)
    assert story.state.running is not None and story.state.evidence.checks > 100
    assert (len(story.said()), len(journal(story))) == (told_before, entries)
    assert len(story.state.spoken) == marks
    story.memory.metrics.script = lambda policy: (Sample("latency", metric.kind, 0.5),)
    run = story.until_settled().rollout
    assert run is not None and run.outcome is Outcome.PROMOTED
