"""On which lines of a file the lines of a value are told to stand, however it is written."""

import pytest

from trimtab.documents.yaml import read_yaml

WAYS = [
    "data:\n  a: |\n    one\n    two\n    three\n",
    "data:\n  a: |-\n\n    one\n\n    two\n    three\n  b: x\n",
    "data:\n  a: |2 # why\n    one\n    two\n    three\n# behind\n",
    "data:\n  a:\n    |\n    one\n    two\n    three\n",
    "data:\n  a: >\n    one\n    and more\n\n    two\n      three\n    four\n",
    "data:\n  a: >-\n\n    one\n\n\n    two\n    and more\n  b: x\n",
    'data: {a: "one\\ntwo\\n\\n  three"}\n',
    'data:\n  a: "one\n    and more\n\n    two\\nthree\\\\n\n    still three"\n',
    "data:\n  a: 'one\n\n    two\n    and more'\n",
    "data:\n  a: one\n\n    two\n\n    three\n",
    "data:\n  b: &x |\n    one\n    two\n  a: *x\n",
]


@pytest.mark.parametrize("text", WAYS)
def test_every_line_of_a_value_is_found_in_the_file(text: str) -> None:
    (document,) = read_yaml(text)
    value = document.value["data"]["a"]  # type: ignore[index]
    lines, rows = document.values["data", "a"], text.split("\n")
    words = {number: line.split()[0].split("\\")[0] for number, line in enumerate(value.split("\n")) if line.strip()}
    assert len(words) > 1 and all(word in rows[lines[number] - 1] for number, word in words.items()), (list(lines), value)


def test_a_value_of_one_line_needs_none() -> None:
    (document,) = read_yaml("a: one\nb: >\n  two\n  and more\n")
    assert {*document.values} == {("b",)} and document.values["b",][0] == 3
