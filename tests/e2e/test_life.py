"""A change of configuration on one machine: promoted, rolled back, refused, steered by people."""

import contextlib
import os
import pty
import subprocess
from collections.abc import Iterator

import pytest

from e2e.documents import bad, secret, settings, shop
from e2e.harness import PROGRAM, Load, Place, get, soon

pytestmark = pytest.mark.e2e


def test_a_good_change_is_shown_to_a_share_and_promoted(here: Place, port: int) -> None:
    here.repository.commit(shop(port), "Add the shop")
    here.up()
    assert here.outcome(1)["kind"] == "initialisation"
    with Load(here.port()) as load:
        commit = here.repository.commit({"settings.yaml": settings("two")}, "Say two")
        shown = here.wait(lambda view: view["weight"] == 50, "half of the requests go to the canary")
        promoted = here.outcome(2)
        done = here.run("watch", "shop", "--until-done", "--timeout", "10s")
    assert (promoted["outcome"], promoted["commit"], promoted["message"]) == ("Promoted", commit, "Say two")
    assert promoted["changes"] == ["settings.yaml: greeting: one -> two"]
    assert shown["phase"] == "Progressing"
    assert set(load.bodies()) == {"one", "two"}
    assert not load.lost()
    assert get(here.port()).body == "two"
    assert done.returncode == 0
    assert "Promotion completed! Scaling down shop.default" in done.stdout


def test_on_a_terminal_watch_draws_one_picture_again_and_again(here: Place, port: int) -> None:
    here.repository.commit(shop(port, {"interval": "500ms", "threshold": 2, "stepWeights": [20, 60]}))
    here.up()
    here.outcome(1)
    here.repository.commit({"settings.yaml": settings("two")})
    here.wait(lambda view: view["weight"] == 20, "the first step")
    here.ok("pause", "shop")
    weight = here.json("status", "shop")["weight"]
    ours, theirs = pty.openpty()
    command = (*PROGRAM, "watch", "shop", "--until-done", "--state", str(here.state))
    watching = subprocess.Popen(command, stdout=theirs, stderr=theirs, env={**here.environment, "TERM": "xterm"})
    os.close(theirs)
    drawn = next(screen(ours))
    while f"{weight} % of the requests go to the canary" not in drawn:
        drawn += next(screen(ours))
    here.ok("resume", "shop")
    drawn += "".join(screen(ours))
    os.close(ours)
    assert watching.wait() == 0
    assert f"[{'#' * (weight // 5):.<20}]" in drawn
    assert f"step {1 if weight == 20 else 2} of 2" in drawn
    last = drawn.rsplit("\x1b[2K", 1)[1]
    assert "shop.default: Succeeded" in last
    assert "settings.yaml: greeting: one -> two" in last


def screen(terminal: int) -> Iterator[str]:
    """What is written to a terminal until nobody writes any more."""
    with contextlib.suppress(OSError):
        while written := os.read(terminal, 65536):
            yield written.decode()


def test_a_change_that_makes_requests_fail_is_rolled_back_and_held(here: Place, port: int) -> None:
    here.repository.commit(shop(port))
    here.up()
    here.outcome(1)
    with Load(here.port()) as load:
        here.repository.commit({"settings.yaml": bad()}, "Fail faster")
        run = here.outcome(2)
        done = here.run("watch", "shop", "--until-done")
    status = here.json("status", "shop")
    assert run["outcome"] == "RolledBack"
    assert [check["good"] for check in run["checks"]] == [False]
    assert (status["phase"], status["weight"]) == ("Failed", 0)
    assert status["held"] == run["revision"] != status["promoted"]
    assert not load.lost()
    assert get(here.port()).body == "one"
    assert done.returncode == 1
    shown = here.ok("show", "2")
    assert "RolledBack" in shown
    assert "Rolling back shop.default failed checks threshold reached 2" in shown
    assert "timeout_ms: 250 -> 1" in shown
    assert [attempt["outcome"] for attempt in here.json("history")] == ["Promoted", "RolledBack"]


def test_a_held_change_starts_again_when_it_is_retried(here: Place, port: int) -> None:
    here.repository.commit(shop(port))
    here.up()
    here.outcome(1)
    with Load(here.port()):
        here.repository.commit({"settings.yaml": bad()})
        here.outcome(2)
        answer = here.json("retry", "shop", "--reason", "the database is back")
        run = here.outcome(3)
    assert answer["done"]
    assert run["outcome"] == "RolledBack"
    history = here.json("history")
    assert [history[2][field] for field in ("revision", "changes")] == [history[1][field] for field in ("revision", "changes")]
    assert "the database is back" in here.ok("show", "2")


def test_a_rollout_waits_at_its_gates_for_a_person(here: Place, port: int) -> None:
    gates = {"gates": {"approvals": ["confirm-rollout", "confirm-promotion"]}}
    here.repository.commit(shop(port, rules=gates))
    here.up()
    here.outcome(1)
    with Load(here.port()):
        here.repository.commit({"settings.yaml": settings("two")})
        waiting = here.phase("Waiting", 2)
        assert waiting["rollout"]["gate"]["type"] == "confirm-rollout"
        assert "trimtab approve shop" in here.ok("status", "shop")
        timed = here.run("watch", "shop", "--until-done", "--timeout", "100ms")
        assert timed.returncode == 4
        here.ok("approve", "shop", "--reason", "looked at it")
        waiting = here.phase("WaitingPromotion", 2)
        assert (waiting["rollout"]["gate"]["type"], waiting["weight"]) == ("confirm-promotion", 50)
        here.ok("approve", "shop")
        run = here.outcome(2)
    assert run["outcome"] == "Promoted"
    story = here.json("show", "2")["timeline"]
    assert [entry["actor"] for entry in story].count("") < len(story)
    assert "looked at it" in here.ok("show", "2")
    late = here.run("approve", "shop")
    assert late.returncode == 1, late.stdout


def test_a_paused_rollout_does_not_grow_and_goes_on_when_resumed(here: Place, port: int) -> None:
    here.repository.commit(shop(port, {"interval": "500ms", "threshold": 2, "stepWeights": [20, 40, 60]}))
    here.up()
    here.outcome(1)
    here.repository.commit({"settings.yaml": settings("two")})
    here.wait(lambda view: view["weight"] == 20, "the first step")
    here.ok("pause", "shop", "--reason", "lunch")
    paused = here.wait(lambda view: bool(view["rollout"]["pausedBy"]), "it is paused")
    still = here.run("watch", "shop", "--until-done", "--timeout", "2s")
    assert still.returncode == 5
    assert here.json("status", "shop")["weight"] == paused["weight"]
    assert "paused     by" in here.ok("status")
    here.ok("resume", "shop")
    assert here.outcome(2)["outcome"] == "Promoted"


def test_an_aborted_rollout_gives_all_traffic_back_and_holds_the_change(here: Place, port: int) -> None:
    here.repository.commit(shop(port, {"interval": "1s", "threshold": 2, "stepWeights": [20, 40, 60, 80]}))
    here.up()
    here.outcome(1)
    with Load(here.port()) as load:
        here.repository.commit({"settings.yaml": settings("two")})
        here.wait(lambda view: view["weight"] == 20, "the first step")
        here.ok("abort", "shop", "--reason", "not today")
        run = here.outcome(2)
    assert (run["outcome"], here.json("status", "shop")["phase"]) == ("Aborted", "Failed")
    assert not load.lost()
    assert {get(here.port()).body for _ in range(20)} == {"one"}
    assert here.run("watch", "shop", "--until-done").returncode == 1
    assert "not today" in here.ok("show", "2")


def test_undo_goes_back_to_the_revision_before_and_says_how_to_make_it_last(here: Place, port: int) -> None:
    here.repository.commit(shop(port, {"interval": "500ms", "threshold": 2, "stepWeights": [50]}))
    here.up()
    here.outcome(1)
    commit = here.repository.commit({"settings.yaml": settings("two")})
    here.outcome(2)
    with Load(here.port()) as load:
        said = here.ok("undo", "shop")
        run = here.outcome(3)
    assert (run["kind"], run["outcome"]) == ("undo", "Undone")
    assert f"git revert {commit[:10]}" in said
    assert get(here.port()).body == "one"
    assert not load.lost()
    here.repository.git("revert", "--no-edit", commit)
    again = here.run("watch", "shop", "--until-done")
    assert again.returncode == 0
    assert len(here.json("history")) == 3


def test_undo_after_a_rollback_names_every_commit_that_has_to_be_reverted(here: Place, port: int) -> None:
    here.repository.commit(shop(port, {"interval": "500ms", "threshold": 2, "stepWeights": [50]}))
    here.up()
    here.outcome(1)
    first = here.repository.commit({"settings.yaml": settings("two")})
    here.outcome(2)
    second = here.repository.commit({"settings.yaml": settings("two").replace("greeting: two", "greeting: [two")})
    here.outcome(3)
    said = here.ok("undo", "shop")
    assert here.outcome(4)["outcome"] == "Undone"
    assert f"git revert {second[:10]} {first[:10]}" in said
    here.repository.git("revert", "--no-edit", second, first)
    here.wait(lambda view: view["held"] == "", "nothing is held any more")
    assert len(here.json("history")) == 4


def test_a_change_that_does_not_parse_is_refused_before_any_pod_sees_it(here: Place, port: int) -> None:
    here.repository.commit(shop(port))
    here.up()
    here.outcome(1)
    pods = here.pods()
    broken = settings("one").replace("greeting: one", "greeting: [one")
    here.repository.commit({"settings.yaml": broken})
    run = here.outcome(2)
    assert run["outcome"] == "Refused"
    assert "settings.yaml" in run["findings"][0]
    assert here.pods() == pods
    assert here.run("watch", "shop", "--until-done").returncode == 1
    assert "refused" in here.said()


def test_a_change_that_breaks_its_json_schema_is_refused_at_its_line_and_a_corrected_one_is_promoted(here: Place, port: int) -> None:
    def written(timeout: int) -> dict[str, str]:
        head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop-settings}\ndata:\n  settings.yaml: |\n"
        return {"settings.yaml": f"{head}    greeting: one\n    timeout_ms: {timeout}\n"}

    schema = {"type": "object", "properties": {"timeout_ms": {"type": "integer", "maximum": 1000}}}
    rules = {"validation": {"schemas": [{"configMap": "shop-settings", "key": "settings.yaml", "schema": schema}]}}
    here.repository.commit(shop(port, rules=rules) | written(250))
    here.up()
    here.outcome(1)
    here.repository.commit(written(2000))
    (finding,) = here.outcome(2)["findings"]
    assert finding.startswith("settings.yaml:7: configmap/shop-settings[settings.yaml]: does not fit its JSON Schema at timeout_ms: ")
    with Load(here.port()):
        here.repository.commit(written(500))
        assert here.outcome(3)["outcome"] == "Promoted"


def test_a_newer_change_takes_the_place_of_the_one_under_way(here: Place, port: int) -> None:
    here.repository.commit(shop(port, {"interval": "1s", "threshold": 2, "stepWeights": [30, 60]}))
    here.up()
    here.outcome(1)
    with Load(here.port()) as load:
        here.repository.commit({"settings.yaml": settings("two")})
        here.wait(lambda view: view["weight"] == 30, "the first step")
        here.repository.commit({"settings.yaml": settings("three")})
        run = here.outcome(3)
    assert run["outcome"] == "Promoted"
    assert [attempt["outcome"] for attempt in here.json("history")] == ["Promoted", "Superseded", "Promoted"]
    assert not load.lost()
    assert get(here.port()).body == "three"


def test_a_change_that_is_taken_back_ends_its_rollout_and_starts_nothing(here: Place, port: int) -> None:
    here.repository.commit(shop(port, {"interval": "1s", "threshold": 2, "stepWeights": [30, 60]}))
    here.up()
    here.outcome(1)
    with Load(here.port()) as load:
        commit = here.repository.commit({"settings.yaml": settings("two")})
        here.wait(lambda view: view["weight"] == 30, "the first step")
        here.repository.git("revert", "--no-edit", commit)
        run = here.outcome(2)
    assert run["outcome"] == "Withdrawn"
    assert here.run("watch", "shop", "--until-done").returncode == 0
    assert here.json("status", "shop")["phase"] == "Succeeded"
    assert not load.lost()


def test_a_changed_image_and_variable_go_through_the_same_rollout(here: Place, port: int) -> None:
    files = shop(port, {"interval": "500ms", "threshold": 2, "stepWeights": [50]})
    here.repository.commit(files)
    here.up()
    here.outcome(1)
    changed = shop(port, image="example/shop:2", env=[{"name": "LEVEL", "value": "debug"}])["deployment.yaml"]
    here.repository.commit({"deployment.yaml": changed})
    run = here.outcome(2)
    assert run["outcome"] == "Promoted"
    assert any("example/shop:2" in change for change in run["changes"])
    assert any("LEVEL" in change for change in run["changes"])


def test_the_value_of_a_secret_is_nowhere_but_in_pods_and_clone(here: Place, port: int) -> None:
    values = "tokenvalue-of-one-1", "tokenvalue-of-two-2"
    files = shop(port, {"interval": "500ms", "threshold": 2, "stepWeights": [50]})

    here.repository.commit(files | {"token.yaml": secret(values[0])})
    here.up()
    here.outcome(1)
    here.repository.commit({"token.yaml": secret(values[1])})
    run = here.outcome(2)
    assert run["outcome"] == "Promoted"
    assert any("fingerprint" in change for change in run["changes"])
    outputs = [
        here.ok(*words) for words in (("status",), ("history",), ("show", "2"), ("show", "2", "-o", "json"), ("history", "-o", "json"))
    ]
    for value in values:
        for text in (*outputs, here.said()):
            assert value not in text
        holding = [path for path in here.state.rglob("*") if path.is_file() and value.encode() in path.read_bytes()]
        outside = [path.relative_to(here.state) for path in holding if path.relative_to(here.state).parts[0] not in ("revisions", "repo")]
        assert not outside


def test_without_its_canary_a_target_stays_as_it_is(here: Place, port: int) -> None:
    files = shop(port, {"interval": "500ms", "threshold": 2, "stepWeights": [50]})
    here.repository.commit(files)
    here.up()
    here.outcome(1)
    pods = here.pods()
    with Load(here.port()) as load:
        (here.repository.folder / "canary.yaml").unlink()
        here.repository.commit({"settings.yaml": settings("two")})
        here.says("Canary shop.default is not in the source any more")
        soon(lambda: len(load.answers) > 100, "more requests")
        assert here.pods() == pods
        here.repository.commit({"canary.yaml": files["canary.yaml"]})
        assert here.outcome(2)["outcome"] == "Promoted"
    assert set(load.bodies()) == {"one", "two"}
    assert not load.lost()
