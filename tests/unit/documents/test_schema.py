"""The CRDs: made from the types, equal to Flagger's where users rely on it, and in agreement with `decode`."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import cast

import yaml

from trimtab.documents.schema import FLAGGER_KINDS, TRIMTAB_KINDS, Schema, crd, crd_files

ROOT = Path(__file__).parents[3]
DEPARTURES = {"Canary": "required=spec", "MetricTemplate": "required=spec", "AlertProvider": "required=spec"}
"""Flagger's schema lets objects without a spec in, which its controller cannot use."""


@lru_cache
def root_schema(kind: str) -> Schema:
    (found,) = (crd(item) for item in (*FLAGGER_KINDS, *TRIMTAB_KINDS) if item.document.__name__ == kind)
    spec = cast(dict[str, list[dict[str, dict[str, Schema]]]], found["spec"])
    return spec["versions"][0]["schema"]["openAPIV3Schema"]


def rows(schema: Schema, path: str) -> Iterator[tuple[str, ...]]:
    """A schema as the rows of the fact table."""
    kind = "int-or-string" if schema.get("x-kubernetes-int-or-string") else str(schema["type"])
    row = [path, kind]
    for name in ("enum", "required"):
        if name in schema:
            row.append(f"{name}={'|'.join(sorted(cast(list[str], schema[name])))}")
    row += [
        f"{name}={schema[name]}"
        for name in ("pattern", "default", "minimum", "maximum", "minLength", "maxLength", "maxItems")
        if name in schema
    ]
    yield tuple(row)
    for name, inner in cast(Mapping[str, Schema], schema.get("properties", {})).items():
        yield from rows(inner, f"{path}.{name}")
    for key, mark in (("additionalProperties", "{}"), ("items", "[]")):
        if key in schema:
            yield from rows(cast(Schema, schema[key]), path + mark)


def test_the_committed_crds_are_what_the_types_say() -> None:
    for name, text in crd_files().items():
        assert (ROOT / "crds" / name).read_text(encoding="utf-8") == text, "run tools/write_crds.py"


def test_crd_4_every_field_of_flagger_is_there_with_its_type_and_limits_and_no_other() -> None:
    table = (Path(__file__).with_name("flagger_fields.tsv")).read_text(encoding="utf-8").splitlines()[1:]
    flagger = {line.split("\t")[0]: tuple(line.split("\t")[1:]) for line in table}
    ours = {row[0]: row[1:] for kind in FLAGGER_KINDS for row in rows(root_schema(kind.document.__name__), kind.document.__name__)}
    assert ours.keys() == flagger.keys()
    for path, facts in ours.items():
        expected = flagger[path]
        if path in DEPARTURES:
            expected = (*expected, DEPARTURES[path])
        if facts[0] == "integer" and expected[0] == "number":
            expected = ("integer", *expected[1:])
        assert facts == expected, path


def test_crd_4_the_numbers_that_may_have_a_fraction_are_thresholds_of_metrics() -> None:
    metric = "Canary.spec.analysis.metrics[]"
    fractions = {row[0] for row in rows(root_schema("Canary"), "Canary") if row[1] == "number"}
    assert fractions == {f"{metric}.threshold", f"{metric}.thresholdRange.min", f"{metric}.thresholdRange.max"}


def test_crd_1_and_2_names_category_subresource_and_columns_are_flaggers() -> None:
    for kind, plural in zip(FLAGGER_KINDS, ("canaries", "metrictemplates", "alertproviders"), strict=True):
        found = crd(kind)
        assert found["metadata"] == {"name": f"{plural}.flagger.app", "annotations": {"helm.sh/resource-policy": "keep"}}
        spec = cast(dict[str, Mapping[str, object]], found["spec"])
        assert [str(spec["group"]), str(spec["scope"])] == ["flagger.app", "Namespaced"]
        assert spec["names"]["categories"] == ["all"]
        assert "shortNames" not in spec["names"]
        (version,) = cast(list[dict[str, object]], spec["versions"])
        assert (version["name"], version["served"], version["storage"], version["subresources"]) == ("v1beta1", True, True, {"status": {}})
    canary = cast(dict[str, list[dict[str, list[dict[str, object]]]]], crd(FLAGGER_KINDS[0])["spec"])["versions"][0]
    assert [(column["name"], column["jsonPath"], column.get("priority", 0)) for column in canary["additionalPrinterColumns"]] == [
        ("Status", ".status.phase", 0),
        ("Weight", ".status.canaryWeight", 0),
        ("Suspended", ".spec.suspend", 1),
        ("FailedChecks", ".status.failedChecks", 1),
        ("Interval", ".spec.analysis.interval", 1),
        ("Mirror", ".spec.analysis.mirror", 1),
        ("StepWeight", ".spec.analysis.stepWeight", 1),
        ("StepWeights", ".spec.analysis.stepWeights", 1),
        ("MaxWeight", ".spec.analysis.maxWeight", 1),
        ("LastTransitionTime", ".status.lastTransitionTime", 0),
    ]


def test_crd_3_schemas_are_structural_and_keep_no_unknown_fields_in_flaggers_kinds() -> None:
    for name, text in crd_files().items():
        for document in yaml.safe_load_all(text):
            words = str(document)
            assert "$ref" not in words
            assert "'additionalProperties': False" not in words
            assert "nullable" not in words
            free = "ConfigRollout'" in words or "RolloutPolicy'" in words
            assert ("preserve-unknown" in words) is (name == "trimtab.dev.yaml" and free)


def test_crd_6_exactly_one_shape_of_analysis_is_demanded() -> None:
    spec = cast(dict[str, dict[str, dict[str, Schema]]], root_schema("Canary")["properties"])["spec"]["properties"]
    assert spec["analysis"]["oneOf"] == [
        {"required": ["interval", "threshold", field]} for field in ("iterations", "stepWeight", "stepWeights")
    ]
