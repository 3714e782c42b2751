"""What the clones of a target of kind Service look like (WL-7, QUIRK-26)."""

from typing import Any

from trimtab.adapters.kubernetes.service_targets import clone, rested, spec_of
from trimtab.config.digest import canonical_json
from trimtab.model.revision import Revision

PORTS = [{"name": "http", "port": 80, "targetPort": 9898, "nodePort": 30123}]


def revision(**spec: Any) -> Revision:
    return Revision.of(canonical_json(spec), canonical_json(spec), ())


def test_a_clone_of_a_service_that_is_open_to_the_outside_is_not() -> None:
    pinned = revision(
        type="LoadBalancer",
        clusterIP="10.0.0.7",
        clusterIPs=["10.0.0.7"],
        externalTrafficPolicy="Local",
        selector={"app": "app"},
        ports=PORTS,
    )
    bare = {"type": "ClusterIP", "selector": {"app": "app"}, "ports": [{"name": "http", "port": 80, "targetPort": 9898}]}
    assert spec_of(pinned, {}) == bare
    assert spec_of(pinned, {"type": "ClusterIP", "clusterIP": "10.0.0.8"}) == {**bare, "clusterIP": "10.0.0.8"}


def test_a_service_without_an_address_has_clones_without_one() -> None:
    pinned = revision(type="ExternalName", externalName="one.example.com", ports=[{"port": 80}])
    assert spec_of(pinned, {"type": "ClusterIP", "clusterIP": "10.0.0.8"}) == {
        "type": "ExternalName",
        "externalName": "one.example.com",
        "ports": [{"port": 80}],
    }
    assert spec_of(revision(type="ClusterIP", clusterIP="None", clusterIPs=["None"]), {"clusterIP": "None"})["clusterIP"] == "None"


def test_a_clone_that_is_not_wanted_any_more_keeps_what_it_leads_to() -> None:
    found = clone(None, revision(type="ExternalName", externalName="two.example.com"), "r2")
    assert found is not None
    after = rested(found)
    assert after is not None and after["spec"] == found["spec"]
    assert rested(after) is None
