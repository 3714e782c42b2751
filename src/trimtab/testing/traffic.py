"""What canary and primary counted in a world of tests: complete scrapes, bin by bin. Called by `memory`."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from trimtab.model.judging import JudgeRules, MetricRule
from trimtab.model.scrapes import Scrape
from trimtab.testing.world import START, World

SCRAPE = timedelta(seconds=15)
Traffic = Callable[[MetricRule, datetime], Scrape | None]
"""The scrape of a metric that ends at a moment; None for one that is missed."""


def scrapes(traffic: Traffic, rules: JudgeRules, world: World, after: datetime) -> tuple[Scrape, ...]:
    """Of every metric, for each bin that ended after a moment and is closed, one interval late."""
    length = rules.interval or SCRAPE
    first, last = ((moment - START) // length for moment in (after, world.now))
    ends = [START + length * number for number in range(first + 1, last)]
    made = (traffic(metric, end) for end in ends for metric in rules.metrics)
    return tuple(replace(scrape, length=length) for scrape in made if scrape is not None)
