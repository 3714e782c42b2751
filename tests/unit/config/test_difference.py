"""Differences inside values: typed, by path, and never a value of a Secret."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.config.difference import difference, lines
from trimtab.config.formats import Format, parse
from trimtab.model.content import Content
from trimtab.model.names import ConfigKind, ConfigName

NAME, SECRET = ConfigName(ConfigKind.CONFIG_MAP, "app"), ConfigName(ConfigKind.SECRET, "app")


def changed(key: str, old: str, new: str) -> tuple[str, ...]:
    return lines(difference([Content(NAME, {key: old.encode()})], [Content(NAME, {key: new.encode()})]))


@pytest.mark.parametrize(
    ("key", "old", "new", "expected"),
    [
        ("config.yaml", "database:\n  pool_size: 10\n", "database:\n  pool_size: 20\n", ["config.yaml: database.pool_size: 10 -> 20 (x2)"]),
        ("a.yaml", "a: 1\nb: 2\n", "# a comment\nb: 2\na: 1\n", []),
        ("a.yaml", "a: 10\n", 'a: "10"\n', ['a.yaml: a: 10 -> "10" (type changed)']),
        ("a.yaml", "a: 500ms\n", "a: 5s\n", ["a.yaml: a: 500ms -> 5s (x10)"]),
        ("a.json", '{"a": "64Mi"}', '{"a": "16Mi"}', ["a.json: a: 64Mi -> 16Mi (x0.25)"]),
        (
            "a.yaml",
            "l:\n- name: x\n  v: 1\n- name: y\n  v: 2\n",
            "l:\n- name: y\n  v: 3\n- name: x\n  v: 1\n",
            ["a.yaml: l[y].v: 2 -> 3 (x1.5)", 'a.yaml: l: ["x", "y"] -> ["y", "x"] (order changed)'],
        ),
        ("a.toml", "[a]\nb = 1\n", "[a]\nb = 1\nc = true\n", ["a.toml: a.c: added true"]),
        ("a.ini", "[a]\nb = 1\n", "[a]\nc = 1\n", ["a.ini: a.c: added 1", "a.ini: a.b: removed (was 1)"]),
        ("a.properties", "x=1\n", "x = 2\n", ["a.properties: x: 1 -> 2 (x2)"]),
        (".env", "A=1\n", "A='1'\n", []),
        ("LEVEL", "10", "20", ["LEVEL: 10 -> 20 (x2)"]),
        (
            "nginx.conf",
            "server {\n  listen 80;\n}\n",
            "server {\n  listen 8080;\n}\n",
            ["nginx.conf: line 2: listen 80; -> listen 8080; (x101)"],
        ),
        ("a.yaml", "a: on\n", "a: true\n", ["a.yaml: a: on -> true (type changed)"]),
    ],
)
def test_a_change_is_said_by_key_and_path(key: str, old: str, new: str, expected: list[str]) -> None:
    assert list(changed(key, old, new)) == expected


def test_keys_and_objects_that_come_and_go_are_said() -> None:
    before = [Content(NAME, {"a": b"1"})]
    after = [Content(NAME, {"b": b"2"}), Content(ConfigName(ConfigKind.CONFIG_MAP, "new"), {"x": b"y"})]
    assert lines(difference(before, after)) == ("configmap/app a: removed (was 1)", "configmap/app b: added 2", "configmap/new x: added")


def test_binary_values_show_their_size() -> None:
    found = lines(difference([Content(NAME, {}, {"logo": b"123"})], [Content(NAME, {}, {"logo": b"12345"})]))
    assert found == ("logo: 3 bytes -> 5 bytes",)


def test_an_nginx_configuration_is_plain_text() -> None:
    assert parse("nginx.conf", "events {}\nhttp { server { listen 80; } }\n").format is Format.TEXT


@pytest.mark.parametrize(
    ("key", "text", "line"),
    [
        ("a.yaml", "a: 1\nb: [\n", 3),
        ("a.json", '{"a":\n}', 2),
        ("a.toml", "a = \n", 1),
        ("a.yaml", "a: 1\na: 2\n", 2),
        ("b.env", "A=1\n:\n", 2),
    ],
)
def test_what_does_not_parse_says_its_line(key: str, text: str, line: int) -> None:
    found = parse(key, text)
    assert found.problem and found.line == line


trees = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-999, 999), st.text("ab.", max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text("xyz", min_size=1, max_size=2), inner, max_size=3)),
    max_leaves=8,
)
objects = st.dictionaries(st.text("xyz", min_size=1, max_size=2), trees, min_size=1, max_size=3)


@given(objects, objects)
def test_the_difference_of_two_documents_is_empty_exactly_when_they_say_the_same(one: object, two: object) -> None:
    assert (changed("a.json", json.dumps(one), json.dumps(two)) == ()) == (typed(one) == typed(two))


def typed(value: object) -> object:
    """The value with its types, since 1 == True in Python."""
    if isinstance(value, dict):
        return {name: typed(item) for name, item in value.items()}
    return [typed(item) for item in value] if isinstance(value, list) else (type(value), value)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=2), st.binary(max_size=30), max_size=3))
def test_content_does_not_differ_from_itself(data: dict[str, bytes]) -> None:
    assert difference([Content(NAME, data)], [Content(NAME, data)]) == ()


@given(st.from_regex(r"[A-Za-z0-9]{12,20}", fullmatch=True), st.from_regex(r"[A-Za-z0-9]{12,20}", fullmatch=True))
def test_no_value_of_a_secret_is_ever_in_a_difference(old: str, new: str) -> None:
    before = Content(SECRET, {"config.yaml": f"password: {old}\n".encode()}, fingerprints={"config.yaml": "0badcafe"})
    after = Content(SECRET, {"config.yaml": f"password: {new}\n".encode()}, fingerprints={"config.yaml": "deadbeef"})
    found = difference([before], [after])
    text = repr(found) + "".join(lines(found)) + repr(before)
    assert old not in text and new not in text
    if old != new:
        assert lines(found) == ("config.yaml: fingerprint 0badcafe -> fingerprint deadbeef",)
