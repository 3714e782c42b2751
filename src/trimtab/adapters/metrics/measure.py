"""`ports.Metrics`: every metric of a policy asked at once, of whoever can answer it. Made by `wiring`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import aiohttp

from trimtab.adapters.metrics.envoy_scrapes import EnvoyScrapes
from trimtab.adapters.metrics.prometheus import Server, query, with_credentials
from trimtab.adapters.metrics.prometheus_scrapes import Collected, Counters, collect, learned, seconds
from trimtab.analysis.feeding import Feed
from trimtab.analysis.queries import Subject, built_in_query, counted_by, in_seconds, observed_by
from trimtab.analysis.recipes import Whose
from trimtab.documents.durations import parse_duration
from trimtab.documents.monitoring import window as reach
from trimtab.documents.template import collapse_whitespace, render
from trimtab.errors import InputError, OutsideError
from trimtab.model.judging import JudgeRules, Measured
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Metric, MetricKind, Policy, Provider
from trimtab.model.scrapes import Arm
from trimtab.model.spans import spoken
from trimtab.model.verdict import History, Sample, Samples
from trimtab.ports import Clock

ReadSecret = Callable[[str, str], Awaitable[Mapping[str, bytes]]]
BuiltIn = Callable[[CanaryKey, Policy, Metric, datetime, Arm], Awaitable[Sample]]
PodsOf = Callable[[CanaryKey, Policy], Awaitable[tuple[tuple[str, Arm], ...]]]
LookUp = Callable[[Provider], Provider]
PROBE = "vector(1)"
LEAST_SECRET = 8
"""Characters of a header's value, or of a word in it, that no message shows."""
HISTORY_DEADLINE = 30.0
"""Seconds for a page of the past."""


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
    pods: PodsOf | None = None
    """Which pods there are; None where nobody knows, and they are told by how their names are made."""
    primary: str = ""
    """The workload that a canary is compared with, where that is not called TARGET-primary."""
    at: datetime | None = None
    """As of when numbers are asked from a Prometheus; None: now."""
    envoy: EnvoyScrapes | None = None
    """Who counts for the judge where no Prometheus is named."""
    look_up: LookUp | None = None
    """Adds address and headers of a server whose policy does not hold them."""

    async def probe(self, key: CanaryKey, policy: Policy) -> tuple[str, ...]:
        """Asks whoever is asked for a metric for a number that is always there; a missing template is a problem, too (MET-2)."""
        found = await asyncio.gather(*(self.probe_one(policy, metric) for metric in policy.analysis.metrics))
        return tuple(dict.fromkeys(problem for problem in found if problem))

    async def probe_one(self, policy: Policy, metric: Metric) -> str:
        """What is wrong with who is asked for one metric; empty where nothing is, or where this machine's Envoy counts."""
        if metric.problem or metric.kind is MetricKind.INLINE or (metric.provider is None and not self.asks_prometheus(policy)):
            return metric.problem
        try:
            await query(self.session, await self.chosen(policy, metric), PROBE)
        except (OutsideError, InputError) as problem:
            if metric.provider is None:
                return f"prometheus not avaiable: running query failed: {problem}"
            return f"metric template {metric.template} provider {metric.provider.type} error: {problem}"
        return ""

    def asks_prometheus(self, policy: Policy) -> bool:
        """Do built-in metrics come from a Prometheus?"""
        return self.built_in is None or bool(policy.metrics_server)

    async def measure(self, key: CanaryKey, policy: Policy, since: datetime) -> Samples:
        """All metrics together (P1); one that cannot be measured says why."""
        asked = self.at or self.clock.now()
        answers = await asyncio.gather(*(self.sample(key, policy, metric, since) for metric in policy.analysis.metrics))
        return Samples(asked, tuple(answers))

    async def count(self, key: CanaryKey, policy: Policy, since: datetime, counted: datetime) -> Samples:
        """What canary and primary counted; where that is not to be had, why."""
        asked, rules = self.clock.now(), policy.analysis.judge
        if rules is None:
            return Samples(asked, glance=True)
        try:
            found = await self.scrapes(key, policy, rules, Feed(asked, counted, since=since))
        except (OutsideError, InputError) as problem:
            return Samples(asked, missing=(str(problem),), glance=True)
        return Samples(asked, scrapes=found.scrapes, missing=found.missing, glance=True)

    async def afterwards(self, key: CanaryKey, policy: Policy, since: datetime, counted: datetime) -> Samples:
        """The metrics of the promoted primary, and what it alone counted of objectives; what cannot be had says why."""
        answers = await asyncio.gather(*(self.sample(key, policy, metric, since, Arm.PRIMARY) for metric in policy.analysis.metrics))
        made, rules = Samples(self.clock.now(), tuple(answers)), policy.analysis.judge
        objectives = tuple(metric for metric in rules.metrics if metric.kind is Measured.OBJECTIVE) if rules is not None else ()
        if rules is None or not objectives:
            return made
        try:
            found = await self.scrapes(key, policy, replace(rules, metrics=objectives), Feed(made.asked, counted, arms=(Arm.PRIMARY,)))
        except (OutsideError, InputError) as problem:
            return replace(made, missing=(str(problem),))
        return replace(made, scrapes=found.scrapes, missing=found.missing)

    async def scrapes(self, key: CanaryKey, policy: Policy, rules: JudgeRules, feed: Feed) -> Collected:
        """What was counted. OutsideError, or InputError where somebody must correct something."""
        if self.envoy is not None and self.by_envoy(policy):
            return Collected(await self.envoy.count(key, policy, rules, feed))
        return await collect(self.session, await self.counters(key, policy), rules, replace(feed, interval=seconds(rules.interval)))

    async def history(self, key: CanaryKey, policy: Policy) -> History:
        """What the primary's past says; where that is not to be had, why."""
        now, rules = self.clock.now(), policy.analysis.judge
        if rules is None:
            return History()
        try:
            if self.envoy is not None and self.by_envoy(policy):
                return History(await self.envoy.learned(key, policy, rules, Feed(now, now - rules.history)), by_pod=False)
            where = await self.counters(key, policy)
            patient = replace(where, server=replace(where.server, deadline=HISTORY_DEADLINE))
            return History(await learned(self.session, patient, rules, now), by_pod=where.by_pod(rules))
        except (OutsideError, InputError) as problem:
            return History(problem=str(problem))

    def by_envoy(self, policy: Policy) -> bool:
        """Are requests counted by this machine's Envoy?"""
        return policy.analysis.counted_at is None and not (policy.metrics_server or self.metrics_server)

    async def counters(self, key: CanaryKey, policy: Policy) -> Counters:
        """Where and how requests are counted, and whose."""
        named, address = policy.analysis.counted_at, policy.metrics_server or self.metrics_server
        if named is None and not address:
            where = "spec.judge.prometheus of the RolloutPolicy, in spec.metricsServer of the Canary, or with --metrics-server"
            raise InputError(f"the judge needs a Prometheus that has the counters. Name one in {where}")
        server = Server(address) if named is None else await self.server(named)
        pods = await self.pods(key, policy) if self.pods is not None else ()
        whose = Whose(key.namespace, policy.target.name, policy.service.name, policy.ingress, self.primary, pods)
        return Counters(server, counted_by(policy.provider, self.mesh), whose)

    async def sample(self, key: CanaryKey, policy: Policy, metric: Metric, since: datetime, copy: Arm = Arm.CANARY) -> Sample:
        """One metric of one copy. Problems are data here: a provider that is down must not stop a pass."""
        if metric.kind is MetricKind.UNUSABLE:
            return Sample(metric.name, metric.kind)
        direct = metric.kind in (MetricKind.SUCCESS_RATE, MetricKind.DURATION)
        text = ""
        try:
            if direct and self.built_in is not None and not self.asks_prometheus(policy):
                return await self.built_in(key, policy, metric, since, copy)
            window = own_window(metric, since, self.at or self.clock.now()) if direct and copy is Arm.CANARY else metric.interval
            text = query_text(key, policy, replace(metric, interval=window), self.mesh, copy)
            if copy is Arm.PRIMARY and reach(text) > self.clock.now() - since:
                raise InputError(f"its range of {spoken(reach(text))} still reaches back before promotion")
            value = await query(self.session, await self.chosen(policy, metric), text, self.at)
        except (OutsideError, InputError) as problem:
            # An inline query that cannot be rendered counts as one without an answer (MET-2).
            silent = metric.kind is MetricKind.INLINE and not text and copy is Arm.CANARY
            return Sample(metric.name, metric.kind, None, "" if silent else str(problem), text)
        if value is not None and metric.kind is MetricKind.DURATION:
            value = in_seconds(value, observed_by(policy, self.mesh))
        return Sample(metric.name, metric.kind, value, "", text, value is None and window != metric.interval)

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
        if provider.document and self.look_up is not None:
            provider = self.look_up(provider)
        if provider.type != "prometheus":
            raise InputError(f"metrics from {provider.type} are not supported yet; prometheus is")
        if not provider.address:
            raise InputError("spec.provider.address of the MetricTemplate is missing")
        own = tuple((name, value) for name, values in provider.headers for value in values)
        # What is shorter is no secret, and its letters stand in other words.
        hidden = tuple(word for _, value in own for word in (value, *value.split()) if len(word) >= LEAST_SECRET)
        server = Server(provider.address, own, skip_tls_verify=provider.insecure_skip_verify, hidden=hidden)
        if not provider.secret:
            return server
        values = await self.read_secret(provider.namespace, provider.secret)
        return with_credentials(server, values, f"secret {provider.secret}.{provider.namespace}")


def own_window(metric: Metric, since: datetime, now: datetime) -> str:
    """The interval of a built-in metric, or less where it would reach back before `since` (C6)."""
    try:
        whole = now - parse_duration(metric.interval) >= since
    except InputError:
        return metric.interval
    if whole:
        return metric.interval
    return f"{max(1, int((now - since).total_seconds()))}s"


def query_text(key: CanaryKey, policy: Policy, metric: Metric, mesh: str = "", copy: Arm = Arm.CANARY) -> str:
    """What Prometheus is asked of a copy. InputError where the template cannot be rendered, or cannot be asked of the primary."""
    target, service = policy.target.name, policy.service.name
    ingress = policy.ingress or target
    if metric.kind in (MetricKind.SUCCESS_RATE, MetricKind.DURATION):
        subject = Subject(key.namespace, target, service, ingress, metric.interval, copy)
        return built_in_query(metric.kind, observed_by(policy, mesh), subject)
    functions: dict[str, object] = {
        "name": key.name, "namespace": key.namespace, "target": target, "service": service, "ingress": ingress,
        "route": policy.route or target, "interval": metric.interval, "variables": dict(metric.variables),
    }  # fmt: skip
    text = collapse_whitespace(render(metric.query, functions))
    if copy is Arm.CANARY:
        return text
    primary = f"{target}-primary"
    asked = collapse_whitespace(render(metric.query, {**functions, "target": primary}))
    if asked == text and target not in text and "canary" not in text:
        return text
    if asked == text or "canary" in asked or f"{primary}-primary" in asked:
        raise InputError("its query names the canary by more than {{ target }}, so that it cannot be asked of the primary")
    return asked
