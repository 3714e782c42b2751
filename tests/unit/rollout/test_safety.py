"""Each law of DESIGN §6 lets good decisions pass and catches a decision that breaks it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from trimtab.control.record import record
from trimtab.errors import SafetyError
from trimtab.model.content import Finding, Severity
from trimtab.model.decision import Decision
from trimtab.model.facts import Copy, Facts, Routes, Source
from trimtab.model.names import CanaryKey
from trimtab.model.revision import Revision
from trimtab.model.rollout import CanaryState, Outcome, Pause, Phase, Rollout, RolloutKind, Step
from trimtab.model.verdict import Evidence, Judgement, Verdict
from trimtab.ports import Stored
from trimtab.rollout.safety import LAWS, Passage, broken_laws
from trimtab.testing.memory import Memory, run
from trimtab.testing.policies import BASE
from trimtab.testing.world import START, World

OLD, NEW, OTHER = (Revision.of("{}", name, ()) for name in ("old", "new", "other"))
KEY = CanaryKey("test", "app")
CHECKED = START + timedelta(seconds=20)
RUN = Rollout(
    2, RolloutKind.CHANGE, OLD, NEW, BASE, START, began=START, ready=START, steps=(Step(20), Step(40)), position=1,
    grown=START + timedelta(seconds=10), passed=CHECKED,
)  # fmt: skip
STATE = CanaryState(KEY, 7, Phase.PROGRESSING, BASE, promoted=OLD, applied=NEW, rollout=RUN)
FACTS = Facts(
    CHECKED, Source(NEW, policy=BASE), Copy(OLD.id, 1, 1, 1, 1), Copy(NEW.id, 1, 1, 1, 1), Routes(20),
)  # fmt: skip
ERROR = Finding("content/parses", Severity.ERROR, "does not parse")
FAIL = Verdict(Judgement.FAIL, (), Evidence())


def after(state: CanaryState = STATE, phase: Phase | None = None, **changes: object) -> CanaryState:
    """The record after a decision that changes the attempt."""
    assert state.rollout is not None
    rollout = replace(state.rollout, **changes)  # type: ignore[arg-type]
    return replace(state, serial=state.serial + 1, phase=phase or state.phase, rollout=rollout)


def laws(then: CanaryState, before: CanaryState = STATE, facts: Facts = FACTS, verdict: Verdict | None = None) -> set[str]:
    """The laws that a decision breaks."""
    return {text.partition(":")[0] for text in broken_laws(Passage(before, facts, verdict, then))}


def test_there_are_nine_laws_of_one_decision() -> None:
    assert list(LAWS) == [f"S{number}" for number in range(1, 10)]


def test_growing_after_a_fresh_pass_breaks_no_law() -> None:
    assert laws(after(position=2, grown=CHECKED)) == set()


def test_rolling_back_breaks_no_law() -> None:
    assert laws(after(outcome=Outcome.ROLLED_BACK), verdict=FAIL) == set()


PROMOTING = after(phase=Phase.PROMOTING, position=2, promoting=CHECKED)


def failed_promotion(fallback: Revision | None) -> CanaryState:
    """The record after a promotion that failed."""
    ended = after(PROMOTING, Phase.FAILED, outcome=Outcome.PROMOTION_FAILED, ended=CHECKED)
    return replace(ended, fallback=fallback)


def test_s1_only_a_copy_that_was_seen_to_serve_is_fallen_back_to() -> None:
    assert laws(failed_promotion(NEW), PROMOTING) == set()
    assert laws(failed_promotion(NEW), PROMOTING, replace(FACTS, canary=Copy(NEW.id, 1, 1, 1, 0))) == {"S1"}
    assert laws(failed_promotion(OTHER), PROMOTING) == {"S1"}
    assert laws(failed_promotion(NEW), replace(PROMOTING, rollout=replace(RUN, position=0))) == {"S1"}


def test_s2_nothing_grows_during_a_rollback() -> None:
    before = after(outcome=Outcome.ROLLED_BACK)
    assert "S2" in laws(after(before, outcome=None), before)


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"ready": None}, FACTS),
        ({"paused": Pause("ann", "", CHECKED)}, FACTS),
        ({"passed": None}, FACTS),
        ({"passed": START}, FACTS),
        ({}, replace(FACTS, canary=Copy(NEW.id, 1, 1, 1, 0))),
        ({}, replace(FACTS, canary=Copy(OTHER.id, 1, 1, 1, 1))),
    ],
    ids=["never ready", "paused", "no pass", "a pass from before the last growth", "not available", "another revision"],
)
def test_s3_nothing_grows_without_a_ready_canary_and_a_fresh_pass(changes: dict[str, object], facts: Facts) -> None:
    assert laws(after(position=2, **changes), after(**changes), facts) == {"S3"}


def test_s3_an_undo_and_a_skipped_analysis_never_grow_the_canarys_share() -> None:
    for changes in ({"kind": RolloutKind.UNDO}, {"skip": True}):
        assert "S3" in laws(after(position=2, **changes), after(**changes))


def test_s3_an_attempt_that_only_begins_cannot_have_grown() -> None:
    settled = replace(STATE, phase=Phase.SUCCEEDED, rollout=replace(RUN, number=1, ended=START, outcome=Outcome.PROMOTED))
    assert "S3" in laws(after(), settled)


def test_s4_a_fail_that_does_not_roll_back_at_once_is_caught() -> None:
    assert laws(after(passed=None), verdict=FAIL) == {"S4"}
    assert laws(after(passed=None), facts=replace(FACTS, source=replace(FACTS.source, suspended=True)), verdict=FAIL) == set()


def test_s5_content_with_an_error_is_shown_to_no_pod() -> None:
    assert laws(after(findings=(ERROR,)), after(findings=(ERROR,))) == {"S5"}
    assert laws(after(findings=(replace(ERROR, severity=Severity.WARNING),))) == set()


def test_s5_holds_for_the_first_revision_too() -> None:
    first = Rollout(1, RolloutKind.INITIALISATION, None, NEW, BASE, START, findings=(ERROR,), began=START)
    before = CanaryState(KEY, 1, Phase.INITIALIZING, BASE, rollout=first)
    assert laws(replace(before, serial=2), before) == {"S5"}


def test_s6_a_phase_follows_the_table() -> None:
    assert "S6" in laws(after(phase=Phase.FINALISING))


@pytest.mark.parametrize(
    ("before", "phase", "facts"),
    [
        (PROMOTING, Phase.FINALISING, replace(FACTS, primary=Copy(NEW.id, 1, 1, 1, 0))),
        (STATE, Phase.FAILED, FACTS),
        (STATE, Phase.FAILED, replace(FACTS, routes=Routes(0))),
        (after(PROMOTING, Phase.FINALISING, draining=True), Phase.SUCCEEDED, FACTS),
    ],
    ids=["no ready primary", "traffic on the canary", "canary pods", "traffic on the canary after promotion"],
)
def test_s6_a_phase_ends_only_when_the_world_is_seen_to_match(before: CanaryState, phase: Phase, facts: Facts) -> None:
    outcome = Outcome.ROLLED_BACK if phase is Phase.FAILED else None
    assert "S6" in laws(after(before, phase, outcome=outcome), before, facts)


def test_s7_an_attempt_keeps_its_content_and_its_policy() -> None:
    assert "S7" in laws(after(to=OTHER))
    assert laws(after(policy=replace(BASE, interval=timedelta(seconds=30)))) == {"S7"}


def test_s7_nothing_else_is_promoted_than_what_was_judged() -> None:
    assert laws(replace(after(), promoted=OTHER)) == {"S7"}


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({}, set()),
        ({"position": 1}, {"S7"}),
        ({"steps": (), "position": 0}, {"S7"}),
        ({"passed": None}, {"S7"}),
        ({"grown": CHECKED}, {"S7"}),
        ({"passed": None, "waived": True}, set()),
        ({"steps": (), "position": 0, "passed": None, "skip": True}, set()),
        ({"steps": (), "position": 0, "passed": None, "kind": RolloutKind.UNDO}, set()),
    ],
    ids=["judged", "a step left", "no steps", "no pass", "a pass from before the last growth", "waived", "skipped", "an undo"],
)
def test_s7_what_is_promoted_was_judged_to_the_end_or_somebody_decided_otherwise(changes: dict[str, object], broken: set[str]) -> None:
    before = after(**{"position": 2, **changes})
    assert laws(after(before, Phase.PROMOTING, promoting=CHECKED), before) == broken


@pytest.mark.parametrize("weight", [-1, 101])
def test_s8_weights_add_up_to_100(weight: int) -> None:
    assert "S8" in laws(after(steps=(Step(20), Step(weight)), position=2))


def test_s9_a_canary_that_serves_is_not_cut_off_for_a_primary_that_does_not() -> None:
    facts = replace(FACTS, primary=Copy(OLD.id, 1, 1, 1, 0))
    assert laws(after(outcome=Outcome.SUPERSEDED), facts=facts) == {"S9"}
    assert laws(after(outcome=Outcome.ROLLED_BACK), facts=facts) == set(), "a bad canary is left whatever the primary does"


def test_a_decision_that_breaks_a_law_is_neither_recorded_nor_acted_upon() -> None:
    memory = Memory(World(KEY, BASE))
    memory.store.records[KEY] = STATE
    decision = Decision(after(to=OTHER), (), None)
    with pytest.raises(SafetyError, match=r"rollout 2 of app\.test holds still: a decision would break S7"):
        run(record(Stored(STATE), FACTS, None, decision, memory.outside))
    assert memory.state == STATE
