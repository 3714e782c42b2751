"""How paths and values inside a ConfigMap are written for people: on one line, printable, and short. Called by `difference`."""

import json
import re

from trimtab.config.comparison import Item, Path
from trimtab.config.trees import Tree

LONGEST = 60
"""Characters of a value that are shown."""

_CONTEXT = 20
_NAME = re.compile(r"[\w/-]+")
_DOTTED = re.compile(r"[\w./-]+")
_LABEL = re.compile(r"(?!-?[0-9]+$)[\w./:-]+(?: [\w./:-]+)*")
_NOT_TEXT = re.compile(r"|~|null|true|false|[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?|[{\[].*|\".*", re.IGNORECASE | re.DOTALL)


def shown_path(path: Path) -> str:
    """`database.pool_size`, `servers[web].port`, `hosts[0]`; names that would be ambiguous are quoted."""
    text = ""
    for step in path:
        if isinstance(step, str):
            plain = _DOTTED if len(path) == 1 else _NAME
            text += ("." if text else "") + (step if plain.fullmatch(step) else quoted(step))
        elif isinstance(step, Item):
            text += f"[{step.label if _LABEL.fullmatch(step.label) else quoted(step.label)}]"
        else:
            text += f"[{step}]"
    return text


def shown_value(value: Tree, *, typed: bool = True) -> str:
    """A value; where types count, text that could be taken for something else is quoted."""
    if isinstance(value, str):
        return quoted(value) if not _is_plain(value) or (typed and _NOT_TEXT.fullmatch(value)) else value
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=True, default=str)
    return str(value)


def shown_pair(old: str, new: str) -> tuple[str, str]:
    """Two shown values, cut so that what differs between them is seen."""
    if max(len(old), len(new)) <= LONGEST:
        return old, new
    same = next((index for index, (one, two) in enumerate(zip(old, new, strict=False)) if one != two), min(len(old), len(new)))
    start = max(0, same - _CONTEXT)
    return _window(old, start), _window(new, start)


def cut(text: str) -> str:
    """A shown value, cut."""
    return _window(text, 0)


def quoted(text: str) -> str:
    """Text in quotes, with everything that is not printable as a JSON escape: a terminal is never told to do something."""
    inside = (character if character.isprintable() and character not in '"\\' else json.dumps(character)[1:-1] for character in text)
    return f'"{"".join(inside)}"'


def _is_plain(text: str) -> bool:
    return bool(text) and text.isprintable() and text == text.strip()


def _window(text: str, start: int) -> str:
    if not start and len(text) <= LONGEST:
        return text
    return ("..." if start else "") + text[start : start + LONGEST] + ("..." if start + LONGEST < len(text) else "")
