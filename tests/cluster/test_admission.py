"""The API server and `decode` say the same about our documents: what one takes the other takes, and nothing else."""

import asyncio
import random
from typing import Any

import pytest
import yaml

from cluster.testbed.api import Api, ApiError
from trimtab.documents.decode import decode, read_documents
from trimtab.documents.yaml import Document
from trimtab.errors import DocumentError
from unit.documents.test_schema_agrees import SAMPLES, VERSIONS, changed, places

pytestmark = pytest.mark.cluster
Raw = dict[str, Any]
VALUES: tuple[object, ...] = (
    "", "x", "1m", "10ms", "1h", "istio", "slack", "hold", "Lax", True, 0, 5, -1, 70000, 0.5, {}, [], ["a"], [{}],
    {"exact": "a"}, {"exact": "a", "prefix": "b"}, {"simple": "RANDOM", "consistentHash": {}}, {"name": "x"}, {"min": 1}, {"no-such": 1},
)  # fmt: skip
EACH = 200
"""Changed documents of each kind."""
FEW = 5
METRIC = "spec.analysis.metrics[0].interval"
WHOLE = """
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: app}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: app}
  service: {port: 80}
  analysis: {interval: 10s, threshold: 2, stepWeight: 20, maxWeight: 40}
"""


def is_read(document: Raw) -> bool:
    """Does Trimtab take it from a file?"""
    try:
        decode(Document(document, "x.yaml", 1, {}))
    except DocumentError:
        return False
    return True


async def is_admitted(api: Api, namespace: str, document: Raw) -> bool:
    """Does the API server take it? Unknown fields are refused, as in a file."""
    try:
        await api.create(document, namespace, dryRun="All", fieldValidation="Strict")
    except ApiError as error:
        assert error.status in (400, 422), error
        return False
    return True


def variants(kind: str) -> list[Raw]:
    """The sample of a kind with one or two values replaced, the same ones each time."""
    chance = random.Random(kind)
    found = []
    for _ in range(EACH):
        spec: object = SAMPLES[kind]
        for _ in range(chance.randint(1, 2)):
            if at := list(places(spec)):
                spec = changed(spec, chance.choice(at), chance.choice(VALUES))
        found.append({"apiVersion": VERSIONS[kind], "kind": kind, "metadata": {"name": "x"}, "spec": spec})
    return found


@pytest.mark.parametrize("kind", sorted(SAMPLES))
async def test_the_api_server_and_decode_take_the_same_documents(api: Api, namespace: str, kind: str) -> None:
    documents = variants(kind)
    admitted = await asyncio.gather(*(is_admitted(api, namespace, document) for document in documents))
    assert FEW <= sum(admitted) <= EACH - FEW, "too few of one sort to prove anything"
    differ = [(taken, document["spec"]) for document, taken in zip(documents, admitted, strict=True) if taken is not is_read(document)]
    assert not differ


@pytest.mark.parametrize(
    ("part", "value", "field"),
    [
        ("analysis", {"interval": "10s", "threshold": 2, "stepWeight": "20"}, "spec.analysis.stepWeight"),
        ("analysis", {"interval": "10s", "threshold": 2, "stepWeight": 20, "metrics": [{"name": "m", "interval": "1h"}]}, METRIC),
        ("provider", "istoi", "spec.provider"),
        ("service", {"port": 80, "gatewayRefs": [{"name": "x", "port": 0}]}, "spec.service.gatewayRefs[0].port"),
    ],
)  # fmt: skip
async def test_both_name_the_same_field(api: Api, namespace: str, part: str, value: object, field: str) -> None:
    document = yaml.safe_load(WHOLE)
    document["spec"][part] = value
    with pytest.raises(ApiError) as refused:
        await api.create(document, namespace, dryRun="All")
    assert field in str(refused.value)
    with pytest.raises(DocumentError) as ours:
        read_documents(yaml.safe_dump(document), "app.yaml")
    assert field in str(ours.value)


async def test_a_null_is_dropped_by_the_api_server_and_refused_in_a_file(api: Api, namespace: str) -> None:
    """The one difference: in a file it is most often a value that somebody forgot."""
    document = yaml.safe_load(WHOLE)
    document["spec"]["analysis"]["metrics"] = None
    made = await api.create(document, namespace, dryRun="All")
    assert "metrics" not in made["spec"]["analysis"]
    assert not is_read(document)


async def test_what_the_api_server_gives_back_is_read_without_a_warning(api: Api, namespace: str) -> None:
    """Defaults and bookkeeping that the API server adds are no unknown fields."""
    for kind, spec in SAMPLES.items():
        made = await api.create({"apiVersion": VERSIONS[kind], "kind": kind, "metadata": {"name": "x"}, "spec": spec}, namespace)
        decoded = decode(Document(made, "", 1, {}), strict=False)
        assert decoded.value is not None and decoded.warnings == (), kind
