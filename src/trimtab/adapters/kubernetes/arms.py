"""The names of the pods of canary and primary, by which counters are told apart: from the API, never guessed. Called for metrics."""

from dataclasses import dataclass, field

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import key_of, metadata_of
from trimtab.adapters.kubernetes.kinds import POD, SERVICE
from trimtab.adapters.kubernetes.order import kind_of
from trimtab.adapters.kubernetes.pods import belongs, living, names, selector
from trimtab.adapters.kubernetes.upkeep import Upkeep
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.scrapes import Arm


@dataclass
class ArmPods:
    """Pods of both copies, listed anew when their workload says something new of itself."""

    upkeep: Upkeep
    _listed: dict[tuple[CanaryKey, Arm], tuple[object, tuple[str, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.upkeep.cluster.forgetters.append(self.forget)

    async def of(self, key: CanaryKey, policy: Policy) -> tuple[tuple[str, Arm], ...]:
        """Every living pod and its arm. A target of kind Service has none."""
        if policy.target.kind == SERVICE.kind:
            return ()
        found: list[tuple[str, Arm]] = []
        for name, arm in ((policy.target.name, Arm.CANARY), (f"{policy.target.name}-primary", Arm.PRIMARY)):
            workload = self.upkeep.seen(kind_of(policy), key.namespace, name)
            if workload is not None:
                found += [(pod, arm) for pod in await self.names(key, arm, workload)]
        return tuple(found)

    async def names(self, key: CanaryKey, arm: Arm, workload: Object) -> tuple[str, ...]:
        """The living pods of a workload, as new as what it says of itself."""
        version = metadata_of(workload).get("resourceVersion")
        known = self._listed.get((key, arm))
        if known is None or known[0] != version:
            listing = await self.upkeep.cluster.client.list(POD, key_of(workload).namespace, labels=selector(workload))
            known = self._listed[key, arm] = version, names(pod for pod in listing.items if living(pod) and belongs(pod, workload))
        return known[1]

    def forget(self, key: CanaryKey) -> None:
        """The Canary is gone."""
        for arm in Arm:
            self._listed.pop((key, arm), None)
