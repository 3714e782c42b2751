"""Plays what a golden trace was given, in virtual time, through the real `reconcile`, and takes down what happens."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from trimtab.documents.translate import translate
from trimtab.errors import InputError
from trimtab.model.names import CanaryKey
from trimtab.model.rollout import CanaryState
from trimtab.rollout.status import status
from trimtab.testing.memory import Memory, MemoryClock
from trimtab.testing.policies import BASE
from trimtab.testing.story import Story

from .lab_cluster import LabCluster
from .lab_outside import LabHooks, LabMetrics, LabTeller, Script, ScriptedWebhooks

Raw = dict[str, Any]
INTERVAL = timedelta(seconds=10)
SERVES_BEFORE = timedelta(seconds=2.5)
ACTS_AFTER = timedelta(seconds=0.5)
LIMIT = 40 * INTERVAL


@dataclass
class Play:
    """One trace. `entries` holds when, which channel and what."""

    given: Raw
    entries: list[tuple[datetime, str, Any]] = field(default_factory=list)
    armed: datetime | None = None
    mark: int = 0
    last: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cluster = LabCluster(CanaryKey("test", "app"), BASE)
        self.cluster.record = self.record
        self.script = Script()
        self.memory = Memory(self.cluster)
        webhooks = ScriptedWebhooks(None, MemoryClock(self.cluster), self.script, self.record)  # type: ignore[arg-type]
        self.memory.metrics = LabMetrics(self.cluster, rules=self.script)
        self.memory.hooks = LabHooks(self.cluster, webhooks=webhooks)
        self.memory.teller = LabTeller(self.cluster, webhooks=webhooks)
        self.story = Story(self.memory)
        self.memory.store.on_replace = lambda before, after: self.saw(after)

    def record(self, channel: str, entry: object) -> None:
        """Something happened."""
        self.entries.append((self.cluster.now, channel, entry))

    # --- the story --------------------------------------------------------------------------------------------

    def run(self) -> "Play":
        """From the first object to the end of the recording."""
        self.script.change(self.given["world"])
        for raw in self.given["objects"]:
            if raw["kind"] == "Canary":
                self.cluster.now += SERVES_BEFORE
                self.cluster.settle()
            self.cluster.create(raw)
        self.begin()
        for step in self.given["steps"]:
            self.until(step["when"])
            self.pass_time(ACTS_AFTER)
            for action in step["do"]:
                self.act(action)
            self.arm()
        self.until(self.given["end"].get("when", {}))
        self.arm()
        self.pass_time(self.given["end"].get("settle", 0.5) * INTERVAL)
        return self

    def begin(self) -> None:
        """The Canary is there: what can be known beforehand of its provider."""
        manifests = self.cluster.manifests()
        canary = manifests.canaries[self.cluster.key].document
        try:
            policy = translate(canary, manifests.companions)
        except InputError:
            policy = BASE
        self.cluster.capabilities = self.cluster.able(policy)
        self.memory.metrics.problems = tuple(metric.problem for metric in policy.analysis.metrics if metric.problem)
        self.arm()

    def arm(self) -> None:
        """What the next step waits for counts from here."""
        self.armed, self.mark = self.cluster.now, len(self.entries)

    def until(self, when: Raw) -> None:
        """Lets time pass until all parts of `when` hold."""
        assert self.armed is not None
        moment = self.armed + when.get("ticks", 0) * INTERVAL
        end = self.cluster.now + LIMIT
        while True:
            wake = self.story.look()
            if self.holds(when):
                return
            later = [at for at in (wake, self.cluster.next_change(), moment) if at is not None and at > self.cluster.now]
            if not later or min(later) > end:
                raise AssertionError(f"{when} never held; it is {self.story.state.phase}:\n{self.log()}")
            self.cluster.now = min(later)

    def pass_time(self, span: timedelta) -> None:
        """Lets an amount of time pass."""
        end = self.cluster.now + span
        while True:
            wake = self.story.look()
            if self.cluster.now >= end:
                return
            later = [at for at in (wake, self.cluster.next_change()) if at is not None and at > self.cluster.now]
            self.cluster.now = min([*later, end])

    def holds(self, when: Raw) -> bool:
        """Do all parts hold?"""
        state, fresh = self.story.state, self.entries[self.mark :]
        now = status(state)
        assert self.armed is not None
        checks = {
            "phase": lambda wanted: state.serial > 0 and now.phase == wanted,
            "weight": lambda wanted: now.weight == wanted,
            "iterations": lambda wanted: now.iterations == wanted,
            "failed": lambda wanted: now.failed_checks == wanted,
            "event": lambda wanted: any(channel == "events" and re.search(wanted, entry) for _, channel, entry in fresh),
            "hook": lambda wanted: any(channel == "hooks" and entry["hook"] == wanted for _, channel, entry in fresh),
            "ticks": lambda wanted: self.cluster.now - self.armed >= wanted * INTERVAL,
        }
        return all(checks[name](wanted) for name, wanted in when.items())

    def act(self, action: Raw) -> None:
        """One thing that the scenario does."""
        ((verb, what),) = action.items()
        if verb == "patch":
            self.cluster.patch(what["kind"], what["name"], what["body"])
        elif verb == "create":
            self.cluster.create(what)
        elif verb == "delete":
            self.cluster.delete(what["kind"], what["name"])
        elif verb == "world":
            self.script.change(what)
        elif verb == "unready":
            self.cluster.unready(what["workload"], what["pods"])
        else:
            raise ValueError(f"unknown action {verb}")

    # --- the record -------------------------------------------------------------------------------------------

    def saw(self, state: CanaryState) -> None:
        """A record was written: what of its projection changed, as a watch on the Canary would see it."""
        now = status(state, self.cluster.target["kind"])
        short = {"phase": now.phase.value, "weight": now.weight, "iterations": now.iterations, "failedChecks": now.failed_checks}
        tracked = {str(ref.name): ref.checksum for ref in now.applied.configs if ref.digest} if now.applied is not None else None
        rest: dict[str, object] = {
            "condition": f"Promoted={now.promoted} {now.phase}: {now.message}",
            "trackedConfigs": None if tracked is None else ", ".join(f"{name}={sum_}" for name, sum_ in sorted(tracked.items())) or "{}",
            "lastAppliedSpec": now.applied.fingerprint if now.applied is not None else None,
            "lastPromotedSpec": now.last_promoted.fingerprint if now.last_promoted is not None else None,
        }
        before = self.last.get("rest", {})
        assert isinstance(before, dict)
        changes = {name: value for name, value in rest.items() if value != before.get(name)}
        if changes or self.last.get("short") != short:
            self.record("status", {**short, **changes})
        self.last = {"rest": rest, "short": short}

    def log(self) -> str:
        """Everything so far, for a failure."""
        start = self.entries[0][0]
        return "\n".join(f"{(at - start).total_seconds():6.1f} {channel:9} {entry}" for at, channel, entry in self.entries[-60:])
