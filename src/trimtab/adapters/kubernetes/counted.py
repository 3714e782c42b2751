"""What the judge counted, in the status of a ConfigRollout: a field for each look, so that a patch holds only what is new. Pure.

Used by `store` and `visitor`. It goes with its attempt; a very long one keeps what came first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.adapters.kubernetes.client import Object
from trimtab.config.references import mapping
from trimtab.documents.counted import packed, unpacked
from trimtab.model.counted import Counted

MOST = 384 * 1024
"""Characters an attempt, so that its object stays well below what an API server takes (1.5 MiB)."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How much an object holds already."""

    looks: int = 0
    size: int = 0


def kept_of(found: Object) -> Kept:
    """How much is in an object."""
    there = mapping(mapping(found.get("status")).get("counted"))
    return Kept(len(there), sum(len(str(text)) for text in there.values()))


def added(kept: Kept, looks: Sequence[Counted]) -> tuple[dict[str, str], Kept]:
    """The fields to add, and how much there is then. Nothing where there is no room any more; what is cut off is cut off at the end."""
    text = packed(looks) if looks else ""
    size = kept.size + len(text)
    if not text or size > MOST:
        return {}, Kept(kept.looks, size)
    return {f"{kept.looks + 1:06}": text}, Kept(kept.looks + 1, size)


def counted_of(found: Object) -> tuple[Counted, ...]:
    """What is in an object, oldest first. InputError for one that cannot be read."""
    there, name = mapping(mapping(found.get("status")).get("counted")), mapping(found.get("metadata")).get("name")
    return tuple(look for place in sorted(there) for look in unpacked(str(there[place]), f"status.counted of ConfigRollout {name}"))
