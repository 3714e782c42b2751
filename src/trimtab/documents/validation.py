"""`spec.validation` of a RolloutPolicy: what content is held against, its rules beyond the schema, and its translation.

Read by `documents.decode`, translated by `documents.translate`.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from trimtab.documents.fields import SIZE_PATTERN, Fields, Shapes, require_one_shape
from trimtab.documents.fitting import Misfit, nearest
from trimtab.documents.nodes import Path
from trimtab.documents.yaml import read_yaml
from trimtab.errors import InputError
from trimtab.model.content import ContentRules, KeySchema, Severity
from trimtab.model.names import ConfigKind
from trimtab.validation.catalogue import BY_ID
from trimtab.validation.schemas import compiled

SeverityName = Literal["error", "warning", "off"]
UNITS = {"": 1, "k": 1000, "Ki": 1024, "M": 1000**2, "Mi": 1024**2}
LARGEST = 1024 * 1024
TOO_LONG = "have {} bytes together, and may have 65536, since they are recorded with every rollout. Shorten them"
MOST_SCHEMAS = 64 * 1024
"""Bytes of all schemas of one policy: they are pinned with every rollout, in an object that may have 1.5 MB."""


class SchemaSource(Fields, frozen=True, kw_only=True):
    """A key of a ConfigMap in the policy's namespace that holds a JSON Schema, as JSON or YAML."""

    config_map: Annotated[str, Meta(min_length=1)]
    key: Annotated[str, Meta(min_length=1)]


class ContentSchema(Fields, frozen=True, kw_only=True):
    """The JSON Schema of one key of a ConfigMap or Secret."""

    config_map: (
        Annotated[
            str,
            Meta(min_length=1, description="The ConfigMap, without the hash that Kustomize puts behind its name; `*` stands for anything."),
        ]
        | None
    ) = None
    secret: (
        Annotated[str, Meta(min_length=1, description="The Secret, in the same way. Findings never say more than the place.")] | None
    ) = None
    key: Annotated[str, Meta(min_length=1, description="The key whose value is held against the schema, for example config.yaml.")]
    schema: (
        Annotated[
            Mapping[str, object],
            Meta(description="The schema itself. Its draft is what $schema names, else 2020-12; references lead to itself or nowhere."),
        ]
        | None
    ) = None
    schema_from: SchemaSource | None = None

    SHAPES: ClassVar[Shapes] = (("configMap", "schema"), ("configMap", "schemaFrom"), ("secret", "schema"), ("secret", "schemaFrom"))

    def __post_init__(self) -> None:
        """One ConfigMap or Secret is named, and one schema."""
        require_one_shape(self, self.SHAPES)


Read = Callable[[SchemaSource], str | None]
"""The text of a key of a ConfigMap; None where there is none."""


class Validation(Fields, frozen=True, kw_only=True):
    """What new content is held against before anybody sees it. A finding of severity error keeps all traffic away from it."""

    formats: Annotated[
        bool,
        Meta(description="A value whose key ends in .yaml, .json, .toml, .ini, .properties or .env must parse, if the promoted one did."),
    ] = True
    max_size: Annotated[
        int | Annotated[str, Meta(pattern=SIZE_PATTERN)],
        Meta(
            description="Bytes of all values of one ConfigMap or Secret, for example 64Ki; at most 1Mi, which is what the API server takes."
        ),
    ] = "1Mi"
    factor: Annotated[
        float, Meta(ge=1, description="A number, duration or size that grows or shrinks by more than this factor is a finding.")
    ] = 10.0
    schemas: Annotated[tuple[ContentSchema, ...], Meta(max_length=100)] = ()
    severities: Annotated[
        Mapping[str, SeverityName],
        Meta(
            description=(
                'How bad a finding of a check is, where it is not the usual: "error", "warning" or, in quotes, "off". The checks are '
                f"{', '.join(name for name in BY_ID if name.startswith('content/'))}."
            )
        ),
    ] = {}


def misfits(written: Validation) -> Iterator[Misfit]:
    """Everything that a schema of the CRD cannot say."""
    at: Path = ("spec", "validation")
    for check in written.severities:
        if check not in BY_ID:
            yield Misfit((*at, "severities", check), f"there is no such check; {nearest(check, BY_ID)}")
    if not 1 <= size(written.max_size) <= LARGEST:
        yield Misfit((*at, "maxSize"), f"is {written.max_size}, and must be from 1 to 1Mi, which is what the API server takes")
    whole = 0
    for index, rule in enumerate(written.schemas):
        if rule.schema is None:
            continue
        text = text_of(rule.schema)
        whole += len(text)
        try:
            compiled(text)
        except InputError as error:
            yield Misfit((*at, "schemas", index, "schema"), str(error))
    if whole > MOST_SCHEMAS:
        yield Misfit((*at, "schemas"), TOO_LONG.format(whole))


def content_rules(written: Validation | None, read: Read | None = None) -> ContentRules:
    """The rules of the model. Without any, only what keeps content from being read is an error, and warnings are in the journal alone.

    `read` gives the text of a schema that stands in a ConfigMap; without it those are left out. InputError for one that is not there or
    cannot be used.
    """
    if written is None:
        return ContentRules()
    severities = {name: Severity(severity) for name, severity in sorted(written.severities.items())}
    if not written.formats:
        severities.setdefault("content/parses", Severity.OFF)
    schemas = tuple(
        KeySchema(
            ConfigKind.CONFIG_MAP if rule.config_map else ConfigKind.SECRET,
            rule.config_map or rule.secret or "",
            rule.key,
            text,
            f"spec.validation.schemas[{index}] of the RolloutPolicy",
        )
        for index, rule in enumerate(written.schemas)
        if (text := text_of(rule.schema) if rule.schema is not None else fetched(index, rule, read))
    )
    if (whole := sum(len(schema.schema) for schema in schemas)) > MOST_SCHEMAS:
        raise InputError(f"spec.validation.schemas {TOO_LONG.format(whole)}")
    return ContentRules(tuple(severities.items()), schemas, size(written.max_size), written.factor, spoken=True)


def fetched(index: int, rule: ContentSchema, read: Read | None) -> str:
    """A schema that stands in a ConfigMap, as JSON text; empty where ConfigMaps are not known."""
    source, place = rule.schema_from, f"spec.validation.schemas[{index}].schemaFrom"
    if source is None or read is None:
        return ""
    named = f"{place}: key {source.key} of ConfigMap {source.config_map}"
    found = read(source)
    if found is None:
        raise InputError(f"{named} does not exist. Add it, or correct the names")
    try:
        return as_json(found)
    except InputError as error:
        raise InputError(f"{named} {error}") from None


@lru_cache(maxsize=64)
def as_json(text: str) -> str:
    """A JSON Schema that is written as JSON or YAML, as JSON. InputError for one that cannot be used."""
    documents = read_yaml(text)
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise InputError("is not a usable JSON Schema: it is no mapping")
    schema = text_of(documents[0].value)
    compiled(schema)
    return schema


def text_of(schema: Mapping[str, object]) -> str:
    """The schema as JSON text, one text for equal schemas."""
    return json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def size(written: int | str) -> int:
    """Bytes."""
    if isinstance(written, int):
        return written
    number = written.rstrip("kKMi")
    return int(number) * UNITS[written[len(number) :]]
