"""Does the edit lead to exactly the judged content, and to nothing else? Seen by rendering both sides (S7). Called by `wiring`."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.config.difference import difference
from trimtab.errors import InputError
from trimtab.model.content import Content
from trimtab.model.names import ConfigName
from trimtab.promotion.content import Key, Values, differing
from trimtab.promotion.merging import same
from trimtab.promotion.sides import Keep, listed

_DIGEST = re.compile(r"(sha256:)?[0-9a-f]{32,128}")


@dataclass(frozen=True, slots=True)
class Picture:
    """What a target renders to: what its pods read, and all else, both by logical names.

    `others` has every other object as a tree; in it, names of ConfigMaps and Secrets have no hash.
    """

    values: Values = field(repr=False)
    others: Mapping[str, object] = field(repr=False)


def prove_content(before: Picture, after: Picture, source: Picture, keep: Sequence[str], apart: Sequence[str]) -> None:
    """InputError where the receiver, after the edit, does not read what the source reads.

    `apart` names values at which the two are meant to differ; only because of them may content still differ, and only where it did.
    """
    kept = Keep(keep)
    names = {key.name for key in source.values}
    wanted = [key for key in differing(after.values, source.values) if key.name in names and not kept.object_kept(str(key.name), key.key)]
    wrong = [str(key) for key in wanted if not (apart and _only_apart(key, before, after, source))]
    if wrong:
        raise InputError(
            f"the edit would not bring the judged content over: {listed(wrong)} would still differ. The values come from files that "
            "the two targets do not have in common: bring them in line by hand, or name what may differ under `keep` in trimtab.yaml"
        )


def prove_nothing_else(before: Picture, after: Picture, names: Collection[ConfigName]) -> None:
    """InputError where the edit changes anything but these ConfigMaps and Secrets."""
    strange = [str(key) for key in differing(before.values, after.values) if key.name not in names]
    strange += _others(before, after)
    if strange:
        raise InputError(
            f"the edit would change more than what was judged: {listed(strange)}. Only content of ConfigMaps and Secrets is promoted: "
            "change the rest by hand, or name the values behind it under `keep` in trimtab.yaml"
        )


def _only_apart(key: Key, before: Picture, after: Picture, source: Picture) -> bool:
    """Is every difference that is left one that was there before?"""
    left, was = _paths(source.values, after.values, key), _paths(source.values, before.values, key)
    return left <= was


def _paths(one: Values, other: Values, key: Key) -> set[tuple[str, str]]:
    return {(change.path, change.new) for change in difference(_content(one, key), _content(other, key))}


def _content(values: Values, key: Key) -> tuple[Content, ...]:
    return (Content(key.name, {key.key: values[key]}),) if key in values else ()


def contents(values: Values) -> tuple[Content, ...]:
    """The values as ConfigMaps and Secrets, for a difference."""
    found: dict[ConfigName, dict[str, bytes]] = {}
    for key, value in values.items():
        found.setdefault(key.name, {})[key.key] = value
    return tuple(Content(name, data) for name, data in sorted(found.items()))


def _others(before: Picture, after: Picture) -> list[str]:
    names = sorted({*before.others, *after.others})
    return [name for name in names if not same(settled(before.others.get(name)), settled(after.others.get(name)))]


def settled(tree: object, *, digests: bool = False) -> object:
    """A tree in which digests in annotations, which follow the content, all look the same."""
    if isinstance(tree, dict):
        return {key: settled(item, digests=digests or key == "annotations") for key, item in tree.items()}
    if isinstance(tree, list):
        return [settled(item) for item in tree]
    return "(digest)" if digests and isinstance(tree, str) and _DIGEST.fullmatch(tree) else tree
