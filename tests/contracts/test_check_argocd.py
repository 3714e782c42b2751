"""Applications of Argo CD that targets name: `trimtab check` finds what `monitor` would wait for in vain."""

from pathlib import Path

import pytest

from contracts.test_check_change import found, ran
from contracts.test_check_command import edited, shop
from contracts.test_pipeline_project import written

__all__ = ["shop"]

APPLICATION = """apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: web-NAME, namespace: argocd}
spec:
  project: default
  source:
    repoURL: https://git.example.com/us/shop.git
    targetRevision: main
    path: web/NAME
  destination: {server: "https://kubernetes.default.svc"}
  syncPolicy:
    automated:
      selfHeal: true
---
"""
FILE = "argocd/applications.yaml"


@pytest.fixture
def gitops(shop: Path) -> Path:
    for name in ("canary", "stable"):
        edited(shop, "trimtab.yaml", f"path: web/{name}\n", f"path: web/{name}\n      argocd: {{application: web-{name}}}\n")
    written(shop, {FILE: "".join(APPLICATION.replace("NAME", name) for name in ("canary", "stable"))})
    return shop


def test_applications_that_bring_their_targets_are_fine_and_so_are_those_that_are_elsewhere(gitops: Path) -> None:
    assert found(gitops) == []
    (gitops / FILE).unlink()
    assert found(gitops) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "place", "said"),
    [
        ("trimtab.yaml", "web-canary", "web-cnary", "warning trimtab.yaml:11", "Did you mean web-canary?"),
        (FILE, "name: web-canary", "name: web-cnary", "warning trimtab.yaml:11", "Did you mean web-cnary?"),
        (FILE, "path: web/canary", "path: web/cnary", f"error {FILE}:9", "deploys web/cnary, not web/canary"),
        (
            FILE,
            "targetRevision: main\n    path: web/canary",
            "targetRevision: mian\n    path: web/canary",
            f"error {FILE}:9",
            "follows mian",
        ),
    ],
)
def test_a_name_folder_or_branch_that_does_not_fit_is_told(gitops: Path, file: str, old: str, new: str, place: str, said: str) -> None:
    edited(gitops, file, old, new)
    assert found(gitops, ends=2 if "error" in place else 0) == [f"{place} document/argocd"]
    assert said in ran(gitops).stdout


def test_what_argo_cd_would_pass_over_is_an_error(gitops: Path) -> None:
    text = (gitops / FILE).read_text()
    (gitops / FILE).write_text(text.replace("selfHeal", "selfheal", 1))
    assert found(gitops, ends=2) == [f"error {FILE}:13 document/argocd"]
    assert "did you mean selfHeal?" in ran(gitops).stdout
    (gitops / FILE).write_text(text.replace("kind: Application", "kind: Aplication", 1))
    assert found(gitops, ends=2) == [f"error {FILE}:2 document/argocd", "warning trimtab.yaml:11 document/argocd"]
    (gitops / FILE).write_text(text.replace("source:", "source: [", 1))
    assert [line.rpartition(" ")[2] for line in found(gitops, ends=2)] == ["yaml/parses"]


def test_what_makes_names_elsewhere_says_nothing(gitops: Path) -> None:
    edited(gitops, "trimtab.yaml", "web-canary", "web-cnary")
    made = "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: all}\nspec: {}\n"
    written(gitops, {"argocd/set.yaml": made, "charts/a/templates/application.yaml": "apiVersion: argoproj.io/v1alpha1\nx: [{{ a }\n"})
    assert found(gitops) == []
