"""What the judge is fed on one machine: complete scrapes out of Envoy's counters, and what the primary's history says. Made by `wiring`."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from trimtab.adapters.metrics import envoy_series
from trimtab.adapters.metrics.envoy import STEP, EnvoyCounters
from trimtab.analysis.calibration import calibrate
from trimtab.analysis.feeding import Feed, fed
from trimtab.model.evidence import Calibration
from trimtab.model.judging import JudgeRules
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.scrapes import Arm, Scrape

INTERVAL = timedelta(seconds=5)
"""Of a scrape, where the policy names none: counters are read every second."""


@dataclass(frozen=True, slots=True)
class EnvoyScrapes:
    """Scrapes of both copies of a Canary. `cluster` says under which name Envoy counts a copy."""

    counters: EnvoyCounters
    cluster: Callable[[CanaryKey, Policy, Arm], str]

    async def count(self, key: CanaryKey, policy: Policy, rules: JudgeRules, feed: Feed) -> tuple[Scrape, ...]:
        """The complete scrapes that are wanted. Unavailable where Envoy does not answer."""
        readings = {arm: await self.counters.readings(self.cluster(key, policy, arm)) for arm in feed.arms}
        counted = [series for arm, found in readings.items() for series in envoy_series.counters(found, arm, STEP.total_seconds())]
        timed = [envoy_series.histogram(found, arm, STEP.total_seconds()) for arm, found in readings.items()]
        return fed(rules.metrics, counted, timed, replace(feed, interval=(rules.interval or INTERVAL).total_seconds()))

    async def learned(self, key: CanaryKey, policy: Policy, rules: JudgeRules, feed: Feed) -> Calibration:
        """What the primary's own history says."""
        return calibrate(await self.count(key, policy, rules, replace(feed, arms=(Arm.PRIMARY,))), rules)
