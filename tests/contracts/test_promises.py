"""Each real adapter keeps the promises of `trimtab.testing.contracts`: SQLite, git and plain folders, processes, Envoy, HTTP."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from trimtab.adapters.clock import SystemClock
from trimtab.adapters.git.process import Git
from trimtab.adapters.git.repository import Watching, open_repository
from trimtab.adapters.git.sources import GitSources
from trimtab.adapters.local import envoy_ports
from trimtab.adapters.local.dataplane import Backend, CopyName, Endpoint
from trimtab.adapters.local.envoy import Envoy
from trimtab.adapters.local.envoy_dataplane import EnvoyDataPlane
from trimtab.adapters.local.envoy_documents import cluster_name
from trimtab.adapters.local.envoy_process import find_program
from trimtab.adapters.local.envoy_router import EnvoyRouter
from trimtab.adapters.local.node import Node, Surroundings
from trimtab.adapters.local.store import Store
from trimtab.adapters.local.workloads import LocalWorkloads
from trimtab.adapters.metrics.envoy import EnvoyCounters
from trimtab.adapters.metrics.measure import MetricSources
from trimtab.adapters.notify.teller import HttpTeller
from trimtab.adapters.notify.webhooks import Webhooks
from trimtab.config.digest import DigestKey
from trimtab.documents.translate import translate
from trimtab.model.content import Content
from trimtab.model.facts import Copy
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName, Target
from trimtab.model.policy import Analysis, Hook, HookType, Match, Metric, MetricKind, Policy, Provider, Service, StringMatch
from trimtab.model.revision import ConfigRef, Revision
from trimtab.model.scrapes import Arm
from trimtab.model.verdict import Sample
from trimtab.testing.contracts import hooks, metrics, router, sources, store, teller, workloads
from trimtab.testing.jumping import JumpingClock
from trimtab.testing.receiver import Receiver, receiver

KEY = CanaryKey("shop", "app")
SECRET = DigestKey("k1", b"k" * 32)
WEB = Path(__file__).parents[1] / "apps" / "web.py"
MATCH = (Match(headers=(StringMatch("x-canary", "exact", "yes"),)),)


def checks(*found: Callable[..., Awaitable[None]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("check", found, ids=[check.__name__ for check in found])


async def until(claim: Callable[[], Awaitable[bool]], seconds: float = 20) -> bool:
    try:
        async with asyncio.timeout(seconds):
            while not await claim():
                await asyncio.sleep(0.01)
    except TimeoutError:
        return False
    return True


# --- Store


class SqliteHarness:
    def __init__(self, path: Path, stack: AsyncExitStack) -> None:
        self.path, self.stack, self.key = path, stack, KEY
        self.store = self.opened()

    def opened(self) -> Store:
        made = Store(self.path, poll=0.01)
        self.stack.push_async_callback(made.close)
        return made

    async def reopened(self) -> Store:
        return self.opened()


@checks(*store.CHECKS, *store.WATCHED)
async def test_the_sqlite_store_keeps_its_promises(check: Callable[[store.Harness], Awaitable[None]], tmp_path: Path) -> None:
    async with AsyncExitStack() as stack, asyncio.timeout(20):
        await check(SqliteHarness(tmp_path / "db", stack))


# --- Sources

MANIFESTS = """
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: app, namespace: shop}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: app}
  service: {port: 80}
  analysis: {interval: 10s, threshold: 2, maxWeight: 50, stepWeight: 10}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, namespace: shop}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      containers:
      - {name: main, image: "app:1", envFrom: [{configMapRef: {name: settings}}]}
"""
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\ndata: {LIMIT: %s}\n"


class FolderHarness:
    """A plain folder, or a repository with each change committed."""

    def __init__(self, folder: Path, git: bool) -> None:
        self.origin, self.clone, self.git, self.key = folder / "origin", folder / "clone", git, KEY
        self.clock = JumpingClock()
        self.origin.mkdir()
        if git:
            self.run("init", "--quiet", "--initial-branch=main")
        (self.origin / "app.yaml").write_text(MANIFESTS)
        (self.origin / "settings.yaml").write_text(SETTINGS % "none")
        self.commit()

    def run(self, *arguments: str) -> None:
        person = {f"GIT_{who}_{what}": "ann" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        subprocess.run(["git", *arguments], cwd=self.origin, env={**os.environ, **person, **alone}, check=True, capture_output=True)

    def commit(self) -> None:
        if self.git:
            self.run("add", "--all")
            self.run("commit", "--quiet", "--allow-empty", "--message", "Change")

    async def restarted(self) -> GitSources:
        repository = await open_repository(Watching(str(self.origin)), self.clone, Git())
        made = GitSources(repository, translate, SECRET, self.clock)
        await made.start()
        return made

    async def write(self, value: str) -> None:
        (self.origin / "settings.yaml").write_text(SETTINGS % value)
        self.commit()
        await self.sources.refresh()

    async def spoil(self) -> None:
        (self.origin / "settings.yaml").unlink()
        self.commit()
        await self.sources.refresh()

    async def made(self) -> "FolderHarness":
        self.sources = await self.restarted()
        return self


class UnseenFolderHarness(FolderHarness):
    """Changes are there for `changes` to find."""

    async def write(self, value: str) -> None:
        (self.origin / "settings.yaml").write_text(SETTINGS % value)
        self.commit()


@pytest.mark.parametrize("git", [True, False], ids=["repository", "folder"])
@checks(*sources.CHECKS)
async def test_git_sources_keep_their_promises(check: Callable[[sources.Harness], Awaitable[None]], git: bool, tmp_path: Path) -> None:
    async with asyncio.timeout(30):
        await check(await FolderHarness(tmp_path, git).made())


@pytest.mark.parametrize("git", [True, False], ids=["repository", "folder"])
async def test_git_sources_notice_a_change(git: bool, tmp_path: Path) -> None:
    async with asyncio.timeout(30):
        await sources.a_change_is_noticed(await UnseenFolderHarness(tmp_path, git).made())


# --- Workloads

TEMPLATE = {
    "spec": {
        "terminationGracePeriodSeconds": 2,
        "containers": [
            {
                "name": "web",
                "command": [sys.executable, "-S", "-E", str(WEB), "/etc/app/greeting"],
                "ports": [{"name": "http", "containerPort": 8080}],
                "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 0.1},
                "volumeMounts": [{"name": "settings", "mountPath": "/etc/app"}],
            }
        ],
        "volumes": [{"name": "settings", "configMap": {"name": "app"}}],
    }
}


class Nowhere:
    """A proxy that nobody asks for anything."""

    async def publish(self, backend: Backend, endpoints: Sequence[Endpoint]) -> None:
        """Takes it."""

    async def active(self, backend: Backend, endpoint: Endpoint) -> int:
        return 0


async def greeting(key: CanaryKey, wanted: Revision) -> Sequence[Content]:
    return (Content(ConfigName(ConfigKind.CONFIG_MAP, "app"), {"greeting": wanted.configs[0].digest.encode()}),)


class ProcessHarness:
    def __init__(self, node: Node) -> None:
        self.node, self.workloads, self.key = node, LocalWorkloads(node), KEY
        self.policy = Policy(Target("Deployment", "app"), Service("app", 80, "http"))
        made = partial(Revision.of, json.dumps(TEMPLATE), "v1:x")
        self.one, self.two = (made((ConfigRef(ConfigName(ConfigKind.CONFIG_MAP, "app"), text),)) for text in ("one", "two"))

    async def settled(self, claim: Callable[[Copy, Copy], bool]) -> tuple[Copy, Copy]:
        async def there() -> bool:
            return claim(*await self.workloads.look(KEY, self.policy)) and len(self.pods()) == sum(
                copy.total for copy in await self.workloads.look(KEY, self.policy)
            )

        await until(there)
        return await self.workloads.look(KEY, self.policy)

    def pods(self) -> frozenset[str]:
        return frozenset(pod.folder.name for name in CopyName for pod in self.node.copy(KEY, name).pods)


@checks(*workloads.CHECKS)
async def test_processes_as_pods_keep_the_promises(check: Callable[[workloads.Harness], Awaitable[None]], tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group, asyncio.timeout(60):
        node = Node(tmp_path, Surroundings(Nowhere(), session, SystemClock(), greeting, lambda _: {}, {}, lambda _: None))
        running = group.create_task(node.run())
        try:
            await check(ProcessHarness(node))
        finally:
            await node.stop_all()
            running.cancel()


# --- Router


def free_port() -> int:
    """Not one of those that the system gives to clients, and rarely one that another test process looks at."""
    first = 15_000 + os.getpid() % 150 * 30
    return next(port for port in range(first, first + 1000) if envoy_ports.free(port))


@asynccontextmanager
async def an_envoy(folder: Path) -> AsyncIterator[tuple[Envoy, aiohttp.ClientSession]]:
    async with aiohttp.ClientSession() as session:
        envoy = Envoy(folder / "envoy", session, lambda: find_program(os.environ))
        try:
            yield envoy, session
        finally:
            await envoy.stop(grace=0.2)


class EnvoyHarness:
    def __init__(self, envoy: Envoy) -> None:
        self.router, self.key = EnvoyRouter(envoy), KEY
        self.policy = Policy(Target("Deployment", "app"), Service("app", free_port()), provider="istio", weights=(10,), match=MATCH)

    def weightless(self) -> Policy:
        return replace(self.policy, provider="kubernetes")


@checks(*router.CHECKS)
async def test_the_envoy_router_keeps_its_promises(check: Callable[[router.Harness], Awaitable[None]], tmp_path: Path) -> None:
    async with an_envoy(tmp_path) as (envoy, _), asyncio.timeout(30):
        await check(EnvoyHarness(envoy))


# --- Metrics

RATE = Metric("request-success-rate", MetricKind.SUCCESS_RATE, "1m", minimum=99.0)
METERED = Policy(Target("Deployment", "app"), Service("app"), analysis=Analysis((RATE,)))


class PrometheusHarness:
    """Asked for a built-in metric, or through a template."""

    probed = True

    def __init__(self, there: Receiver, session: aiohttp.ClientSession, template: bool) -> None:
        self.there, self.clock, self.key = there, JumpingClock(), KEY
        by_template = Metric(
            "rate", MetricKind.TEMPLATE, query="rate", template="rate.shop", provider=Provider("prometheus", there.address)
        )
        self.policy = replace(METERED, analysis=Analysis((by_template if template else RATE,)))

        async def no_secret(namespace: str, name: str) -> Mapping[str, bytes]:
            return {}

        self.metrics = MetricSources(session, self.clock, no_secret, there.address)

    async def says(self, value: float | None) -> None:
        result = [] if value is None else [{"metric": {}, "value": [1, str(value)]}]
        body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})
        self.there.says("/api/v1/query", (200, body))

    async def breaks(self) -> None:
        self.there.says("/api/v1/query", (500, "out of memory\nsee the log"))

    def now(self) -> datetime:
        return self.clock.now()


@pytest.mark.parametrize("template", [True, False], ids=["template", "built-in"])
@checks(*metrics.CHECKS)
async def test_metrics_from_a_prometheus_keep_the_promises(check: Callable[[metrics.Harness], Awaitable[None]], template: bool) -> None:
    async with receiver() as there, aiohttp.ClientSession() as session, asyncio.timeout(20):
        await check(PrometheusHarness(there, session, template))


class EnvoyMetricsHarness:
    """A canary behind Envoy that answers with the status that its path asks for; each value is measured over a time of its own."""

    probed = False

    def __init__(self, envoy: Envoy, session: aiohttp.ClientSession, folder: Path) -> None:
        self.envoy, self.session, self.clock, self.key = envoy, session, JumpingClock(), KEY
        self.policy = replace(METERED, service=Service("app", free_port()))
        self.backend = Backend(KEY.namespace, "app", CopyName.CANARY)
        self.counters = EnvoyCounters(session, envoy.admin_address, self.clock, folder)
        self.metrics = MetricSources(session, self.clock, self.no_secret, "", self.built_in)
        self.since = self.clock.now()

    async def no_secret(self, namespace: str, name: str) -> Mapping[str, bytes]:
        return {}

    async def built_in(self, key: CanaryKey, policy: Policy, metric: Metric, since: datetime, copy: Arm) -> Sample:
        return await self.counters.sample(metric, cluster_name(self.backend, self.policy.service.port), self.since)

    async def says(self, value: float | None) -> None:
        await self.counters.sample(RATE, cluster_name(self.backend, self.policy.service.port), self.since)
        await self.clock.sleep_until(self.clock.now() + timedelta(seconds=120))
        self.since = self.clock.now()
        await self.counters.sample(RATE, cluster_name(self.backend, self.policy.service.port), self.since)
        port = self.envoy.addresses()[KEY.namespace, "app"].canary
        good = round(value or 0)
        for status in [200] * good + [500] * (100 - good) if value is not None else []:
            async with self.session.get(f"http://127.0.0.1:{port}/{status}") as answer:
                assert answer.status == status
        await self.clock.sleep_until(self.clock.now() + timedelta(seconds=1))

    async def breaks(self) -> None:
        await self.envoy.stop(grace=0.1)

    def now(self) -> datetime:
        return self.clock.now()


@checks(*metrics.CHECKS)
async def test_metrics_from_envoys_counters_keep_the_promises(check: Callable[[metrics.Harness], Awaitable[None]], tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]))

    app = web.Application()
    app.router.add_get("/{status}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with an_envoy(tmp_path) as (envoy, session), asyncio.timeout(30):
            made = EnvoyMetricsHarness(envoy, session, tmp_path / "scrapes")
            await envoy.expose(KEY.namespace, "app", made.policy.service.port)
            await EnvoyDataPlane(envoy).publish(made.backend, [Endpoint(runner.addresses[0][1])])
            await check(made)
    finally:
        await runner.cleanup()


# --- Hooks


class WebhookHarness:
    def __init__(self, there: Receiver, session: aiohttp.ClientSession) -> None:
        self.there, self.hooks = there, Webhooks(session, JumpingClock())

    def hook(self, name: str, kind: HookType) -> Hook:
        return Hook(name, kind, f"{self.there.address}/{name}")

    def says(self, hook: Hook, is_open: bool, text: str = "") -> None:
        self.there.says(f"/{hook.name}", (200 if is_open else 403, text))

    def breaks(self, hook: Hook) -> None:
        self.there.cuts(f"/{hook.name}")

    def called(self) -> list[str]:
        return [seen.path.strip("/") for seen in self.there.seen]


@checks(*hooks.CHECKS)
async def test_webhooks_keep_their_promises(check: Callable[[hooks.Harness], Awaitable[None]]) -> None:
    async with receiver() as there, aiohttp.ClientSession() as session, asyncio.timeout(20):
        await check(WebhookHarness(there, session))


# --- Teller


class TellerHarness:
    def __init__(self, there: Receiver, session: aiohttp.ClientSession, group: asyncio.TaskGroup) -> None:
        self.there, self.session, self.group, self.clock, self.key = there, session, group, JumpingClock(), KEY
        self.policy = replace(METERED, hooks=(Hook("events", HookType.EVENT, there.address + "/events"),))
        self.running: list[asyncio.Task[None]] = []
        self.teller = self.at_work()

    def at_work(self) -> HttpTeller:
        async def no_secret(namespace: str, name: str) -> Mapping[str, bytes]:
            return {}

        made = HttpTeller(self.session, self.clock, no_secret)
        self.running.append(self.group.create_task(made.run()))
        return made

    def heard(self) -> list[str]:
        return [seen.told["metadata"]["eventMessage"] for seen in self.there.seen]  # type: ignore[index]

    def away(self, is_away: bool) -> None:
        self.there.says("/events", (503 if is_away else 200, ""))

    async def settled(self, claim: Callable[[], Awaitable[bool]]) -> bool:
        return await until(claim)

    async def restarted(self) -> HttpTeller:
        self.stop()
        return self.at_work()

    def stop(self) -> None:
        for task in self.running:
            task.cancel()

    def now(self) -> datetime:
        return self.clock.now()


@checks(*teller.CHECKS)
async def test_the_teller_keeps_its_promises(check: Callable[[teller.Harness], Awaitable[None]]) -> None:
    async with receiver() as there, aiohttp.ClientSession() as session, asyncio.TaskGroup() as group, asyncio.timeout(20):
        harness = TellerHarness(there, session, group)
        try:
            await check(harness)
        finally:
            harness.stop()
