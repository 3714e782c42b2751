"""What must not be shown to anyone, and what is only worth a warning (C3)."""

from dataclasses import replace

from trimtab.model.content import Content, Severity
from trimtab.model.names import ConfigKind, ConfigName
from trimtab.validation.checks import validate

NAME, SECRET = ConfigName(ConfigKind.CONFIG_MAP, "app"), ConfigName(ConfigKind.SECRET, "app")
GOOD = Content(NAME, {"config.yaml": b"a: 1\n"}, file="app.yaml", key_lines={"config.yaml": 7})
BAD = replace(GOOD, data={"config.yaml": b"a: 1\nb: [1,\n"})


def test_a_value_that_parsed_and_does_not_any_more_is_an_error_with_file_and_line() -> None:
    (finding,) = validate([BAD], [GOOD])
    assert finding.severity is Severity.ERROR and finding.check == "content/parses"
    assert (finding.name, finding.key, finding.file, finding.line) == ("configmap/app", "config.yaml", "app.yaml", 10)


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
