"""Who is asked and told in a golden trace: metrics and webhooks by a script, chats that take down what they are sent.

What statuses, retries and payloads mean is the adapters' own code; only the network is missing.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import msgspec

from trimtab.adapters.metrics.measure import query_text
from trimtab.adapters.notify import alerts
from trimtab.adapters.notify.webhooks import Reply, Webhooks, judged
from trimtab.analysis.queries import in_seconds
from trimtab.errors import InputError
from trimtab.model.facts import HookAnswer
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName
from trimtab.model.policy import Hook, HookType, Metric, MetricKind, Policy
from trimtab.model.tellings import Telling, TellingKind
from trimtab.model.verdict import Sample
from trimtab.ports import HookCall
from trimtab.testing.memory import MemoryHooks, MemoryMetrics, MemoryTeller, run

from .lab_cluster import LabCluster

Raw = dict[str, Any]
METRICS_DEADLINE = 5
Record = Callable[[str, object], None]


@dataclass
class Script:
    """What the world answers, as the `world` part of a trace says it."""

    metrics: list[Raw] = field(default_factory=list)
    hooks: dict[str, Raw] = field(default_factory=dict)
    calls: dict[tuple[str, ...], int] = field(default_factory=dict)

    def change(self, changes: Raw) -> None:
        """Rules of metrics are replaced, hooks are merged by name; what was changed counts anew."""
        self.metrics = changes.get("metrics", self.metrics)
        self.hooks = {**self.hooks, **changes.get("hooks", {})}
        for key in list(self.calls):
            if key[1] in changes.get("hooks", {}) or (key[0] == "metric" and "metrics" in changes):
                del self.calls[key]

    def next_of(self, key: tuple[str, ...], values: Sequence[Any]) -> Any:
        """One value per call; the last one repeats."""
        position = self.calls.get(key, 0)
        self.calls[key] = position + 1
        return values[min(position, len(values) - 1)]


@dataclass
class LabMetrics(MemoryMetrics):
    """The first rule whose pattern is found in the query answers."""

    rules: Script = field(default_factory=Script)

    def answers(self, policy: Policy) -> tuple[Sample, ...]:
        """One sample for each metric of the policy."""
        return tuple(self.sample(policy, metric) for metric in policy.analysis.metrics)

    def sample(self, policy: Policy, metric: Metric) -> Sample:
        """One answer, or why there is none."""
        if metric.kind is MetricKind.UNUSABLE:
            return Sample(metric.name, metric.kind)
        try:
            query = query_text(self.world.key, policy, metric)
        except InputError as problem:
            return Sample(metric.name, metric.kind, None, "" if metric.kind is MetricKind.INLINE else str(problem))
        rule = next((rule for rule in self.rules.metrics if re.search(rule.get("match", ""), query)), {"empty": True})
        if "status" in rule:
            status = HTTPStatus(rule["status"])
            body = '{"status": "error", "error": "lab"}'
            problem = f"error response: Status {status.value} {status.phrase}: {body}"
            return Sample(metric.name, metric.kind, None, problem)
        if rule.get("delay", 0) > METRICS_DEADLINE:
            return Sample(metric.name, metric.kind, None, f"the metric server did not answer within {METRICS_DEADLINE} s")
        value = self.value(rule, query)
        if value is not None and metric.kind is MetricKind.DURATION:
            value = in_seconds(value, policy.provider)
        return Sample(metric.name, metric.kind, value)

    def value(self, rule: Raw, query: str) -> float | None:
        """The number of a rule; None for an empty answer."""
        if rule.get("empty"):
            return None
        if rule.get("nan"):
            return float("nan")
        when, world = rule.get("when"), self.world
        assert isinstance(world, LabCluster)
        if when is not None and any(
            reads.get(when["config"], {}).get(when["key"]) == when["is"] for reads in world.running(when["workload"])
        ):
            return float(when["value"])
        if "values" in rule:
            return float(self.rules.next_of(("metric", query), rule["values"]))
        return float(rule["value"])


@dataclass(frozen=True)
class ScriptedWebhooks(Webhooks):
    """Webhooks whose requests are answered by a script."""

    rules: Script = field(default_factory=Script)
    record: Record = lambda channel, entry: None

    async def post(self, hook: Hook, body: bytes) -> Reply:
        """One request."""
        name = hook.url.rsplit("/", 1)[-1]
        rule = self.rules.hooks.get(name, {})
        status = self.rules.next_of(("hook", name), rule["statuses"]) if "statuses" in rule else rule.get("status", 200)
        self.record("hooks", {"hook": name, "answer": status, "payload": msgspec.json.decode(body)})
        if timedelta(seconds=rule.get("delay", 0)) > hook.timeout:
            return Reply(False, f'Post "{hook.url}": no answer within {hook.timeout.total_seconds():g} s', True)
        return judged(status, rule.get("body", ""), "")


@dataclass
class LabHooks(MemoryHooks):
    """Asks scripted webhooks, with the adapter's rules of order and retries."""

    webhooks: ScriptedWebhooks | None = None

    def answers(self, call: HookCall, hooks: Sequence[Hook]) -> tuple[HookAnswer, ...]:
        """The answers up to the one that decides."""
        assert self.webhooks is not None
        return run(self.webhooks.ask(call, hooks))  # type: ignore[arg-type]


@dataclass
class LabTeller(MemoryTeller):
    """Delivers at once, and takes down what event hooks, chats and notifying hooks were sent."""

    webhooks: ScriptedWebhooks | None = None
    policy: Policy | None = None
    delivered: set[str] = field(default_factory=set)

    async def tell(self, key: CanaryKey, policy: Policy, tellings: Sequence[Telling]) -> None:
        """Takes over what is new."""
        self.policy = policy
        await super().tell(key, policy, tellings)

    def take(self, tellings: Sequence[Telling]) -> None:
        """Each id once, in order."""
        super().take(tellings)
        for telling in tellings:
            if telling.id not in self.delivered:
                self.delivered.add(telling.id)
                self.deliver(telling)

    def deliver(self, telling: Telling) -> None:
        """To everyone whom it concerns."""
        assert self.policy is not None and self.webhooks is not None
        if telling.kind is TellingKind.EVENT:
            self.event(telling, telling.text, telling.severity)
        elif telling.kind is TellingKind.ALERT:
            for target in self.policy.alerts:
                if not target.problem and alerts.wanted(target, telling):
                    self.alert(telling, target)
        else:
            call = HookCall(self.world.key, telling.phase, telling.run)
            for hook in telling.hooks:
                answer = run(self.webhooks.call(call, hook))  # type: ignore[arg-type]
                name = hook.type.capitalize()
                text = f"{name} check {hook.name} passed" if answer.open else f"{name} hook {hook.name} failed {answer.text}"
                self.event(telling, text, "info" if answer.open else "warn")
                if not answer.open:
                    return

    def event(self, telling: Telling, text: str, severity: str) -> None:
        """An event, to the log and to the Canary's own event hooks."""
        assert self.policy is not None and self.webhooks is not None
        kind = "Normal" if severity == "info" else "Warning"
        self.webhooks.record("events", f"{kind}: {text}")
        for hook in self.policy.hooks_of(HookType.EVENT):
            metadata = {**dict(hook.metadata), "eventMessage": text, "eventType": kind, "timestamp": "<ms>"}
            body = {
                "name": self.world.key.name, "namespace": self.world.key.namespace, "phase": telling.phase,
                "checksum": telling.run, "metadata": metadata,
            }  # fmt: skip
            run(self.webhooks.post(hook, msgspec.json.encode(body)))  # type: ignore[arg-type]

    def alert(self, telling: Telling, target: Any) -> None:
        """One chat."""
        assert self.policy is not None and self.webhooks is not None and isinstance(self.world, LabCluster)
        found = self.world.manifests().configs.get((self.world.key.namespace, ConfigName(ConfigKind.SECRET, target.secret)))
        url, headers = alerts.address(target, found.data if found is not None else {})
        payload = alerts.payload(self.world.key, self.policy, target, telling, "")
        shown = {"authorization": headers["Authorization"]} if "Authorization" in headers else {}
        self.webhooks.record("alerts", {"to": url.removeprefix("${ALERTS}/"), **shown, "payload": payload})
