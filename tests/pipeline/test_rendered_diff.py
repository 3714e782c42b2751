"""`trimtab diff` as a process, over what Kustomize and Helm really render to."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.test_rendering_helm import FILES
from pipeline.test_rendering_kustomize import tree, written
from pipeline.trees import commit, founding
from trimtab.wiring.pipeline import Rules

pytestmark = pytest.mark.pipeline

PIPELINE = """apiVersion: trimtab.dev/v1alpha1
kind: Pipeline
metadata: {name: x}
spec:
  apps:
  - name: web
    targets: [{name: canary, path: canary}]
"""


def diff(folder: Path, how: Rules, *words: str) -> subprocess.CompletedProcess[str]:
    return trimtab(folder, how, "diff", *words)


def trimtab(folder: Path, how: Rules, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{how.tools.path}:/usr/bin:/bin", "TRIMTAB_FINGERPRINT_KEY": "k"}
    command = [sys.executable, "-m", "trimtab", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done


def test_an_edit_of_a_generator_is_a_change_of_keys_and_its_readers_restart(tmp_path: Path, rendering: Rules) -> None:
    written(tree(tmp_path), {"trimtab.yaml": PIPELINE})
    commit(tmp_path, "before")
    written(tmp_path, {"base/config.yaml": "pool: 50\n", "base/secret.env": "PIN=0815\n"})
    done = diff(tmp_path, rendering, "HEAD")
    lines = done.stdout.splitlines()
    assert lines[1:3] == ["  configmap/settings  base/config.yaml:1", "    config.yaml: pool: 5 -> 50 (x10)"]
    assert lines[3] == "  secret/passwords  base/secret.env:1" and lines[4].startswith("    PIN: fingerprint ")
    assert lines[5:] == ["  affects deployment/eu-web-canary: restarts"]
    assert "4711" not in done.stdout and "0815" not in done.stdout
    assert done.stderr.splitlines() == [f"in {tmp_path / 'trimtab.yaml'}", "HEAD -> the work tree"]


DIFFERENCES = {
    "strategy-1": {"log_level": ("info", "debug"), "database.pool_size": ("10", "20"), "feature_flags.new_ui": ("false", "true")},
    "strategy-3": {"log_level": ("info", "debug"), "database.pool_size": ("20", "30"), "feature_flags.newUI": ("false", "true")},
    "strategy-4": {"log_level": ("info", "debug"), "database.pool_size": ("10", "20"), "feature_flags.new_ui": ("false", "true")},
}
"""What the founding document means by each pair of its targets."""


@pytest.mark.parametrize("strategy", DIFFERENCES)
def test_the_difference_between_the_founding_documents_targets_is_what_it_says(strategy: str, tmp_path: Path, rendering: Rules) -> None:
    names = ("myapp/production" if strategy == "strategy-3" else "myapp/stable", "myapp/canary")
    found = json.loads(diff(founding(strategy, tmp_path), rendering, *names, "-o", "json").stdout)
    every = [change for one in found["comparisons"][0]["objects"] for change in one["changes"]]
    changes = {one["path"]: (one["old"], one["new"]) for one in every if one["key"] == "config.yaml"}
    assert changes == DIFFERENCES[strategy]


@pytest.mark.parametrize(("strategy", "tool"), [("strategy-1", "kubectl"), ("strategy-3", "helm"), ("strategy-4", "kubectl")])
def test_render_prints_the_founding_documents_targets_with_their_places(strategy: str, tool: str, tmp_path: Path, rendering: Rules) -> None:
    done = trimtab(founding(strategy, tmp_path), rendering, "render", "myapp/canary")
    assert f"objects by {tool} v" in done.stderr
    documents = done.stdout.split("---\n")
    (config,) = [text for text in documents if "kind: ConfigMap" in text]
    assert "log_level: debug" in config and config.startswith("# ") and (tmp_path / config[2:].partition(":")[0]).is_file()


def test_two_values_files_of_a_chart_are_compared_by_what_they_render_to(tmp_path: Path, rendering: Rules) -> None:
    written(tmp_path, FILES)
    done = diff(tmp_path, rendering, "one.yaml", "one.yaml,two.yaml", "--chart", "chart")
    assert done.stdout.splitlines()[1:] == ["  configmap/settings  chart/templates/config.yaml:6", "    LOG: warn -> debug"]
    assert "helm v" in done.stdout
