"""Does a canary get any of the requests?"""

import pytest

from unit.inspection.cases import found, target

APP = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web-TRACK}
spec:
  replicas: 1
  selector: {matchLabels: {track: TRACK}}
  template:
    metadata: {labels: {app: web, track: TRACK}}
    spec:
      containers: [{name: app, image: x, ports: [{containerPort: 80}]}]
"""
SERVICE = "---\napiVersion: v1\nkind: Service\nmetadata: {name: NAME}\nspec: {selector: LABELS, ports: [{port: 80}]}\n"
CANARY, STABLE = APP.replace("TRACK", "canary"), APP.replace("TRACK", "stable")
CHECK = "rollout/no-traffic"


def service(name: str, labels: str) -> str:
    return SERVICE.replace("NAME", name).replace("LABELS", labels)


OWN = service("web-canary", "{track: canary}")
ROUTE = """---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  rules:
  - backendRefs:
    - {name: web-stable, port: 80, weight: 90}
    - {name: web-canary, port: 80, weight: 10}
"""
INGRESS = """---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web-canary
  annotations: {nginx.ingress.kubernetes.io/canary: "true", nginx.ingress.kubernetes.io/canary-weight: "10"}
spec: {defaultBackend: {service: {name: web-canary, port: {number: 80}}}}
"""


def told(canary: str, stable: str = "") -> list[str]:
    return found(canary, CHECK, following=[target(STABLE + stable, "web/stable")])


def test_one_service_for_both_sends_a_share_by_replicas() -> None:
    assert told(CANARY, service("web", "{app: web}")) == []
    assert told(CANARY + service("web", "{app: web}")) == []


def test_a_canary_that_no_service_selects_is_found() -> None:
    assert told(CANARY, service("web", "{track: stable}")) == ["warning 1: no Service selects its pods, so it gets no requests"]


def test_a_service_of_its_own_needs_a_route_with_a_weight() -> None:
    said = "warning 1: only Service web-canary selects its pods, not stable's, and {}"
    assert told(CANARY + OWN) == [said.format("no route sends requests there")]
    assert told(CANARY + OWN, ROUTE) == []
    assert told(CANARY + OWN, ROUTE.replace("weight: 10", "weight: 0")) == [said.format("routes give it weight 0")]


@pytest.mark.parametrize(("old", "new", "fine"), [("", "", True), ('"10"', '"0"', False), ("canary-weight", "canary-by-header", True)])
def test_an_ingress_of_nginx_sends_by_weight_or_header(old: str, new: str, fine: bool) -> None:
    assert (told(CANARY + OWN + (INGRESS.replace(old, new) if old else INGRESS)) == []) is fine


def test_a_canary_of_no_replicas_gets_nothing_unless_something_scales_it() -> None:
    none = CANARY.replace("replicas: 1", "replicas: 0")
    assert told(none, service("web", "{app: web}")) == ["warning 1: has 0 replicas, so no canary runs"]
    scaler = "---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: a}\nspec: {scaleTargetRef: {name: web-canary}}\n"
    assert told(none + scaler, service("web", "{app: web}")) == []


def test_a_worker_without_ports_and_services_is_a_note_only() -> None:
    silent = CANARY.replace(", ports: [{containerPort: 80}]", "")
    assert told(silent) == ["info 1: no Service selects its pods; fine for one that takes its work from a queue"]


def test_a_target_that_is_nobodys_canary_is_not_looked_at() -> None:
    assert found(CANARY, CHECK) == []


@pytest.mark.parametrize(("namespace", "starved"), (("", False), ("\n  namespace: elsewhere", True)))
def test_a_canary_object_sends_requests_to_a_workload_of_its_own_namespace_only(namespace: str, starved: bool) -> None:
    head = f"---\napiVersion: flagger.app/v1beta1\nkind: Canary\nmetadata:\n  name: web{namespace}\n"
    about = f"{head}spec:\n  targetRef: {{kind: Deployment, name: web-canary}}\n"
    assert bool(told(CANARY + about, service("web", "{track: stable}"))) is starved


def test_a_canary_in_a_namespace_of_its_own_needs_a_route_too() -> None:
    canary, stable = (
        text.replace("metadata: {name: web-", f"metadata: {{namespace: {space}, name: web-")
        for text, space in ((CANARY, "a"), (STABLE, "b"))
    )
    here, there = (service("web", "{app: web}").replace("{name: web}", f"{{name: web, namespace: {space}}}") for space in ("a", "b"))
    route = ROUTE.replace("{name: web}", "{name: web, namespace: b}").replace("web-stable", "web")

    def seen(more: str = "") -> list[str]:
        return found(canary + here, CHECK, following=[target(stable + there + more, "web/stable")])

    said = "warning 1: only Service web selects its pods, not stable's in namespace b, and no route sends requests there"
    assert seen() == seen(route.replace("web-canary", "web")) == [said]
    assert seen(route.replace("web-canary", "web, namespace: a")) == []
    assert (
        found(
            canary + here + INGRESS.replace("web-canary", "web").replace("  name: web", "  name: web\n  namespace: a"),
            CHECK,
            following=[target(stable + there)],
        )
        == []
    )
