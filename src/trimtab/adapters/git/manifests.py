"""All manifests of one commit, by kind and name. Made by `reading`, looked into by `evaluate`, `archive`, `sources` and `wiring`.

A snapshot is all files of one commit or nothing: a manifest that cannot be read refuses the commit for everybody (L6, C3).
A Canary that says something wrong is a problem of its own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from trimtab.documents.flagger import Canary
from trimtab.documents.kubernetes import Service
from trimtab.documents.translate import Companions
from trimtab.documents.yaml import Document
from trimtab.model.content import Content
from trimtab.model.names import CanaryKey, ConfigName

FIELD = re.compile(r"spec(\.[A-Za-z]+)+")

Name = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment or DaemonSet as it is written."""

    kind: str
    namespace: str
    name: str
    api_version: str
    replicas: int | None
    """None where it leaves that to others."""
    template: Mapping[str, object] = field(repr=False)
    file: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class CanaryFile:
    """A Canary and where it is written."""

    key: CanaryKey
    document: Canary
    written: Document = field(repr=False)

    @property
    def place(self) -> str:
        """File and line."""
        return f"{self.written.file}:{self.written.line}"

    def place_of(self, text: str) -> str:
        """File and line of the first field that a text names as `spec.analysis.stepWeight`; those of the Canary where it names none."""
        found = FIELD.search(text)
        return f"{self.written.file}:{self.written.line_of(tuple(found[0].split('.')))}" if found else self.place


@dataclass(frozen=True, slots=True)
class Manifests:
    """Everything that one commit says. `invalid` holds what is wrong with a Canary that could not be read."""

    commit: str = ""
    canaries: Mapping[CanaryKey, CanaryFile] = field(default_factory=dict)
    invalid: Mapping[CanaryKey, str] = field(default_factory=dict)
    workloads: Mapping[tuple[str, str, str], Workload] = field(default_factory=dict)
    """By kind, namespace and name."""
    configs: Mapping[tuple[str, ConfigName], Content] = field(default_factory=dict, repr=False)
    """By namespace and name."""
    services: Mapping[Name, Service] = field(default_factory=dict)
    companions: Companions = field(default_factory=Companions)
    """What a Canary may name: MetricTemplates, AlertProviders, RolloutPolicies."""
    warnings: tuple[str, ...] = ()
    rendered: str = ""
    """What was rendered, and by what; empty where files are read as they are written."""
    inputs: tuple[str, ...] = ()
    """The files that it was rendered from."""

    def known(self) -> tuple[CanaryKey, ...]:
        """Every Canary, valid or not, in order."""
        return tuple(sorted({*self.canaries, *self.invalid}))

    def target(self, canary: CanaryFile) -> Workload | None:
        """The workload that a Canary is about."""
        about = canary.document.spec.target_ref
        return self.workloads.get((about.kind, canary.key.namespace, about.name))

    def without_canary(self) -> tuple[Workload, ...]:
        """Workloads that no Canary is about: they run with a plain rolling update (L6)."""
        taken = {(c.document.spec.target_ref.kind, c.key.namespace, c.document.spec.target_ref.name) for c in self.canaries.values()}
        return tuple(workload for name, workload in sorted(self.workloads.items()) if name not in taken)
