"""Where in a text of YAML each value stands, character by character. Called by `edits`.

The parser is that of `documents.yaml`, so that both see the same text; but nothing is resolved here: anchors, aliases and merges are
left as they were written, since what is edited is the text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import yaml

from trimtab.documents.scalars import as_key, plain
from trimtab.errors import DocumentError

BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
"""What ends a line in YAML 1.1."""
MARK = "\ufeff"


@dataclass(slots=True)
class Scalar:
    """A value without parts, or an alias. `style` is that of PyYAML: empty for a plain one; `*` for an alias."""

    start: int
    end: int
    style: str
    text: str
    anchor: str = ""

    @property
    def block(self) -> bool:
        """Is it written with `|` or `>`, in lines of its own?"""
        return self.style in ("|", ">")


@dataclass(slots=True)
class Sequence:
    """A list. `flow` where it is written with brackets."""

    start: int
    end: int
    flow: bool
    items: list["Node"] = field(default_factory=list)
    anchor: str = ""


@dataclass(slots=True)
class Mapping:
    """A mapping, in the order of the text. `flow` where it is written with braces."""

    start: int
    end: int
    flow: bool
    pairs: list[tuple["Node", "Node"]] = field(default_factory=list)
    anchor: str = ""

    def find(self, key: str) -> tuple["Node", "Node"] | None:
        """The key and value that are written here under a name; None where there are none, or only merged-in ones."""
        return next((pair for pair in self.pairs if key_text(pair[0]) == key), None)


Node = Scalar | Sequence | Mapping


@lru_cache(maxsize=32)
def roots(text: str, file: str = "") -> tuple[Node, ...]:
    """The root of each document that is not empty; positions count characters of `text`.

    DocumentError for text that is not YAML; `documents.yaml` says it with more care, and should have been asked before.
    """
    found: list[Node] = []
    shift = 1 if text.startswith(MARK) else 0
    try:
        events = yaml.parse(text[shift:], Loader=yaml.CLoader)
        found.extend(_documents(events, shift))
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise DocumentError(f"not YAML: {str(error).splitlines()[0]}", file=file) from None
    return tuple(node for node in found if not (isinstance(node, Scalar) and node.style == "" and plain(node.text) is None))


def _documents(events: Iterator[yaml.Event], shift: int) -> Iterator[Node]:
    for event in events:
        if isinstance(event, yaml.NodeEvent):
            yield _node(event, events, shift)


def _node(event: yaml.NodeEvent, events: Iterator[yaml.Event], shift: int) -> Node:
    """The node that begins with an event. Depth is bounded by the reader that was asked before."""
    start, end = _index(event.start_mark) + shift, _index(event.end_mark) + shift
    anchor = event.anchor or ""
    if isinstance(event, yaml.AliasEvent):
        return Scalar(start, end, "*", anchor)
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(start, end, event.style or "", event.value, anchor)
    inner: list[Node] = []
    for following in events:
        if isinstance(following, yaml.CollectionEndEvent):
            end = _index(following.end_mark) + shift
            break
        if isinstance(following, yaml.NodeEvent):
            inner.append(_node(following, events, shift))
    flow = isinstance(event, yaml.CollectionStartEvent) and bool(event.flow_style)
    # What ends a block is only seen at what follows it, so it ends where its last part does.
    end = end if flow or not inner else inner[-1].end
    if isinstance(event, yaml.SequenceStartEvent):
        return Sequence(start, end, flow, inner, anchor)
    return Mapping(start, end, flow, list(zip(inner[::2], inner[1::2], strict=True)), anchor)


def _index(mark: object) -> int:
    found = getattr(mark, "index", 0)
    return found if isinstance(found, int) else 0


def key_text(key: Node) -> str | None:
    """What a key is called; None for a merge (`<<`), an alias, and what cannot be a key."""
    if not isinstance(key, Scalar) or key.style == "*" or (key.style == "" and key.text == "<<"):
        return None
    try:
        return as_key(plain(key.text)) if key.style == "" else key.text
    except ValueError:
        return None


def at(root: Node, path: tuple[str | int, ...]) -> Node | None:
    """What is written at a path; None where nothing is, also where an alias or a merge leads there."""
    node = root
    for part in path:
        if isinstance(node, Mapping):
            pair = node.find(str(part))
            if pair is None:
                return None
            node = pair[1]
        elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        else:
            return None
    return node


def line_start(text: str, position: int) -> int:
    """Where the line of a position begins."""
    last = 0
    for found in BREAK.finditer(text, 0, position):
        last = found.end()
    return max(last, 1 if text.startswith(MARK) else 0)


def line_end(text: str, position: int) -> int:
    """Where the line of a position ends, before its break."""
    found = BREAK.search(text, position)
    return found.start() if found else len(text)


def newline(text: str) -> str:
    """How lines of a text end: as the first one does."""
    found = BREAK.search(text)
    return found[0] if found and found[0] in ("\n", "\r\n", "\r") else "\n"
