"""JSON Schemas of keys: what fits, what is told where it does not, and that nothing is fetched."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.errors import InputError
from trimtab.model.content import Content, ContentRules, Finding, KeySchema, Severity
from trimtab.model.names import ConfigKind, ConfigName
from trimtab.validation.checks import validate
from trimtab.validation.schemas import compiled

POOL = {
    "type": "object",
    "required": ["db"],
    "additionalProperties": False,
    "properties": {
        "mode": {"enum": ["fast", "safe"]},
        "api_token": {"type": "string", "maxLength": 5},
        "db": {"type": "object",
               "properties": {"pool": {"type": "integer", "maximum": 100}, "hosts": {"type": "array", "items": {"pattern": "^db"}}}},
    },
}  # fmt: skip
PLACE = "spec.validation.schemas[0]"


def rules(schema: object = POOL, name: str = "app", key: str = "config.yaml", kind: ConfigKind = ConfigKind.CONFIG_MAP) -> ContentRules:
    return ContentRules(schemas=(KeySchema(kind, name, key, json.dumps(schema), PLACE),))


def found(text: str, given: ContentRules | None = None, key: str = "config.yaml", name: str = "app") -> tuple[Finding, ...]:
    content = Content(
        ConfigName(ConfigKind.CONFIG_MAP, name),
        {key: text.encode()},
        file="app.yaml",
        key_lines={key: 10},
        value_lines={key: range(11, 99)},
    )
    return validate([content], [content], rules=given or rules(key=key))


def test_a_value_that_fits_has_no_findings() -> None:
    assert found("db:\n  pool: 10\n") == ()


def test_a_value_that_does_not_fit_is_an_error_with_place_line_limit_and_fix() -> None:
    (finding,) = found("mode: fast\ndb:\n  pool: 500\n")
    assert (finding.check, finding.severity, finding.line) == ("content/schema", Severity.ERROR, 13)
    assert finding.problem == "does not fit its JSON Schema at db.pool: it is 500, and must be at most 100"
    assert PLACE in finding.fix


@pytest.mark.parametrize(
    ("key", "text", "line"),
    [
        ("a.json", '{\n "db": {\n  "pool": 500\n }\n}\n', 13),
        ("a.toml", "mode = 'fast'\n\n[db]\npool = 500\n", 14),
        ("a.yaml", "db: {hosts: [db1,\n  web]}\n", 12),
        ("a.yaml", "db: {}\n---\ndb:\n  pool: 500\n", 14),
        ("a.ini", "[db]\npool=500\n", 12),
    ],
)
def test_the_line_is_known_in_every_format(key: str, text: str, line: int) -> None:
    # In INI everything is text.
    schema = {"properties": {"db": {"properties": {"pool": {"maxLength": 2}}}}} if key == "a.ini" else POOL
    assert [finding.line for finding in found(text, rules(schema, key=key), key)] == [line]


@pytest.mark.parametrize(
    ("schema", "text", "said"),
    [
        ({"required": ["b"]}, "a: 1\n", '"b" is missing'),
        ({"properties": {"a": {"type": ["integer", "null"]}}}, "a: yes please\n", 'at a: it is "yes please", and must be null or integer'),
        ({"properties": {"c": {}}, "additionalProperties": False}, "a: 1\nb: 2\n", '"a", "b" may not be there'),
        ({"properties": {"a": {"enum": ["x", 1, None]}}}, "a: y\n", 'at a: it is "y", and must be one of x, 1, null'),
        ({"properties": {"a": {"anyOf": [{"type": "null"}, {"maximum": 1}]}}}, "a: 2\n", "at a: it fits none of the alternatives"),
        ({"properties": {"a": {"items": {"type": "string"}}}}, "a: [x, 2]\n", "at a[1]: it is 2, and must be string"),
        ({"additionalProperties": False}, "a: 1\n", "no name is allowed here"),
        ({"type": "array"}, "a: 1\n", "it is a mapping, and must be array"),
        ({"properties": {"a": False}}, "a: 1\n", "at a: nothing is allowed here"),
        ({"minProperties": 2}, "a: 1\n", "it is a mapping, and must be 2 or more names"),
    ],
)
def test_what_is_wrong_is_said_in_words(schema: object, text: str, said: str) -> None:
    (finding,) = found(text, rules(schema))
    assert finding.problem.endswith(said)


def test_what_may_be_a_credential_is_not_shown() -> None:
    (finding,) = found("api_token: Zk3v9Qm2xW7tL5pR8sD1\ndb: {}\n")
    assert "Zk3v9" not in str(finding) and finding.problem.endswith("at api_token: it is text, and must be at most 5 characters")


def test_what_a_short_word_is_may_be_shown_and_only_so_much_of_a_long_one() -> None:
    (finding,) = found("mode: " + "turbo " * 30 + "\ndb: {}\n")
    assert "turbo" in finding.problem and len(finding.problem) < 220


@given(st.text(alphabet="abcxyz0123456789", min_size=8, max_size=20))
def test_of_a_secret_only_the_place_is_named(value: str) -> None:
    schema = {"properties": {"password": {"maxLength": 3}, "x": {"const": "never"}}}
    content = Content(ConfigName(ConfigKind.SECRET, "db"), {"config.yaml": f"password: '{value}'\nx: '{value}'\n".encode()})
    problems = [finding.problem for finding in validate([content], [], rules=rules(schema, "db", kind=ConfigKind.SECRET))]
    assert sorted(problems) == ["does not fit its JSON Schema at password", "does not fit its JSON Schema at x"]


def test_a_value_that_does_not_parse_cannot_be_held_against_a_schema_and_that_is_an_error() -> None:
    findings = found("db: [\n")
    assert [(finding.check, finding.severity) for finding in findings] == [
        ("content/parses", Severity.WARNING),
        ("content/schema", Severity.ERROR),
    ]


def test_plain_text_is_a_string_and_nothing_is_null() -> None:
    level = rules({"enum": ["debug", "info"]}, key="LOG_LEVEL")
    assert found("debug", level, "LOG_LEVEL") == ()
    assert "must be one of debug, info" in found("loud", level, "LOG_LEVEL")[0].problem
    assert "it is null, and must be object" in found("# nothing\n", rules({"type": "object"}))[0].problem


def test_a_schema_counts_for_names_with_kustomizes_hash_and_for_patterns() -> None:
    assert found("db: {pool: 500}\n", name="app-5f4mc9h82b")
    assert found("db: {pool: 500}\n", rules(name="a*"))
    assert found("db: {pool: 500}\n", rules(name="other")) == ()


def test_a_schema_for_a_key_that_does_not_exist_is_a_warning_with_the_keys_that_do() -> None:
    (finding,) = found("a: 1\n", rules(key="confg.yaml"))
    assert (finding.check, finding.severity) == ("content/schema-unused", Severity.WARNING) and "config.yaml" in finding.fix


def test_many_problems_are_cut_and_the_rest_is_owned_up_to() -> None:
    findings = found("\n".join(f"a{number}: x" for number in range(50)), rules({"additionalProperties": {"type": "integer"}}))
    assert len(findings) == 11 and "more than 10 places" in findings[-1].problem


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "strin"}, "at type"),
        ({"pattern": "("}, "regex"),
        ({"$ref": "https://schemas.example/app.json"}, "nothing is fetched"),
        ({"$ref": "file:///etc/hostname"}, "nothing is fetched"),
        ({"properties": {"a": {"$ref": "other.json"}}}, "nothing is fetched"),
        ({"$ref": "#/$defs/nowhere"}, "/$defs/nowhere"),
        ({"$schema": "https://schemas.example/own"}, "schemas.example/own"),
        ("text", "usable"),
    ],
)
def test_an_unusable_schema_is_an_input_error_that_says_why(schema: object, said: str) -> None:
    with pytest.raises(InputError, match="is not a usable JSON Schema") as raised:
        compiled(json.dumps(schema))
    assert said in str(raised.value)


def test_the_draft_is_the_one_that_the_schema_names() -> None:
    items = {"items": [{"type": "integer"}], "additionalItems": False}
    assert found("[1, 2]\n", rules({"$schema": "http://json-schema.org/draft-07/schema#", **items}))
    with pytest.raises(InputError):
        compiled(json.dumps(items))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3),
        max_leaves=8,
    )
)
def test_every_value_can_be_held_against_a_schema(value: object) -> None:
    for key in ("config.yaml", "a.json", "a.txt"):
        validate_all = rules({"type": "object"}, key=key)
        content = Content(ConfigName(ConfigKind.CONFIG_MAP, "app"), {key: json.dumps(value).encode()})
        assert {finding.check for finding in validate([content], [], rules=validate_all)} <= {"content/schema", "content/parses"}


def test_dates_and_numbers_beyond_all_limits_are_no_trouble() -> None:
    toml = "day = 2024-11-25\nat = 2024-11-25T10:00:00Z\nt = 10:00:00\n"
    assert found(toml, rules({"additionalProperties": {"type": "string"}}, key="a.toml"), "a.toml") == ()
    assert found("a: " + "9" * 300 + "\n", rules({"properties": {"a": {"maximum": 5}}}))
