"""Records as ConfigRollouts, wishes as RolloutCommands, and the status that follows from a record."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from trimtab.adapters.kubernetes import commands, projection, rollouts
from trimtab.adapters.kubernetes.cluster import decode_object
from trimtab.adapters.kubernetes.settings import Settings
from trimtab.documents.trimtab import ConfigRollout, RolloutCommand
from trimtab.errors import InputError
from trimtab.model.commands import Command, Verb
from trimtab.model.journal import Entry
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName, Target
from trimtab.model.policy import HookType, MetricKind, Policy, Service
from trimtab.model.revision import ConfigRef, Origin, Revision
from trimtab.model.rollout import Answer, CanaryState, Gate, Outcome, Pause, Phase, Rollout, RolloutKind, Step
from trimtab.model.verdict import Reading, Result

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
KEY = CanaryKey("shop", "app")
POLICY = Policy(Target("Deployment", "app"), Service("app"), interval=timedelta(milliseconds=1500))
MAP, SECRET = ConfigName(ConfigKind.CONFIG_MAP, "config"), ConfigName(ConfigKind.SECRET, "login")
OLD = Revision.of("{}", "v1:old", (ConfigRef(MAP, "sha256:1", "checksum-1"),))
NEW = Revision.of(
    "{}",
    "v1:new",
    (ConfigRef(MAP, "sha256:2", "checksum-2"), ConfigRef(SECRET, "hmac:k:3"), ConfigRef(ConfigName(ConfigKind.SECRET, "no"), "")),
)
OWNER: dict[str, object] = {"kind": "Canary", "uid": "u"}


def run(**changes: Any) -> Rollout:
    made = Rollout(3, RolloutKind.CHANGE, OLD, NEW, POLICY, NOW, Origin(author="ann"), ("config[a]: x: 1 -> 2",))
    return replace(made, **changes)


def state(attempt: Rollout | None = None, **changes: Any) -> CanaryState:
    made = CanaryState(KEY, 7, Phase.PROGRESSING, POLICY, OLD, NEW, rollout=attempt or run())
    return replace(made, **changes)


def entry(**changes: Any) -> Entry:
    result = Result("latency", MetricKind.TEMPLATE, Reading.ABOVE, math.inf, None, 0.5, "")
    made = Entry(NOW, 3, "Halted", "latency inf > 0.5", "Progressing", "warn", "ann", 20, (result,), verified=False)
    return replace(made, **changes)


def test_a_record_and_its_journal_are_read_back_equal() -> None:
    lines = (entry(), entry(rollout=2, severity="info", actor="", weight=0, results=()))
    made = json.loads(json.dumps(rollouts.rollout_object(state(), lines, OWNER, {"v1:new": "123"})))
    assert rollouts.state_of(made, KEY) == state()
    assert rollouts.entries_of(made) == lines
    assert rollouts.specs_of(made) == {"v1:new": "123"}
    assert (rollouts.number_of(made), rollouts.canary_of(made)) == (3, KEY)


def test_each_template_is_recorded_once() -> None:
    long = Revision.of('{"spec":"long"}', "v1:long", ())
    record = state(run(before=long, to=long), promoted=long, applied=long, kept=(long, OLD))
    made: Any = rollouts.rollout_object(record, (), OWNER, {})
    assert made["status"]["record"].count('long\\"') == 1
    assert rollouts.state_of(made, KEY) == record
    assert [revision.template for revision in rollouts.state_of(made, KEY).kept] == [long.template, OLD.template]


def test_what_is_written_fits_the_type_that_the_crd_is_made_from() -> None:
    made = rollouts.rollout_object(state(run(gate=Gate(HookType.CONFIRM_PROMOTION, "load", NOW))), (entry(),), OWNER, {})
    found = decode_object(json.loads(json.dumps(made)))
    assert isinstance(found.value, ConfigRollout) and found.warnings == ()
    wish = commands.command_object(KEY, Command("C1", Verb.APPROVE, "ann", "fine", NOW, 3, "confirm-promotion", "abc", True), OWNER)
    read = decode_object(json.loads(json.dumps(wish)))
    assert isinstance(read.value, RolloutCommand) and read.warnings == ()


def test_no_checksum_of_a_secret_is_recorded() -> None:
    secret = replace(NEW, configs=(ConfigRef(SECRET, "hmac:k:3", "guessable"),))
    made = rollouts.rollout_object(state(run(to=secret), applied=secret), (), OWNER, {})
    assert "guessable" not in json.dumps(made)


def test_the_columns_tell_where_an_attempt_stands() -> None:
    paused = run(paused=Pause("ann", "lunch", NOW))
    ended = run(outcome=Outcome.ROLLED_BACK, ended=NOW, why="too many errors")
    gate = run(gate=Gate(HookType.CONFIRM_PROMOTION, "load", NOW))
    assert rollouts.status_of(state(), ())["progress"] == "Progressing"
    assert rollouts.status_of(state(paused), ())["progress"] == "Progressing, paused"
    assert rollouts.status_of(state(replace(ended, ended=None)), ())["progress"] == "Progressing, RolledBack"
    assert rollouts.status_of(state(ended, phase=Phase.FAILED), ())["progress"] == "RolledBack"
    assert rollouts.status_of(state(ended), ())["reason"] == "too many errors"
    assert rollouts.status_of(state(gate), ())["waitingFor"] == "confirm-promotion load"


def test_the_timeline_holds_the_last_hundred_entries() -> None:
    lines = [entry(text=str(number)) for number in range(150)]
    kept = rollouts.entries_of(rollouts.rollout_object(state(), lines, OWNER, {}))
    assert [line.text for line in kept] == [str(number) for number in range(50, 150)]


def test_a_mirror_keeps_no_record() -> None:
    made = rollouts.rollout_object(state(), (entry(),), OWNER, {})
    kept = rollouts.trimmed(made)
    assert "record" not in json.dumps(kept) and rollouts.number_of(kept) == 3 and rollouts.canary_of(kept) == KEY


def test_a_record_that_cannot_be_read_says_whose_it_is() -> None:
    made: dict[str, Any] = {"metadata": {"name": "app-3"}, "spec": {"number": 3}, "status": {"record": "{"}}
    with pytest.raises(InputError, match=r"the record of Canary app\.shop in ConfigRollout app-3 cannot be read"):
        rollouts.state_of(made, KEY)


@pytest.mark.parametrize("line", [{"text": "no time"}, {"at": "yesterday"}, {"at": NOW.isoformat(), "results": [{"reading": "odd"}]}])
def test_a_timeline_that_cannot_be_read_says_whose_it_is(line: dict[str, Any]) -> None:
    made: dict[str, Any] = {"metadata": {"name": "app-3"}, "spec": {"number": 3}, "status": {"timeline": [line]}}
    with pytest.raises(InputError, match="the timeline of ConfigRollout app-3 cannot be read"):
        rollouts.entries_of(made)


def test_the_name_of_an_attempt_fits_whatever_the_canary_is_called() -> None:
    assert rollouts.rollout_name(KEY, 12) == "app-12"
    assert len(rollouts.rollout_name(CanaryKey("shop", "a" * 253), 12)) == 253


@pytest.mark.parametrize("verb", Verb)
def test_a_wish_is_read_back_equal(verb: Verb) -> None:
    wish = Command("3F2A", verb, "ann", "why not", NOW, 3, "confirm-promotion", "abc", True)
    made = json.loads(json.dumps(commands.command_object(KEY, wish, None)))
    assert commands.command_of(made) == wish
    assert made["metadata"]["name"] == "app-3f2a" and "ownerReferences" not in made["metadata"]
    assert commands.answer_of(made) is None
    answered = made | json.loads(json.dumps(commands.answered(Answer("3F2A", "done", True))))
    assert commands.answer_of(answered) == Answer("3F2A", "done", True)


def canary(**status: Any) -> dict[str, Any]:
    return {"spec": {"targetRef": {"kind": "Deployment", "name": "app"}}, "status": status}


def change(record: CanaryState, found: dict[str, Any], specs: dict[str, str] | None = None, settings: Settings | None = None) -> Any:
    known = projection.Known(lambda namespace, name, digest: f"of-{digest}", specs or {}, settings or Settings())
    made = projection.change_of(record, found, known, NOW)
    return None if made is None else json.loads(msgspec.json.encode(made))["status"]


def patched(status: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """A merge patch, as the API server does it."""
    found = dict(status)
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, dict):
            found[name] = patched(found.get(name) or {}, value)
        else:
            found[name] = value
    return found


def test_the_first_status_has_everything_that_flagger_writes() -> None:
    made = change(state(), canary())
    assert made["phase"] == "Progressing" and (made["canaryWeight"], made["failedChecks"], made["iterations"]) == (0, 0, 0)
    assert made["trackedConfigs"] == {"configmap/config": "checksum-2", "secret/login": "of-hmac:k:3"}
    assert (made["lastAppliedSpec"], made["lastPromotedSpec"]) == ("v1:new", "v1:old")
    assert made["lastTransitionTime"] == "2026-01-02T03:04:05Z"
    (condition,) = made["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Promoted", "Unknown", "Progressing")


def test_a_status_that_is_right_is_not_written() -> None:
    written = patched({}, change(state(), canary()))
    assert change(state(), canary(**written)) is None


def test_flaggers_hash_stays_as_long_as_the_template_does() -> None:
    specs = {"v1:old": "5978589476", "v1:new": "7788699876"}
    made = change(state(), canary(), specs)
    assert (made["lastAppliedSpec"], made["lastPromotedSpec"]) == ("7788699876", "5978589476")
    assert change(state(), canary(), {"v1:old": "5978589476"})["lastAppliedSpec"] == "v1:new"


def test_what_is_not_tracked_any_more_leaves_the_status() -> None:
    made = change(state(), canary(trackedConfigs={"configmap/gone": "1", "configmap/config": "checksum-2"}))
    assert patched({"configmap/gone": "1", "configmap/config": "checksum-2"}, made["trackedConfigs"]) == {
        "configmap/config": "checksum-2",
        "secret/login": "of-hmac:k:3",
    }


def test_a_secrets_checksum_that_nobody_knows_any_more_stays_as_it_was() -> None:
    found = canary(trackedConfigs={"secret/login": "kept"})
    made = projection.change_of(state(), found, projection.Known(lambda *_: ""), NOW)
    assert made is not None and made["status"]["trackedConfigs"] == {"secret/login": "kept", "configmap/config": "checksum-2"}  # type: ignore[index]


def test_the_condition_moves_only_when_its_status_does() -> None:
    before = patched({}, change(state(), canary()))
    before["conditions"][0]["lastTransitionTime"] = "2020-01-01T00:00:00Z"
    waiting = change(state(phase=Phase.WAITING_PROMOTION), canary(**before))["conditions"][0]
    assert (waiting["reason"], waiting["lastTransitionTime"]) == ("WaitingPromotion", "2020-01-01T00:00:00Z")
    failed = change(state(run(outcome=Outcome.ROLLED_BACK, ended=NOW), phase=Phase.FAILED), canary(**before))["conditions"][0]
    assert (failed["status"], failed["lastTransitionTime"]) == ("False", "2026-01-02T03:04:05Z")


def test_a_service_target_has_no_tracked_configs() -> None:
    found = canary()
    found["spec"]["targetRef"]["kind"] = "Service"
    assert "trackedConfigs" not in change(state(), found)


def test_without_tracking_there_are_no_tracked_configs() -> None:
    made = change(state(), canary(trackedConfigs={"configmap/config": "1"}), settings=Settings(config_tracking=False))
    assert made["trackedConfigs"] is None
    assert "trackedConfigs" not in change(state(), canary(), settings=Settings(config_tracking=False))


def test_cookies_are_shown_while_the_canary_has_a_share_and_remembered_afterwards() -> None:
    found = canary()
    found["metadata"] = {"uid": "u"}
    found["spec"] |= {"provider": "istio", "analysis": {"stepWeight": 20, "sessionAffinity": {"cookieName": "c", "primaryCookieName": "p"}}}
    shared = state(run(began=NOW, ready=NOW, steps=(Step(weight=20),), position=1))
    during = change(shared, found)
    assert during["sessionAffinityCookie"].startswith("c=") and during["primarySessionAffinityCookie"].startswith("p=")
    found["status"] = patched({}, during)
    assert change(shared, found) is None
    over = patched(found["status"], change(state(run(outcome=Outcome.ROLLED_BACK, ended=NOW), phase=Phase.FAILED), found))
    assert "sessionAffinityCookie" not in over
    assert over["previousSessionAffinityCookie"] == during["sessionAffinityCookie"]
    assert over["primarySessionAffinityCookie"] == during["primarySessionAffinityCookie"]
    found["spec"]["provider"], found["status"] = "nginx", {}
    assert "sessionAffinityCookie" not in change(shared, found)


def test_by_whom_an_undo_is_can_be_seen_in_the_list() -> None:
    undo = run(kind=RolloutKind.UNDO, origin=Origin(), actor="admin")
    assert rollouts.rollout_object(state(undo), (), OWNER, {})["spec"]["source"] == {"author": "admin"}  # type: ignore[index]
    unknown = rollouts.rollout_object(state(replace(undo, actor="")), (), OWNER, {})["spec"]
    assert "source" not in unknown  # type: ignore[operator]
