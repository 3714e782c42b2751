"""What `trimtab init` writes is clean at once: `trimtab check` passes, over real kustomize and helm, and actionlint finds nothing."""

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from cluster.programs import program
from pipeline.programs import linked
from pipeline.trees import founding, git
from trimtab.faces.cli.main import cli
from trimtab.faces.scaffolds.layout import STRATEGIES

pytestmark = pytest.mark.pipeline
ACTIONLINT = ("github.com/rhysd/actionlint/cmd/actionlint", "v1.7.12")


@pytest.fixture
def programs(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """kubectl and helm on PATH, beside git."""
    monkeypatch.setenv("PATH", f"{linked(tmp_path_factory.mktemp('bin'), 'kubectl', 'helm')}:/usr/bin:/bin")


@pytest.mark.parametrize("ci", ["github", "gitlab"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_is_found_right_after_it(strategy: str, ci: str, tmp_path: Path, programs: None) -> None:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "remote", "add", "origin", "https://github.com/acme/shop.git")
    for words in (("init", strategy, "--yes", "--ci", ci), ("check",)):
        done = CliRunner().invoke(cli, [*words, "--repo", str(tmp_path)])
        assert done.exit_code == 0, done.output
    assert done.stdout.startswith("nothing found in "), done.stdout


@pytest.mark.parametrize(("tree", "strategy"), [("strategy-1", "argocd"), ("strategy-4", "kustomize")])
def test_check_passes_right_after_it_in_the_founding_documents_repositories(
    tree: str, strategy: str, tmp_path: Path, programs: None
) -> None:
    (founding(tree, tmp_path) / "trimtab.yaml").unlink()
    git(tmp_path, "remote", "add", "origin", "https://github.com/acme/shop.git")
    for words in (("init", strategy, "--yes"), ("check",)):
        done = CliRunner().invoke(cli, [*words, "--repo", str(tmp_path)])
        assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("strategy", "promotion"), [*((name, how) for name in STRATEGIES[:3] for how in ("pull-request", "issue")), ("flagger", "")]
)
def test_actionlint_finds_nothing(strategy: str, promotion: str, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "remote", "add", "origin", "https://github.com/acme/shop.git")
    made = CliRunner().invoke(cli, ["init", strategy, "--yes", "--promotion", promotion, "--repo", str(tmp_path)])
    assert made.exit_code == 0, made.output
    done = subprocess.run([program(ACTIONLINT), "-shellcheck="], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
