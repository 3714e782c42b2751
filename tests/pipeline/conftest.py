"""Real parts that the tests of pipelines share."""

import os
import shutil
from collections.abc import Iterator

import pytest

from cluster.conftest import built, node, plane
from cluster.testbed.binaries import CannotBuild
from cluster.testbed.plane import ControlPlane
from pipeline.programs import linked, rules
from pipeline.testbed.argocd import ArgoCD, argocd_running
from pipeline.testbed.argocd_program import build as build_argocd
from pipeline.testbed.gitea import Gitea, gitea_running
from pipeline.testbed.gitea_program import build as build_gitea
from trimtab.wiring.pipeline import Rules

__all__ = ["argocd", "built", "gitea", "node", "plane"]


@pytest.fixture(scope="session")
def gitea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    """A Gitea for the session; skips where there is none, but never where CI is set."""
    try:
        build_gitea()
    except CannotBuild as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no Gitea: {error}")
    with gitea_running(tmp_path_factory.mktemp("gitea")) as running:
        yield running


@pytest.fixture(scope="session")
def argocd(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArgoCD]:
    """An Argo CD on the session's control plane; skips where there is none, but never where CI is set."""
    try:
        build_argocd()
        if shutil.which("redis-server") is None:
            raise CannotBuild("there is no redis-server")
    except CannotBuild as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no Argo CD: {error}")
    with argocd_running(plane, tmp_path_factory.mktemp("argocd")) as running:
        yield running


@pytest.fixture(scope="session")
def rendering(tmp_path_factory: pytest.TempPathFactory) -> Rules:
    """How things are rendered: with a kubectl and a helm that were built here, and nothing else on PATH."""
    return rules(linked(tmp_path_factory.mktemp("programs") / "bin", "kubectl", "helm"))
