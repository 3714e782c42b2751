"""Changes single values inside a text of YAML and keeps every other byte: comments, order, quotes, ends of lines.

Called by `places`. What is written is copied from the text where the value comes from, so that its style comes along; where that
does not fit, it is written anew. Whatever was done is read again, and an edit that would not say exactly what it should is refused.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from trimtab.documents.yaml import read_yaml
from trimtab.errors import DocumentError, InputError
from trimtab.promotion import layout, writing
from trimtab.promotion.spans import BREAK, Mapping, Node, Scalar, Sequence, at, key_text, line_end, line_start, newline, roots

Path = tuple[str | int, ...]
_DASH = re.compile(r"[ \t]*-[ \t]+")


@dataclass(frozen=True, slots=True)
class Spot:
    """A value inside a text: which document of it, from 0 and without the empty ones, and the path to it there."""

    text: str = field(repr=False)
    document: int
    path: Path

    @property
    def node(self) -> Node | None:
        """What is written there."""
        return at(self.root, self.path)

    @property
    def root(self) -> Node:
        """The document."""
        return roots(self.text)[self.document]

    @property
    def parent(self) -> Node | None:
        """What it stands in."""
        return at(self.root, self.path[:-1]) if self.path else None


def written(spot: Spot, value: object, origin: Spot | None = None) -> str:
    """The text with a value put in the place of what is at `spot`, or added where nothing is.

    `origin` is where the value stands in another text. InputError where no edit of the text would lead to exactly this.
    """
    if not roots(spot.text):
        return _begun(spot, value)
    if spot.path and spot.node is None and _nowhere(spot.parent):
        name = spot.path[-1]
        return written(Spot(spot.text, spot.document, spot.path[:-1]), [value] if isinstance(name, int) else {name: value})
    expected = _values(spot.text)
    if spot.node is not None and _at(expected[spot.document], spot.path) == (value, type(value)):
        return spot.text
    expected[spot.document] = _with(expected[spot.document], spot.path, value)
    return _first_good(_attempts(spot, value, origin), expected, spot)


def removed(spot: Spot) -> str:
    """The text without what is at `spot`. InputError where no edit of the text would lead to exactly this."""
    expected = _values(spot.text)
    expected[spot.document] = _without(expected[spot.document], spot.path)
    return _first_good(_removals(spot), expected, spot)


def _begun(spot: Spot, value: object) -> str:
    """A text that says nothing yet but for comments gets its first document."""
    for part in reversed(spot.path):
        value = {str(part): value}
    ending = newline(spot.text)
    begin = spot.text + ("" if not spot.text or layout.ends_line(spot.text) else ending)
    return begin + writing.behind_key(value, -2, ending).removeprefix(ending).lstrip(" ") + ending


def _nowhere(parent: Node | None) -> bool:
    """Is there nothing to add to, neither a mapping nor a list?"""
    return parent is None or (isinstance(parent, Scalar) and parent.style == "")


def _values(text: str) -> list[object]:
    return [document.value for document in read_yaml(text)]


def _at(tree: object, path: Path) -> tuple[object, type]:
    """What is at a path of a value, with its type, since 1 is not true."""
    for part in path:
        tree = tree.get(str(part)) if isinstance(tree, dict) else tree[part] if isinstance(tree, list) and isinstance(part, int) else None
    return tree, type(tree)


def _with(tree: object, path: Path, value: object) -> object:
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(tree, list) and isinstance(head, int):
        return [_with(item, rest, value) if index == head else item for index, item in enumerate([*tree, None][: max(len(tree), head + 1)])]
    inner = tree if isinstance(tree, dict) else {}
    return {**inner, str(head): _with(inner.get(str(head)), rest, value)}


def _without(tree: object, path: Path) -> object:
    head, rest = path[0], path[1:]
    if isinstance(tree, list) and isinstance(head, int):
        return [_without(item, rest) if index == head else item for index, item in enumerate(tree) if rest or index != head]
    if not isinstance(tree, dict):
        return tree
    return {key: _without(item, rest) if key == head else item for key, item in tree.items() if rest or key != head}


def _first_good(attempts: Iterator[Callable[[], str]], expected: list[object], spot: Spot) -> str:
    for attempt in attempts:
        try:
            text = attempt()
            if [document.value for document in read_yaml(text)] == [value for value in expected if value is not None]:
                return text
        except (DocumentError, ValueError):
            continue
    shown = ".".join(str(part) for part in spot.path)
    raise InputError(
        f"{shown} cannot be changed in the text alone: it is written through an anchor, an alias or a merge, or in an unusual way. "
        "Change it by hand"
    )


def _attempts(spot: Spot, value: object, origin: Spot | None) -> Iterator[Callable[[], str]]:
    """Ways to write a value, the one that keeps most of the origin's style first."""
    source = origin if origin is not None and origin.node is not None else None
    node = spot.node
    if node is not None:
        if source is not None:
            yield lambda: _replaced_by_span(spot, source)
            yield lambda: _replaced_by_region(spot, _region(source, spot))
        if isinstance(spot.parent, Mapping) and not spot.parent.flow:
            yield lambda: _replaced_by_region(spot, _anew(spot, value))
            yield lambda: _replaced_by_region(spot, f": {writing.in_flow(value)}")
        yield lambda: _spliced(spot.text, node.start, layout.value_end(spot.text, node), writing.in_flow(value))
        return
    parent = spot.parent
    if isinstance(parent, Mapping) and not parent.flow:
        if source is not None:
            yield lambda: _inserted(spot, parent, _region(source, spot, comment=True), _predecessor(source, parent))
        yield lambda: _inserted(spot, parent, _anew(spot, value), _predecessor(origin, parent))
        yield lambda: _inserted(spot, parent, f": {writing.in_flow(value)}", _predecessor(origin, parent))
        # A block scalar at the very end of a text without a last newline would get one from what is put behind it.
        yield lambda: _put_first(spot, parent, f": {writing.in_flow(value)}")
    elif parent is not None and not isinstance(parent, Scalar):
        yield lambda: _joined(spot, parent, value)


def _spliced(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


def _pair(spot: Spot) -> tuple[Node, Node]:
    """The key and value at a spot of a block mapping. ValueError where it is not one."""
    parent = spot.parent
    pair = parent.find(str(spot.path[-1])) if isinstance(parent, Mapping) and not parent.flow else None
    if pair is None:
        raise ValueError("not a key of a block mapping")
    return pair


def _indent(spot: Spot) -> int:
    """The column of the keys beside a spot."""
    parent = spot.parent
    return layout.column(spot.text, parent.pairs[0][0].start) if isinstance(parent, Mapping) and parent.pairs else 0


def _replaced_by_span(spot: Spot, source: Spot) -> str:
    """A value that is no block by another: nothing but the value itself is touched."""
    old, new = spot.node, source.node
    if old is None or new is None or layout.is_block(old) or layout.is_block(new):
        raise ValueError("a block")
    gap = " " if old.start == old.end else ""
    raw = layout.shifted(source.text[new.start : new.end], _indent(spot) - _indent(source), newline(spot.text))
    return _spliced(spot.text, old.start, old.end, gap + raw)


def _region(source: Spot, spot: Spot, *, comment: bool = False) -> str:
    """All that stands behind the key of a source, moved to where the spot is."""
    key, value = _pair(source)
    end = layout.value_end(source.text, value)
    if comment:
        end += len(layout.tail(source.text, end))
    theirs = layout.inner_column(source.text, value)
    by = _indent(spot) - layout.column(source.text, key.start)
    old = spot.node
    # A list may begin in the column of its key, which is no measure for anything else.
    if theirs is not None and old is not None and isinstance(old, Sequence) <= isinstance(value, Sequence):
        mine = layout.inner_column(spot.text, old)
        by = by if mine is None else mine - theirs
    return layout.shifted(source.text[key.end : end], by, newline(spot.text))


def _anew(spot: Spot, value: object) -> str:
    """All that stands behind a key, from its colon on, without a source."""
    return f":{writing.behind_key(value, _indent(spot), newline(spot.text))}"


def _replaced_by_region(spot: Spot, region: str) -> str:
    """All that stands behind the key, by lines from elsewhere; a comment behind the old value stays behind the first line."""
    key, value = _pair(spot)
    end = layout.value_end(spot.text, value)
    whole = layout.ends_line(spot.text[key.end : end])
    comment = layout.tail(spot.text, end)
    if comment and BREAK.search(region):
        region, end = layout.with_tail(region, comment), end + len(comment)
    if layout.ends_line(region) and not whole and end < len(spot.text):
        region = layout.without_last_break(region)
    if whole and not layout.ends_line(region):
        region += newline(spot.text)
    return _spliced(spot.text, key.end, end, region)


def _predecessor(source: Spot | None, parent: Mapping) -> int:
    """Behind which pair of a mapping a new key goes: behind that which is before it where it comes from, else at the end."""
    around = source.parent if source is not None else None
    before = None
    for key, _ in around.pairs if isinstance(around, Mapping) and source is not None else ():
        name = key_text(key)
        if source is not None and name == source.path[-1]:
            break
        there = [index for index, (own, _) in enumerate(parent.pairs) if name is not None and key_text(own) == name]
        before = there[0] if there else before
    return len(parent.pairs) - 1 if before is None else before


def _inserted(spot: Spot, parent: Mapping, region: str, behind: int) -> str:
    """A new key on a line of its own."""
    text, ending, line = spot.text, newline(spot.text), _line(spot, region)
    end = layout.value_end(text, parent.pairs[behind][1])
    if not (end and BREAK.fullmatch(text[end - 1])):
        end = line_end(text, end)
        if end == len(text):
            return _spliced(text, end, end, ending + line)
        end = BREAK.match(text, end).end()  # type: ignore[union-attr]  # there is one, or it would be the end of the text
    return _spliced(text, end, end, line if layout.ends_line(line) else line + ending)


def _put_first(spot: Spot, parent: Mapping, region: str) -> str:
    """A new key before all others."""
    first = parent.pairs[0][0].start
    line = _line(spot, region)
    line = line if layout.ends_line(line) else line + newline(spot.text)
    return _spliced(spot.text, first, first, line.lstrip(" ") + " " * _indent(spot))


def _line(spot: Spot, region: str) -> str:
    return f"{' ' * _indent(spot)}{writing.scalar(str(spot.path[-1]))}{region}"


def _joined(spot: Spot, parent: Mapping | Sequence, value: object) -> str:
    """Added to a mapping or list with braces or brackets, or to a list with dashes."""
    text = spot.text
    new = writing.in_flow(value) if isinstance(parent, Sequence) else f"{writing.scalar(str(spot.path[-1]))}: {writing.in_flow(value)}"
    parts = parent.items if isinstance(parent, Sequence) else [value for _, value in parent.pairs]
    if not parts:
        return _spliced(text, parent.end - 1, parent.end - 1, new)
    if parent.flow:
        return _spliced(text, parts[-1].end, parts[-1].end, f", {new}")
    last = parts[-1]
    prefix = text[line_start(text, last.start) : last.start]
    if not _DASH.fullmatch(prefix):
        raise ValueError("the last item does not begin its line")
    end = layout.value_end(text, last)
    end = end if BREAK.fullmatch(text[end - 1]) else line_end(text, end)
    ending = newline(text)
    if BREAK.fullmatch(text[end - 1]):
        return _spliced(text, end, end, prefix + new + ending)
    return _spliced(text, end, end, ending + prefix + new)


def _removals(spot: Spot) -> Iterator[Callable[[], str]]:
    parent, text = spot.parent, spot.text
    if parent is None or isinstance(parent, Scalar) or spot.node is None:
        return
    whole = [(item, item) for item in parent.items] if isinstance(parent, Sequence) else parent.pairs
    starts, ends = [key.start for key, _ in whole], [value.end for _, value in whole]
    number = next(index for index, (_, value) in enumerate(whole) if value.start == spot.node.start)
    if len(whole) == 1:
        yield lambda: _emptied(text, parent, starts[0])
    elif parent.flow and number == 0:
        yield lambda: _spliced(text, starts[0], starts[1], "")
    elif parent.flow:
        yield lambda: _spliced(text, ends[number - 1], ends[number], "")
    else:
        yield lambda: _without_lines(text, starts[number], whole[number][1])
        if number + 1 < len(whole):
            yield lambda: _spliced(text, starts[number], starts[number + 1], "")


def _emptied(text: str, parent: Mapping | Sequence, first: int) -> str:
    """Without its only part, a block needs to say that it is empty."""
    if parent.flow:
        return _spliced(text, first, parent.end - 1, "")
    end = layout.value_end(text, parent)
    ending = newline(text) if layout.ends_line(text[parent.start : end]) else ""
    return _spliced(text, parent.start, end, ("[]" if isinstance(parent, Sequence) else "{}") + ending)


def _without_lines(text: str, start: int, node: Node) -> str:
    """Without the lines of one part, which must begin its first line."""
    begin = line_start(text, start)
    before = text[begin:start]
    if before.strip() and not _DASH.fullmatch(before):
        raise ValueError("other things stand on its first line")
    end = layout.value_end(text, node)
    if not BREAK.fullmatch(text[end - 1]):
        end = line_end(text, end)
        found = BREAK.match(text, end)
        if found is None and begin:
            # The last line has no end of its own: that of the line before goes with it.
            return layout.without_last_break(text[:begin])
        end = found.end() if found else end
    return text[:begin] + text[end:]
