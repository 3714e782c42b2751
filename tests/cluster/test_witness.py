"""The witness of laws says what is broken, and nothing of what is well."""

from typing import Any, cast

import pytest

from cluster.testbed.api import Api
from cluster.witness import Witness

Raw = dict[str, Any]


def route(primary: int, canary: int) -> Raw:
    backends = [{"name": "app-primary", "weight": primary}, {"name": "app-canary", "weight": canary}]
    return {"kind": "HTTPRoute", "metadata": {"name": "app"}, "spec": {"rules": [{"backendRefs": backends}]}}


def workload(name: str, ready: int) -> Raw:
    return {"kind": "Deployment", "metadata": {"name": name}, "spec": {}, "status": {"readyReplicas": ready}}


def service(app: str) -> Raw:
    return {"kind": "Service", "metadata": {"name": "app"}, "spec": {"selector": {"app": app}}}


def seen(*found: Raw) -> Witness:
    """What the witness saw, oldest first."""
    witness = Witness(cast(Api, None), "test")
    for version, one in enumerate(found, 1):
        whole = {**one, "metadata": {**one["metadata"], "resourceVersion": str(version)}}
        witness.versions[one["kind"], one["metadata"]["name"], version] = whole
    return witness


@pytest.mark.parametrize(
    ("found", "laws"),
    [
        ((route(100, 0), service("app-primary")), []),
        ((route(70, 20),), ["S8", "S1", "S3"]),
        ((workload("app", 1), route(80, 20)), ["S1"]),
        ((workload("app", 1), route(80, 20), workload("app-primary", 0), route(100, 0)), ["S1", "S9"]),
        ((workload("app-primary", 1), workload("app", 1), route(80, 20), route(100, 0)), ["S1"]),
        ((service("app"),), ["the Service leads to {'app': 'app'} at 1"]),
    ],
)
def test_each_breach_is_named_by_its_law(found: tuple[Raw, ...], laws: list[str]) -> None:
    assert [problem.partition(": ")[0] if problem[0] == "S" else problem for problem in seen(*found).broken("app")] == laws


def test_shares_are_told_in_the_order_of_their_writing_and_each_once() -> None:
    assert seen(route(100, 0), route(80, 20), route(80, 20), route(100, 0)).weights("app") == [0, 20, 0]
