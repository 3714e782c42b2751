"""`ports.Metrics`: every metric of a policy asked at once, of whoever can answer it. Made by `wiring`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import aiohttp

from trimtab.adapters.metrics.prometheus import Server, query, with_credentials
from trimtab.analysis.queries import Subject, built_in_query, counted_by, in_seconds
from trimtab.documents.template import collapse_whitespace, render
from trimtab.errors import InputError, OutsideError
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Metric, MetricKind, Policy, Provider
from trimtab.model.verdict import Sample, Samples
from trimtab.ports import Clock

ReadSecret = Callable[[str, str], Awaitable[Mapping[str, bytes]]]
BuiltIn = Callable[[CanaryKey, Policy, Metric, datetime], Awaitable[Sample]]
PROBE = "vector(1)"


@dataclass(frozen=True, slots=True)
class MetricSources:
    """Built-in metrics come from `built_in` where there is one and no Prometheus is named, all others from a Prometheus."""

    session: aiohttp.ClientSession
    clock: Clock
    read_secret: ReadSecret
    metrics_server: str
    built_in: BuiltIn | None = None
    mesh: str = ""
    """The operator's provider, for Canaries that name none."""

    async def probe(self, key: CanaryKey, policy: Policy) -> tuple[str, ...]:
        """Asks every template's provider for a number that is always there; a missing template is a problem, too (MET-2)."""
        found = await asyncio.gather(*(self.probe_one(metric) for metric in policy.analysis.metrics))
        return tuple(problem for problem in found if problem)

    async def probe_one(self, metric: Metric) -> str:
        """What is wrong with one metric's provider; empty where nothing is."""
        if metric.problem or metric.provider is None:
            return metric.problem
        try:
            await query(self.session, await self.server(metric.provider), PROBE)
        except (OutsideError, InputError) as problem:
            return f"metric template {metric.template} provider {metric.provider.type} error: {problem}"
        return ""

    async def measure(self, key: CanaryKey, policy: Policy, since: datetime) -> Samples:
        """All metrics together (P1); one that cannot be measured says why."""
        asked = self.clock.now()
        answers = await asyncio.gather(*(self.sample(key, policy, metric, since) for metric in policy.analysis.metrics))
        return Samples(asked, tuple(answers))

    async def sample(self, key: CanaryKey, policy: Policy, metric: Metric, since: datetime) -> Sample:
        """One metric. Problems are data here: a provider that is down must not stop a pass."""
        if metric.kind is MetricKind.UNUSABLE:
            return Sample(metric.name, metric.kind)
        direct = metric.kind in (MetricKind.SUCCESS_RATE, MetricKind.DURATION)
        text = ""
        try:
            if direct and self.built_in is not None and not policy.metrics_server:
                return await self.built_in(key, policy, metric, since)
            text = query_text(key, policy, metric, self.mesh)
            value = await query(self.session, await self.chosen(policy, metric), text)
        except (OutsideError, InputError) as problem:
            # An inline query that cannot be rendered counts as one without an answer (MET-2).
            silent = metric.kind is MetricKind.INLINE and not text
            return Sample(metric.name, metric.kind, None, "" if silent else str(problem), text)
        if value is not None and metric.kind is MetricKind.DURATION:
            value = in_seconds(value, counted_by(policy.provider, self.mesh))
        return Sample(metric.name, metric.kind, value, "", text)

    async def chosen(self, policy: Policy, metric: Metric) -> Server:
        """Whom to ask."""
        if metric.provider is not None:
            return await self.server(metric.provider)
        address = policy.metrics_server or self.metrics_server
        if not address:
            raise InputError(f"metric {metric.name!r} needs a Prometheus. Name one in spec.metricsServer or with --metrics-server")
        return Server(address)

    async def server(self, provider: Provider) -> Server:
        """A template's provider, with its credentials."""
        if provider.type != "prometheus":
            raise InputError(f"metrics from {provider.type} are not supported yet; prometheus is")
        if not provider.address:
            raise InputError("spec.provider.address of the MetricTemplate is missing")
        own = tuple((name, value) for name, values in provider.headers for value in values)
        server = Server(provider.address, own, skip_tls_verify=provider.insecure_skip_verify)
        if not provider.secret:
            return server
        values = await self.read_secret(provider.namespace, provider.secret)
        return with_credentials(server, values, f"secret {provider.secret}.{provider.namespace}")


def query_text(key: CanaryKey, policy: Policy, metric: Metric, mesh: str = "") -> str:
    """What Prometheus is asked. Raises InputError where the template cannot be rendered."""
    target, service = policy.target.name, policy.service.name
    ingress = policy.ingress or target
    if metric.kind in (MetricKind.SUCCESS_RATE, MetricKind.DURATION):
        subject = Subject(key.namespace, target, service, ingress, metric.interval)
        return built_in_query(metric.kind, counted_by(policy.provider, mesh), subject)
    functions: dict[str, object] = {
        "name": key.name, "namespace": key.namespace, "target": target, "service": service, "ingress": ingress,
        "route": policy.route or target, "interval": metric.interval, "variables": dict(metric.variables),
    }  # fmt: skip
    return collapse_whitespace(render(metric.query, functions))
