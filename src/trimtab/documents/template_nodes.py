"""What a parsed Go template is made of. Made by `documents.template_parser`, walked by `documents.template_render`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operand:
    """One value: what it starts from, then the fields that are taken of it."""

    base: "Constant | Dot | Variable | Function | Pipeline"
    fields: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Dot:
    """`.`: nothing at the top, the element inside `range` and `with`."""


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name`, or `$` for what `.` was at the top."""

    name: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Command:
    """A function and its arguments, or a single value."""

    operands: tuple[Operand, ...]

    @property
    def line(self) -> int:
        """The line on which it begins."""
        return self.operands[0].line


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each of which gets the value of the one before as its last argument; and the variables that take the result."""

    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    declares: bool = True
    """`:=` makes new variables, `=` changes one that exists."""


@dataclass(frozen=True, slots=True)
class Text:
    """What is copied as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """A pipeline whose value is printed, unless it goes into a variable."""

    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class Branch:
    """`if`, `with` or `range`, by its keyword."""

    keyword: str
    pipeline: Pipeline
    body: "tuple[Node, ...]"
    otherwise: "tuple[Node, ...]"
    line: int


Node = Text | Action | Branch
