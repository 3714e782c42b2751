"""From `trimtab init` to promoted and to rolled back: the workflows' own lines, a real shell, forge, API server, kustomize and helm."""

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.testbed.node import Node
from cluster.testbed.plane import ControlPlane
from pipeline.programs import linked
from pipeline.scaffolded import Measured, Scaffold, contexts
from pipeline.testbed.actions import Job, Runner, machine
from pipeline.testbed.gitea import Gitea
from trimtab import __version__

pytestmark = pytest.mark.pipeline


@pytest.fixture
def scaffold(gitea: Gitea, plane: ControlPlane, node: Node, tmp_path: Path) -> Iterator[Scaffold]:
    """An empty repository and a namespace of the test's own."""
    programs = linked(tmp_path / "bin", "kubectl", "helm")
    variables = machine(tmp_path, f"{programs}:{Path(sys.executable).parent}:/usr/bin:/bin", __version__)
    hosted = gitea.repository(tmp_path / "people")
    hosted.git("remote", "add", "origin", f"{gitea.address}/{hosted.name}.git")
    namespace = f"t-{uuid.uuid4().hex[:8]}"
    plane.kubectl("create", "namespace", namespace)
    with Measured().serving() as measured:
        runner = Runner(tmp_path, f"{gitea.address}/{hosted.name}.git", variables, contexts(gitea, plane, measured))
        yield Scaffold(hosted, plane, measured, runner, namespace)
    plane.kubectl("delete", "namespace", namespace, "--wait=false")


def results(jobs: dict[str, Job]) -> dict[str, str]:
    return {name: job.result for name, job in jobs.items()}


def test_kustomize_from_init_to_promoted_and_to_rolled_back(scaffold: Scaffold) -> None:
    scaffold.init("kustomize")
    ran = scaffold.push("A pipeline")
    assert set(ran) == {"Canary", "Stable"}
    assert results(ran["Stable"]) == {"shared": "success", "stable": "success"}, ran["Stable"]["stable"].text
    assert results(ran["Canary"]) == {"canary": "success", "promote": "success", "rollback": "skipped"}, ran["Canary"]["canary"].text

    canary = "k8s/overlays/production-canary/config.yaml"
    scaffold.edit(canary, "pool_size: 10", "pool_size: 20")
    ran = scaffold.push("A larger pool")
    assert set(ran) == {"Canary"} and ran["Canary"]["promote"].result == "success", ran["Canary"]["promote"].text
    assert "pool_size: 20" in scaffold.configuration("shop-canary") and "pool_size: 10" in scaffold.configuration("shop-stable")
    ran = scaffold.merge()
    assert set(ran) == {"Stable"} and ran["Stable"]["stable"].result == "success", ran["Stable"]["stable"].text
    assert "pool_size: 20" in scaffold.configuration("shop-stable")

    scaffold.measured.percent = 40
    scaffold.edit(canary, "pool_size: 20", "pool_size: 2")
    ran = scaffold.push("A smaller pool")
    assert results(ran["Canary"]) == {"canary": "failure", "promote": "skipped", "rollback": "success"}, ran["Canary"]["rollback"].text
    assert ran["Canary"]["canary"].code("trimtab monitor") == 1
    assert "pool_size: 20" in scaffold.configuration("shop-canary")
    scaffold.started()
    assert "pool_size: 20" in (scaffold.clone / canary).read_text()

    scaffold.runner.contexts["secrets"]["KUBECONFIG"] = "not for this cluster"
    scaffold.edit(canary, "pool_size: 20", "pool_size: 21")
    ran = scaffold.push("While the cluster does not let us in")
    assert results(ran["Canary"]) == {"canary": "failure", "promote": "skipped", "rollback": "skipped"}, ran["Canary"]["canary"].text
