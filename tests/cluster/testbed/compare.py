"""Reads two traces of one scenario into lines, channel by channel, and says where they differ.

What follows from the record alone is read as `tests/machine` reads it; here come the channels that only a cluster has. Departures that
hold in every trace (DESIGN §6) are in the reading: copies are named by content, so a digest at the end of a name is left out, and copies
are compared by what pods read; due metrics are asked together, so which were asked counts, not how often; our own annotations and the
reasons of Kubernetes Events are ours. How many intervals lie between steps is compared in virtual time, not on a machine that may be busy.

Not compared, because it is a race: how many pods it took until as many as wanted ran some content (a pod that may have begun before the
content was there is replaced); how long the first of a run took to get ready; whose deadline for a new primary is over first, Kubernetes'
or the Canary's; the order of a Service's ports.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from cluster.departures import OF_THE_CLUSTER
from cluster.testbed.scenario import Scenario
from cluster.testbed.shapes import COOKIES
from machine.departures import DEPARTURES, Departure
from machine.lab_compare import as_line, differences, is_difference, of_flagger, shown, told_once, without_repeats

Raw = dict[str, Any]
Lines = list[str]
DIGEST = re.compile(r"-primary-[0-9a-f]{10}(?![0-9a-f])")
OURS = re.compile(r"^/objects/[^ ]*/annotations/trimtab\.dev/|^/kubernetesEvents")
LATE = re.compile(r'(-primary\.\S+ not ready:) deployment "[^"]+" exceeded its progress deadline')
COMING_UP = re.compile(r"^Warning: canary \S+ \S+ not ready: waiting for rollout to finish: ")
COPIES = re.compile(r"^/objects/(ConfigMap|Secret)/[^/]*-primary(/|$)")
T = TypeVar("T")
SENT = ("method", "contentType", "authorization")


def compared(name: str, expected: Raw, found: Raw) -> dict[str, Lines]:
    """By channel, where `found` differs from `expected` in ways that no row of the tables declares."""
    differs = differences(read(expected), read(found))
    return {channel: diff for channel, diff in differs.items() if any(_is_undeclared(name, channel, line) for line in diff)}


def in_vain(name: str, expected: Raw, found: Raw) -> Lines:
    """What the table of the cluster declares for a trace and what did not occur, to be read."""
    differs = differences(read(expected), read(found))
    sides = [
        (row, sign) for row in OF_THE_CLUSTER if name in row.traces for sign in ("-", "+") if (row.flagger if sign == "-" else row.trimtab)
    ]
    return [
        f"{name}: declared in {row.channel}, but no `{sign}` line is so: {row.reason}"
        for row, sign in sides
        if not any(line.startswith(sign) and _declares(row, name, row.channel, line) for line in differs.get(row.channel, ()))
    ]


def is_as_told(scenario: Scenario, found: Raw) -> bool:
    """Is there a golden trace, and does `found` equal it?"""
    return "expected" in scenario.document and not compared(scenario.name, scenario.document["expected"], found)


def readable(name: str, differs: dict[str, Lines]) -> str:
    """What differs, to be read."""
    return _without_digest(shown(name, differs))


def read(document: Raw) -> dict[str, Lines]:
    """The lines of each channel of a trace."""
    trace = document["trace"]
    entries: dict[str, list[Any]] = {}
    for tick in trace:
        for channel, items in tick.items():
            if channel != "t":
                entries.setdefault(channel, []).extend(items)
    texts = document.get("queryTexts", {})
    found = {
        **{channel: lines for channel, lines in of_flagger(_as_machine(entries)).items() if channel != "pace"},
        "cookies and finalizers": [
            as_line(kept) for entry in entries.get("status", ()) if (kept := _kept(entry, (*COOKIES, "finalizers")))
        ],
        "alerts": _each(told_once(as_line(entry) for entry in entries.get("alerts", ())), lambda line: str(json.loads(line)["to"])),
        "requests": _each(
            told_once(as_line([entry.get("hook", entry.get("to")), _kept(entry, SENT)]) for entry in _sent(entries)),
            lambda line: str(json.loads(line)[0]),
        ),
        "routes": without_repeats(as_line(entry) for entry in entries.get("routes", ())),
        "services": [as_line(_in_order(entry)) for entry in _each(entries.get("services", ()), _name)],
        "autoscalers": [as_line(entry) for entry in _each(entries.get("autoscalers", ()), _name)],
        "reads": without_repeats(_alike([entry["name"], entry.get("reads")]) for entry in _each(entries.get("workloads", ()), _name)),
        "pods": without_repeats(_alike(entry) for entry in _each(entries.get("pods", ()), _name)),
        "queries": sorted({re.sub(r"^q\d+", lambda name: texts[name.group()], text) for text in entries.get("queries", ())}),
        "final": sorted(text for text in _leaves(document.get("final") or {}) if not OURS.search(text)),
        "ended": [document["ended"]],
    }
    read_alike = {channel: [_without_digest(line) for line in lines] for channel, lines in found.items()}
    return {**read_alike, "final": [line for line in read_alike["final"] if not COPIES.match(line)]}


def _alike(entry: object) -> str:
    return _without_digest(as_line(entry))


def _without_digest(text: str) -> str:
    return DIGEST.sub("-primary", text)


def _as_machine(entries: dict[str, list[Any]]) -> list[Raw]:
    """One tick with everything, where events and hooks are without what is a race."""
    events = [LATE.sub(r"\1 waiting for rollout to finish: ...", event) for event in entries.get("events", ())]
    return [{"t": 0, **entries, "events": _got_ready(events), "hooks": _of_hooks(entries.get("hooks", []))}]


def _of_hooks(entries: list[Raw]) -> list[Raw]:
    """Without what event hooks were told about pods that are not ready yet: that is in the events."""
    return [entry for entry in entries if " not ready: waiting for rollout to finish: " not in _message(entry)]


def _message(hook: Raw) -> str:
    return str((hook["payload"].get("metadata") or {}).get("eventMessage", ""))


def _got_ready(events: Lines) -> Lines:
    """Without what was said about canary pods that got ready in the end."""
    kept: Lines = []
    for event in events:
        while "Starting canary analysis" in event and kept and COMING_UP.search(kept[-1]):
            kept.pop()
        kept.append(event)
    return kept


def _name(entry: Raw) -> str:
    return str(entry.get("name", entry.get("started")))


def _each(entries: Iterable[T], whose: Callable[[T], str]) -> list[T]:
    """One object after the other, and of each what happened to it, in order. Which of two objects is first when neither waits for the
    other is not compared: what Flagger does at its next tick, Trimtab does as soon as it can (P2)."""
    return sorted(entries, key=whose)


def _is_undeclared(name: str, channel: str, line: str) -> bool:
    return is_difference(line) and not any(_declares(row, name, channel, line) for row in (*DEPARTURES, *OF_THE_CLUSTER))


def _declares(row: Departure, name: str, channel: str, line: str) -> bool:
    """Does a row of a table cover this line of a diff?"""
    pattern = row.flagger if line.startswith("-") else row.trimtab
    return name in row.traces and channel == row.channel and bool(pattern) and re.search(pattern, line[1:]) is not None


def _kept(entry: Raw, names: tuple[str, ...]) -> Raw:
    return {name: entry[name] for name in names if name in entry}


def _in_order(service: Raw) -> Raw:
    return {**service, "ports": sorted(service["ports"].split(", "))} if "ports" in service else service


def _sent(entries: dict[str, list[Any]]) -> list[Raw]:
    return [*entries.get("hooks", ()), *entries.get("alerts", ())]


def _leaves(value: Any, path: str = "") -> Iterator[str]:
    """Each value on a line of its own, with its path."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}/{key}")
    elif isinstance(value, list) and value and not isinstance(value[0], str):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    elif isinstance(value, list):
        yield from (f"{path} has {item}" for item in value)
    else:
        yield f"{path} = {as_line(value)}"
