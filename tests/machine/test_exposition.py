"""What a Prometheus scrapes follows from decisions alone, under Flagger's names."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import aiohttp
import pytest
from prometheus_client import generate_latest

from trimtab.errors import InputError
from trimtab.faces.exposition import Exposition
from trimtab.model.decision import Decision
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Analysis, WhenUnknown
from trimtab.model.rollout import CanaryState
from trimtab.model.verdict import Judgement
from trimtab.testing.memory import MemoryStore
from trimtab.testing.policies import SUCCESS
from trimtab.testing.story import Story

CANARY = {"name": "app", "namespace": "test"}


def watched(story: Story) -> Exposition:
    """Metrics that hear of every decision that is recorded from now on."""
    exposition = Exposition("envoy")
    exposition.decided(Decision(story.state, (), None), timedelta(), story.memory.world.now)
    store = story.memory.store = Heard(**vars(story.memory.store))
    store.hear = lambda decision: exposition.decided(decision, timedelta(seconds=0.25), story.memory.world.now)
    return exposition


@dataclass
class Heard(MemoryStore):
    """Records of which somebody hears."""

    hear: Callable[[Decision], None] = lambda decision: None

    def swap(self, key: CanaryKey, before: CanaryState, decision: Decision) -> None:
        super().swap(key, before, decision)
        self.hear(decision)


def value(exposition: Exposition, metric: str, /, **labels: str) -> float | None:
    return exposition.registry.get_sample_value(metric, labels)


def ended(exposition: Exposition, name: str, status: str = "completed") -> float | None:
    return value(exposition, f"flagger_canary_{name}_total", **CANARY, deployment_strategy="canary", analysis_status=status)


def test_a_canary_that_is_gone_has_no_state_any_more_but_what_was_counted_stays(told: Callable[..., Story]) -> None:
    story = told()
    exposition = watched(story)
    story.memory.world.edit(color="blue")
    story.until_settled()
    exposition.forget(story.state.key)
    exposition.forget(story.state.key)
    assert value(exposition, "flagger_canary_total", namespace="test") == 0
    gone = [value(exposition, name, **CANARY) for name in ("flagger_canary_status", "trimtab_held", "trimtab_last_pass_timestamp_seconds")]
    assert gone == [None, None, None]
    assert all(sample.labels.get("workload") is None for metric in exposition.registry.collect() for sample in metric.samples)
    assert ended(exposition, "successes") == 1


def test_a_promotion_is_one_success_and_the_weights_follow_the_record(told: Callable[..., Story]) -> None:
    story = told()
    exposition = watched(story)
    assert ended(exposition, "successes") is None
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: state.rollout is not None and state.rollout.position == 2)
    assert value(exposition, "flagger_canary_weight", workload="app", namespace="test") == 40
    assert value(exposition, "flagger_canary_weight", workload="app-primary", namespace="test") == 60
    assert value(exposition, "flagger_canary_status", **CANARY) == 0
    story.until_settled()
    assert ended(exposition, "successes") == 1
    assert value(exposition, "flagger_canary_status", **CANARY) == 1
    assert value(exposition, "flagger_canary_duration_seconds_count", **CANARY) == 2
    assert value(exposition, "flagger_canary_duration_seconds_sum", **CANARY) == 0.5


def test_two_canaries_of_one_target_have_one_line_and_initialisation_is_no_rollout_that_lasted(told: Callable[..., Story]) -> None:
    story = told()
    exposition = watched(story)
    twin = replace(story.state, key=CanaryKey("test", "twin"))
    exposition.decided(Decision(twin, (), None), timedelta(), story.memory.world.now)
    lines = generate_latest(exposition.registry).decode().splitlines()
    assert len(lines) == len(set(lines)) and len([line for line in lines if line.startswith("flagger_canary_weight{")]) == 2
    assert value(exposition, "flagger_canary_total", namespace="test") == 2
    assert not [line for line in lines if line.startswith("trimtab_rollout_duration_seconds_count{")]


def test_a_rollback_is_one_failure_with_the_value_that_led_to_it(told: Callable[..., Story]) -> None:
    story = told()
    exposition = watched(story)
    story.turn_bad(80.0)
    story.memory.world.edit(color="blue")
    story.go_on()
    assert (ended(exposition, "failures"), ended(exposition, "successes")) == (1, None)
    assert value(exposition, "flagger_canary_metric_analysis", **CANARY, metric="request-success-rate") == 80
    assert value(exposition, "flagger_canary_status", **CANARY) == 2
    assert verdicts(exposition) == {"inconclusive": 1, "fail": 1}
    assert value(exposition, "trimtab_rollouts_total", **CANARY, outcome="RolledBack") == 1
    assert value(exposition, "trimtab_held", **CANARY) == 1
    assert value(exposition, "trimtab_last_pass_timestamp_seconds", **CANARY) is not None


def verdicts(exposition: Exposition) -> dict[str, float]:
    """How many checks there were, by the word for them."""
    found = {word: value(exposition, "trimtab_checks_total", **CANARY, verdict=word) for word in Judgement}
    return {str(word): count for word, count in found.items() if count}


def test_each_check_is_counted_by_the_word_of_the_judge(told: Callable[..., Story]) -> None:
    story = told(analysis=Analysis((SUCCESS,), 3, no_data=WhenUnknown.HOLD))
    exposition = watched(story)
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: state.evidence.checks == 1)
    assert verdicts(exposition) == {"pass": 1}
    story.turn_bad(None)
    story.go_on(until=lambda state: state.evidence.checks == 3)
    assert verdicts(exposition) == {"pass": 1, "no-data": 2}
    story.turn_bad(80.0)
    story.go_on()
    assert verdicts(exposition) == {"pass": 1, "no-data": 2, "inconclusive": 2, "fail": 1}


def test_a_check_of_a_canary_that_is_not_ready_is_no_pass_whatever_the_metrics_say(told: Callable[..., Story]) -> None:
    story = told()
    exposition = watched(story)
    story.memory.world.edit(color="blue")
    story.go_on(until=lambda state: state.running is not None and state.running.position == 1)
    story.memory.world.stuck.add("canary")
    story.memory.world.kill("canary")
    story.go_on()
    assert ended(exposition, "failures") == 1 and verdicts(exposition) == {"inconclusive": 1, "fail": 1}


def test_a_rollout_without_analysis_counts_as_skipped(told: Callable[..., Story]) -> None:
    story = told(skip_analysis=True)
    exposition = watched(story)
    story.memory.world.edit(color="blue")
    story.go_on()
    assert ended(exposition, "successes", "skipped") == 1


async def test_metrics_and_health_are_served_at_the_address(unused_tcp_port: int, told: Callable[..., Story]) -> None:
    exposition = watched(told())
    async with exposition.serving(f"127.0.0.1:{unused_tcp_port}"), aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{unused_tcp_port}/metrics") as answer:
            assert 'flagger_canary_total{namespace="test"} 1.0' in (await answer.text()).splitlines()
        async with session.get(f"http://127.0.0.1:{unused_tcp_port}/healthz") as answer:
            assert await answer.text() == "OK"


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:", "127.0.0.1:70000"])
async def test_an_address_that_is_none_is_invalid_input(address: str) -> None:
    with pytest.raises(InputError, match="write HOST:PORT"):
        async with Exposition("envoy").serving(address):
            pass


async def test_an_address_in_use_is_invalid_input_that_names_it(unused_tcp_port: int) -> None:
    address = f"127.0.0.1:{unused_tcp_port}"
    async with Exposition("envoy").serving(address):
        with pytest.raises(InputError, match=f"{address}: Address already in use"):
            async with Exposition("envoy").serving(address):
                pass
