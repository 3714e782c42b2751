"""Gauges that follow from the newest record of each Canary, made when somebody scrapes them. Registered by `exposition`, which feeds it.

A gauge for each Canary that is kept up to date costs more memory than the record that it follows from.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from trimtab.model.names import CanaryKey
from trimtab.model.rollout import CanaryState, Phase
from trimtab.rollout.exposure import wanted

STATUS = {Phase.PROGRESSING: 0, Phase.FAILED: 2}
"""`flagger_canary_status`; 1 for everything else."""
CANARY = ("name", "namespace")
GAUGES = {
    "flagger_canary_total": ("Canaries in a namespace.", ("namespace",)),
    "flagger_canary_status": ("0 progressing, 1 succeeded or at rest, 2 failed.", CANARY),
    "flagger_canary_weight": ("Share of the requests, in percent.", ("workload", "namespace")),
    "flagger_canary_metric_analysis": ("Newest value of a metric.", (*CANARY, "metric")),
    "trimtab_last_pass_timestamp_seconds": ("When a Canary was last looked at.", CANARY),
    "trimtab_held": ("1 while the source holds a revision that is not started by itself.", CANARY),
}
"""What each says, and its labels."""
Sample = tuple[str, tuple[str, ...], float]
"""Of which gauge, its labels, its value."""


@dataclass(eq=False)
class Standing(Collector):
    """The newest records, when they were looked at, and the newest value of each metric."""

    states: dict[CanaryKey, CanaryState] = field(default_factory=dict)
    looked: dict[CanaryKey, float] = field(default_factory=dict)
    values: dict[CanaryKey, dict[str, float]] = field(default_factory=dict)
    namespaces: set[str] = field(default_factory=set)
    """Where there are Canaries, or were."""

    def take(self, state: CanaryState, now: float) -> None:
        """Takes notice of a record that was looked at `now`."""
        key = state.key
        self.states[key], self.looked[key] = state, now
        if state.rules is not None:
            self.namespaces.add(key.namespace)
        if found := {result.metric: result.value for result in state.evidence.results if result.value is not None}:
            self.values.setdefault(key, {}).update(found)

    def forget(self, key: CanaryKey) -> None:
        """The Canary is gone: what it was at last is no longer so."""
        for known in (self.states, self.looked, self.values):
            known.pop(key, None)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The gauges, without values."""
        for name, (text, labels) in GAUGES.items():
            yield GaugeMetricFamily(name, text, labels=labels)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges as they are now. Two Canaries of one target have one line, as a Prometheus wants it."""
        lines = {(name, labels): number for name, labels, number in self._samples()}
        families = {family.name: family for family in self.describe()}
        for (name, labels), number in lines.items():
            families[name].add_metric(labels, number)
        yield from families.values()

    def _samples(self) -> Iterator[Sample]:
        count = dict.fromkeys(sorted(self.namespaces), 0)
        for key, state in tuple(self.states.items()):
            yield "trimtab_last_pass_timestamp_seconds", (key.name, key.namespace), self.looked[key]
            if state.rules is not None:
                count[key.namespace] += 1
                yield from self._of(state, state.rules.target.name)
        for namespace, number in count.items():
            yield "flagger_canary_total", (namespace,), number

    def _of(self, state: CanaryState, target: str) -> Iterator[Sample]:
        """Of one Canary whose rules are known."""
        namespace, weight = state.key.namespace, wanted(state).weight
        yield "flagger_canary_status", (target, namespace), STATUS.get(state.phase, 1)
        yield "flagger_canary_weight", (target, namespace), weight
        yield "flagger_canary_weight", (f"{target}-primary", namespace), 100 - weight
        yield "trimtab_held", (state.key.name, namespace), state.held is not None
        for metric, value in self.values.get(state.key, {}).items():
            yield "flagger_canary_metric_analysis", (target, namespace, metric), value
