"""What is known of the ConfigMaps and Secrets of a cluster. Used by `sources`, `copies`, `projection` and `adoption`.

Mirrors hold their metadata only. Bytes are fetched once for each resourceVersion of what is referred to; of a Secret they are kept no
longer than its digest takes.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from trimtab.adapters.kubernetes.client import Client, Object
from trimtab.adapters.kubernetes.cluster import Cluster, annotations_of, decode_object, metadata_of
from trimtab.adapters.kubernetes.kinds import CONFIG_MAP, SECRET, Kind
from trimtab.config.digest import DigestKey, checksum, digest
from trimtab.config.references import items, mapping, tracked
from trimtab.errors import Conflict, InputError
from trimtab.model.content import Content
from trimtab.model.names import ConfigKind, ConfigName
from trimtab.model.revision import Origin

KINDS: Mapping[ConfigKind, Kind] = {ConfigKind.CONFIG_MAP: CONFIG_MAP, ConfigKind.SECRET: SECRET}
KEY_SECRET, KEY_BYTES = "trimtab-key", 32
AUTHOR, CHANGE_CAUSE, ARGO_CD = "trimtab.dev/author", "kubernetes.io/change-cause", "argocd.argoproj.io/tracking-id"
NOT_PEOPLE = frozenset({"trimtab", "kube-controller-manager", "kubelet", "flagger"})
"""Field managers that change workloads and configuration of their own accord."""
REMEMBERED = 4
"""How many older checksums are known of each object."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One ConfigMap or Secret as it was last fetched."""

    version: str
    digest: str
    tracked: bool
    keys: tuple[str, ...]
    origin: Origin
    checksums: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Flagger's checksum by our digest, of this content and of a few before it. For `status.trackedConfigs` only (DESIGN §7)."""


class Configs:
    """Digests of what Canaries refer to. `secret` is the installation's key for those of Secrets (C1)."""

    def __init__(self, cluster: Cluster, secret: DigestKey) -> None:
        self._cluster, self.secret = cluster, secret
        self._seen: dict[tuple[str, ConfigName], Seen] = {}

    async def look(self, namespace: str, name: ConfigName) -> Seen | None:
        """What is known of one; None where there is none. OutsideError where it is there and cannot be read."""
        there = self.metadata(namespace, name)
        if there is None:
            self._seen.pop((namespace, name), None)
            return None
        known, version = self._seen.get((namespace, name)), version_of(there)
        if known is not None and known.version == version:
            return known
        found = await self.fetch(namespace, name)
        if found is None:
            return None
        # The mirror may be behind what was fetched, or ahead of it; its version is what tells whether to fetch again.
        seen = look_at(found, version, self.secret, known.checksums if known is not None else {})
        self._seen[namespace, name] = seen
        return seen

    def known(self, namespace: str, name: ConfigName) -> Seen | None:
        """What `look` found last, without asking."""
        return self._seen.get((namespace, name))

    def forget(self, namespace: str, name: ConfigName) -> None:
        """Nobody reads it any more."""
        self._seen.pop((namespace, name), None)

    async def fetch(self, namespace: str, name: ConfigName) -> Object | None:
        """The object with its values, from the API server; None where there is none."""
        return await self._cluster.client.get(KINDS[name.kind], namespace, name.name)

    def metadata(self, namespace: str, name: ConfigName) -> Object | None:
        """Its metadata, as mirrored."""
        return self._cluster.mirrors[KINDS[name.kind]].get(namespace, name.name)

    def checksum(self, namespace: str, name: ConfigName, of: str) -> str:
        """Flagger's checksum of the content with that digest; empty where it is not known any more."""
        known = self._seen.get((namespace, name))
        return known.checksums.get(of, "") if known is not None else ""


def look_at(found: Object, version: str, secret: DigestKey, before: Mapping[str, str]) -> Seen:
    """All that is kept of an object: no values."""
    content = content_of(found)
    made, flaggers = digest(content, secret), checksum(content)
    older = {name: value for name, value in before.items() if name != made}
    recent = dict([*older.items()][-REMEMBERED:]) | {made: flaggers}
    keys = tuple(sorted({*content.data, *content.binary}))
    return Seen(version, made, tracked(content), keys, origin_of(found), recent)


def content_of(found: Object, called: ConfigName | None = None) -> Content:
    """The bytes of a ConfigMap or Secret; `called` is its source's name, for a copy."""
    value = decode_object(found).value
    assert isinstance(value, Content)
    return replace(value, name=called) if called is not None else value


def origin_of(found: Object) -> Origin:
    """Who changed an object last and when, as far as annotations and field managers tell."""
    annotations = annotations_of(found)
    manager, at = last_manager(found)
    application = str(annotations.get(ARGO_CD, "")).partition(":")[0]
    author = str(annotations.get(AUTHOR, "")) or (f"Argo CD application {application}" if application else manager)
    return Origin(author=author, message=str(annotations.get(CHANGE_CAUSE, "")), at=at)


def last_manager(found: Object) -> tuple[str, datetime | None]:
    """The field manager that wrote last, controllers left out, and when that was."""
    newest: tuple[str, datetime | None] = ("", None)
    for entry in items(metadata_of(found).get("managedFields")):
        at, manager = moment(entry.get("time")), str(entry.get("manager", ""))
        later = at is not None and (newest[1] is None or at >= newest[1])
        if later and manager not in NOT_PEOPLE and not entry.get("subresource"):
            newest = manager, at
    return newest


def latest(origins: list[Origin]) -> Origin:
    """The newest of several changes."""
    dated = [origin for origin in origins if origin.at is not None]
    return max(dated, key=lambda origin: origin.at.timestamp() if origin.at is not None else 0.0) if dated else Origin()


def moment(text: object) -> datetime | None:
    """A time as Kubernetes writes it."""
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


def version_of(found: Mapping[str, object]) -> str:
    """Which state of which object this is; only good for being equal or not."""
    metadata = metadata_of(found)
    return f"{metadata.get('uid')}/{metadata.get('resourceVersion')}"


async def digest_key(client: Client, namespace: str) -> DigestKey:
    """The installation's key, from Secret `trimtab-key`, which is made where it is missing (C1). InputError for one that is spoilt."""
    found = await client.get(SECRET, namespace, KEY_SECRET)
    if found is None:
        text = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
        made: Object = {
            "apiVersion": SECRET.api_version,
            "kind": SECRET.kind,
            "metadata": {"namespace": namespace, "name": KEY_SECRET},
            "type": "Opaque",
            "data": {"key": text},
        }
        try:
            found = await client.create(SECRET, made)
        except Conflict:
            found = await client.get(SECRET, namespace, KEY_SECRET) or made
    return read_key(found, namespace)


def read_key(found: Object, namespace: str) -> DigestKey:
    """The key in its Secret. Its id is the start of its own SHA-256."""
    text = mapping(found.get("data")).get("key")
    try:
        key = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise InputError(
            f"Secret {KEY_SECRET} in namespace {namespace}, with which digests of Secrets are made, has no {KEY_BYTES} bytes under `key`. "
            "Put back a copy of it, or delete it: a new one is made, and each Secret is compared by content until its next promotion."
        )
    return DigestKey(hashlib.sha256(key).hexdigest()[:8], key)
