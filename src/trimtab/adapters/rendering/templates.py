"""Where a field of what a chart renders to is written: in its template, or in the values that the template takes. Called by `lines`.

A template cannot be traced, so this goes by what stands there; where nothing fits, the object's own line has to do.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from trimtab.documents.nodes import Path
from trimtab.documents.yaml import Document
from trimtab.model.rendered import Place

VALUE = re.compile(r"\.Values\.(?P<path>[\w.]+)")
ACTION = re.compile(r"\{\{.*?\}\}")
LONGEST, MOST_ACTIONS = 500, 4
"""Characters of a line, and actions in it, that are looked through: a template may be a stranger's."""
NEAR = 3
"""Lines below a mapping in which its field is looked for."""


def place_in(template: Sequence[str], values: Sequence[Document], tree: Mapping[str, object], path: Path) -> tuple[Place | None, int]:
    """The place in a values file, if the field comes from there; else None, and the line of the template, 0 where it cannot be told.

    `template` are the lines of the template, `values` the documents of values files, `tree` is the rendered object.
    """
    for length in range(len(path), 0, -1):
        leaf, value = path[length - 1], at(tree, path[:length])
        if not isinstance(leaf, str):
            continue
        rows = list(_rows(template, leaf))
        for written in (says, makes) if not isinstance(value, dict | list | type(None)) else ():
            if there := [number for number, text in rows if written(text, leaf, str(value))]:
                return None, there[0]
        for number, text in rows:
            if (place := _of_values(text, values, value)) is not None:
                return place, number
        if len(rows) == 1:
            below = [number for number, _ in _rows(template, str(path[length])) if number >= rows[0][0]] if length < len(path) else []
            return None, below[0] if below and below[0] <= rows[0][0] + NEAR else rows[0][0]
    return None, 0


def _rows(template: Sequence[str], leaf: str) -> Iterator[tuple[int, str]]:
    """The lines on which a field of that name is written."""
    wanted = re.compile(rf"""(?:^|[\s{{,-])["']?{re.escape(leaf)}["']?:""")
    return ((number, text) for number, text in enumerate(template, 1) if len(text) <= LONGEST and wanted.search(text))


def _of_values(text: str, values: Sequence[Document], value: object) -> Place | None:
    """Where the values have what a line takes from them."""
    for found in VALUE.finditer(text) if "{{" in text and value is not None else ():
        steps = tuple(found["path"].split("."))
        there = [one for one in values if at(one.value, steps) == value]
        if there:
            return there[-1].file, there[-1].line_of(steps)
    return None


def makes(text: str, leaf: str, value: str) -> bool:
    """Does what is written for a field around actions of the template fit the value?"""
    parts = ACTION.split(re.split(rf"""\b{re.escape(leaf)}["']?:\s*""", text, maxsplit=1)[-1].strip().strip("\"'"))
    if len(parts) > MOST_ACTIONS or not any(part.strip() for part in parts):
        return False
    return re.fullmatch(".*".join(map(re.escape, parts)), value) is not None


def says(text: str, leaf: str, value: str) -> bool:
    """Is a field written with this value on a line, as it is?"""
    return re.search(rf"""\b{re.escape(leaf)}["']?:\s*["']?{re.escape(value)}["']?\s*($|[,}}#])""", text) is not None


def at(tree: object, path: Path) -> object:
    """What a path leads to; None where it leads nowhere."""
    for step in path:
        if isinstance(tree, Mapping):
            tree = tree.get(step)
        elif isinstance(tree, list) and isinstance(step, int) and step < len(tree):
            tree = tree[step]
        else:
            return None
    return tree
