"""What `ports.Metrics` promises: an answer to every metric, in order, and trouble as data."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from trimtab.model.judging import JudgeRules, MetricRule
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Analysis, Metric, MetricKind, Policy
from trimtab.model.verdict import Sample, Samples
from trimtab.ports import Metrics
from trimtab.testing.contracts.promise import holds

UNUSABLE = Metric("neither-template-nor-query", MetricKind.UNUSABLE)


class Harness(Protocol):
    """A metric system that has nothing to say yet."""

    metrics: Metrics
    key: CanaryKey
    policy: Policy
    """With one metric."""
    probed: bool
    """Is its provider asked by `probe`?"""

    async def says(self, value: float | None) -> None:
        """What it answers from now on: a number from 0 to 100, or nothing."""

    async def breaks(self) -> None:
        """From now on there is no proper answer."""

    def now(self) -> datetime:
        """The time of its clock."""


async def measured(harness: Harness, *metrics: Metric) -> Samples:
    """The answers to these metrics, or to the policy's own."""
    policy = replace(harness.policy, analysis=Analysis(metrics or harness.policy.analysis.metrics))
    return await harness.metrics.measure(harness.key, policy, harness.now())


async def one(harness: Harness) -> Sample:
    """The answer to the policy's metric."""
    samples = await measured(harness)
    holds(len(samples.answers) == 1, "one metric has one answer", samples)
    return samples.answers[0]


async def a_value_is_passed_on(harness: Harness) -> None:
    """As it is, under the metric's name."""
    metric = harness.policy.analysis.metrics[0]
    for value in (80.0, 100.0):
        await harness.says(value)
        sample = await one(harness)
        holds((sample.metric, sample.kind) == (metric.name, metric.kind), "an answer says what it answers", sample)
        holds(sample.value is not None and math.isclose(sample.value, value) and not sample.problem, f"{value} is passed on", sample)


async def every_metric_is_answered_in_order(harness: Harness) -> None:
    """Also one that cannot be measured at all."""
    await harness.says(99.0)
    metric = harness.policy.analysis.metrics[0]
    found = (await measured(harness, UNUSABLE, metric, UNUSABLE)).answers
    names = [sample.metric for sample in found]
    holds(names == [UNUSABLE.name, metric.name, UNUSABLE.name], "answers come in the order of the metrics", names)
    holds(found[0].value is None and found[1].value is not None, "what cannot be measured takes nothing from the rest", found)


async def an_empty_answer_is_neither_value_nor_problem(harness: Harness) -> None:
    """Nobody sent a request yet."""
    await harness.says(None)
    sample = await one(harness)
    holds(sample.value is None and not sample.problem, "an empty answer has neither value nor problem", sample)


async def trouble_is_a_problem_and_no_exception(harness: Harness) -> None:
    """With words, and without a value."""
    await harness.breaks()
    sample = await one(harness)
    holds(sample.value is None and bool(sample.problem), "trouble is said", sample)
    holds(sample.problem.isprintable(), "what is said fits on one line", sample)


async def answers_say_when_they_were_asked_for(harness: Harness) -> None:
    """So that none is judged twice."""
    await harness.says(99.0)
    before = harness.now()
    asked = (await measured(harness)).asked
    holds(before <= asked <= harness.now(), "the time is that of the question", before, asked)


def compared(harness: Harness) -> Policy:
    """The policy, with a comparison of canary and primary."""
    return replace(harness.policy, analysis=replace(harness.policy.analysis, judge=JudgeRules((MetricRule("errors"),))))


async def what_is_counted_is_new_and_is_no_check(harness: Harness) -> None:
    """Whether or not anything was counted; trouble is words, and no exception."""
    for works in (True, False):
        if not works:
            await harness.breaks()
        before = harness.now()
        found = await harness.metrics.count(harness.key, compared(harness), before, before)
        holds(found.glance and not found.answers, "what is counted answers no limit", found)
        holds(before <= found.asked <= harness.now(), "the time is that of the question", before, found.asked)
        holds(all(scrape.ended > before for scrape in found.scrapes), "what was counted before is not told again", found.scrapes)
        holds(all(text.isprintable() for text in found.missing), "what is missing fits on one line", found.missing)


async def the_promoted_primary_is_asked_for_every_metric(harness: Harness) -> None:
    """Whatever there is to say of it; trouble is words, and no exception."""
    metric = harness.policy.analysis.metrics[0]
    policy = replace(compared(harness), analysis=replace(compared(harness).analysis, metrics=(UNUSABLE, metric)))
    for works in (True, False):
        if not works:
            await harness.breaks()
        before = harness.now()
        found = await harness.metrics.afterwards(harness.key, policy, before, before)
        holds([sample.metric for sample in found.answers] == [UNUSABLE.name, metric.name], "every metric is answered, in order", found)
        holds(before <= found.asked <= harness.now(), "the time is that of the question", before, found.asked)
        holds(not found.glance and (works or found.answers[1].value is None), "who is away has no numbers", found)


async def a_past_that_is_not_to_be_had_is_no_exception(harness: Harness) -> None:
    """Nothing is known then."""
    await harness.breaks()
    found = await harness.metrics.history(harness.key, compared(harness))
    holds(not found.calibration.metrics and found.problem.isprintable(), "nothing is known of a past that nobody tells", found)


async def a_provider_that_can_be_used_is_no_problem(harness: Harness) -> None:
    """And one that cannot is one line, where it is asked at all."""
    await harness.says(99.0)
    found = await harness.metrics.probe(harness.key, harness.policy)
    holds(found == (), "nothing is said of a provider that answers", found)
    await harness.breaks()
    found = await harness.metrics.probe(harness.key, harness.policy)
    holds(len(found) == int(harness.probed), "one line for each provider that cannot be used", found)


CHECKS: tuple[Callable[[Harness], Awaitable[None]], ...] = (
    a_value_is_passed_on,
    every_metric_is_answered_in_order,
    an_empty_answer_is_neither_value_nor_problem,
    trouble_is_a_problem_and_no_exception,
    answers_say_when_they_were_asked_for,
    a_provider_that_can_be_used_is_no_problem,
    what_is_counted_is_new_and_is_no_check,
    a_past_that_is_not_to_be_had_is_no_exception,
    the_promoted_primary_is_asked_for_every_metric,
)
