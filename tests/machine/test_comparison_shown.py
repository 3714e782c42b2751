"""What people are shown of a comparison: in `show` and `status`, in JSON, and in the status of a ConfigRollout (judge.md 11)."""

import json
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from machine.test_comparison import MINUTE, PAST, RULES, Requests
from trimtab.adapters.kubernetes import rollouts
from trimtab.documents.trimtab import ConfigRollout
from trimtab.faces.cli.stories import show_text, status_text
from trimtab.faces.views import show_view, status_view
from trimtab.model.policy import Analysis
from trimtab.model.rollout import Outcome
from trimtab.testing.policies import SUCCESS
from trimtab.testing.story import Story


@pytest.fixture
def story(told: Callable[..., Story]) -> Story:
    """A Canary whose newest change makes one request in a hundred fail."""
    made = told(weights=(10, 50), interval=MINUTE, analysis=Analysis((SUCCESS,), 2, judge=RULES))
    requests = Requests(made)
    requests.canary = 0.01
    made.memory.metrics.traffic, made.memory.metrics.past = requests, PAST
    made.memory.world.edit(color="blue")
    made.until_settled()
    assert made.state.rollout is not None and made.state.rollout.outcome is Outcome.ROLLED_BACK
    return made


def test_show_tells_by_which_figures_a_canary_was_rolled_back(story: Story) -> None:
    text = show_text(show_view(story.state, tuple(story.memory.store.entries[story.state.key])))
    for part in (
        "why        Rolling back app.test. Rolled back after 45 s at 10 %",
        "judge      metric",
        "100 of 10 000 (1 %)  180 of 90 000 (0.2 %)  5 ",
        "of 100",
        "odds       worse at all ",
        "▄█  8.9:1 to 179:1 of 100",
        "errors carried it",
        "the bar that came last",
        "counted as 20:1, the most a scrape may count for",
        "evidence is divided by",
        "change     Nothing any more",
    ):
        assert part in text, f"{part!r} is not in\n{text}"
    assert story.state.evidence.compared is not None
    assert story.state.evidence.compared.inputs in text
    assert max(map(len, text.partition("timeline")[0].splitlines())) <= 150
    assert "judge      metric" in status_text(status_view(story.state))


def test_the_same_is_there_as_json_with_numbers(story: Story) -> None:
    plain = json.loads(json.dumps(msgspec.to_builtins(status_view(story.state))))["rollout"]["compared"]
    assert (plain["ruling"], plain["reason"], plain["metrics"][0]["implicated"]) == ("rollback", "worse", True)
    assert plain["worse"]["odds"] > plain["worse"]["bar"] == 100
    assert plain["metrics"][0]["canary"]["rate"] == pytest.approx(0.01)
    assert plain["bursts"][0]["capped"] is True
    assert plain["series"][-1]["worse"] == pytest.approx(plain["worse"]["odds"], rel=1e-3)
    assert [one["step"] for one in plain["series"]] == [plain["step"]] * len(plain["series"])


def test_a_config_rollout_says_it_in_its_status(story: Story) -> None:
    made = rollouts.rollout_object(story.state, (), {"kind": "Canary", "uid": "u"}, {})
    status = msgspec.convert(made, ConfigRollout).status
    assert status is not None and status.comparison is not None
    assert status.comparison.text == story.state.evidence.said
    assert [metric.metric for metric in status.comparison.metrics if metric.implicated] == ["errors"]


def test_without_a_comparison_nothing_is_shown_of_one(told: Callable[..., Story]) -> None:
    plain = told(weights=(10, 50), interval=timedelta(minutes=1))
    plain.memory.world.edit(color="blue")
    plain.until_settled()
    assert status_view(plain.state).rollout.compared is None  # type: ignore[union-attr]
    assert "judge" not in status_text(status_view(plain.state))
