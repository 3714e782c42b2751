"""Renders a parsed Go template. Called by `documents.template`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from trimtab.documents.template_lexer import fault
from trimtab.documents.template_nodes import Action, Branch, Command, Constant, Dot, Function, Node, Operand, Pipeline, Text, Variable
from trimtab.documents.template_values import BUILTINS, LAZY, kind, printed, truth

T = TypeVar("T")

_MOST_STEPS = 100_000


def render_nodes(nodes: Sequence[Node], functions: Mapping[str, object]) -> str:
    """The text that the nodes stand for; each of `functions` gives its value and takes no arguments. Raises InputError with the line."""
    renderer = _Renderer(functions)
    return "".join(renderer.block(nodes, None))


class _Renderer:
    def __init__(self, functions: Mapping[str, object]) -> None:
        self._functions = functions
        self._scopes: list[dict[str, object]] = [{"$": None}]
        self._steps = 0

    def block(self, nodes: Sequence[Node], dot: object) -> Iterator[str]:
        """The texts that a list of nodes stands for."""
        for node in nodes:
            if isinstance(node, Text):
                yield node.text
            elif isinstance(node, Action):
                value = self._pipeline(node.pipeline, dot)
                if not node.pipeline.variables:
                    yield _guarded(node.pipeline.commands[0].line, printed, value)
            else:
                self._scopes.append({})
                yield from self._range(node, dot) if node.keyword == "range" else self._choice(node, dot)
                self._scopes.pop()

    def _choice(self, node: Branch, dot: object) -> Iterator[str]:
        value = self._pipeline(node.pipeline, dot)
        chosen = _guarded(node.line, truth, value)
        self._scopes.append({})
        yield from self.block(node.body if chosen else node.otherwise, value if chosen and node.keyword == "with" else dot)
        self._scopes.pop()

    def _range(self, node: Branch, dot: object) -> Iterator[str]:
        pairs = self._pairs(self._pipeline(Pipeline(node.pipeline.commands), dot), node.line)
        names = node.pipeline.variables
        for key, element in pairs:
            self._count(node.line)
            self._scopes.append(dict(zip(names, (key, element) if len(names) == 2 else (element,), strict=False)))
            yield from self.block(node.body, element)
            self._scopes.pop()
        if not pairs:
            yield from self.block(node.otherwise, dot)

    def _pairs(self, value: object, line: int) -> list[tuple[object, object]]:
        if isinstance(value, Mapping):
            return [(key, value[key]) for key in sorted(value)]
        if value is None:
            return []
        if _guarded(line, kind, value) == "list" and isinstance(value, Sequence):
            return list(enumerate(value))
        raise fault(line, f"range goes over lists and maps, not over a {kind(value)}")

    def _pipeline(self, pipeline: Pipeline, dot: object) -> object:
        value = self._command(pipeline.commands[0], dot, [])
        for command in pipeline.commands[1:]:
            value = self._command(command, dot, [value])
        for name in pipeline.variables:
            scope = self._scopes[-1] if pipeline.declares else next(scope for scope in reversed(self._scopes) if name in scope)
            scope[name] = value
        return value

    def _command(self, command: Command, dot: object, piped: list[object]) -> object:
        first, *rest = command.operands
        if not isinstance(first.base, Function) or first.fields:
            return self._operand(first, dot)
        if first.base.name in LAZY:
            return self._lazy(first, rest, dot, piped)
        arguments = [self._operand(operand, dot) for operand in rest] + piped
        return self._call(first.base.name, arguments, first.line)

    def _lazy(self, function: Operand, rest: list[Operand], dot: object, piped: list[object]) -> object:
        if not rest and not piped:
            raise fault(function.line, "and, or need a value")
        stops = function.base == Function("or")
        value: object = None
        for operand in rest:
            value = self._operand(operand, dot)
            if _guarded(function.line, truth, value) is stops:
                return value
        return piped[0] if piped else value

    def _operand(self, operand: Operand, dot: object) -> object:
        value = self._base(operand, dot)
        for name in operand.fields:
            if not isinstance(value, Mapping):
                raise fault(operand.line, f"there is no field {name}: the value is a {kind(value)}, not a map")
            if name not in value:
                raise fault(operand.line, f"the map has no entry {name}; it has {', '.join(sorted(value)) or 'none'}")
            value = value[name]
        return value

    def _base(self, operand: Operand, dot: object) -> object:
        base = operand.base
        if isinstance(base, Constant):
            return base.value
        if isinstance(base, Dot):
            return dot
        if isinstance(base, Variable):
            return next(scope[base.name] for scope in reversed(self._scopes) if base.name in scope)
        if isinstance(base, Function):
            return self._call(base.name, [], operand.line)
        return self._pipeline(base, dot)

    def _call(self, name: str, arguments: list[object], line: int) -> object:
        self._count(line)
        if name in self._functions:
            if arguments:
                raise fault(line, f"{name} takes no arguments")
            return self._functions[name]
        if name not in BUILTINS:
            raise fault(line, f"{name} needs values to look at")
        builtin = BUILTINS[name]
        if not builtin.least <= len(arguments) <= builtin.most:
            raise fault(line, f"{name} does not take {len(arguments)} values")
        try:
            return builtin.function(*arguments)
        except ValueError as error:
            raise fault(line, str(error)) from None

    def _count(self, line: int) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise fault(line, f"it takes more than {_MOST_STEPS} steps")


def _guarded(line: int, function: Callable[[object], T], value: object) -> T:
    """What `function` says of a value, or the error with its line."""
    try:
        return function(value)
    except ValueError as error:
        raise fault(line, str(error)) from None
