"""What changed inside ConfigMaps and Secrets, key by key and path by path; order and comments do not count.

Called by `observe`, `diff` and the faces. Of a Secret only its keys are named, with keyed fingerprints.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from trimtab.config.formats import Format, Scalar, parse
from trimtab.model.content import Content
from trimtab.model.names import ConfigName

LONGEST = 60
"""Characters of a value that are shown."""
SIZES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12, "ki": 2.0**10, "mi": 2.0**20, "gi": 2.0**30, "ti": 2.0**40}
SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class ChangeKind(StrEnum):
    """How something changed."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    TYPE_CHANGED = "type changed"
    FORMAT_CHANGED = "format changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `old` and `new` are ready to be shown: of a Secret they are fingerprints or empty."""

    name: ConfigName
    key: str
    kind: ChangeKind
    path: str = ""
    """Inside the value; empty where the whole value is meant. `line 3` in plain text."""
    old: str = ""
    new: str = ""
    factor: float | None = None
    """New by old, for numbers, durations and sizes."""


def difference(before: Sequence[Content], after: Sequence[Content]) -> tuple[Change, ...]:
    """Everything that changed from one set of contents to another; empty exactly where nothing that counts did."""
    old = {content.name: content for content in before}
    new = {content.name: content for content in after}
    return tuple(change for name in sorted({*old, *new}) for change in between(name, old.get(name), new.get(name)))


def between(name: ConfigName, old: Content | None, new: Content | None) -> Iterator[Change]:
    """The changes of one object."""
    if old is None or new is None:
        there = old or new
        assert there is not None
        kind = ChangeKind.ADDED if old is None else ChangeKind.REMOVED
        yield from (Change(name, key, kind) for key in sorted({*there.data, *there.binary}) or [""])
        return
    for key in sorted({*old.data, *new.data}):
        if old.data.get(key) != new.data.get(key):
            yield from (of_secret if new.secret or old.secret else of_value)(old, new, key)
    for key in sorted({*old.binary, *new.binary}):
        if old.binary.get(key) != new.binary.get(key):
            yield of_bytes(name, key, old.binary.get(key), new.binary.get(key))


def of_secret(old: Content, new: Content, key: str) -> Iterator[Change]:
    """Only that a key was added, removed or changed, with fingerprints where the source gave some."""
    kind = presence(old.data.get(key), new.data.get(key))
    yield Change(new.name, key, kind, "", shown_print(old, key), shown_print(new, key))


def shown_print(content: Content, key: str) -> str:
    """A keyed fingerprint, as it is shown."""
    found = content.fingerprints.get(key)
    return f"fingerprint {found}" if found else ""


def presence(old: bytes | None, new: bytes | None) -> ChangeKind:
    """Added, removed or changed."""
    return ChangeKind.ADDED if old is None else ChangeKind.REMOVED if new is None else ChangeKind.CHANGED


def of_bytes(name: ConfigName, key: str, old: bytes | None, new: bytes | None) -> Change:
    """Binary values have a size."""
    sizes = [f"{len(value)} bytes" if value is not None else "" for value in (old, new)]
    return Change(name, key, presence(old, new), "", *sizes)


def of_value(old: Content, new: Content, key: str) -> Iterator[Change]:
    """A value of a ConfigMap: by its leaves where both sides parse, else by its lines."""
    was, now = old.data.get(key), new.data.get(key)
    if was is None or now is None:
        yield Change(new.name, key, presence(was, now), "", "" if was is None else brief(was), "" if now is None else brief(now))
        return
    try:
        texts = was.decode(), now.decode()
    except UnicodeDecodeError:
        yield of_bytes(new.name, key, was, now)
        return
    one, two = parse(key, texts[0]), parse(key, texts[1])
    if one.format is two.format is not Format.TEXT and not one.problem and not two.problem:
        yield from of_leaves(new.name, key, one.leaves, two.leaves)
    elif max(text.count("\n") for text in texts) <= 1 and not any(text.rstrip("\n").count("\n") for text in texts):
        a, b = (text.rstrip("\n") for text in texts)
        yield Change(new.name, key, ChangeKind.CHANGED, "", cut(a), cut(b), ratio(a, b))
    else:
        if one.format is not two.format:
            yield Change(new.name, key, ChangeKind.FORMAT_CHANGED, "", one.format, two.format)
        yield from of_lines(new.name, key, *texts)


def of_leaves(name: ConfigName, key: str, old: Mapping[str, Scalar], new: Mapping[str, Scalar]) -> Iterator[Change]:
    """By path; the order of the new side, then what is gone."""
    for path in [*new, *(path for path in old if path not in new)]:
        if path not in old:
            yield Change(name, key, ChangeKind.ADDED, path, "", scalar(new[path]))
        elif path not in new:
            yield Change(name, key, ChangeKind.REMOVED, path, scalar(old[path]))
        elif kind_of(old[path]) != kind_of(new[path]):
            yield Change(name, key, ChangeKind.TYPE_CHANGED, path, scalar(old[path]), scalar(new[path]))
        elif old[path] != new[path]:
            factor = ratio(old[path], new[path])
            yield Change(name, key, ChangeKind.CHANGED, path, scalar(old[path]), scalar(new[path]), factor)


def of_lines(name: ConfigName, key: str, old: str, new: str) -> Iterator[Change]:
    """Plain text, line by line; lines are numbered as they are now, removed ones as they were."""
    one, two = old.splitlines(), new.splitlines()
    for tag, start, end, first, last in difflib.SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        for offset in range(max(end - start, last - first)):
            was = one[start + offset] if start + offset < end else None
            now = two[first + offset] if first + offset < last else None
            if was is not None and now is not None:
                yield Change(name, key, ChangeKind.CHANGED, f"line {first + offset + 1}", cut(was), cut(now))
            elif now is not None:
                yield Change(name, key, ChangeKind.ADDED, f"line {first + offset + 1}", "", cut(now))
            elif was is not None:
                yield Change(name, key, ChangeKind.REMOVED, f"line {start + offset + 1}", cut(was))
    if one == two:
        yield Change(name, key, ChangeKind.CHANGED, "line ends")


def kind_of(value: Scalar) -> str:
    """Whole and fractional numbers are one kind: both are numbers to whoever reads them."""
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def scalar(value: Scalar) -> str:
    """A value as it is shown: text that could be taken for something else is quoted."""
    if isinstance(value, str):
        return cut(f'"{value}"' if re.fullmatch(r"|-?[0-9.]+|true|false|null", value) else value)
    return {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else f"{value}"


def brief(value: bytes) -> str:
    """A whole value, if it is short."""
    text = value.decode(errors="replace").rstrip("\n")
    return cut(text) if "\n" not in text else f"{text.count(chr(10)) + 1} lines"


def cut(text: str) -> str:
    """At most LONGEST printable characters."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    return clean if len(clean) <= LONGEST else f"{clean[: LONGEST - 3]}..."


def ratio(old: Scalar, new: Scalar) -> float | None:
    """New by old, where both are numbers, durations or sizes of the same kind."""
    was, now = amount(old), amount(new)
    if was is None or now is None or was[1] != now[1] or not was[0] or was[0] == now[0]:
        return None
    return now[0] / was[0]


def amount(value: Scalar) -> tuple[float, str] | None:
    """A number, with what it counts: nothing, seconds or bytes."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value), ""
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        return float(value), ""
    if re.fullmatch(r"([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d))+", value):
        parts = re.findall(r"([0-9.]+)(ns|us|ms|s|m|h|d)", value)
        return sum(float(number) * SECONDS[unit] for number, unit in parts), "seconds"
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([kmgt]i?)b?", value, re.IGNORECASE)
    return (float(found[1]) * SIZES[found[2].lower()], "bytes") if found else None


def line(change: Change) -> str:
    """A change in one line: `config.yaml: database.pool_size: 10 -> 20 (x2)`."""
    place = ": ".join(part for part in (change.key, change.path) if part) or str(change.name)
    if change.kind is ChangeKind.ADDED:
        return f"{place}: added" + (f" {change.new}" if change.new else "")
    if change.kind is ChangeKind.REMOVED:
        return f"{place}: removed" + (f" (was {change.old})" if change.old else "")
    if not change.old and not change.new:
        return f"{place}: {change.kind}"
    note = f" (x{change.factor:.3g})" if change.factor is not None else ""
    note = f" ({change.kind})" if change.kind is not ChangeKind.CHANGED else note
    return f"{place}: {change.old or 'empty'} -> {change.new or 'empty'}{note}"


def lines(changes: Sequence[Change]) -> tuple[str, ...]:
    """All changes, a line each; with the object's name where there is more than one."""
    several = len({change.name for change in changes}) > 1
    return tuple(f"{change.name} {line(change)}" if several else line(change) for change in changes)
