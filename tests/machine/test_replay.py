"""What was counted in an attempt comes to the verdict on record, and a record that was not made from it is found out."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from machine.test_comparison import MINUTE, PAST, RULES, Requests
from trimtab.analysis.replay import Replay, replayed
from trimtab.documents.counted import packed, unpacked
from trimtab.documents.records import from_text, to_text
from trimtab.errors import InputError
from trimtab.faces.cli.replays import exit_code, replay, replay_text
from trimtab.model.counted import Counted
from trimtab.model.judging import JudgeRules, Measured, MetricRule, Ramp
from trimtab.model.policy import Analysis
from trimtab.model.rollout import CanaryState
from trimtab.testing.policies import SUCCESS
from trimtab.testing.story import Story


def play(told: Callable[..., Story], rate: float, rules: JudgeRules = RULES, ramp: Ramp = Ramp.CLOCK) -> Story:
    """A change of which such a share of the requests fails, to its end."""
    story = told(weights=(10, 50), interval=MINUTE, analysis=Analysis((SUCCESS,), 2, judge=rules, ramp=ramp))
    requests = Requests(story)
    requests.canary = rate
    story.memory.metrics.traffic, story.memory.metrics.past = requests, PAST
    story.memory.world.edit(color="blue")
    story.until_settled()
    return story


def stored(story: Story) -> tuple[CanaryState, list[Counted]]:
    """Record and inputs as a store gives them back."""
    state = from_text(to_text(story.state), CanaryState, "the record")
    assert state.rollout is not None
    looks = story.memory.store.looks[state.key, state.rollout.number]
    return state, [look for one in looks for look in unpacked(packed([one]), "what was counted")]


def again(story: Story, looks: list[Counted] | None = None) -> Replay:
    """The replay of its newest attempt."""
    state, found = stored(story)
    assert state.rollout is not None and state.rollout.policy.analysis.judge is not None
    return replayed(state.evidence, found if looks is None else looks, state.rollout.policy.analysis.judge)


@pytest.mark.parametrize("ramp", list(Ramp))
@pytest.mark.parametrize("rate", [0.002, 0.0022, 0.01])
def test_stored_scrapes_come_to_the_verdict_on_record(told: Callable[..., Story], rate: float, ramp: Ramp) -> None:
    story = play(told, rate, ramp=ramp)
    found = again(story)
    assert found.same, found.differences
    assert found.said == story.state.evidence.said
    assert found.scrapes == len({(one.metric, one.ended) for look in stored(story)[1] for one in look.scrapes}) == len(found.series)


def test_every_metric_and_a_warm_up_are_replayed(told: Callable[..., Story]) -> None:
    metrics = (MetricRule("errors"), MetricRule("objective", Measured.OBJECTIVE, limit=0.5), MetricRule("more", weight=0.5))
    story = play(told, 0.01, replace(RULES, metrics=metrics, warmup=timedelta(seconds=30)))
    assert again(story).same


def test_a_count_that_was_changed_afterwards_is_found_out(told: Callable[..., Story]) -> None:
    story = play(told, 0.01)
    _, looks = stored(story)
    place = next(place for place, look in enumerate(looks) if look.scrapes)
    scrape = looks[place].scrapes[0]
    other = replace(scrape, counts=(replace(scrape.counts[0], bad=0), *scrape.counts[1:]))
    looks[place] = replace(looks[place], scrapes=(other,))
    found = again(story, looks)
    assert (found.same, found.gone) == (False, True)


def test_a_verdict_that_does_not_follow_from_what_was_counted_is_found_out(told: Callable[..., Story]) -> None:
    story = play(told, 0.01)
    state, looks = stored(story)
    assert state.evidence.ruling is not None
    easier = replace(RULES, rollback_odds=1e6)
    found = replayed(state.evidence, looks, easier)
    assert not found.same and not found.gone
    assert any("on record is rollback (worse), they come to hold (doubt)" in line for line in found.differences)


def test_inputs_that_are_gone_are_said_to_be(told: Callable[..., Story]) -> None:
    story = play(told, 0.01)
    state, looks = stored(story)
    for kept in ([], looks[:-1]):
        view = replay(state, kept)
        assert (view.gone, view.same, exit_code(view)) == (True, False, 3)
        assert "cannot be told" in replay_text(view)
    whole = replay(state, looks)
    assert exit_code(whole) == 0
    assert "the same: " in replay_text(whole) and "WORSE AT ALL" in replay_text(whole)


def test_an_attempt_without_a_comparison_has_nothing_to_replay(told: Callable[..., Story]) -> None:
    story = told(weights=(10, 50), interval=MINUTE)
    with pytest.raises(InputError, match="were not compared"):
        replay(story.state, [])
