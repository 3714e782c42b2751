"""What must not be shown to anyone, and what is only worth a warning (C3)."""

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from trimtab.config.references import references
from trimtab.model.content import Content, Severity
from trimtab.model.names import ConfigKind, ConfigName
from trimtab.validation.checks import validate

NAME, SECRET = ConfigName(ConfigKind.CONFIG_MAP, "app"), ConfigName(ConfigKind.SECRET, "app")
GOOD = Content(NAME, {"config.yaml": b"a: 1\n"}, file="app.yaml", key_lines={"config.yaml": 7}, value_lines={"config.yaml": range(8, 99)})
BAD = replace(GOOD, data={"config.yaml": b"a: 1\nb: [1,\n"})


def test_a_value_that_parsed_and_does_not_any_more_is_an_error_with_file_and_line() -> None:
    (finding,) = validate([BAD], [GOOD])
    assert finding.severity is Severity.ERROR and finding.check == "content/parses"
    assert (finding.name, finding.key, finding.file, finding.line) == ("configmap/app", "config.yaml", "app.yaml", 9)


def test_a_value_that_never_parsed_is_a_warning() -> None:
    assert [finding.severity for finding in validate([BAD], [BAD])] == [Severity.WARNING]
    assert [finding.severity for finding in validate([BAD], [])] == [Severity.WARNING]


def test_good_content_has_no_findings() -> None:
    assert validate([GOOD], [GOOD]) == ()


def test_more_than_one_mebibyte_is_an_error() -> None:
    (finding,) = validate([replace(GOOD, data={"a": b"x" * (1024 * 1024), "b": b"x"})], [])
    assert finding.check == "content/size" and finding.severity is Severity.ERROR


def test_text_that_is_not_utf8_is_an_error_in_a_config_map_and_fine_in_a_secret() -> None:
    (finding,) = validate([replace(GOOD, data={"a": b"\xff"})], [])
    assert finding.check == "content/utf8" and finding.key == "a"
    assert validate([Content(SECRET, {"a": b"\xff"})], []) == ()


def test_c1_a_finding_about_a_secret_names_line_and_key_but_not_what_was_found() -> None:
    before = Content(SECRET, {"a.json": b"{}"})
    (finding,) = validate([Content(SECRET, {"a.json": b'{"password": hunter2}'})], [before])
    assert "hunter2" not in str(finding) and finding.problem == "is not JSON, line 1 of the value"


def test_the_line_is_the_keys_where_the_value_stands_beside_it() -> None:
    bad = replace(GOOD, data={"config.yaml": b"[1,\n"}, value_lines={})
    (finding,) = validate([bad], [GOOD])
    assert (finding.line, "line 1 of the value" in finding.problem) == (7, True)


def test_the_line_of_a_secret_is_the_keys_since_base64_has_other_lines() -> None:
    secret = Content(SECRET, {"a.yaml": b"a: 1\nb: [1,\n"}, file="s.yaml", line=1, key_lines={"a.yaml": 4})
    (finding,) = validate([secret], [])
    assert (finding.file, finding.line, finding.problem) == ("s.yaml", 4, "is not YAML, line 2 of the value")


def test_a_key_that_is_written_twice_is_told_apart_by_what_is_promoted() -> None:
    twice = replace(GOOD, data={"config.yaml": b"a: 1\na: 2\n"})
    (finding,) = validate([twice], [GOOD])
    assert finding.severity is Severity.ERROR and finding.line == 9 and "'a' is written twice" in finding.problem
    assert [finding.severity for finding in validate([twice], [twice])] == [Severity.WARNING]


def test_templates_and_json_with_comments_are_warnings_that_say_what_to_do() -> None:
    (finding,) = validate([Content(NAME, {"a.yaml": b"a: {{ .Values.a }}\n"})], [])
    assert finding.severity is Severity.WARNING and "fills or strips" in finding.fix


def test_a_value_under_a_name_with_a_new_hash_is_compared_with_the_old_one() -> None:
    old, new = (ConfigName(ConfigKind.CONFIG_MAP, f"app-{digest}") for digest in ("5f4mc9h82b", "k2g7t6d4hh"))
    (finding,) = validate([replace(BAD, name=new)], [replace(GOOD, name=old)])
    assert finding.severity is Severity.ERROR


def test_one_mebibyte_of_values_is_allowed_however_long_the_keys_are() -> None:
    assert validate([replace(GOOD, data={"k" * 100: b"x" * (1024 * 1024)})], []) == ()


def test_neither_values_nor_lengths_of_a_large_secret_are_told() -> None:
    (finding,) = validate([Content(SECRET, {"cert": b"x" * (1024 * 1024), "b": b"1234"})], [])
    assert "1048580" not in str(finding) and "cert" in finding.fix


def test_utf8_errors_name_the_line() -> None:
    (finding,) = validate([replace(GOOD, data={"config.yaml": b"a: 1\nb: \xff\n"})], [])
    assert finding.line == 9 and "line 2 of the value" in finding.problem


def test_what_a_pod_needs_and_does_not_find_is_an_error() -> None:
    there = Content(NAME, {"a": b"1"}, {"logo": b"2"}, file="app.yaml", line=3)
    items = [{"key": key, "path": key} for key in ("a", "b", "logo")]
    volumes = [{"name": "app", "configMap": {"name": "app", "items": items}}]
    entries = [{"secretRef": {"name": "app"}}, {"secretRef": {"name": "maybe", "optional": True}}]
    needed = references({"spec": {"volumes": volumes, "containers": [{"name": "web", "envFrom": entries}]}})
    key, whole = validate([there], [], needed)
    assert (key.check, key.severity, key.name, key.key, key.file, key.line) == (
        "reference/missing", Severity.ERROR, "configmap/app", "b", "app.yaml", 3,
    )  # fmt: skip
    assert "volumes[app].configMap" in key.problem and "a, logo" in key.fix
    assert (whole.name, whole.key, whole.severity) == ("secret/app", "", Severity.ERROR)
    assert "containers[web].envFrom" in whole.problem


def test_an_object_that_one_place_needs_is_missed_though_the_last_mention_is_optional() -> None:
    entries = [{"configMapRef": {"name": "app"}}, {"configMapRef": {"name": "app", "optional": True}}]
    needed = references({"spec": {"containers": [{"name": "web", "envFrom": entries}]}})
    assert needed[0].optional
    assert [finding.check for finding in validate([], [], needed)] == ["reference/missing"]
    assert validate([], [], references({"spec": {"containers": [{"name": "web", "envFrom": entries[1:]}]}})) == ()


@given(st.text(max_size=30), st.sampled_from(["a.yaml", "a.json", "a.toml", "a.ini", ".env", "a.properties"]))
def test_a_finding_about_a_secret_says_the_same_whatever_its_value(value: str, key: str) -> None:
    for finding in validate([Content(SECRET, {key: value.encode()})], []):
        assert re.fullmatch(r"is not \w+(, line \d+ of the value)?", finding.problem)
