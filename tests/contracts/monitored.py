"""A repository whose canary is watched: what the cluster and the metric server say about it, each as a test wants it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from contracts.fake_prometheus import FakePrometheus
from contracts.git_places import PERSON, QUIET, commit, git, shared

Raw = dict[str, Any]
RUN = {"GITHUB_RUN_ID": "100", "GITHUB_SERVER_URL": "https://git.example.org", "GITHUB_REPOSITORY": "a/b", "GITHUB_ACTOR": "ada"}
MAKER, WRITTEN, STARTED = "shop-canary-5b8", "2026-01-02T03:00:00Z", "2026-01-02T03:00:05Z"
PIPELINE = """apiVersion: trimtab.dev/v1alpha1
kind: Pipeline
metadata: {{name: shop}}
spec:
  apps:
  - name: shop
    namespace: production
    monitor: {{duration: {duration}, interval: 100ms, timeout: {timeout}, prometheus: "{prometheus}", smoke: {smoke}}}
    targets:
    - {{name: canary, path: canary, policy: policy.yaml, metrics: [metric.yaml]}}
    - {{name: stable, path: stable, from: canary, promotion: {{by: push}}}}
"""
POLICY = """apiVersion: trimtab.dev/v1alpha1
kind: RolloutPolicy
metadata: {name: careful}
spec:
  analysis:
    threshold: 2
    metrics:
    - {name: error-rate, templateRef: {name: error-rate}, thresholdRange: {max: 1}}
"""
METRIC = """apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: error-rate}
spec:
  provider: {type: prometheus, address: "http://prometheus.monitoring:9090"}
  query: 'errors{deployment="{{ target }}",namespace="{{ namespace }}"}'
"""
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: app-config-{target}}}\ndata: {{pool: '{pool}'}}\n"
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {{name: shop-{target}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: shop, track: {target}}}}}
  template:
    metadata: {{labels: {{app: shop, track: {target}}}}}
    spec: {{containers: [{{name: app, image: app, envFrom: [{{configMapRef: {{name: app-config-{target}}}}}]}}]}}
"""


def files(prometheus: str, *, duration: str = "300ms", timeout: str = "10s", smoke: str = "[]") -> dict[str, str]:
    """The repository; more of it is up to the test."""
    pipeline = PIPELINE.format(prometheus=prometheus, duration=duration, timeout=timeout, smoke=smoke)
    found = {"trimtab.yaml": pipeline, "policy.yaml": POLICY, "metric.yaml": METRIC}
    for target, pool in (("canary", 20), ("stable", 10)):
        found |= {f"{target}/config.yaml": CONFIG.format(target=target, pool=pool), f"{target}/app.yaml": DEPLOYMENT.format(target=target)}
    return found


def deployed(target: str = "canary", pool: str = "20", *, started: str = STARTED) -> dict[str, Raw]:
    """A cluster that runs a target: its objects by their paths in the API."""
    name, space = f"shop-{target}", "namespaces/production"
    app: Raw = yaml.safe_load(DEPLOYMENT.format(target=target))
    app["metadata"] |= {"namespace": "production", "uid": f"uid-{name}", "generation": 1}
    app["status"] = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    config: Raw = yaml.safe_load(CONFIG.format(target=target, pool=pool))
    config["metadata"] |= {"namespace": "production", "creationTimestamp": WRITTEN}
    maker = {"metadata": {"name": f"{name}-5b8", "namespace": "production", "creationTimestamp": started}}
    pods = [pod(f"{name}-5b8-{letter * 5}", started, target) for letter in "ab"]
    return {
        f"/apis/apps/v1/{space}/deployments/{name}": app,
        f"/api/v1/{space}/configmaps/app-config-{target}": config,
        f"/apis/apps/v1/{space}/replicasets/{name}-5b8": maker,
        **{f"/api/v1/{space}/pods/{one['metadata']['name']}": one for one in pods},
    }


def pod(name: str, started: str, target: str = "canary") -> Raw:
    """One that is ready."""
    owner = {"kind": "ReplicaSet", "name": name.rpartition("-")[0], "uid": "uid-maker"}
    about = {"name": name, "namespace": "production", "creationTimestamp": started, "labels": {"app": "shop", "track": target}}
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {**about, "ownerReferences": [owner]}, "status": ready}


@dataclass
class World:
    """What everybody outside answers, until somebody changes it."""

    objects: dict[str, Raw] = field(default_factory=deployed)
    value: float | None = 0.2
    """Of the metric; None is an empty answer."""
    bad_between: tuple[float, float] = (0, 0)
    """Moments between which the metric was above its limit, for those who ask about the past."""
    down: bool = False
    """The metric server answers with 503."""
    refuses: frozenset[str] = frozenset()
    """Parts of API paths that nobody may read."""
    asked: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    meanwhile: Callable[["World"], object] = lambda world: None
    """Called at each query."""
    counted: FakePrometheus = field(default_factory=FakePrometheus)
    """What the metric server answers where counters are asked for."""
    server: str = ""

    async def patched(self, request: web.Request) -> web.StreamResponse:
        """Argo CD looks at git as soon as it is asked to, so the annotation is gone at once."""
        self.asked.append(f"PATCH {request.path}")
        return web.json_response(self.objects[request.path])

    async def api(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if any(part in request.path for part in self.refuses):
            return web.json_response(
                {"kind": "Status", "status": "Failure", "reason": "Forbidden", "message": "no", "code": 403}, status=403
            )
        if request.path.endswith("/pods"):
            wanted = dict(part.split("=") for part in request.query["labelSelector"].split(","))
            found = [one for path, one in self.objects.items() if "/pods/" in path and wanted.items() <= one["metadata"]["labels"].items()]
            return web.json_response({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": found})
        if request.path not in self.objects:
            gone = {"kind": "Status", "status": "Failure", "reason": "NotFound", "message": "gone", "code": 404}
            return web.json_response({**gone, "details": {"name": request.path.rpartition("/")[2]}}, status=404)
        return web.json_response(self.objects[request.path])

    async def prometheus(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(request.query["query"])
        self.tokens.append(request.headers.get("Authorization", ""))
        self.meanwhile(self)
        if self.down:
            return web.Response(status=503, text="starting up")
        past = self.bad_between[0] <= float(request.query.get("time", "inf")) < self.bad_between[1]
        result = [] if self.value is None else [{"metric": {}, "value": [1, "7" if past else str(self.value)]}]
        return web.json_response({"status": "success", "data": {"resultType": "vector", "result": result}})

    async def counters(self, request: web.Request) -> web.StreamResponse:
        self.meanwhile(self)
        return web.Response(status=503, text="starting up") if self.down else await self.counted.answer(request)

    async def home(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"ready": True, "pools": [{"size": 20}]}, headers={"X-App": "shop"})


@asynccontextmanager
async def outside(world: World) -> AsyncIterator[World]:
    """API server, metric server and canary on loopback, until the block is left."""
    app = web.Application()
    app.router.add_get("/prometheus/api/v1/query", world.prometheus)
    app.router.add_post("/prometheus/api/v1/query", world.counters)
    app.router.add_patch("/{path:api.*}", world.patched)
    app.router.add_get("/home", world.home)
    app.router.add_get("/{path:api.*}", world.api)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    world.server = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield world
    finally:
        await runner.cleanup()


@dataclass
class Watched:
    """A clone with a kubeconfig beside it."""

    folder: Path
    origin: Path
    clone: Path
    world: World
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Variables that the pipeline has."""

    @property
    def kubeconfig(self) -> str:
        return str(self.folder / "kubeconfig")

    def change(self, message: str, **more: str) -> str:
        made = commit(self.clone, message, more)
        git(self.clone, "push", "--quiet", "origin", "HEAD:main")
        return made

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        strange = ("GITHUB_", "CI_", "TRIMTAB_", "GITLAB_", "GIT_")
        plain = {name: value for name, value in os.environ.items() if not name.startswith(strange)}
        return {**plain, **QUIET, **PERSON, **RUN, "KUBECONFIG": self.kubeconfig, **self.secrets, **(more or {})}

    async def started(self, *words: str, environment: Mapping[str, str] | None = None) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "trimtab", *words, cwd=self.clone, env=self.environment(environment),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    async def trimtab(self, *words: str, environment: Mapping[str, str] | None = None) -> "Said":
        process = await self.started(*words, environment=environment)
        async with asyncio.timeout(60):
            out, errors = await process.communicate()
        return Said(process.returncode or 0, out.decode(), errors.decode())

    def evidence(self) -> Raw:
        found: Raw = json.loads((self.clone / "evidence.json").read_text())
        return found


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    errors: str


def place(folder: Path, world: World, **options: str) -> Watched:
    """The repository and a kubeconfig of this world."""
    origin, clone = shared(folder, files(f"{world.server}/prometheus", **options))
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": world.server}}],
        "users": [{"name": "ci", "user": {"token": "t"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "ci"}}],
    }  # fmt: skip
    (folder / "kubeconfig").write_text(json.dumps(config))
    return Watched(folder, origin, clone, world)
