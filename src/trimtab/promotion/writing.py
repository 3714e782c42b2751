"""Writes a value as YAML where there is no text to copy it from. Called by `edits`, which reads it again to be sure."""

import re
from collections.abc import Mapping

from trimtab.documents.scalars import plain

_BARE = re.compile(r"[A-Za-z_/][A-Za-z0-9_./=-]*")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_STEP = 2


def in_flow(value: object) -> str:
    """On one line, as it may stand between braces."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(str(key))}: {in_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(in_flow(item) for item in value) + "]"
    return scalar(value)


def behind_key(value: object, indent: int, newline: str) -> str:
    """What follows `key:`, which is indented by `indent`; more lines than one where that reads better."""
    if isinstance(value, Mapping) and value:
        lines = (f"{' ' * (indent + _STEP)}{scalar(str(key))}:{behind_key(item, indent + _STEP, newline)}" for key, item in value.items())
        return newline + "".join(line if line.endswith(newline) else line + newline for line in lines).removesuffix(newline)
    if isinstance(value, list) and value:
        return newline + newline.join(f"{' ' * indent}- {in_flow(item)}" for item in value)
    if isinstance(value, str) and "\n" in value and (block := _block(value, indent + _STEP, newline)):
        return f" {block}"
    return f" {in_flow(value)}"


def scalar(value: object) -> str:
    """A value without parts, in quotes where it would not be read as what it is."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if _BARE.fullmatch(value) and plain(value) == value else quoted(value)
    return str(value)


def quoted(text: str) -> str:
    """In double quotes, which can hold everything."""
    return '"' + "".join(_ESCAPES.get(sign) or (sign if sign.isprintable() or sign == " " else _escaped(sign)) for sign in text) + '"'


def _escaped(sign: str) -> str:
    code = ord(sign)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def _block(text: str, indent: int, newline: str) -> str:
    """A text of several lines after `|`; empty where it holds what can only be written in quotes."""
    if any(not (sign.isprintable() or sign in "\n\t ") for sign in text) or not text.strip():
        return ""
    body = text.rstrip("\n")
    ending = "-" if body == text else "" if text == body + "\n" else "+"
    hint = str(_STEP) if text[0] in " \n\t" else ""
    lines = [f"{' ' * indent}{line}" if line else "" for line in (text if ending == "+" else body).removesuffix("\n").split("\n")]
    return f"|{hint}{ending}{newline}{newline.join(lines)}" + (newline if ending == "+" else "")
