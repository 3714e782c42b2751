"""Watches the cluster and the world of scenarios and takes down what happens, channel by channel (tests/golden/README.md)."""

import asyncio
import json
import re
import time
from typing import Any

from cluster.testbed import shapes
from cluster.testbed.api import Api
from cluster.testbed.content import digest
from cluster.testbed.scenario import Scenario

Raw = dict[str, Any]
ROUTES = ("HTTPRoute", "VirtualService", "Ingress")
WATCHED = (
    "Canary", "Event", "Deployment", "DaemonSet", "Service", "ConfigMap", "Secret", "HorizontalPodAutoscaler", "DestinationRule", *ROUTES,
)  # fmt: skip
EVERYWHERE = "kube-root-ca.crt"
COPY = re.compile(r"-primary(-[0-9a-f]{10})?$")
"""The name of a copy for the primary, Flagger's or Trimtab's."""


class Recorder:
    """One per run: `now[namespace]` is the cluster as last seen, `takes[namespace]` what is being taken down."""

    def __init__(self, api: Api) -> None:
        self.now: dict[str, dict[tuple[str, str], Raw]] = {}
        self.takes: dict[str, Take] = {}
        self.changed = asyncio.Condition()
        self._api = api

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for kind in WATCHED:
                group.create_task(self._follow(kind))

    def begin(self, scenario: Scenario, namespace: str) -> "Take":
        """Takes down what happens in a namespace from now on."""
        self.now[namespace] = {}
        self.takes[namespace] = Take(scenario)
        return self.takes[namespace]

    def called(self, namespace: str, channel: str, entry: Raw) -> None:
        """A request that the world got."""
        if take := self.takes.get(namespace):
            take.called(channel, entry)

    def pod_started(self, namespace: str, workload: str, pod: Raw, saw: dict[str, str]) -> None:
        """A pod that started, with the digests of what it read."""
        if take := self.takes.get(namespace):
            take.add("pods", {"started": workload, "image": shapes.tag(pod["spec"]), "reads": shapes.joined(saw)})

    async def _follow(self, kind: str) -> None:
        async for change, found in self._api.watch(kind):
            namespace, name = found["metadata"].get("namespace", ""), found["metadata"]["name"]
            world = self.now.setdefault(namespace, {})
            if change == "DELETED":
                world.pop((kind, name), None)
            else:
                world[(kind, name)] = found
            if take := self.takes.get(namespace):
                take.saw(kind, name, None if change == "DELETED" else found)
            async with self.changed:
                self.changed.notify_all()


class Take:
    """What one scenario does: `entries` are time, channel and entry, in the order in which they happened."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.canaries = scenario.canaries()
        self.entries: list[tuple[float, str, Any]] = []
        self.query_names: dict[str, str] = {}
        self._own = scenario.starts_with()
        self._last: dict[tuple[str, str], Raw] = {}
        self._ids: dict[str, dict[str, str]] = {}

    def add(self, channel: str, entry: Any) -> None:
        """Takes down one entry, as it is at this moment."""
        self.entries.append((time.monotonic(), channel, json.loads(json.dumps(entry))))

    def saw(self, kind: str, name: str, found: Raw | None) -> None:
        """An object that was added or changed; None: it is gone."""
        if kind == "Canary":
            self._canary(name, found)
        elif kind in ("Deployment", "DaemonSet"):
            self._changed("workloads", name, found and self._workload(name, found))
        elif kind in ROUTES and (kind != "Ingress" or (kind, name) not in self._own):
            self._changed("routes", name, found and {"name": name, **shapes.route(kind, found)}, kind=kind)
        elif kind == "Service":
            self._changed("services", name, found and shapes.service(name, found))
        elif kind == "HorizontalPodAutoscaler":
            self._changed("autoscalers", name, found and shapes.autoscaler(name, found))
        elif kind in ("ConfigMap", "Secret") and name != EVERYWHERE and (COPY.search(name) or (kind, name) not in self._own):
            self._content(kind, name, found)

    def _changed(self, channel: str, name: str, entry: Raw | None, **more: str) -> None:
        """Only what differs from what was last taken down."""
        entry = entry or {"name": name, **more, "gone": True}
        if self._last.get((channel, name)) != entry:
            self._last[(channel, name)] = entry
            self.add(channel, entry)

    def _content(self, kind: str, name: str, found: Raw | None) -> None:
        head = {"name": f"{kind.lower()}/{name}", **({} if COPY.search(name) else {"source": True})}
        entry = {**head, **({"gone": True} if found is None else {"digest": digest(found.get("data"))})}
        self._changed("copies", f"{kind}/{name}", entry)

    def _workload(self, name: str, found: Raw) -> Raw:
        entry, identity = shapes.workload(name, found)
        if identity:
            known = self._ids.setdefault(name, {})
            entry["flaggerId"] = f"id-{known.setdefault(identity, str(len(known) + 1))}"
        return entry

    def _canary(self, name: str, found: Raw | None) -> None:
        if found is None:
            self.add("status", self._of(name, {"gone": True}))
        elif (found.get("status") or {}).get("phase"):
            head, rest = shapes.status_head(found["status"]), shapes.status_rest(found)
            before = self._last.get(("status-rest", name), {})
            changes = {key: "none" if value is None else value for key, value in rest.items() if value != before.get(key)}
            if changes or self._last.get(("status", name)) != head:
                self._last[("status-rest", name)], self._last[("status", name)] = rest, head
                self.add("status", self._of(name, {**head, **changes}))

    def _of(self, canary: str, entry: Raw) -> Raw:
        """Names the canary only where there is more than one."""
        return {"canary": canary, **entry} if len(self.canaries) > 1 else entry

    def called(self, channel: str, entry: Raw) -> None:
        """A request that the world got."""
        if channel == "queries":
            self._query(entry)
            return
        body = entry["body"]
        metadata = (body.get("metadata") or {}) if isinstance(body, dict) else {}
        if "eventMessage" in metadata:
            text = f"{metadata.get('eventType')}: {metadata['eventMessage']}"
            self.add("events", f"[{body.get('name')}] {text}" if len(self.canaries) > 1 else text)
            if channel == "eventhook":
                return
        if isinstance(metadata.get("timestamp"), str):
            body = {**body, "metadata": {**metadata, "timestamp": "<ms>"}}
        if channel == "hooks":
            self.add("hooks", {"hook": entry["hook"], **_unusual(entry), "answer": entry["answer"], "payload": body})
        else:
            self.add("alerts", {"to": entry["to"], **_unusual(entry), "payload": body})

    def _query(self, entry: Raw) -> None:
        """`q1 -> 99.9`; the texts are listed once, at the end of the trace."""
        name = self.query_names.setdefault(entry["query"], f"q{len(self.query_names) + 1}")
        usual = ("query", "answer", *(("path",) if entry["path"] == "api/v1/query" else ()))
        extra = {key: value for key, value in entry.items() if key not in usual}
        self.add("queries", f"{name} -> {entry['answer']}" + (f" {extra}" if extra else ""))


def _unusual(entry: Raw) -> Raw:
    """What differs from a POST of JSON without credentials."""
    found = {} if entry["method"] == "POST" else {"method": entry["method"]}
    kind = entry["headers"].get("Content-Type")
    if kind != "application/json":
        found["contentType"] = kind
    if "Authorization" in entry["headers"]:
        found["authorization"] = entry["headers"]["Authorization"]
    return found
