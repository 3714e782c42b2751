"""Texts that people have built on, where no golden trace has them."""

from dataclasses import replace

import pytest

from trimtab.model.names import CanaryKey, Target
from trimtab.model.rollout import CanaryState
from trimtab.rollout import reasons
from trimtab.rollout.reasons import Names
from trimtab.testing.policies import BASE

DAEMON = Names.of(CanaryState(CanaryKey("test", "app")), replace(BASE, target=Target("DaemonSet", "app")))
WAITS = "waiting for rollout to finish: 0 of 1 (readyThreshold 100%) updated replicas are available"


def test_wl6_a_daemonset_that_is_not_ready_is_told_as_flagger_spells_it() -> None:
    assert reasons.not_ready(DAEMON, WAITS, primary=True).text == f"primary daemonset app-primary.test not ready: {WAITS}"
    assert reasons.not_ready(DAEMON, WAITS, primary=False).text == f"canary damonset app.test not ready with retryable true: {WAITS}"


def test_sm27_a_failed_promotion_of_a_daemonset_says_what_its_primary_waits_for() -> None:
    message, alarm = reasons.promotion_failed(DAEMON, WAITS)
    waits = f"primary not ready: primary daemonset app-primary.test not ready: {WAITS}"
    assert (message.text, alarm.text) == (f"Promotion of app.test failed, {waits}", f"Promotion failed, {waits}")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.0004, "0s"), (0.5, "500ms"), (0.8, "800ms"), (1.5, "1.5s"), (60, "1m0s"), (65, "1m5s"), (3661.25, "1h1m1.25s")],
)
def test_met5_durations_are_printed_as_go_prints_them(seconds: float, text: str) -> None:
    assert reasons.go_duration(seconds) == text


def test_of_very_many_problems_an_event_names_ten() -> None:
    message, alarm = reasons.refused(DAEMON, tuple(f"problem {number}" for number in range(30)))
    assert message.text == alarm.text and message.text.endswith("problem 9; and 20 more")
