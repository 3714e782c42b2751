"""Templates of `trimtab init`: read, and filled in. Called by `files`.

`[[name]]` is filled in. Alone on its line it may stand for several lines, each indented as it is, or for none.
"""

import re
from collections.abc import Mapping
from pathlib import Path

TEMPLATES = Path(__file__).with_name("templates")
PLACE = re.compile(r"^(?P<indent> *)\[\[(?P<block>\w+)\]\]\n|\[\[(?P<name>\w+)\]\]", re.MULTILINE)


def template(name: str) -> str:
    """The text of a template."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def fill(text: str, values: Mapping[str, str]) -> str:
    """A template with its names filled in; a name that nothing stands for is a KeyError."""

    def put(found: re.Match[str]) -> str:
        if found["name"]:
            return values[found["name"]]
        lines = values[found["block"]].splitlines()
        return "".join(f"{found['indent']}{line}\n" if line else "\n" for line in lines)

    return PLACE.sub(put, text)
