"""Which object was which before: by name, or by what is left of the name without Kustomize's hash. Called by `difference`, `validation`.

Kustomize's generators put a hash of the content behind the name, so a change makes a new object; compared by name alone it would
only be said that one came and one went.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.model.content import Content
from trimtab.model.names import ConfigName

_HASH = re.compile(r"-[2456789bcdfghkmt]{10}$")


@dataclass(frozen=True, slots=True)
class Pair:
    """One object before and after; None on the side where there is none. `name` is the newer one's."""

    name: ConfigName
    old: Content | None
    new: Content | None


def pairs(before: Sequence[Content], after: Sequence[Content]) -> tuple[Pair, ...]:
    """Each object of either side once, sorted by name."""
    old = {content.name: content for content in before}
    new = {content.name: content for content in after}
    gone = _alone([content for content in old.values() if content.name not in new])
    come = _alone([content for content in new.values() if content.name not in old])
    renamed = {come[base].name: content for base, content in gone.items() if base in come}
    left = {content.name for content in renamed.values()}
    found = [Pair(name, old.get(name) or renamed.get(name), content) for name, content in new.items()]
    found += [Pair(name, content, None) for name, content in old.items() if name not in new and name not in left]
    return tuple(sorted(found, key=lambda pair: pair.name))


def _alone(contents: Sequence[Content]) -> dict[ConfigName, Content]:
    """By their name without a hash; not those that share it with another, for there it is in doubt which is which."""
    often = Counter(base_name(content.name) for content in contents)
    return {base_name(content.name): content for content in contents if often[base_name(content.name)] == 1}


def base_name(name: ConfigName) -> ConfigName:
    """The name without the hash that Kustomize's generators put behind it."""
    return ConfigName(name.kind, _HASH.sub("", name.name))
