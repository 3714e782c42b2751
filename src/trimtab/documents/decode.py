"""From text to typed documents: what people write in files, and what a cluster returns. Called by adapters and the faces.

Files are read strictly. What comes from a cluster may hold fields that a newer Flagger has: they are kept, with a warning (C4).
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from trimtab.documents import edges, flagger, judging, kubernetes, pipeline, rules, trimtab, validation, watching
from trimtab.documents.fitting import Misfit, convert, dotted, nearest, prune, shape
from trimtab.documents.kubernetes import Service, Workload
from trimtab.documents.naming import misnamed
from trimtab.documents.yaml import Document, read_yaml
from trimtab.errors import DocumentError
from trimtab.model.content import Content

Ours = (
    flagger.Canary
    | flagger.MetricTemplate
    | flagger.AlertProvider
    | trimtab.RolloutPolicy
    | trimtab.ConfigRollout
    | trimtab.RolloutCommand
    | pipeline.Pipeline
)
Value = Ours | Workload | Service | Content

_OURS: dict[str, dict[str, type[Ours]]] = {
    flagger.API_VERSION: {
        "Canary": flagger.Canary,
        "MetricTemplate": flagger.MetricTemplate,
        "AlertProvider": flagger.AlertProvider,
    },
    trimtab.API_VERSION: {
        "RolloutPolicy": trimtab.RolloutPolicy,
        "ConfigRollout": trimtab.ConfigRollout,
        "RolloutCommand": trimtab.RolloutCommand,
        "Pipeline": pipeline.Pipeline,
    },
}
_GROUPS = {version.partition("/")[0]: version for version in _OURS}


@dataclass(frozen=True, slots=True)
class Decoded:
    """One document. `value` is None for a kind that Trimtab does not know; `document` always has it as it was read."""

    document: Document
    api_version: str
    kind: str
    name: str
    namespace: str
    """Empty where the document names none."""
    value: Value | None = field(repr=False)
    warnings: tuple[str, ...] = ()


def read_documents(text: str, file: str = "", *, strict: bool = True) -> list[Decoded]:
    """Every document in `text`, the items of lists one by one.

    With `strict`, an unknown field or a null in one of our kinds raises DocumentError with file, line, path and the nearest
    name; without, it becomes a warning. Raises DocumentError in any case for text that is not YAML or JSON, for values of
    the wrong type, and for what Flagger's controller refuses (flagger.md 1.8).
    """
    return [decode(part, strict=strict) for document in read_yaml(text, file) for part in flattened(document)]


NATIVE = {"apps/v1": ("Deployment", "DaemonSet"), "v1": ("ConfigMap", "Secret", "Service")}
"""Kinds of Kubernetes that are read here."""


def decode(document: Document, *, strict: bool = True) -> Decoded:
    """One document with its type; raises DocumentError as `read_documents` does."""
    raw = _mapping(document.value)
    api_version, kind = _text(raw, "apiVersion"), _text(raw, "kind")
    metadata = _mapping(raw.get("metadata"))
    value: Value | None = None
    warnings: tuple[str, ...] = ()
    if api_version.partition("/")[0] in _GROUPS:
        found = _our_type(document, api_version, kind, strict=strict)
        if found is not None:
            value, warnings = _decode_ours(document, found, strict=strict)
    elif (api_version, kind) in {("apps/v1", "Deployment"), ("apps/v1", "DaemonSet")}:
        value = kubernetes.workload(document, raw)
    elif (api_version, kind) == ("v1", "Service"):
        value = kubernetes.service(document, raw)
    elif (api_version, kind) in {("v1", "ConfigMap"), ("v1", "Secret")}:
        value = kubernetes.content(document, raw)
    elif near := difflib.get_close_matches(kind, NATIVE.get(api_version, ()), 1, 0.85):
        place = f"{document.file}:{document.line}" if document.file else f"line {document.line}"
        warnings = (f"{place}: kind {kind} of {api_version} is left alone. Did you mean {near[0]}?",)
    for misfit in misnamed(raw, kind) if value is not None else ():
        raise _error(document, misfit)
    return Decoded(document, api_version, kind, _text(metadata, "name"), _text(metadata, "namespace"), value, warnings)


def _decode_ours(document: Document, kind: type[Ours], *, strict: bool) -> tuple[Ours, tuple[str, ...]]:
    pruned, misfits = prune(document.value, shape(kind))
    if strict and misfits:
        raise _error(document, min(misfits, key=lambda misfit: document.line_of(misfit.path)))
    value = convert(pruned, kind)
    if isinstance(value, Misfit):
        raise _error(document, value)
    for violation in _violations(value):
        raise _error(document, violation)
    return value, tuple(str(_error(document, misfit)) for misfit in misfits)


def _violations(value: Ours) -> Iterator[Misfit]:
    if isinstance(value, flagger.Canary):
        yield from rules.violations(value)
    elif isinstance(value, pipeline.Pipeline):
        yield from edges.violations(value)
    elif isinstance(value, trimtab.RolloutPolicy):
        yield from judging.misfits(value.spec.judge, value.spec.ramp)
        yield from watching.misfits(value.spec.watch)
        if value.spec.validation is not None:
            yield from validation.misfits(value.spec.validation)


def _our_type(document: Document, api_version: str, kind: str, *, strict: bool) -> type[Ours] | None:
    """The type of a document of one of our groups; None for one that we do not know yet, which only a cluster may hold."""
    found = _OURS.get(api_version, {}).get(kind)
    if found is None and strict:
        version = _GROUPS[api_version.partition("/")[0]]
        if api_version != version:
            raise _error(document, Misfit(("apiVersion",), f"{api_version} is not known. Write {version}"))
        raise _error(document, Misfit(("kind",), f"{version} has no kind {kind or '(none)'}; {nearest(kind, _OURS[version])}"))
    return found


def flattened(document: Document) -> Iterator[Document]:
    """The document itself, or what a list such as `kind: List` holds, with the right lines."""
    raw = _mapping(document.value)
    items = raw.get("items")
    if not _text(raw, "kind").endswith("List") or not isinstance(items, list):
        yield document
        return
    for index, item in enumerate(items):
        prefix = ("items", index)
        lines = {path[2:]: line for path, line in document.lines.items() if path[:2] == prefix and len(path) > 2}
        values = {path[2:]: line for path, line in document.values.items() if path[:2] == prefix}
        yield from flattened(Document(item, document.file, document.line_of(prefix), lines, values))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(mapping: Mapping[str, object], key: str) -> str:
    value = mapping.get(key)
    return value if isinstance(value, str) else ""


def _error(document: Document, misfit: Misfit) -> DocumentError:
    return DocumentError(misfit.problem, file=document.file, line=document.line_of(misfit.path), path=dotted(misfit.path))
