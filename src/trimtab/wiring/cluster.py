"""Which adapter fills which port in a cluster. Called by the faces for `operator` and all that looks at a cluster."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from random import SystemRandom
from urllib.parse import urlsplit

import aiohttp

from trimtab.adapters.clock import SystemClock
from trimtab.adapters.kubernetes.adoption import Adoption
from trimtab.adapters.kubernetes.arms import ArmPods
from trimtab.adapters.kubernetes.client import Client, Object, connected
from trimtab.adapters.kubernetes.cluster import Cluster
from trimtab.adapters.kubernetes.companions import alert_now, companions_of, provider_now
from trimtab.adapters.kubernetes.configs import Configs, content_of, digest_key
from trimtab.adapters.kubernetes.connection import connection
from trimtab.adapters.kubernetes.copies import Copies
from trimtab.adapters.kubernetes.definitions import bring_kinds
from trimtab.adapters.kubernetes.events import Events
from trimtab.adapters.kubernetes.kinds import (
    ALERT_PROVIDER,
    CANARY,
    CONFIG_MAP,
    CONFIG_ROLLOUT,
    DAEMON_SET,
    DEPLOYMENT,
    METRIC_TEMPLATE,
    ROLLOUT_COMMAND,
    ROLLOUT_POLICY,
    SECRET,
    SERVICE,
    Kind,
)
from trimtab.adapters.kubernetes.lease import Lease
from trimtab.adapters.kubernetes.mirror import Mirror
from trimtab.adapters.kubernetes.rollouts import trimmed
from trimtab.adapters.kubernetes.routers.follow import RouteFollower
from trimtab.adapters.kubernetes.routers.router import ClusterRouter
from trimtab.adapters.kubernetes.settings import Settings
from trimtab.adapters.kubernetes.sources import ClusterSources
from trimtab.adapters.kubernetes.store import ClusterStore
from trimtab.adapters.kubernetes.vouching import Vouching
from trimtab.adapters.kubernetes.workloads import ClusterWorkloads
from trimtab.adapters.metrics.measure import MetricSources
from trimtab.adapters.notify.teller import Everywhere, HttpTeller
from trimtab.adapters.notify.webhooks import FLAGGERS_HIGHEST, HIGHEST, Webhooks
from trimtab.adapters.outgoing import outgoing_session
from trimtab.model.names import CanaryKey
from trimtab.model.policy import AlertTarget
from trimtab.ports import Clock, Outside

__all__ = ["Chat", "Operated", "OperatorOptions", "Settings", "operated"]

METADATA_ONLY = frozenset({CONFIG_MAP, SECRET})
"""Of these only the metadata is watched; values are fetched by name where they are referred to."""
MIRRORED: Mapping[Kind, Callable[[Object], Object] | None] = {
    CANARY: None, METRIC_TEMPLATE: None, ALERT_PROVIDER: None, ROLLOUT_POLICY: None, ROLLOUT_COMMAND: None, CONFIG_ROLLOUT: trimmed,
    DEPLOYMENT: None, DAEMON_SET: None, SERVICE: None, CONFIG_MAP: None, SECRET: None,
}  # fmt: skip
"""What is watched, and what of it is kept."""
LEASE_NAME = "trimtab"
PATIENCE = 1.0
"""Seconds after which it is said what keeps a cluster from being read."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat for alerts of Canaries that name no AlertProvider."""

    type: str
    address: str
    channel: str = "general"
    username: str = "flagger"
    proxy: str = ""
    token: str = field(default="", repr=False)
    """Sent there with each alert."""


@dataclass(frozen=True, slots=True)
class OperatorOptions:
    """What `trimtab operator` is told."""

    settings: Settings
    kubeconfig: str = ""
    context: str = ""
    metrics_server: str = ""
    event_webhook: str = ""
    chats: tuple[Chat, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    """The only hosts that documents may have asked, besides those of the addresses above; none stands for all."""
    elect: bool = True
    """Is a Lease needed to act?"""
    identity: str = ""
    """Of this process, in the Lease."""


@dataclass(frozen=True, slots=True)
class Operated:
    """A cluster that is looked after: the ports, the lease, and how well mirrors and statuses keep up."""

    outside: Outside
    lease: Lease
    where: str
    """The API server."""
    mirrors: Mapping[Kind, Mirror]
    behind: Mapping[CanaryKey, str]
    """Canaries whose status, answers or old attempts could not be written, and why, as it is now."""

    def trouble(self) -> str:
        """Why the newest state of the cluster is not known; empty while it is."""
        return next((f"{kind}: {mirror.trouble}" for kind, mirror in self.mirrors.items() if mirror.trouble), "")


@asynccontextmanager
async def operated(options: OperatorOptions, report: Callable[[str], None]) -> AsyncIterator[Operated]:
    """Everything that the operator needs, with its mirrors complete. InputError and Denied where the cluster cannot be used."""
    settings, clock, server = options.settings, SystemClock(), connection(options.kubeconfig, options.context)
    home = settings.home or server.namespace
    async with outgoing_session(hosts_of(options)) as session, connected(server) as client:
        if await bring_kinds(client, (settings.namespaces or (home,))[0]):
            report("the API server did not know the kinds of trimtab.dev, so their CRDs were installed")
        cluster = Cluster(client, mirrors_of(client, settings.namespaces), settings)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(mirror.run()) for mirror in cluster.mirrors.values()]
            try:
                await complete(cluster.mirrors, report)
                configs = Configs(cluster, await digest_key(client, home))
                store, outside, beside = ports(cluster, options, configs, session, clock)
                tasks += [group.create_task(one.run()) for one in beside]
                lease = Lease(client, home, LEASE_NAME, options.identity, clock, time.monotonic)
                yield Operated(outside, lease, server.server, cluster.mirrors, store.behind)
            finally:
                for task in tasks:
                    task.cancel()


async def complete(mirrors: Mapping[Kind, Mirror], report: Callable[[str], None]) -> None:
    """Returns once everything was listed. What keeps it waiting is reported, once. Denied and InputError where that cannot work."""
    said = ""
    for mirror in mirrors.values():
        ready = asyncio.ensure_future(mirror.ready())
        while not (await asyncio.wait((ready,), timeout=PATIENCE))[0]:
            if mirror.trouble and mirror.trouble != said:
                said = mirror.trouble
                report(f"the cluster cannot be read yet: {said}")
        await ready


def hosts_of(options: OperatorOptions) -> frozenset[str]:
    """The hosts that may be asked: what the person who runs the operator gives as an address is meant. Empty for all."""
    if not options.allowed_hosts:
        return frozenset()
    chats = [address for chat in options.chats for address in (chat.address, chat.proxy)]
    own = (urlsplit(address).hostname for address in (options.metrics_server, options.event_webhook, *chats))
    return frozenset(options.allowed_hosts) | {host for host in own if host}


def mirrors_of(client: Client, namespaces: tuple[str, ...]) -> dict[Kind, Mirror]:
    """One mirror for each kind that is watched."""
    chance = SystemRandom()
    return {
        kind: Mirror(client, kind, namespaces, metadata_only=kind in METADATA_ONLY, trim=trim, chance=chance)
        for kind, trim in MIRRORED.items()
    }


def ports(
    cluster: Cluster, options: OperatorOptions, configs: Configs, session: aiohttp.ClientSession, clock: Clock
) -> tuple[ClusterStore, Outside, tuple[HttpTeller, RouteFollower]]:
    """The store, all ports over one cluster, and what has to run beside them."""
    settings = options.settings
    copies = Copies(cluster, settings, configs)
    sources = ClusterSources(cluster, settings, configs, copies, clock)
    workloads = ClusterWorkloads(cluster)
    follower = RouteFollower(cluster, workloads.wake)
    router = ClusterRouter(cluster, follower)
    read_secret = partial(secret_of, cluster.client)
    companions = companions_of(cluster)
    alerts = tuple(
        AlertTarget(f"global {chat.type}", "info", chat.type, chat.address, chat.channel, chat.username, chat.proxy)
        for chat in options.chats
    )
    highest = FLAGGERS_HIGHEST if 18 in settings.quirks else HIGHEST
    everywhere = Everywhere(
        Events(cluster.client, cluster).record, options.event_webhook, alerts, settings.cluster_name,
        partial(alert_now, companions),
        {target: {"token": chat.token.encode()} for target, chat in zip(alerts, options.chats, strict=True) if chat.token},
        highest,
    )  # fmt: skip
    teller = HttpTeller(session, clock, read_secret, everywhere)
    cluster.forgetters.append(teller.forget)
    metrics = MetricSources(
        session, clock, read_secret, options.metrics_server, mesh=settings.provider, pods=ArmPods(workloads.upkeep).of,
        look_up=partial(provider_now, companions),
    )  # fmt: skip
    adoption = Adoption(cluster, sources, configs, router.capabilities, clock, router.routed)
    store = ClusterStore(cluster, adoption.adopt, configs.checksum, clock, Vouching(cluster.client))
    outside = Outside(sources, workloads, router, metrics, Webhooks(session, clock, highest=highest), teller, store, clock)
    return store, outside, (teller, follower)


async def secret_of(client: Client, namespace: str, name: str) -> Mapping[str, bytes]:
    """The values of a Secret; empty where there is none."""
    found = await client.get(SECRET, namespace, name)
    return content_of(found).data if found is not None else {}
