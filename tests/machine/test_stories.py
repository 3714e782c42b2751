"""How attempts look on a terminal and elsewhere: nothing twice, nothing that is not so any more, nothing cut off."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from machine.test_comparison import MINUTE, RULES, Requests, at, compared
from trimtab.faces.cli.screen import picture
from trimtab.faces.cli.stories import hung, show_text, status_text
from trimtab.faces.views import show_view, status_view
from trimtab.model.journal import Entry
from trimtab.model.judging import Ramp
from trimtab.model.rollout import Phase
from trimtab.model.ruling import Ruling
from trimtab.testing.story import Story

__all__ = ["compared"]
Tell = Callable[..., tuple[Story, Requests]]


def entries(story: Story) -> tuple[Entry, ...]:
    return tuple(story.memory.store.entries[story.state.key])


def thin(compared: Tell) -> Story:
    """A person is asked, for want of traffic."""
    story, requests = compared(replace(RULES, step_deadline=3 * MINUTE, ask_for=5 * MINUTE), ramp=Ramp.EVIDENCE)
    requests.total = 50
    story.until_phase(Phase.WAITING_PROMOTION)
    return story


def silent(compared: Tell) -> Story:
    """Nothing is counted any more."""
    story, requests = compared(ramp=Ramp.EVIDENCE)
    story.go_on(until=at(10))
    requests.seen = False
    story.go_on(until=lambda state: state.evidence.ruling is not None and state.evidence.ruling.ruling is Ruling.NO_DATA)
    return story


def bad(compared: Tell) -> Story:
    """Rolled back."""
    story, requests = compared()
    requests.canary = 0.04
    story.until_settled()
    return story


@pytest.mark.parametrize("come_to", [thin, silent, bad])
@pytest.mark.parametrize("columns", [80, 200])
def test_on_a_terminal_no_line_is_wider_than_it(compared: Tell, come_to: Callable[[Tell], Story], columns: int) -> None:
    story = come_to(compared)
    text = "\n".join((show_text(show_view(story.state, entries(story)), columns), status_text(status_view(story.state), columns)))
    assert max(map(len, text.splitlines())) <= columns
    plain = show_text(show_view(story.state, entries(story)))
    assert set(plain.split()) - {"metric"} <= set(text.split()), "no word is lost"


def test_a_screen_shows_the_newest_events_however_small_it_is(compared: Tell) -> None:
    story = thin(compared)
    for size in ((80, 24), (80, 50), (200, 60)):
        lines = picture(story.state, entries(story), size).splitlines()
        assert len(lines) <= size[1]
        assert " ".join(lines).split()[-3:] == entries(story)[-1].text.split()[-3:]
        assert lines[0].startswith("app.test: WaitingPromotion")


def test_that_a_person_is_asked_is_told_once(compared: Tell) -> None:
    story = thin(compared)
    (last,) = [entry.text for entry in entries(story) if entry.at == entries(story)[-1].at]
    assert last.startswith("Halt app.test waiting for a person. Not enough to decide")


def test_what_the_sentence_says_stands_there_once(compared: Tell) -> None:
    text = status_text(status_view(thin(compared).state))
    assert text.count("to prove that") == 1 and "\n    change  " not in text


def test_an_attempt_that_is_over_is_not_told_what_would_change_it(compared: Tell) -> None:
    story = silent(compared)
    assert "\n    change     A complete scrape" in status_text(status_view(story.state))
    story.until_settled()
    text = status_text(status_view(story.state))
    assert "\n    change  " not in text and "Ending app.test without a verdict" in text
    assert text.count("Ending app.test without a verdict") == 1, "what it is held for is the reason of the attempt below"
    assert "under 0.1:1" not in text, "where nothing was counted there are no odds"


def test_a_long_line_is_cut_between_words_and_never_within_a_figure() -> None:
    found = hung("    why        a canary with a name of some length failed at 15 % of 12 345 requests", 62, 15)
    assert found == ["    why        a canary with a name of some length failed at", " " * 15 + "15 % of 12 345 requests"]
    assert hung("x" * 90, None, 15) == ["x" * 90]
