"""`trimtab promote`, `rollback`, `history`, `show` and `retry` as processes, in a repository of plain manifests."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from contracts.git_places import PERSON, QUIET, commit, git
from contracts.promotion_places import CONFIG, DEPLOYMENT, MAIN, Shop, shop
from trimtab.adapters.git.journal import REF
from trimtab.faces.outputs import github, one_line, write_outputs
from trimtab.model.evidence import Calibration
from trimtab.model.judging import JudgeRules, MetricRule
from trimtab.model.policy import Analysis
from trimtab.model.scrapes import Arm, PodCounts, Scrape
from trimtab.model.verdict import Samples
from trimtab.promotion.recounting import kept
from trimtab.promotion.watching import Rules, begun, looked

PIPELINE = """apiVersion: trimtab.dev/v1alpha1
kind: Pipeline
metadata: {name: shop}
spec:
  apps:
  - name: shop
    targets:
    - {name: canary, path: canary}
    - name: stable
      path: stable
      from: canary
      promotion: {by: push}
"""
RUN = {"GITHUB_RUN_ID": "100", "GITHUB_SERVER_URL": "https://git.example.org", "GITHUB_REPOSITORY": "a/b", "GITHUB_ACTOR": "ada"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Shop]:
    made = shop(tmp_path, run_id="100")
    reads = "spec: {containers: [{name: app, image: app, envFrom: [{configMapRef: {name: app-config}}]}]}"
    spec = DEPLOYMENT.format(replicas=1).replace("spec: {containers: [{name: app, image: app}]}", reads)
    commit(made.clone, "a pipeline", {"trimtab.yaml": PIPELINE, "canary/deployment.yaml": spec, "stable/deployment.yaml": spec})
    git(made.clone, "push", "--quiet", "origin", "main")
    yield made


def trimtab(place: Shop, *words: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "CI_", "TRIMTAB_", "GITLAB_", "GIT_"))}
    known = {**plain, **QUIET, **PERSON, **RUN, **(environment or {})}
    command = [sys.executable, "-m", "trimtab", *words]
    return subprocess.run(command, cwd=place.clone, env=known, check=False, capture_output=True, text=True, timeout=60)


def written(place: Shop, judgement: str = "pass") -> str:
    file = place.clone.parent / "evidence.json"
    file.write_bytes(json.dumps(json.loads(place.evidence(judgement)), indent=4).encode())
    return str(file)


def test_promote_push_history_show_and_verify_tell_one_story(place: Shop, tmp_path: Path) -> None:
    outputs, dotenv, page = tmp_path / "outputs", tmp_path / "trimtab.env", tmp_path / "summary.md"
    words = ("promote", "shop/stable", "--evidence", written(place), "--dotenv", str(dotenv), "-o", "json")
    told = trimtab(place, *words, environment={"GITHUB_OUTPUT": str(outputs), "GITHUB_STEP_SUMMARY": str(page)})
    assert told.returncode == 0, told.stderr
    done = json.loads(told.stdout)
    assert (done["outcome"], done["verdict"], done["branch"]) == ("promoted", "pass", "main")
    assert done["changes"] == [{"object": "configmap/app-config", "text": "pool: 10 -> 20 (x2)"}]
    assert told.stderr.startswith(f"in repository {place.clone}, remote {place.origin}")
    assert place.at_origin(f"{MAIN}:stable/config.yaml").endswith("pool: '20'")
    assert git(place.origin, "log", "-1", "--format=%an", MAIN) == "Ada"
    assert re.search(r"^outcome<<(trimtab-\w+)\npromoted\n\1$", outputs.read_text(), re.MULTILINE)
    assert f"TRIMTAB_COMMIT={done['commit']}\n" in dotenv.read_text()
    assert page.read_text().startswith("### shop/stable: stable has it now") and "pool: 10 -> 20 (x2)" in page.read_text()
    history = trimtab(place, "history", "--in", "repo", "--verify")
    assert history.returncode == 0 and "the journal holds" in history.stdout
    assert [line.split()[3] for line in history.stdout.splitlines()[1:4]] == ["verdict", "proposed", "promoted"]
    shown = json.loads(trimtab(place, "show", "1", "--in", "repo", "-o", "json").stdout)
    assert shown["kind"] == "verdict" and shown["proof"]["commit"] == shown["commit"] and shown["actor"] == "ada"
    text = trimtab(place, "show", "1", "--in", "repo").stdout
    assert re.search(rf"^    judged     at commit {shown['commit'][:10]} from .*\n    figures    metric ", text, re.MULTILINE), text
    assert trimtab(place, "promote").stdout.startswith("shop/stable: stable has this content already")


@pytest.mark.parametrize(("missing", "code", "word"), [(0, 0, "the same: 8"), (1, 3, "cannot be told"), (None, 2, "were not compared")])
def test_a_verdict_in_the_journal_is_computed_anew_from_its_evidence(place: Shop, missing: int | None, code: int, word: str) -> None:
    rules, at = JudgeRules(metrics=(MetricRule("errors"),), bake=timedelta(0)), datetime(2026, 1, 2, tzinfo=UTC)
    seen = begun(at, Calibration(), 0.5)
    for count in range(1, 9):
        end = at + count * timedelta(seconds=15)
        scrape = Scrape("errors", end, (PodCounts("a", Arm.CANARY, 10, 5000), PodCounts("b", Arm.PRIMARY, 10, 5000)))
        seen = looked(seen, Rules(Analysis(judge=rules), timedelta(minutes=2)), Samples(end, scrapes=(scrape,)), end)
    counted = kept(rules, seen.checks, seen.counted[missing:]) if missing is not None else ""
    file = place.clone.parent / "evidence.json"
    file.write_text(json.dumps({**json.loads(place.evidence()), "counted": counted}))
    assert trimtab(place, "promote", "shop/stable", "--evidence", str(file)).returncode == 0
    shown = trimtab(place, "show", "1", "--in", "repo", "--replay")
    assert (shown.returncode, word in shown.stdout + shown.stderr) == (code, True), shown.stdout + shown.stderr


def test_a_journal_that_lost_an_entry_fails_verification(place: Shop) -> None:
    trimtab(place, "promote", "--evidence", written(place))
    git(place.origin, "update-ref", REF, f"{REF}~2")
    git(place.clone, "update-ref", "-d", "refs/trimtab/seen/trimtab/journal")
    found = trimtab(place, "history", "--in", "repo", "--verify")
    assert found.returncode == 1 and "does not hold" in found.stderr


def test_a_journal_that_cannot_be_brought_up_to_date_is_not_verified_and_that_is_said_once(place: Shop) -> None:
    trimtab(place, "promote", "--evidence", written(place))
    place.origin.rename(place.origin.with_name("elsewhere"))
    found = trimtab(place, "history", "--in", "repo", "--verify")
    assert found.returncode == 6 and found.stderr.count("failed") == 1, found.stderr
    assert trimtab(place, "history", "--in", "repo").returncode == 0


@pytest.mark.parametrize("words", [("promote", "shop/x\n::error::y"), ("promote", "--no-such\n::error::y")])
def test_nobody_speaks_to_the_runner_through_an_error(place: Shop, words: tuple[str, ...]) -> None:
    found = trimtab(place, *words, environment={"GITHUB_ACTIONS": "true"})
    before, _, rest = found.stderr.partition("::stop-commands::")
    token = rest.splitlines()[0]
    said, _, after = rest.partition(f"\n::{token}::\n")
    assert found.returncode == 2 and "y" in said and "::error::" not in before + after + found.stdout, found.stderr


@pytest.mark.parametrize(("judgement", "code"), [("fail", 1), ("inconclusive", 3), ("no-data", 3)])
def test_the_verdict_is_the_exit_code(place: Shop, judgement: str, code: int) -> None:
    found = trimtab(place, "promote", "--evidence", written(place, judgement))
    assert found.returncode == code and f"is {judgement}" in found.stdout


def test_what_cannot_be_meant_is_invalid_input(place: Shop) -> None:
    unknown = trimtab(place, "promote", "shop/production")
    assert unknown.returncode == 2 and "There are: shop/stable" in unknown.stderr
    missing = trimtab(place, "promote", "--evidence", "no-such-file")
    assert missing.returncode == 2 and "no-such-file cannot be read" in missing.stderr
    moved = written(place)
    place.change("canary", "debug", 30)
    stale = trimtab(place, "promote", "--evidence", moved)
    assert stale.returncode == 2 and "canary/config.yaml changed since commit" in stale.stderr
    assert trimtab(place, "status", "--in", "repo").returncode == 2


@pytest.mark.parametrize("name", ["pull_request", "pull_request_target"])
def test_nothing_is_promoted_by_the_pipeline_of_a_pull_request(place: Shop, name: str) -> None:
    proof = written(place)
    for known in ({"GITHUB_EVENT_NAME": name}, {"CI_PIPELINE_SOURCE": "merge_request_event"}):
        for command in ("promote", "rollback"):
            found = trimtab(place, command, "--evidence", proof, environment=known)
            assert found.returncode == 2 and "pipeline of a pull request" in found.stderr


def test_rollback_holds_the_content_and_retry_lets_it_go(place: Shop) -> None:
    done = trimtab(place, "rollback", "--evidence", written(place, "fail"))
    assert done.returncode == 0, done.stderr
    assert place.at_origin(f"{MAIN}:canary/config.yaml") + "\n" == CONFIG.format(level="info", pool=10)
    place.change("canary", "info", 20)
    good = written(place)
    held = trimtab(place, "promote", "--evidence", good)
    assert held.returncode == 1 and "is held" in held.stdout
    retried = trimtab(place, "retry", "shop/canary", "--in", "repo", "--reason", "the database was down")
    assert retried.returncode == 0 and "may be judged and promoted again" in retried.stdout
    assert trimtab(place, "retry", "--in", "repo").returncode == 2
    assert trimtab(place, "promote", "--evidence", good).returncode == 0


def test_a_dry_run_needs_neither_remote_nor_forge(place: Shop) -> None:
    proof = written(place)
    place.origin.rename(place.origin.with_name("away.git"))
    found = trimtab(place, "promote", "--evidence", proof, "--dry-run")
    assert found.returncode == 0 and "+  pool: '20'" in found.stdout
    assert trimtab(place, "promote", "--evidence", proof).returncode == 6


def test_no_value_of_a_secret_is_shown_anywhere(place: Shop) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {user: ada, password: %s}\n"
    reads = "spec: {containers: [{name: app, image: app, envFrom: [{configMapRef: {name: app-config}}, {secretRef: {name: login}}]}]}"
    spec = DEPLOYMENT.format(replicas=1).replace("spec: {containers: [{name: app, image: app}]}", reads)
    for target, value in (("canary", "hunter3"), ("stable", "hunter2")):
        more = {f"{target}/deployment.yaml": spec, f"{target}/secret.yaml": secret % value}
        place.change(target, "info", 20 if target == "canary" else 10, **more)
    proof = written(place)
    said = [trimtab(place, "promote", "--evidence", proof, *more) for more in (("--dry-run",), ("-o", "json"))]
    assert [one.returncode for one in said] == [0, 0] and "password: changed" in said[0].stdout
    assert "hunter" not in "".join(one.stdout + one.stderr for one in said) + Path(proof).read_text()
    assert "hunter" not in git(place.origin, "log", "--format=%B", "main", REF)
    assert place.at_origin(f"{MAIN}:stable/secret.yaml").endswith("password: hunter3}")


@pytest.mark.parametrize("value", ["a\nevil=1", "x\ntrimtab-0\ny", "ghp<<EOF", "a\r\nb", "\x1b[31m"])
def test_an_output_cannot_become_another_one(tmp_path: Path, value: str) -> None:
    text = github("name", value)
    delimiter = text.split("\n")[0].removeprefix("name<<")
    assert text == f"name<<{delimiter}\n{value}\n{delimiter}\n" and delimiter not in value
    assert "\n" not in one_line(value) and "\x1b" not in one_line(value)
    dotenv = tmp_path / "env"
    write_outputs({"url": value, "commit": "c"}, {}, dotenv)
    assert [line.split("=")[0] for line in dotenv.read_text().splitlines()] == ["TRIMTAB_URL", "TRIMTAB_COMMIT"]


def test_a_pipeline_in_a_folder_of_a_larger_repository_is_found_from_there(place: Shop) -> None:
    git(place.clone, "mv", "trimtab.yaml", "canary/trimtab.yaml")
    commit(place.clone, "elsewhere", {})
    git(place.clone, "push", "--quiet", "origin", "main")
    proof = written(place)
    assert trimtab(place, "promote", "--evidence", proof).returncode == 2
    found = trimtab(place, "promote", "--repo", "canary", "--evidence", proof)
    assert found.returncode == 0 and "pool: 10 -> 20" in found.stdout


def test_a_repository_with_other_object_ids_works_the_same(tmp_path: Path) -> None:
    origin, clone = tmp_path / "origin.git", tmp_path / "clone"
    git(tmp_path, "init", "--quiet", "--bare", "--object-format=sha256", "--initial-branch=main", str(origin))
    git(tmp_path, "init", "--quiet", "--object-format=sha256", "--initial-branch=main", str(clone))
    git(clone, "remote", "add", "origin", str(origin))
    place = Shop(origin, clone, None, run_id="100")
    spec = DEPLOYMENT.format(replicas=1)
    files = {"trimtab.yaml": PIPELINE, "canary/deployment.yaml": spec, "stable/deployment.yaml": spec}
    pools = {"canary/config.yaml": CONFIG.format(level="info", pool=20), "stable/config.yaml": CONFIG.format(level="info", pool=10)}
    commit(clone, "the beginning", {**files, **pools})
    git(clone, "push", "--quiet", "origin", "main")
    proof = written(place)
    assert git(clone, "rev-parse", "main:canary/config.yaml") in Path(proof).read_text()
    assert trimtab(place, "promote", "--evidence", proof).returncode == 0
    assert trimtab(place, "history", "--in", "repo", "--verify").returncode == 0
