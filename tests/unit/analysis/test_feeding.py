"""Raw counters become scrapes of every metric of the judge."""

from datetime import UTC, datetime, timedelta

import numpy as np

from trimtab.analysis.evidence import begin, update
from trimtab.analysis.feeding import Feed, fed
from trimtab.analysis.increments import Part, Series
from trimtab.model.evidence import Calibration
from trimtab.model.judging import JudgeRules, JudgeStep, Measured, MetricRule
from trimtab.model.scrapes import Arm

BEGAN = datetime(2026, 1, 2, tzinfo=UTC)
METRICS = (
    MetricRule("errors"),
    MetricRule("availability", Measured.OBJECTIVE, limit=0.01),
    MetricRule("latency", Measured.LATENCY),
    MetricRule("restarts", Measured.RESTARTS),
)
SCRAPES = 6


def both(part: Part, *columns: float, bounds: tuple[float, ...] = ()) -> list[Series]:
    """A counter of each arm that grows by so much between scrapes."""
    times = BEGAN.timestamp() + 4 + 15.0 * np.arange(SCRAPES)
    values = np.arange(SCRAPES)[:, None] * np.asarray(columns)
    flat = values if bounds else values[:, 0]
    return [Series(arm, f"{arm}-1", arm, part, times, flat, bounds) for arm in Arm]


COUNTED = [*both(Part.TOTAL, 100), *both(Part.BAD, 3)]
TIMED = both(Part.BUCKETS, 60, 100, bounds=(0.1,))


def test_every_metric_gets_its_scrapes_and_errors_and_objectives_share_their_counters() -> None:
    found = fed(METRICS, COUNTED, TIMED, Feed(BEGAN + timedelta(minutes=5)))
    names = [scrape.metric for scrape in found]
    assert {name: names.count(name) for name in names} == {"errors": 5, "availability": 5, "latency": 5}
    assert {(pod.bad, pod.total) for scrape in found for pod in scrape.counts} == {(3, 100)}
    assert {pod.counts for scrape in found for pod in scrape.buckets} == {(60, 40)}


def test_the_judge_counts_what_it_is_fed_once_however_often_that_overlaps() -> None:
    rules = JudgeRules(METRICS[:1])
    step, evidence = JudgeStep(0, 0.1, 0.5, BEGAN), begin(BEGAN)
    for number in range(2, SCRAPES + 3):
        now = BEGAN + timedelta(seconds=15 * number)
        after = evidence.upto if number % 2 else None
        evidence = update(evidence, fed(rules.metrics, COUNTED, (), Feed(now, after)), rules, Calibration(), step)
    once = update(begin(BEGAN), fed(rules.metrics, COUNTED, (), Feed(now)), rules, Calibration(), step)
    assert evidence == once and once.upto == BEGAN + timedelta(seconds=15 * SCRAPES)


def test_the_history_of_the_primary_needs_no_canary_and_nothing_comes_of_too_few_readings() -> None:
    alone = [each for each in COUNTED if each.arm is Arm.PRIMARY]
    feed = Feed(BEGAN + timedelta(minutes=5), arms=(Arm.PRIMARY,))
    assert len(fed(METRICS[:1], alone, (), feed)) == 5
    assert fed(METRICS[:1], alone, (), Feed(BEGAN + timedelta(minutes=5))) == ()
    assert fed(METRICS, [], [], feed) == ()
