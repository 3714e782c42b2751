"""Builds the value of one YAML document out of parser events, with the line of every path. Called by `documents.yaml`.

Events instead of PyYAML's constructor: lines are kept, nesting is bounded before it reaches the C stack, and aliases are
bounded before they fill the memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from trimtab.documents.scalars import Scalar, as_json, as_key, plain, tagged
from trimtab.documents.written import Span
from trimtab.errors import DocumentError

Path = tuple[str | int, ...]

_DEEPEST = 100
_ALWAYS_FINE = 100_000
_MERGE = "tag:yaml.org,2002:merge"


@dataclass(slots=True)
class _Leaf:
    line: int
    value: Scalar
    merge: bool = False
    span: Span | None = None
    """Where it has several lines."""


@dataclass(slots=True)
class _Sequence:
    line: int
    items: list["_Node"] = field(default_factory=list)
    open: bool = True


@dataclass(slots=True)
class _Mapping:
    line: int
    pairs: list[tuple["_Node", "_Node"]] = field(default_factory=list)
    key: "_Node | None" = None
    open: bool = True


_Node = _Leaf | _Sequence | _Mapping
_Entries = dict[str, tuple[int, _Node]]


class Builder:
    """Takes the events of one document in their order. Raises DocumentError for what kubectl could not read either."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._stack: list[_Sequence | _Mapping] = []
        self._anchors: dict[str, _Node] = {}
        self._root: _Node | None = None
        self._taken = 0
        self._built = 0
        self._lines: dict[Path, int] = {}
        self.spans: dict[Path, Span] = {}
        """How values of several lines are written."""

    def take(self, event: yaml.Event) -> None:
        """The next event between the document's start and its end."""
        line: int = event.start_mark.line + 1 if event.start_mark else 0
        self._taken += 1
        if isinstance(event, yaml.ScalarEvent):
            self._add(self._leaf(event, line), event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            self._add(self._target(event, line), None)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._begin(_Sequence(line), event.anchor)
        elif isinstance(event, yaml.MappingStartEvent):
            self._begin(_Mapping(line), event.anchor)
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self._stack.pop().open = False

    def finished(self) -> tuple[object, int, dict[Path, int]]:
        """The value of the document, the line on which it begins, and the line of each path."""
        if self._root is None:
            return None, 0, {}
        return self._value(self._root, ()), self._root.line, self._lines

    def _leaf(self, event: yaml.ScalarEvent, line: int) -> _Leaf:
        text: str = event.value
        tag: str | None = event.tag
        span = _span(event) if "\n" in text else None
        if tag is None and event.implicit[0]:
            return _Leaf(line, plain(text), text == "<<", span)
        try:
            return _Leaf(line, text if tag is None else tagged(tag, text), tag == _MERGE, span)
        except ValueError as error:
            raise self._error(str(error), line) from None

    def _target(self, event: yaml.AliasEvent, line: int) -> _Node:
        target = self._anchors.get(event.anchor or "")
        if target is None:
            raise self._error("an alias (*) without an anchor (&) before it. Quote the value if it is text", line)
        if not isinstance(target, _Leaf) and target.open:
            raise self._error("an alias (*) to something that contains it", line)
        return target

    def _begin(self, node: _Sequence | _Mapping, anchor: str | None) -> None:
        if len(self._stack) >= _DEEPEST:
            raise self._error(f"nested more than {_DEEPEST} levels deep", node.line)
        self._add(node, anchor)
        self._stack.append(node)

    def _add(self, node: _Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
        if not self._stack:
            self._root = node
            return
        parent = self._stack[-1]
        if isinstance(parent, _Sequence):
            parent.items.append(node)
        elif parent.key is None:
            parent.key = node
        else:
            parent.pairs.append((parent.key, node))
            parent.key = None

    def _value(self, node: _Node, path: Path) -> object:
        self._count(node)
        if len(path) > _DEEPEST:
            raise self._error(f"nested more than {_DEEPEST} levels deep", node.line)
        if isinstance(node, _Leaf):
            try:
                return as_json(node.value)
            except ValueError as error:
                raise self._error(str(error), node.line) from None
        if isinstance(node, _Sequence):
            return [self._placed(item, item.line, (*path, index)) for index, item in enumerate(node.items)]
        entries = self._entries(node, 0)
        return {key: self._placed(item, line, (*path, key)) for key, (line, item) in entries.items()}

    def _placed(self, node: _Node, line: int, path: Path) -> object:
        self._lines[path] = line
        if isinstance(node, _Leaf) and node.span is not None:
            self.spans[path] = node.span
        return self._value(node, path)

    def _entries(self, node: _Mapping, depth: int) -> _Entries:
        """The keys of a mapping. A merge (`<<`) acts where it stands, as in kubectl: it replaces what is above it, not what is below."""
        entries: _Entries = {}
        written: dict[str, int] = {}
        for key, value in node.pairs:
            if isinstance(key, _Leaf) and key.merge:
                for source in reversed(list(self._merged(value, depth))):
                    entries |= self._entries(source, depth + 1)
                continue
            name = self._key(key)
            if name in written:
                raise self._error(f"the key {name!r} is written twice, first on line {written[name]}", key.line)
            written[name] = key.line
            entries[name] = (key.line, value)
        return entries

    def _merged(self, value: _Node, depth: int) -> Iterator[_Mapping]:
        """What a merge key names: one mapping or a list of them, the first of which wins."""
        if depth >= _DEEPEST:
            raise self._error(f"merges (<<) of merges more than {_DEEPEST} levels deep", value.line)
        for source in value.items if isinstance(value, _Sequence) else [value]:
            if not isinstance(source, _Mapping):
                raise self._error("a merge (<<) of something that is not a mapping", value.line)
            self._count(source)
            yield source

    def _key(self, key: _Node) -> str:
        if not isinstance(key, _Leaf):
            problem = (
                "a list or a mapping cannot be a key. If this is a template with {{ }}, render it, and read the folder of what comes out"
            )
            raise self._error(problem, key.line)
        try:
            return as_key(key.value)
        except ValueError as error:
            raise self._error(str(error), key.line) from None

    def _count(self, node: _Node) -> None:
        self._built += 1 + (len(node.pairs) if isinstance(node, _Mapping) else 0)
        if self._built > _ALWAYS_FINE + 4 * self._taken:
            raise self._error("its aliases (*) and merges (<<) stand for far more than is written", node.line)

    def _error(self, problem: str, line: int) -> DocumentError:
        return DocumentError(problem, file=self._file, line=line)


def _span(event: yaml.ScalarEvent) -> Span | None:
    begin, end = event.start_mark, event.end_mark
    if begin is None or end is None:
        return None
    block = event.style in ("|", ">")
    return Span(event.style or "", begin.line + 1, end.line + (not block))
