"""One immutable content of a target: its pod template and what it reads. Made by sources, compared by `rollout`."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

from trimtab.model.names import ConfigName


@dataclass(frozen=True, slots=True)
class ConfigRef:
    """One ConfigMap or Secret as a revision saw it. An empty `digest` stands for an optional one that does not exist."""

    name: ConfigName
    digest: str
    checksum: str = field(default="", compare=False)
    """Flagger's checksum, for `status.trackedConfigs` only. Never stored for a Secret (DESIGN §7)."""
    keys: tuple[str, ...] = field(default=(), compare=False)
    """The names of the keys of `data` and `binaryData`."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A pod template and the digests of everything it reads. Two revisions are equal when their ids are."""

    id: str
    """Ten hex digits over `fingerprint` and all digests."""
    fingerprint: str = field(compare=False)
    """Of the pod template alone, with its version: `v1:<sha256>`."""
    template: str = field(compare=False, repr=False)
    """The pod template as canonical JSON."""
    configs: tuple[ConfigRef, ...] = field(compare=False)

    @classmethod
    def of(cls, template: str, fingerprint: str, configs: tuple[ConfigRef, ...]) -> "Revision":
        """The revision of a template and what it reads; the order of `configs` does not matter."""
        ordered = tuple(sorted(configs, key=lambda ref: ref.name))
        parts = [fingerprint, *(f"{ref.name}={ref.digest}" for ref in ordered)]
        identity = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:10]
        return cls(identity, fingerprint, template, ordered)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change came from, as far as the source can tell."""

    commit: str = ""
    author: str = ""
    message: str = ""
    at: datetime | None = None
