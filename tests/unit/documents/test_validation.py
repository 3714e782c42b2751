"""`spec.validation` of a RolloutPolicy: what may be written, where it is refused, and what it means."""

import json

import pytest

from trimtab.documents.decode import read_documents
from trimtab.documents.trimtab import RolloutPolicy
from trimtab.documents.validation import content_rules
from trimtab.errors import DocumentError, InputError
from trimtab.model.content import ContentRules, Severity
from trimtab.model.names import ConfigKind

HEAD = "apiVersion: trimtab.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: {name: careful}\nspec:\n  validation:\n"
SCHEMAS = """\
    schemas:
    - configMap: app
      key: config.yaml
      schema:
        type: object
        required: [db]
    - secret: db-*
      key: db.json
      schema:
        {$schema: 'http://json-schema.org/draft-07/schema#', properties: {a: {$ref: '#/definitions/b'}}, definitions: {b: {type: string}}}
"""


def rules(text: str) -> ContentRules:
    (decoded,) = read_documents(HEAD + text, "policy.yaml")
    assert isinstance(decoded.value, RolloutPolicy)
    return content_rules(decoded.value.spec.validation)


def test_everything_that_is_written_is_in_the_rules() -> None:
    found = rules('    maxSize: 256Ki\n    factor: 3\n    severities: {content/emptied: error, content/secret: "off"}\n' + SCHEMAS)
    assert (found.largest, found.factor, found.spoken) == (256 * 1024, 3.0, True)
    assert found.severities == (("content/emptied", Severity.ERROR), ("content/secret", Severity.OFF))
    first, second = found.schemas
    assert (first.kind, first.name, first.key) == (ConfigKind.CONFIG_MAP, "app", "config.yaml")
    assert json.loads(first.schema) == {"type": "object", "required": ["db"]}
    assert (second.kind, second.name, second.place) == (ConfigKind.SECRET, "db-*", "spec.validation.schemas[1] of the RolloutPolicy")


def test_without_a_policy_the_defaults_count_and_warnings_are_not_spoken() -> None:
    assert content_rules(None) == ContentRules() and not ContentRules().spoken
    assert rules("    factor: 10\n") == ContentRules(spoken=True)


def test_formats_need_not_be_looked_at() -> None:
    assert rules("    formats: false\n").severities == (("content/parses", Severity.OFF),)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("    severities: {content/parse: error}\n", 6, r"spec\.validation\.severities.* no such check; did you mean content/parses\?"),
        ("    severities: {content/secret: off}\n", 6, r"severities.*one of error, off, warning, found true or false.* Quote it"),
        ("    factor: 0.5\n", 6, r"spec\.validation\.factor: expected a number not below 1, found 0\.5"),
        ("    maxSize: 2Mi\n", 6, r"spec\.validation\.maxSize: is 2Mi, and must be from 1 to 1Mi"),
        ("    maxSize: 1GB\n", 6, r"spec\.validation\.maxSize: expected .*a size such as 64Ki"),
        ("    schemas: [{key: a, schema: {}}]\n", 6, r"needs exactly one of configMap and schema, configMap and schemaFrom"),
        (SCHEMAS.replace("type: object", "type: objekt"), 9, r"schemas\[0\]\.schema: is not a usable JSON Schema: at type"),
        (SCHEMAS.replace("#/definitions/b", "https://schemas.example/b"), 14, r"schemas\[1\]\.schema: .*nothing is fetched"),
        (SCHEMAS.replace("type: object", "title: " + 70_000 * "x"), 6, r"schemas: have \d+ bytes together, and may have 65536"),
    ],
)
def test_what_cannot_work_is_refused_with_file_line_and_path(text: str, line: int, words: str) -> None:
    with pytest.raises(DocumentError, match=words) as raised:
        rules(text)
    assert (raised.value.file, raised.value.line) == ("policy.yaml", line)


FROM = "    schemas: [{configMap: app, key: a.yaml, schemaFrom: {configMap: schemas, key: app}}]\n"


def from_config_map(text: str | None) -> ContentRules:
    (decoded,) = read_documents(HEAD + FROM)
    assert isinstance(decoded.value, RolloutPolicy)
    return content_rules(
        decoded.value.spec.validation, lambda source: text if (source.config_map, source.key) == ("schemas", "app") else None
    )


def test_a_schema_may_stand_in_a_config_map_as_yaml_or_json() -> None:
    for text in ("type: object\nrequired: [a]\n", '{"required": ["a"], "type": "object"}'):
        (schema,) = from_config_map(text).schemas
        assert schema.schema == '{"required":["a"],"type":"object"}'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, r"schemas\[0\]\.schemaFrom: key app of ConfigMap schemas does not exist"),
        ("type: objekt\n", r"schemas\[0\]\.schemaFrom: key app of ConfigMap schemas is not a usable JSON Schema: at type"),
        ("a: [\n", r"key app of ConfigMap schemas line "),
        ("- a\n", r"key app of ConfigMap schemas is not a usable JSON Schema: it is no mapping"),
        ("title: " + 70_000 * "x", r"schemas have \d+ bytes together, and may have 65536"),
    ],
)
def test_one_that_is_not_there_or_cannot_be_used_is_an_input_error_that_names_both(text: str | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        from_config_map(text)


def test_where_config_maps_are_not_known_such_schemas_are_left_out() -> None:
    assert rules(FROM).schemas == ()
