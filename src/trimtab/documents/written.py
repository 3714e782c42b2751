"""On which lines of a file the lines of a value stand, by how it is written there. Called by `yaml`, for values of several lines.

After `|` each line is one of the file's. After `>`, in quotes and without, YAML puts lines together, or takes several out of one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from re import compile as pattern

ESCAPED_BREAK = pattern(r"(?<!\\)(?:\\\\)*\\n")


@dataclass(frozen=True, slots=True)
class Span:
    """How a scalar is written: its style as PyYAML has it, and its first and last line, from 1. Of a block, its header is the first."""

    style: str
    first: int
    last: int


def lines_of(span: Span, text: Sequence[str]) -> Sequence[int]:
    """For each line of the value, the line of the file. `text` are the lines of the file."""
    if span.style == "|":
        return range(span.first + 1, max(span.first + 2, span.last + 1))
    found, before, blanks = list[int](), "", 0
    inner = [(number, text[number - 1]) for number in range(span.first + (span.style == ">"), min(span.last, len(text)) + 1)]
    column = min((len(line) - len(line.lstrip(" ")) for _, line in inner if line.strip()), default=0) if span.style == ">" else 0
    for number, line in inner:
        if not line.strip():
            blanks += 1
            continue
        # Lines that are indented further stay by themselves.
        apart = not before or (span.style == ">" and any(one[column : column + 1].isspace() for one in (before, line)))
        found += [number] * (blanks + apart)
        if span.style == '"':
            found += [number] * len(ESCAPED_BREAK.findall(line))
        before, blanks = line, 0
    return found or [span.first]
