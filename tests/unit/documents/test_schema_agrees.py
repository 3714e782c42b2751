"""The CRDs and `decode` accept the same: an oracle of what an API server does with a structural schema, and a property test."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.documents.decode import decode
from trimtab.documents.schema import FLAGGER_KINDS, TRIMTAB_KINDS, Schema, crd
from trimtab.documents.yaml import Document
from trimtab.errors import DocumentError


@lru_cache
def root_schema(kind: str) -> Schema:
    (found,) = (crd(item) for item in (*FLAGGER_KINDS, *TRIMTAB_KINDS) if item.document.__name__ == kind)
    spec = cast(dict[str, list[dict[str, dict[str, Schema]]]], found["spec"])
    return spec["versions"][0]["schema"]["openAPIV3Schema"]


def accepts(schema: Schema, value: object) -> bool:
    """True if an object that holds `value` would be admitted."""
    return _typed(schema, value) and _limited(schema, value) and _one_of(schema, value) and _inside(schema, value)


def _typed(schema: Schema, value: object) -> bool:
    if schema.get("x-kubernetes-int-or-string"):
        return isinstance(value, int | str) and not isinstance(value, bool)
    if "type" not in schema:
        return True
    if isinstance(value, bool) or value is None:
        return schema["type"] == "boolean" and value is not None
    kinds: dict[object, type | tuple[type, ...]] = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float)}
    return schema["type"] in kinds and isinstance(value, kinds[schema["type"]])


def _limited(schema: Schema, value: object) -> bool:
    if "enum" in schema and value not in cast(list[object], schema["enum"]):
        return False
    if isinstance(value, str):
        fits = cast(int, schema.get("minLength", 0)) <= len(value) <= cast(int, schema.get("maxLength", len(value)))
        return fits and re.search(cast(str, schema.get("pattern", "")), value) is not None
    if isinstance(value, list):
        return len(value) <= cast(int, schema.get("maxItems", len(value)))
    if isinstance(value, int | float):
        return cast(float, schema.get("minimum", value)) <= value <= cast(float, schema.get("maximum", value))
    return True


def _one_of(schema: Schema, value: object) -> bool:
    options = cast(list[Schema], schema.get("oneOf", []))
    return not options or sum(_matches(option, value) for option in options) == 1


def _matches(option: Schema, value: object) -> bool:
    if "not" in option:
        inner = cast(Schema, option["not"])
        return not any(_matches(choice, value) for choice in cast(list[Schema], inner["anyOf"]))
    return isinstance(value, dict) and all(name in value for name in cast(list[str], option["required"]))


def _inside(schema: Schema, value: object) -> bool:
    if isinstance(value, list):
        return all(accepts(cast(Schema, schema.get("items", {})), item) for item in value)
    if not isinstance(value, dict):
        return True
    if any(name not in value for name in cast(list[str], schema.get("required", []))):
        return False
    properties = cast(Mapping[str, Schema], schema.get("properties", {}))
    others = cast(Schema, schema.get("additionalProperties", {}))
    return all(accepts(properties.get(name, others), item) for name, item in value.items())


SAMPLES: dict[str, dict[str, object]] = {
    "Canary": {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
        "provider": "istio",
        "ingressRef": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "i"},
        "service": {
            "port": 80,
            "targetPort": "http",
            "gatewayRefs": [{"name": "gateway", "port": 443}],
            "match": [{"uri": {"exact": "/"}, "headers": {"a": {"regex": ".*"}}}],
            "trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}, "tls": {"mode": "DISABLE"}},
        },
        "analysis": {
            "interval": "1m",
            "threshold": 5,
            "stepWeight": 10,
            "match": [{"headers": {"a": {"suffix": "x"}}}],
            "metrics": [{"name": "m", "interval": "30s", "thresholdRange": {"min": 99.5}, "templateVariables": {"a": "b"}}],
            "webhooks": [{"name": "h", "url": "http://x", "type": "rollout", "retries": 1}],
            "sessionAffinity": {"cookieName": "c", "sameSite": "Lax"},
        },
    },
    "MetricTemplate": {"provider": {"type": "prometheus", "headers": {"a": ["b"]}}, "query": "up"},
    "AlertProvider": {"type": "slack", "address": "http://x", "channel": "c"},
    "RolloutPolicy": {
        "gates": {"approvals": ["confirm-promotion"], "deadline": "30m"},
        "noData": "hold",
        "analysis": {"threshold": 2, "metrics": [{"name": "m", "interval": "30s", "thresholdRange": {"max": 1}}]},
        "validation": {
            "formats": False,
            "factor": 2.5,
            "schemas": [{"configMap": "app", "key": "a.yaml", "schema": {}}],
            "severities": {"content/deleted": "error"},
        },
        "afterPromotion": "undo",
        "watch": {"duration": "5m", "looks": 2, "restarts": 1, "restartsOfPods": "0%", "ready": "50%"},
        "keepRevisions": 3,
        "history": 10,
    },
}
VERSIONS = {kind.document.__name__: kind.api_version for kind in (*FLAGGER_KINDS, *TRIMTAB_KINDS)}
VALUES = st.one_of(
    st.sampled_from(
        ["", "x", "1m", "10ms", "1h", "24h", "istio", "slack", "fail", "hold", "Lax", None, True, 0, 1, 5, -1, 70000, 0.5, {}, [], ["a"]]
    ),
    st.sampled_from(
        [{"exact": "a"}, {"exact": "a", "prefix": "b"}, {"simple": "RANDOM", "consistentHash": {}}, {"name": "x"}, {"min": 1}, [{}]]
    ),
)


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    for step, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, step))


def changed(value: object, path: tuple[str | int, ...], new: object) -> object:
    if not path:
        return new
    if isinstance(value, dict):
        return {key: changed(inner, path[1:], new) if key == path[0] else inner for key, inner in value.items()}
    return [changed(inner, path[1:], new) if at == path[0] else inner for at, inner in enumerate(cast(list[object], value))]


def known(schema: Schema, value: object) -> bool:
    """True where every field of the value is in the schema: unknown ones are pruned by the API server and refused by decode."""
    if isinstance(value, list):
        return all(known(cast(Schema, schema.get("items", {})), item) for item in value)
    if not isinstance(value, dict) or schema.get("type") != "object":
        return True
    properties = cast(Mapping[str, Schema], schema.get("properties", {}))
    others = cast(Schema | None, schema.get("additionalProperties"))
    return all(name in properties or others is not None for name in value) and all(
        known(properties.get(name, others or {}), inner) for name, inner in value.items()
    )


@given(st.data())
def test_what_the_crd_accepts_decode_accepts_and_nothing_else(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(SAMPLES)))
    spec: object = SAMPLES[kind]
    for _ in range(data.draw(st.integers(0, 3))):
        spec = changed(spec, data.draw(st.sampled_from(list(places(spec)))), data.draw(VALUES))
        if not list(places(spec)):
            break
    value = {"apiVersion": VERSIONS[kind], "kind": kind, "metadata": {"name": "x"}, "spec": spec}
    if not known(root_schema(kind), value):
        return
    try:
        decode(Document(value, "x.yaml", 1, {}))
        decoded = True
    except DocumentError:
        decoded = False
    assert decoded is accepts(root_schema(kind), value)


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_the_samples_themselves_are_accepted(kind: str) -> None:
    value = {"apiVersion": VERSIONS[kind], "kind": kind, "metadata": {"name": "x"}, "spec": SAMPLES[kind]}
    assert accepts(root_schema(kind), value)
    assert decode(Document(value, "x.yaml", 1, {})).value is not None
