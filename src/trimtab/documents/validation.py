"""`spec.validation` of a RolloutPolicy: what content is held against, its rules beyond the schema, and its translation.

Read by `documents.decode`, translated by `documents.translate`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from trimtab.documents.fields import SIZE_PATTERN, Fields, Shapes, require_one_shape
from trimtab.documents.fitting import Misfit, nearest
from trimtab.documents.nodes import Path
from trimtab.errors import InputError
from trimtab.model.content import ContentRules, KeySchema, Severity
from trimtab.model.names import ConfigKind
from trimtab.validation.catalogue import BY_ID
from trimtab.validation.schemas import compiled

SeverityName = Literal["error", "warning", "off"]
UNITS = {"": 1, "k": 1000, "Ki": 1024, "M": 1000**2, "Mi": 1024**2}
LARGEST = 1024 * 1024
MOST_SCHEMAS = 64 * 1024
"""Bytes of all schemas of one policy: they are pinned with every rollout, in an object that may have 1.5 MB."""


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
    schema: Annotated[
        Mapping[str, object],
        Meta(description="The schema itself. Its draft is what $schema names, else 2020-12; references lead to itself or nowhere."),
    ]

    SHAPES: ClassVar[Shapes] = (("configMap",), ("secret",))

    def __post_init__(self) -> None:
        """Exactly one of ConfigMap and Secret is named."""
        require_one_shape(self, self.SHAPES)


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
        text = text_of(rule)
        whole += len(text)
        try:
            compiled(text)
        except InputError as error:
            yield Misfit((*at, "schemas", index, "schema"), str(error))
    if whole > MOST_SCHEMAS:
        problem = f"have {whole} bytes together, and may have {MOST_SCHEMAS}, since they are recorded with every rollout. Shorten them"
        yield Misfit((*at, "schemas"), problem)


def content_rules(written: Validation | None) -> ContentRules:
    """The rules of the model. Without any, only what keeps content from being read is an error, and warnings are in the journal alone."""
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
            text_of(rule),
            f"spec.validation.schemas[{index}] of the RolloutPolicy",
        )
        for index, rule in enumerate(written.schemas)
    )
    return ContentRules(tuple(severities.items()), schemas, size(written.max_size), written.factor, spoken=True)


def text_of(rule: ContentSchema) -> str:
    """The schema as JSON text, one text for equal schemas."""
    return json.dumps(rule.schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def size(written: int | str) -> int:
    """Bytes."""
    if isinstance(written, int):
        return written
    number = written.rstrip("kKMi")
    return int(number) * UNITS[written[len(number) :]]
