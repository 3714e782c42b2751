"""Compares two trees, node by node, and two texts, line by line. Called by `difference`.

The order of keys does not count; the order of a list does, for filters and rules act in their order. Items of a list are recognised
by their `name`, `id` or `key` where all of them have a different one, else by what they have in common with the other list.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from enum import StrEnum
from typing import TypeAlias

from trimtab.config.trees import Scalar, Tree

IDENTITIES = ("name", "id", "key")
LARGEST_ALIGNMENT = 4_000_000
"""Pairs of items that are weighed against each other; longer lists are compared by position."""


class ChangeKind(StrEnum):
    """How something changed."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    TYPE_CHANGED = "type changed"
    ORDER_CHANGED = "order changed"
    FORMAT_CHANGED = "format changed"


@dataclass(frozen=True, slots=True)
class Item:
    """A step of a path: the item of a list that has this name, id or key, or one of several documents."""

    label: str


Path: TypeAlias = tuple[str | int | Item, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """One thing that differs. `old` means nothing where it was added, `new` where it was removed."""

    kind: ChangeKind
    path: Path
    old: Tree = None
    new: Tree = None


def compare(old: Tree, new: Tree, path: Path = ()) -> Iterator[Delta]:
    """Everything that differs, in the order of the new tree, then what is gone. What is added or removed is told leaf by leaf."""
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _mappings(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _lists(old, new, path)
    elif kind_of(old) != kind_of(new):
        yield Delta(ChangeKind.TYPE_CHANGED, path, old, new)
    elif not _same(old, new):
        yield Delta(ChangeKind.CHANGED, path, old, new)


def documents(old: Sequence[Tree], new: Sequence[Tree]) -> Iterator[Delta]:
    """The documents of two values, by their place; the path begins with the number of the document where there are several."""
    several = max(len(old), len(new)) > 1
    for index in range(max(len(old), len(new))):
        path: Path = (Item(f"document {index + 1}"),) if several else ()
        if index >= len(old):
            yield from leaves(ChangeKind.ADDED, new[index], path)
        elif index >= len(new):
            yield from leaves(ChangeKind.REMOVED, old[index], path)
        else:
            yield from compare(old[index], new[index], path)


def leaves(kind: ChangeKind, tree: Tree, path: Path) -> Iterator[Delta]:
    """Added or removed: one for each scalar and each empty mapping or list."""
    if isinstance(tree, dict) and tree:
        for name, item in tree.items():
            yield from leaves(kind, item, (*path, name))
    elif isinstance(tree, list) and tree:
        field = _identity(tree, tree)
        for index, item in enumerate(tree):
            yield from leaves(kind, item, (*path, Item(str(_label(item, field))) if field else index))
    else:
        yield Delta(kind, path, tree, tree)


def kind_of(value: Tree) -> str:
    """Whole and fractional numbers are one kind: both are numbers to whoever reads them."""
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case date() | time():
            return "date or time"
        case None:
            return "null"
        case _:
            return {str: "text", dict: "mapping"}.get(type(value), "list")


def unequal(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int, int, int]]:
    """Where two lists of lines or items differ: `old[a:b]` became `new[c:d]`. Bounded in time for every input."""
    start, limit = 0, min(len(old), len(new))
    while start < limit and old[start] == new[start]:
        start += 1
    end = 0
    while end < limit - start and old[-1 - end] == new[-1 - end]:
        end += 1
    was, now = old[start : len(old) - end], new[start : len(new) - end]
    if not was and not now:
        return
    if len(was) * len(now) > LARGEST_ALIGNMENT:
        yield start, start + len(was), start, start + len(now)
        return
    # The matcher's own shortcut for lines that occur often keeps it from taking cubic time.
    for tag, a, b, c, d in difflib.SequenceMatcher(None, was, now).get_opcodes():
        if tag != "equal":
            yield start + a, start + b, start + c, start + d


def _same(old: Tree, new: Tree) -> bool:
    """Equal and of one type: 1 and 1.0 are not. NaN is the same as NaN."""
    return type(old) is type(new) and (old == new or (old != old and new != new))


def _mappings(old: dict[str, Tree], new: dict[str, Tree], path: Path) -> Iterator[Delta]:
    for name, value in new.items():
        if name in old:
            yield from compare(old[name], value, (*path, name))
        else:
            yield from leaves(ChangeKind.ADDED, value, (*path, name))
    for name, value in old.items():
        if name not in new:
            yield from leaves(ChangeKind.REMOVED, value, (*path, name))


def _lists(old: list[Tree], new: list[Tree], path: Path) -> Iterator[Delta]:
    if not old or not new:
        if old or new:
            # The list itself stays; what it holds now, or held, says the rest.
            for tree, kind in ((new, ChangeKind.ADDED), (old, ChangeKind.REMOVED)):
                yield from leaves(kind, tree, path) if tree else ()
        return
    field = _identity(old, new)
    yield from _named(old, new, field, path) if field else _aligned(old, new, path)


def _named(old: list[Tree], new: list[Tree], field: str, path: Path) -> Iterator[Delta]:
    was = {_label(item, field): item for item in old}
    now = {_label(item, field): item for item in new}
    for label, item in now.items():
        where = (*path, Item(str(label)))
        yield from compare(was[label], item, where) if label in was else leaves(ChangeKind.ADDED, item, where)
    for label, item in was.items():
        if label not in now:
            yield from leaves(ChangeKind.REMOVED, item, (*path, Item(str(label))))
    if [label for label in was if label in now] != [label for label in now if label in was]:
        yield Delta(ChangeKind.ORDER_CHANGED, path, list(was), list(now))


def _aligned(old: list[Tree], new: list[Tree], path: Path) -> Iterator[Delta]:
    """By position, past what was put in or taken out between items that stayed. Numbers are the new ones; of removed items the old."""
    for a, b, c, d in unequal([_canonical(item) for item in old], [_canonical(item) for item in new]):
        both = min(b - a, d - c)
        for offset in range(both):
            yield from compare(old[a + offset], new[c + offset], (*path, c + offset))
        for index in range(c + both, d):
            yield from leaves(ChangeKind.ADDED, new[index], (*path, index))
        for index in range(a + both, b):
            yield from leaves(ChangeKind.REMOVED, old[index], (*path, index))


def _identity(old: list[Tree], new: list[Tree]) -> str:
    """The field by which all items of both lists are told apart; empty where there is none."""
    for field in IDENTITIES:
        if all(_distinct([_label(item, field) for item in items]) for items in (old, new)):
            return field
    return ""


def indices(tree: object, path: Path) -> tuple[str | int, ...]:
    """A path in a tree with the places of items in their lists, as far as it leads there."""
    found: list[str | int] = []
    for step in path:
        if isinstance(step, Item):
            among = tree if isinstance(tree, list) else []
            same = (at for at, item in enumerate(among) if any(str(_label(item, field)) == step.label for field in IDENTITIES))
            index = next(same, None)
            if index is None:
                break
            step = index
        found.append(step)
        if isinstance(tree, list):
            tree = tree[step] if isinstance(step, int) and step < len(tree) else None
        else:
            tree = tree.get(step) if isinstance(tree, Mapping) else None
    return tuple(found)


def _distinct(labels: list[Scalar]) -> bool:
    shown = {str(label) for label in labels}
    return None not in labels and len(shown) == len(labels)


def _label(item: Tree, field: str) -> str | int | None:
    found = item.get(field) if isinstance(item, dict) else None
    return found if isinstance(found, str | int) and not isinstance(found, bool) else None


def _canonical(tree: Tree) -> str:
    """One text for each tree that is not the same as another."""
    if isinstance(tree, dict):
        return "{" + ",".join(f"{name!r}:{_canonical(tree[name])}" for name in sorted(tree)) + "}"
    if isinstance(tree, list):
        return "[" + ",".join(map(_canonical, tree)) + "]"
    return repr(tree)
