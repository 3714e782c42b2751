"""What all adapters of a cluster look at: the API client, what the mirrors hold, and Canaries as they were written.

Made by `wiring`. A Canary is decoded once for each of its resourceVersions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from trimtab.adapters.kubernetes.client import Client, Object
from trimtab.adapters.kubernetes.kinds import CANARY, Kind
from trimtab.adapters.kubernetes.mirror import Mirror
from trimtab.adapters.kubernetes.settings import Settings
from trimtab.config.digest import canonical_json
from trimtab.config.references import mapping
from trimtab.documents.decode import Decoded, decode
from trimtab.documents.flagger import POLICY_ANNOTATION, Canary
from trimtab.documents.yaml import Document
from trimtab.errors import DocumentError, Vanished
from trimtab.model.names import CanaryKey

CHECKS = frozenset({"metrics", "alerts", "webhooks"})
"""Fields of `spec.analysis` that no route is made from."""


@dataclass(frozen=True, slots=True)
class Read:
    """A Canary as one resourceVersion has it: the document, or why it cannot be read; and the names of unknown fields (C4)."""

    version: str
    canary: Canary | None
    problem: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cluster:
    """One API server as the operator sees it."""

    client: Client
    mirrors: Mapping[Kind, Mirror]
    settings: Settings = Settings()
    forgetters: list[Callable[[CanaryKey], None]] = field(default_factory=list, compare=False, repr=False)
    """Called with each Canary that is gone, between two passes: whatever was remembered about it goes too."""
    wakers: list[Callable[[CanaryKey], None]] = field(default_factory=list, compare=False, repr=False)
    """Called with each Canary that is to be looked at again without interrupting anything (P5)."""
    recorded: dict[CanaryKey, tuple[str, ...]] = field(default_factory=dict, compare=False, repr=False)
    """`Policy.document` as the newest record has it: the newest that was valid, then that of the attempt under way."""
    _read: dict[CanaryKey, Read] = field(default_factory=dict, compare=False, repr=False)

    def raw(self, key: CanaryKey) -> Object | None:
        """The Canary as the API server has it; None where it is gone."""
        return self.mirrors[CANARY].get(key.namespace, key.name)

    def canary(self, key: CanaryKey) -> Canary | None:
        """The Canary's document; None where it is gone or cannot be read."""
        found = self.read(key)
        return found.canary if found is not None else None

    def read(self, key: CanaryKey) -> Read | None:
        """The Canary's document, or what is wrong with it; None where it is gone."""
        raw = self.raw(key)
        if raw is None:
            self._read.pop(key, None)
            return None
        version = str(metadata_of(raw).get("resourceVersion"))
        known = self._read.get(key)
        if known is None or known.version != version:
            known = self._read[key] = read_canary(raw, version)
        return known

    def once_valid(self, key: CanaryKey) -> tuple[Canary, ...]:
        """The Canary as records have it, newest first: what goes on counting while it cannot be read (QUIRK-20), after a restart, too."""
        texts = self.recorded.get(key, ())
        found = (read_canary(msgspec.json.decode(text, type=dict[str, object]), "").canary for text in texts)
        return tuple(canary for canary in found if canary is not None)

    def gone(self, key: CanaryKey) -> Vanished:
        """Forgets a Canary that is gone; the error to raise."""
        self._read.pop(key, None)
        self.recorded.pop(key, None)
        for forget in self.forgetters:
            forget(key)
        return Vanished(f"Canary {key} is gone, and what it owns goes with it")

    def again(self, key: CanaryKey) -> None:
        """Has a Canary looked at again: something about it could not be read or written. A pass that is under way goes on."""
        for wake in self.wakers:
            wake(key)

    def owner(self, key: CanaryKey) -> Object:
        """The ownerReference that makes the Canary the controller of what is made for it. Vanished where the Canary is gone."""
        return {**self.user(key), "controller": True, "blockOwnerDeletion": True}

    def user(self, key: CanaryKey) -> Object:
        """The ownerReference of one Canary among several that use something. Vanished where the Canary is gone."""
        raw = self.raw(key)
        if raw is None:
            raise Vanished(f"Canary {key} is gone, and what it owns goes with it")
        return {"apiVersion": CANARY.api_version, "kind": CANARY.kind, "name": key.name, "uid": str(metadata_of(raw).get("uid"))}


def read_canary(raw: Object, version: str) -> Read:
    """Decodes one, without its status. Fields that Trimtab does not know are tolerated: tomorrow's Flagger has more (C4)."""
    written = {name: value for name, value in raw.items() if name != "status"}
    try:
        found = decode_object({**written, "apiVersion": CANARY.api_version, "kind": CANARY.kind})
    except DocumentError as error:
        return Read(version, None, str(error))
    assert isinstance(found.value, Canary)
    return Read(version, found.value, warnings=found.warnings)


def document_of(raw: Object) -> str:
    """A Canary as a policy keeps it: what its checks say stands there already."""
    metadata, spec = metadata_of(raw), mapping(raw.get("spec"))
    analysis = {name: value for name, value in mapping(spec.get("analysis")).items() if name not in CHECKS}
    head = {name: metadata[name] for name in ("name", "namespace") if name in metadata}
    policy = annotations_of(raw).get(POLICY_ANNOTATION)
    notes = {"annotations": {POLICY_ANNOTATION: policy}} if policy is not None else {}
    return canonical_json({"metadata": {**head, **notes}, "spec": {**spec, "analysis": analysis}})


def decode_object(raw: Object) -> Decoded:
    """An object of the API server with its type. DocumentError where a field that counts has the wrong type."""
    return decode(Document(raw, "", 0, {}), strict=False)


def metadata_of(found: Mapping[str, object]) -> Mapping[str, object]:
    """The metadata of an object, or of a part of one such as a pod template."""
    return mapping(found.get("metadata"))


def annotations_of(found: Mapping[str, object]) -> Mapping[str, object]:
    """The annotations of an object."""
    return mapping(metadata_of(found).get("annotations"))


def key_of(found: Mapping[str, object]) -> CanaryKey:
    """Namespace and name of an object."""
    metadata = metadata_of(found)
    return CanaryKey(str(metadata.get("namespace")), str(metadata.get("name")))
