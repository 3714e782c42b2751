"""Reads YAML and JSON as kubectl does, and remembers on which line everything was written. Called by `documents.decode`.

Stricter than kubectl in one thing: a key that is written twice is an error, since kubectl silently takes the last one.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import yaml

from trimtab.config.mistakes import rows_of, wrong_line
from trimtab.documents.nodes import Builder, Path
from trimtab.documents.written import lines_of
from trimtab.errors import DocumentError

_ESCAPE = re.compile(r"\\(?:u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})|.)")


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML or JSON document: its value as JSON would have it, and where things were written."""

    value: object = field(repr=False)
    file: str
    line: int
    """The line on which it begins, from 1."""
    lines: Mapping[Path, int]
    """The line of each path, such as `("spec", "metrics", 0)`: of its key, or of the item."""
    values: Mapping[Path, Sequence[int]] = field(default_factory=dict, repr=False)
    """Of each value that has several lines, the line on which each of these is written."""

    def line_of(self, path: Path) -> int:
        """The line of `path`, or of the nearest thing around it that has one."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return self.line


def read_yaml(text: str, file: str = "") -> list[Document]:
    """The documents in `text`, empty ones left out. JSON is read too, with all its escapes.

    Raises DocumentError with file and line for text that cannot be parsed, for keys written twice, for what JSON cannot
    hold, and for nesting or aliases beyond every honest use.
    """
    try:
        return _read_events(text, file)
    except DocumentError:
        if not _is_json(text):
            raise
    return _read_events(_ESCAPE.sub(_in_yaml, text), file)


def _read_events(text: str, file: str) -> list[Document]:
    documents, rows = list[Document](), list[str]()
    builder = Builder(file)
    try:
        for event in yaml.parse(text, Loader=yaml.CLoader):
            if isinstance(event, yaml.DocumentStartEvent):
                builder = Builder(file)
            elif isinstance(event, yaml.DocumentEndEvent):
                value, line, lines = builder.finished()
                if value is not None:
                    rows = rows or (rows_of(text) if builder.spans else [])
                    values = {path: lines_of(span, rows) for path, span in builder.spans.items()}
                    documents.append(Document(value, file, line, lines, values))
            else:
                builder.take(event)
    except yaml.MarkedYAMLError as error:
        line = wrong_line(error, text)
        raise DocumentError(f"not YAML: {_explained(error, text, line)}", file=file, line=line) from None
    except yaml.YAMLError as error:
        raise DocumentError(f"not YAML: {str(error).splitlines()[0]}", file=file, line=_bad_line(text)) from None
    except UnicodeEncodeError:
        raise DocumentError("not YAML: it holds half of a surrogate pair", file=file) from None
    return documents


def _explained(error: yaml.MarkedYAMLError, text: str, line: int) -> str:
    """What the parser says, with the line on which it began if that is not `line`, and with the cause that people do not see."""
    begun, met = error.context_mark, error.problem_mark
    began = f" that begins on line {begun.line + 1}" if error.context and begun and begun.line + 1 != line else ""
    said = ", ".join(part for part in (f"{error.context}{began}" if error.context else "", error.problem) if part)
    there = text.split("\n")[met.line] if met and met.line < text.count("\n") + 1 else ""
    tab = ". There is a tab: YAML is indented with spaces" if met and there[: met.column + 1].endswith("\t") else ""
    return said + tab


def _bad_line(text: str) -> int:
    """The first line with a character that YAML does not allow, 0 where there is none."""
    for number, line in enumerate(text.split("\n"), start=1):
        if any((ord(character) < 32 and character not in "\t\r") or ord(character) == 127 for character in line):
            return number
    return 0


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _in_yaml(escape: re.Match[str]) -> str:
    """A JSON escape as YAML would write it, without a change of lines."""
    if escape[0] == "\\/":
        return "/"
    if escape["high"] is None:
        return escape[0]
    return f"\\U{0x10000 + ((int(escape['high'], 16) - 0xD800) << 10) + int(escape['low'], 16) - 0xDC00:08x}"
