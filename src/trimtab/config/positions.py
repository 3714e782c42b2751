"""On which line of a value something stands. Called by `validation`, for findings that name a path.

Where the line cannot be told, it is that of the nearest thing around it, and 0 where there is none.
"""

import re
from collections.abc import Sequence

import yaml

from trimtab.config.comparison import IDENTITIES, Item
from trimtab.config.trees import Format

Steps = Sequence[str | int | Item]
_DOCUMENT = re.compile(r"document ([0-9]+)")
_SECTION = re.compile(r"\s*\[+([^\]]+)\]+\s*(?:[#;].*)?")


def line_of(format: Format, text: str, steps: Steps) -> int:
    """The line of what `steps` lead to, from 1. The value has to parse in that format."""
    if format in (Format.YAML, Format.JSON):
        return _in_nodes(text, steps)
    return _in_lines(text, [step for step in steps if isinstance(step, str)])


def _in_nodes(text: str, steps: Steps) -> int:
    """YAML by its nodes. JSON is read as YAML, which it is but for corner cases."""
    number, rest = _document(steps)
    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, RecursionError):
        return 0
    node = nodes[number] if number < len(nodes) else None
    line = _start(node)
    for step in rest:
        below = _below(node, step)
        if below is None:
            break
        line, node = below
    return line


def _document(steps: Steps) -> tuple[int, Steps]:
    """Which of several documents a path is in, and the rest of it."""
    first = steps[0] if steps else None
    found = _DOCUMENT.fullmatch(first.label) if isinstance(first, Item) else None
    return (int(found[1]) - 1, steps[1:]) if found else (0, steps)


def _start(node: yaml.Node | None) -> int:
    return int(node.start_mark.line) + 1 if node is not None else 0


def _below(node: yaml.Node | None, step: str | int | Item) -> tuple[int, yaml.Node] | None:
    """The line and the node of one step; of a mapping the line is the key's."""
    if isinstance(node, yaml.MappingNode) and isinstance(step, str):
        return next(((_start(name), value) for name, value in node.value if getattr(name, "value", None) == step), None)
    if not isinstance(node, yaml.SequenceNode):
        return None
    if isinstance(step, Item):
        return next(((_start(item), item) for item in node.value if _labelled(item, step.label)), None)
    if isinstance(step, int) and step < len(node.value):
        return _start(node.value[step]), node.value[step]
    return None


def _labelled(item: yaml.Node, label: str) -> bool:
    pairs = item.value if isinstance(item, yaml.MappingNode) else []
    return any(getattr(name, "value", None) in IDENTITIES and getattr(value, "value", None) == label for name, value in pairs)


def _in_lines(text: str, names: Sequence[str]) -> int:
    """The first line that begins with the last name, behind the section that the names before it make up, if there is one."""
    if not names:
        return 1
    begins = re.compile(rf"\s*(?:export\s+)?[\"']?{re.escape(names[-1])}[\"']?\s*(?:[=:\s]|$)")
    wanted, section = ".".join(names[:-1]), ""
    around = 0
    for number, line in enumerate(text.split("\n"), 1):
        heading = _SECTION.fullmatch(line)
        if heading is not None:
            section = heading[1].strip()
            around = number if section in (wanted, ".".join(names)) else around
        if section == wanted and heading is None and begins.match(line):
            return number
    return around
