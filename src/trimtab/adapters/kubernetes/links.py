"""Who has to do with what, looked up both ways. Used by `sources` and `workloads` for what wakes a Canary, by `copies`."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

One = TypeVar("One", bound=Hashable)
Other = TypeVar("Other", bound=Hashable)


@dataclass
class Links(Generic[One, Other]):
    """Each of the ones has links to any number of others."""

    forth: dict[One, frozenset[Other]] = field(default_factory=dict)
    back: dict[Other, set[One]] = field(default_factory=dict)

    def set(self, one: One, others: Iterable[Other]) -> None:
        """Replaces the links of one."""
        before, after = self.forth.get(one, frozenset()), frozenset(others)
        for other in before - after:
            self.back[other].discard(one)
            if not self.back[other]:
                del self.back[other]
        for other in after - before:
            self.back.setdefault(other, set()).add(one)
        if after:
            self.forth[one] = after
        else:
            self.forth.pop(one, None)

    def of(self, other: Other) -> frozenset[One]:
        """Who has a link to it."""
        return frozenset(self.back.get(other, ()))
