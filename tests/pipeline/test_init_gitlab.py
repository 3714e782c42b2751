"""From `trimtab init --ci gitlab` to promoted and to rolled back: gitlab-ci-local runs the jobs, with their rules and needs, in a shell."""

import pytest

from pipeline.scaffolded import Scaffold, results
from pipeline.testbed.gitlab_ci import GitLabRunner

pytestmark = pytest.mark.pipeline


def test_kustomize_from_init_to_promoted_by_push_and_to_rolled_back(scaffold: Scaffold, gitlab: GitLabRunner) -> None:
    scaffold.runner = gitlab
    jobs = scaffold.begin("kustomize", "gitlab", "push")["pipeline"]
    assert results(jobs) == {"shared": "success", "canary": "success", "promote": "success", "stable": "success"}, jobs["canary"].text

    canary = "k8s/overlays/production-canary/config.yaml"
    gitlab.own = False
    proposed = scaffold.check(canary, "pool_size: 10", "pool_size: 20")
    assert results(proposed) == {"check": "success"} and "pool_size: 10 -> 20" in proposed["check"].text, proposed["check"].text
    assert "judged by the rules of origin/main, for it comes from another repository" in proposed["check"].text
    scaffold.edit(canary, "pool_size: 10", "pool_size: 20")
    jobs = scaffold.push("A larger pool")["pipeline"]
    assert results(jobs) == {"canary": "success", "promote": "success"}, jobs["canary"].text
    assert "pool_size: 20" in scaffold.configuration("shop-canary") and "pool_size: 10" in scaffold.configuration("shop-stable")
    jobs = scaffold.started()["pipeline"]
    assert results(jobs) == {"shared": "success", "stable": "success"}, jobs["stable"].text
    assert "pool_size: 20" in scaffold.configuration("shop-stable")

    scaffold.edit(canary, "pool_size: 20", "pool_size: 2")
    jobs = scaffold.push("A smaller pool")["pipeline"]
    assert results(jobs) == {"canary": "failure", "rollback": "success"}, jobs["canary"].text
    assert "pool_size: 20" in scaffold.configuration("shop-canary")


def test_helm_from_init_to_promoted_and_to_rolled_back(scaffold: Scaffold, gitlab: GitLabRunner) -> None:
    scaffold.runner = gitlab
    jobs = scaffold.begin("helm", "gitlab")["pipeline"]
    assert set(results(jobs).values()) == {"success"} and set(jobs) == {"canary", "promote", "stable", "remove-canary"}, jobs["canary"].text
    assert scaffold.workloads() == ["shop"]

    canary = "charts/shop/values-canary.yaml"
    proposed = scaffold.check(canary, "poolSize: 10", "poolSize: 200")
    assert results(proposed) == {"check": "failure"} and "got 200, want 100" in proposed["check"].text, proposed["check"].text
    scaffold.edit(canary, "poolSize: 10", "poolSize: 20")
    jobs = scaffold.push("A larger pool")["pipeline"]
    assert results(jobs) == {"canary": "success", "promote": "success"}, jobs["canary"].text
    assert "poolSize: 20" in scaffold.configuration("shop-canary") and "poolSize: 10" in scaffold.configuration("shop")
    jobs = scaffold.merge()["pipeline"]
    assert results(jobs) == {"stable": "success", "remove-canary": "success"}, jobs["stable"].text
    assert "poolSize: 20" in scaffold.configuration("shop") and scaffold.workloads() == ["shop"]

    scaffold.edit(canary, "poolSize: 20", "poolSize: 2")
    jobs = scaffold.push("A smaller pool")["pipeline"]
    assert results(jobs) == {"canary": "failure", "rollback": "success"}, jobs["canary"].text
    assert scaffold.started() == {}
    assert "poolSize: 20" in (scaffold.clone / canary).read_text() and scaffold.workloads() == ["shop"]
