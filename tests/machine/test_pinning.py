"""A policy is pinned at detection; what it may still learn is how to measure a metric whose template came late (ADR 11)."""

from dataclasses import replace

from trimtab.model.names import CanaryKey
from trimtab.model.policy import Analysis, Metric, MetricKind, Policy
from trimtab.model.rollout import Outcome, Phase
from trimtab.rollout.pinning import completed
from trimtab.testing.memory import Memory
from trimtab.testing.policies import BASE, SUCCESS
from trimtab.testing.story import Story
from trimtab.testing.world import World

LOST = Metric("errors", MetricKind.UNUSABLE, maximum=1.0, template="errors.test", problem='metrictemplate.flagger.app "errors" not found')
FOUND = Metric("errors", MetricKind.TEMPLATE, maximum=1.0, template="errors.test", query="sum(errors)")


def measured_by(*metrics: Metric, threshold: int = 5) -> Policy:
    return replace(BASE, weights=(20, 40), analysis=Analysis(metrics, threshold))


def progressing(policy: Policy) -> Story:
    story = Story(Memory(World(CanaryKey("test", "app"), policy)))
    story.until_settled()
    story.turn_bad(0.0)
    story.memory.world.edit(color="blue")
    story.until_phase(Phase.PROGRESSING)
    return story


def test_a_template_that_comes_in_the_middle_of_a_run_measures_its_next_check() -> None:
    story = progressing(measured_by(LOST))
    story.memory.world.policy = measured_by(FOUND)
    story.look()
    assert story.state.rollout is not None and story.state.rollout.policy.analysis.metrics == (FOUND,)
    assert story.until_settled().rollout is not None
    assert story.state.rollout is not None and story.state.rollout.outcome is Outcome.PROMOTED


def test_without_its_template_the_run_goes_back() -> None:
    story = progressing(measured_by(LOST, threshold=2))
    rolled = story.until_settled().rollout
    assert rolled is not None and rolled.outcome is Outcome.ROLLED_BACK


def test_nothing_else_of_a_newer_policy_reaches_a_run_under_way() -> None:
    pinned = measured_by(SUCCESS, LOST)
    newest = replace(measured_by(replace(SUCCESS, minimum=50.0), FOUND, threshold=99), weights=(90,))
    assert completed(pinned, newest) == measured_by(SUCCESS, FOUND)


def test_a_template_with_another_limit_was_not_pinned() -> None:
    assert completed(measured_by(LOST), measured_by(replace(FOUND, maximum=50.0))) == measured_by(LOST)


def test_a_template_that_changes_or_goes_changes_no_run_under_way() -> None:
    pinned = measured_by(FOUND)
    assert completed(pinned, measured_by(replace(FOUND, query="vector(0)"))) == pinned
    assert completed(pinned, measured_by(LOST)) == pinned
