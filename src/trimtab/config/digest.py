"""Digests: Flagger's checksums, bit by bit, and our own. Called by sources, by `rollout` for a run's name, and by `difference`.

Flagger's checksum of a Secret can be guessed where the Secret is short; it goes into `status.trackedConfigs` and nowhere else
(DESIGN §7). Every digest of ours of a Secret is keyed (C1).
"""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from trimtab.model.content import Content
from trimtab.model.revision import Revision

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""What Kubernetes makes names of hashes with."""

SHORT = 10
"""Hex digits of a digest in the name of a copy (C2)."""

SCALE_TO_ZERO = "flagger.app/scale-to-zero"


@dataclass(frozen=True, slots=True)
class DigestKey:
    """The installation's key for digests of Secrets. Its id is shown with each digest, its bytes nowhere."""

    id: str
    key: bytes = field(repr=False)


def checksum(content: Content) -> str:
    """What Flagger writes into `status.trackedConfigs` (CFG-17): of `data` only, 16 hex digits."""
    if not content.declared:
        return flagger_checksum(None)
    if content.secret:
        return flagger_checksum({name: b64encode(value).decode() for name, value in content.data.items()})
    return flagger_checksum({name: value.decode("utf-8", "replace") for name, value in content.data.items()})


def flagger_checksum(data: Mapping[str, str] | None) -> str:
    """The first 16 hex digits of SHA-256 over Go's JSON of `data`; None is an absent map (CFG-17)."""
    # DEL and other Unicode stay as they are in Go; the five characters below do not.
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest(content: Content, key: DigestKey) -> str:
    """Our digest: of everything that a pod can read, `binaryData` included, and of a Secret's type.

    `sha256:HEX` for a ConfigMap, `hmac:KEY ID:HEX` for a Secret (HMAC-SHA-256, RFC 2104).
    """
    message = canonical_bytes(content)
    if content.secret:
        return f"hmac:{key.id}:{hmac.new(key.key, message, hashlib.sha256).hexdigest()}"
    return f"sha256:{hashlib.sha256(message).hexdigest()}"


def canonical_bytes(content: Content) -> bytes:
    """One encoding for each content and one content for each encoding: every part is preceded by its length."""
    parts = [content.name.kind.encode(), content.type.encode() if content.secret else b""]
    for kind, values in ((b"data", content.data), (b"binaryData", content.binary)):
        for name in sorted(values):
            parts += [kind, name.encode(), values[name]]
    return b"".join(len(part).to_bytes(8, "big") + part for part in parts)


def short(text: str) -> str:
    """The ten hex digits of a digest that go into the name of a copy."""
    return text.rsplit(":", 1)[-1][:SHORT]


def unknown_key(text: str, keys: Collection[str]) -> bool:
    """Was this digest made under a key whose id is not among `keys`? Then it says nothing about whether content changed (C1)."""
    return text.startswith("hmac:") and text.split(":")[1] not in keys


def incomparable(one: Revision, other: Revision) -> bool:
    """Do two revisions differ in nothing but the keys of their digests of Secrets? Then only the bytes tell them apart (C1)."""
    if one == other or one.fingerprint != other.fingerprint or len(one.configs) != len(other.configs):
        return False
    pairs = zip(one.configs, other.configs, strict=True)
    return all(a.name == b.name and (a.digest == b.digest or _other_key(a.digest, b.digest)) for a, b in pairs)


def _other_key(one: str, other: str) -> bool:
    return other.startswith("hmac:") and unknown_key(one, (other.split(":")[1],))


def fingerprint(value: bytes, key: DigestKey) -> str:
    """Eight hex digits by which two values of a Secret can be told apart, and nothing learnt about them."""
    return hmac.new(key.key, b"value" + value, hashlib.sha256).hexdigest()[:8]


def fingerprinted(content: Content, key: DigestKey) -> Content:
    """The content with a fingerprint for each value, if it is a Secret, so that a difference can show them (C1)."""
    if not content.secret:
        return content
    return replace(content, fingerprints={name: fingerprint(value, key) for name, value in content.data.items()})


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces: the same text for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def template_fingerprint(template: Mapping[str, object]) -> str:
    """`v1:` and the SHA-256 of a pod template. The node selector that scales a DaemonSet to zero does not count (WL-6)."""
    spec = template.get("spec")
    selector = spec.get("nodeSelector") if isinstance(spec, Mapping) else None
    if isinstance(spec, Mapping) and isinstance(selector, Mapping) and SCALE_TO_ZERO in selector:
        rest = {name: value for name, value in selector.items() if name != SCALE_TO_ZERO}
        others = {name: value for name, value in spec.items() if name != "nodeSelector"}
        template = {**template, "spec": {**others, **({"nodeSelector": rest} if rest else {})}}
    return f"v1:{hashlib.sha256(canonical_json(template).encode()).hexdigest()}"


def webhook_checksum(tracked: Mapping[str, str] | None, applied: str) -> str:
    """The `checksum` that names a run in webhook payloads (flagger.md 5.3): 32-bit FNV-1a in a safe alphabet."""
    pairs = "<nil>"
    if tracked is not None:
        pairs = f"map[{' '.join(f'{name}:{tracked[name]}' for name in sorted(tracked))}]"
    text = (
        "(struct { TrackedConfigs *map[string]string; LastAppliedSpec string })"
        f"{{TrackedConfigs:(*map[string]string){pairs} LastAppliedSpec:(string){applied}}}"
    )
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return "".join(ALPHABET[ord(digit) % len(ALPHABET)] for digit in str(value))
