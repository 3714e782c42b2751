"""What a structured value says, as one kind of tree for all formats. Built by the readers of `config`, compared by `comparison`."""

from dataclasses import dataclass, field
from datetime import date, time
from enum import StrEnum
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | date | time | None
"""A date with a time of day is a `datetime`, which is a `date`."""

Tree: TypeAlias = "Scalar | dict[str, Tree] | list[Tree]"

DEEPEST = 100
"""Levels of nesting. No configuration for people has more, and deeper ones would break whoever walks through them."""

MOST_DIGITS = 400
"""A number with more digits stays text: turning it into a number takes longer than it is worth."""


class Format(StrEnum):
    """What values are written in."""

    YAML = "YAML"
    JSON = "JSON"
    TOML = "TOML"
    INI = "INI"
    PROPERTIES = "properties"
    ENV = "env"
    TEXT = "text"


TYPED = frozenset({Format.YAML, Format.JSON, Format.TOML})
"""Formats in which `10` and `"10"` differ. In the others everything is text."""


class Unreadable(ValueError):
    """A value is not in its format. `line` counts from 1 within the value; 0 where it is not known.

    `problem` may name keys and single characters of the value, so nobody shows it for a Secret (C1).
    """

    def __init__(self, problem: str, line: int = 0) -> None:
        self.problem, self.line = problem, line
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a value says. `documents` is empty where it is plain text or does not parse; then `problem` and `line` say why.

    `problem` is never shown for a Secret (C1).
    """

    format: Format
    documents: tuple[Tree, ...] = field(default=(), repr=False)
    problem: str = field(default="", repr=False)
    line: int = 0


def whole(digits: str) -> int | str:
    """A whole number in decimal digits, unless it is absurdly long."""
    return int(digits) if len(digits) <= MOST_DIGITS else digits


def fraction(digits: str) -> float | str:
    """A number with a fraction or an exponent, unless it is too large to be told from others that are."""
    value = float(digits) if len(digits) <= MOST_DIGITS else 0.0
    return digits if len(digits) > MOST_DIGITS or value in (float("inf"), float("-inf")) else value


def bounded(tree: Tree) -> Tree:
    """The tree itself. Raises Unreadable where it is nested more than DEEPEST levels."""
    below: list[tuple[Tree, int]] = [(tree, 0)]
    while below:
        node, depth = below.pop()
        if depth > DEEPEST:
            raise Unreadable(f"it is nested more than {DEEPEST} levels deep")
        if isinstance(node, dict):
            below += [(item, depth + 1) for item in node.values()]
        elif isinstance(node, list):
            below += [(item, depth + 1) for item in node]
    return tree
