"""Cuts a Go text template into texts and the tokens of its actions. Called by `documents.template_parser`."""

import re
from dataclasses import dataclass

from trimtab.errors import InputError

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<close>-?\}\})"
    r'|(?P<string>"(?:[^"\\\n]|\\.)*")'
    r"|(?P<raw>`[^`]*`)"
    r"|(?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9]+))(?![\w.])"
    r"|(?P<variable>\$\w*)"
    r"|(?P<field>\.[A-Za-z_]\w*)"
    r"|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<sign>:=|[=|(),.])"
)
_ESCAPE = re.compile(r"\\(?:(?P<octal>[0-7]{3})|x(?P<hex>[0-9a-fA-F]{2})|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})|(?P<one>.))")
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
_COMMENT = re.compile(r"\{\{(?P<left>-\s+)?/\*.*?\*/(?P<right>\s+-)?\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of a template. `kind` is `text`, `open`, or one of the kinds of tokens inside an action."""

    kind: str
    text: str
    line: int
    glued: bool = False
    """Nothing but the token before it stands before it: `variables.x` is one operand, `variables .x` two."""


def fault(line: int, problem: str) -> InputError:
    """The error for something that stands on `line` of a template."""
    return InputError(f"line {line} of the template: {problem}")


def tokens(template: str) -> list[Token]:
    """All tokens in order; trim markers (`{{-`, `-}}`) have done their work and comments are gone. Raises InputError with the line."""
    found: list[Token] = []
    position, trim = 0, False
    while position < len(template):
        start = template.find("{{", position)
        end = len(template) if start < 0 else start
        marked = template.startswith("{{-", end) and template[end + 3 : end + 4].isspace()
        text = template[position:end]
        text = text.lstrip() if trim else text
        text = text.rstrip() if marked else text
        if text:
            found.append(Token("text", text, _line(template, position)))
        if start < 0:
            break
        if comment := _COMMENT.match(template, start):
            position, trim = comment.end(), comment["right"] is not None
        else:
            found.append(Token("open", "{{", _line(template, start)))
            position, trim = _action(template, start + (3 if marked else 2), found)
    return found


def unquoted(token: Token) -> str:
    """The text that a string token stands for. Raises InputError for an escape that Go does not have."""
    if token.kind == "raw":
        return token.text[1:-1].replace("\r", "")

    def replaced(escape: re.Match[str]) -> str:
        if escape["one"] is None:
            number = int(escape["octal"], 8) if escape["octal"] else int(escape["hex"] or escape["short"] or escape["long"], 16)
            if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
                raise fault(token.line, f"the escape {escape[0]} is not a character")
            return chr(number)
        if escape["one"] not in _SIMPLE:
            raise fault(token.line, f"the escape {escape[0]} does not exist in Go")
        return _SIMPLE[escape["one"]]

    return _ESCAPE.sub(replaced, token.text[1:-1])


def _action(template: str, position: int, found: list[Token]) -> tuple[int, bool]:
    """Adds the tokens of one action with its end, and says where the text goes on and whether its whitespace is trimmed."""
    spaced = True
    while match := _TOKEN.match(template, position):
        kind = str(match.lastgroup)
        if kind == "close" and (match[0] == "}}" or spaced):
            found.append(Token("close", "}}", _line(template, position)))
            return match.end(), match[0] == "-}}"
        if kind == "close":
            break
        if kind != "space":
            found.append(Token(kind, match[0], _line(template, position), glued=not spaced))
        spaced = kind == "space"
        position = match.end()
    if position >= len(template):
        raise fault(_line(template, position), "an action is not closed with }}")
    raise fault(_line(template, position), f"{template[position]!r} cannot stand here")


def _line(template: str, position: int) -> int:
    return template.count("\n", 0, position) + 1
