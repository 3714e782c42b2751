"""`trimtab init`: what it writes, what it recognises, what it asks, and what it never touches."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from pipeline.trees import FOUNDING, git
from trimtab.documents.decode import read_documents
from trimtab.faces.cli.main import cli
from trimtab.faces.scaffolds.layout import STRATEGIES
from trimtab.wiring.pipeline import load

KUSTOMIZE = {
    "trimtab.yaml", "trimtab/policy.yaml", "trimtab/error-rate.yaml", "k8s/base/kustomization.yaml", "k8s/base/deployment.yaml",
    "k8s/overlays/production-canary/kustomization.yaml", "k8s/overlays/production-canary/config.yaml",
    "k8s/overlays/production-stable/kustomization.yaml", "k8s/overlays/production-stable/config.yaml",
    "k8s/shared/kustomization.yaml", "k8s/shared/service.yaml",
    ".github/workflows/check.yaml", ".github/workflows/canary.yaml", ".github/workflows/stable.yaml",
}  # fmt: skip


def init(folder: Path, *words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(cli, ["init", *words, "--repo", str(folder)])
    ended = done.exit_code if done.exception is None or isinstance(done.exception, SystemExit) else getattr(done.exception, "exit_code", 70)
    assert ended == code, (done.output, done.exception)
    return done


def empty(folder: Path, remote: str = "https://github.com/acme/shop.git") -> Path:
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "remote", "add", "origin", remote)
    return folder


def founding(strategy: str, folder: Path) -> Path:
    """A repository of the founding document, as it has it: without a trimtab.yaml."""
    for path in (FOUNDING / strategy).rglob("*"):
        if path.is_file() and path.name != "trimtab.yaml":
            place = folder / path.relative_to(FOUNDING / strategy)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
    return empty(folder)


def files(folder: Path) -> dict[str, str]:
    there = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.relative_to(folder).parts)
    return {path.relative_to(folder).as_posix(): path.read_text() for path in there}


def test_an_empty_repository_gets_everything_under_its_own_name(tmp_path: Path) -> None:
    init(empty(tmp_path), "kustomize", "--yes")
    assert set(files(tmp_path)) == KUSTOMIZE
    project = load(tmp_path)
    (app,) = project.document.spec.apps
    assert (app.name, [target.name for target in app.targets]) == ("shop", ["canary", "stable", "shared"])
    assert len(project.policies) == len(project.metrics) == 1


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    init(empty(tmp_path), "kustomize", "--yes")
    before = files(tmp_path)
    done = init(tmp_path, "kustomize", "--yes", "-o", "json")
    assert {file["fate"] for file in json.loads(done.stdout)["files"]} == {"same"} and files(tmp_path) == before


def test_a_file_that_differs_is_shown_and_stays(tmp_path: Path) -> None:
    (empty(tmp_path) / "trimtab.yaml").write_text("mine: 1\n")
    done = init(tmp_path, "kustomize", "--yes", code=2)
    assert "-mine: 1\n" in done.stderr and "+kind: Pipeline\n" in done.stderr and "kept      trimtab.yaml" in done.stdout
    assert (tmp_path / "trimtab.yaml").read_text() == "mine: 1\n" and set(files(tmp_path)) == KUSTOMIZE
    done = init(tmp_path, "kustomize", "--yes", "--force")
    assert "-mine: 1\n" in done.stderr and "kind: Pipeline" in (tmp_path / "trimtab.yaml").read_text()


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    done = init(empty(tmp_path), "kustomize", "--yes", "--dry-run")
    assert "would be written   trimtab.yaml" in done.stdout and files(tmp_path) == {}


def test_without_a_terminal_nothing_is_guessed(tmp_path: Path) -> None:
    done = init(empty(tmp_path), "kustomize", code=2)
    assert "--yes" in str(done.exception) and files(tmp_path) == {}


def test_a_person_is_asked_and_may_keep_a_file(tmp_path: Path) -> None:
    (empty(tmp_path) / "trimtab.yaml").write_text("mine: 1\n")
    ours, theirs = pty.openpty()
    answers = ["kustomize", "web", "", "", "99999", "9090", "", "", "push", "", "n"]
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    command = [sys.executable, "-m", "trimtab", "init", "--repo", str(tmp_path)]
    done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, timeout=60, check=False)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 2, done.stderr
    assert "Replace trimtab.yaml?" in done.stderr and (tmp_path / "trimtab.yaml").read_text() == "mine: 1\n"
    deployment = yaml.safe_load((tmp_path / "k8s/base/deployment.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert (deployment["metadata"]["name"], container["image"], container["ports"][0]["containerPort"]) == ("web", "web:1.0.0", 9090)


@pytest.mark.parametrize(
    ("strategy", "kind", "namespace"), [("strategy-1", "argocd", "production"), ("strategy-4", "kustomize", "production")]
)
def test_the_founding_documents_overlays_are_recognised_and_kept(strategy: str, kind: str, namespace: str, tmp_path: Path) -> None:
    before = files(founding(strategy, tmp_path))
    init(tmp_path, kind, "--yes")
    after = files(tmp_path)
    assert before.items() <= after.items() and not [path for path in after if path not in before and path.startswith(("k8s/", "apps/"))]
    (app,) = load(tmp_path).document.spec.apps
    (expected,) = read_documents((FOUNDING / strategy / "trimtab.yaml").read_text())
    (theirs,) = expected.value.spec.apps  # type: ignore[union-attr]
    assert (app.name, app.namespace) == (theirs.name, namespace)
    assert [(target.name, target.path, target.from_) for target in app.targets] == [
        (target.name, target.path, target.from_) for target in theirs.targets
    ]


def test_of_several_apps_one_has_to_be_named(tmp_path: Path) -> None:
    for name in ("cart", "shop"):
        for target in ("canary", "stable"):
            folder = tmp_path / "apps" / name / "overlays" / target
            folder.mkdir(parents=True)
            (folder / "kustomization.yaml").write_text("namespace: production\n")
    done = init(empty(tmp_path), "kustomize", "--yes", code=2)
    assert "cart: apps/cart/overlays/canary" in str(done.exception)
    init(tmp_path, "kustomize", "--yes", "--app", "cart")
    assert load(tmp_path).app("cart").targets[0].path == "apps/cart/overlays/canary"


@pytest.mark.parametrize(
    "words", [("--app", "Shop;ls"), ("--namespace", "a b"), ("--image", "x'y"), ("--prometheus", "ftp://x"), ("--branch", "-x")]
)
def test_what_would_mean_something_else_in_a_workflow_is_refused(words: tuple[str, ...], tmp_path: Path) -> None:
    init(empty(tmp_path), "kustomize", "--yes", *words, code=2)
    assert files(tmp_path) == {}


def test_a_folder_with_a_hostile_name_is_refused(tmp_path: Path) -> None:
    for target in ("canary", "stable"):
        folder = tmp_path / "a$(ls)" / target
        folder.mkdir(parents=True)
        (folder / "kustomization.yaml").write_text("namespace: production\n")
        (folder / "app.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop}\n")
    before = files(empty(tmp_path))
    done = init(tmp_path, "kustomize", "--yes", code=2)
    assert "'a$(ls)/canary' safely" in str(done.exception) and files(tmp_path) == before


def test_a_link_out_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (empty(inside) / "trimtab").symlink_to(outside)
    done = init(inside, "kustomize", "--yes", code=2)
    assert "leads out of the repository" in str(done.exception) and files(outside) == {} == files(inside)


def test_every_strategy_can_be_asked_for() -> None:
    assert set(STRATEGIES) == {"kustomize", "helm", "argocd", "flagger"}
