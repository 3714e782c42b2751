"""Edits of YAML keep every byte outside the changed value, and say exactly what they should."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.documents.yaml import read_yaml
from trimtab.errors import InputError
from trimtab.promotion.edits import Path, Spot, removed, written
from trimtab.promotion.layout import value_end
from trimtab.promotion.spans import BREAK, Mapping, at, roots

CORPUS = {
    "comments": "# top\nconfig:   # about it\n  level: info   # one\n  # above\n  pool: 10\n# end\n",
    "block scalars": "config:\n  level: |\n    a: 1   # inside\n\n    b: 2\n\n  pool: >-\n    x\n    y\n# end\n",
    "kept blank lines": "config:\n  level: |+\n    a\n\n\n  pool: |2-\n      lead\n    x\n",
    "CRLF": "config:\r\n  level: info   # one\r\n  pool: |\r\n    x\r\n    y\r\nlast: 1\r\n",
    "byte order mark": "\ufeffconfig:\n  level: info\n  pool: 10\n",
    "no newline at the end": "config:\n  level: info\n  pool: 10",
    "no newline after a block": "config:\n  level: info\n  pool: |\n    x",
    "flow": "config: {level: info, 'pool': [1, 2 ], other: \"x\" }   # flow\n",
    "flow over lines": "config: {\n    level: info,   # one\n    pool: {a: 1,\n      b: 2},\n  }\nlast: 1\n",
    "merge": "base: &base\n  level: info\n  pool: 1\nconfig:\n  <<: *base\n  other: 2\n",
    "anchors elsewhere": "a: &x 1\nb: *x\nconfig:\n  level: info\n  pool: *x\n",
    "quoted keys": "\"config\":\n  \"level\": \"in\\tfo\" # q\n  'pool': 'it''s'\n",
    "tabs behind values": "config:\n  level: info\t# tab\n  pool: 10\t\n",
    "unicode": 'config:\n  level: "grün \\x85 \u2028 😀"  # é\u0085  pool: 1\n',
    "next line sign": "config:\n  note: 'x\u0085y'\n  level: info\n  pool: 10\n",
    "long lines": f"config:\n  level: {'word ' * 80}end\n  pool: {'w' * 3000}\n",
    "folded plain": "config:\n  level: one\n    two\n\n    three   # c\n  pool: 1\n",
    "empty values": "config:\n  level:\n  pool:   # nothing\nlast: 1\n",
    "lists": "config:\n  level:\n  - a   # first\n  - b\n  pool:\n    - x: 1\n      y: 2\n    - z\nlast: 1\n",
    "tags": "config:\n  level: !!str 12   # t\n  pool: !!str &p x\n",
    "documents": "# first\nconfig:\n  level: info\n  pool: 1\n---\n# second\nconfig:\n  level: other\n...\n",
    "deep indentation": "config:\n        level: info\n        pool:\n              a: 1\n",
    "question marks": "? config\n: level: info\n  pool: 1\n",
}
CLOSING = " ,}\r\t"
LEVEL, POOL, NEW, DEEP = ("config", "level"), ("config", "pool"), ("config", "new"), ("config", "fresh", "inner")


def value_of(text: str, document: int = 0) -> object:
    return read_yaml(text)[document].value


def found(text: str, path: Path, document: int = 0) -> object:
    tree = value_of(text, document)
    for part in path:
        tree = tree[part]  # type: ignore[index]
    return tree


def changed(tree: object, path: Path, value: object) -> object:
    assert isinstance(tree, dict)
    if len(path) == 1:
        return {**tree, path[0]: value}
    return {**tree, path[0]: changed(tree.get(path[0], {}), path[1:], value)}


def outside(text: str, path: Path) -> tuple[str, str]:
    """What stands before the value at a path and from the line after it on."""
    root = roots(text)[0]
    parent, node = at(root, path[:-1]), at(root, path)
    assert isinstance(parent, Mapping) and node is not None
    pair = parent.find(str(path[-1]))
    assert pair is not None
    end = value_end(text, node)
    return text[: pair[0].end], text[end:]


texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=30)
words = st.sampled_from(
    ["on", "012", "1e3", "0x1", "~", "", " x", "x ", "a: b", "# c", "- a", "l1\nl2\n", "  l1\nl2", "\n\nx\n\n", "a\tb\nc", "*x"]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | words
    | texts.filter(lambda text: not any(c in text for c in "\x7f\ufffe\uffff"))
)
printable = scalars.filter(lambda v: not isinstance(v, str) or all(c.isprintable() or c in "\t\n\r\x85\u2028 " for c in v))
values = st.recursive(
    printable,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | texts.filter(str.isprintable), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("name", CORPUS)
@settings(max_examples=15, deadline=None)
@given(value=values)
def test_a_value_that_is_written_is_read_back_and_nothing_else_changes(name: str, value: object) -> None:
    text = CORPUS[name]
    for path in (LEVEL, POOL, NEW, DEEP):
        after = written(Spot(text, 0, path), value)
        assert value_of(after) == changed(value_of(text), path, value)
        assert [d.value for d in read_yaml(after)][1:] == [d.value for d in read_yaml(text)][1:]


@pytest.mark.parametrize("name", CORPUS)
@pytest.mark.parametrize("path", [LEVEL, POOL])
@settings(max_examples=15, deadline=None)
@given(value=printable)
def test_every_byte_outside_the_value_stays(name: str, path: Path, value: object) -> None:
    text = CORPUS[name]
    if at(roots(text)[0], path) is None:
        return
    after = written(Spot(text, 0, path), value)
    before, behind = outside(text, path)
    assert after.startswith(before)
    ending = BREAK.search(behind)
    comment, rest = (behind[: ending.start()], behind[ending.start() :]) if ending else (behind, "")
    # A comment behind the value may move to the end of its first line; nothing else may move.
    assert after.endswith(rest) and comment.strip(CLOSING) in after


@pytest.mark.parametrize("source", CORPUS)
@pytest.mark.parametrize("name", CORPUS)
def test_a_value_can_be_taken_from_every_text_into_every_other(name: str, source: str) -> None:
    text = CORPUS[name]
    for path in (LEVEL, POOL):
        value = found(CORPUS[source], path)
        after = written(Spot(text, 0, path), value, Spot(CORPUS[source], 0, path))
        assert found(after, path) == value
        assert value_of(after) == changed(value_of(text), path, value)
        added = written(Spot(text, 0, NEW), value, Spot(CORPUS[source], 0, path))
        assert value_of(added) == changed(value_of(text), NEW, value)


@pytest.mark.parametrize("name", CORPUS)
def test_a_text_that_takes_back_its_own_value_is_the_same_byte_for_byte(name: str) -> None:
    text = CORPUS[name]
    for path in (LEVEL, POOL):
        if at(roots(text)[0], path) is not None:
            spot = Spot(text, 0, path)
            assert written(spot, found(text, path), spot) == text


@pytest.mark.parametrize("name", CORPUS)
def test_a_key_that_is_removed_leaves_all_others(name: str) -> None:
    text = CORPUS[name]
    for path in (LEVEL, POOL):
        if at(roots(text)[0], path) is None:
            continue
        tree = value_of(text)
        assert isinstance(tree, dict)
        rest = {key: item for key, item in tree["config"].items() if key != path[-1]}
        try:
            after = removed(Spot(text, 0, path))
        except InputError:
            assert name == "question marks"
            continue
        assert value_of(after) == {**tree, "config": rest}


def test_a_promoted_block_keeps_its_own_comments_and_the_indentation_of_its_new_place() -> None:
    canary = "data:\n    config.yaml: |\n        level: debug   # new\n        pool: 20\n"
    stable = "# ours\ndata:\n  config.yaml: |\n    level: info\n    pool: 10\n\n  other: x\n"
    path = ("data", "config.yaml")
    after = written(Spot(stable, 0, path), found(canary, path), Spot(canary, 0, path))
    assert after == "# ours\ndata:\n  config.yaml: |\n    level: debug   # new\n    pool: 20\n\n  other: x\n"


def test_a_new_key_goes_where_it_is_in_the_text_that_it_comes_from() -> None:
    canary = "config:\n  a: 1\n  b: 2   # why\n  c: 3\n"
    stable = "config:\n  a: 1   # kept\n  c: 3\n"
    after = written(Spot(stable, 0, ("config", "b")), 2, Spot(canary, 0, ("config", "b")))
    assert after == "config:\n  a: 1   # kept\n  b: 2   # why\n  c: 3\n"


def test_a_comment_behind_a_value_stays_when_the_value_becomes_a_block() -> None:
    after = written(Spot("a: 1   # mine\nb: 2\n", 0, ("a",)), "x\ny\n")
    assert after == "a: |   # mine\n  x\n  y\nb: 2\n"


@pytest.mark.parametrize("text", ["a: &x 1\nb: *x\n", "a: &x {c: 1}\nb: *x\n"])
def test_a_value_that_others_are_made_of_is_not_changed_behind_their_back(text: str) -> None:
    with pytest.raises(InputError, match="anchor"):
        written(Spot(text, 0, ("a",)), 2)


def test_items_of_lists_are_replaced_added_and_removed() -> None:
    text = "files:\n  - a.yaml   # one\n  - b.yaml\n"
    assert written(Spot(text, 0, ("files", 0)), "c.yaml") == "files:\n  - c.yaml   # one\n  - b.yaml\n"
    assert written(Spot(text, 0, ("files", 2)), "c.yaml") == "files:\n  - a.yaml   # one\n  - b.yaml\n  - c.yaml\n"
    assert removed(Spot(text, 0, ("files", 0))) == "files:\n  - b.yaml\n"
    assert removed(Spot("files:\n  - a.yaml\nx: 1\n", 0, ("files", 0))) == "files:\n  []\nx: 1\n"
    assert written(Spot("files: [a]\n", 0, ("files", 1)), "b c") == 'files: [a, "b c"]\n'
