"""The three-way rule: what is taken over, what stays, and where two people meant different things. Called by `values`, `manifests`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

K = TypeVar("K")


class Move(Enum):
    """Which way content goes. What was changed on the way means something else each time."""

    PROMOTE = "promote"
    """From canary to stable; the base is stable at the last promotion. Stable's own changes since were never judged with this content."""
    ROLL_BACK = "roll back"
    """From stable to canary; the base is the canary as it was judged. Newer changes of the canary that the verdict is not about stay."""


@dataclass(frozen=True, slots=True)
class Merge(Generic[K]):
    """What has to happen so that the second side says what the first does."""

    sets: Mapping[K, object] = field(default_factory=dict, repr=False)
    removals: tuple[K, ...] = ()
    conflicts: tuple[K, ...] = ()
    left: tuple[K, ...] = ()
    """Newer changes that stay."""


_NOTHING = object()


def merge(wanted: Mapping[K, object], there: Mapping[K, object], base: Mapping[K, object] | None, move: Move) -> Merge[K]:
    """Each key of either side once, in their order. Without a base everything that differs is taken over."""
    sets, removals, conflicts, left = dict[K, object](), list[K](), list[K](), list[K]()
    for key in dict.fromkeys([*wanted, *there]):
        new, old = wanted.get(key, _NOTHING), there.get(key, _NOTHING)
        before = old if base is None else base.get(key, _NOTHING)
        if same(new, old):
            continue
        if not same(old, before):
            (left if move is Move.ROLL_BACK and same(before, new) else conflicts).append(key)
        elif new is _NOTHING:
            removals.append(key)
        else:
            sets[key] = new
    return Merge(sets, tuple(removals), tuple(conflicts), tuple(left))


def same(one: object, other: object) -> bool:
    """Equal, and of one type all through: 1 is not true."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other
