"""Starting, ending, and what is said when something is wrong with what `trimtab` was given."""

import re
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from e2e.documents import canary, deployment, document, settings, shop
from e2e.harness import Load, Place, free_port, get, soon

pytestmark = pytest.mark.e2e
QUICK = {"interval": "500ms", "threshold": 2, "stepWeights": [50]}


def start(here: Place, *options: str, source: str | Path = "") -> subprocess.CompletedProcess[str]:
    """`up` that is expected to end by itself."""
    return here.run("up", str(source or here.repository.folder), "--minimum-interval", "500ms", "--poll", "0.2", *options)


def refused(here: Place, done: subprocess.CompletedProcess[str], *texts: str) -> None:
    """Ended with 2, said why in one line each, and started nothing."""
    assert done.returncode == 2, done.stdout + done.stderr
    for text in texts:
        assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert not here.processes()


def test_a_repository_that_is_not_there_is_named(here: Place) -> None:
    refused(here, start(here, source="/no/such/repository"), "/no/such/repository is neither a folder")


def test_a_repository_without_commits_says_so(here: Place) -> None:
    refused(here, start(here), "has no commits yet")


def test_a_repository_without_the_path_lists_what_there_is(here: Place, port: int) -> None:
    here.repository.commit(shop(port))
    refused(here, start(here, "--path", "deploy"), "has no path deploy", "settings.yaml")


def test_yaml_that_does_not_parse_at_the_start_is_named_by_file_and_line(here: Place, port: int) -> None:
    here.repository.commit(shop(port) | {"settings.yaml": "kind: ConfigMap\nmetadata: {name: x\n"})
    refused(here, start(here), "settings.yaml:2: not YAML")


def test_an_unknown_field_of_a_canary_is_named_with_the_nearest_one(here: Place, port: int) -> None:
    wrong = canary(port, QUICK).replace("stepWeights", "stepWeigths")
    here.repository.commit(shop(port) | {"canary.yaml": wrong})
    refused(here, start(here), "spec.analysis.stepWeigths: there is no such field; did you mean stepWeights?")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("stauts",), "Did you mean 'status'?"),
        (("status", "--nonsense"), "--nonsense"),
        (("up",), "Missing argument 'REPO'"),
        (("up", ".", "--minimum-interval", "5"), "'5' is not a duration"),
        (("up", ".", "--poll", "-1"), "-1.0 is not in the range"),
        (("show", "x"), "'x' is not a valid integer"),
        (("status", "--state", "nowhere"), "there is no state folder"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_says_what_is_wrong(here: Place, words: Sequence[str], said: str) -> None:
    refused(here, here.run(*words), said)


def test_without_envoy_it_says_how_to_get_one(here: Place, port: int) -> None:
    here.repository.commit(shop(port))
    empty = here.folder / "empty"
    (empty / "envoy").mkdir(parents=True)
    (empty / "envoy" / "__init__.py").touch()
    git = subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True).stdout.strip()
    here.environment |= {"PYTHONPATH": str(empty), "PATH": git}
    refused(here, start(here), "Envoy was not found", "pip install 'trimtab[local]'")


def test_a_port_that_somebody_else_has_is_replaced_by_another_one(here: Place, port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        here.repository.commit(shop(port))
        here.up()
        assert f"its port {port} cannot be used here" in here.says("Service shop.default is at .*")
        here.outcome(1)
        assert get(here.port()).body == "one"


def test_a_database_from_a_newer_version_is_left_alone(here: Place, port: int) -> None:
    here.repository.commit(shop(port))
    assert start(here, "--once").returncode == 0
    with sqlite3.connect(here.state / "trimtab.db") as file:
        newer = file.execute("PRAGMA user_version").fetchone()[0] + 1
        file.execute(f"PRAGMA user_version = {newer}")
    file.close()
    before = (here.state / "trimtab.db").read_bytes()
    refused(here, start(here, "--once"), "newer")
    refused(here, here.run("status"), "newer")
    assert (here.state / "trimtab.db").read_bytes() == before


def test_two_on_one_state_folder_the_second_names_the_first(here: Place, port: int) -> None:
    here.repository.commit(shop(port))
    here.up()
    here.outcome(1)
    assert here.up_process is not None
    second = start(here)
    assert second.returncode == 2
    assert f"in use by process {here.up_process.pid}" in second.stderr
    assert get(here.port()).body == "one"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_pods_and_envoy_and_the_next_start_goes_on(here: Place, port: int, number: signal.Signals) -> None:
    here.repository.commit(shop(port, replicas=2))
    here.up()
    here.outcome(1)
    address = here.port()
    with Load(address) as load:
        soon(lambda: len(load.answers) > 20, "some requests")
        told = time.time()
        assert here.signal(number) == 0
    assert not here.processes()
    assert {found.status for found in load.answers if found.at < told} == {200}
    assert "no `trimtab up` runs" in here.run("status").stderr
    here.up()
    assert here.port() == address
    soon(lambda: get(address).body == "one", "it serves again")
    assert len(here.json("history")) == 1


def test_kept_pods_serve_without_trimtab_until_down(here: Place, port: int) -> None:
    here.repository.commit(shop(port))
    assert start(here, "--once", "--keep").returncode == 0
    assert get(port).body == "one"
    done = here.run("approve", "shop")
    assert done.returncode == 6
    assert "no `trimtab up` runs" in done.stderr
    assert "1 pods were left" in here.ok("down") or "1 pod was left" in here.ok("down")
    assert not here.processes()


def test_down_ends_a_running_up(here: Place, port: int) -> None:
    here.repository.commit(shop(port))
    here.up()
    here.outcome(1)
    here.ok("down")
    assert here.ended() == 0
    assert not here.processes()
    assert "nothing runs" in here.ok("down") or "stopped" in here.ok("down")


def test_once_tells_by_its_exit_code_how_it_ended(here: Place, port: int) -> None:
    here.repository.commit(shop(port, QUICK, rules={"gates": {"approvals": ["confirm-promotion"]}}))
    assert start(here, "--once").returncode == 0
    here.repository.commit({"settings.yaml": settings("one").replace("greeting: one", "greeting: [one")})
    refusal = start(here, "--once")
    assert refusal.returncode == 1
    assert "refused before any pod saw it" in refusal.stdout
    here.repository.commit({"settings.yaml": settings("two")})
    assert start(here, "--once").returncode == 4


def test_once_says_what_is_missing(here: Place, port: int) -> None:
    here.repository.commit(shop(port) | {"settings.yaml": settings("one", "other")})
    done = start(here, "--once")
    assert done.returncode == 1
    assert 'configmaps "shop-settings" not found' in done.stdout


def listened_to(port: int) -> bool:
    """Does anybody take connections there?"""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def plain(port: int) -> dict[str, str]:
    """A Deployment that no Canary is about, and its Service."""
    ports = [{"port": port, "targetPort": "http"}]
    return {
        "other.yaml": deployment("other"),
        "other-settings.yaml": settings("other", "other"),
        "other-token.yaml": document("Secret", "other-token", stringData={"token": "other"}),
        "other-service.yaml": document("Service", "other", spec={"selector": {"app": "other"}, "ports": ports}),
    }


def test_what_vanishes_from_the_repository_is_stopped_only_with_prune(here: Place, port: int) -> None:
    here.repository.commit(shop(port, QUICK) | plain(free_port()))
    here.up("--keep")
    here.outcome(1)
    soon(lambda: get(here.port("other")).body == "other", "the Deployment without a Canary serves")
    for name in plain(0):
        (here.repository.folder / name).unlink()
    here.repository.commit({"settings.yaml": settings("two")})
    here.outcome(2)
    assert get(here.port("other")).body == "other"
    assert here.signal(signal.SIGTERM) == 0
    other = here.port("other")
    assert get(other).body == "other"
    here.up("--prune")
    soon(lambda: not any("default.other" in command for command in here.pods().values()), "its pods are stopped")
    soon(lambda: not listened_to(other), "nobody listens for its Service")
    assert get(here.port()).body == "two"
    (here.repository.folder / "canary.yaml").unlink()
    (here.repository.folder / "deployment.yaml").unlink()
    port = here.port()
    here.repository.commit({})
    soon(lambda: not listened_to(port), "what a Canary had is gone with it, too")
    assert not [command for command in here.pods().values() if "revisions" in command]


def test_a_deployment_that_misses_its_configuration_disturbs_nobody(here: Place, port: int) -> None:
    here.repository.commit(shop(port) | plain(free_port()) | {"other-settings.yaml": settings("x", "elsewhere")})
    here.up()
    assert here.outcome(1)["outcome"] == "Promoted"
    here.says('other.default is left as it is: .*"other-settings" not found')
    here.repository.commit(plain(free_port()))
    soon(lambda: get(here.port("other")).body == "other", "it starts when it has everything")


def test_a_remote_that_is_away_for_a_while_stops_nothing(here: Place, port: int) -> None:
    here.repository.commit(shop(port, QUICK))
    bare = here.folder / "remote.git"
    here.repository.git("clone", "--quiet", "--bare", ".", str(bare))
    here.repository.git("remote", "add", "origin", str(bare))
    here.up(source=f"file://{bare}")
    here.outcome(1)
    bare.rename(here.folder / "away.git")
    here.says(f"fetching .* of file://{re.escape(str(bare))} failed")
    assert get(here.port()).body == "one"
    (here.folder / "away.git").rename(bare)
    here.says("can be reached again")
    here.repository.commit({"settings.yaml": settings("two")})
    here.repository.git("push", "--quiet", "origin", "main")
    assert here.outcome(2)["outcome"] == "Promoted"


def test_a_force_push_is_just_another_commit(here: Place, port: int) -> None:
    here.repository.commit(shop(port, QUICK))
    here.up()
    here.outcome(1)
    here.repository.commit({"settings.yaml": settings("two")})
    here.outcome(2)
    here.repository.git("reset", "--quiet", "--hard", "HEAD~1")
    here.repository.commit({"settings.yaml": settings("three")}, "Rewritten")
    run = here.outcome(3)
    assert (run["outcome"], run["message"]) == ("Promoted", "Rewritten")
    assert run["changes"] == ["settings.yaml: greeting: two -> three"]
    here.ok("undo", "shop")
    here.outcome(4)
    assert get(here.port()).body == "two"


def test_a_commit_that_does_not_parse_is_refused_while_everything_goes_on(here: Place, port: int) -> None:
    here.repository.commit(shop(port, QUICK))
    here.up()
    here.outcome(1)
    here.repository.commit({"settings.yaml": "kind: ["})
    here.says("commit .* is refused: settings.yaml:[0-9]+: not YAML")
    here.wait(lambda view: "not YAML" in "".join(view["problems"]), "status says what is wrong")
    assert "problem      commit" in here.ok("status")
    here.repository.commit({"settings.yaml": settings("two")})
    assert here.outcome(2)["outcome"] == "Promoted"
    assert here.json("status", "shop")["problems"] == []
