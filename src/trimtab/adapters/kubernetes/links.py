"""Who has to do with what, looked up both ways. Used by `sources` and `workloads` for what wakes a Canary, by `copies`."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

One = TypeVar("One", bound=Hashable)
Other = TypeVar("Other", bound=Hashable)


@dataclass
class Links(Generic[One, Other]):
    """Each of the ones has links to any number of others. Tuples, which for a few take a fifth of the memory of sets."""

    forth: dict[One, tuple[Other, ...]] = field(default_factory=dict)
    back: dict[Other, tuple[One, ...]] = field(default_factory=dict)

    def set(self, one: One, others: Iterable[Other]) -> None:
        """Replaces the links of one."""
        before, after = frozenset(self.forth.get(one, ())), frozenset(others)
        if before == after:
            return
        for other in before - after:
            self.back[other] = tuple(known for known in self.back[other] if known != one)
            if not self.back[other]:
                del self.back[other]
        for other in after - before:
            self.back[other] = (*self.back.get(other, ()), one)
        if after:
            self.forth[one] = tuple(after)
        else:
            self.forth.pop(one, None)

    def of(self, other: Other) -> frozenset[One]:
        """Who has a link to it."""
        return frozenset(self.back.get(other, ()))
