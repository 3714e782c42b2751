"""What a change may do to content only with a warning, and how rules change what counts."""

import json
from cProfile import Profile
from dataclasses import replace

import pytest
import yaml

from trimtab.config.formats import attempt
from trimtab.config.positions import composed
from trimtab.model.content import Content, ContentRules, Finding, Severity
from trimtab.model.names import ConfigKind, ConfigName
from trimtab.validation.catalogue import BY_ID, CONTENT
from trimtab.validation.changes import MORE
from trimtab.validation.checks import validate

NAME, SECRET = ConfigName(ConfigKind.CONFIG_MAP, "app"), ConfigName(ConfigKind.SECRET, "app")
YAML = "config.yaml"


def changed(before: str, after: str, key: str = YAML, rules: ContentRules | None = None) -> tuple[Finding, ...]:
    old = Content(NAME, {key: before.encode()}, file="app.yaml", key_lines={key: 10}, value_lines={key: range(11, 99)})
    new = replace(old, data={key: after.encode()})
    return validate([new], [old], rules=rules or ContentRules())


def test_a_key_that_is_gone_is_a_warning() -> None:
    (finding,) = validate([Content(NAME, {"a": b"1"}, file="app.yaml", line=3)], [Content(NAME, {"a": b"1", "b": b"2"})])
    assert (finding.check, finding.severity, finding.key, finding.line) == ("content/deleted", Severity.WARNING, "b", 3)


def test_a_key_that_moved_to_binary_data_is_there() -> None:
    assert validate([Content(NAME, {}, {"b": b"2"})], [Content(NAME, {"b": b"2"})]) == ()


@pytest.mark.parametrize(
    "after", ["", "  \n", "{}\n", "# nothing left\n", "---\n", "{ } # for now\n", "null\n", "''\n", "---\n{}\n---\n[]\n"]
)
def test_a_value_that_says_nothing_any_more_is_a_warning(after: str) -> None:
    checks = [finding.check for finding in changed("a: 1\n", after)]
    assert "content/emptied" in checks


def test_an_emptied_key_of_a_secret_is_found_and_nothing_told_about_it() -> None:
    (finding,) = validate([Content(SECRET, {"a": b""})], [Content(SECRET, {"a": b"hunter2"})])
    assert finding.check == "content/emptied" and "hunter2" not in str(finding)


def test_what_was_empty_may_stay_so() -> None:
    assert changed("", "\n") == ()


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("a:\n  b: 1\n", "a:\n  b: one\n", 12),
        ("a: [1]\n", "a: {x: 1}\n", 11),
        ("a: 1\nb: true\n", "a: 1\nb: 'true'\n", 12),
        ("a: 1\nb: 2\n", "a: 1\nb:\n", 12),
    ],
)
def test_another_type_is_a_warning_at_its_line(before: str, after: str, line: int) -> None:
    found = [finding for finding in changed(before, after) if finding.check == "content/type"]
    assert [(finding.severity, finding.line) for finding in found] == [(Severity.WARNING, line)]


def test_what_was_null_may_become_anything_and_whole_numbers_fractions() -> None:
    assert changed("a:\nb: 1\n", "a: 1\nb: 1.5\n") == ()


def test_an_amount_that_changes_by_more_than_the_factor_is_a_warning_that_shows_both() -> None:
    (finding,) = changed("a: 1\npool: 10\n", "a: 1\npool: 1000\n")
    assert (finding.check, finding.severity, finding.line) == ("content/factor", Severity.WARNING, 12)
    assert finding.problem == "pool: 100 times as much: 10 -> 1000"
    (finding,) = changed("a: 1\ntimeout: 30s\n", "a: 1\ntimeout: 30ms\n")
    assert finding.problem == "timeout: 1e+03 times less: 30s -> 30ms"


def test_up_to_the_factor_nothing_is_said() -> None:
    assert changed("pool: 10\n", "pool: 100\n") == ()
    assert changed("pool: 10\n", "pool: 40\n", rules=ContentRules(factor=3.0)) != ()


def test_amounts_in_plain_text_and_in_whole_values_count() -> None:
    assert [finding.line for finding in changed("user a;\nlisten 80;\n", "user a;\nlisten 8080;\n", "nginx.conf")] == [12]
    assert [finding.check for finding in changed("10", "10000", "POOL_SIZE")] == ["content/factor"]


def test_amounts_that_may_be_credentials_are_not_shown() -> None:
    findings = changed("a: 1\ndb_password: 12a\n", "a: 1\ndb_password: [1, 'Zk3v9Qm2x']\n")
    assert findings and not any("Zk3v9" in str(finding) for finding in findings)


def many(count: int, factor: int, key: str) -> Content:
    """So many services, each with a timeout."""
    tree = {f"service-{number}": {"timeout": (number + 1) * factor, "name": factor} for number in range(count)}
    text = yaml.dump(tree) if key == YAML else json.dumps(tree, indent=1)
    return Content(NAME, {key: text.encode()}, file="app.yaml", value_lines={key: range(1, text.count("\n") + 2)})


@pytest.mark.parametrize("key", [YAML, "config.json"])
def test_of_very_many_changes_the_first_few_are_told_and_how_many_more_there_are(key: str) -> None:
    found = validate([many(40, 20, key)], [many(40, 1, key)])
    assert [finding.check for finding in found] == ["content/factor"] * 11
    assert all(finding.line for finding in found[:10]) and found[10].problem == "an amount many times as large or small in 70 more places"


@pytest.mark.parametrize("key", [YAML, "config.json"])
def test_a_value_is_read_as_often_whatever_number_of_its_leaves_has_changed(key: str) -> None:
    def read(count: int) -> int:
        before, after, profile = many(count, 1, key), many(count, 20, key), Profile()
        profile.enable()
        validate([after], [before])
        profile.disable()
        readers = (attempt.__code__, composed.__code__)
        return sum(entry.callcount for entry in profile.getstats() if entry.code in readers)

    assert read(2500) <= read(1) <= 6


def test_of_very_many_keys_that_changed_a_hundred_are_told() -> None:
    old = Content(NAME, {f"key-{number}": b"1" for number in range(500)})
    found = validate([replace(old, data=dict.fromkeys(old.data, b"20"))], [old])
    assert len(found) == 101 and (found[100].key, found[100].problem) == ("", f"{MORE['content/factor']} in 400 more places")


def test_many_lines_that_look_like_credentials_are_told_ten_times() -> None:
    text = "".join(f"n{number}_password: Xq7-w2K!{number}Pz9\n" for number in range(50))
    found = [finding for finding in changed("a: 1\n", text) if finding.check == "content/secret"]
    assert len(found) == 11 and found[10].problem == "more than 10 lines of the value look like credentials"


def test_nothing_of_this_is_told_about_values_of_a_secret() -> None:
    assert validate([Content(SECRET, {YAML: b"pin: 99999"})], [Content(SECRET, {YAML: b"pin: 1"})]) == ()


def test_rules_make_errors_of_warnings_and_switch_checks_off() -> None:
    rules = ContentRules(severities=(("content/factor", Severity.ERROR), ("content/type", Severity.OFF)))
    assert [(found.check, found.severity) for found in changed("a: 1\nb: 1\n", "a: 1000\nb: x\n", rules=rules)] == [
        ("content/factor", Severity.ERROR)
    ]


def test_a_smaller_size_limit_counts() -> None:
    (finding,) = validate([Content(NAME, {"a": b"12345"})], [], rules=ContentRules(largest=4))
    assert finding.check == "content/size" and "5 bytes" in finding.problem and "may have 4" in finding.problem


def test_the_catalogue_has_each_check_once_with_a_sentence() -> None:
    assert len(BY_ID) == len(CONTENT)
    assert all(check.says.endswith(".") and check.severity in (Severity.ERROR, Severity.WARNING) for check in CONTENT)
