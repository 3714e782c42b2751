"""`trimtab diff` of two targets of one app: what they are meant to differ in is one line, and the place is that of the change."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from contracts.test_pipeline_project import written
from trimtab.errors import InputError
from trimtab.faces.cli.content import diff_command

PIPELINE = """apiVersion: trimtab.dev/v1alpha1
kind: Pipeline
metadata: {name: web}
spec:
  apps:
  - name: web
    keep: [replicas, image, configmap/settings.COLOR]
    targets:
    - {name: canary, path: canary}
    - {name: stable, from: canary, path: stable}
"""
TARGET = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web-TARGET, labels: {track: TARGET}}
spec:
  replicas: COUNT
  selector: {matchLabels: {app: web, track: TARGET}}
  template:
    metadata:
      labels: {app: web, track: TARGET}
      annotations: {checksum/config: COUNT0123456789}
    spec:
      containers: [{name: app, image: "app:COUNT", env: [{name: MODE, value: fast}], envFrom: [{configMapRef: {name: settings-TARGET}}]}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings-TARGET}
data:
  COLOR: cCOUNT
  config.yaml: |
    database:
      host: db
      pool: 10
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n"
DESIGN = (
    "configmap/settings[COLOR], metadata.labels.track, spec.replicas, spec.selector.matchLabels.track, "
    "spec.template.metadata.labels.track, spec.template.metadata.annotations.checksum/config, "
    "spec.template.spec.containers[app].image, service/web"
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    targets = {
        f"{name}/app.yaml": TARGET.replace("TARGET", name).replace("COUNT", count) for name, count in {"canary": "1", "stable": "9"}.items()
    }
    written(tmp_path, {"trimtab.yaml": PIPELINE, "stable/service.yaml": SERVICE, **targets})
    return tmp_path


def diff(place: Path, *words: str) -> Result:
    return CliRunner().invoke(diff_command, [*words, "--repo", str(place)])


def test_what_two_targets_are_meant_to_differ_in_is_one_line(place: Path) -> None:
    title = "web/stable -> web/canary (plain files)\n"
    assert diff(place, "web/stable", "web/canary").stdout == f"{title}  differs by design alone: {DESIGN}\n"
    markdown = diff(place, "web/stable", "web/canary", "-o", "markdown").stdout
    assert "0 changes in 0 objects" in markdown and markdown.count("differs by design") == 1


def test_what_they_are_not_meant_to_differ_in_is_told_beside_it_with_its_own_line(place: Path) -> None:
    file = place / "canary/app.yaml"
    file.write_text(file.read_text().replace("pool: 10", "pool: 20").replace("value: fast", "value: slow"))
    told = diff(place, "web/stable", "web/canary").stdout.splitlines()
    assert told[1:6] == [
        "  configmap/settings  canary/app.yaml:22",
        "    config.yaml: database.pool: 10 -> 20 (x2)",
        "  deployment/web  canary/app.yaml:12",
        "    spec.template.spec.containers[app].env[MODE].value: fast -> slow",
        f"  differs by design: {DESIGN}",
    ]
    assert told[6] == "  affects deployment/web-canary, 1 replica"


def test_programs_get_all_of_it_marked(place: Path) -> None:
    (found,) = json.loads(diff(place, "stable", "canary", "-o", "json").stdout)["comparisons"]
    changes = {
        (change["object"], change["path"] or change["key"]): change["byDesign"] for one in found["objects"] for change in one["changes"]
    }
    assert changes["deployment/web", "spec.replicas"] and changes["configmap/settings", "COLOR"] and all(changes.values())


def test_a_commit_beside_another_is_no_pair_of_targets(place: Path) -> None:
    other = place.parent / "other"
    written(other, {"a/app.yaml": TARGET.replace("COUNT", "1"), "b/app.yaml": TARGET.replace("COUNT", "2")})
    assert "spec.replicas: 1 -> 2 (x2)" in diff(other, "a", "b").stdout


def test_a_target_that_is_not_there_names_the_nearest(place: Path) -> None:
    for words in (("web/stabel", "web/canary"), ("web/canary", "web/stabel")):
        done = diff(place, *words)
        assert isinstance(done.exception, InputError) and "has no target 'stabel'; did you mean stable?" in str(done.exception)
    assert "did you mean web/stable?" in str(diff(place, "web/canary", "wbe/stable").exception)


def test_nobody_speaks_to_the_runner_through_what_changed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = place / "canary/app.yaml"
    file.write_text(file.read_text().replace("value: fast", 'value: "##[error]x"'))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    lines = diff(place, "web/stable", "web/canary").stdout.splitlines()
    assert lines[0].startswith("::stop-commands::") and lines[-1] == f"::{lines[0].removeprefix('::stop-commands::')}::"
    assert any("##[error]x" in line for line in lines[1:-1])
