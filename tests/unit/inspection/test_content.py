"""What values hold, under the names and lines of files."""

from dataclasses import replace

import pytest

from trimtab.inspection.content import judged
from trimtab.model.content import ContentRules, Finding, KeySchema
from trimtab.model.names import ConfigKind
from trimtab.model.rendered import Rendered
from unit.inspection.cases import found, target

CONFIG = """apiVersion: v1
kind: ConfigMap
metadata: {name: settings-TRACK}
data:
  config.yaml: |
    pool: 10
    name: a
"""
CANARY, STABLE = CONFIG.replace("TRACK", "canary"), CONFIG.replace("TRACK", "stable")


def following() -> list[Rendered]:
    return [target(STABLE, "web/stable", "-stable")]


def told(after: Rendered, before: Rendered | None, rules: ContentRules) -> list[Finding]:
    return list(judged(after.objects, before.objects if before else (), rules))


def test_without_a_change_only_what_a_value_is_counts_and_it_parses_if_that_of_the_next_target_does() -> None:
    assert found(CANARY.replace("pool: 10", "pool: 100000"), "content/factor", following=following()) == []
    broken = target(CANARY.replace("pool: 10", "pool: [10"), suffix="-canary")
    (only,) = told(broken, following()[0], ContentRules())
    assert (only.check, str(only.severity), only.name, only.line) == ("content/parses", "error", "configmap/settings-canary", 6)


@pytest.mark.parametrize(
    ("value", "severity"),
    [
        ("pool: [10", "error"), ("pool: {{ pool }}: x", "warning"), ("pool: [${POOL}", "warning"), ("pool: [@POOL@", "warning"),
        ("pool: [10 # {{ so }}", "warning"), ("# {{ so }}\n    pool: [10", "error"), ("name: b", "warning"),
    ],
)  # fmt: skip
def test_a_value_that_was_never_seen_has_to_parse_unless_something_fills_it_or_many_take_it(value: str, severity: str) -> None:
    (only,) = found(CANARY.replace("pool: 10", value), "content/parses")
    assert only.startswith(severity)


def test_json_with_comments_is_a_doubt_and_json_without_its_end_an_error() -> None:
    text = CANARY.replace("config.yaml: |\n    pool: 10\n    name: a", "config.json: |\n    // so\n    {}")
    assert found(text, "content/parses")[0].startswith("warning")
    assert found(text.replace("// so\n    {}", '{"pool": 10'), "content/parses")[0].startswith("error")


def test_a_new_key_is_not_excused_by_what_was_there_before() -> None:
    broken = CANARY + "  more.yaml: '[x'\n"
    assert [line[:5] for line in found(broken, "content/parses", before=CANARY)] == ["error"]
    assert [line[:7] for line in found(broken, "content/parses", before=broken)] == ["warning"]


def test_a_change_is_judged_against_what_was_there() -> None:
    (only,) = found(CANARY.replace("pool: 10", "pool: 100000"), "content/factor", before=CANARY)
    assert only.startswith("warning 6: ")


def test_schemas_go_by_the_name_that_an_object_has_in_all_targets() -> None:
    schema = KeySchema(ConfigKind.CONFIG_MAP, "settings", "config.yaml", '{"properties": {"pool": {"maximum": 5}}}', "pool.json")
    rules = ContentRules(schemas=(schema,))
    (only,) = told(target(CANARY, suffix="-canary"), None, rules)
    assert (only.check, only.line) == ("content/schema", 6)
    assert told(target(CANARY), None, rules) == []


def test_a_value_that_is_a_whole_file_has_the_lines_of_that_file() -> None:
    rendered = target(CANARY.replace("name: a", "name: [a"), suffix="-canary")
    (config,) = rendered.objects
    made = replace(config, key_places={"config.yaml": ("settings/config.yaml", 1)}, value_lines={"config.yaml": range(1, 9)})
    (only,) = told(replace(rendered, objects=(made,)), following()[0], ContentRules())
    assert (only.file, only.line) == ("settings/config.yaml", 2)


def test_objects_of_two_namespaces_are_not_taken_for_each_other() -> None:
    here, there = (target(CANARY.replace("name: settings", f"namespace: {space}, name: settings")) for space in ("a", "b"))
    both = replace(here, objects=(*here.objects, *there.objects))
    emptied = target(
        CANARY.replace("namespace", "namespace").replace("name: settings", "namespace: b, name: settings").split("  config")[0]
    )
    assert [only.check for only in told(replace(both, objects=(*here.objects, *emptied.objects)), both, ContentRules())] == [
        "content/deleted"
    ]
