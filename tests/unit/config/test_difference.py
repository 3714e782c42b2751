"""Differences inside values: typed, by path, and never a value of a Secret."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.config.comparison import unequal
from trimtab.config.difference import difference, lines, template_difference
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
        ("timeout_ms", "250", "251", ["timeout_ms: 250 -> 251"]),
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


@pytest.mark.parametrize(
    ("key", "old", "new", "expected"),
    [
        ("a.yaml", "l: [a, b, c]\n", "l: [z, a, b, c]\n", ["a.yaml: l[0]: added z"]),
        ("a.yaml", "l: [a, b, c]\n", "l: [a, c]\n", ["a.yaml: l[1]: removed (was b)"]),
        ("a.yaml", "l: [a, b]\n", "l: [b, a]\n", ["a.yaml: l[0]: added b", "a.yaml: l[1]: removed (was b)"]),
        ("a.yaml", "l: [{v: 1}, {v: 2}]\n", "l: [{v: 1}, {v: 3}]\n", ["a.yaml: l[1].v: 2 -> 3 (x1.5)"]),
        (
            "a.yaml",
            "l: [{id: 1, v: 1}]\n",
            "l: [{id: 1, v: 2}, {id: 2}]\n",
            ['a.yaml: l["1"].v: 1 -> 2 (x2)', 'a.yaml: l["2"].id: added 2'],
        ),
        ("a.yaml", "l: []\n", "l: [{name: a b, v: {}}]\n", ["a.yaml: l[a b].name: added a b", "a.yaml: l[a b].v: added {}"]),
        ("a.yaml", "a: {b: 1}\n", "a:\n", ['a.yaml: a: {"b": 1} -> null (type changed)']),
        ("a.yaml", "a: 1\n", "a: 1.0\n", ["a.yaml: a: 1 -> 1.0 (x1)"]),
        ("a.yaml", "a: .nan\nb: 1\n", "a: .nan\nb: 2\n", ["a.yaml: b: 1 -> 2 (x2)"]),
        ("a.yaml", "x.y: 1\n", "x.y: 2\n", ["a.yaml: x.y: 1 -> 2 (x2)"]),
        ("a.yaml", "a: {x.y: 1}\n", "a: {x.y: 2}\n", ['a.yaml: a."x.y": 1 -> 2 (x2)']),
        ("a.yaml", "a: 1\n", "a: 1\n---\nb: {c: 2}\n", ["a.yaml: [document 2].b.c: added 2"]),
        ("a.yaml", "a: 30s\n", "a: 30000ms\n", ["a.yaml: a: 30s -> 30000ms (x1)"]),
        ("a.yaml", "a: ''\n", "a: ' x'\n", ['a.yaml: a: "" -> " x"']),
        ("a.yaml", "a: {{ .x }}\nb: 1\n", "a: {{ .x }}\nb: 2\n", ["a.yaml: line 2: b: 1 -> b: 2 (x2)"]),
        ("a.yaml", "a: 1\na: 2\n", "a: 3\na: 2\n", ["a.yaml: line 1: a: 1 -> a: 3 (x3)"]),
        ("LEVEL", "red\n", "red", ['LEVEL: "red\\n" -> red']),
        ("notes", "a\nb\n", "a\r\nb\n", ['notes: line 1: a -> "a\\r"']),
        ("notes", "a\nb", "a\nb\n", ['notes: line 3: added ""']),
        ("notes", "a\nb\nc", "a\nc", ["notes: line 2: removed (was b)"]),
        (
            "value",
            "just text",
            '{"a": 1}',
            ["value: text -> JSON (format changed)", 'value: just text -> {"a": 1}'],
        ),
    ],
)
def test_lists_types_and_text_are_told_apart(key: str, old: str, new: str, expected: list[str]) -> None:
    assert list(changed(key, old, new)) == expected


def test_long_values_show_where_they_differ() -> None:
    (told,) = changed("a.yaml", f"a: {'x' * 500}1{'y' * 500}", f"a: {'x' * 500}2{'y' * 500}")
    assert "xxx1yyy" in told and "xxx2yyy" in told and len(told) < 160


def test_a_control_character_never_reaches_a_terminal() -> None:
    (told,) = changed("a.json", '{"a\\u001b[2J": 1}', '{"a\\u001b[2J": "\\u202eb"}')
    assert told == r'a.json: "a\u001b[2J": 1 -> "\u202eb" (type changed)'


def test_a_rewritten_text_is_told_as_one_block_and_at_once() -> None:
    old, new = ("\n".join(f"{word} {number % 7}" for number in range(30_000)) for word in ("old", "new"))
    assert changed("big.txt", old, new) == ("big.txt: lines 1-30000: 30000 lines -> 30000 lines",)


def test_long_texts_with_much_in_common_are_not_weighed_line_against_line() -> None:
    old = [str(number) for number in range(2100)]
    assert list(unequal(old, old[::-1])) == [(0, 2100, 0, 2100)]
    assert list(unequal(["same", *old], ["same", "new", *old])) == [(1, 1, 1, 2)]


def test_kustomizes_hash_in_a_name_does_not_hide_what_changed() -> None:
    old, new = (Content(ConfigName(ConfigKind.CONFIG_MAP, f"app-{digest}"), {"a": b"1"}) for digest in ("5f4mc9h82b", "k2g7t6d4hh"))
    (change,) = difference([old], [Content(new.name, {"a": b"2"})])
    assert (change.name, change.key, change.old, change.new) == (str(new.name), "a", "1", "2")
    assert difference([old], [new]) == ()


def test_two_objects_that_differ_only_in_the_hash_are_not_confused() -> None:
    old, one, two = (Content(ConfigName(ConfigKind.CONFIG_MAP, f"app-{word * 10}"), {"a": b"1"}) for word in "bcd")
    assert [change.kind.value for change in difference([old], [one, two])] == ["removed", "added", "added"]


def test_binary_data_and_text_are_not_the_same() -> None:
    assert lines(difference([Content(NAME, {"a": b"1"})], [Content(NAME, {}, {"a": b"1"})])) == ("a: 1 byte of text -> 1 byte",)
    assert lines(difference([Content(NAME, {"a": b"\xff"})], [Content(NAME, {"a": b"\xfe1"})])) == ("a: 1 byte -> 2 bytes",)
    assert lines(difference([], [Content(NAME, {})])) == ("configmap/app: added",)


def test_the_type_of_a_secret_is_part_of_it() -> None:
    found = lines(difference([Content(SECRET, {}, type="Opaque")], [Content(SECRET, {}, type="kubernetes.io/tls")]))
    assert found == ("secret/app: type: Opaque -> kubernetes.io/tls",)


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


@given(st.binary(min_size=3, max_size=40), st.binary(min_size=3, max_size=40), st.sampled_from(["token", "a.json", "a.yaml", ".env"]))
def test_nothing_but_the_key_of_a_secret_depends_on_its_value(old: bytes, new: bytes, key: str) -> None:
    found = difference([Content(SECRET, {key: old})], [Content(SECRET, {key: new})])
    assert lines(found) == ((f"{key}: changed",) if old != new else ())


@given(st.sampled_from(["a.yaml", "a.ini", "a.properties", ".env", "text", "a.toml"]), st.text(max_size=40), st.text(max_size=40))
def test_every_change_is_one_printable_line(key: str, old: str, new: str) -> None:
    assert all(told.isprintable() for told in changed(key, old, new))


texts = st.text(max_size=4)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,3}", fullmatch=True), texts, max_size=3), st.data())
def test_a_property_that_differs_is_never_missed(one: dict[str, str], data: st.DataObject) -> None:
    two = {name: data.draw(texts) for name in one}
    found = changed("a.properties", properties(one), properties(two))
    assert (found == ()) == (one == two)


def properties(values: dict[str, str]) -> str:
    return "".join(f"{name}={''.join(f'{chr(92)}u{unit:04x}' for unit in units(value))}\n" for name, value in values.items())


def units(text: str) -> list[int]:
    raw = text.encode("utf-16-be")
    return [int.from_bytes(raw[index : index + 2], "big") for index in range(0, len(raw), 2)]


def test_a_pod_template_is_compared_by_its_containers_and_fields() -> None:
    old = {"spec": {"containers": [{"name": "app", "image": "app:1", "env": [{"name": "MODE", "value": "slow"}]}]}}
    new = {"spec": {"containers": [{"name": "app", "image": "app:2", "env": []}]}}
    assert lines(template_difference("deployment/app", json.dumps(old), json.dumps(new))) == (
        "deployment/app: spec.containers[app].image: app:1 -> app:2",
        "deployment/app: spec.containers[app].env[MODE].name: removed (was MODE)",
        "deployment/app: spec.containers[app].env[MODE].value: removed (was slow)",
    )


def test_what_may_be_a_credential_in_a_config_map_is_said_to_have_changed_and_no_more() -> None:
    key = "-----BEGIN PRIV" + "ATE KEY-----"
    cases = [
        ("config.yaml", "db: {password: Zk3v9Qm2}\n", "db: {password: Qm2Zk3v9}\n", "config.yaml: db.password: changed"),
        ("config.yaml", "a: 1\n", "a: 1\npassword: Zk3v9Qm2\n", "config.yaml: password: added"),
        ("config.yaml", "password: Zk3v9Qm2\n", "password: [Zk3v9Qm2]\n", "config.yaml: password: type changed"),
        ("config.yaml", "max_tokens: 4096\n", "max_tokens: 8192\n", "config.yaml: max_tokens: 4096 -> 8192 (x2)"),
        ("DB_PASSWORD", "Zk3v9Qm2", "Qm2Zk3v9", "DB_PASSWORD: changed"),
        (
            "app.conf",
            "a\nurl=redis://:Zk3v9Qm2@c:1\n",
            "b\nurl=redis://:Qm2Zk3v9@c:1\n",
            "app.conf: line 1: a -> b; app.conf: line 2: changed",
        ),
        ("app.conf", f"{key}\nZk3v9Qm2\n", f"{key}\nQm2Zk3v9\n", "app.conf: line 2: changed"),
    ]
    for name, old, new, said in cases:
        before, after = (Content(ConfigName(ConfigKind.CONFIG_MAP, "app"), {name: text.encode()}) for text in (old, new))
        assert "; ".join(lines(difference([before], [after]))) == said


def test_a_new_key_that_may_be_a_credential_is_not_shown_either() -> None:
    before, after = (Content(ConfigName(ConfigKind.CONFIG_MAP, "app"), data) for data in ({}, {"API_TOKEN": b"Zk3v9Qm2", "A": b"1"}))
    assert lines(difference([before], [after])) == ("A: added 1", "API_TOKEN: added")


def test_variables_of_a_template_that_are_called_after_credentials_are_not_shown() -> None:
    def template(value: str) -> str:
        env = [{"name": "DB_PASSWORD", "value": value}, {"name": "COLOR", "value": value}]
        return json.dumps({"spec": {"containers": [{"name": "app", "env": env}]}})

    said = lines(template_difference("deployment/app", template("Zk3v9Qm2"), template("Qm2Zk3v9")))
    assert [line for line in said if "DB_PASSWORD" in line] == ["deployment/app: spec.containers[app].env[DB_PASSWORD].value: changed"]
    assert any("COLOR" in line and "Zk3v9Qm2 -> Qm2Zk3v9" in line for line in said)
