"""The odds as they grew: kept in little room, and drawn."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from math import log

import pytest

from trimtab.analysis.evidence import begin, update
from trimtab.analysis.replay import point
from trimtab.analysis.series import MOST, added, drawn, moments
from trimtab.model.evidence import Calibration, JudgeEvidence, Moment
from trimtab.model.judging import JudgeRules, JudgeStep, MetricRule
from unit.analysis.judging import BEGAN, SCRAPE, counted

RULES = JudgeRules(metrics=(MetricRule("errors"),))
STEPS = (JudgeStep(1, 0.1, 0.5, BEGAN), JudgeStep(2, 0.5, 1.0, BEGAN + 3 * SCRAPE))


def long(scrapes: int) -> JudgeEvidence:
    found = begin(BEGAN)
    for place in range(scrapes):
        found = replace(found, series=added(found, Moment(BEGAN + place * SCRAPE, 1, place / 10, -1.0, 0.0)))
    return found


def test_every_moment_of_the_series_is_what_a_replay_comes_to() -> None:
    state = begin(BEGAN)
    for place, bad in enumerate((4, 0, 5, 2, 9)):
        step = STEPS[place >= 3]
        state = update(state, [counted(place, [(bad, 750)], [(7, 6750)])], RULES, Calibration(), step)
        told, again = moments(state)[-1], point(state, step, RULES, Calibration())
        assert (told.at, told.step, told.number) == (again.at, again.step, place + 1)
        assert (told.worse, told.beyond, told.refuted) == pytest.approx((again.worse, again.beyond, again.refuted), rel=1e-5)


def test_a_long_rollout_is_kept_evenly_and_with_its_newest_scrape() -> None:
    assert [one.number for one in moments(long(MOST))] == list(range(1, MOST + 1))
    for scrapes in (MOST + 1, 333, 2000):
        found = moments(long(scrapes))
        assert MOST / 2 <= len(found) <= MOST + 1 and found[-1].number == scrapes
        assert len({later.number - one.number for one, later in pairwise(found[:-1])}) == 1
        assert found[-1].at == BEGAN + (scrapes - 1) * SCRAPE
    assert len(long(2000).series) < 1400


def test_it_is_drawn_against_the_bar_with_a_mark_where_a_step_begins() -> None:
    found = [Moment(BEGAN + timedelta(seconds=place), step, 0, 0, 0) for place, step in enumerate((1, 1, 2, 2, 2))]
    assert drawn(found, [-5.0, 0.0, log(10), log(99.9), log(100)], 100) == "▁▁|▄▇█"
    assert drawn(found[:1], [0.0], 1.0) == "█"


def test_a_series_that_cannot_be_read_is_none() -> None:
    assert moments(replace(begin(BEGAN), series="?")) == moments(begin(BEGAN)) == ()
