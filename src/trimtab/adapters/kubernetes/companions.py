"""What Canaries name, decoded when it is looked up: MetricTemplates, AlertProviders, RolloutPolicies. Used by `sources`."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from trimtab.adapters.kubernetes.cluster import Cluster, decode_object
from trimtab.adapters.kubernetes.configs import version_of
from trimtab.adapters.kubernetes.kinds import ALERT_PROVIDER, METRIC_TEMPLATE, ROLLOUT_POLICY, Kind
from trimtab.documents.flagger import AlertProvider, MetricTemplate
from trimtab.documents.translate import Companions, Name
from trimtab.documents.trimtab import RolloutPolicy
from trimtab.errors import DocumentError, InputError
from trimtab.model.policy import AlertTarget

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
    )


def address_of(companions: Companions, alert: AlertTarget) -> str:
    """The address that an alert's AlertProvider names now; empty where there is none. InputError for one that cannot be read."""
    found = companions.alerts.get((alert.namespace, alert.provider))
    return found.spec.address or "" if found is not None else ""
