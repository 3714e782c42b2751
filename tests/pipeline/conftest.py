"""Real parts that the tests of pipelines share."""

import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.conftest import built, node, plane
from cluster.testbed.binaries import CannotBuild
from cluster.testbed.node import Node
from cluster.testbed.plane import ControlPlane
from pipeline.programs import linked, rules
from pipeline.scaffolded import Scaffold, contexts
from pipeline.testbed.actions import Runner, machine
from pipeline.testbed.argocd import ArgoCD, argocd_running
from pipeline.testbed.argocd_program import build as build_argocd
from pipeline.testbed.gitea import Gitea, gitea_running
from pipeline.testbed.gitea_program import build as build_gitea
from pipeline.testbed.gitlab_ci import GitLabRunner
from pipeline.testbed.gitlab_ci import build as build_gitlab_ci
from pipeline.testbed.measured import prometheus_running
from trimtab import __version__
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


@pytest.fixture(scope="session")
def prometheus(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that knows how the pods do; skips where there is none, but never where CI is set."""
    try:
        with prometheus_running(node, tmp_path_factory.mktemp("prometheus")) as address:
            yield address
    except CannotBuild as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no Prometheus: {error}")


@pytest.fixture
def scaffold(gitea: Gitea, plane: ControlPlane, prometheus: str, tmp_path: Path) -> Iterator[Scaffold]:
    """An empty repository and a namespace of the test's own."""
    programs = linked(tmp_path / "bin", "kubectl", "helm")
    variables = machine(tmp_path, f"{programs}:{Path(sys.executable).parent}:/usr/bin:/bin", __version__)
    hosted = gitea.repository(tmp_path / "people")
    hosted.git("remote", "add", "origin", f"{gitea.address}/{hosted.name}.git")
    namespace = f"t-{uuid.uuid4().hex[:8]}"
    runner = Runner(tmp_path, f"{gitea.address}/{hosted.name}.git", variables, contexts(gitea, plane, prometheus))
    yield Scaffold(hosted, plane, runner, namespace)
    plane.kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


@pytest.fixture
def gitlab(scaffold: Scaffold, tmp_path: Path) -> GitLabRunner:
    """A runner for the pipelines of GitLab CI of the same repository; skips where there is none, but never where CI is set."""
    try:
        build_gitlab_ci()
    except CannotBuild as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no gitlab-ci-local: {error}")
    other = scaffold.runner
    assert isinstance(other, Runner)
    project = {
        "KUBECONFIG": str(scaffold.plane.kubeconfig),
        "TRIMTAB_FORGE_TOKEN": other.contexts["github"]["token"],
        **other.contexts["vars"],
    }
    return GitLabRunner(tmp_path, other.remote, other.variables, project)
