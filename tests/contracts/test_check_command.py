"""`trimtab check`: over a trimtab.yaml, over folders and files, as text and as JSON; and how it ends."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from contracts.test_pipeline_project import PIPELINE, POLICY, written
from pipeline.trees import commit
from trimtab.errors import InputError, Unavailable
from trimtab.faces.cli.check import check_command

APP = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web-TARGET}
spec:
  selector: {matchLabels: {track: TARGET}}
  template:
    metadata: {labels: {app: web, track: TARGET}, annotations: {checksum/config: 0123456789abcdef}}
    spec:
      containers:
      - name: app
        image: x
        envFrom: [{configMapRef: {name: settings-TARGET}}]
"""
CONFIG = """apiVersion: v1
kind: ConfigMap
metadata: {name: settings-TARGET}
data:
  LOG: info
  app.json: '{"pool": 10}'
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    files = {"trimtab.yaml": PIPELINE, "policies/web.yaml": POLICY, "web/stable/service.yaml": SERVICE}
    for target in ("canary", "stable"):
        files |= {f"web/{target}/app.yaml": APP.replace("TARGET", target), f"web/{target}/config.yaml": CONFIG.replace("TARGET", target)}
    folder = written(tmp_path / "shop", files)
    commit(folder, "a shop")
    return folder


def ran(folder: Path, *words: str, ends: int = 0, **environment: str) -> Result:
    done = CliRunner().invoke(check_command, [*words, "--repo", str(folder), "--cache", f"{folder}-cache"], env=environment)
    assert done.exit_code == ends, (done.output, done.exception)
    return done


def found(folder: Path, *words: str, ends: int = 0) -> list[str]:
    told = json.loads(ran(folder, *words, "-o", "json", ends=ends).stdout)
    assert told["passes"] is (ends == 0)
    return [f"{one['file']}:{one['line']} {one['severity']} {one['check']}" for one in told["findings"]]


def edited(shop: Path, name: str, old: str, new: str) -> None:
    text = (shop / name).read_text()
    assert old in text
    (shop / name).write_text(text.replace(old, new))


def checking(shop: Path, section: str) -> None:
    with open(shop / "trimtab.yaml", "a") as file:
        file.write(f"  check:\n{section}")


def test_a_good_repository_passes_and_says_what_was_looked_at(shop: Path) -> None:
    done = ran(shop)
    assert done.stdout == "nothing found in 2 targets with 5 objects\n"
    assert done.stderr == f"in {shop / 'trimtab.yaml'}\n"


def test_it_is_told_who_consumes_each_config_map(shop: Path) -> None:
    written(shop, {"web/canary/other.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: unread}\n"})
    for _ in ("anew", "from memory"):
        canary = json.loads(ran(shop, "-o", "json").stdout)["targets"][0]
        assert canary["readers"] == {"configmap/settings-canary": ["deployment/web-canary"], "configmap/unread": []}


def test_an_error_is_told_with_place_and_fix_and_ends_with_2(shop: Path) -> None:
    edited(shop, "web/canary/app.yaml", "image: x", "imagge: x")
    assert ran(shop, ends=2).stdout == (
        "web/canary/app.yaml:11: error: deployment/web-canary: spec.template.spec.containers[0].imagge: there is no such field "
        "(kubernetes/schema)\n    Did you mean image?\n1 error in 2 targets with 5 objects\n"
    )
    assert ran(shop, "web/stable").stdout == "nothing found in 1 target with 3 objects\n"


def test_one_broken_file_hides_nothing_of_the_others(shop: Path) -> None:
    edited(shop, "web/canary/app.yaml", "kind: Deployment", "kind: [Deployment")
    edited(shop, "web/canary/config.yaml", "  LOG: info\n", "  LOG: info\n  LOG: debug\n")
    edited(shop, "web/stable/app.yaml", "image: x", "image: 1")
    assert found(shop, ends=2) == [
        "web/canary/app.yaml:2 error yaml/parses",
        "web/canary/config.yaml:6 error yaml/duplicate-key",
        "web/stable/app.yaml:11 error kubernetes/schema",
    ]


def test_a_target_that_is_nowhere_is_told_where_it_is_named(shop: Path) -> None:
    edited(shop, "trimtab.yaml", "web/stable", "web/stabel")
    lines = (shop / "trimtab.yaml").read_text().split("\n")
    (line,) = (number for number, text in enumerate(lines, 1) if "web/stabel" in text)
    assert found(shop, ends=2) == [f"trimtab.yaml:{line} error render/fails"]


def test_without_a_trimtab_yaml_it_is_said_that_folders_are_looked_at(shop: Path) -> None:
    (shop / "trimtab.yaml").unlink()
    assert "there is no trimtab.yaml here or above" in CliRunner().invoke(check_command, ["--repo", str(shop), "--no-cache"]).stderr


def test_what_does_not_parse_in_a_canary_is_an_error_where_that_of_stable_does(shop: Path) -> None:
    edited(shop, "web/canary/config.yaml", '{"pool": 10}', '{"pool": {{ pool }}')
    assert found(shop, ends=2) == ["web/canary/config.yaml:6 error content/parses"]
    assert found(shop, "web/canary") == ["web/canary/config.yaml:6 warning content/parses"]


def test_what_does_not_parse_and_is_no_template_is_an_error_unless_it_was_so_before(shop: Path) -> None:
    for target in ("canary", "stable"):
        edited(shop, f"web/{target}/config.yaml", '{"pool": 10}', '{"pool": 10')
    both = [f"web/{target}/config.yaml:6 error content/parses" for target in ("canary", "stable")]
    assert found(shop, ends=2) == both
    assert [line for line in found(shop, "--base", "HEAD", ends=2) if "parses" in line] == both
    commit(shop, "it is there now")
    assert found(shop, "--base", "HEAD") == [line.replace("error", "warning") for line in both]
    checking(shop, "    severities: {content/parses: warning}\n")
    assert found(shop) == [line.replace("error", "warning") for line in both]


def test_schemas_of_trimtab_yaml_and_of_annotations_are_read_from_the_repository(shop: Path) -> None:
    written(shop, {"schemas/app.yaml": "properties: {pool: {maximum: 5}}\n", "schemas/log.json": '{"enum": ["warn"]}'})
    checking(shop, "    schemas: [{configMap: settings, key: app.json, schema: schemas/app.yaml}]\n")
    edited(shop, "web/stable/config.yaml", "{name: settings", "{annotations: {trimtab.dev/schema.LOG: schemas/log.json}, name: settings")
    told = [line for line in found(shop, ends=2) if "content" in line]
    assert told == [f"web/{target}/config.yaml:{line} error content/schema" for target in ("canary", "stable") for line in (5, 6)]


@pytest.mark.parametrize(
    ("section", "line", "said"),
    [
        ("    severities: {content/pares: error}\n", 16, "did you mean content/parses?"),
        ("    schemas: [{configMap: a, key: b, schema: none.json}]\n", 16, "there is no such file"),
        ("    schemas: [{configMap: a, key: b, schema: bad.json}]\n", 16, "bad.json is not a usable JSON Schema: at type: "),
        ("    waivers: [{check: content/x, path: a, reason: b, expires: 2030-01-01}]\n", 16, "there is no check 'content/x'"),
        ("    waivers: [{check: content/type, path: a, reason: b, expires: 2030-02-30}]\n", 16, "2030-02-30 is no day"),
    ],
)
def test_a_section_that_cannot_be_used_is_a_finding_at_its_line(shop: Path, section: str, line: int, said: str) -> None:
    checking(shop, section)
    written(shop, {"bad.json": '{"type": 5}'})
    told = json.loads(ran(shop, "-o", "json", ends=2).stdout)["findings"]
    assert [(one["check"], one["file"], one["line"]) for one in told] == [("document/invalid", "trimtab.yaml", line)]
    assert said in told[0]["problem"]


def test_severities_of_trimtab_yaml_count(shop: Path) -> None:
    checking(shop, "    severities: {kubernetes/schema: warning, yaml/parses: 'off'}\n")
    edited(shop, "web/canary/app.yaml", "image: x", "image: 1")
    written(shop, {"web/canary/broken.yaml": "a: [\n"})
    assert found(shop) == ["web/canary/app.yaml:11 warning kubernetes/schema"]


def test_the_same_finding_in_several_targets_is_told_once(shop: Path) -> None:
    edited(shop, "trimtab.yaml", "path: web/stable", "path: web/canary")
    written(shop, {"web/canary/other.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: other}\nspec: {ports: 80}\n"})
    (only,) = [one for one in json.loads(ran(shop, "-o", "json", ends=2).stdout)["findings"] if one["check"] == "kubernetes/schema"]
    assert only["targets"] == ["web/canary", "web/stable"]


def test_folders_and_files_are_looked_at_without_a_trimtab_yaml(shop: Path) -> None:
    (shop / "trimtab.yaml").unlink()
    assert ran(shop).stdout.endswith("in 3 targets with 6 objects\n")
    edited(shop, "web/canary/app.yaml", "image: x", "image: 1")
    assert found(shop, "web/canary/app.yaml", ends=2) == [
        "web/canary/app.yaml:11 error kubernetes/schema",
        "web/canary/app.yaml:12 error reference/missing",
    ]
    assert found(shop, "web/stable") == []


def test_files_that_hold_no_objects_and_hidden_folders_are_left_alone(shop: Path) -> None:
    files = {"package.json": '{"name": // a comment\n1}', ".github/workflows/a.yaml": "a: [", "node_modules/a.yaml": "a: ["}
    written(shop, {"README.md": "{", "values.yaml": "a: 1\n", **files})
    (shop / "trimtab.yaml").unlink()
    assert ran(shop, ".").stdout.endswith("in 4 targets with 6 objects\n")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("nothing", "neither a target"),
        ("web/cnary", "did you mean web/canary?"),
        ("wbe", "did you mean web?"),
        ("..", "lies outside of"),
        ("empty", "holds no manifests"),
    ],
)
def test_a_word_that_stands_for_nothing_is_refused(shop: Path, word: str, said: str) -> None:
    (shop / "empty").mkdir()
    done = CliRunner().invoke(check_command, [word, "--repo", str(shop), "--no-cache"])
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)


def test_hostile_yaml_is_a_finding_and_nothing_else(shop: Path) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    deep = "a: " + "[" * 5000 + "]" * 5000
    odd = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: "x\\Ny\\u2028z", b: "\\u001b[31m"}\n'
    written(shop, {"bad/bomb.yaml": bomb, "bad/deep.yaml": deep, "bad/odd.yaml": odd, "bad/binary.yaml": "\x00\x01"})
    told = found(shop, "bad", ends=2)
    assert {line.partition(":")[0] for line in told if "yaml/parses" in line} == {"bad/bomb.yaml", "bad/deep.yaml", "bad/binary.yaml"}
    assert "\x1b" not in ran(shop, "bad", ends=2).output


def test_hostile_names_are_shown_on_one_line_without_control_characters(shop: Path) -> None:
    name = "web/canary/x\n\x1b[31m::error::y.yaml"
    written(shop, {name: "a: [\n"})
    lines = ran(shop, ends=2).stdout.splitlines()
    assert len(lines) == 2
    assert "\x1b" not in lines[0]


def test_a_file_larger_than_any_honest_one_is_a_finding_and_the_rest_is_looked_at(shop: Path) -> None:
    with open(shop / "web/canary/huge.yaml", "wb") as file:
        file.truncate(65 * 1024 * 1024)
    edited(shop, "web/canary/app.yaml", "image: x", "image: 1")
    assert found(shop, ends=2) == [
        "web/canary/app.yaml:11 error kubernetes/schema",
        "web/canary/huge.yaml:0 error render/fails",
    ]


def test_a_tool_that_is_not_there_is_trouble_of_the_machine_and_no_finding(shop: Path, tmp_path: Path) -> None:
    written(shop, {"web/canary/kustomization.yaml": "resources: [app.yaml]\n"})
    edited(shop, "trimtab.yaml", "    rendering: plain\n", "")
    git = tmp_path / "bin"
    git.mkdir()
    done = CliRunner().invoke(check_command, ["--repo", str(shop), "--no-cache"], env={"PATH": str(git)})
    assert isinstance(done.exception, Unavailable) and done.exception.exit_code == 6 and not done.stdout
    assert str(done.exception).startswith("there is neither `kustomize` nor `kubectl` on PATH")


@pytest.mark.parametrize(
    ("provider", "line", "said"),
    [
        ("appmesh:v1beta2", 7, "spec.provider is 'appmesh:v1beta2', which Trimtab does not route"),
        ("gatewayapi:v1", 7, "Name the Gateway in spec.service.gatewayRefs"),
        ("kubernetes", 0, ""),
    ],
)
def test_a_canary_that_its_provider_cannot_route_is_an_error(shop: Path, provider: str, line: int, said: str) -> None:
    canary = """apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: web}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: web-canary}
  # who routes
  provider: PROVIDER
  service: {port: 80}
  analysis: {interval: 1m, threshold: 1, iterations: 1}
"""
    written(shop, {"web/canary/canary.yaml": canary.replace("PROVIDER", provider)})
    told = json.loads(ran(shop, "-o", "json", ends=2 if line else 0).stdout)["findings"]
    assert [(one["check"], one["line"]) for one in told] == ([("document/canary", line)] if line else [])
    assert not said or said in told[0]["problem"]
