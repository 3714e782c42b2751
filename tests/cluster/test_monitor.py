"""A pipeline's canary for real: its pods on an API server, its counters in a Prometheus, judged against stable, promoted or rolled back."""

import asyncio
import json
import os
import socket
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cluster.closed_world import is_bad, prometheus, serving
from cluster.testbed.api import Api
from cluster.testbed.node import Node
from cluster.testbed.plane import ControlPlane
from contracts.git_places import PERSON, QUIET, commit, git, shared
from pipeline.programs import linked

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
RIGHTS: list[Raw] = [
    {"apiGroups": ["apps"], "resources": ["deployments", "replicasets"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
]
"""What docs/pipelines.md says that a pipeline needs, and nothing else."""
EACH = 300
"""Requests of a pod in a second, of which two of a hundred fail."""
PIPELINE = """apiVersion: trimtab.dev/v1alpha1
kind: Pipeline
metadata: {{name: shop}}
spec:
  apps:
  - name: shop
    rendering: kustomize
    namespace: {namespace}
    monitor: {{prometheus: "{prometheus}", duration: 5s, interval: 1s, timeout: 1m}}
    targets:
    - {{name: canary, path: overlays/canary, policy: policy.yaml}}
    - {{name: stable, path: overlays/stable, from: canary, promotion: {{by: push}}}}
"""
POLICY = """apiVersion: trimtab.dev/v1alpha1
kind: RolloutPolicy
metadata: {name: shop}
spec:
  judge: {scrapeInterval: 1s, history: 5m}
"""
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: app, image: app, envFrom: [{configMapRef: {name: app-config}}]}]}
"""
OVERLAY = """apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: {namespace}
resources: [../../base]
nameSuffix: -{target}
labels: [{{includeSelectors: true, pairs: {{track: {target}}}}}]
configMapGenerator:
- {{name: app-config, files: [config.yaml]}}
"""


@dataclass
class Users:
    """Requests to every pod, counted whenever somebody looks; pods that run bad content fail many."""

    api: Api
    node: Node
    namespace: str
    counted: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    since: float = field(default_factory=lambda: asyncio.get_running_loop().time())

    async def metrics(self, request: web.Request) -> web.Response:
        now = asyncio.get_running_loop().time()
        sent, self.since = round(EACH * (now - self.since)), now
        for pod in await self.api.list("Pod", self.namespace):
            seen = self.node.saw.get(pod["metadata"]["uid"])
            if seen is not None:
                failed = sent * (0.4 if is_bad(seen[2]) else 0.02)
                self.counted[pod["metadata"]["name"], "500"] += round(failed)
                self.counted[pod["metadata"]["name"], "200"] += sent - round(failed)
        lines = [
            f'http_request_duration_seconds_count{{namespace="{self.namespace}",pod="{pod}",status="{status}"}} {count}'
            for (pod, status), count in self.counted.items()
        ]
        return web.Response(text="\n".join((*lines, "")))


@dataclass
class Pipeline:
    """A clone, a kubeconfig that may do what the page says, and kubectl for who deploys."""

    plane: ControlPlane
    clone: Path
    origin: Path
    environment: dict[str, str]

    def configure(self, target: str, log_level: str) -> None:
        """Somebody changes a target on main, and it is deployed."""
        commit(self.clone, f"log {log_level} in {target}", {f"overlays/{target}/config.yaml": f"log_level: {log_level}\n"})
        git(self.clone, "push", "--quiet", "origin", "HEAD:main")
        self.deploy(target)

    def deploy(self, target: str) -> None:
        self.plane.kubectl("apply", "-k", str(self.clone / "overlays" / target))

    async def trimtab(self, *words: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "trimtab", *words, cwd=self.clone, env=self.environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(120):
            out, errors = await process.communicate()
        return process.returncode or 0, out.decode(), errors.decode()


@asynccontextmanager
async def pipeline(folder: Path, plane: ControlPlane, node: Node, api: Api, namespace: str) -> AsyncIterator[Pipeline]:
    """Both targets run the same, and are asked by users."""
    path = linked(folder / "bin", "kubectl")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    files = {
        "trimtab.yaml": PIPELINE.format(namespace=namespace, prometheus=f"http://{address}"), "policy.yaml": POLICY,
        "base/deployment.yaml": DEPLOYMENT, "base/kustomization.yaml": "resources: [deployment.yaml]\n",
    }  # fmt: skip
    for target in ("canary", "stable"):
        files[f"overlays/{target}/kustomization.yaml"] = OVERLAY.format(namespace=namespace, target=target)
        files[f"overlays/{target}/config.yaml"] = "log_level: info\n"
    origin, clone = shared(folder, files)
    async with serving(Users(api, node, namespace).metrics) as port, prometheus(folder, address, port):
        known = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "CI_", "TRIMTAB_", "GIT_"))}
        rights = {"KUBECONFIG": str(plane.account(namespace, "pipeline", RIGHTS)), "PATH": f"{path}:{os.environ['PATH']}"}
        made = Pipeline(plane, clone, origin, {**known, **QUIET, **PERSON, **rights, "GITHUB_RUN_ID": "100"})
        made.deploy("stable")
        made.deploy("canary")
        yield made


async def test_a_good_change_is_promoted_on_its_evidence_and_a_bad_one_goes_back(
    tmp_path: Path, plane: ControlPlane, node: Node, api: Api, namespace: str
) -> None:
    async with pipeline(tmp_path, plane, node, api, namespace) as here:
        here.configure("canary", "debug")
        code, out, errors = await here.trimtab("monitor", "shop")
        assert code == 0, out + errors
        assert "Good enough to promote" in out and "2 pods run it" in errors
        proof = json.loads((here.clone / "evidence.json").read_text())
        assert {one["of"] for one in proof["sums"]} == {"canary", "stable"} and min(one["total"] for one in proof["sums"]) > 0
        code, out, errors = await here.trimtab("promote", "--evidence", "evidence.json")
        assert code == 0, out + errors
        git(here.clone, "pull", "--quiet", "origin", "main")
        assert (here.clone / "overlays/stable/config.yaml").read_text() == "log_level: debug\n"
        here.deploy("stable")
        code, out, errors = await here.trimtab("monitor", "shop/stable", "--evidence", "stable.json")
        assert code == 0 and "nothing is measured here" in out, out + errors

        here.configure("canary", "trace")
        code, out, errors = await here.trimtab("monitor", "shop")
        assert code == 1 and "Rolled back after" in out, out + errors
        assert (await here.trimtab("promote", "--evidence", "evidence.json"))[0] == 1
        code, out, errors = await here.trimtab("rollback", "--evidence", "evidence.json")
        assert code == 0, out + errors
        assert git(here.origin, "show", "main:overlays/canary/config.yaml") == "log_level: debug"
