"""What all our document types share: naming, strictness, metadata, the pattern of durations, and shapes. Used by the type modules.

A field that may be left out has the default None (or an empty list, map, False), unless the CRD itself has a default. null is
not a value: `documents.decode` refuses it in files, as the API server does.
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

SHORT_PATTERN, LONG_PATTERN = "^[0-9]+(m|s)", r"^([0-9]+(\.[0-9]+)?(h|m|s|ms))+$"
Duration = Annotated[str, Meta(pattern=SHORT_PATTERN)]
"""CRD-5: the pattern has no end anchor, so `1m30s` and `10ms` pass and `1h` does not."""
LongDuration = Annotated[str, Meta(pattern=LONG_PATTERN)]
"""A duration in our own kinds, which may have hours."""
SIZE_PATTERN = "^[0-9]{1,15}(k|Ki|M|Mi)?$"
"""A number of bytes."""
PERCENT_PATTERN = r"^[0-9]+(\.[0-9]+)?%$"
Percent = Annotated[str, Meta(pattern=PERCENT_PATTERN)]
PATTERNS: Mapping[str, str] = {
    SHORT_PATTERN: "a duration in minutes or seconds such as 30s or 5m",
    LONG_PATTERN: "a duration such as 30s, 5m or 1h30m",
    SIZE_PATTERN: "a size such as 64Ki or 1Mi",
    PERCENT_PATTERN: "a percentage such as 25% or 0.02%",
}
"""What patterns mean, in words."""

Shapes = tuple[tuple[str, ...], ...]
"""Alternatives, each a list of fields as written in YAML. Exactly one has all of its fields present; `()` stands for none of the others."""


class Fields(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Base of all types that mirror YAML: camelCase names, unknown fields refused. Each type repeats `frozen` and `kw_only`."""


class ObjectMeta(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The metadata that we use; Kubernetes has more, which is kept in the raw document."""

    name: str
    namespace: str | None = None
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    uid: str | None = None
    generation: int | None = None
    resource_version: str | None = None


def require_one_shape(value: Struct, shapes: Shapes) -> None:
    """Raises ValueError unless exactly one of `shapes` is present in `value`; a field that is None is not present.

    The CRD says the same with `oneOf` (CRD-6).
    """
    written = {field.encode_name: getattr(value, field.name) is not None for field in msgspec.structs.fields(value)}
    matching = [shape for shape in shapes if shape and all(written[name] for name in shape)]
    if len(matching) == 1 or (not matching and () in shapes):
        return
    common = [name for name in shapes[0] if all(name in shape for shape in shapes)]
    choices = [" and ".join(name for name in shape if name not in common) for shape in shapes if shape]
    found = [name for shape in shapes for name in shape if written[name]]
    needed = f"{', '.join(common)} and exactly one of" if common else "at most one of" if () in shapes else "exactly one of"
    raise ValueError(f"needs {needed} {', '.join(choices)}; has {', '.join(dict.fromkeys(found)) or 'none of them'}")
