"""Makes a watch of one target of a repository ready: what a commit renders to, the rules, and who is asked. Called by the faces."""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from trimtab.adapters.argocd.following import Follower
from trimtab.adapters.clock import SystemClock
from trimtab.adapters.kubernetes.arrival import Expected
from trimtab.adapters.kubernetes.client import connected
from trimtab.adapters.kubernetes.connection import connection
from trimtab.adapters.metrics.measure import MetricSources, ReadSecret, query_text
from trimtab.adapters.outgoing import outgoing_session
from trimtab.adapters.proxies import proxy_for
from trimtab.config.digest import canonical_json
from trimtab.documents.monitoring import Reach, compared, limits, window
from trimtab.documents.pipeline import App, Monitor, Target
from trimtab.errors import InputError
from trimtab.inspection.queries import fault
from trimtab.model.names import CanaryKey
from trimtab.model.names import Target as Workload
from trimtab.model.policy import Policy, Service
from trimtab.ports import Clock
from trimtab.promotion.edges import run_of, watched
from trimtab.promotion.evidence import Evidence, encode, name_of
from trimtab.promotion.journal import Entry, Record, find_evidence
from trimtab.wiring.argocd import ClusterObjects, Includes, Wanted
from trimtab.wiring.arriving import Arriving, expected_of
from trimtab.wiring.counting import Arms, Counting
from trimtab.wiring.monitoring import Monitoring, Outside, Subject
from trimtab.wiring.pipeline import Project, rendered
from trimtab.wiring.repository import Repository, workshop
from trimtab.wiring.smoking import Smoking
from trimtab.wiring.workshop import Proof, Workshop

ADDRESS, TOKEN = "TRIMTAB_PROMETHEUS", "TRIMTAB_PROMETHEUS_TOKEN"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be watched, and as whom the cluster is asked."""

    name: str
    commit: str = "HEAD"
    kubeconfig: str = ""
    context: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """A watch that is ready to begin, and where its verdict is written down."""

    monitoring: Monitoring
    shop: Workshop
    canary: bool
    """Is there a target behind it that its content may be promoted into?"""


@asynccontextmanager
async def watch(found: Repository, asked: Asked, tell: Callable[[datetime, str], None], clock: Clock | None = None) -> AsyncIterator[Watch]:
    """A watch. InputError where something must be corrected before anything is asked."""
    async with AsyncExitStack() as stack:
        clock, shop, commits = clock or SystemClock(), *workshop(found, stack)
        at = await found.branches.objects.commit(asked.commit)
        if at is None:
            raise InputError(f"{found.root} has no commit {asked.commit!r}")
        project = await commits.at(at)
        app, target, behind = watched(project.document.spec, asked.name)
        client = await stack.enter_async_context(connected(connection(asked.kubeconfig, asked.context)))
        made = await rendered(project, app, target)
        expected = expected_of(made, target, namespace(app, target, client.connection.namespace))
        monitor, environment = app.monitor or Monitor(), found.environment
        reach = Reach(environment.get(ADDRESS) or monitor.prometheus or "", bool(environment.get(TOKEN)))
        key, policy = CanaryKey(expected.namespace, expected.name), policy_of(project, (app, target, behind), expected, reach)
        check(policy, f"{app.name}/{target.name}", project.file, behind)
        back = max((window(query_text(key, policy, metric)) for metric in policy.analysis.metrics), default=timedelta())
        subject = Subject(
            app.name, target.name, at, await shop.judged(at, app, target), policy, rules_digest(project, target), key, monitor, back,
            made.tool, run_of(environment),
        )  # fmt: skip
        asking = await stack.enter_async_context(outgoing_session(proxy=metrics_proxy(subject.policy, environment)))
        smoking = Smoking(await stack.enter_async_context(outgoing_session()), clock, found.root, environment)
        follower = Follower(ClusterObjects(client), clock, *wanted(found, shop, (app, target), at)) if target.argocd else None
        metrics, counting = MetricSources(asking, clock, token_of(environment), ""), None
        if behind is not None and subject.policy.analysis.judge is not None:
            stable = expected_of(await rendered(project, app, behind), behind, namespace(app, behind, client.connection.namespace))
            arms = Arms(client, expected, stable, follower is not None)
            metrics = replace(metrics, pods=arms.pods, primary=stable.name)
            counting = Counting(metrics, arms, subject.key, subject.policy)
        arriving = Arriving(clock, client, expected, follower)
        outside = Outside(clock, arriving, metrics, lambda moment: replace(metrics, at=moment), smoking.check, counting)
        yield Watch(Monitoring(subject, outside, tell, clock.now()), shop, behind is not None)


async def noted(shop: Workshop, evidence: Evidence) -> None:
    """The verdict into the journal, once."""
    proof = Proof(evidence, encode(evidence), name_of(encode(evidence)))

    def entry(records: Sequence[Record]) -> list[tuple[Entry, bytes]]:
        return [] if find_evidence(records, proof.name) is not None else [(shop.verdict(proof), proof.data)]

    await shop.journal.append(entry, shop.now())


def namespace(app: App, target: Target, otherwise: str) -> str:
    """Where a target is, if its objects do not say so themselves."""
    return target.namespace or app.namespace or otherwise


def policy_of(project: Project, whose: tuple[App, Target, Target | None], expected: Expected, reach: Reach) -> Policy:
    """What metrics are asked by: the rules of the target's RolloutPolicy, about the workload that is watched.

    Without a target behind it there is nothing to compare with, and only limits count.
    """
    app, target, behind = whose
    provider = (app.monitor.provider if app.monitor is not None else None) or ""
    policy = project.policies[target.policy] if target.policy is not None else None
    templates = {file: project.metrics[file] for file in target.metrics}
    try:
        analysis = limits(policy, templates, expected.namespace, reach)
        if policy is not None and behind is not None:
            analysis = compared(analysis, policy, reach, provider)
    except InputError as problem:
        raise InputError(f"{target.policy or project.file}: {problem}") from None
    return Policy(Workload(expected.kind, expected.name), Service(expected.name), provider=provider, analysis=analysis)


def check(policy: Policy, whose: str, file: str, behind: Target | None) -> None:
    """InputError where watching could come to nothing: no metric for a canary, a query that cannot be asked."""
    analysis = policy.analysis
    if behind is not None and not analysis.metrics and analysis.judge is None:
        raise InputError(
            f"nothing is measured of {whose}, so it could never pass: name a RolloutPolicy with spec.judge or spec.analysis.metrics in "
            f"`policy` of the target in {file}"
        )
    for metric in analysis.metrics:
        problem = fault(metric.query, dict(metric.variables), promql=True)[1] if metric.query else ""
        if problem:
            raise InputError(f"the query of metric {metric.name}: {problem}")


def rules_digest(project: Project, target: Target) -> str:
    """The digest of everything that a target is judged by: its RolloutPolicy and MetricTemplates."""
    written = [project.policies[target.policy] if target.policy is not None else None, *(project.metrics[file] for file in target.metrics)]
    return f"sha256:{hashlib.sha256(canonical_json(msgspec.to_builtins(written)).encode()).hexdigest()}"


def metrics_proxy(policy: Policy, environment: Mapping[str, str]) -> str:
    """Through which proxy the first metric server is asked; pipelines have one."""
    asked = (policy.analysis.counted_at, *(metric.provider for metric in policy.analysis.metrics))
    addresses = [one.address for one in asked if one is not None]
    return proxy_for(addresses[0], environment) if addresses else ""


def token_of(environment: Mapping[str, str]) -> ReadSecret:
    """The token of the environment, wherever a provider wants a Secret: `documents.monitoring` lets no other one be named."""

    async def read(namespace: str, name: str) -> Mapping[str, bytes]:
        return {"token": environment[TOKEN].encode()}

    return read


def wanted(found: Repository, shop: Workshop, whose: tuple[App, Target], commit: str) -> tuple[Includes, Wanted]:
    """Which Application is to run which commit, and how it is known that a revision contains it."""
    app, target = whose
    assert target.argocd is not None

    async def includes(revision: str) -> bool:
        return revision == commit or await shop.within(commit, await shop.available(revision))

    path = app.chart if app.chart is not None else target.path or ""
    return includes, Wanted(target.argocd.namespace, target.argocd.application, commit, found.spec.branch, found.remote, path)
