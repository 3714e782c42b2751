"""On which line YAML that cannot be read is wrong. Called by the readers of values and of manifests.

The parser notices some mistakes only later: that a bracket or a quote is not closed, or that a line is no `key: value`.
"""

import re

import yaml

BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
LATE = ("while scanning a simple key", "while scanning a quoted scalar")
"""What the parser was at when what it met shows that the beginning was wrong."""
FLOW = "while parsing a flow"
STARTS = (yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken)
ENDS = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)


def wrong_line(error: yaml.MarkedYAMLError, text: str) -> int:
    """The line, from 1; 0 where the parser does not say."""
    met = error.problem_mark or error.context_mark
    if met is None:
        return 0
    context = str(error.context or "")
    if context.startswith(LATE) and error.context_mark is not None:
        return int(error.context_mark.line) + 1
    rows = rows_of(text)
    opened = _open(text, met.line, met.column) if context.startswith(FLOW) else None
    if opened is not None and (not "".join(rows[met.line :]).strip() or _outside(rows, opened, met.line)):
        return opened[0] + 1
    return int(met.line) + 1


def rows_of(text: str) -> list[str]:
    """The lines of a text as YAML counts them."""
    return BREAK.split(text)


def _outside(rows: list[str], opened: tuple[int, int], line: int) -> bool:
    """Does a line look like the next key of the block around a bracket that was opened behind a key?"""
    begun = rows[opened[0]]
    return line > opened[0] and bool(begun[: opened[1]].strip()) and _indent(rows[line]) <= _indent(begun)


def _indent(row: str) -> int:
    return len(row) - len(row.lstrip(" "))


def _open(text: str, line: int, column: int) -> tuple[int, int] | None:
    """Line and column, from 0, of the innermost bracket that is open there."""
    found: list[tuple[int, int]] = []
    try:
        for token in yaml.scan(text, Loader=yaml.CSafeLoader):
            mark = token.start_mark
            if (mark.line, mark.column) >= (line, column):
                break
            if isinstance(token, STARTS):
                found.append((mark.line, mark.column))
            elif isinstance(token, ENDS) and found:
                found.pop()
    except yaml.YAMLError:
        # What could be read up to here is what counts.
        pass
    return found[-1] if found else None
