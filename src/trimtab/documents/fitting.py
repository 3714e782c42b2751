"""Compares a value with the type it should have: fields that do not exist, nulls, and what msgspec found wrong, each with its path.

Called by `documents.decode`. msgspec stops at the first error and does not say which key of a map it means; here that is found out.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import msgspec
from msgspec import Struct, inspect

from trimtab.documents.fields import PATTERNS
from trimtab.documents.nodes import Path

T = TypeVar("T", bound=Struct)

TRUTH = "true or false, as an unquoted y, n, yes, no, on or off is too"

_MESSAGE = re.compile(r"(?P<problem>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<index>[0-9]+)\]|\[\.\.\.\]")


@dataclass(frozen=True, slots=True)
class Misfit:
    """One thing that a document may not say. `path` is where, `problem` is what was found, what is allowed, what to do."""

    path: Path
    problem: str


@cache
def shape(kind: type[Struct]) -> inspect.Type:
    """What msgspec says about a type. Finding that out takes milliseconds, and an operator reads thousands of documents."""
    return inspect.type_info(kind)


def prune(value: object, expected: inspect.Type) -> tuple[object, list[Misfit]]:
    """The value without the fields that `expected` does not know and without nulls, and what was left out."""
    found: list[Misfit] = []
    return _pruned(value, _bare(expected), (), found), found


def convert(value: object, kind: type[T]) -> T | Misfit:
    """The value as that type, or the first thing that keeps it from being one."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return _explained(str(error), value, kind)


def nearest(found: str, allowed: Iterable[str]) -> str:
    """What was probably meant, as the end of a sentence; else everything that is allowed."""
    names = list(allowed)
    near = meant(found, names)
    return f"did you mean {near}?" if near else f"allowed are {', '.join(name or '(empty)' for name in names)}"


def meant(found: str, allowed: Iterable[str]) -> str:
    """What was probably meant; empty where nothing is near."""
    lowered = {name.lower(): name for name in allowed}
    close = difflib.get_close_matches(found.lower(), lowered, n=1)
    return lowered[close[0]] if close else ""


def did_you_mean(near: str) -> str:
    """What `meant` found as a question of its own; empty where it found nothing."""
    return f"Did you mean {near}?" if near else ""


def dotted(path: Path) -> str:
    """A path as people write it: `spec.metrics[0].name`; names that hold a dot stand in brackets."""
    text = ""
    for step in path:
        plain = isinstance(step, str) and "." not in step and "/" not in step
        text += f".{step}" if plain else f"[{step}]"
    return text.removeprefix(".")


def _bare(expected: inspect.Type) -> inspect.Type:
    """Without descriptions and without `or None`."""
    if isinstance(expected, inspect.Metadata):
        return _bare(expected.type)
    if isinstance(expected, inspect.UnionType):
        real = [option for option in expected.types if not isinstance(option, inspect.NoneType)]
        return _bare(real[0]) if len(real) == 1 else expected
    return expected


def _inside(expected: inspect.Type, step: str | int) -> inspect.Type | None:
    """The type of one field, key or item; None where there is no such thing."""
    if isinstance(expected, inspect.StructType):
        return next((_bare(field.type) for field in expected.fields if field.encode_name == step), None)
    if isinstance(expected, inspect.DictType):
        return _bare(expected.value_type)
    return _bare(expected.item_type) if isinstance(expected, inspect.VarTupleType) else None


def _pruned(value: object, expected: inspect.Type, path: Path, found: list[Misfit]) -> object:
    steps: Iterable[tuple[str | int, object]]
    if isinstance(expected, inspect.DictType) and isinstance(expected.value_type, inspect.CustomType):
        return value
    if isinstance(value, Mapping) and isinstance(expected, inspect.StructType | inspect.DictType):
        steps = value.items()
    elif isinstance(value, list) and isinstance(expected, inspect.VarTupleType):
        steps = enumerate(value)
    else:
        return value
    kept: dict[str | int, object] = {}
    strict = not isinstance(expected, inspect.StructType) or expected.forbid_unknown_fields
    for step, item in steps:
        inner = _inside(expected, step)
        if inner is None:
            if strict:
                found.append(Misfit((*path, step), _unknown(str(step), expected)))
        elif item is None and strict:
            found.append(Misfit((*path, step), "has no value (null). Give it one, or remove the line"))
        elif item is not None:
            kept[step] = _pruned(item, inner, (*path, step), found)
    return list(kept.values()) if isinstance(expected, inspect.VarTupleType) else kept


def _unknown(name: str, expected: inspect.Type) -> str:
    fields = [field.encode_name for field in expected.fields] if isinstance(expected, inspect.StructType) else []
    return f"there is no such field; {nearest(name, fields)}"


def _explained(message: str, value: object, kind: type[Struct]) -> Misfit:
    match = _MESSAGE.fullmatch(message)
    problem, written = (match["problem"], match["path"] or "") if match else (message, "")
    path, expected, found = _located(message, written, value, kind)
    if problem.startswith("Object missing required field"):
        return Misfit(path, f"the field {problem.split('`')[1]} is missing")
    if problem.startswith("Invalid enum value") and isinstance(expected, inspect.LiteralType):
        return Misfit(path, f"{str(found)[:40]!r} is not allowed; {nearest(str(found), map(str, expected.values))}")
    if problem.startswith(("Expected", "Invalid")):
        return Misfit(path, f"expected {_allowed(expected)}, found {_seen(found, expected)}")
    return Misfit(path, problem)


def _located(message: str, written: str, value: object, kind: type[Struct]) -> tuple[Path, inspect.Type, object]:
    """The path that a message means, the type that is expected there, and what is there."""
    path: Path = ()
    expected, found = _bare(shape(kind)), value
    for step in _STEP.finditer(written):
        key: str | int = step["name"] or (int(step["index"]) if step["index"] else "")
        if key == "":
            key = _culprit(message, value, path, kind)
        inner = _inside(expected, key)
        if inner is None:
            break
        path, expected, found = (*path, key), inner, _at(found, key)
    return path, expected, found


def _culprit(message: str, value: object, path: Path, kind: type[Struct]) -> str:
    """The key of the map at `path` that `message` is about: the first that leads to the same message when it is alone."""
    found = value
    for step in path:
        found = _at(found, step)
    for key in found if isinstance(found, Mapping) else ():
        try:
            msgspec.convert(_replaced(value, path, {key: _at(found, key)}), kind)
        except msgspec.ValidationError as error:
            if str(error) == message:
                return str(key)
    return ""


def _at(value: object, step: str | int) -> object:
    if isinstance(value, Mapping):
        return value.get(step)
    return value[step] if isinstance(value, list) and isinstance(step, int) else None


def _replaced(value: object, path: Path, new: object) -> object:
    if not path:
        return new
    if isinstance(value, Mapping):
        return {**value, path[0]: _replaced(value[path[0]], path[1:], new)}
    items = value if isinstance(value, list) else []
    return [_replaced(item, path[1:], new) if index == path[0] else item for index, item in enumerate(items)]


def _allowed(expected: inspect.Type) -> str:
    """What a type allows, in words."""
    if isinstance(expected, inspect.UnionType):
        return " or ".join(_allowed(option) for option in expected.types if not isinstance(option, inspect.NoneType))
    if isinstance(expected, inspect.LiteralType):
        return f"one of {', '.join(map(str, expected.values))}"
    if isinstance(expected, inspect.IntType | inspect.FloatType):
        name = "a whole number" if isinstance(expected, inspect.IntType) else "a number"
        return name + _bounds(expected.ge, expected.le, "not below {}", "not above {}")
    if isinstance(expected, inspect.StrType):
        text = "text" + _bounds(expected.min_length, expected.max_length, "of {} or more characters", "of at most {} characters")
        return PATTERNS.get(expected.pattern, f"{text} that matches {expected.pattern}") if expected.pattern else text
    if isinstance(expected, inspect.VarTupleType):
        return "a list" + _bounds(expected.min_length, expected.max_length, "of {} or more items", "of at most {} items")
    names = {inspect.BoolType: "true or false", inspect.DateTimeType: "a time such as 2026-01-31T12:00:00Z"}
    return names.get(type(expected), "a mapping")


def _bounds(least: float | None, most: float | None, lower: str, upper: str) -> str:
    said = [words.format(bound) for bound, words in ((least, lower), (most, upper)) if bound is not None]
    return f" {' and '.join(said)}" if said else ""


def _seen(found: object, expected: inspect.Type) -> str:
    """What was found, in words. Shown as it is only where nothing secret is ever written: numbers for numbers, texts with a pattern."""
    texts = isinstance(expected, inspect.StrType | inspect.LiteralType)
    durations = isinstance(expected, inspect.StrType) and expected.pattern in PATTERNS
    if isinstance(found, bool):
        return f"{TRUTH}. Quote it" if texts else str(found).lower()
    if isinstance(found, int | float):
        return f"{found}, which lacks a unit" if durations else "a number. Quote it" if texts else str(found)
    if isinstance(found, str):
        return repr(found[:40]) if isinstance(expected, inspect.StrType) and expected.pattern else "text"
    return "a mapping" if isinstance(found, Mapping) else "a list" if isinstance(found, list) else "nothing"
