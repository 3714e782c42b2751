"""The functions that every Go template has, and how Go prints values. Called by `documents.template_render`."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from trimtab.documents.floats import shortest

_VERB = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>[0-9]*)(?:\.(?P<precision>[0-9]*))?(?P<verb>.?)", re.DOTALL)
_VERBS: Mapping[str, tuple[str, ...]] = {
    "v": ("nil", "bool", "int", "float", "string", "map", "list"),
    "s": ("string",),
    "q": ("string",),
    "d": ("int",),
    "x": ("int", "string"),
    "t": ("bool",),
    "f": ("float",),
    "e": ("float",),
    "g": ("float",),
}
_WIDEST = 200


def kind(value: object) -> str:
    """What Go would call the value; raises ValueError for one that no template can hold."""
    for name, types in _KINDS:
        if isinstance(value, types):
            return name
    raise ValueError(f"a {type(value).__name__} cannot be used in a template")


_KINDS: tuple[tuple[str, type | tuple[type, ...]], ...] = (
    ("nil", type(None)),
    ("bool", bool),
    ("int", int),
    ("float", float),
    ("string", str),
    ("map", Mapping),
    ("list", Sequence),
)


def truth(value: object) -> bool:
    """Go's truth: false, 0, nil and what is empty are false."""
    kind(value)
    return bool(value)


def printed(value: object) -> str:
    """The value as Go prints it with `%v`; nothing prints as `<no value>`."""
    if value is None:
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return shortest(value)
    if isinstance(value, Mapping):
        return f"map[{' '.join(f'{key}:{printed(value[key])}' for key in sorted(value))}]"
    if kind(value) == "list" and isinstance(value, Sequence):
        return f"[{' '.join(printed(item) for item in value)}]"
    return str(value)


def printf(form: object, *values: object) -> str:
    """Go's printf with the verbs v, s, q, d, x, t, f, e, g. Raises ValueError where Go would print an error into the query."""
    if not isinstance(form, str):
        raise ValueError("printf needs a text first")
    left = list(values)

    def replaced(match: re.Match[str]) -> str:
        if match["verb"] == "%":
            return "%"
        if match["verb"] not in _VERBS or not match["verb"]:
            raise ValueError(f"printf does not know {match[0]}")
        if not left:
            raise ValueError(f"printf has no value for {match[0]}")
        return _formatted(match, left.pop(0))

    text = _VERB.sub(replaced, form)
    if left:
        raise ValueError(f"printf has {len(left)} more values than places for them")
    return text


def _formatted(match: re.Match[str], value: object) -> str:
    verb, flags = match["verb"], match["flags"]
    width, precision = int(match["width"] or 0), match["precision"]
    if max(width, int(precision or 0)) > _WIDEST:
        raise ValueError(f"printf is asked for more than {_WIDEST} places")
    if kind(value) not in _VERBS[verb]:
        raise ValueError(f"printf cannot write a {kind(value)} as {match[0]}")
    sign = next((flag for flag in "+ " if flag in flags and (verb, flag) != ("v", "+")), "")
    if verb in "feg" and (precision is not None or verb != "g"):
        text = format(value, f"{sign}.{int(precision) if precision is not None else 6}{verb}")
    elif verb in "dx":
        text = format(value, f"{sign}{verb}") if isinstance(value, int) else str(value).encode().hex()
    elif verb == "q":
        text = json.dumps(value, ensure_ascii=False)
    else:
        text = printed(value)
        text = text[: int(precision)] if verb == "s" and precision is not None else text
        text = sign + text if sign and kind(value) in ("int", "float") and not text.startswith("-") else text
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and kind(value) in ("int", "float"):
        return text.zfill(width)
    return text.rjust(width, "0" if "0" in flags else " ")


def equal(first: object, *others: object) -> bool:
    """True if `first` equals any of the others. Raises ValueError for kinds that Go cannot compare."""
    for other in others:
        _same_kind(first, other, ("bool", "int", "float", "string", "nil"))
    return first in others


def less(left: object, right: object) -> bool:
    """True if `left` comes before `right`: numbers by size, texts by their characters."""
    _same_kind(left, right, ("int", "float", "string"))
    if isinstance(left, str) and isinstance(right, str):
        return left < right
    return isinstance(left, int | float) and isinstance(right, int | float) and left < right


def length(value: object) -> int:
    """How many elements, or bytes of a text."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Mapping | Sequence):
        return len(value)
    raise ValueError(f"a {kind(value)} has no length")


def index(value: object, *keys: object) -> object:
    """The element at the first key, of that the one at the second, and so on; the empty text for a key that a map does not have."""
    for key in keys:
        if isinstance(value, Mapping) and isinstance(key, str):
            value = value.get(key, "")
        elif kind(value) == "list" and isinstance(value, Sequence) and isinstance(key, int):
            if not 0 <= key < len(value):
                raise ValueError(f"index {key} is out of range: the list has {len(value)} items")
            value = value[key]
        else:
            raise ValueError(f"index cannot take a {kind(key)} of a {kind(value)}")
    return value


def _same_kind(left: object, right: object, allowed: tuple[str, ...]) -> None:
    if kind(left) != kind(right) or kind(left) not in allowed:
        raise ValueError(f"a {kind(left)} cannot be compared with a {kind(right)}")


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function of every template, and how many values it takes."""

    function: Callable[..., object]
    least: int
    most: int


_MANY = 100
BUILTINS: Mapping[str, Builtin] = {
    "eq": Builtin(equal, 2, _MANY),
    "ne": Builtin(lambda left, right: not equal(left, right), 2, 2),
    "lt": Builtin(less, 2, 2),
    "le": Builtin(lambda left, right: not less(right, left), 2, 2),
    "gt": Builtin(lambda left, right: less(right, left), 2, 2),
    "ge": Builtin(lambda left, right: not less(left, right), 2, 2),
    "not": Builtin(lambda value: not truth(value), 1, 1),
    "len": Builtin(length, 1, 1),
    "index": Builtin(index, 1, _MANY),
    "printf": Builtin(printf, 1, _MANY),
}
LAZY = frozenset({"and", "or"})
"""Functions that look at their values one by one and stop as soon as they know."""
