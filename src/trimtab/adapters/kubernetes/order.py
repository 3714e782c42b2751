"""What one record wants of the workloads of one Canary. Made by `workloads`, carried out there and in `canary_pods` and `autoscaling`."""

from dataclasses import dataclass

from trimtab.adapters.kubernetes import daemonsets, deployments
from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.kinds import DAEMON_SET, DEPLOYMENT, Kind
from trimtab.adapters.kubernetes.marks import claim, newest
from trimtab.adapters.kubernetes.primary import replicas_of
from trimtab.documents.flagger import AutoscalerRef
from trimtab.errors import Conflict, InputError
from trimtab.model.facts import Copy
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.ports import Wanted

TARGETS = {"Deployment": DEPLOYMENT, "DaemonSet": DAEMON_SET}


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted, and of what."""

    key: CanaryKey
    wanted: Wanted
    kind: Kind
    autoscaler: AutoscalerRef | None
    uid: str
    """Of the Canary."""

    @property
    def namespace(self) -> str:
        """Where everything is."""
        return self.key.namespace

    @property
    def target(self) -> str:
        """The target's name."""
        return self.wanted.policy.target.name

    @property
    def primary(self) -> str:
        """The primary's name."""
        return f"{self.target}-primary"

    @property
    def replicas(self) -> int | None:
        """Pods per copy, where somebody says so and no autoscaler does."""
        return None if self.autoscaler is not None else self.wanted.replicas

    @property
    def serial(self) -> str:
        """The record, as it is noted on what is written."""
        return f"{self.wanted.serial}/{self.uid}"

    def claimed(self, target: Object | None) -> str | None:
        """Which revision the target is noted to be wanted for: empty at rest, None where nobody said so."""
        return claim(target, self.uid)

    def current(self, *found: Object | None) -> None:
        """Conflict where one of these was written on behalf of a newer record."""
        seen = newest(found, self.uid)
        if seen > self.wanted.serial:
            raise Conflict(f"workloads of {self.key}: record {self.wanted.serial} is stale, {seen} was seen; look again")


def kind_of(policy: Policy) -> Kind:
    """The kind of the target. InputError for one without pods."""
    kind = TARGETS.get(policy.target.kind)
    if kind is None:
        raise InputError(f"spec.targetRef.kind is {policy.target.kind}, which has no pods to roll out. Use a Deployment or a DaemonSet.")
    return kind


def copy_of(kind: Kind, found: Object, revision: str) -> Copy:
    """A workload as a copy."""
    return deployments.copy_of(found, revision) if kind is DEPLOYMENT else daemonsets.copy_of(found, revision)


def serves(kind: Kind, found: Object) -> bool:
    """Are all its pods of its newest template, and available?"""
    copy = copy_of(kind, found, "")
    return copy.observed and copy.desired > 0 and copy.desired == copy.updated == copy.total and copy.available >= copy.desired


def running(kind: Kind, found: Object) -> bool:
    """Is it asked to have pods?"""
    return replicas_of(found) > 0 if kind is DEPLOYMENT else not daemonsets.at_zero(found)


def scaled(kind: Kind, count: int) -> Object:
    """The patch that scales a target."""
    return deployments.scaled(count) if kind is DEPLOYMENT else daemonsets.scaled(count > 0)
