"""What was taken down as a trace: by intervals, with the end state, and with all that is random or local replaced by words."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from cluster.testbed import shapes
from cluster.testbed.recorder import COPY, EVERYWHERE, Take

Raw = dict[str, Any]
CHANNELS = (
    "lab", "status", "events", "routes", "workloads", "autoscalers", "services", "copies", "hooks", "alerts", "queries", "pods",
)  # fmt: skip
UNORDERED = {"copies", "pods", "workloads", "services"}
"""Which of several objects is first inside one interval is not the controller's to decide."""
SILENCE = 0.3
"""Part of an interval in which no tick says anything; a shorter silence means that ticks came late."""


def grid(take: Take) -> tuple[float, float]:
    """When the first tick began, and the longest part of an interval, in seconds, in which no tick says anything.

    Ticks come every interval from some moment on and speak for a second or two. Laid over each other, events leave a long silence
    before that moment; where there are two (a slow metric server), the first event of all decides.
    """
    interval = take.scenario.interval
    events = [moment for moment, channel, _ in take.entries if channel == "events"]
    if not events:
        return (take.entries[0][0] if take.entries else 0.0), interval
    phases = sorted(moment % interval for moment in events)
    silences = [
        ((after - before) % interval or (interval if len(phases) == 1 else 0.0), after)
        for before, after in zip(phases[-1:] + phases, phases, strict=False)
    ]
    long = [item for item in silences if item[0] >= SILENCE * interval] or [max(silences)]
    silence, phase = min(long, key=lambda item: (events[0] - item[1]) % interval)
    return events[0] - (events[0] - phase) % interval, silence


def is_disturbed(take: Take) -> bool:
    """Was the machine so busy that ticks came late? Then the trace says little."""
    return grid(take)[1] < SILENCE * take.scenario.interval


def finish(take: Take, now: Mapping[tuple[str, str], Raw], ended: str, namespace: str, places: Mapping[str, str]) -> Raw:
    """The trace: what `expected` of a golden trace holds."""
    document: Raw = {"scenario": take.scenario.name, "ended": ended, "trace": timeline(take), "final": final(now)}
    if take.query_names:
        document["queryTexts"] = {name: text for text, name in take.query_names.items()}
    return normalise(document, namespace, places)


def timeline(take: Take) -> list[Raw]:
    """Entries by interval and channel."""
    start, _ = grid(take)
    ticks: dict[int, dict[str, list[Any]]] = {}
    for moment, channel, entry in take.entries:
        t = max(0, int((moment - start + 1) // take.scenario.interval))
        ticks.setdefault(t, {}).setdefault(channel, []).append(entry)
    found = []
    for t in sorted(ticks):
        ordered = {channel: in_order(channel, ticks[t][channel], len(take.canaries)) for channel in CHANNELS if channel in ticks[t]}
        found.append({"t": t, **ordered})
    return found


def in_order(channel: str, entries: list[Any], canaries: int) -> list[Any]:
    """Entries of one interval; those of several Canaries one Canary after the other."""
    if channel in UNORDERED:
        return sorted(entries, key=lambda item: str(item.get("name", item.get("started"))))
    return sorted(entries, key=_canary_of) if canaries > 1 else entries


def _canary_of(entry: Any) -> str:
    if isinstance(entry, str):
        return entry.split("]")[0]
    return str(entry.get("canary") or entry.get("name") or (entry.get("payload") or {}).get("name"))


def final(now: Mapping[tuple[str, str], Raw]) -> Raw:
    """The cluster at the end: what the controller made or changed, in full but without server defaults."""
    found: Raw = {}
    for (kind, name), item in sorted(now.items()):
        if kind == "Canary":
            found.setdefault("canaries", {})[name] = shapes.canary_end(item)
        elif kind in ("ConfigMap", "Secret") and (name == EVERYWHERE or not COPY.search(name)):
            continue
        elif kind != "Event":
            found.setdefault("objects", {})[f"{kind}/{name}"] = {**shapes.about(item["metadata"]), **shapes.content(kind, item)}
    events = [item for (kind, _), item in now.items() if kind == "Event" and item["involvedObject"].get("kind") == "Canary"]
    found["kubernetesEvents"] = sorted(
        f"{item['type']} {item['reason']} {item['source'].get('component')} x{item.get('count', 1)}: {item['message']}" for item in events
    )
    return found


def normalise(document: Raw, namespace: str, places: Mapping[str, str]) -> Raw:
    """Namespace to `test`; addresses to `${...}`; hashes, checksums, cookies and ids to numbered words, by appearance."""
    text = json.dumps(document, ensure_ascii=False)
    for word, address in places.items():
        text = text.replace(address, word)
    base = places["${HOOKS}"].split("/hook/")[0]
    text = text.replace(base, "${WORLD}").replace(namespace, "test").replace(namespace.replace("-", "_"), "test")
    words = {
        **_numbered(re.findall(r'"last(?:Applied|Promoted)Spec": "([^"]+)"', text), "spec"),
        **_numbered(re.findall(r'"checksum": "([^"]+)"', text), "run"),
        **_numbered(re.findall(r'AffinityCookie": "[^"=]*=([A-Za-z]{10})"', text), "cookie"),
        **_numbered(re.findall(r'"flagger-id": "([^"]+)"', text), "uuid"),
        **_numbered(re.findall(r"\b10\.0\.\d+\.\d+\b", text), "ip"),
    }
    words.pop("none", None)
    for value, word in words.items():
        text = text.replace(value, f"<{word}>")
    found: Raw = json.loads(text)
    return found


def _numbered(found: Iterable[str], word: str) -> dict[str, str]:
    return {value: f"{word}-{index}" for index, value in enumerate(dict.fromkeys(found), 1)}


class _Lines(list[Any]):
    """A list that is written one entry per line."""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(_Lines, lambda dumper, data: dumper.represent_sequence("tag:yaml.org,2002:seq", data, False))


def text_of(document: Raw) -> str:
    """A trace as a golden file has it: one entry per line."""
    trace = [{key: _Lines(value) if isinstance(value, list) else value for key, value in tick.items()} for tick in document["trace"]]
    end = {key: _Lines(value) if isinstance(value, list) else value for key, value in document["final"].items()}
    shown = {**document, "trace": trace, "final": end}
    return str(yaml.dump(shown, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10000, default_flow_style=None))
