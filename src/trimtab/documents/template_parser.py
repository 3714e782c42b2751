"""Parses a Go text template, as far as metric queries need one (C5, MET-1). Called by `documents.template`."""

from collections.abc import Collection

from trimtab.documents.template_lexer import Token, fault, tokens, unquoted
from trimtab.documents.template_nodes import Action, Branch, Command, Constant, Dot, Function, Node, Operand, Pipeline, Text, Variable

_BRANCHES = frozenset({"if", "with", "range"})
_REFUSED = frozenset({"define", "template", "block", "break", "continue"})
_CONSTANTS: dict[str, bool | None] = {"true": True, "false": False, "nil": None}
_DEEPEST = 50


def parse_nodes(template: str, functions: Collection[str]) -> tuple[Node, ...]:
    """The nodes of a template. Raises InputError that names the construct and its line for everything outside the subset."""
    parser = _Parser(template, functions)
    nodes = parser.block(inside=False)
    parser.finish()
    return nodes


class _Parser:
    def __init__(self, template: str, functions: Collection[str]) -> None:
        self._tokens = tokens(template)
        self._tokens.append(Token("end", "", template.count("\n") + 1))
        self._position = 0
        self._functions = functions
        self._scopes: list[set[str]] = [{"$"}]
        self._depth = 0

    def block(self, *, inside: bool) -> tuple[Node, ...]:
        """The nodes up to `else`, `end` or the end of the template, which is left to be read."""
        nodes: list[Node] = []
        while self._peek().kind != "end" and not (inside and self._keyword() in ("else", "end")):
            token = self._next()
            nodes.append(Text(token.text) if token.kind == "text" else self._action())
        return tuple(nodes)

    def finish(self) -> None:
        """Everything was read: `end` and `else` without a beginning were refused on the way."""
        self._expect("end")

    def _action(self) -> Node:
        token = self._peek()
        if token.text in _REFUSED:
            raise fault(token.line, f"{{{{ {token.text} }}}} is not supported in queries")
        if token.text in ("else", "end"):
            raise fault(token.line, f"{{{{ {token.text} }}}} without {{{{ if }}}}, {{{{ with }}}} or {{{{ range }}}} before it")
        if token.text in _BRANCHES and token.kind == "word":
            return self._branch(self._next())
        pipeline = self._pipeline()
        self._expect("close")
        return Action(pipeline)

    def _branch(self, opening: Token) -> Branch:
        self._enter(opening)
        pipeline = self._pipeline(in_range=opening.text == "range")
        self._expect("close")
        body = self._scoped_block()
        otherwise: tuple[Node, ...] = ()
        self._expect("open")
        if self._next().text == "else":
            chained = self._peek()
            if chained.text in ("if", "with") and opening.text != "range":
                otherwise = (self._branch(self._next()),)
                self._leave()
                return Branch(opening.text, pipeline, body, otherwise, opening.line)
            self._expect("close")
            otherwise = self._scoped_block()
            self._expect("open")
            if self._peek().text != "end":
                raise fault(self._peek().line, "a second {{ else }}")
            self._next()
        self._expect("close")
        self._leave()
        return Branch(opening.text, pipeline, body, otherwise, opening.line)

    def _scoped_block(self) -> tuple[Node, ...]:
        self._scopes.append(set())
        nodes = self.block(inside=True)
        self._scopes.pop()
        if self._peek().kind == "end":
            raise fault(self._peek().line, "an {{ end }} is missing")
        return nodes

    def _pipeline(self, *, in_range: bool = False) -> Pipeline:
        names, declares = self._targets(in_range=in_range)
        commands = [self._command()]
        while self._accept("|"):
            command = self._command()
            if not isinstance(command.operands[0].base, Function):
                raise fault(command.line, "only a function can stand after |")
            commands.append(command)
        if declares:
            self._scopes[-1].update(names)
        return Pipeline(tuple(commands), tuple(names), declares)

    def _targets(self, *, in_range: bool) -> tuple[list[str], bool]:
        """The variables that take the value of a pipeline, and whether they are new."""
        names: list[str] = []
        start = self._position
        while self._peek().kind == "variable":
            names.append(self._next().text)
            if len(names) == 2 or not (in_range and self._accept(",")):
                break
        sign = self._peek()
        if not names or sign.text not in (":=", "="):
            self._position = start
            return [], True
        if in_range and sign.text == "=":
            raise fault(sign.line, "range with = is not supported. Declare its variables with :=")
        if sign.text == "=":
            self._known(names[0], sign.line)
        self._next()
        return names, sign.text == ":="

    def _command(self) -> Command:
        operands: list[Operand] = []
        while self._peek().kind not in ("close", "end") and self._peek().text not in ("|", ")"):
            operands.append(self._operand())
        if not operands:
            raise fault(self._peek().line, "a value is missing")
        if len(operands) > 1 and (not isinstance(operands[0].base, Function) or operands[0].fields):
            raise fault(operands[0].line, "only a function takes arguments")
        return Command(tuple(operands))

    def _operand(self) -> Operand:
        token = self._next()
        base = self._base(token)
        fields = [token.text[1:]] if token.kind == "field" else []
        while self._peek().kind == "field" and self._peek().glued:
            fields.append(self._next().text[1:])
        if fields and isinstance(base, Constant):
            raise fault(token.line, f"a constant has no field {fields[0]}")
        return Operand(base, tuple(fields), token.line)

    def _base(self, token: Token) -> Constant | Dot | Variable | Function | Pipeline:
        if token.kind in ("string", "raw"):
            return Constant(unquoted(token))
        if token.kind == "number":
            return Constant(_number(token))
        if token.kind == "variable":
            self._known(token.text, token.line)
            return Variable(token.text)
        if token.kind == "field" or token.text == ".":
            return Dot()
        if token.text == "(":
            self._enter(token)
            pipeline = self._pipeline()
            if not self._accept(")"):
                raise fault(token.line, "a ( is not closed")
            self._leave()
            return pipeline
        if token.kind == "word" and token.text in _CONSTANTS:
            return Constant(_CONSTANTS[token.text])
        if token.kind == "word" and token.text in self._functions:
            return Function(token.text)
        if token.kind == "word":
            raise fault(token.line, f"there is no function {token.text}; known are {', '.join(sorted(self._functions))}")
        raise fault(token.line, f"{token.text} cannot stand here")

    def _known(self, name: str, line: int) -> None:
        if not any(name in scope for scope in self._scopes):
            raise fault(line, f"the variable {name} is not declared")

    def _enter(self, token: Token) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise fault(token.line, f"nested more than {_DEEPEST} levels deep")
        self._scopes.append(set())

    def _leave(self) -> None:
        self._depth -= 1
        self._scopes.pop()

    def _keyword(self) -> str:
        """The first word of the action that comes next, if one does."""
        return self._tokens[self._position + 1].text if self._peek().kind == "open" else ""

    def _peek(self) -> Token:
        return self._tokens[self._position]

    def _next(self) -> Token:
        token = self._tokens[self._position]
        self._position += token.kind != "end"
        return token

    def _accept(self, sign: str) -> bool:
        if self._peek().kind != "sign" or self._peek().text != sign:
            return False
        self._position += 1
        return True

    def _expect(self, kind: str) -> None:
        token = self._next()
        if token.kind != kind:
            raise fault(token.line, f"{token.text or 'the end'} cannot stand here")


def _number(token: Token) -> int | float:
    digits = token.text.lstrip("+-")
    if len(digits) > 40:
        raise fault(token.line, "a number with more than 40 digits")
    if digits[:2] in ("0x", "0X"):
        return int(token.text, 16)
    if digits.isdecimal():
        return int(token.text, 8 if digits.startswith("0") and set(digits) <= set("01234567") else 10)
    return float(token.text)
