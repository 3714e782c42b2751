"""Which adapter fills which port on one machine. Called by the faces for `up` and all that looks at a state folder."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import aiohttp

from trimtab.adapters.clock import SystemClock
from trimtab.adapters.git.evaluate import Unknown, revision_of
from trimtab.adapters.git.location import locate as locate_source
from trimtab.adapters.git.manifests import Manifests, Workload
from trimtab.adapters.git.process import Git
from trimtab.adapters.git.repository import Repository, Watching, open_repository
from trimtab.adapters.git.snapshot import Recorded, Snapshot, clone_of, of_commit, of_revision, repository_here
from trimtab.adapters.git.sources import GitSources
from trimtab.adapters.local.dataplane import Backend, CopyName
from trimtab.adapters.local.envoy import Address, Envoy
from trimtab.adapters.local.envoy_dataplane import EnvoyDataPlane
from trimtab.adapters.local.envoy_documents import cluster_name
from trimtab.adapters.local.envoy_process import find_program
from trimtab.adapters.local.envoy_router import EnvoyRouter
from trimtab.adapters.local.folder import StateFolder, claim, digest_key, locked, open_folder
from trimtab.adapters.local.node import Node, Surroundings
from trimtab.adapters.local.podfolder import stop_unreadable
from trimtab.adapters.local.store import Store
from trimtab.adapters.local.workloads import LocalWorkloads
from trimtab.adapters.metrics.envoy import EnvoyCounters
from trimtab.adapters.metrics.envoy_scrapes import INTERVAL, EnvoyScrapes
from trimtab.adapters.metrics.measure import MetricSources
from trimtab.adapters.notify.teller import Everywhere, HttpTeller
from trimtab.adapters.notify.webhooks import Webhooks
from trimtab.adapters.outgoing import outgoing_session
from trimtab.config.digest import DigestKey
from trimtab.documents.flagger import Canary
from trimtab.documents.onemachine import counted_by_envoy, refuse_what_cannot_work
from trimtab.documents.translate import MINIMUM_INTERVAL, Companions, translate
from trimtab.errors import InputError, OutsideError
from trimtab.model.content import Content
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName
from trimtab.model.policy import Metric, Policy
from trimtab.model.revision import Revision
from trimtab.model.scrapes import Arm
from trimtab.model.verdict import Sample
from trimtab.ports import Outside
from trimtab.wiring.rendition import rendition

__all__ = [
    "Machine", "Moment", "Snapshot", "UpOptions", "machine", "snapshots", "stop_leftovers",
]  # fmt: skip

PLAIN_LOOK = 0.5
"""Seconds between two looks for a newer commit, for Deployments without a Canary."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What `trimtab up` is told."""

    source: str
    state: Path
    path: str = ""
    target: str = ""
    """`APP/TARGET` of a `trimtab.yaml`; empty for the folder itself."""
    branch: str = ""
    poll: float | None = None
    minimum_interval: timedelta = MINIMUM_INTERVAL
    metrics_server: str = ""
    event_webhook: str = ""
    metrics_address: str = ""
    """Where the face serves metrics: `HOST:PORT`."""
    prune: bool = False
    images: Mapping[str, Sequence[str]] | None = None


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine that is up: the ports, and the parts that the face shows or ends."""

    outside: Outside
    sources: GitSources
    store: Store
    envoy: Envoy
    node: Node
    counters: EnvoyCounters

    def addresses(self) -> Mapping[tuple[str, str], Address]:
        """Where each Service is reached."""
        return self.envoy.addresses()

    async def totals(self, key: CanaryKey, policy: Policy, copy: str, since: datetime) -> tuple[int, int]:
        """Requests and server errors of a copy since a moment."""
        cluster = cluster_name(Backend(key.namespace, policy.service.name, CopyName(copy)), policy.service.port)
        found = await self.counters.totals(cluster, since)
        return found.requests, found.errors

    async def stop(self) -> None:
        """Drains and stops every pod, then Envoy."""
        await self.node.stop_all()
        await self.envoy.stop()


@dataclass(frozen=True, slots=True)
class Moment:
    """Where names of commits and revisions are looked up. `repo` None: the repository around here, else the clone of the state folder."""

    state: Path
    repo: Path | None
    path: str


@asynccontextmanager
async def machine(options: UpOptions, report: Callable[[str], None]) -> AsyncIterator[Machine]:
    """Everything that `up` needs, with its tasks running; pods and Envoy go on when the block is left.

    `report` hears what people should know. InputError where the source, or this machine, will not do.
    """
    location = await locate_source(options.source, options.path, Git())  # before anything is made
    folder = open_folder(options.state)
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        stack.enter_context(locked(folder))
        claim(folder, str(location))
        find_program(os.environ)
        session = await stack.enter_async_context(outgoing_session())
        key = digest_key(folder)
        watching = Watching(options.source, options.path, options.branch, options.poll, target=options.target)
        repository = await open_repository(watching, folder.repository, Git(), rendition)
        sources = GitSources(repository, partial(translate_here, options), key, clock, prune=options.prune)
        await sources.start()
        store = Store(folder.database)
        stack.push_async_callback(store.close)
        await store.keys()  # a database that will not do is found out before anything runs
        envoy = Envoy(folder.path / "envoy", session, partial(find_program, os.environ))
        around = Surroundings(
            EnvoyDataPlane(envoy), session, clock, sources.contents, partial(service_variables, envoy), options.images or {}, report
        )
        node = Node(folder.path, around)
        await envoy.start()
        counters = EnvoyCounters(session, envoy.admin_address, clock, folder.path / "metrics")
        read_secret = partial(secret_of, sources)
        teller = HttpTeller(session, clock, read_secret, Everywhere(event_webhook=options.event_webhook))
        built_in = None if options.metrics_server else partial(envoy_sample, counters)
        metrics = MetricSources(
            session, clock, read_secret, options.metrics_server, built_in, envoy=EnvoyScrapes(counters, counted_as)
        )  # fmt: skip
        outside = Outside(
            sources, LocalWorkloads(node), EnvoyRouter(envoy), metrics, Webhooks(session, clock), teller, store, clock
        )  # fmt: skip
        made = Machine(outside, sources, store, envoy, node, counters)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(part)
                for part in (node.run(), teller.run(), counters.run(), envoy.supervise(), plain(made, options, key, report))
            ]
            try:
                yield made
            finally:
                for task in tasks:
                    task.cancel()


async def stop_leftovers(folder: Path, report: Callable[[str], None]) -> int:
    """Drains and stops the pods and the Envoy that an `up` left behind; how many pods there were. InputError while an `up` runs."""
    state = open_folder(folder)
    with locked(state):
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            envoy = Envoy(state.path / "envoy", session, partial(find_program, os.environ))

            async def no_contents(key: CanaryKey, revision: Revision) -> Sequence[Content]:
                return ()

            around = Surroundings(EnvoyDataPlane(envoy), session, SystemClock(), no_contents, partial(service_variables, envoy), {}, report)
            strangers = stop_unreadable(state.path, report)
            node = Node(state.path, around)
            count = strangers + sum(len(copies.pods) for copies in node.copies.values())
            async with asyncio.TaskGroup() as group:
                running = group.create_task(node.run())
                await node.stop_all()
                running.cancel()
            await envoy.stop()
    return count


async def snapshots(names: Sequence[str], moment: Moment) -> tuple[Snapshot, ...]:
    """What each of these commits or recorded revisions holds. InputError for a name that means nothing."""
    state = StateFolder(moment.state) if (moment.state / "repo").is_dir() else None
    known = await recorded(state.database) if state is not None else {}
    # Without a key of this installation fingerprints are only good for telling two values of this one call apart.
    key = digest_key(state) if state is not None else DigestKey("once", secrets.token_bytes(32))
    found = []
    for name in names:
        if state is not None and name in known:
            found.append(await of_revision(await clone_of(state.repository, rendition), known[name], key))
        else:
            found.append(await of_commit(await repository_of(moment, state), name, key))
    return tuple(found)


async def repository_of(moment: Moment, state: StateFolder | None) -> Repository:
    """Where commits are looked up: what was named, else the repository around here, else what `up` follows."""
    if moment.repo is None and state is not None and not any((folder / ".git").exists() for folder in (Path.cwd(), *Path.cwd().parents)):
        return await clone_of(state.repository, rendition)
    return await repository_here(str(moment.repo or Path.cwd()), moment.path, rendition)


async def recorded(database: Path) -> dict[str, Recorded]:
    """Every revision that an attempt on record is about, by id."""
    store = Store(database)
    try:
        states = [state for key in await store.keys() for state in await store.history(key)]
    finally:
        await store.close()
    found: dict[str, Recorded] = {}
    for state in states:
        if (run := state.rollout) is not None:
            found[run.to.id] = Recorded(state.key, run.policy.target, run.to, run.origin.commit)
            if run.before is not None:
                found.setdefault(run.before.id, Recorded(state.key, run.policy.target, run.before))
    return found


def translate_here(options: UpOptions, canary: Canary, companions: Companions) -> Policy:
    """The rules of a Canary, if they can be followed without a cluster."""
    refuse_what_cannot_work(canary)
    made = translate(canary, companions, options.minimum_interval)
    server = made.analysis.counted_at or made.metrics_server or options.metrics_server
    return made if server else replace(made, analysis=counted_by_envoy(made.analysis, INTERVAL))


def service_variables(envoy: Envoy, namespace: str) -> dict[str, str]:
    """How pods find Services, as Kubernetes tells them: `WEB_SERVICE_HOST`, `WEB_SERVICE_PORT`."""
    found: dict[str, str] = {}
    for (space, service), address in envoy.addresses().items():
        if space == namespace:
            name = service.upper().replace("-", "_")
            found |= {f"{name}_SERVICE_HOST": "127.0.0.1", f"{name}_SERVICE_PORT": str(address.actual)}
    return found


async def secret_of(sources: GitSources, namespace: str, name: str) -> Mapping[str, bytes]:
    """The values of a Secret of the source; empty where there is none."""
    content = sources.manifests.configs.get((namespace, ConfigName(ConfigKind.SECRET, name)))
    return content.data if content is not None else {}


async def envoy_sample(counters: EnvoyCounters, key: CanaryKey, policy: Policy, metric: Metric, since: datetime, copy: Arm) -> Sample:
    """A built-in metric of a copy, from Envoy's counters."""
    return await counters.sample(metric, counted_as(key, policy, copy), since)


def counted_as(key: CanaryKey, policy: Policy, arm: Arm) -> str:
    """Envoy's name for the pods of a copy."""
    return cluster_name(Backend(key.namespace, policy.service.name, CopyName(arm.value)), policy.service.port)


async def plain(made: Machine, options: UpOptions, key: DigestKey, report: Callable[[str], None]) -> None:
    """Keeps Deployments without a Canary as the newest commit has them; with `--prune` stops what it has no more (L6)."""
    workloads, commit, trouble = made.outside.workloads, "", ""
    assert isinstance(workloads, LocalWorkloads)
    while True:
        manifests = made.sources.manifests
        try:
            if manifests.commit != commit:
                held = await targets(made.store)
                await place([found for found in manifests.without_canary() if owner(found) not in held], made, workloads, key, report)
                commit, trouble = manifests.commit, ""
            if options.prune:
                await prune(made)
        except (OutsideError, InputError) as problem:
            if str(problem) != trouble:
                trouble = str(problem)
                report(trouble)
        await asyncio.sleep(PLAIN_LOOK)


async def prune(made: Machine) -> None:
    """Pods of what the source does not have any more are stopped; then nobody listens for their Services."""
    manifests = made.sources.manifests
    known = set(manifests.known())
    # A pass that began before may have wanted them once more.
    for orphan in set(made.node.keys()) - known - {owner(found) for found in manifests.without_canary()}:
        made.node.forget(orphan)
    idle = set(made.envoy.addresses()) - made.node.services()
    if not idle:
        return
    # Whoever has a Service exposed has a manifest and a record before that.
    known |= {*made.node.keys()}
    states = await made.store.states()
    idle -= {(state.key.namespace, state.policy.service.name) for state in states if state.policy is not None and state.key in known}
    idle -= {(found.namespace, front[0]) for found in manifests.without_canary() if (front := service_for(manifests, found)) is not None}
    for namespace, name in sorted(idle):
        await made.envoy.withdraw(namespace, name)


async def targets(store: Store) -> set[CanaryKey]:
    """Workloads that were rolled out by a Canary: they stay as it left them, also when the source does not have it any more (S5)."""
    return {CanaryKey(state.key.namespace, state.policy.target.name) for state in await store.states() if state.policy is not None}


async def place(
    found: Sequence[Workload], made: Machine, workloads: LocalWorkloads, key: DigestKey, report: Callable[[str], None]
) -> None:  # fmt: skip
    """Every Deployment without a Canary, behind the Service that selects it. One that misses something stays as it is."""
    manifests = made.sources.manifests
    for workload in found:
        try:
            revision = revision_of(manifests, workload, key)
        except Unknown as problem:
            report(f"{owner(workload)} is left as it is: {problem}")
            continue
        service = service_for(manifests, workload)
        if service is not None:
            await made.envoy.expose(workload.namespace, service[0], service[2])
        count = 1 if workload.replicas is None else workload.replicas
        workloads.set_plain(owner(workload), revision, count, service[:2] if service else None)


def owner(workload: Workload) -> CanaryKey:
    """By what the pods of a Deployment without a Canary are known."""
    return CanaryKey(workload.namespace, workload.name)


def service_for(manifests: Manifests, workload: Workload) -> tuple[str, str, int] | None:
    """The Service in front of a workload: name, target port, port."""
    metadata = workload.template.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    for (namespace, name), service in manifests.services.items():
        spec = service.view.spec
        selects = isinstance(labels, Mapping) and spec.selector and all(labels.get(k) == v for k, v in spec.selector.items())
        if namespace == workload.namespace and selects and spec.ports:
            return name, str(spec.ports[0].target_port or spec.ports[0].port), spec.ports[0].port
    return None
