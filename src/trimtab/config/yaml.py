"""Reads YAML values as an application may read them. Called by `formats`.

Applications disagree about YAML: `on`, `012`, `1_000`, `12:30` and dates are one thing to some readers and another to others. Here
only what all agree on is typed (JSON's words and numbers, and a few spellings of them); the rest stays text, so that a change
from `on` to `true` is seen. Manifests are read by `documents.yaml` instead, as kubectl reads them.

Events instead of PyYAML's constructor: nesting is bounded before it reaches the C stack, aliases before they fill the memory.
"""

import math
import re
from collections.abc import Iterator

import yaml

from trimtab.config.mistakes import wrong_line
from trimtab.config.trees import DEEPEST, Scalar, Tree, Unreadable, fraction, whole

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FRACTION = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_TAGS = "tag:yaml.org,2002:"
_TYPED_TAGS = frozenset({"int", "float", "bool", "null"})
_SILENT_TAGS = frozenset({"!", *(f"{_TAGS}{name}" for name in ("str", "map", "seq", "set", "omap"))})
_ALWAYS_FINE = 100_000
"""Values that aliases may stand for in any document, however short."""


def read_yaml(text: str) -> tuple[Tree, ...]:
    """The documents in `text`, null ones too. Raises Unreadable with a line for what does not parse and for keys written twice."""
    try:
        return tuple(_Builder(yaml.parse(text, Loader=yaml.CLoader)).documents())
    except yaml.MarkedYAMLError as error:
        raise Unreadable(error.problem or error.context or "it cannot be read", wrong_line(error, text)) from None
    except yaml.reader.ReaderError as error:
        line = text.encode()[: int(error.position)].count(b"\n") + 1
        raise Unreadable("a character that YAML does not allow", line) from None
    except yaml.YAMLError:
        raise Unreadable("it cannot be read") from None


class _Builder:
    """Builds the trees of all documents out of the parser's events."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self._anchors: dict[str, tuple[Tree, int]] = {}
        self._taken = 0
        self._built = 0

    def documents(self) -> Iterator[Tree]:
        """One tree for each document."""
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
                yield self._node(self._next(), 0)

    def _next(self) -> yaml.Event:
        self._taken += 1
        return next(self._events)

    def _node(self, event: yaml.Event, depth: int) -> Tree:
        if depth > DEEPEST:
            raise Unreadable(f"it is nested more than {DEEPEST} levels deep", _line(event))
        if isinstance(event, yaml.AliasEvent):
            return self._target(event)
        before = self._built
        self._built += 1
        tree: Tree
        if isinstance(event, yaml.MappingStartEvent):
            tree = _tagged(event.tag, self._mapping(depth))
        elif isinstance(event, yaml.SequenceStartEvent):
            tree = _tagged(event.tag, self._sequence(depth))
        elif isinstance(event, yaml.ScalarEvent):
            tree = _leaf(event)
        else:
            return None
        if event.anchor:
            self._anchors[event.anchor] = (tree, self._built - before)
        return tree

    def _target(self, event: yaml.AliasEvent) -> Tree:
        """What an alias stands for. An anchor counts from where its value ends, so nothing can contain itself."""
        if event.anchor not in self._anchors:
            raise Unreadable("an alias (*) without an anchor (&) before it", _line(event))
        tree, size = self._anchors[event.anchor]
        self._count(size, event)
        return tree

    def _sequence(self, depth: int) -> list[Tree]:
        items: list[Tree] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, Tree]:
        own: dict[str, Tree] = {}
        merged: dict[str, Tree] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            name = self._key(event, depth + 1)
            value = self._node(self._next(), depth + 1)
            if _merges(event) and (sources := _mappings(value)):
                for source in sources:
                    self._count(len(source), event)
                    merged = {**source, **merged}
            elif name in own:
                raise Unreadable(f"the key {name!r} is written twice", _line(event))
            else:
                own[name] = value
        return {**merged, **own}

    def _key(self, event: yaml.Event, depth: int) -> str:
        """A key as it is written: whether `1` is quoted makes no difference to most readers."""
        tree = self._node(event, depth)
        if isinstance(tree, dict | list):
            raise Unreadable("a list or a mapping as a key", _line(event))
        return str(event.value) if isinstance(event, yaml.ScalarEvent) else str(tree)

    def _count(self, size: int, event: yaml.Event) -> None:
        self._built += size
        if self._built > _ALWAYS_FINE + 4 * self._taken:
            raise Unreadable("its aliases (*) and merges (<<) stand for far more than is written", _line(event))


def _leaf(event: yaml.ScalarEvent) -> Tree:
    text: str = event.value
    tag: str | None = event.tag
    if tag is None:
        return _plain(text) if event.implicit[0] else text
    return _plain(text) if tag.startswith(_TAGS) and tag.removeprefix(_TAGS) in _TYPED_TAGS else _tagged(tag, text)


def _tagged(tag: str | None, value: Tree) -> Tree:
    """A tag that some application gives a meaning to becomes part of the tree."""
    return value if tag is None or tag in _SILENT_TAGS else {tag.replace(_TAGS, "!!"): value}


def _plain(text: str) -> Scalar:
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return whole(text)
    return fraction(text) if _FRACTION.fullmatch(text) else text


def _merges(key: yaml.Event) -> bool:
    return isinstance(key, yaml.ScalarEvent) and key.value == "<<" and bool(key.implicit[0])


def _mappings(value: Tree) -> list[dict[str, Tree]]:
    """What a merge key takes its keys from, the first one winning; nothing where it is not meant as a merge."""
    sources = value if isinstance(value, list) else [value]
    found = [source for source in sources if isinstance(source, dict)]
    return found if len(found) == len(sources) else []


def _line(event: yaml.Event) -> int:
    return int(event.start_mark.line) + 1 if event.start_mark else 0
