"""What values are written in, and what they say: never an exception, lines where something is wrong, plain text when in doubt."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trimtab.config.formats import SUFFIXES, parse
from trimtab.config.trees import DEEPEST, Format

keys = st.sampled_from(["value", "nginx.conf", *(f"a{suffix}" for suffix in SUFFIXES)])
PIECES = (
    *("a", "b", ": ", "=", "\n", "\n  ", "- ", "[", "]", "{", "}", '"', "'", "\\", "\\u", "#", ",", "1", ".5", "null", "NaN", "1e999"),
    *("&a ", "*a", "<<: *a", "!t ", "|\n", "---\n", "{{ .x }}", "export ", "2020-01-01", "\r\n", "\t", "\x00", "\x85", "\u2028", "é"),
)
snippets = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


@given(keys, st.one_of(snippets, st.text(max_size=30)))
@example("a.json", "9" * 5000)
@example("a.yaml", "9" * 5000)
@example("a.yaml", "1." + "9" * 5000)
@example("a.toml", "a = " + "9" * 5000)
@example("a.json", "[" * 100_000)
@example("a.toml", "a = " + "[" * 5000)
@example("a.toml", "a = 2020-02-31T00:00:00")
@example("a.yaml", "- " * 5000)
@example("a.yaml", "&a [*a]")
@example("a.properties", "a=\\")
@example("a.yaml", "? {a: b}\n: c\n")
def test_no_value_is_an_exception(key: str, text: str) -> None:
    found = parse(key, text)
    assert found.line <= text.count("\n") + 1
    assert not (found.problem and found.documents)


@pytest.mark.parametrize(
    ("key", "text", "line"),
    [
        ("a.yaml", "a: 1\nb: [\n", 2),
        ("a.yaml", "a: 1\nb: 2\na: 2\n", 3),
        ("a.yaml", "a: 1\nb: \x01\n", 2),
        ("a.yaml", "é: é\n\na: *missing\n", 3),
        ("a.yaml", "a: {{ .Values.replicas }}\n", 1),
        ("a.json", '{"a":\n}', 1),
        ("a.json", '{"a": 1,\n // why\n "b": 2}', 2),
        ("a.json", '{"a": "NaN",\n"b": NaN}', 2),
        ("a.json", '{"a": 1,\n"b": 2,\n"a": 3}', 3),
        ("a.json", "", 1),
        ("a.toml", "a = \n", 1),
        ("a.toml", "[a]\nb = 1\n[a]\n", 3),
        ("a.toml", "a = [1,\n2,\n", 2),
        ("a.ini", "[a]\nb = 1\n[c\n", 3),
        ("a.ini", "a = 1\n[a]\n", 2),
        ("b.env", "A=1\n:\n", 2),
        ("b.env", 'A=1\nB="x\ny\n', 2),
        ("a.properties", "a=1\nb=\\u12\n", 2),
    ],
)
def test_what_does_not_parse_says_its_line(key: str, text: str, line: int) -> None:
    found = parse(key, text)
    assert found.problem and found.line == line
    assert not found.documents


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("a.yaml", "a: 10\nb: '10'\nc: 1.5\nd: ~\ne: True\n", {"a": 10, "b": "10", "c": 1.5, "d": None, "e": True}),
        (
            "a.yaml",
            "a: on\nb: 012\nc: 1_000\nd: 12:30\ne: 2020-01-01\n",
            {"a": "on", "b": "012", "c": "1_000", "d": "12:30", "e": "2020-01-01"},
        ),
        ("a.yml", "a: &x {p: 1, q: 1}\nb: {<<: *x, q: 2}\n", {"a": {"p": 1, "q": 1}, "b": {"p": 1, "q": 2}}),
        ("a.yml", "a: &x {p: 1}\ny: &y {p: 2, q: 2}\nb: {<<: [*x, *y]}\n", {"a": {"p": 1}, "y": {"p": 2, "q": 2}, "b": {"p": 1, "q": 2}}),
        ("a.yaml", "a: !Ref b\nc: !!str 1\n", {"a": {"!Ref": "b"}, "c": "1"}),
        ("a.json", '{"a": [1, 1.0, "1", null]}', {"a": [1, 1.0, "1", None]}),
        ("a.toml", "[a]\nb = 1\n", {"a": {"b": 1}}),
        (
            "a.ini",
            "x = 1\n[s]\n# no\na: 1\nb\n c = 2\nd = 1\n and more\n",
            {"x": "1", "s": {"a": "1", "b": None, "c": "2", "d": "1\nand more"}},
        ),
        ("unit.ini", "[Service]\nExec=a\nExec=b\n", {"Service": {"Exec": ["a", "b"]}}),
        ("a.ini", "[s]\nurl = http://x?a=b\n", {"s": {"url": "http://x?a=b"}}),
        (
            "a.properties",
            "! no\na=1\nb : 2\nc 3\nd\\ e=4\\\n   5\\\\\nf=\\u00e9\\n\n",
            {"a": "1", "b": "2", "c": "3", "d e": "45\\", "f": "é\n"},
        ),
        ("a.properties", "face=\\ud83d\\ude00\r\nnone\r\n", {"face": "😀", "none": ""}),
        (".env", "# no\nexport A=1\nB='x # y' # no\nC=\nD\nE=a#b\n", {"A": "1", "B": "x # y", "C": "", "D": None, "E": "a#b"}),
        (".env", 'KEY="-----BEGIN\nabc=\n-----END"\nB=it\'s\n', {"KEY": "-----BEGIN\nabc=\n-----END", "B": "it's"}),
    ],
)
def test_values_say_what_their_format_says(key: str, text: str, expected: dict[str, object]) -> None:
    found = parse(key, text)
    assert found.documents == (expected,), found
    assert repr(found.documents) == repr((expected,))


def test_several_yaml_documents_are_kept_apart() -> None:
    assert parse("a.yaml", "a: 1\n---\nb: 2\n").documents == ({"a": 1}, {"b": 2})
    assert parse("a.yaml", "# nothing\n").documents == ()


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("red", Format.TEXT),
        ("Error: something", Format.TEXT),
        ("10", Format.TEXT),
        ("", Format.TEXT),
        ('{"a": 1}', Format.JSON),
        ("{not json", Format.TEXT),
        ("a: 1\nb:\n  - x\n", Format.YAML),
        ("[a]\nb = 1\n", Format.TOML),
        ("[a]\nb = on\n", Format.INI),
        ("A=1\nB=2\n", Format.ENV),
        ("events {}\nhttp { server { listen 80; } }\n", Format.TEXT),
        ("user nginx;\nworker_processes: auto;\n", Format.TEXT),
        ("#!/bin/sh\nA=1\necho $A\n", Format.TEXT),
        ("Dear all,\nplease note: it is late.\n", Format.TEXT),
        ("{{ if .x }}\na: 1\n{{ end }}\n", Format.TEXT),
    ],
)
def test_what_no_suffix_names_is_guessed_with_care(text: str, format: Format) -> None:
    assert parse("value", text).format is format


@pytest.mark.parametrize("key", ["nginx.conf", "haproxy.cfg", "start.sh", "page.html", "config.yaml.tmpl", "tls.crt"])
def test_some_suffixes_are_never_guessed(key: str) -> None:
    assert parse(key, "a: 1\nb: 2\n").format is Format.TEXT
    assert parse(key, "[a]\nb = 1\n").format is Format.TEXT


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    merges = "a0: &a0 {k0: 1}\n" + "".join(f"a{n}: &a{n} {{k{n}: {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}}}\n" for n in range(1, 12))
    ladder = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} {'[' * 90}*a{n - 1}{']' * 90}\n" for n in range(1, 40))
    assert "far more than is written" in parse("a.yaml", bomb).problem
    assert "far more than is written" in parse("a.yaml", merges).problem
    assert f"{DEEPEST} levels" in parse("a.yaml", ladder).problem


def test_numbers_that_a_float_cannot_tell_apart_stay_text() -> None:
    (one,), (two,) = (parse("a.yaml", text).documents for text in ("1e999", "2e999"))
    assert one != two
    (tree,) = parse("a.yaml", "[.nan, -.inf]").documents
    assert isinstance(tree, list) and isinstance(tree[0], float) and math.isnan(tree[0]) and tree[1] == -math.inf


@pytest.mark.parametrize(
    ("key", "text", "line"),
    [
        ("a.yaml", "a: 1\nb 2\nc: 3\n", 2),
        ("a.yaml", "pool: [20\ntimeout: 30s\n", 1),
        ("a.yaml", "a: 1\nb: [1, {x: 2]\nc: 2\n", 2),
        ("a.yaml", 'a: 1\nb: "x\nc: 2\nd: 3\n', 2),
        ("a.yaml", "a:\n  - [1\n  - 2\nb: 1\n", 2),
        ("a.yaml", '{\n "a": 1,\n "b": 2\n "c": 3\n}\n', 4),
        ("a.yaml", "a: 1\n b: 2\nc: 3\n", 2),
        ("a.yaml", "a: [1,\n  2 x: 3\n  ]\nb: 2: 3\n", 4),
        ("a.json", '{\n "a": 1\n "b": 2\n}\n', 2),
        ("a.json", '{\n "a": 1,\n}\n', 2),
        ("a.json", '{\n "a": [1,\n\n ]}\n', 2),
        ("a.json", '{\n "a": 1,\n b: 2\n}\n', 3),
        ("a.json", '{\n "a": 1\n', 2),
    ],
)
def test_a_mistake_is_told_where_it_was_made_not_where_it_is_noticed(key: str, text: str, line: int) -> None:
    assert parse(key, text).line == line
