"""From `trimtab init` to promoted and to rolled back: the workflows' own lines, a real shell, forge, API server, kustomize and helm."""

import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.testbed.binaries import CannotBuild
from cluster.testbed.node import Node
from cluster.testbed.plane import ControlPlane
from cluster.testbed.process import Process
from pipeline.programs import linked
from pipeline.scaffolded import Measured, Scaffold, contexts
from pipeline.testbed.actions import Job, Runner, machine
from pipeline.testbed.argocd import ArgoCD
from pipeline.testbed.gitea import Gitea
from pipeline.testbed.gitlab_ci import GitLabRunner
from pipeline.testbed.gitlab_ci import build as build_gitlab_ci
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
    with Measured().serving() as measured:
        runner = Runner(tmp_path, f"{gitea.address}/{hosted.name}.git", variables, contexts(gitea, plane, measured))
        yield Scaffold(hosted, plane, measured, runner, namespace)
    plane.kubectl("delete", "namespace", namespace, "--wait=false", "--ignore-not-found")


def results(jobs: dict[str, Job]) -> dict[str, str]:
    return {name: job.result for name, job in jobs.items()}


def test_kustomize_from_init_to_promoted_and_to_rolled_back(scaffold: Scaffold) -> None:
    ran = scaffold.begin("kustomize")
    assert set(ran) == {"Canary", "Stable"}
    assert results(ran["Stable"]) == {"shared": "success", "stable": "success"}, ran["Stable"]["stable"].text
    assert results(ran["Canary"]) == {"canary": "success", "promote": "success", "rollback": "skipped"}, ran["Canary"]["canary"].text

    canary = "k8s/overlays/production-canary/config.yaml"
    proposed = scaffold.check(canary, "pool_size: 10", "pool_size: 20")["check"]
    assert proposed.result == "success", proposed.text
    assert "pool_size: 10 -> 20" in scaffold.runner.summary
    broken = scaffold.check(canary, "pool_size: 10", "pool_size: [10")["check"]
    assert broken.code("trimtab check") == 2 and f"{canary}:" in broken.text

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
    looked(scaffold, "kustomize")

    scaffold.runner.contexts["secrets"]["KUBECONFIG"] = "not for this cluster"
    scaffold.edit(canary, "pool_size: 20", "pool_size: 21")
    ran = scaffold.push("While the cluster does not let us in")
    assert results(ran["Canary"]) == {"canary": "failure", "promote": "skipped", "rollback": "skipped"}, ran["Canary"]["canary"].text


def test_helm_from_init_to_promoted_and_to_rolled_back(scaffold: Scaffold) -> None:
    ran = scaffold.begin("helm")
    assert results(ran["Canary"]) == {"canary": "success", "promote": "success", "rollback": "skipped"}, ran["Canary"]["canary"].text
    assert results(ran["Stable"]) == {"stable": "success", "remove-canary": "success"}, ran["Stable"]["stable"].text

    canary = "charts/shop/values-canary.yaml"
    proposed = scaffold.check(canary, "poolSize: 10", "poolSize: 200")["check"]
    assert proposed.code("helm lint") == 1, proposed.text
    scaffold.edit(canary, "poolSize: 10", "poolSize: 20")
    ran = scaffold.push("A larger pool")
    assert set(ran) == {"Canary"} and ran["Canary"]["promote"].result == "success", ran["Canary"]["promote"].text
    assert "poolSize: 20" in scaffold.configuration("shop-canary") and "poolSize: 10" in scaffold.configuration("shop")
    ran = scaffold.merge()
    assert results(ran["Stable"]) == {"stable": "success", "remove-canary": "success"}, ran["Stable"]["stable"].text
    assert "poolSize: 20" in scaffold.configuration("shop") and scaffold.workloads() == ["shop"]

    scaffold.measured.percent = 40
    scaffold.edit(canary, "poolSize: 20", "poolSize: 2")
    ran = scaffold.push("A smaller pool")
    assert results(ran["Canary"]) == {"canary": "failure", "promote": "skipped", "rollback": "success"}, ran["Canary"]["rollback"].text
    scaffold.started()
    assert "poolSize: 20" in (scaffold.clone / canary).read_text() and scaffold.workloads() == ["shop"]
    looked(scaffold, "helm")


def test_argocd_from_init_to_promoted_and_to_rolled_back(argocd: ArgoCD, scaffold: Scaffold) -> None:
    scaffold.begin("argocd")
    try:
        canary = "apps/shop/overlays/canary/config.yaml"
        scaffold.edit(canary, "pool_size: 10", "pool_size: 20")
        ran = scaffold.push("A larger pool")
        assert results(ran["Canary"]) == {"canary": "success", "promote": "success", "rollback": "skipped"}, ran["Canary"]["canary"].text
        assert "pool_size: 20" in scaffold.configuration("shop-canary") and "pool_size: 10" in scaffold.configuration("shop-stable")
        ran = scaffold.merge()
        assert results(ran["Stable"]) == {"stable": "success"}, ran["Stable"]["stable"].text
        assert "pool_size: 20" in scaffold.configuration("shop-stable")

        scaffold.measured.percent = 40
        scaffold.edit(canary, "pool_size: 20", "pool_size: 2")
        ran = scaffold.push("A smaller pool")
        assert results(ran["Canary"]) == {"canary": "failure", "promote": "skipped", "rollback": "success"}, ran["Canary"]["canary"].text
        wait_until(lambda: "pool_size: 20" in scaffold.configuration("shop-canary"), "Argo CD follows the rollback")
        looked(scaffold, "argocd")
    finally:
        scaffold.plane.kubectl("delete", "--wait=false", "-f", str(scaffold.clone / "argocd/applications.yaml"))


def test_flagger_from_init_to_promoted_and_to_rolled_back(scaffold: Scaffold, tmp_path: Path) -> None:
    flags = [f"-kubeconfig={scaffold.plane.kubeconfig}", f"-namespace={scaffold.namespace}", "-port=0", "-minimum-interval=100ms"]
    flags += [f"-leader-election-namespace={scaffold.namespace}", "-mesh-provider=linkerd", f"-metrics-server={scaffold.measured.address}"]
    started: list[Process] = []
    scaffold.installed = lambda: started.append(Process([sys.executable, "-m", "trimtab", "operator", *flags], tmp_path / "operator.log"))
    try:
        ran = scaffold.begin("flagger")
        assert results(ran["Deploy"]) == {"deploy": "success"}, ran["Deploy"]["deploy"].text
        scaffold.edit("k8s/configmap.yaml", "pool_size: 10", "pool_size: 20")
        ran = scaffold.push("A larger pool")
        assert set(ran) == {"Deploy"} and results(ran["Deploy"]) == {"deploy": "success"}, ran["Deploy"]["deploy"].text
        assert "pool_size: 20" in scaffold.configuration("shop-primary")
        scaffold.measured.percent = 40
        scaffold.edit("k8s/configmap.yaml", "pool_size: 20", "pool_size: 2")
        ran = scaffold.push("A smaller pool")
        assert ran["Deploy"]["deploy"].said[-1][1] == 1, ran["Deploy"]["deploy"].text
        assert "pool_size: 20" in scaffold.configuration("shop-primary")
    finally:
        for operator in started:
            operator.stop()


def test_gitlab_from_init_to_promoted_and_to_rolled_back(scaffold: Scaffold, tmp_path: Path) -> None:
    try:
        build_gitlab_ci()
    except CannotBuild as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no gitlab-ci-local: {error}")
    kubeconfig, token = str(scaffold.plane.kubeconfig), scaffold.runner.contexts["github"]["token"]
    project = {"KUBECONFIG": kubeconfig, "TRIMTAB_FORGE_TOKEN": token, "TRIMTAB_PROMETHEUS": scaffold.measured.address}
    scaffold.runner = GitLabRunner(tmp_path, scaffold.runner.remote, scaffold.runner.variables, project)
    jobs = scaffold.begin("kustomize", "gitlab")["pipeline"]
    assert results(jobs) == {"shared": "success", "canary": "success", "promote": "success", "stable": "success"}, jobs["canary"].text

    canary = "k8s/overlays/production-canary/config.yaml"
    proposed = scaffold.check(canary, "pool_size: 10", "pool_size: 20")
    assert results(proposed) == {"check": "success"} and "pool_size: 10 -> 20" in proposed["check"].text, proposed["check"].text
    scaffold.edit(canary, "pool_size: 10", "pool_size: 20")
    jobs = scaffold.push("A larger pool")["pipeline"]
    assert results(jobs) == {"canary": "success", "promote": "success"}, jobs["canary"].text
    assert "pool_size: 20" in scaffold.configuration("shop-canary") and "pool_size: 10" in scaffold.configuration("shop-stable")
    jobs = scaffold.merge()["pipeline"]
    assert results(jobs) == {"shared": "success", "stable": "success"}, jobs["stable"].text
    assert "pool_size: 20" in scaffold.configuration("shop-stable")

    scaffold.measured.percent = 40
    scaffold.edit(canary, "pool_size: 20", "pool_size: 2")
    jobs = scaffold.push("A smaller pool")["pipeline"]
    assert results(jobs) == {"canary": "failure", "rollback": "success"}, jobs["canary"].text
    assert "pool_size: 20" in scaffold.configuration("shop-canary")


def looked(scaffold: Scaffold, strategy: str) -> None:
    _, _, history, _ = scaffold.look(strategy)
    assert "the journal holds" in history and "the database was down" in history


def wait_until(holds: Callable[[], bool], what: str, within: float = 60.0) -> None:
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, what
