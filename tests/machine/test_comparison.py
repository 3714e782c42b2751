"""Canary and primary are compared in rollouts: what is rolled back, held, asked and promoted, by the clock and by evidence (judge.md 3)."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from trimtab.control.asking import past
from trimtab.documents.records import from_text, to_text
from trimtab.model.commands import Verb
from trimtab.model.evidence import Calibration, MetricCalibration, Noise
from trimtab.model.facts import Copy, Facts, Source
from trimtab.model.judging import Ending, JudgeRules, MetricRule, Ramp
from trimtab.model.policy import Analysis, Hook, HookType, Policy
from trimtab.model.rollout import CanaryState, Outcome, Phase
from trimtab.model.ruling import Ruling
from trimtab.model.scrapes import Arm, PodCounts, Scrape
from trimtab.model.verdict import History, Samples
from trimtab.testing.memory import run
from trimtab.testing.policies import SUCCESS
from trimtab.testing.story import Story

RULES = JudgeRules(metrics=(MetricRule("errors"),), bake=timedelta(0))
PODS = 5
USUAL = 50_000
PAST = History(Calibration((MetricCalibration("errors", Noise(1, 1, 8000, 4_000_000), load=10_000, scrapes=960, pods=PODS),)))
MINUTE = timedelta(minutes=1)


class Requests:
    """What both copies count in a scrape: so many requests, of which such shares fail. `seen` False: nobody scrapes."""

    def __init__(self, story: Story, total: int = USUAL) -> None:
        self.story, self.total = story, total
        self.canary, self.primary, self.seen = 0.002, 0.002, True

    def __call__(self, metric: MetricRule, end: datetime) -> Scrape | None:
        routes = self.story.memory.world.routes
        if routes is None or not self.seen:
            return None
        share = routes.weight / 100
        pods = [*self.pods(Arm.CANARY, share, self.canary), *self.pods(Arm.PRIMARY, 1 - share, self.primary)]
        return Scrape(metric.name, end, tuple(pods))

    def pods(self, arm: Arm, share: float, rate: float) -> list[PodCounts]:
        each = round(self.total * share / PODS)
        return [PodCounts(f"{arm}-{number}", arm, round(each * rate), each) for number in range(PODS)]


@pytest.fixture
def compared(told: Callable[..., Story]) -> Callable[..., tuple[Story, Requests]]:
    """A settled Canary that is compared: weights 10 and 50, a minute a step, unless said otherwise; a change was just made."""

    def tell(rules: JudgeRules = RULES, ramp: Ramp = Ramp.CLOCK, **policy: object) -> tuple[Story, Requests]:
        analysis = Analysis((SUCCESS,), 2, judge=rules, ramp=ramp)
        story = told(**{"weights": (10, 50), "interval": MINUTE, "analysis": analysis, **policy})
        requests = Requests(story)
        story.memory.metrics.traffic, story.memory.metrics.past = requests, PAST
        story.memory.world.edit(color="blue")
        return story, requests

    return tell


def outcome(story: Story) -> Outcome | None:
    return story.state.rollout.outcome if story.state.rollout is not None else None


def weights(story: Story) -> list[int]:
    """Of the change; the first move was the primary's."""
    return story.weights()[1:]


def lasted(story: Story) -> timedelta:
    """From the first request on the canary to the last."""
    exposed = [moment for moment, routes in story.memory.router.moves if routes.weight]
    return next(moment for moment, routes in story.memory.router.moves if moment > exposed[0] and not routes.weight) - exposed[0]


def at(weight: int) -> Callable[[CanaryState], bool]:
    return lambda state: (
        state.rollout is not None and bool(state.rollout.position) and state.rollout.steps[state.rollout.position - 1].weight == weight
    )


def test_a_canary_as_good_as_the_primary_is_promoted_by_the_clock(compared: Callable[..., tuple[Story, Requests]]) -> None:
    story, _ = compared()
    story.until_settled()
    assert (outcome(story), weights(story)) == (Outcome.PROMOTED, [10, 50, 0])
    assert any("Good enough to promote" in entry.text for entry in story.memory.store.entries[story.state.key])


def test_a_canary_that_fails_more_is_rolled_back_by_the_next_scrapes_not_by_the_next_check(
    compared: Callable[..., tuple[Story, Requests]],
) -> None:
    story, requests = compared(interval=10 * MINUTE)
    requests.canary = 0.04
    story.until_settled()
    assert (outcome(story), weights(story), story.state.phase) == (Outcome.ROLLED_BACK, [10, 0], Phase.FAILED)
    assert lasted(story) < 2 * MINUTE, "limits are looked at in ten minutes, scrapes each quarter of one"
    (said,) = [text for text in story.said() if text.startswith("Rolling back")]
    assert "canary requests failed" in said and "that it is worse at all" in said
    assert story.state.held is not None


@pytest.mark.parametrize(
    ("there", "said"),
    [((0, 0, None), "one pod"), ((2, 3, None), "2 pods"), ((0, 2, None), "2 pods"), ((0, 3, 2), "2 pods"), ((2, 3, 1), "2 pods")],
)
def test_the_pods_that_a_canary_has_are_counted_also_where_its_source_names_no_number(
    told: Callable[..., Story], there: tuple[int, int, int | None], said: str
) -> None:
    story = told(analysis=Analysis((SUCCESS,), 2, judge=RULES))
    story.memory.metrics.past = PAST
    canary, primary, asked_for = there
    source = Source(policy=story.state.policy, replicas=asked_for)
    facts = Facts(story.memory.world.now, source, primary=Copy(desired=primary), canary=Copy(desired=canary))
    assert story.state.policy is not None
    cautions = run(past(facts, story.state.policy, story.state, story.memory.outside)).cautions
    assert any(text.startswith(f"the canary has {said}: ") for text in cautions), cautions


def test_limits_roll_back_beside_the_comparison(compared: Callable[..., tuple[Story, Requests]]) -> None:
    story, _ = compared()
    story.turn_bad(80.0)
    story.until_settled()
    assert outcome(story) is Outcome.ROLLED_BACK
    assert "Rolling back app.test failed checks threshold reached 2" in story.said()


def test_trouble_that_both_share_is_not_the_canarys(compared: Callable[..., tuple[Story, Requests]]) -> None:
    story, requests = compared(interval=5 * MINUTE)
    story.go_on(until=at(10))
    requests.canary = requests.primary = 0.2
    assert not story.go_on(9 * MINUTE, lambda state: state.rollout is not None and state.rollout.outcome is not None)
    requests.canary = requests.primary = 0.002
    story.until_settled()
    assert outcome(story) is Outcome.PROMOTED


def test_a_doubt_holds_and_goes_on_when_it_has_gone(compared: Callable[..., tuple[Story, Requests]]) -> None:
    # A tenfold rate in one pod only: bad enough for doubt, and one pod never rolls back.
    story, requests = compared()
    usual = requests.pods

    def one_bad(arm: Arm, share: float, rate: float) -> list[PodCounts]:
        first, *others = usual(arm, share, rate)
        return [replace(first, bad=first.total // 4) if arm is Arm.CANARY else first, *others]

    requests.pods = one_bad  # type: ignore[method-assign]  # the requests of this test are its own
    story.go_on(until=at(10))
    story.go_on(5 * MINUTE)
    ruling = story.state.evidence.ruling
    assert ruling is not None and ruling.ruling is Ruling.HOLD
    assert weights(story) == [10], "nothing grows while it is in doubt"
    assert any(text.startswith("Halt app.test advancement. Held after") for text in story.said())


def test_by_evidence_steps_are_as_short_as_the_evidence_allows(compared: Callable[..., tuple[Story, Requests]]) -> None:
    story, _ = compared(ramp=Ramp.EVIDENCE, interval=10 * MINUTE)
    story.until_settled()
    assert (outcome(story), weights(story)) == (Outcome.PROMOTED, [10, 50, 0])
    assert lasted(story) < 3 * MINUTE


def test_by_evidence_the_last_step_bakes_and_every_step_lasts_its_minimum(compared: Callable[..., tuple[Story, Requests]]) -> None:
    rules = replace(RULES, bake=5 * MINUTE, step_minimum=2 * MINUTE)
    story, _ = compared(rules, ramp=Ramp.EVIDENCE, interval=MINUTE)
    story.until_settled()
    moves = {routes.weight: moment for moment, routes in story.memory.router.moves}
    assert moves[50] - moves[10] >= 2 * MINUTE
    assert 5 * MINUTE <= story.memory.router.moves[-1][0] - moves[50] < 7 * MINUTE


def test_thin_traffic_by_evidence_asks_a_person_and_without_an_answer_ends_inconclusive(
    compared: Callable[..., tuple[Story, Requests]],
) -> None:
    story, requests = compared(replace(RULES, step_deadline=5 * MINUTE, ask_for=10 * MINUTE), ramp=Ramp.EVIDENCE)
    requests.total = 50
    story.until_phase(Phase.WAITING_PROMOTION)
    gate = story.state.rollout.gate if story.state.rollout is not None else None
    assert gate is not None and gate.judge
    assert any("`trimtab approve` promotes it all the same" in text for text in story.said())
    story.until_settled()
    assert (outcome(story), story.state.phase, weights(story)) == (Outcome.INCONCLUSIVE, Phase.FAILED, [10, 0])
    assert story.state.held is not None and "Nobody said in time" in story.state.held.why


def test_that_evidence_will_not_suffice_is_told_once_however_the_forecast_goes_to_and_fro(
    compared: Callable[..., tuple[Story, Requests]],
) -> None:
    story, requests = compared(replace(RULES, step_deadline=10 * MINUTE), ramp=Ramp.EVIDENCE)
    requests.canary = requests.primary = 0.0
    requests.total = 1200
    for number in range(16):
        requests.total = 400 if number % 2 else 1200
        story.go_on(timedelta(seconds=30))
    assert sum("Not enough to decide" in text for text in story.said()) == 1
    assert sum("Collecting" in entry.text for entry in story.memory.store.entries[story.state.key]) <= 2


def test_a_person_may_promote_what_the_judge_cannot_tell(compared: Callable[..., tuple[Story, Requests]]) -> None:
    story, requests = compared(replace(RULES, step_deadline=5 * MINUTE), ramp=Ramp.EVIDENCE)
    requests.total = 50
    story.until_phase(Phase.WAITING_PROMOTION)
    assert story.say(Verb.APPROVE) == "approved"
    story.until_settled()
    assert (outcome(story), weights(story)) == (Outcome.PROMOTED, [10, 0])
    assert story.state.rollout is not None and story.state.rollout.actor == "ann"


def test_evidence_that_comes_after_all_spares_the_person(compared: Callable[..., tuple[Story, Requests]]) -> None:
    story, requests = compared(replace(RULES, step_deadline=5 * MINUTE), ramp=Ramp.EVIDENCE)
    requests.total = 50
    story.until_phase(Phase.WAITING_PROMOTION)
    requests.total = USUAL
    story.until_settled()
    assert (outcome(story), weights(story)) == (Outcome.PROMOTED, [10, 50, 0])


def test_evidence_that_comes_after_all_leads_to_the_gate_of_the_next_step(compared: Callable[..., tuple[Story, Requests]]) -> None:
    gate = Hook("gate", HookType.CONFIRM_TRAFFIC_INCREASE, "http://hook/gate")
    story, requests = compared(replace(RULES, step_deadline=5 * MINUTE), ramp=Ramp.EVIDENCE, hooks=(gate,))
    requests.total = 50
    story.until_phase(Phase.WAITING_PROMOTION)
    story.memory.hooks.closed["gate"] = "no"
    requests.total = USUAL
    story.go_on(20 * MINUTE)
    assert (story.state.phase, weights(story)) == (Phase.PROGRESSING, [10])


def test_a_canary_that_turns_bad_while_a_person_is_asked_goes_back(compared: Callable[..., tuple[Story, Requests]]) -> None:
    story, requests = compared(replace(RULES, step_deadline=5 * MINUTE), ramp=Ramp.EVIDENCE)
    requests.total = 50
    story.until_phase(Phase.WAITING_PROMOTION)
    requests.total, requests.canary = USUAL, 0.1
    story.until_settled()
    assert outcome(story) is Outcome.ROLLED_BACK


@pytest.mark.parametrize(("ending", "expected"), [(Ending.STOP, Outcome.INCONCLUSIVE), (Ending.PROMOTE, Outcome.PROMOTED)])
def test_the_policy_may_say_what_too_little_evidence_means(
    compared: Callable[..., tuple[Story, Requests]], ending: Ending, expected: Outcome
) -> None:
    story, requests = compared(replace(RULES, step_deadline=5 * MINUTE, on_insufficient=ending), ramp=Ramp.EVIDENCE)
    requests.total = 50
    story.until_settled()
    assert (outcome(story), weights(story)) == (expected, [10, 0])


def test_promotion_without_evidence_still_passes_the_gate_before_promotion(compared: Callable[..., tuple[Story, Requests]]) -> None:
    rules = replace(RULES, step_deadline=5 * MINUTE, on_insufficient=Ending.PROMOTE)
    story, requests = compared(rules, ramp=Ramp.EVIDENCE, approvals=frozenset({HookType.CONFIRM_PROMOTION}))
    requests.total = 50
    story.until_phase(Phase.WAITING_PROMOTION)
    gate = story.state.rollout.gate if story.state.rollout is not None else None
    assert gate is not None and not gate.judge
    story.go_on(2 * timedelta(hours=1))
    assert story.state.phase is Phase.WAITING_PROMOTION
    story.say(Verb.APPROVE)
    story.until_settled()
    assert outcome(story) is Outcome.PROMOTED


def test_by_the_clock_steps_end_in_their_time_and_promotion_has_to_be_earned(compared: Callable[..., tuple[Story, Requests]]) -> None:
    story, requests = compared(replace(RULES, step_deadline=5 * MINUTE, ask_for=10 * MINUTE))
    requests.total = 50
    story.until_phase(Phase.WAITING_PROMOTION)
    assert weights(story) == [10, 50], "no doubt, data complete: the step is left"
    story.until_settled()
    assert outcome(story) is Outcome.INCONCLUSIVE


def test_by_the_clock_the_policy_may_promote_without_evidence(compared: Callable[..., tuple[Story, Requests]]) -> None:
    story, requests = compared(replace(RULES, promote_without_evidence=True))
    requests.total = 50
    story.until_settled()
    assert (outcome(story), weights(story)) == (Outcome.PROMOTED, [10, 50, 0])
    assert lasted(story) < 4 * MINUTE


def test_a_long_clock_is_not_cut_short_by_the_deadline_of_a_step(compared: Callable[..., tuple[Story, Requests]]) -> None:
    story, requests = compared(replace(RULES, step_deadline=5 * MINUTE), interval=20 * MINUTE)
    requests.total = 400
    story.go_on(until=at(50))
    assert story.phases()[-1] is Phase.PROGRESSING
    story.go_on(15 * MINUTE)
    assert story.state.phase is Phase.PROGRESSING


def test_missing_data_hold_and_then_end_without_a_verdict(compared: Callable[..., tuple[Story, Requests]]) -> None:
    story, requests = compared()
    story.go_on(until=at(10))
    requests.seen = False
    story.until_settled()
    assert (outcome(story), weights(story)) == (Outcome.INCONCLUSIVE, [10, 0])
    assert lasted(story) < 7 * MINUTE
    assert any("missing data is never a success" in text for text in story.said())


def test_data_that_come_back_in_time_let_it_go_on(compared: Callable[..., tuple[Story, Requests]]) -> None:
    story, requests = compared()
    story.go_on(until=at(10))
    requests.seen = False
    story.go_on(3 * MINUTE)
    requests.seen = True
    story.until_settled()
    assert outcome(story) is Outcome.PROMOTED


def test_nobody_is_cut_off_for_a_primary_that_does_not_serve_because_data_are_missing(
    compared: Callable[..., tuple[Story, Requests]],
) -> None:
    story, requests = compared()
    story.go_on(until=at(10))
    requests.seen = False
    world = story.memory.world
    world.stuck.add("primary")
    world.kill("primary")
    story.go_on(20 * MINUTE)
    assert weights(story) == [10]
    world.stuck.clear()
    world.kill("primary")
    story.until_settled()
    assert outcome(story) is Outcome.INCONCLUSIVE


def test_a_pause_stops_growth_not_the_way_back_and_no_deadline_of_evidence_counts_meanwhile(
    compared: Callable[..., tuple[Story, Requests]],
) -> None:
    story, requests = compared(replace(RULES, step_deadline=5 * MINUTE), ramp=Ramp.EVIDENCE)
    requests.total = 50
    story.go_on(until=at(10))
    story.say(Verb.PAUSE)
    story.go_on(20 * MINUTE)
    assert (story.state.phase, weights(story)) == (Phase.PROGRESSING, [10])
    requests.total, requests.canary = USUAL, 0.1
    story.until_settled()
    assert outcome(story) is Outcome.ROLLED_BACK


def test_a_hook_that_is_closed_keeps_a_step_and_is_asked_at_the_interval(compared: Callable[..., tuple[Story, Requests]]) -> None:
    gate = Hook("gate", HookType.CONFIRM_TRAFFIC_INCREASE, "http://hook/gate")
    story, _ = compared(ramp=Ramp.EVIDENCE, interval=5 * MINUTE, hooks=(gate,))
    story.memory.hooks.closed["gate"] = "no"
    story.go_on(20 * MINUTE)
    assert weights(story) == []
    story.memory.hooks.closed.clear()
    story.go_on(until=at(10))
    story.memory.hooks.closed["gate"] = "no"
    asked = len(story.memory.hooks.calls)
    story.go_on(20 * MINUTE)
    assert 3 <= len(story.memory.hooks.calls) - asked <= 6, "once when the evidence suffices, then every five minutes"
    story.memory.hooks.closed.clear()
    story.until_settled()
    assert outcome(story) is Outcome.PROMOTED


def test_a_check_hook_that_fails_is_asked_at_the_interval_however_good_the_evidence(
    compared: Callable[..., tuple[Story, Requests]],
) -> None:
    check = Hook("check", HookType.ROLLOUT, "http://hook/check")
    story, _ = compared(ramp=Ramp.EVIDENCE, interval=5 * MINUTE, hooks=(check,))
    story.go_on(until=at(10))
    story.memory.hooks.closed["check"] = "no"
    story.go_on(4 * MINUTE)
    assert story.state.evidence.failed_checks == 1, "once when the evidence suffices; the second, which rolls back, is five minutes later"


def test_an_approval_does_not_let_it_grow_once_scrapes_brought_a_doubt(compared: Callable[..., tuple[Story, Requests]]) -> None:
    story, requests = compared(approvals=frozenset({HookType.CONFIRM_TRAFFIC_INCREASE}))
    story.go_on(MINUTE, lambda state: state.rollout is not None and state.rollout.gate is not None)
    story.say(Verb.APPROVE)
    assert weights(story) == [10]
    story.go_on(5 * MINUTE, lambda state: state.rollout is not None and state.rollout.gate is not None)
    requests.total, requests.canary = 10 * USUAL, 0.0026
    story.go_on(10 * MINUTE, lambda state: state.evidence.ruling is not None and state.evidence.ruling.ruling is Ruling.HOLD)
    story.say(Verb.APPROVE)
    assert weights(story) == [10]


def test_the_past_of_the_primary_is_pinned_once_the_canary_is_ready_and_what_is_missing_is_said(
    compared: Callable[..., tuple[Story, Requests]],
) -> None:
    story, _ = compared()
    story.memory.metrics.past = History(problem="prometheus is away")
    story.go_on(until=at(10))
    assert story.state.evidence.history == Calibration()
    said = " ".join(story.said())
    assert "Prometheus is away" in said and "Errors has no history" in said and "The canary has one pod" in said
    story.memory.metrics.past = PAST
    story.go_on(MINUTE)
    assert story.state.evidence.history == Calibration()


def test_a_past_that_is_not_to_be_had_at_once_is_asked_for_again_while_the_canary_comes_up(
    compared: Callable[..., tuple[Story, Requests]],
) -> None:
    story, _ = compared()
    story.memory.world.start_up = timedelta(seconds=40)
    story.memory.metrics.past = History(problem="prometheus is away")
    story.go_on(timedelta(seconds=20))
    assert story.state.evidence.history == Calibration()
    story.memory.metrics.past = PAST
    story.go_on(until=at(10))
    assert story.state.evidence.history == PAST.calibration


def test_with_everybody_on_the_canary_there_is_nothing_to_compare_and_what_came_before_counts(
    compared: Callable[..., tuple[Story, Requests]],
) -> None:
    story, _ = compared(weights=(50, 100))
    story.until_settled()
    assert (outcome(story), weights(story)) == (Outcome.PROMOTED, [50, 100, 0])
    steps = {state.evidence.step for state in story.states if state.evidence.step is not None}
    assert {(step.weight, step.next_weight, step.last) for step in steps} == {(0.5, 1.0, True)}


def test_scrapes_stay_as_long_as_they_were_first_measured(compared: Callable[..., tuple[Story, Requests]]) -> None:
    story, _ = compared()
    metrics = story.memory.metrics
    measured, lengths = metrics.counted, []

    def counted(policy: Policy, after: datetime) -> Samples:
        assert policy.analysis.judge is not None
        lengths.append(policy.analysis.judge.interval)
        return measured(policy, after)

    metrics.counted = counted  # type: ignore[method-assign]  # the metrics of this test are its own
    story.until_settled()
    assert lengths[0] is None and set(lengths[-5:]) == {timedelta(seconds=15)}
    assert story.state.rollout is not None and story.state.rollout.policy.analysis.judge == RULES, "the pinned policy stays as it is"


def test_a_newer_change_begins_with_no_evidence_of_the_one_before(compared: Callable[..., tuple[Story, Requests]]) -> None:
    story, requests = compared()
    requests.total, requests.canary = 10 * USUAL, 0.0026
    story.go_on(3 * MINUTE)
    story.memory.world.edit(color="green")
    requests.canary = 0.002
    story.go_on(until=lambda state: state.rollout is not None and state.rollout.number == 3 and state.evidence.compared is not None)
    compared_then = story.state.evidence.compared
    assert compared_then is not None and compared_then.upto is None and story.state.evidence.ruling is None


def test_a_clock_that_is_set_back_loses_evidence_but_not_the_rollout(compared: Callable[..., tuple[Story, Requests]]) -> None:
    story, _ = compared()
    story.go_on(until=at(10))
    story.go_on(timedelta(seconds=50))
    story.memory.world.set_back(timedelta(minutes=30))
    story.until_settled(10 * MINUTE)
    assert outcome(story) is Outcome.PROMOTED


def test_the_record_with_eight_metrics_stays_small_and_comes_back_the_same(compared: Callable[..., tuple[Story, Requests]]) -> None:
    rules = replace(RULES, metrics=tuple(MetricRule(f"errors-{number}") for number in range(8)))
    story, _ = compared(rules)
    story.go_on(until=at(50))
    text = to_text(story.state.evidence)
    assert len(text) < 64 * 1024
    assert from_text(to_text(story.state), CanaryState, "a record") == story.state


def test_a_record_from_before_there_was_a_judge_is_read_and_goes_on(told: Callable[..., Story]) -> None:
    story = told()
    story.memory.world.edit(color="blue")
    story.go_on(until=at(20))
    record = json.loads(to_text(story.state))
    new = {"history", "compared", "step", "ruling", "said", "missing", "glanced"}
    record["evidence"] = {name: value for name, value in record["evidence"].items() if name not in new}
    del record["rollout"]["waived"]
    for policy in (record["policy"], record["rollout"]["policy"]):
        for name in ("judge", "ramp", "counted_at", "sticky"):
            del policy["analysis"][name]
    old = from_text(json.dumps(record), CanaryState, "a record")
    assert old == story.state
    story.memory.store.records[story.state.key] = old
    story.until_settled()
    assert outcome(story) is Outcome.PROMOTED


def test_a_policy_whose_canary_gets_no_requests_is_refused(compared: Callable[..., tuple[Story, Requests]]) -> None:
    story, _ = compared()
    story.memory.world.allow(weights=False, match=False, mirror=False)
    story.until_settled()
    assert outcome(story) is Outcome.REFUSED
    assert story.state.rollout is not None and "nothing to compare" in story.state.rollout.why
