"""The evidence file, version 1: what was judged, by which rules and numbers, and what came of it. Canonical JSON, named by its SHA-256.

Written by whoever judges, kept in the journal, read by `promote`, `rollback` and `show`.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from trimtab.config.digest import canonical_json
from trimtab.errors import InputError
from trimtab.promotion.content import Judged

Word = Literal["pass", "fail", "inconclusive", "no-data"]


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How parts of the evidence are written."""


class Window(Part, frozen=True, kw_only=True):
    """When the canary was watched."""

    began: datetime
    ended: datetime


class Query(Part, frozen=True, kw_only=True):
    """One question that was asked, as it was asked."""

    metric: str
    query: str
    of: str = ""
    """`canary` or `stable`, where the two are asked apart."""


class Sum(Part, frozen=True, kw_only=True):
    """What one scrape brought of one copy: of requests, how many were bad and how many there were."""

    metric: str
    of: Literal["canary", "stable"]
    at: datetime
    bad: float
    total: float


class Figure(Part, frozen=True, kw_only=True):
    """One metric in a line: values ready to be shown, and what came of it."""

    metric: str
    judgement: str
    canary: str = ""
    stable: str = ""
    text: str = ""


class Verdict(Part, frozen=True, kw_only=True):
    """What the judge said, and why."""

    judgement: Word
    text: str = ""
    figures: tuple[Figure, ...] = ()
    reasons: tuple[str, ...] = ()
    """Of a comparison: what tipped it, how the odds grew, and what would change it, a line each."""


class Run(Part, frozen=True, kw_only=True):
    """The run of a pipeline that judged; empty on somebody's own machine."""

    id: str = ""
    url: str = ""
    actor: str = ""


class Evidence(Part, frozen=True, kw_only=True):
    """Everything about one verdict. `app` and `target` say whose content it is: the canary's."""

    version: Literal[1] = 1
    app: str
    target: str
    commit: str
    source: Mapping[str, str]
    content: str
    keys: Mapping[str, str] = {}
    policy: str = ""
    """Digest of the RolloutPolicy and MetricTemplates that it was judged by."""
    window: Window
    queries: tuple[Query, ...] = ()
    sums: tuple[Sum, ...] = ()
    counted: str = ""
    """What the comparison's verdict can be computed anew from; `recounting` says how it is written."""
    verdict: Verdict
    versions: Mapping[str, str] = {}
    run: Run = Run()

    @property
    def judged(self) -> Judged:
        """What was judged, in digests."""
        return Judged(self.content, self.source, self.keys)


def encode(evidence: Evidence) -> bytes:
    """The canonical JSON of it."""
    return canonical_json(msgspec.to_builtins(evidence)).encode()


def name_of(text: bytes) -> str:
    """The SHA-256 of evidence in hex, however it is laid out. InputError where it is not JSON."""
    return hashlib.sha256(canonical_json(_value(text, "the evidence")).encode()).hexdigest()


def decode(text: bytes, file: str = "the evidence") -> Evidence:
    """Evidence out of a file; the layout does not count. InputError that names file, field and what is wrong."""
    value = _value(text, file)
    version = value.get("version") if isinstance(value, dict) else None
    if version != 1:
        raise InputError(f"{file} is not evidence of version 1. `trimtab monitor --evidence FILE` writes it")
    try:
        return msgspec.convert(value, Evidence)
    except msgspec.ValidationError as error:
        raise InputError(f"{file} is not evidence of version 1: {error}") from None


def _value(text: bytes, file: str) -> object:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"{file} is not JSON. Give a file of evidence, as `trimtab monitor --evidence FILE` writes it") from None
    return found
