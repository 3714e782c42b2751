"""What was judged, as digests: `content` of what the canary's pods read, `source` of the files that it is written in.

Written into evidence by whoever judges, compared by `trust` before anything is promoted. Both must be the same: `content` says that
the bytes are, `source` that nobody wrote them anew.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.config.digest import DigestKey
from trimtab.model.names import ConfigKind, ConfigName

UNKEYED = "unkeyed"
"""In the place of a digest of a Secret where there is no key: one without a key could be guessed. `source` covers its file."""


@dataclass(frozen=True, order=True, slots=True)
class Key:
    """One value that pods read: the object by its logical name, and the key in it."""

    name: ConfigName
    key: str

    def __str__(self) -> str:
        return f"{self.name}[{self.key}]"


Values = Mapping[Key, bytes]
"""Everything that the pods of a target read, by logical names; values of Secrets decoded."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is promoted, in digests. `keys` has one for each value, so that it can be said which one moved."""

    content: str
    source: Mapping[str, str]
    """Git's blob id of each file that promoted values are written in, by its path from the repository's root."""
    keys: Mapping[str, str] = field(default_factory=dict)


def key_digests(values: Values, secret: DigestKey | None) -> dict[Key, str]:
    """The digest of each value: SHA-256, keyed for Secrets."""
    return {key: _digest(key.name.kind, value, secret) for key, value in sorted(values.items())}


def content_digest(values: Values, secret: DigestKey | None) -> str:
    """SHA-256 over the sorted kinds, logical names, keys and digests of values, each preceded by its length: `sha256:HEX`."""
    whole = hashlib.sha256()
    for key, found in key_digests(values, secret).items():
        for part in (str(key.name.kind), key.name.name, key.key, found):
            whole.update(len(part.encode()).to_bytes(8, "big") + part.encode())
    return f"sha256:{whole.hexdigest()}"


def judged(values: Values, source: Mapping[str, str], secret: DigestKey | None) -> Judged:
    """All digests of what the pods of a target read and of the files it is written in."""
    keys = {str(key): found for key, found in key_digests(values, secret).items()}
    return Judged(content_digest(values, secret), dict(sorted(source.items())), keys)


def moved(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """The names under which something else stands now, sorted; also those that came or went."""
    return tuple(sorted(name for name in {*before, *after} if before.get(name) != after.get(name)))


def blob_id(content: bytes, algorithm: str = "sha1") -> str:
    """The id that git gives a file of this content."""
    return hashlib.new(algorithm, b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def differing(one: Values, other: Values) -> Sequence[Key]:
    """The keys whose bytes are not the same on both sides."""
    return sorted(key for key in {*one, *other} if one.get(key) != other.get(key))


def _digest(kind: ConfigKind, value: bytes, secret: DigestKey | None) -> str:
    if kind is not ConfigKind.SECRET:
        return f"sha256:{hashlib.sha256(value).hexdigest()}"
    if secret is None:
        return UNKEYED
    return f"hmac:{secret.id}:{hmac.new(secret.key, value, hashlib.sha256).hexdigest()}"
