"""actionlint finds nothing in the workflows that `trimtab init` writes: expressions, contexts, permissions, shell lines."""

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from cluster.programs import program
from pipeline.trees import git
from trimtab.faces.cli.main import cli
from trimtab.faces.scaffolds.layout import STRATEGIES

pytestmark = pytest.mark.pipeline
ACTIONLINT = ("github.com/rhysd/actionlint/cmd/actionlint", "v1.7.12")


@pytest.mark.parametrize("promotion", ["pull-request", "issue"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_actionlint_finds_nothing(strategy: str, promotion: str, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "remote", "add", "origin", "https://github.com/acme/shop.git")
    made = CliRunner().invoke(cli, ["init", strategy, "--yes", "--promotion", promotion, "--repo", str(tmp_path)])
    assert made.exit_code == 0, made.output
    done = subprocess.run([program(ACTIONLINT), "-shellcheck="], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
