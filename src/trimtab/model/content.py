"""What is inside a ConfigMap or Secret, and what validation found in it. Made by sources, read by `config` and `validation`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from trimtab.model.names import ConfigKind, ConfigName

SECTIONS = ("data", "binaryData", "stringData")
"""The fields of a ConfigMap or Secret that hold values."""


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of one ConfigMap or Secret. Secret values are decoded here, so this never goes into a record or a log."""

    name: ConfigName
    data: Mapping[str, bytes] = field(repr=False)
    binary: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """`binaryData` of a ConfigMap."""
    declared: bool = True
    """False where the object has no `data` at all, which Flagger's checksum tells apart from an empty one."""
    type: str = ""
    """The `type` of a Secret."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    line: int = 0
    """Where it was written; empty where it came from a cluster."""
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    """Of a Secret: one keyed fingerprint for each key of `data`, by which two values can be told apart."""
    key_lines: Mapping[str, int] = field(default_factory=dict)
    """The line of each key of `data` in `file`, where known."""
    value_lines: Mapping[str, Sequence[int]] = field(default_factory=dict, repr=False)
    """Of values that are written as they are and have several lines: the line of `file` on which each of these stands."""

    def line_of(self, key: str, line: int = 0) -> int:
        """Where a line of a value, from 1, stands in `file`; with 0, where the key does. 0 where neither is known."""
        written = self.value_lines.get(key)
        return written[min(line, len(written)) - 1] if line and written else self.key_lines.get(key, 0)

    @property
    def secret(self) -> bool:
        """True for a Secret: its values are never shown."""
        return self.name.kind is ConfigKind.SECRET


class Severity(StrEnum):
    """How bad a finding is. Only an error keeps content from being shown to anyone."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    OFF = "off"
    """Not looked for. No finding has this; only rules do."""


@dataclass(frozen=True, slots=True)
class KeySchema:
    """The JSON Schema of one key. It holds for every object of that kind whose name fits `name`, in which `*` stands for anything.

    Names are compared without the hash that Kustomize puts behind them.
    """

    kind: ConfigKind
    name: str
    key: str
    schema: str
    """The schema as JSON text."""
    place: str
    """Where it is written, for messages: a file, or `spec.validation.schemas[0].schema`."""


@dataclass(frozen=True, slots=True)
class ContentRules:
    """What content is held against before it is shown to anyone. The defaults count where nobody says anything."""

    severities: tuple[tuple[str, Severity], ...] = ()
    """By the id of the check (`validation.catalogue`), where it is not the usual one."""
    schemas: tuple[KeySchema, ...] = ()
    largest: int = 1024 * 1024
    """Bytes of all values of one ConfigMap or Secret; keys do not count. The API server takes no more than the default."""
    factor: float = 10.0
    """By how many times an amount may grow or shrink in one change."""
    spoken: bool = False
    """Are warnings told as events, too? Else they are in the journal only, since Flagger would say nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that validation found. `check` is a stable id such as `content/parses`."""

    check: str
    severity: Severity
    problem: str
    name: str = ""
    """The object, for example `configmap/app`."""
    key: str = ""
    file: str = ""
    line: int = 0
    fix: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.file and self.line else self.file
        about = f"{self.name}[{self.key}]" if self.key else self.name
        text = ": ".join(part for part in (place, about, self.problem) if part)
        return f"{text} ({self.check})" + (f". {self.fix}" if self.fix else "")
