"""From `trimtab init` to promoted and to rolled back: the workflows' own lines, real forge, API server, Prometheus, kustomize, helm.

GitLab's pipelines of the same kinds are in test_init_gitlab.py, and here where one repository has both.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.testbed.process import Process
from pipeline.scaffolded import Scaffold, results
from pipeline.testbed.actions import Runner
from pipeline.testbed.argocd import NAMESPACE, ArgoCD
from pipeline.testbed.gitlab_ci import GitLabRunner

pytestmark = pytest.mark.pipeline


def test_kustomize_from_init_to_promoted_and_to_rolled_back(scaffold: Scaffold) -> None:
    ran = scaffold.begin("kustomize")
    assert set(ran) == {"Canary", "Stable"}
    assert results(ran["Stable"]) == {"shared": "success", "stable": "success"}, ran["Stable"]["stable"].text
    assert results(ran["Canary"]) == {"canary": "success", "promote": "success", "rollback": "skipped"}, ran["Canary"]["canary"].text

    canary = "k8s/overlays/production-canary/config.yaml"
    proposed = scaffold.check(canary, "pool_size: 10", "pool_size: 20")["check"]
    assert proposed.result == "success" and "from another repository" not in proposed.text, proposed.text
    assert isinstance(scaffold.runner, Runner) and "pool_size: 10 -> 20" in scaffold.runner.summary
    scaffold.runner.own = False
    broken = scaffold.check(canary, "pool_size: 10", "pool_size: [10")["check"]
    assert broken.code("trimtab check") == 2 and f"{canary}:" in broken.text
    assert "judged by the rules of origin/main, for it comes from another repository" in broken.text

    scaffold.edit(canary, "pool_size: 10", "pool_size: 20")
    ran = scaffold.push("A larger pool")
    assert set(ran) == {"Canary"} and ran["Canary"]["promote"].result == "success", ran["Canary"]["promote"].text
    assert "pool_size: 20" in scaffold.configuration("shop-canary") and "pool_size: 10" in scaffold.configuration("shop-stable")
    ran = scaffold.merge()
    assert set(ran) == {"Stable"} and ran["Stable"]["stable"].result == "success", ran["Stable"]["stable"].text
    assert "pool_size: 20" in scaffold.configuration("shop-stable")

    scaffold.edit(canary, "pool_size: 20", "pool_size: 2")
    ran = scaffold.push("A smaller pool")
    assert results(ran["Canary"]) == {"canary": "failure", "promote": "skipped", "rollback": "success"}, ran["Canary"]["rollback"].text
    assert ran["Canary"]["canary"].code("trimtab monitor") == 1
    assert "pool_size: 20" in scaffold.configuration("shop-canary")
    assert results(scaffold.started()["Canary"]) == dict.fromkeys(("canary", "promote", "rollback"), "skipped")
    assert "pool_size: 20" in (scaffold.clone / canary).read_text()
    looked(scaffold, "kustomize")

    scaffold.runner.contexts["secrets"]["KUBECONFIG"] = "not for this cluster"
    scaffold.edit(canary, "pool_size: 20", "pool_size: 21")
    ran = scaffold.push("While the cluster does not let us in")
    assert results(ran["Canary"]) == {"canary": "failure", "promote": "skipped", "rollback": "skipped"}, ran["Canary"]["canary"].text


def test_helm_from_init_to_promoted_by_an_approved_issue_and_to_rolled_back(scaffold: Scaffold) -> None:
    ran = scaffold.begin("helm", promotion="issue")
    assert results(ran["Canary"]) == {"canary": "success", "promote": "success", "rollback": "skipped"}, ran["Canary"]["canary"].text
    assert results(ran["Stable"]) == {"stable": "success", "remove-canary": "success"}, ran["Stable"]["stable"].text

    canary = "charts/shop/values-canary.yaml"
    proposed = scaffold.check(canary, "poolSize: 10", "poolSize: 200")["check"]
    assert proposed.code("helm lint") == 1, proposed.text
    scaffold.edit(canary, "poolSize: 10", "poolSize: 20")
    ran = scaffold.push("A larger pool")
    assert set(ran) == {"Canary"} and ran["Canary"]["promote"].result == "success", ran["Canary"]["promote"].text
    assert "poolSize: 20" in scaffold.configuration("shop-canary") and "poolSize: 10" in scaffold.configuration("shop")
    ran = scaffold.approve()
    assert results(ran["Stable"]) == {"stable": "success", "remove-canary": "success"}, ran["Stable"]["stable"].text
    assert "poolSize: 20" in scaffold.configuration("shop") and scaffold.workloads() == ["shop"]

    scaffold.edit(canary, "poolSize: 20", "poolSize: 2")
    ran = scaffold.push("A smaller pool")
    assert results(ran["Canary"]) == {"canary": "failure", "promote": "skipped", "rollback": "success"}, ran["Canary"]["rollback"].text
    assert results(scaffold.started()["Canary"]) == dict.fromkeys(("canary", "promote", "rollback"), "skipped")
    assert "poolSize: 20" in (scaffold.clone / canary).read_text() and scaffold.workloads() == ["shop"]
    looked(scaffold, "helm")


def test_argocd_from_init_to_promoted_by_gitlab_after_an_approved_issue_and_to_rolled_back_by_github(
    argocd: ArgoCD, scaffold: Scaffold, gitlab: GitLabRunner
) -> None:
    scaffold.begin("argocd", "both", "issue")
    github, scaffold.runner = scaffold.runner, gitlab
    try:
        canary = "apps/shop/overlays/canary/config.yaml"
        scaffold.edit(canary, "pool_size: 10", "pool_size: 20")
        jobs = scaffold.push("A larger pool")["pipeline"]
        assert results(jobs) == {"canary": "success", "promote": "success"}, jobs["canary"].text
        assert "pool_size: 20" in scaffold.configuration("shop-canary") and "pool_size: 10" in scaffold.configuration("shop-stable")
        jobs = scaffold.approve()["pipeline"]
        assert results(jobs) == {"stable": "success"}, jobs["stable"].text
        assert "pool_size: 20" in scaffold.configuration("shop-stable")

        scaffold.runner = github
        scaffold.edit(canary, "pool_size: 20", "pool_size: 2")
        ran = scaffold.push("A smaller pool")
        assert results(ran["Canary"]) == {"canary": "failure", "promote": "skipped", "rollback": "success"}, ran["Canary"]["canary"].text
        wait_until(lambda: "pool_size: 20" in scaffold.configuration("shop-canary"), "Argo CD follows the rollback")
        assert "canary has what stable has again" in scaffold.plane.kubectl(
            "-n", NAMESPACE, "get", "application", "shop-canary", "-o", "yaml"
        )
        looked(scaffold, "argocd")
    finally:
        scaffold.plane.kubectl("delete", "--wait=false", "-f", str(scaffold.clone / "argocd/applications.yaml"))


def test_flagger_from_init_to_promoted_and_to_rolled_back_by_github_and_by_gitlab(
    scaffold: Scaffold, gitlab: GitLabRunner, prometheus: str, tmp_path: Path
) -> None:
    flags = [f"-kubeconfig={scaffold.plane.kubeconfig}", f"-namespace={scaffold.namespace}", "-port=0", "-minimum-interval=100ms"]
    flags += [f"-leader-election-namespace={scaffold.namespace}", "-mesh-provider=linkerd", f"-metrics-server={prometheus}"]
    started: list[Process] = []
    scaffold.installed = lambda: started.append(Process([sys.executable, "-m", "trimtab", "operator", *flags], tmp_path / "operator.log"))
    try:
        ran, github = scaffold.begin("flagger", "both"), scaffold.runner
        assert results(ran["Deploy"]) == {"deploy": "success"}, ran["Deploy"]["deploy"].text
        scaffold.runner = gitlab
        scaffold.edit("k8s/configmap.yaml", "pool_size: 10", "pool_size: 20")
        jobs = scaffold.push("A larger pool")["pipeline"]
        assert results(jobs) == {"deploy": "success"}, jobs["deploy"].text
        assert "pool_size: 20" in scaffold.configuration("shop-primary")
        scaffold.runner = github
        scaffold.edit("k8s/configmap.yaml", "pool_size: 20", "pool_size: 2")
        ran = scaffold.push("A smaller pool")
        assert ran["Deploy"]["deploy"].said[-1][1] == 1, ran["Deploy"]["deploy"].text
        assert "pool_size: 20" in scaffold.configuration("shop-primary")
    finally:
        for operator in started:
            operator.stop()


def looked(scaffold: Scaffold, strategy: str) -> None:
    _, _, history, _ = scaffold.look(strategy)
    assert "the journal holds" in history and "the database was down" in history


def wait_until(holds: Callable[[], bool], what: str, within: float = 60.0) -> None:
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, what
