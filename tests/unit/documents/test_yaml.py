"""YAML is read as kubectl 1.37 reads it; the tables were measured with its binary."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.documents.yaml import Document, read_yaml
from trimtab.errors import DocumentError

SCALARS: list[tuple[str, object]] = [
    *((word, True) for word in ("y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE")),
    *((word, False) for word in ("n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE")),
    *((word, None) for word in ("~", "null", "Null", "NULL", "!!null ''")),
    *(
        (word, word)
        for word in ("yEs", "tRue", "nULL", "_1", "1e400", "0o", "0x", "0b2", "+", "1,000", "..5", ".e1", "1e5.", "0.5e", "1#c")
    ),
    *((word, word) for word in ("2026-01-01", "1:30", "190:20:30", "=")),
    ("012", 10),
    ("-012", -10),
    ("+012", 10),
    ("0o14", 12),
    ("0O14", 12),
    ("0777", 511),
    ("08", 8),
    ("09.5", 9.5),
    ("0x1F", 31),
    ("0X1f", 31),
    ("0x_1F", 31),
    ("0b101", 5),
    ("-0b101", -5),
    ("1_000", 1000),
    ("1__0", 10),
    ("1_", 1),
    ("0_1", 1),
    ("1_0.5", 10.5),
    ("1e3", 1000),
    ("1.e5", 100000),
    (".5", 0.5),
    ("-.5", -0.5),
    ("+.5", 0.5),
    (".5_0", 0.5),
    (".5e1", 5),
    ("5.", 5),
    ("1.0", 1),
    ("-0.0", 0),
    ("5.50", 5.5),
    ("1e21", 1e21),
    ("1e-7", 1e-07),
    ("18446744073709551616", 18446744073709551616.0),
    ("!!str 5", "5"),
    ("!!str y", "y"),
    ("! 5", "5"),
    ("!!int '5'", 5),
    ("!!int 012", 10),
    ("!!float 5", 5),
    ("!!bool 'yes'", True),
    ("!!binary aGk=", "hi"),
    ("!Foo 5", "5"),
    ("!!timestamp 2026-01-01", "2026-01-01"),
    ("'y'", "y"),
    ('"012"', "012"),
    ("1 # one", 1),
    ("|\n  y", "y\n"),
]

KEYS = [
    ("yes", "true"),
    ("n", "false"),
    ("5", "5"),
    ("012", "10"),
    ("1.50", "1.5"),
    ("1.0", "1"),
    ("100000.0", "100000"),
    ("1000000.0", "1e+06"),
    ("1234567.5", "1.2345675e+06"),
    ("16777217.0", "1.6777216e+07"),
    ("0.0001", "0.0001"),
    ("1e-5", "1e-05"),
    ("0.1234567891", "0.12345679"),
    ("3.4e39", ".inf"),
    (".inf", ".inf"),
    ("''", ""),
    ("2026-01-01", "2026-01-01"),
    ("1:30", "1:30"),
    ("!!str yes", "yes"),
    ("=", "="),
]


def one(text: str) -> Document:
    (document,) = read_yaml(text, "app.yaml")
    return document


@pytest.mark.parametrize(("source", "expected"), SCALARS, ids=[source for source, _ in SCALARS])
def test_an_unquoted_scalar_means_what_kubectl_believes(source: str, expected: object) -> None:
    value = one(f"v: {source}\n").value
    assert value == {"v": expected}
    assert isinstance(value, dict)
    assert type(value["v"]) is type(expected)


@pytest.mark.parametrize(("source", "expected"), KEYS)
def test_a_key_becomes_the_text_that_kubectl_makes_of_it(source: str, expected: str) -> None:
    assert one(f"{source}: v\n").value == {expected: "v"}


@pytest.mark.parametrize(
    "source", [".inf", "-.inf", ".nan", "!!int 5.5", "!!int abc", "!!float abc", "!!bool abc", "!!null x", "!!binary ?"]
)
def test_what_json_cannot_hold_or_the_tag_denies_is_an_error_with_its_line(source: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_yaml(f"a: 1\nv: {source}\n", "app.yaml")
    assert (caught.value.file, caught.value.line) == ("app.yaml", 2)


@pytest.mark.parametrize("source", ["!!int hunter2", "!!bool hunter2", "*hunter2", "@hunter2", "!!binary hunter2!", "'hunter2"])
def test_an_error_never_shows_the_value(source: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_yaml(f"password: {source}\n", "app.yaml")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "'a' is written twice, first on line 1"),
        ("yes: 1\n'true': 2\n", 2, "'true' is written twice"),
        ("a: &x {p: 1}\nb: {<<: *x, q: 1, q: 2}\n", 2, "'q' is written twice"),
        ("~: 1\n", 1, "null cannot be a key"),
        ("a: 1\n[b]: 1\n", 2, "cannot be a key"),
        ("a:\n  b: *nope\n", 2, "without an anchor"),
        ("a: &a [*a]\n", 1, "contains it"),
        ("a: 1\n<<: 5\n", 2, "not a mapping"),
        ("a: b\n\tc: d\n", 2, "tab"),
        ("a: 1\nb: [1\nc: 2\n", 2, "not YAML"),
        ("a: 1\nb: \x01\n", 2, "not YAML"),
        ("[" * 101, 1, "nested"),
        ("a: " + "{b: " * 200 + "}" * 200, 1, "nested"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(text: str, line: int, words: str) -> None:
    with pytest.raises(DocumentError, match=words) as caught:
        read_yaml(text, "app.yaml")
    assert (caught.value.file, caught.value.line) == ("app.yaml", line)


def test_a_merge_acts_where_it_stands_as_in_kubectl() -> None:
    assert one("a: &x {p: 1, q: 2}\nb: {<<: *x, p: 3}\n").value == {"a": {"p": 1, "q": 2}, "b": {"p": 3, "q": 2}}
    assert one("a: &x {p: 1, q: 2}\nb: {p: 3, <<: *x}\n").value == {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 2}}
    merged = one("a: &x {p: 1}\nb: &y {p: 2, r: 3}\nc: {<<: [*x, *y]}\n").value
    assert isinstance(merged, dict)
    assert merged["c"] == {"p": 1, "r": 3}


def test_a_later_anchor_of_the_same_name_counts() -> None:
    assert one("a: &x 1\nb: &x 2\nc: *x\n").value == {"a": 1, "b": 2, "c": 2}


def test_alias_bombs_end_in_an_error() -> None:
    aliases = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10))
    merges = "\n".join(f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 10)}]}}" for n in range(1, 10))
    chain = "\n".join(f"m{n}: &m{n} {{<<: *m{n - 1}}}" for n in range(1, 300))
    for text in (f"a0: &a0 x\n{aliases}\n", f"m0: &m0 {{a: 1}}\n{merges}\n", f"m0: &m0 {{a: 1}}\n{chain}\n"):
        with pytest.raises(DocumentError, match=r"alias|merges"):
            read_yaml(text)


def test_a_short_document_cannot_stand_for_hundreds_of_thousands_of_values() -> None:
    text = "a: &a [" + "x, " * 1000 + "]\nb: [" + "*a, " * 500 + "]\n"
    with pytest.raises(DocumentError, match="far more than is written"):
        read_yaml(text)
    assert read_yaml(text.replace("*a, " * 500, "*a, " * 50))


def test_every_path_has_its_line() -> None:
    document = one("# a comment\nkind: X\nspec:\n  list:\n  - a\n  -\n    b: 1\n  text: |\n    one\n    two\n  last: x\n")
    assert document.line == 2
    assert document.lines == {
        ("kind",): 2,
        ("spec",): 3,
        ("spec", "list"): 4,
        ("spec", "list", 0): 5,
        ("spec", "list", 1): 7,
        ("spec", "list", 1, "b"): 7,
        ("spec", "text"): 8,
        ("spec", "last"): 11,
    }
    assert document.line_of(("spec", "list", 9, "missing")) == 4
    assert document.line_of(("nowhere",)) == 2


def test_documents_are_told_apart_and_empty_ones_left_out() -> None:
    documents = read_yaml("---\n# nothing\n---\na: 1\n---\n\n---\nb: 2\n...\n", "app.yaml")
    assert [(document.value, document.line) for document in documents] == [({"a": 1}, 4), ({"b": 2}, 8)]
    assert read_yaml("") == []


def test_an_anchor_does_not_reach_into_the_next_document() -> None:
    with pytest.raises(DocumentError, match="without an anchor"):
        read_yaml("a: &x 1\n---\nb: *x\n")


def test_json_is_read_with_its_own_escapes_and_its_lines() -> None:
    document = one('{\n\t"kind": "a\\/b",\n\t"smile": "\\ud83d\\ude00 \\\\/",\n\t"n": 1.0\n}\n')
    assert document.value == {"kind": "a/b", "smile": "\U0001f600 \\/", "n": 1}
    assert document.lines[("n",)] == 4


def test_json_with_a_key_written_twice_is_an_error() -> None:
    with pytest.raises(DocumentError, match="written twice"):
        read_yaml('{"a": "\\/",\n "a": 2}')


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"])),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(categories=["L", "N"]), max_size=9), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_what_is_written_as_json_is_read_back(value: object) -> None:
    text = json.dumps({"v": value}, indent=1)
    assert one(text).value == json.loads(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_is_a_document_error(text: str) -> None:
    with contextlib.suppress(DocumentError):
        read_yaml(text)
