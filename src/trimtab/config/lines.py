"""Reads INI, Java properties and .env values: formats of `name = value` lines, in which everything is text. Called by `formats`.

Dialects differ, so what is only one dialect's rule is not applied: comments behind a value stay part of it, and so do quotes in INI.
"""

import re
from collections.abc import Iterator

from trimtab.config.trees import Tree, Unreadable

_SECTION = re.compile(r"\[([^\]]+)\]\s*(?:[#;].*)?")
_DELIMITER = re.compile(r"\s*[=:]\s*")
_PROPERTY = re.compile(r"((?:\\.|[^\\=: \t\f])*)[ \t\f]*[=:]?[ \t\f]*(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}
_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][\w.-]*)\s*(?:=\s*(.*))?", re.DOTALL)
_QUOTED = {'"': re.compile(r'"((?:[^"\\]|\\.)*)"(.*)', re.DOTALL), "'": re.compile(r"'([^']*)'(.*)", re.DOTALL)}


def read_ini(text: str) -> tuple[Tree, ...]:
    """Sections with `name = value` or `name: value`; names before the first section are allowed, and names without a value.

    A name that is repeated, as in systemd units, becomes a list; an indented line without a delimiter goes on with the value above.
    """
    root: dict[str, Tree] = {}
    section, last = root, ""
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            section, last = _section(root, line, number), ""
        elif raw[0] in " \t" and last and not _DELIMITER.search(line):
            _go_on(section, last, line)
        else:
            last, *value = _DELIMITER.split(line, maxsplit=1)
            if isinstance(section.get(last), dict):
                raise Unreadable(f"{last!r} is a name and a section", number)
            _repeat(section, last, value[0] if value else None)
    return (root,)


def _section(root: dict[str, Tree], line: str, number: int) -> dict[str, Tree]:
    found = _SECTION.fullmatch(line)
    if found is None:
        raise Unreadable("a section that is not closed with ]", number)
    section = root.setdefault(found[1].strip(), {})
    if not isinstance(section, dict):
        raise Unreadable(f"{found[1].strip()!r} is a name and a section", number)
    return section


def _repeat(section: dict[str, Tree], name: str, value: str | None) -> None:
    before = section.get(name)
    if name not in section:
        section[name] = value
    elif isinstance(before, list):
        before.append(value)
    else:
        section[name] = [before, value]


def _go_on(section: dict[str, Tree], name: str, line: str) -> None:
    before = section[name]
    if isinstance(before, list):
        before[-1] = f"{before[-1] or ''}\n{line}"
    else:
        section[name] = f"{before or ''}\n{line}"


def read_properties(text: str) -> tuple[Tree, ...]:
    """Java properties, as java.util.Properties describes them: the last of several values of a name counts."""
    found: dict[str, Tree] = {}
    for number, line in _logical_lines(text):
        match = _PROPERTY.fullmatch(line)
        if match is None:
            raise Unreadable("a backslash with nothing after it", number)
        found[_unescaped(match[1], number)] = _unescaped(match[2], number)
    return (found,)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with those joined that end in a backslash, blank lines and comments left out."""
    start, joined = 0, ""
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip("\r").lstrip(" \t\f")
        if not start and (not line or line[0] in "#!"):
            continue
        start = start or number
        if (len(line) - len(line.rstrip("\\"))) % 2:
            joined += line[:-1]
        else:
            yield start, joined + line
            start, joined = 0, ""
    if start:
        yield start, joined


def _unescaped(text: str, number: int) -> str:
    def character(escape: re.Match[str]) -> str:
        if escape[1]:
            return chr(int(escape[1], 16))
        if escape[2] == "u":
            raise Unreadable(r"\u without four hex digits", number)
        return _LETTERS.get(escape[2], escape[2])

    # Two escapes may stand for the two halves of one character.
    return _ESCAPE.sub(character, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def read_env(text: str) -> tuple[Tree, ...]:
    """`NAME=value`, with or without `export`; the last of several values counts. A NAME alone is passed on from outside.

    Quotes around a value do not count, and a quoted value may have several lines.
    """
    found: dict[str, Tree] = {}
    rows = text.split("\n")
    number = 0
    while number < len(rows):
        start, line = number, rows[number].strip()
        number += 1
        if not line or line[0] == "#":
            continue
        match = _ASSIGNMENT.fullmatch(line)
        if match is None:
            raise Unreadable("a line that is not NAME=value", start + 1)
        value = match[2]
        pattern = _QUOTED.get(value[:1]) if value else None
        while pattern and not pattern.match(value) and number < len(rows):
            value, number = f"{value}\n{rows[number]}", number + 1
        if pattern and not pattern.match(value):
            raise Unreadable("a quote that is not closed", start + 1)
        found[match[1]] = _unquoted(pattern, value)
    return (found,)


def _unquoted(pattern: re.Pattern[str] | None, value: str | None) -> str | None:
    """The text between quotes. Anything but a comment behind them is kept, quotes and all."""
    quoted = pattern.match(value) if pattern and value else None
    if quoted is None or not re.fullmatch(r"\s*(\s#.*)?", quoted[2], re.DOTALL):
        return value
    return quoted[1]
