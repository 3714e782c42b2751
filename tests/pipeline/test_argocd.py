"""A real Argo CD and a real Gitea: when it is said that an Application runs a commit, the cluster has the commit's objects."""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from cluster.testbed.node import Node
from contracts.git_places import QUIET
from pipeline.programs import linked
from pipeline.testbed.argocd import NAMESPACE, ArgoCD
from pipeline.testbed.gitea import ADMIN, Gitea, Hosted, Refused
from trimtab.documents.pipeline import ArgoApplication
from trimtab.errors import InputError
from trimtab.promotion.outcome import Outcome, Word
from trimtab.wiring.argocd import Look, State, Wanted, following, notify

pytestmark = pytest.mark.pipeline

BASE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  progressDeadlineSeconds: 3
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      containers:
      - {name: main, image: "app:1", envFrom: [{configMapRef: {name: settings}}]}
"""
OVERLAY = "resources: [deployment.yaml]\nconfigMapGenerator:\n- {name: settings, literals: [%s]}\n"
LIMIT = timedelta(seconds=90)
PIPELINE = """apiVersion: trimtab.dev/v1alpha1
kind: Pipeline
metadata: {{name: shop}}
spec:
  apps:
  - name: shop
    rendering: kustomize
    namespace: {name}
    monitor: {{duration: 1s, interval: 1s, timeout: 90s}}
    targets:
    - {{name: canary, path: canary, argocd: {{application: {name}, namespace: {argocd}}}}}
"""


@dataclass
class Deployed:
    """An Application of the test's own, and the repository that it follows."""

    argocd: ArgoCD
    hosted: Hosted
    name: str

    def push(self, path: str, text: str) -> str:
        """A commit on main."""
        commit = self.hosted.commit(path, text, login=ADMIN)
        self.hosted.push("main", login=ADMIN)
        return commit

    def settings(self, *literals: str) -> str:
        """Other settings."""
        return self.push("canary/kustomization.yaml", OVERLAY % ", ".join(literals))

    async def includes(self, commit: str, revision: str) -> bool:
        """By the clone."""
        try:
            self.hosted.git("merge-base", "--is-ancestor", commit, revision)
            return True
        except Refused:
            return False

    @asynccontextmanager
    async def followed(self, commit: str, within: timedelta = LIMIT) -> AsyncIterator[AsyncIterator[Look]]:
        """The looks at it, by the product."""
        address = f"{self.hosted.server.address}/{self.hosted.name}.git"
        wanted = Wanted(NAMESPACE, self.name, commit, "main", address, "canary")
        kubeconfig = str(self.argocd.plane.kubeconfig)
        async with following(kubeconfig, "", lambda revision: self.includes(commit, revision), wanted) as follower:
            yield follower.follow(within)

    async def looks(self, commit: str, within: timedelta = LIMIT) -> list[Look]:
        """All of them."""
        async with self.followed(commit, within) as looks:
            return [look async for look in looks]

    def live(self) -> dict[str, str]:
        """What the pods are to read, in the cluster."""
        kubectl = self.argocd.plane.kubectl
        deployment = json.loads(kubectl("get", "deployment", "app", f"--namespace={self.name}", "-o", "json"))
        reference = deployment["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"]
        found: dict[str, str] = json.loads(kubectl("get", "configmap", reference, f"--namespace={self.name}", "-o", "json"))["data"]
        return found


@pytest.fixture
def deployed(argocd: ArgoCD, node: Node, gitea: Gitea, tmp_path: Path) -> Iterator[Deployed]:
    name = f"t-{uuid.uuid4().hex[:8]}"
    made = Deployed(argocd, gitea.repository(tmp_path / "clone"), name)
    argocd.plane.kubectl("create", "namespace", name)
    made.hosted.commit("canary/deployment.yaml", BASE, login=ADMIN)
    made.settings("limit=1")
    argocd.application(name, f"{gitea.address}/{made.hosted.name}.git", "canary", name)
    yield made
    argocd.remove(name)
    argocd.plane.kubectl("delete", "namespace", name, "--wait=false")


async def test_when_it_runs_a_commit_the_cluster_has_its_content_each_time(deployed: Deployed) -> None:
    for number in range(2, 5):
        commit = deployed.settings(f"limit={number}")
        looks = await deployed.looks(commit)
        assert looks[-1].state is State.RUNNING and looks[-1].revision == commit, looks
        assert deployed.live() == {"limit": str(number)}


async def test_a_commit_that_changes_no_object_arrives_too_and_a_later_one_will_do(deployed: Deployed) -> None:
    first = deployed.settings("limit=2")
    assert (await deployed.looks(first))[-1].state is State.RUNNING
    same = deployed.push("README.md", "# nothing that is rendered\n")
    assert (await deployed.looks(same))[-1].revision == same
    looks = await deployed.looks(first)
    assert looks[-1].state is State.RUNNING and looks[-1].revision == same and "which contains it" in looks[-1].reason


async def test_a_rollback_is_noticed_above_its_application_until_the_next_commit_is_followed(deployed: Deployed) -> None:
    def shown() -> dict[str, str]:
        raw = deployed.argocd.plane.kubectl("get", "applications.argoproj.io", deployed.name, f"--namespace={NAMESPACE}", "-o", "json")
        return {name: text for name, text in json.loads(raw)["metadata"].get("annotations", {}).items() if name.startswith("notice.")}

    around = {"KUBECONFIG": str(deployed.argocd.plane.kubeconfig)}
    place = ArgoApplication(application=deployed.name, namespace=NAMESPACE)
    back = Outcome(Word.ROLLED_BACK, "canary has what stable has again", "shop", "canary")
    assert await notify(place, replace(back, word=Word.NOTHING), around) == "" and not shown()
    assert await notify(place, back, around) == ""
    assert shown() == {
        "notice.argocd.argoproj.io/content": "Trimtab: canary has what stable has again",
        "notice.argocd.argoproj.io/severity": "warning",
    }
    assert (await deployed.looks(deployed.settings("limit=2")))[-1].state is State.RUNNING
    assert not shown()
    missing = ArgoApplication(application="nobody", namespace=NAMESPACE)
    assert "there is no Application" in await notify(missing, back, around)


async def test_a_tree_that_does_not_render_is_waited_out_until_it_does(deployed: Deployed) -> None:
    assert (await deployed.looks(deployed.settings("limit=2")))[-1].state is State.RUNNING
    broken = deployed.push("canary/kustomization.yaml", "resources: [nothing-here.yaml]\n")
    looks: list[Look] = []
    async with deployed.followed(broken) as following_it:
        async for look in following_it:
            looks.append(look)
            if "cannot compare" in look.reason and "nothing-here.yaml" in look.reason:
                break
    assert looks and all(look.state is State.WAITING for look in looks)
    mended = deployed.settings("limit=3")
    assert (await deployed.looks(mended))[-1].state is State.RUNNING and deployed.live() == {"limit": "3"}


async def test_pods_that_do_not_get_ready_are_degraded_and_not_before_the_commit_arrived(deployed: Deployed) -> None:
    assert (await deployed.looks(deployed.settings("limit=2")))[-1].state is State.RUNNING
    looks = await deployed.looks(deployed.settings("limit=3", "lab.ready=never"))
    assert looks[-1].state is State.DEGRADED and "Degraded" in looks[-1].reason, looks
    assert any("Progressing" in look.reason for look in looks)
    assert (await deployed.looks(deployed.settings("limit=4")))[-1].state is State.RUNNING


async def test_what_the_cluster_refuses_is_final_with_its_words(deployed: Deployed) -> None:
    assert (await deployed.looks(deployed.settings("limit=2")))[-1].state is State.RUNNING
    bad = deployed.push("canary/deployment.yaml", BASE.replace("image: ", "imagePullPolicy: Sometimes, image: "))
    looks = await deployed.looks(bad)
    assert looks[-1].state is State.REFUSED and "imagePullPolicy" in looks[-1].reason, looks


async def test_without_automatic_sync_it_says_who_must_act(deployed: Deployed) -> None:
    assert (await deployed.looks(deployed.settings("limit=2")))[-1].state is State.RUNNING
    deployed.argocd.plane.kubectl(
        "patch", "application", deployed.name, f"--namespace={NAMESPACE}", "--type=merge", "-p", '{"spec": {"syncPolicy": null}}'
    )
    looks = await deployed.looks(deployed.settings("limit=3"), timedelta(seconds=8))
    assert looks[-1].state is State.LATE and "somebody must sync it" in looks[-1].reason, looks
    assert deployed.live() == {"limit": "2"}


async def test_an_application_that_is_left_alone_is_said_at_once(deployed: Deployed) -> None:
    deployed.argocd.plane.kubectl(
        "annotate", "application", deployed.name, f"--namespace={NAMESPACE}", "argocd.argoproj.io/skip-reconcile=true"
    )
    with pytest.raises(InputError, match="Remove it"):
        await deployed.looks("0" * 40)


async def test_what_people_change_meanwhile_in_the_cluster_does_not_deceive(deployed: Deployed) -> None:
    commit = deployed.settings("limit=2")
    assert (await deployed.looks(commit))[-1].state is State.RUNNING
    deployed.argocd.plane.kubectl("scale", "deployment", "app", f"--namespace={deployed.name}", "--replicas=3")
    async with asyncio.timeout(LIMIT.total_seconds()):
        looks = await deployed.looks(commit)
    assert looks[-1].state is State.RUNNING


async def test_monitor_watches_a_commit_once_argo_cd_runs_it_and_its_pods_read_it(deployed: Deployed, tmp_path: Path) -> None:
    deployed.push("trimtab.yaml", PIPELINE.format(name=deployed.name, argocd=NAMESPACE))
    commit = deployed.settings("limit=5")
    known = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "CI_", "TRIMTAB_", "GIT_"))}
    path = f"{linked(tmp_path / 'bin', 'kubectl')}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "trimtab", "monitor", "shop/canary", cwd=deployed.hosted.folder,
        env={**known, **QUIET, "KUBECONFIG": str(deployed.argocd.plane.kubeconfig), "PATH": path},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(150):
        out, errors = await process.communicate()
    told = errors.decode()
    assert process.returncode == 0, told
    assert f"at commit {commit[:10]}" in told and f"the Application {NAMESPACE}/{deployed.name} is synced and healthy" in told
    assert "deployment/app: 1 pods run it" in told and deployed.live() == {"limit": "5"}
    assert "pass" in out.decode()
