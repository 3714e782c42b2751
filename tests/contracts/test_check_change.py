"""`trimtab check --base`: what a change brings, whose rules count, waivers, and validators of one's own."""

import json
import os
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from contracts.test_check_command import checking, edited, shop
from contracts.test_pipeline_project import written
from pipeline.trees import commit, git
from trimtab.errors import InputError, TrimtabError, Unavailable
from trimtab.faces.cli.check import check_command

__all__ = ["shop"]

CONFIG = "web/canary/config.yaml"
SAYS = "import sys, json; found = json.load(sys.stdin)\n"


def ran(folder: Path, *words: str, **environment: str) -> Result:
    done = CliRunner().invoke(check_command, [*words, "--repo", str(folder), "--cache", f"{folder}-cache"], env=environment)
    assert done.exception is None or isinstance(done.exception, SystemExit | TrimtabError), done.exception
    return done


def found(folder: Path, *words: str, ends: int = 0, **environment: str) -> list[str]:
    done = ran(folder, *words, "-o", "json", **environment)
    assert done.exit_code == ends, (done.output, done.exception)
    told = [f"{one['severity']} {one['file']}:{one['line']} {one['check']}" for one in json.loads(done.stdout)["findings"]]
    return [line for line in told if "reference/unused" not in line]


def waiver(check: str, path: str, expires: date, key: str = "") -> str:
    about = f", key: {key}" if key else ""
    return f"    waivers: [{{check: {check}, path: '{path}'{about}, reason: 'until the new image', expires: '{expires}'}}]\n"


def validating(shop: Path, text: str) -> str:
    written(shop, {"tools/look.py": text})
    return "    validators: [{name: look, command: [python3, tools/look.py], timeout: 10s}]\n"


def test_a_change_is_judged_against_the_base_and_said_to_be(shop: Path) -> None:
    edited(shop, CONFIG, '{"pool": 10}', '{"pool": 1000}')
    edited(shop, CONFIG, "LOG: info", 'LOG: ""')
    assert found(shop) == []
    changed = [f"warning {CONFIG}:5 content/emptied", f"warning {CONFIG}:6 content/factor"]
    assert found(shop, "--base", "main", ends=2) == ["error web/canary/app.yaml:12 rollout/unseen", *changed]
    done = ran(shop, "--base", "main")
    assert f"compared with main ({git(shop, 'rev-parse', 'main')[:10]})" in done.stderr


def test_what_was_there_before_is_no_error_any_more(shop: Path) -> None:
    edited(shop, "web/canary/app.yaml", "image: x", "image: 1")
    commit(shop, "a defect")
    edited(shop, "web/stable/app.yaml", "image: x", "image: 1")
    edited(shop, "web/canary/app.yaml", "metadata: {name: web-canary}", "metadata:\n  name: web-canary")
    assert found(shop, "--base", "HEAD", ends=2) == [
        "error web/stable/app.yaml:11 kubernetes/schema",
        "warning web/canary/app.yaml:12 kubernetes/schema",
    ]
    assert "was there before" in ran(shop, "--base", "HEAD").stdout


def test_a_change_is_what_happened_since_it_left_the_base(shop: Path) -> None:
    git(shop, "checkout", "--quiet", "-b", "topic")
    edited(shop, "web/stable/service.yaml", "port: 80", "port: 81")
    commit(shop, "topic")
    git(shop, "checkout", "--quiet", "main")
    edited(shop, CONFIG, "data:\n", "data:\n  NEW: x\n")
    commit(shop, "main goes on")
    git(shop, "checkout", "--quiet", "topic")
    assert found(shop, "--base", "main") == []


def test_a_base_without_a_trimtab_yaml_is_compared_by_that_of_the_change(shop: Path) -> None:
    text = (shop / "trimtab.yaml").read_text()
    (shop / "trimtab.yaml").unlink()
    commit(shop, "without")
    (shop / "trimtab.yaml").write_text(text)
    edited(shop, CONFIG, "  LOG: info\n", "")
    told = found(shop, "--base", "HEAD", ends=2)
    assert told == ["error web/canary/app.yaml:12 rollout/unseen", f"warning {CONFIG}:1 content/deleted"]


def test_folders_are_compared_too(shop: Path) -> None:
    (shop / "trimtab.yaml").unlink()
    edited(shop, CONFIG, '{"pool": 10}', '{"pool": 1000}')
    assert f"warning {CONFIG}:6 content/factor" in found(shop, "web/canary", "--base", "main", ends=2)
    assert found(shop, "web/stable", "--base", "main") == []


def test_a_base_that_is_not_there_is_refused_with_what_to_do(shop: Path) -> None:
    done = ran(shop, "--base", "origin/main")
    assert isinstance(done.exception, InputError)
    assert "git fetch origin" in str(done.exception)
    assert isinstance(ran(shop, "--base", "--upload-pack=x").exception, InputError)


def test_a_waiver_counts_for_its_check_file_and_key_until_its_day(shop: Path) -> None:
    today = _today()
    edited(shop, "web/canary/app.yaml", "image: x", "image: 1")
    plain = (shop / "trimtab.yaml").read_text()
    checking(shop, waiver("kubernetes/schema", "web/canary/*", today + timedelta(days=1)))
    assert found(shop) == ["info web/canary/app.yaml:11 kubernetes/schema"]
    assert f"(kubernetes/schema, waived: until the new image, until {today + timedelta(days=1)})" in ran(shop).stdout
    for path, key in (("web/stable/*", ""), ("*", "LOG")):
        (shop / "trimtab.yaml").write_text(plain)
        checking(shop, waiver("kubernetes/schema", path, today + timedelta(days=1), key))
        assert found(shop, ends=2) == ["error web/canary/app.yaml:11 kubernetes/schema", "info trimtab.yaml:16 check/waiver-unused"]
    (shop / "trimtab.yaml").write_text(plain)
    checking(shop, waiver("kubernetes/schema", "*", today - timedelta(days=1)))
    assert found(shop, ends=2) == ["error web/canary/app.yaml:11 kubernetes/schema", "warning trimtab.yaml:16 check/waiver-expired"]


def _today() -> date:
    from trimtab.adapters.clock import SystemClock

    return SystemClock().now().date()


def test_a_waiver_is_not_called_unused_where_not_everything_was_looked_at(shop: Path) -> None:
    checking(shop, waiver("kubernetes/schema", "web/canary/*", _today() + timedelta(days=30)))
    assert found(shop, "web/stable") == []


def test_a_validator_gets_the_objects_without_values_of_secrets_and_its_words_are_a_finding(shop: Path) -> None:
    text = f"{SAYS}print(len(found['items']), [one.get('stringData') for one in found['items']][-1])\nsys.exit(len(found['items']) != 3)"
    checking(shop, validating(shop, text))
    written(shop, {"web/canary/z.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {PIN: hush}\n"})
    assert found(shop, "web/stable") == []
    assert found(shop, "web/canary") == []
    written(shop, {"web/canary/zz.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: b}\nstringData: {PIN: hush}\n"})
    done = ran(shop, "web/canary")
    assert done.exit_code == 2
    assert "trimtab.yaml:16: error: look ended with 1: 4 {'PIN': '(not shown)'} (check/validator)" in done.stdout


def test_a_validator_gets_no_token_of_ours_and_no_shell(shop: Path) -> None:
    text = (
        f"{SAYS}import os\nsys.exit(str([os.environ.get(name) for name in ('TRIMTAB_FINGERPRINT_KEY', 'GITHUB_TOKEN', 'TRIMTAB_TARGET')]))"
    )
    checking(shop, validating(shop, text).replace("look.py]", "look.py, '$(id)']"))
    done = ran(shop, "web/canary", TRIMTAB_FINGERPRINT_KEY="k", GITHUB_TOKEN="t")
    assert "look ended with 1: [None, None, 'web/canary']" in done.stdout


@pytest.mark.parametrize(
    ("command", "said"),
    [("[nothing-of-this-name]", "there is no program nothing-of-this-name"), ("[sleep, '60']", "did not finish within 0.2 s")],
)
def test_a_validator_that_does_not_do_its_part_ends_with_6(shop: Path, command: str, said: str) -> None:
    checking(shop, f"    validators: [{{name: look, command: {command}, timeout: 200ms}}]\n")
    done = ran(shop, "web/canary")
    assert isinstance(done.exception, Unavailable)
    assert str(done.exception).startswith("validator look: ")
    assert said in str(done.exception)


def strangers(shop: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of a pull request from a fork."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"head": {"repo": {"full_name": "stranger/shop"}}}}))
    return {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(event), "GITHUB_REPOSITORY": "us/shop", "GITHUB_ACTIONS": ""}


def test_a_change_by_strangers_is_judged_by_the_rules_of_the_base(shop: Path, tmp_path: Path) -> None:
    schema = "    schemas: [{configMap: settings, key: app.json, schema: schemas/app.json}]\n"
    checking(shop, schema + validating(shop, "import os; open('ran', 'w')"))
    written(shop, {"schemas/app.json": '{"properties": {"pool": {"maximum": 20}}}'})
    commit(shop, "rules")
    edited(shop, CONFIG, '{"pool": 10}', '{"pool": 25}')
    written(shop, {"schemas/app.json": "{}"})
    edited(shop, "trimtab.yaml", "  check:\n", f"  check:\n{waiver('content/schema', '*', _today() + timedelta(days=9))}")
    told = f"error {CONFIG}:6 content/schema"
    assert told not in found(shop, "--base", "main", ends=2)
    (shop / "ran").unlink()
    for words, environment in ((("--untrusted",), {}), ((), strangers(shop, tmp_path))):
        assert told in found(shop, "--base", "main", *words, ends=2, **environment)
        assert not (shop / "ran").exists()
        assert "judged by the rules of main" in ran(shop, "--base", "main", *words, **environment).stderr


def test_strangers_cannot_choose_old_rules_by_beginning_there(shop: Path) -> None:
    git(shop, "checkout", "--quiet", "-b", "topic")
    edited(shop, CONFIG, '{"pool": 10}', '{"pool": 25}')
    commit(shop, "topic")
    git(shop, "checkout", "--quiet", "main")
    checking(shop, "    schemas: [{configMap: settings, key: app.json, schema: schemas/app.json}]\n")
    written(shop, {"schemas/app.json": '{"properties": {"pool": {"maximum": 20}}}'})
    commit(shop, "rules")
    git(shop, "checkout", "--quiet", "topic")
    assert f"error {CONFIG}:6 content/schema" in found(shop, "--base", "main", "--untrusted", ends=2)


def test_strangers_cannot_take_a_target_out_of_sight_or_name_a_weaker_schema_in_an_annotation(shop: Path) -> None:
    note = "{annotations: {trimtab.dev/schema.LOG: schemas/log.json}, name: settings"
    edited(shop, CONFIG, "{name: settings", note)
    written(shop, {"schemas/log.json": '{"enum": ["info"]}'})
    commit(shop, "rules")
    edited(shop, CONFIG, note, "{name: settings")
    edited(shop, CONFIG, "LOG: info", "LOG: trace")
    written(shop, {"schemas/log.json": "{}"})
    edited(shop, "trimtab.yaml", "path: web/canary", "path: web/stable")
    assert f"error {CONFIG}:5 content/schema" in found(shop, "--base", "main", "--untrusted", ends=2)


TELLING = "{annotations: {trimtab.dev/schema.LOG: schemas/log.json}, name: settings"


@pytest.mark.parametrize("how", ["deleted", "renamed", "as it was"])
def test_strangers_who_take_a_target_away_are_judged_as_if_they_had_not(shop: Path, how: str) -> None:
    edited(shop, CONFIG, "{name: settings", TELLING)
    written(shop, {"schemas/log.json": '{"enum": ["info"]}'})
    commit(shop, "rules")
    edited(shop, CONFIG, "LOG: info", "LOG: trace")
    edited(shop, CONFIG, '{"pool": 10}', '{"pool": 1000}')
    if how == "deleted":
        (shop / "trimtab.yaml").unlink()
    elif how == "renamed":
        edited(shop, "trimtab.yaml", "name: canary", "name: cannary")
        edited(shop, "trimtab.yaml", "from: canary", "from: cannary")
    told = found(shop, "--base", "main", "--untrusted", ends=2)
    assert f"error {CONFIG}:5 content/schema" in told
    assert f"warning {CONFIG}:6 content/factor" in told
    assert told.count("error trimtab.yaml:0 check/target-gone") == {"deleted": 2, "renamed": 1, "as it was": 0}[how]
    assert "there is no trimtab.yaml" not in ran(shop, "--base", "main", "--untrusted").stderr


def test_targets_that_strangers_add_are_looked_at_and_those_that_came_to_the_base_since_are_not_missed(shop: Path) -> None:
    git(shop, "checkout", "--quiet", "-b", "topic")
    for name in ("app", "config"):
        written(shop, {f"web/new/{name}.yaml": (shop / f"web/canary/{name}.yaml").read_text().replace("image: x", "image: 1")})
    edited(shop, "trimtab.yaml", "    targets:\n", "    targets:\n    - {name: new, path: web/new}\n")
    commit(shop, "topic")
    git(shop, "checkout", "--quiet", "main")
    written(shop, {"web/late/config.yaml": (shop / CONFIG).read_text()})
    edited(shop, "trimtab.yaml", "    targets:\n", "    targets:\n    - {name: late, path: web/late}\n")
    commit(shop, "main goes on")
    git(shop, "checkout", "--quiet", "topic")
    for words in ((), ("web",), ("web/new",)):
        assert found(shop, *words, "--base", "main", "--untrusted", ends=2) == ["error web/new/app.yaml:11 kubernetes/schema"]


def test_a_fork_needs_a_base_and_gets_nothing_from_the_network(shop: Path, tmp_path: Path) -> None:
    environment = strangers(shop, tmp_path)
    assert "--base origin/BRANCH" in str(ran(shop, **environment).exception)
    assert "--network" in str(ran(shop, "--base", "main", "--network", **environment).exception)
    gitlab = {"CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2", "CI_MERGE_REQUEST_PROJECT_ID": "1"}
    assert "--base origin/BRANCH" in str(ran(shop, **gitlab).exception)
    own = json.loads(Path(environment["GITHUB_EVENT_PATH"]).read_text())
    own["pull_request"]["head"]["repo"]["full_name"] = "us/shop"
    Path(environment["GITHUB_EVENT_PATH"]).write_text(json.dumps(own))
    assert found(shop, **environment) == []
    os.unlink(environment["GITHUB_EVENT_PATH"])
    assert "--base origin/BRANCH" in str(ran(shop, **environment).exception)


def test_policies_and_metric_templates_that_targets_name_are_looked_at(shop: Path) -> None:
    metric = "spec: {analysis: {metrics: [{name: a, query: 'sum(', thresholdRange: {max: 1}}]}}\n"
    written(shop, {"policies/web.yaml": f"apiVersion: trimtab.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: {{name: web}}\n{metric}"})
    assert found(shop, ends=2) == ["error policies/web.yaml:4 document/query"]


METRIC = """apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: error-rate, namespace: shop}
spec: {provider: {type: prometheus}, query: "sum(rate(errors_total[1m]))"}
"""
MEASURED = """apiVersion: trimtab.dev/v1alpha1
kind: RolloutPolicy
metadata: {name: web}
spec:
  analysis:
    metrics:
    - name: errors
      thresholdRange: {max: 1}
      templateRef: {name: error-rate}
"""


@pytest.fixture
def watched(shop: Path) -> Path:
    written(shop, {"policies/web.yaml": MEASURED, "policies/errors.yaml": METRIC})
    edited(shop, "trimtab.yaml", "policy: policies/web.yaml\n", "policy: policies/web.yaml\n      metrics: [policies/errors.yaml]\n")
    edited(shop, "trimtab.yaml", "    targets:\n", "    monitor: {duration: 5m}\n    targets:\n")
    return shop


def test_a_policy_that_is_missing_or_broken_hides_nothing_of_the_rest(watched: Path) -> None:
    edited(watched, "web/canary/app.yaml", "image: x", "image: 1")
    rest = "error web/canary/app.yaml:11 kubernetes/schema"
    edited(watched, "policies/web.yaml", "analysis:", "anaylsis:")
    assert found(watched, ends=2) == ["error policies/web.yaml:5 document/invalid", rest]
    (watched / "policies/web.yaml").unlink()
    assert found(watched, ends=2) == ["error trimtab.yaml:12 document/invalid", rest]


def test_what_monitor_can_ask_is_fine(watched: Path) -> None:
    assert found(watched) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "place", "said"),
    [
        ("policies/web.yaml", "{name: error-rate}", "{name: error-rates}", "policies/web.yaml:9", "Did you mean error-rate?"),
        ("trimtab.yaml", "      metrics: [policies/errors.yaml]\n", "", "policies/web.yaml:9", "error-rate"),
        ("trimtab.yaml", "      policy: policies/web.yaml\n", "", "trimtab.yaml:10", "nothing is measured of web/canary"),
        ("policies/web.yaml", "      thresholdRange: {max: 1}\n", "", "policies/web.yaml:8", "metric errors has no limit"),
        ("policies/web.yaml", MEASURED[MEASURED.index("  analysis:") :], "  {}\n", "policies/web.yaml:4", "nothing is measured"),
        (
            "policies/web.yaml", "      templateRef: {name: error-rate}\n", "      query: up\n", "trimtab.yaml:13",
            "held against no limit, which monitor refuses",
        ),
    ],
)  # fmt: skip
def test_what_monitor_would_refuse_after_the_merge_is_an_error_before_it(
    watched: Path, file: str, old: str, new: str, place: str, said: str
) -> None:
    edited(watched, file, old, new)
    assert found(watched, ends=2) == [f"error {place} document/monitor"]
    assert said in ran(watched).stdout


def test_a_trimtab_yaml_below_the_root_and_a_folder_below_that_are_looked_at_alike(shop: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    (shop / ".git").rename(tmp_path / "old-git")
    whole.mkdir()
    shop.rename(whole / "shop")
    for name in ("canary", "stable"):
        edited(whole / "shop", "trimtab.yaml", f"path: web/{name}", f"path: shop/web/{name}")
    edited(whole / "shop", "trimtab.yaml", "policy: policies", "policy: shop/policies")
    commit(whole, "a shop among others")
    edited(whole / "shop", CONFIG, '{"pool": 10}', '{"pool": 1000}')
    changed = ["error shop/web/canary/app.yaml:12 rollout/unseen", "warning shop/web/canary/config.yaml:6 content/factor"]
    for folder in ("shop", "shop/web/canary"):
        assert found(whole / folder, "--base", "main", ends=2) == changed
        assert found(whole / folder, "web/canary", "--base", "main", ends=2) == changed
