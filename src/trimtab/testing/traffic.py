"""What canary and primary counted in a world of tests: complete scrapes, bin by bin. Called by `memory`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from trimtab.model.judging import JudgeRules, MetricRule
from trimtab.model.scrapes import Arm, PodCounts, Scrape
from trimtab.testing.world import START, World

SCRAPE = timedelta(seconds=15)
PODS = 5
Traffic = Callable[[MetricRule, datetime], Scrape | None]
"""The scrape of a metric that ends at a moment; None for one that is missed."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Which share of its requests each copy fails."""

    canary: float = 0.002
    primary: float = 0.002


def requests(metric: MetricRule, end: datetime, share: float, rates: Rates = Rates(), total: int = 50_000) -> Scrape:
    """What pods of both copies count in a scrape in which the canary gets `share` of all requests, all of them alike."""
    pods = [*alike(Arm.CANARY, total * share, rates.canary), *alike(Arm.PRIMARY, total * (1 - share), rates.primary)]
    return Scrape(metric.name, end, tuple(pods))


def alike(arm: Arm, total: float, rate: float) -> Iterator[PodCounts]:
    """The pods of one copy."""
    each = round(total / PODS)
    for number in range(PODS):
        yield PodCounts(f"{arm}-{number}", arm, round(each * rate), each)


def scrapes(traffic: Traffic, rules: JudgeRules, world: World, after: datetime) -> tuple[Scrape, ...]:
    """Of every metric, for each bin that ended after a moment and is closed, one interval late."""
    length = rules.interval or SCRAPE
    first, last = ((moment - START) // length for moment in (after, world.now))
    ends = [START + length * number for number in range(first + 1, last)]
    made = (traffic(metric, end) for end in ends for metric in rules.metrics)
    return tuple(replace(scrape, length=length) for scrape in made if scrape is not None)
