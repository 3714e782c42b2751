"""Canary against stable in a pipeline: whose pods are whose, what stable's past says, where it is counted. Made by `watched`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trimtab.adapters.kubernetes.arrival import Expected, Reader, pods_of
from trimtab.adapters.metrics.measure import MetricSources
from trimtab.analysis.cautions import cautions
from trimtab.errors import Denied, InputError, Unavailable
from trimtab.model.evidence import Calibration
from trimtab.model.judging import Measured
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Analysis, Metric, MetricKind, Policy
from trimtab.model.scrapes import Arm
from trimtab.promotion.evidence import Query

UNKNOWN = 0.5
"""The canary's share of the pods where nobody may look at them."""


@dataclass(frozen=True, slots=True)
class Arms:
    """The pods of both copies, by the API. `remote`: they may be in a cluster that this kubeconfig does not show."""

    reader: Reader
    canary: Expected
    stable: Expected
    remote: bool = False

    async def pods(self, key: CanaryKey, policy: Policy) -> tuple[tuple[str, Arm], ...]:
        """Every living pod with its copy; none where they cannot be seen, and are then told by how their names are made."""
        try:
            found = [
                (pod, arm)
                for arm, which in ((Arm.CANARY, self.canary), (Arm.PRIMARY, self.stable))
                for pod in await pods_of(self.reader, which.kind, which.namespace, which.name)
            ]
        except Denied:
            if not self.remote:
                raise
            return ()
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is known before canary and stable are compared."""

    past: Calibration
    share: float
    """Of the canary, among all pods."""
    queries: tuple[Query, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counting:
    """Where one canary is compared with its stable."""

    metrics: MetricSources
    arms: Arms
    key: CanaryKey
    policy: Policy

    async def begin(self) -> Beginning:
        """InputError where there is nothing to compare with."""
        rules = self.policy.analysis.judge
        assert rules is not None
        canary, stable = self.arms.canary, self.arms.stable
        if canary.namespace != stable.namespace and not all(metric.counting.selector for metric in rules.metrics):
            raise InputError(
                f"{canary} is in namespace {canary.namespace} and {stable} in {stable.namespace}, but counters are looked for in one "
                "namespace: write `source.selector` for each metric of spec.judge that finds both"
            )
        pods = await self.arms.pods(self.key, self.policy)
        each = {arm: sum(one is arm for _, one in pods) for arm in Arm}
        if not self.arms.remote and not each[Arm.PRIMARY]:
            raise InputError(f"there are no pods of {stable} in namespace {stable.namespace}, with which spec.judge compares the canary")
        share = each[Arm.CANARY] / len(pods) if each[Arm.PRIMARY] and each[Arm.CANARY] else UNKNOWN
        history = await self.metrics.history(self.key, self.policy)
        problem = (f"stable's past is not known: {history.problem}",) if history.problem else ()
        said = cautions(rules, history.calibration, each[Arm.CANARY] if history.by_pod else 0, self.policy.analysis.sticky)
        return Beginning(history.calibration, share, await self.queries(), (*problem, *said))

    async def queries(self) -> tuple[Query, ...]:
        """Which counters are asked for."""
        rules = self.policy.analysis.judge
        where = await self.metrics.counters(self.key, self.policy)
        asked: list[Query] = []
        for metric in rules.metrics if rules is not None else ():
            how = where.recipe(metric)
            asked += [
                Query(metric=metric.name, query=query)
                for name in how.names(metric.kind is Measured.LATENCY)
                for query in how.queries(name, where.whose)
            ]
        return tuple(asked)

    async def reachable(self) -> None:
        """Unavailable where the metric server does not answer, so that missing data say nothing about the canary."""
        asked = Metric("the counters", MetricKind.TEMPLATE, provider=self.policy.analysis.counted_at, template="spec.judge")
        problems: Sequence[str] = await self.metrics.probe(self.key, replace(self.policy, analysis=Analysis((asked,))))
        if problems:
            raise Unavailable(problems[0])
