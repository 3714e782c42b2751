"""The Kubernetes kinds that a rollout touches: workloads, Services, ConfigMaps, Secrets. Called by `documents.decode`.

Only what is used gets a type; everything else stays in the raw document, which is kept beside it.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

from msgspec import Meta, Struct

from trimtab.documents.fields import ObjectMeta
from trimtab.documents.fitting import TRUTH, Misfit, convert, dotted, prune, shape
from trimtab.documents.nodes import Path
from trimtab.documents.yaml import Document
from trimtab.errors import DocumentError
from trimtab.model.content import Content
from trimtab.model.names import ConfigKind, ConfigName

T = TypeVar("T", bound=Struct)

MANIFESTS = (".yaml", ".yml", ".json")
"""How names of files end that hold objects."""
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""Names of files that say how Kustomize makes objects, and are none themselves."""

_QUOTE = "Values are text: quote it"
_KINDS = {
    bool: f"{TRUTH}. {_QUOTE}",
    int: f"a number. {_QUOTE}",
    float: f"a number. {_QUOTE}",
    list: "a list. Write it as text, after `|`",
}
_PLAIN = {True: "Put text under data instead", False: "Put plain text under stringData instead"}


class Part(Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of the views: fields that a view does not name are ignored."""


class Selector(Part, frozen=True, kw_only=True):
    """Which pods belong to a workload."""

    match_labels: Mapping[str, str] = {}


class WorkloadSpec(Part, frozen=True, kw_only=True):
    """The part of a Deployment's or DaemonSet's spec that a rollout reads."""

    replicas: Annotated[int, Meta(ge=0)] | None = None
    selector: Selector = Selector()
    template: Mapping[str, object]
    progress_deadline_seconds: int | None = None


class ServicePort(Part, frozen=True, kw_only=True):
    """One port of a Service."""

    port: int
    name: str | None = None
    target_port: int | str | None = None
    app_protocol: str | None = None


class ServiceSpec(Part, frozen=True, kw_only=True):
    """The part of a Service's spec that a rollout reads."""

    selector: Mapping[str, str] = {}
    ports: tuple[ServicePort, ...] = ()


class WorkloadView(Part, frozen=True, kw_only=True):
    """A Deployment or DaemonSet as it is written."""

    api_version: str
    kind: str
    metadata: ObjectMeta
    spec: WorkloadSpec


class ServiceView(Part, frozen=True, kw_only=True):
    """A Service as it is written."""

    api_version: str
    kind: str
    metadata: ObjectMeta
    spec: ServiceSpec


class ConfigView(Part, frozen=True, kw_only=True):
    """A ConfigMap or Secret as it is written; its values are looked at one by one, so that errors can say what to do."""

    metadata: ObjectMeta
    data: Mapping[str, object] | None = None
    binary_data: Mapping[str, object] | None = None
    string_data: Mapping[str, object] | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment or DaemonSet. `raw` is the whole object, and `view.spec.template` the whole pod template, as they were read."""

    view: WorkloadView
    raw: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Service:
    """A Service. `raw` is the whole object as it was read."""

    view: ServiceView
    raw: Mapping[str, object] = field(repr=False)


def workload(document: Document, raw: Mapping[str, object]) -> Workload:
    """The Deployment or DaemonSet in `document`. Raises DocumentError where a field that is used has the wrong type."""
    return Workload(_view(document, raw, WorkloadView), raw)


def service(document: Document, raw: Mapping[str, object]) -> Service:
    """The Service in `document`. Raises DocumentError where a field that is used has the wrong type."""
    return Service(_view(document, raw, ServiceView), raw)


def content(document: Document, raw: Mapping[str, object]) -> Content:
    """The bytes of the ConfigMap or Secret in `document`: base64 decoded, `stringData` laid over `data`.

    Raises DocumentError with the line of the key for a value that is not text, for broken base64, and for a key that is in
    both `data` and `binaryData` of a ConfigMap. Values of Secrets are never in the message.
    """
    kind = ConfigKind(str(raw["kind"]))
    view = _view(document, raw, ConfigView)
    secret = kind is ConfigKind.SECRET
    data = _values(document, "data", view.data, encoded=secret)
    if secret:
        data |= _values(document, "stringData", view.string_data, encoded=False)
    binary = {} if secret else _values(document, "binaryData", view.binary_data, encoded=True)
    for key in sorted(data.keys() & binary.keys()):
        raise _error(document, ("binaryData", key), "the key is in data too; a key may be in one of them only")
    sections, plain = (("data", "stringData"), "stringData") if secret else (("data",), "data")
    return Content(
        name=ConfigName(kind, view.metadata.name),
        data=data,
        binary=binary,
        declared=view.data is not None or (secret and view.string_data is not None),
        type=(view.type or "Opaque") if secret else "",
        annotations=view.metadata.annotations,
        file=document.file,
        line=document.line,
        key_lines={key: document.lines[section, key] for section in sections for key in data if (section, key) in document.lines},
        value_lines={key: document.values[plain, key] for key in data if (plain, key) in document.values},
    )


def _view(document: Document, raw: Mapping[str, object], kind: type[T]) -> T:
    """Like the API server, takes a null for a field that is left out."""
    pruned, _ = prune(raw, shape(kind))
    view = convert(pruned, kind)
    if isinstance(view, Misfit):
        raise _error(document, view.path, view.problem)
    return view


def _values(document: Document, section: str, values: Mapping[str, object] | None, *, encoded: bool) -> dict[str, bytes]:
    """The bytes of each key of one section; a key without a value is empty, as for the API server."""
    return {key: _bytes(document, (section, key), value, encoded=encoded) for key, value in (values or {}).items()}


def _bytes(document: Document, path: Path, value: object, *, encoded: bool) -> bytes:
    if value is None:
        return b""
    if not isinstance(value, str):
        raise _error(document, path, f"expected text, found {_KINDS.get(type(value), 'a mapping. Write it as text, after `|`')}")
    if not encoded:
        return value.encode()
    try:
        return base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        raise _error(document, path, f"the value is not base64. {_PLAIN[path[0] == 'binaryData']}") from None


def _error(document: Document, path: Path, problem: str) -> DocumentError:
    return DocumentError(problem, file=document.file, line=document.line_of(path), path=dotted(path))
