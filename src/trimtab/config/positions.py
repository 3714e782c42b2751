"""On which line of a value something stands. Called by `validation` and `renderings`, for what names a path.

Where the line cannot be told, it is that of the nearest thing around it, and 0 where there is none.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from trimtab.config.comparison import IDENTITIES, Item
from trimtab.config.difference import Change
from trimtab.config.formats import named_format, parse
from trimtab.config.trees import Format
from trimtab.model.content import Content

Steps = Sequence[str | int | Item]
LINE = re.compile(r"line ([0-9]+)")
"""What a change of plain text has in place of a path."""
_DOCUMENT = re.compile(r"document ([0-9]+)")
_SECTION = re.compile(r"\s*\[+([^\]]+)\]+\s*(?:[#;].*)?")


@dataclass
class Positions:
    """Where things stand in one value, which has to parse in its format. It is read once, however much is looked up."""

    format: Format
    text: str
    _nodes: list[yaml.Node | None] | None = None

    def line_of(self, steps: Steps) -> int:
        """The line of what `steps` lead to, from 1."""
        if self.format in (Format.YAML, Format.JSON):
            return self._in_nodes(steps)
        return _in_lines(self.text, [step for step in steps if isinstance(step, str)])

    def _in_nodes(self, steps: Steps) -> int:
        """YAML by its nodes. JSON is read as YAML, which it is but for corner cases."""
        number, rest = _document(steps)
        if self._nodes is None:
            self._nodes = composed(self.text)
        node = self._nodes[number] if number < len(self._nodes) else None
        line = _start(node)
        for step in rest:
            below = _below(node, step)
            if below is None:
                break
            line, node = below
        return line


def composed(text: str) -> list[yaml.Node | None]:
    """The nodes of each document; none where it cannot be read."""
    try:
        return list(yaml.compose_all(text, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, RecursionError):
        return []


def line_of_change(after: Content, change: Change, read: dict[str, Positions] | None = None) -> int:
    """The line of what changed, within the value; 0 where the whole value is meant. `read` keeps values for the next one of this object."""
    told = LINE.fullmatch(change.path)
    if told is not None:
        return int(told[1])
    if not change.steps or change.key not in after.data:
        return 0
    known = read if read is not None else {}
    if change.key not in known:
        text = after.data[change.key].decode(errors="replace")
        known[change.key] = Positions(named_format(change.key) or parse(change.key, text).format, text)
    return known[change.key].line_of(change.steps)


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
