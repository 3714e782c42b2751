"""Real parts that the tests of pipelines share."""

import os
from collections.abc import Iterator

import pytest

from cluster.testbed.binaries import CannotBuild
from pipeline.programs import linked, rules
from pipeline.testbed.gitea import Gitea, gitea_running
from pipeline.testbed.gitea_program import build as build_gitea
from trimtab.wiring.pipeline import Rules


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
def rendering(tmp_path_factory: pytest.TempPathFactory) -> Rules:
    """How things are rendered: with a kubectl and a helm that were built here, and nothing else on PATH."""
    return rules(linked(tmp_path_factory.mktemp("programs") / "bin", "kubectl", "helm"))
