"""Records as JSON text and back, for stores. Flagger's checksum of a Secret is left out wherever it stands (C1, DESIGN §7).

A short secret can be guessed from its unkeyed checksum, so the text that is written must not hold one.
"""

import base64
import json
import zlib
from collections.abc import Callable
from typing import TypeVar

import msgspec

from trimtab.errors import InputError
from trimtab.model.names import ConfigKind

T = TypeVar("T")


def to_plain(record: object) -> object:
    """A frozen dataclass of the model as maps, lists and scalars."""
    return _without_checksums(msgspec.to_builtins(record))


def to_text(record: object) -> str:
    """The same as JSON. Infinities, which a metric may well answer, are written as `Infinity`."""
    return compact(to_plain(record))


def compact(plain: object) -> str:
    """JSON without spaces."""
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False)


def from_text(text: str, kind: type[T], what: str, unfold: Callable[[object], object] = lambda plain: plain) -> T:
    """The record that `to_text` wrote, after `unfold`. `what` names it in the InputError that an unreadable one raises."""
    try:
        return msgspec.convert(unfold(json.loads(text)), kind)
    except (ValueError, msgspec.ValidationError) as error:
        raise InputError(
            f"{what} cannot be read: {error}. Another version of Trimtab wrote it, or something else changed it. "
            "Use the version that wrote it, or begin with an empty record: move the state folder away, or delete the ConfigRollout."
        ) from error


def pressed(plain: bytes) -> str:
    """Base64 of zlib: long text in little room."""
    return base64.b64encode(zlib.compress(plain, 9)).decode("ascii")


def unpressed(text: str) -> bytes:
    """What was `pressed`. ValueError where the text is something else."""
    try:
        return zlib.decompress(base64.b64decode(text, validate=True))
    except zlib.error as error:
        raise ValueError(str(error)) from error


def _without_checksums(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_without_checksums(item) for item in value]
    if not isinstance(value, dict):
        return value
    cleaned = {key: _without_checksums(item) for key, item in value.items()}
    if "checksum" in cleaned and _is_secret(cleaned.get("name")):
        cleaned["checksum"] = ""
    return cleaned


def _is_secret(name: object) -> bool:
    return isinstance(name, dict) and name.get("kind") == ConfigKind.SECRET.value
