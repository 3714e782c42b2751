"""What Canaries name, decoded when it is looked up: MetricTemplates, AlertProviders, RolloutPolicies. Used by `sources`.

Policies are on record for all who may read ConfigRollouts, so what is as good as a password is left out of them, and looked up here by
`wiring`'s teller and metrics when it is needed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Generic, TypeVar

from trimtab.adapters.kubernetes.cluster import Cluster, decode_object
from trimtab.adapters.kubernetes.configs import version_of
from trimtab.adapters.kubernetes.kinds import ALERT_PROVIDER, METRIC_TEMPLATE, ROLLOUT_POLICY, Kind
from trimtab.documents import checks
from trimtab.documents.flagger import AlertProvider, MetricTemplate
from trimtab.documents.translate import Companions, Name
from trimtab.documents.trimtab import RolloutPolicy
from trimtab.errors import DocumentError, InputError
from trimtab.model.policy import AlertTarget, Metric, Policy, Provider

T = TypeVar("T", MetricTemplate, AlertProvider, RolloutPolicy)


class Documents(Mapping[Name, T], Generic[T]):
    """The documents of one kind in a cluster, by namespace and name. One that cannot be read raises InputError when it is looked up."""

    def __init__(self, cluster: Cluster, kind: Kind, document: type[T]) -> None:
        self._mirror, self._kind = cluster.mirrors[kind], kind
        self._document: type[T] = document
        self._read: dict[Name, tuple[str, T]] = {}

    def __getitem__(self, name: Name) -> T:
        found = self._mirror.get(*name)
        if found is None:
            self._read.pop(name, None)
            raise KeyError(name)
        known, version = self._read.get(name), version_of(found)
        if known is None or known[0] != version:
            try:
                value = decode_object({**found, "apiVersion": self._kind.api_version, "kind": self._kind.kind}).value
            except DocumentError as error:
                raise InputError(f"{self._kind.kind} {name[1]} in namespace {name[0]} cannot be read: {error}") from None
            assert isinstance(value, self._document)
            known = self._read[name] = version, value
        return known[1]

    def __iter__(self) -> Iterator[Name]:
        return iter(self._mirror.places())

    def __len__(self) -> int:
        return len(self._mirror.places())


def companions_of(cluster: Cluster) -> Companions:
    """Everything that Canaries of this cluster may name."""
    return Companions(
        Documents(cluster, METRIC_TEMPLATE, MetricTemplate),
        Documents(cluster, ALERT_PROVIDER, AlertProvider),
        Documents(cluster, ROLLOUT_POLICY, RolloutPolicy),
        unrated="never" if 10 in cluster.settings.quirks else "info",
    )


def recordable(policy: Policy) -> Policy:
    """The policy without addresses of chats, which may hold tokens, their proxies, and the headers of metric servers."""
    alerts = tuple(replace(alert, address="", proxy="") for alert in policy.alerts)
    metrics = tuple(_without_credentials(metric) for metric in policy.analysis.metrics)
    return replace(policy, alerts=alerts, analysis=replace(policy.analysis, metrics=metrics))


def _without_credentials(metric: Metric) -> Metric:
    found = metric.provider
    if found is None or not (found.headers or "@" in found.address):
        return metric
    name = metric.template.removesuffix(f".{found.namespace}")
    return replace(metric, provider=replace(found, address="", headers=(), document=name))


def alert_now(companions: Companions, alert: AlertTarget) -> AlertTarget:
    """With address and proxy as its AlertProvider has them now; without, where there is none. InputError for one that cannot be read."""
    found = companions.alerts.get((alert.namespace, alert.provider))
    return replace(alert, address=found.spec.address or "", proxy=found.spec.proxy or "") if found is not None else alert


def provider_now(companions: Companions, provider: Provider) -> Provider:
    """The metric server as its MetricTemplate has it now. InputError where there is none, or it cannot be read."""
    found = companions.templates.get((provider.namespace, provider.document))
    if found is None:
        where = f"MetricTemplate {provider.document} in namespace {provider.namespace}"
        raise InputError(f"{where} is gone, and with it the address and the headers by which its server is asked. Bring it back")
    return checks.provider(found, provider.namespace)
