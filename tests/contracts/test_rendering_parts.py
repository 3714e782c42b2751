"""Texts of many documents are read part by part: the same values, files and lines as when they are read as a whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.adapters.rendering.parts import documents
from trimtab.documents.yaml import read_yaml
from trimtab.errors import DocumentError

PARTS = (
    "a: 1\n", "a: {b: [c, d]}\n", "---\n", "--- # what\n", "---\ta\n", "--- |\n  text\n", "k: |\n  ---\n  x\n", "k: 'a\n\n  b'\n", "...\n",
    "%YAML 1.1\n", "x: \"a\\\n  b\"\n", "\r\n", "a: b\r\n", "\r", "k: a\u2028b\n", "k: \u0085\n", "---", "---x: y\n", "# only\n", "- *a\n",
    "- &a b\n", "a: [\n", "{\"a\": 1}\n", "'---\n", "k: ---\n", "? a\n: b\n", "\ufeff", " ---\n", "k: >-\n  a\n\n", "! a\n", "--- ---\n",
)  # fmt: skip


def read(reader: object, text: str) -> object:
    try:
        return [(found.value, found.file, found.line, dict(found.lines)) for found in reader(text, "f.yaml")]  # type: ignore[operator]
    except DocumentError as error:
        return str(error)


@given(st.lists(st.sampled_from(PARTS), max_size=8).map("".join))
def test_parts_say_what_the_whole_says(text: str) -> None:
    assert read(documents, text) == read(read_yaml, text)


@pytest.mark.parametrize("text", ["a: 1\n---\nb: &x [1]\n---\nc: *x\n", "%YAML 1.1\n---\na: on\n", "--- a\n--- b\n", ""])
def test_what_cannot_be_taken_apart_is_read_as_a_whole(text: str) -> None:
    assert read(documents, text) == read(read_yaml, text)
