"""Reads a golden trace and what Trimtab did into the same lines, channel by channel, and says where they differ (G1).

Both sides are read alike, so the departures that hold in every trace (DESIGN §6) are in the reading: what stays the same is
told once in a run; a rollback follows in the decision of the last allowed failure, so how failures were counted up to it is
left out; how far a new primary has come when it is looked at is a race.
"""

import difflib
import json
import re
from collections.abc import Iterable
from typing import Any

from .lab_play import INTERVAL, Play

Raw = dict[str, Any]
Lines = list[str]
SHORT = ("phase", "weight", "iterations", "failedChecks")
STATUS = (*SHORT, "condition", "trackedConfigs", "lastAppliedSpec", "lastPromotedSpec")
NEW_RUN = "New revision detected"
STEP = re.compile(r"Normal: (Starting canary analysis|Advance \S+ canary |Copying )")
WAITING = re.compile(r"(-primary\.\S+ not ready: waiting for rollout to finish:) .*")


def of_flagger(trace: list[Raw]) -> dict[str, Lines]:
    """The channels that are compared at this level, from a golden trace."""
    found: dict[str, list[Any]] = {}
    events: list[tuple[float, str]] = []
    for tick in trace:
        for channel, entries in tick.items():
            if channel != "t":
                found.setdefault(channel, []).extend(entries)
        events += [(tick["t"], event) for event in tick.get("events", ())]
    weights = [share for entry in found.get("routes", ()) if (share := canary_share(entry)) is not None]
    return read(found, events, weights)


def of_trimtab(play: Play) -> dict[str, Lines]:
    """The same channels, from what was played."""
    found: dict[str, list[Any]] = {}
    for _, channel, entry in play.entries:
        found.setdefault(channel, []).append(entry)
    events = [(at.timestamp() / INTERVAL.total_seconds(), entry) for at, channel, entry in play.entries if channel == "events"]
    moves = [100 if routes.matched else routes.weight for _, routes in play.memory.router.moves]
    return read(found, events, moves if play.cluster.capabilities.weights else [])


def read(found: dict[str, list[Any]], events: list[tuple[float, str]], weights: list[int]) -> dict[str, Lines]:
    """Entries as lines."""
    lines = {
        "status": at_once([status_entry(entry) for entry in found.get("status", ()) if "phase" in entry]),
        "events": told_once(WAITING.sub(r"\1 ...", event) for _, event in events),
        "pace": pace(events),
        "weights": without_repeats(str(weight) for weight in weights),
        "hooks": hook_lines(found.get("hooks", [])),
        "alerts": told_once(as_line(entry) for entry in found.get("alerts", ())),
    }
    for name in sorted({entry["name"] for entry in found.get("workloads", ())}):
        lines[f"workload {name}"] = without_repeats(as_line(workload(entry)) for entry in found["workloads"] if entry["name"] == name)
    return {channel: list(channel_lines) for channel, channel_lines in lines.items()}


def as_line(entry: object) -> str:
    """One entry."""
    return json.dumps(entry, ensure_ascii=False, sort_keys=not isinstance(entry, dict) or "phase" not in entry)


def canary_share(entry: Raw) -> int | None:
    """The share of the canary in a route object; of the rule that splits traffic, where there are several."""
    if "rules" not in entry:
        return None
    for rule in reversed(entry["rules"]):
        if "annotations" in rule:
            prefix = "nginx.ingress.kubernetes.io/canary"
            matched = any(name.startswith(f"{prefix}-by-") for name in rule["annotations"])
            return 100 if matched else int(rule["annotations"].get(f"{prefix}-weight", 0))
        if "app-canary" in rule["to"]:
            return int(rule["to"]["app-canary"])
    return None


def workload(entry: Raw) -> Raw:
    """Replicas, image and restarts. A DaemonSet is scaled to nothing by a node selector."""
    if entry.get("gone"):
        return entry
    replicas = entry.get("replicas", 0 if "scale-to-zero" in entry.get("nodeSelector", "") else 1)
    return {"replicas": replicas, "image": entry["image"], **({"flaggerId": entry["flaggerId"]} if "flaggerId" in entry else {})}


def numbered(hooks: list[Raw]) -> list[Raw]:
    """Checksums that name runs, as numbers in the order in which they appear; times of events left out."""
    words: dict[str, str] = {}
    found = []
    for hook in hooks:
        payload = {**hook["payload"], "checksum": words.setdefault(hook["payload"]["checksum"], f"<run-{len(words) + 1}>")}
        found.append({"hook": hook["hook"], "answer": hook["answer"], "payload": payload})
    return found


def hook_lines(hooks: list[Raw]) -> Lines:
    """Every call. An event hook is told an event once, as the events themselves are."""
    lines = [WAITING.sub(r'\1 ..."}', as_line(entry)) for entry in numbered(hooks)]
    return [line for line in lines if "eventMessage" not in line] + told_once(line for line in lines if "eventMessage" in line)


def status_entry(entry: Raw) -> Raw:
    """The fields that follow from the record alone; hashes are numbered later."""
    return {name: entry[name] for name in STATUS if name in entry}


def at_once(entries: list[Raw]) -> Lines:
    """A rollback follows at once (S4): entries in which only `failedChecks` moved just before Failed are left out."""
    words: dict[str, str] = {}
    kept: list[Raw] = []
    for entry in entries:
        for name in ("lastAppliedSpec", "lastPromotedSpec"):
            if name in entry:
                entry[name] = words.setdefault(entry[name], f"<spec-{len(words) + 1}>")
        while entry["phase"] == "Failed" and len(kept) > 1 and counts_on(kept[-2], kept[-1]):
            kept.pop()
        kept.append(entry)
    return [as_line(entry) for entry in kept]


def counts_on(before: Raw, now: Raw) -> bool:
    """Only `failedChecks` moved between these two."""
    return set(now) <= set(SHORT) and all(now[name] == before[name] for name in SHORT if name != "failedChecks")


def told_once(texts: Iterable[str]) -> Lines:
    """What stays the same is told once in a run (OPS-3)."""
    kept: Lines = []
    seen: set[str] = set()
    for text in texts:
        if NEW_RUN in text and text in seen:
            seen = set()
        if text not in seen:
            kept.append(text)
        seen.add(text)
    return kept


def without_repeats(texts: Iterable[str]) -> Lines:
    """Equal neighbours count once."""
    kept: Lines = []
    for text in texts:
        if not kept or kept[-1] != text:
            kept.append(text)
    return kept


def pace(events: list[tuple[float, str]]) -> Lines:
    """How many intervals after the step before each step of a run was taken; detection and readiness are not paced (P2)."""
    kept: Lines = []
    before: float | None = None
    for moment, text in events:
        if NEW_RUN in text:
            before = None
        if STEP.match(text) and not (before is not None and "Starting" in text):
            kept.append(f"{text} after {'-' if before is None else round(moment - before)}")
            before = moment
    return kept


def differences(flagger: dict[str, Lines], trimtab: dict[str, Lines]) -> dict[str, Lines]:
    """By channel: `- ` what only Flagger did, `+ ` what only Trimtab did, in order, with what both did around it."""
    found = {}
    for channel in sorted(flagger.keys() | trimtab.keys()):
        diff = list(difflib.unified_diff(flagger.get(channel, []), trimtab.get(channel, []), lineterm="", n=1))
        if diff:
            found[channel] = diff[2:]
    return found


def is_difference(line: str) -> bool:
    """Does this line of a diff say that something differs?"""
    return line.startswith(("-", "+"))


def shown(name: str, found: dict[str, Lines]) -> str:
    """What differs, to be read."""
    lines = [f"{name}: `-` only Flagger, `+` only Trimtab"]
    for channel, diff in found.items():
        lines += [f"  {channel}", *(f"    {line}" for line in diff)]
    return "\n".join(lines)
