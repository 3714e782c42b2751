"""From documents to rendered objects: their places, logical names, and what ConfigMaps and Secrets hold. Called by each renderer."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from trimtab.documents import kubernetes
from trimtab.documents.decode import flattened
from trimtab.documents.nodes import Path
from trimtab.documents.yaml import Document
from trimtab.model.rendered import Place, RenderedObject

CLUSTER_WIDE = frozenset(
    {
        "Namespace", "Node", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "PersistentVolume", "StorageClass",
        "IngressClass", "PriorityClass", "GatewayClass", "RuntimeClass", "APIService", "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
    }
)  # fmt: skip
"""Kinds that belong to no namespace, so they get none from the target."""
CONFIGS = ("ConfigMap", "Secret")


@dataclass(frozen=True, slots=True)
class Written:
    """Where an object was written, and what it is called there."""

    logical: str
    file: str
    line: int
    keys: Mapping[str, Place] = field(default_factory=dict)
    values: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Of keys with values of several lines, the lines of the same file on which they stand."""


def manifests(documents: Iterable[Document]) -> Iterable[tuple[Document, str, str]]:
    """The objects among documents, with kind and name; the items of lists one by one."""
    for document in (part for whole in documents for part in flattened(whole)):
        value = document.value
        metadata = value.get("metadata") if isinstance(value, dict) else None
        if isinstance(value, dict) and isinstance(metadata, dict) and value.get("apiVersion"):
            kind, name = value.get("kind"), metadata.get("name") or metadata.get("generateName")
            if isinstance(kind, str) and isinstance(name, str):
                yield document, kind, name


def made(document: Document, written: Written, namespace: str) -> RenderedObject:
    """One object. DocumentError, at the place where it was written, for a ConfigMap or Secret that cannot be one."""
    tree: dict[str, object] = document.value if isinstance(document.value, dict) else {}
    metadata = tree["metadata"] if isinstance(tree["metadata"], dict) else {}
    kind = str(tree["kind"])
    content, keys = None, dict(written.keys)
    if kind in CONFIGS and tree["apiVersion"] == "v1":
        lines: dict[Path, int] = {
            (section, key): place[1] for key, place in keys.items() if place[0] == written.file for section in _sections(tree, key)
        }
        content = kubernetes.content(Document(tree, written.file, written.line, lines), tree)
        keys = {key: place for key, place in keys.items() if key in content.data or key in content.binary}
    home = str(metadata.get("namespace") or ("" if kind in CLUSTER_WIDE else namespace))
    name = str(metadata.get("name") or metadata.get("generateName"))
    values = {key: lines for key, lines in written.values.items() if key in keys}
    version, place = str(tree["apiVersion"]), (written.file, written.line)
    return RenderedObject(version, kind, home, name, written.logical, tree, *place, content, keys, values)


def apart(objects: Iterable[RenderedObject]) -> tuple[RenderedObject, ...]:
    """The objects, under their whole names where a logical name would stand for two of a kind."""
    found = tuple(objects)
    often = Counter((one.kind, one.namespace, one.logical) for one in found)
    return tuple(one if often[one.kind, one.namespace, one.logical] == 1 else replace(one, logical=one.name) for one in found)


def key_places(document: Document) -> dict[str, Place]:
    """Where each key of a ConfigMap or Secret is written in a document."""
    found = {}
    for path, line in document.lines.items():
        if len(path) == 2 and path[0] in ("data", "stringData", "binaryData"):
            found[str(path[1])] = (document.file, line)
    return found


def value_lines(document: Document) -> dict[str, Sequence[int]]:
    """The lines of values of several lines; not of what is base64."""
    plain = "data" if isinstance(document.value, dict) and document.value.get("kind") == "ConfigMap" else "stringData"
    return {str(path[1]): lines for path, lines in document.values.items() if len(path) == 2 and path[0] == plain}


def _sections(tree: Mapping[str, object], key: str) -> list[str]:
    return [name for name in ("data", "stringData", "binaryData") if isinstance(part := tree.get(name), dict) and key in part]
