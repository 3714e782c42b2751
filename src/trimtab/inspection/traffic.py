"""Does a canary get any of the requests? Called by `inspect` with all targets of an app.

It does by a Service that selects its pods and stable's (a share by replicas), by a route with a weight for a Service of its own, or by a
Canary. What gets no requests teaches nothing.
"""

from collections.abc import Iterator, Sequence

from trimtab.config.consumers import pod_template
from trimtab.config.governing import governs
from trimtab.config.references import items, mapping
from trimtab.inspection.neighbours import Neighbours, labels
from trimtab.inspection.objects import annotations
from trimtab.inspection.places import about
from trimtab.inspection.reach import RUNNING
from trimtab.model.content import Finding, Severity
from trimtab.model.rendered import Rendered, RenderedObject

ROUTES = frozenset(
    {
        "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "VirtualService", "Ingress", "TraefikService", "IngressRoute", "TrafficSplit",
        "HTTPProxy", "ApisixRoute", "VirtualRouter", "Route", "ServiceRouter", "ServiceSplitter", "RouteTable",
    }
)  # fmt: skip
NAMING = ("name", "host", "service", "serviceName", "backend")
"""Fields by which a route names a Service."""
FIX = "Let one Service select canary and stable alike, or give it a weight in a route."
FIX_ELSEWHERE = (
    "A Service selects pods of its own namespace alone: put both copies into one, or give the canary's Service a weight in a route."
)
NGINX = "nginx.ingress.kubernetes.io/canary"


def starved(canary: Rendered, stable: Sequence[Rendered], beside: Neighbours) -> Iterator[Finding]:
    """Workloads of a canary target that nobody sends requests to. `stable` are the targets that its content goes to.

    Services and routes may be in any target of the app, `beside` it: one that both copies share is best in neither.
    """
    objects = beside.rest
    services = [one for one in objects if one.kind == "Service" and one.api_version == "v1"]
    others = [one for target in stable for one in target.objects if one.kind in RUNNING]
    for one in canary.objects:
        if one.kind in RUNNING and not any(governs(other, one) for other in objects):
            yield from _workload(one, others, services, objects)


def _workload(
    one: RenderedObject, others: Sequence[RenderedObject], services: Sequence[RenderedObject], objects: Sequence[RenderedObject]
) -> Iterator[Finding]:
    check = "rollout/no-traffic"
    if mapping(one.tree.get("spec")).get("replicas") == 0 and not any(_scales(other, one) for other in objects):
        yield about(check, one, "has 0 replicas, so no canary runs", "Give it at least 1.")
        return
    selecting = [service for service in services if _selects(service, one)]
    beside = [other for other in others if other.namespace == one.namespace]
    if not selecting:
        if any(_selects(service, other) for service in services for other in beside) or _has_ports(one):
            fix = "Give one Service a selector that fits the pods of canary and stable, or route a share to a Service of its own."
            yield about(check, one, "no Service selects its pods, so it gets no requests", fix)
        else:
            yield about(check, one, "no Service selects its pods; fine for one that takes its work from a queue", severity=Severity.INFO)
        return
    elsewhere = [other.namespace for other in others if one.namespace and other.namespace not in ("", one.namespace)]
    if any(_selects(service, other) for service in selecting for other in beside) or not (beside or elsewhere):
        return
    shares = [share for route in objects if route.kind in ROUTES for service in selecting for share in _shares(route, service)]
    if not any(share > 0 for share in shares):
        names = ", ".join(service.name for service in selecting)
        why = "routes give it weight 0" if shares else "no route sends requests there"
        whose = "stable's" if beside else f"stable's in namespace {elsewhere[0]}"
        fix = FIX if beside else FIX_ELSEWHERE
        yield about(check, one, f"only Service {names} selects its pods, not {whose}, and {why}", fix)


def _selects(service: RenderedObject, workload: RenderedObject) -> bool:
    selector = mapping(mapping(service.tree.get("spec")).get("selector"))
    there = labels(workload)
    return bool(selector) and service.namespace == workload.namespace and all(there.get(name) == value for name, value in selector.items())


def _has_ports(workload: RenderedObject) -> bool:
    spec = mapping((pod_template(workload.tree) or {}).get("spec"))
    return any(container.get("ports") for container in items(spec.get("containers")))


def _scales(other: RenderedObject, workload: RenderedObject) -> bool:
    target = mapping(mapping(other.tree.get("spec")).get("scaleTargetRef"))
    return bool(target) and target.get("name") == workload.name


def _shares(route: RenderedObject, service: RenderedObject) -> Iterator[float]:
    """The weights with which a route names a Service: one of its own namespace, or of another one that it names, too."""
    if route.namespace not in ("", service.namespace) and service.namespace and not _names(route.tree.get("spec"), service.namespace):
        return
    marks = annotations(route)
    if marks.get(NGINX) in ("true", True):
        by_header = any(name.startswith((f"{NGINX}-by-header", f"{NGINX}-by-cookie")) for name in marks)
        weight = str(marks.get(f"{NGINX}-weight", "0"))
        share = 1.0 if by_header else float(weight) if weight.isdigit() else 0.0
        yield from (min(share, found) for found in _weights(route.tree.get("spec"), service.name, 1e9))
        return
    yield from _weights(route.tree.get("spec"), service.name, 1.0)


def _names(node: object, namespace: str) -> bool:
    if isinstance(node, list):
        return any(_names(item, namespace) for item in node)
    if isinstance(node, dict):
        return any(_names(value, namespace) for value in node.values())
    return isinstance(node, str) and namespace in node.split(".")


def _weights(node: object, service: str, weight: float) -> Iterator[float]:
    if isinstance(node, list):
        for item in node:
            yield from _weights(item, service, weight)
    if not isinstance(node, dict):
        return
    own = node.get("weight")
    share = float(own) if isinstance(own, int | float) and not isinstance(own, bool) else weight
    for name, value in node.items():
        if name in NAMING and isinstance(value, str) and value.partition(".")[0] == service:
            yield share
        elif not isinstance(value, str):
            yield from _weights(value, service, share)
