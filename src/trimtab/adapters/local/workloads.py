"""`ports.Workloads` over the node: what a record wants, as pods of two copies. Also Deployments without a Canary. Made by `wiring`."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from trimtab.adapters.local.copyset import Want
from trimtab.adapters.local.dataplane import Backend, CopyName
from trimtab.adapters.local.node import Node
from trimtab.errors import Conflict
from trimtab.model.facts import Copy
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.revision import Revision
from trimtab.model.watching import PodRestarts, Restarts
from trimtab.ports import Wanted


@dataclass
class LocalWorkloads:
    """Pods as processes. A copy has as many pods as the target asks for, else as it has, else as the primary has (WL-1, WL-4)."""

    node: Node
    serials: dict[CanaryKey, int] = field(default_factory=dict)

    async def look(self, key: CanaryKey, policy: Policy) -> tuple[Copy, Copy]:
        """The primary and the canary."""
        return self.node.copy(key, CopyName.PRIMARY).look(), self.node.copy(key, CopyName.CANARY).look()

    async def set(self, key: CanaryKey, wanted: Wanted) -> None:
        """Takes over what is wanted; the node works towards it."""
        if wanted.serial < self.serials.get(key, 0):
            raise Conflict(f"pods of {key}: record {wanted.serial} is stale, {self.serials[key]} was seen; look again")
        self.serials[key] = wanted.serial
        for name, revision in ((CopyName.PRIMARY, wanted.exposure.primary), (CopyName.CANARY, wanted.exposure.canary)):
            count = (wanted.replicas or 0) or self.present(key, name) or self.present(key, CopyName.PRIMARY) or 1
            service = wanted.policy.service
            backend = Backend(key.namespace, service.name, name)
            self.node.want(key, name, Want(revision, count if revision is not None else 0, backend, service.target_port))

    async def restarts(self, key: CanaryKey, policy: Policy) -> Restarts:
        """What the folders of the primary's pods say."""
        return Restarts(
            tuple(PodRestarts(pod.record.name, pod.restarts) for pod in self.node.copy(key, CopyName.PRIMARY).staying() if pod.restarts)
        )

    def present(self, key: CanaryKey, name: CopyName) -> int:
        """As many pods as there should be; where nothing was said since the start, as many as there are of one revision."""
        copies = self.node.copy(key, name)
        if copies.want is not None:
            return copies.want.count
        return max(Counter(pod.record.revision for pod in copies.pods).values(), default=0)

    def set_plain(self, key: CanaryKey, revision: Revision, count: int, service: tuple[str, str] | None) -> None:
        """A Deployment without a Canary: a plain rolling update (L6). `service` is its Service's name and target port."""
        backend = Backend(key.namespace, service[0], CopyName.PRIMARY) if service is not None else None
        self.node.want(key, CopyName.PRIMARY, Want(revision, count, backend, service[1] if service is not None else ""))

    async def changes(self) -> AsyncIterator[CanaryKey]:
        """A key each time its pods changed. One reader."""
        while True:
            yield await self.node.changes.get()
