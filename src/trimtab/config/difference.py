"""What changed inside ConfigMaps and Secrets, key by key and path by path; the order of keys and comments do not count.

Called by `observe`, `diff` and the faces. Of a Secret only its keys are named, with keyed fingerprints; of what may be a credential in a
ConfigMap, that it changed. Pod templates are compared
in the same way.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from trimtab.config.amounts import factor, factor_in_text, shown_factor
from trimtab.config.comparison import ChangeKind, Delta, Item, Path, compare, documents, unequal
from trimtab.config.formats import parse
from trimtab.config.pairs import pairs
from trimtab.config.showing import cut, shown_pair, shown_path, shown_value
from trimtab.config.suspects import concealed, holds_private_key
from trimtab.config.trees import TYPED, Format, Parsed, Scalar, Tree
from trimtab.model.content import Content
from trimtab.model.names import ConfigName

__all__ = ["Change", "ChangeKind", "difference", "line", "lines", "template_difference", "tree_difference"]

LONGEST_BLOCK = 200
"""Lines of plain text that are told one by one; of a longer block only where it is."""

ONCE = "x1"
"""How a factor of one is shown, and one that is very near to it."""
MOST_LINES, LONGEST_LINE = 200, 400
"""Changes that are told of one rollout, and characters of each: they are kept in its record, which etcd takes up to 1.5 MiB of."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `old` and `new` are ready to be shown: short, printable, and of a Secret fingerprints or empty."""

    name: str
    """The object, `configmap/app` or `deployment/app`; its new name where Kustomize's hash in it changed."""
    key: str
    """Empty where the object itself is meant."""
    kind: ChangeKind
    path: str = ""
    """Inside the value; empty where the whole value is meant. `line 3` in plain text."""
    old: str = ""
    new: str = ""
    factor: float | None = None
    """New by old, for numbers, durations and sizes."""
    steps: Path = field(default=(), compare=False)
    """`path` before it was made ready to be shown; empty in plain text."""
    meant: bool = field(default=False, compare=False)
    """Are two targets meant to differ in this (`config.design`)?"""


def difference(before: Sequence[Content], after: Sequence[Content]) -> tuple[Change, ...]:
    """Everything that changed from one set of contents to another; empty exactly where nothing that counts did."""
    return tuple(change for pair in pairs(before, after) for change in _of_object(pair.name, pair.old, pair.new))


def template_difference(name: str, before: str, after: str) -> tuple[Change, ...]:
    """What changed in the pod template of a workload; `before` and `after` are JSON, `name` is for example `deployment/app`."""
    return tree_difference(name, json.loads(before), json.loads(after))


def tree_difference(name: str, before: Mapping[str, object], after: Mapping[str, object]) -> tuple[Change, ...]:
    """What changed from one object to another, both as JSON has them; `name` is for example `service/app`."""
    return tuple(_of_delta(name, "", delta, typed=True) for delta in compare(cast(Tree, before), cast(Tree, after)))


def line(change: Change) -> str:
    """A change in one line: `config.yaml: database.pool_size: 10 -> 20 (x2)`."""
    whole = shown_path((change.key,)) if change.key else change.name
    place = f"{whole}: {change.path}" if change.path else whole
    if change.kind is ChangeKind.ADDED:
        return f"{place}: added" + (f" {change.new}" if change.new else "")
    if change.kind is ChangeKind.REMOVED:
        return f"{place}: removed" + (f" (was {change.old})" if change.old else "")
    if not change.old and not change.new:
        return f"{place}: {change.kind}"
    notes = [str(change.kind)] if change.kind is not ChangeKind.CHANGED else []
    times = shown_factor(change.factor) if change.factor is not None else ""
    # Exactly as much, written differently, is worth a word; nearly as much is not.
    notes += [times] if times and (times != ONCE or change.factor == 1) else []
    return f"{place}: {change.old or 'none'} -> {change.new or 'none'}" + (f" ({', '.join(notes)})" if notes else "")


def lines(changes: Sequence[Change]) -> tuple[str, ...]:
    """The first changes, a line each, and how many more there are; with the object's name where there is more than one."""
    several = len({change.name for change in changes}) > 1
    told = [f"{change.name} {line(change)}" if several and change.key else line(change) for change in changes[:MOST_LINES]]
    rest = [f"and {len(changes) - MOST_LINES} more changes"] if len(changes) > MOST_LINES else []
    return tuple(one if len(one) <= LONGEST_LINE else f"{one[:LONGEST_LINE]}..." for one in (*told, *rest))


def _of_object(name: ConfigName, old: Content | None, new: Content | None) -> Iterator[Change]:
    if old is None or new is None:
        kind = ChangeKind.ADDED if old is None else ChangeKind.REMOVED
        there = new or old
        keys = sorted({*there.data, *there.binary}) if there else []
        yield from (Change(str(name), key, kind) for key in keys or [""])
        return
    if name.kind == old.name.kind and new.secret and old.type != new.type:
        yield Change(str(name), "", ChangeKind.CHANGED, "type", old.type, new.type)
    for key in sorted({*old.data, *new.data, *old.binary, *new.binary}):
        if old.data.get(key) != new.data.get(key) or old.binary.get(key) != new.binary.get(key):
            yield from _of_key(old, new, key)


def _of_key(old: Content, new: Content, key: str) -> Iterator[Change]:
    name = str(new.name)
    if new.secret:
        kind = _presence(old.data.get(key), new.data.get(key))
        yield Change(name, key, kind, "", _fingerprint(old, key), _fingerprint(new, key))
    elif key in old.data and key in new.data:
        yield from _of_value(name, key, old.data[key], new.data[key])
    elif key not in old.binary and key not in new.binary:
        was, now = old.data.get(key), new.data.get(key)
        yield Change(name, key, _presence(was, now), "", _summary(was, key), _summary(now, key))
    else:
        one, two = _binary(old, key), _binary(new, key)
        yield Change(name, key, _presence(one or None, two or None), "", one, two)


def _presence(old: object, new: object) -> ChangeKind:
    return ChangeKind.ADDED if old is None else ChangeKind.REMOVED if new is None else ChangeKind.CHANGED


def _fingerprint(content: Content, key: str) -> str:
    found = content.fingerprints.get(key)
    return f"fingerprint {found}" if found else ""


def _binary(content: Content, key: str) -> str:
    """A key that is binary before or after: its size, and whether it is text here. Empty where there is no such key."""
    if key in content.binary:
        return _count(len(content.binary[key]), "byte")
    return f"{_count(len(content.data[key]), 'byte')} of text" if key in content.data else ""


def _summary(value: bytes | None, key: str = "") -> str:
    """A whole value, if it is one line of text and no credential, else how much there is of it."""
    if value is None:
        return ""
    try:
        text = value.decode().removesuffix("\n")
    except UnicodeDecodeError:
        return _count(len(value), "byte")
    if "\n" in text:
        return _count(text.count("\n") + 1, "line")
    return "" if concealed([key], text) else cut(shown_value(text, typed=False))


def _of_value(name: str, key: str, was: bytes, now: bytes) -> Iterator[Change]:
    """A value of a ConfigMap: by its leaves where both sides parse, else by its lines."""
    try:
        old, new = was.decode(), now.decode()
    except UnicodeDecodeError:
        yield Change(name, key, ChangeKind.CHANGED, "", _summary(was), _summary(now))
        return
    before, after = parse(key, old), parse(key, new)
    if before.format is after.format is not Format.TEXT and not before.problem and not after.problem:
        yield from _of_trees(name, key, before, after)
        return
    if before.format is not after.format:
        yield Change(name, key, ChangeKind.FORMAT_CHANGED, "", before.format, after.format)
    if "\n" in old.removesuffix("\n") or "\n" in new.removesuffix("\n"):
        yield from _of_lines(name, key, old.split("\n"), new.split("\n"))
    elif concealed([key], old, new):
        yield Change(name, key, ChangeKind.CHANGED)
    else:
        yield Change(name, key, ChangeKind.CHANGED, "", *_as_text(old, new), factor(old, new))


def _of_trees(name: str, key: str, before: Parsed, after: Parsed) -> Iterator[Change]:
    typed = before.format in TYPED
    for delta in documents(before.documents, after.documents):
        yield _of_delta(name, key, delta, typed)


def _of_delta(name: str, key: str, delta: Delta, typed: bool) -> Change:
    path = shown_path(delta.path)
    if concealed(_names(key, delta.path), delta.old, delta.new):
        return Change(name, key, delta.kind, path, steps=delta.path)
    old, new = shown_value(delta.old, typed=typed), shown_value(delta.new, typed=typed)
    if delta.kind is ChangeKind.ADDED:
        return Change(name, key, delta.kind, path, "", cut(new), steps=delta.path)
    if delta.kind is ChangeKind.REMOVED:
        return Change(name, key, delta.kind, path, cut(old), "", steps=delta.path)
    old, new = shown_pair(old, new)
    times = factor(_scalar(delta.old), _scalar(delta.new))
    times = None if delta.kind is ChangeKind.TYPE_CHANGED and times == 1 else times
    return Change(name, key, delta.kind, path, old, new, times, delta.path)


def _names(key: str, path: Path) -> list[str]:
    """What says what a value is: its own name, the name of an item that it is the value of as in `env`, or its key."""
    last, before = path[-1] if path else key, path[-2] if len(path) > 1 else None
    return [name for name in (last, before.label if isinstance(before, Item) else None) if isinstance(name, str)]


def _scalar(tree: Tree) -> Scalar:
    return None if isinstance(tree, dict | list) else tree


def _of_lines(name: str, key: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Change]:
    """Plain text; lines are numbered as they are now, removed ones as they were."""
    private = any(holds_private_key("\n".join(lines)) for lines in (old, new))
    for a, b, c, d in unequal(old, new):
        if max(b - a, d - c) > LONGEST_BLOCK:
            path = f"lines {c + 1}-{d}" if d > c else f"lines {a + 1}-{b}"
            yield Change(name, key, ChangeKind.CHANGED, path, _count(b - a, "line"), _count(d - c, "line"))
            continue
        both = min(b - a, d - c)
        changes = [_of_line(name, key, c + index + 1, old[a + index], new[c + index]) for index in range(both)]
        changes += [_of_line(name, key, index + 1, None, new[index]) for index in range(c + both, d)]
        changes += [_of_line(name, key, index + 1, old[index], None) for index in range(a + both, b)]
        yield from (replace(change, old="", new="", factor=None) if private else change for change in changes)


def _of_line(name: str, key: str, number: int, was: str | None, now: str | None) -> Change:
    """One line of plain text, changed, added or removed."""
    path, kind = f"line {number}", _presence(was, now)
    if concealed((), was, now):
        return Change(name, key, kind, path)
    if was is not None and now is not None:
        return Change(name, key, kind, path, *_as_text(was, now), factor_in_text(was, now))
    old, new = (cut(shown_value(line, typed=False)) if line is not None else "" for line in (was, now))
    return Change(name, key, kind, path, old, new)


def _as_text(old: str, new: str) -> tuple[str, str]:
    """Two lines without the space around them, unless that is all that differs."""
    if old.strip() != new.strip():
        old, new = old.strip(), new.strip()
    return shown_pair(shown_value(old, typed=False), shown_value(new, typed=False))


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
