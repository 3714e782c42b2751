"""Takes a value out of one YAML text so that it fits into another: indentation, ends of lines, comments behind it. Called by `edits`."""

import re

from trimtab.promotion.spans import BREAK, Mapping, Node, Scalar, line_end, line_start

_KEEPS = re.compile(r"[|>][1-9]?\+|[|>]\+")


def column(text: str, position: int) -> int:
    """How many characters stand before a position on its line."""
    return position - line_start(text, position)


def value_end(text: str, node: Node) -> int:
    """Where a value ends. The blank lines after a block scalar are not part of it, unless its header says that they are."""
    last = node
    while not isinstance(last, Scalar) and not last.flow:
        last = last.pairs[-1][1] if isinstance(last, Mapping) else last.items[-1]
    if not isinstance(last, Scalar) or not last.block or _KEEPS.match(header(text, last)):
        return last.end
    body = text[last.start : last.end]
    stripped = body.rstrip(" \t\r\n")
    found = BREAK.search(body, len(stripped))
    return last.start + (found.end() if found else len(body))


def header(text: str, node: Scalar) -> str:
    """The first line of a block scalar, from its `|` or `>` on."""
    line = text[node.start : line_end(text, node.start)]
    found = re.search(r"[|>]", re.sub(r"[&!]\S+", lambda mark: " " * len(mark[0]), line))
    return line[found.start() :] if found else ""


def is_block(node: Node) -> bool:
    """Is it written in lines of its own, by indentation?"""
    return node.block if isinstance(node, Scalar) else not node.flow


def inner_column(text: str, node: Node) -> int | None:
    """In which column the parts of a block begin, or its text; None for what is no block, and where a header says the number."""
    if not is_block(node):
        return None
    if isinstance(node, Mapping):
        return column(text, node.pairs[0][0].start)
    if not isinstance(node, Scalar):
        return column(text, node.start)
    lines = [line for line in BREAK.split(text[node.start : node.end])[1:] if line.strip()]
    return len(lines[0]) - len(lines[0].lstrip(" ")) if lines and not re.match(r"[|>][-+]?[1-9]", header(text, node)) else None


def shifted(lines: str, by: int, newline: str) -> str:
    """The text with all lines but the first moved right or left, and with other ends of lines."""
    parts = BREAK.split(lines)
    return newline.join([parts[0], *(_moved(part, by) for part in parts[1:])])


def _moved(line: str, by: int) -> str:
    if not line.strip():
        return line if by >= 0 else line[-by:]
    if by >= 0:
        return " " * by + line
    spaces = len(line) - len(line.lstrip(" "))
    return line[min(-by, spaces) :]


def tail(text: str, position: int) -> str:
    """What stands behind a value on its line: space and a comment. Empty where there is no comment."""
    if position and BREAK.fullmatch(text[position - 1]):
        return ""
    rest = text[position : line_end(text, position)]
    return rest if rest.lstrip(" \t").startswith("#") else ""


def with_tail(region: str, comment: str) -> str:
    """The text of a value with a comment at the end of its first line."""
    found = BREAK.search(region)
    return region[: found.start()] + comment + region[found.start() :] if found and comment else region


def ends_line(region: str) -> bool:
    """Is the end of its last line part of it, as with block scalars?"""
    return bool(region) and BREAK.fullmatch(region[-1]) is not None


def without_last_break(region: str) -> str:
    """The text without the end of its last line."""
    return region[:-2] if region.endswith("\r\n") else region[:-1] if ends_line(region) else region
