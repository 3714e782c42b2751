"""How things are called: canaries, and the ConfigMaps and Secrets they read. Used by every room."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, order=True, slots=True)
class CanaryKey:
    """Which Canary: its namespace and name. One worker at a time works on one key."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.name}.{self.namespace}"


class ConfigKind(StrEnum):
    """The two kinds of object that hold configuration."""

    CONFIG_MAP = "ConfigMap"
    SECRET = "Secret"


@dataclass(frozen=True, order=True, slots=True)
class ConfigName:
    """One ConfigMap or Secret within a namespace, printed as `configmap/NAME` or `secret/NAME`, as Flagger does."""

    kind: ConfigKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind.lower()}/{self.name}"


@dataclass(frozen=True, slots=True)
class Target:
    """The workload a Canary is about."""

    kind: str
    name: str
    api_version: str = "apps/v1"


def some(names: Sequence[str], most: int) -> str:
    """Names in a line for a message: the first ones, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def how_many(count: int, what: str) -> str:
    """`1 look`, `2 looks`."""
    return f"{count} {what}{'' if count == 1 else 's'}"
