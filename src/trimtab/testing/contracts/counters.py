"""What every source of raw counters promises: increments are what happened, each once, and trouble is an OutsideError.

There is no port for it: `wiring` hands series to the judge. Held against each adapter in the tests of contracts.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from trimtab.analysis.completion import Wanted, scrapes
from trimtab.analysis.increments import Series, binned
from trimtab.errors import OutsideError
from trimtab.model.scrapes import Arm, Scrape
from trimtab.testing.contracts.promise import BrokenPromise, holds


class Harness(Protocol):
    """A workload with both arms, of which nothing was scraped yet."""

    interval: float
    """Seconds between scrapes."""

    async def happens(self, canary: tuple[int, int], primary: tuple[int, int]) -> None:
        """Failed requests and all requests of each arm; an interval passes, then both are scraped."""

    async def restarts(self, arm: Arm) -> None:
        """The counters of an arm begin anew at 0."""

    async def breaks(self) -> None:
        """From now on there is no proper answer."""

    async def counters(self) -> Sequence[Series]:
        """All of the metric, as the adapter answers now."""


async def counted(harness: Harness) -> list[Scrape]:
    """The complete scrapes so far."""
    found = binned(await harness.counters(), harness.interval)
    return [] if found is None else list(scrapes(found, Wanted("errors")))


def sums(found: Sequence[Scrape]) -> list[dict[str, tuple[int, int]]]:
    """Bad and total of each arm, scrape by scrape."""
    made = []
    for scrape in found:
        arms = {arm: np.sum([(pod.bad, pod.total) for pod in scrape.counts if pod.arm is arm], axis=0) for arm in Arm}
        made.append({str(arm): (int(bad), int(total)) for arm, (bad, total) in arms.items()})
    return made


async def what_happened_between_two_scrapes_is_counted_once(harness: Harness) -> None:
    """However often one asks; the first scrape says nothing."""
    for canary, primary in (((0, 7), (1, 90)), ((2, 10), (3, 80)), ((0, 0), (0, 70)), ((1, 12), (0, 60))):
        await harness.happens(canary, primary)
    wanted = [
        {"canary": (2, 10), "primary": (3, 80)},
        {"canary": (0, 0), "primary": (0, 70)},
        {"canary": (1, 12), "primary": (0, 60)},
    ]
    for _ in range(2):
        found = sums(await counted(harness))
        holds(found == wanted, f"increments are {wanted}", found)


async def scrapes_follow_one_another_without_a_hole(harness: Harness) -> None:
    """One interval apart, at whole multiples of it."""
    for _ in range(4):
        await harness.happens((0, 5), (1, 50))
    found = await counted(harness)
    ends = [scrape.ended.timestamp() for scrape in found]
    holds(len(ends) == 3 and not any(scrape.missed for scrape in found), "every scrape after the first is complete", found)
    holds(all(end % harness.interval == 0 for end in ends), "bins end at multiples of the interval", ends)
    holds(set(np.diff(ends)) == {harness.interval}, "bins follow one another", ends)


async def after_a_restart_counting_begins_at_nothing(harness: Harness) -> None:
    """Only of the arm that restarted, and of all its counters."""
    await harness.happens((5, 50), (9, 90))
    await harness.happens((2, 10), (3, 80))
    await harness.restarts(Arm.CANARY)
    await harness.happens((0, 8), (1, 70))
    found = sums(await counted(harness))[-1]
    holds(found == {"canary": (0, 8), "primary": (1, 70)}, "a restart loses nothing and invents nothing", found)


async def nothing_scraped_is_nothing_and_no_trouble(harness: Harness) -> None:
    """Nobody sent a request yet."""
    found = await counted(harness)
    holds(found == [], "without a scrape there are no increments", found)


async def trouble_is_an_outside_error(harness: Harness) -> None:
    """With words."""
    await harness.happens((0, 5), (1, 50))
    await harness.breaks()
    try:
        found = await harness.counters()
    except OutsideError as error:
        holds(bool(str(error)), "an error says what went wrong", error)
        return
    raise BrokenPromise(f"a source that does not answer raises OutsideError; answered: {found!r}")


CHECKS = (
    what_happened_between_two_scrapes_is_counted_once,
    scrapes_follow_one_another_without_a_hole,
    after_a_restart_counting_begins_at_nothing,
    nothing_scraped_is_nothing_and_no_trouble,
    trouble_is_an_outside_error,
)
