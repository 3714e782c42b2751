"""The CRDs of our kinds, made from the types, so that there is one description of each field. Called by `tools/write_crds.py`.

Schemas are structural, as the API server wants them: no references, no `additionalProperties: false`, null is not a value.
What the API server does not say itself is what `documents.decode` says: it drops unknown fields, which `decode` refuses in files.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import yaml
from msgspec import inspect

from trimtab.documents import flagger, trimtab
from trimtab.documents.fields import ObjectMeta, Shapes

Schema = dict[str, object]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`; with `wide` it needs `-o wide`."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """What a CRD says besides the schema."""

    document: type
    api_version: str
    plural: str
    columns: tuple[Column, ...]
    status: bool = True


FLAGGER_KINDS = (
    Kind(
        flagger.Canary,
        flagger.API_VERSION,
        "canaries",
        (
            Column("Status", ".status.phase"),
            Column("Weight", ".status.canaryWeight"),
            Column("Suspended", ".spec.suspend", "boolean", wide=True),
            Column("FailedChecks", ".status.failedChecks", wide=True),
            Column("Interval", ".spec.analysis.interval", wide=True),
            Column("Mirror", ".spec.analysis.mirror", "boolean", wide=True),
            Column("StepWeight", ".spec.analysis.stepWeight", wide=True),
            Column("StepWeights", ".spec.analysis.stepWeights", wide=True),
            Column("MaxWeight", ".spec.analysis.maxWeight", wide=True),
            Column("LastTransitionTime", ".status.lastTransitionTime"),
        ),
    ),
    Kind(flagger.MetricTemplate, flagger.API_VERSION, "metrictemplates", (Column("Provider", ".spec.provider.type"),)),
    Kind(flagger.AlertProvider, flagger.API_VERSION, "alertproviders", (Column("Type", ".spec.type"),)),
)
"""CRD-1, CRD-2."""

TRIMTAB_KINDS = (
    Kind(
        trimtab.RolloutPolicy,
        trimtab.API_VERSION,
        "rolloutpolicies",
        (
            Column("NoData", ".spec.noData"),
            Column("ProviderDown", ".spec.providerDown"),
            Column("Deadline", ".spec.gates.deadline"),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
        status=False,
    ),
    Kind(
        trimtab.ConfigRollout,
        trimtab.API_VERSION,
        "configrollouts",
        (
            Column("Canary", ".spec.canary"),
            Column("Kind", ".spec.kind"),
            Column("Status", ".status.progress"),
            Column("Weight", ".status.weight", "integer"),
            Column("WaitingFor", ".status.waitingFor"),
            Column("By", ".spec.source.author"),
            Column("Changed", ".spec.changedKeys", wide=True),
            Column("From", ".spec.from.id", wide=True),
            Column("To", ".spec.to.id", wide=True),
            Column("Reason", ".status.reason", wide=True),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
        # Record and all that follows from it are one object and one write, so that replacing it is the compare-and-swap (R1).
        status=False,
    ),
    Kind(
        trimtab.RolloutCommand,
        trimtab.API_VERSION,
        "rolloutcommands",
        (
            Column("Canary", ".spec.canary"),
            Column("Verb", ".spec.verb"),
            Column("Actor", ".spec.actor"),
            Column("Rollout", ".spec.rollout", "integer"),
            Column("Answer", ".status.answer"),
            Column("Reason", ".spec.reason", wide=True),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
    ),
)


def crd_files() -> dict[str, str]:
    """The content of each file in `crds/`, by its name."""
    return {"flagger.app.yaml": _yaml(FLAGGER_KINDS), "trimtab.dev.yaml": _yaml(TRIMTAB_KINDS)}


def crd(kind: Kind) -> Schema:
    """The CustomResourceDefinition of one kind (CRD-1: in category `all`, no short names, kept when a Helm release goes)."""
    group, _, version = kind.api_version.partition("/")
    name = kind.document.__name__
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{group}", "annotations": {"helm.sh/resource-policy": "keep"}},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": name, "listKind": f"{name}List", "plural": kind.plural, "singular": name.lower(), "categories": ["all"]},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    **({"subresources": {"status": {}}} if kind.status else {}),
                    "additionalPrinterColumns": [_column(column) for column in kind.columns],
                    "schema": {"openAPIV3Schema": schema(inspect.type_info(kind.document))},
                }
            ],
        },
    }


def schema(expected: inspect.Type) -> Schema:
    """The structural schema of a type. Raises TypeError for a type that a CRD cannot describe."""
    if isinstance(expected, inspect.Metadata):
        return schema(expected.type) | (expected.extra_json_schema or {})
    if isinstance(expected, inspect.UnionType):
        return _union(expected)
    if isinstance(expected, inspect.StructType):
        return _object(expected)
    if isinstance(expected, inspect.DictType):
        free = isinstance(expected.value_type, inspect.CustomType)
        return {"type": "object", **({_FREE: True} if free else {"additionalProperties": schema(expected.value_type)})}
    if isinstance(expected, inspect.VarTupleType):
        limits = {"minItems": expected.min_length, "maxItems": expected.max_length}
        return {"type": "array", **_given(limits), "items": schema(expected.item_type)}
    return _scalar(expected)


_FREE = "x-kubernetes-preserve-unknown-fields"


def _scalar(expected: inspect.Type) -> Schema:
    if isinstance(expected, inspect.LiteralType):
        return {"type": "string", "enum": list(expected.values)}
    if isinstance(expected, inspect.StrType):
        limits = {"pattern": expected.pattern, "minLength": expected.min_length, "maxLength": expected.max_length}
        return {"type": "string", **_given(limits)}
    if isinstance(expected, inspect.IntType | inspect.FloatType):
        name = "integer" if isinstance(expected, inspect.IntType) else "number"
        return {"type": name, **_given({"minimum": expected.ge, "maximum": expected.le})}
    if isinstance(expected, inspect.BoolType):
        return {"type": "boolean"}
    if isinstance(expected, inspect.DateTimeType):
        return {"type": "string", "format": "date-time"}
    raise TypeError(f"a CRD cannot describe {expected}")


def _union(expected: inspect.UnionType) -> Schema:
    options = [option for option in expected.types if not isinstance(option, inspect.NoneType)]
    if len(options) == 1:
        return schema(options[0])
    if {type(option) for option in options} == {inspect.IntType, inspect.StrType}:
        return {"x-kubernetes-int-or-string": True}
    raise TypeError(f"a CRD cannot describe {expected}")


def _object(expected: inspect.StructType) -> Schema:
    whole = any(isinstance(field.type, inspect.StructType) and field.type.cls is ObjectMeta for field in expected.fields)
    named = _NAMES if whole else {}
    required = [field.encode_name for field in expected.fields if field.required and field.encode_name not in named]
    return {
        "type": "object",
        "description": (expected.cls.__doc__ or "").partition("\n")[0],
        **({"required": required} if required else {}),
        **_one_of(getattr(expected.cls, "SHAPES", ())),
        **_rules(getattr(expected.cls, "RULES", ())),
        "properties": {field.encode_name: named.get(field.encode_name) or _property(field) for field in expected.fields},
    }


_NAMES: Mapping[str, Schema] = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
"""What every object has, which the API server checks itself."""


def _property(field: inspect.Field) -> Schema:
    found = schema(field.type)
    default = field.default
    return found | ({"default": default} if isinstance(default, str | int) and default not in (False, 0) else {})


def _one_of(shapes: Shapes) -> Schema:
    """CRD-6: exactly one of the alternatives is there; the empty one stands for none of the others."""
    if not shapes:
        return {}
    alternatives: list[Schema] = [{"required": list(shape)} for shape in shapes if shape]
    return {"oneOf": [{"not": {"anyOf": alternatives}}, *alternatives] if () in shapes else alternatives}


def _rules(rules: trimtab.Rules) -> Schema:
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in rules]} if rules else {}


def _given(limits: Mapping[str, object]) -> Schema:
    return {name: limit for name, limit in limits.items() if limit is not None}


def _column(column: Column) -> Schema:
    return {"name": column.name, "type": column.type, "jsonPath": column.path, **({"priority": 1} if column.wide else {})}


class _Dumper(yaml.CSafeDumper):
    """Writes equal parts in full: a reader should not have to follow anchors."""

    def ignore_aliases(self, data: object) -> bool:
        """Never: every part is written where it stands."""
        return True


def _yaml(kinds: tuple[Kind, ...]) -> str:
    text = yaml.dump_all([crd(kind) for kind in kinds], Dumper=_Dumper, sort_keys=False, width=120, explicit_start=True)
    return f"# Made by tools/write_crds.py from the types in src/trimtab/documents; do not edit.\n{text}"
