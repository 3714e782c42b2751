"""What a scenario gives: objects, a world, steps and an end, as a golden trace holds them (tests/golden/README.md)."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Raw = dict[str, Any]
PROJECT = Path(__file__).resolve().parents[3]
GOLDEN = PROJECT / "tests" / "golden"
LIMIT = 18
"""Intervals after which a scenario is over in any case, unless it says otherwise."""
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass
class Scenario:
    """One scenario, to be played in a namespace of its own."""

    name: str
    objects: list[Raw]
    world: Raw
    steps: list[Raw] = field(default_factory=list)
    end: Raw = field(default_factory=lambda: {"when": {"phase": "Succeeded"}})
    limit: int = LIMIT
    document: Raw = field(default_factory=dict, repr=False)
    """The whole file: with `expected` where it is a golden trace."""

    @classmethod
    def of(cls, document: Raw, name: str = "") -> "Scenario":
        """A scenario from a file's content."""
        given = {key: document[key] for key in ("steps", "end", "limit") if key in document}
        return cls(document.get("scenario", name), document["objects"], document.get("world", {}), document=document, **given)

    @property
    def interval(self) -> float:
        """Seconds: the shortest interval of its Canaries."""
        intervals = [_seconds(item["spec"]["analysis"]["interval"]) for item in self.everything() if _is_analysed(item)]
        return min(intervals, default=10.0)

    def everything(self) -> list[Raw]:
        """Every object that exists at the start or is made by a step."""
        return self.objects + [action["create"] for step in self.steps for action in step["do"] if "create" in action]

    def canaries(self) -> list[str]:
        """The names of its Canaries."""
        return [item["metadata"]["name"] for item in self.everything() if item["kind"] == "Canary"]

    def starts_with(self) -> set[tuple[str, str]]:
        """Kind and name of each object at the start."""
        return {(item["kind"], item["metadata"]["name"]) for item in self.objects}


def _is_analysed(item: Raw) -> bool:
    return item["kind"] == "Canary" and "interval" in item["spec"].get("analysis", {})


def _seconds(text: str) -> float:
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|s|m|h)", text))


def load(path: Path) -> Raw:
    """A YAML file."""
    found: Raw = yaml.load(path.read_text(), yaml.CSafeLoader)
    return found


def find(word: str, folder: Path = GOLDEN) -> Scenario:
    """A scenario by the path of its file, or by its name in a folder.

    Raises:
        FileNotFoundError: it is neither.
    """
    path = Path(word) if Path(word).is_file() else folder / f"{word}.yaml"
    return Scenario.of(load(path), path.stem)


def places(namespace: str, address: str) -> dict[str, str]:
    """What the words `${...}` of a scenario stand for."""
    ways = {"${HOOKS}": "hook", "${ALERTS}": "alert", "${PROM}": "prom"}
    return {word: f"{address}/{way}/{namespace}" for word, way in ways.items()}


def fill(value: Any, table: Mapping[str, str]) -> Any:
    """The same document with addresses in place of `${...}`."""
    text = json.dumps(value)
    for word, address in table.items():
        text = text.replace(word, address)
    return json.loads(text)
