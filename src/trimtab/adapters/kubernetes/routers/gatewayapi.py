"""The Gateway API: an HTTPRoute (RT-G1 to RT-G5). Chosen by `choose`."""

from functools import partial

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import key_of, metadata_of
from trimtab.adapters.kubernetes.kinds import HTTP_ROUTE, HTTP_ROUTE_BETA
from trimtab.adapters.kubernetes.routers import gateway_rules
from trimtab.adapters.kubernetes.routers.drift import Shape, rules_over
from trimtab.adapters.kubernetes.routers.provider import Provider
from trimtab.adapters.kubernetes.routers.routing import Routing
from trimtab.adapters.kubernetes.routers.shares import routes_of
from trimtab.config.references import items, mapping
from trimtab.documents.flagger import Canary
from trimtab.documents.service import ParentRef
from trimtab.errors import Unavailable
from trimtab.model.facts import Capabilities, Routes
from trimtab.model.policy import Policy

SHAPE = Shape(
    frozenset({"matches", "filters", "backendRefs", "timeouts"}),
    "backendRefs",
    frozenset({"group", "kind", "name", "namespace", "port", "weight", "filters"}),
)


def capabilities(policy: Policy) -> Capabilities:
    """No labels of pods in an A/B test; mirroring in blue/green only, as Flagger has it (QUIRK-13)."""
    return Capabilities(match=not any(match.sources for match in policy.match), mirror=bool(policy.iterations))


def problem(canary: Canary) -> str:
    """A route has to belong to some Gateway, and the API takes no Service without its port."""
    service = canary.spec.service
    if service is None or not service.gateway_refs:
        missing = "GatewayRefs must be specified when using Gateway API as a provider."
        return f"{missing} Name the Gateway in spec.service.gatewayRefs, for example [{{name: public, namespace: edge}}]"
    for index, mirror in enumerate(service.mirror):
        to = mirror.backend_ref
        if to is not None and (to.group, to.kind, to.port) == ("", "Service", None):
            return f"spec.service.mirror[{index}].backendRef.port is missing: name the port of Service {to.name}"
    return ""


def read(live: Object, apex: str) -> Routes | None:
    """The rule for everybody is the last one that knows one of our Services. Unavailable until every Gateway took the route (RT-G3)."""
    refuse_what_is_not_in_force(live)
    rules = items(mapping(live.get("spec")).get("rules"))
    shares = [{str(to.get("name")): _number(to.get("weight")) for to in items(rule.get("backendRefs"))} for rule in rules]
    mirrors = [mapping(mapping(one.get("requestMirror")).get("backendRef")) for rule in rules for one in items(rule.get("filters"))]
    return routes_of(shares, apex, any(mirror.get("name") == f"{apex}-canary" for mirror in mirrors))


def route(routing: Routing, live: Object | None, origin: Object | None, *, whole: bool = True) -> Object:
    """The HTTPRoute. Without `whole` timeouts and CORS are left out."""
    before = items(mapping(live.get("spec")).get("rules")) if live is not None else ()
    previous = gateway_rules.known_cookie(before, routing.affinity)
    rules = gateway_rules.rules(routing, previous, whole=whole)
    spec = {
        "parentRefs": [parent(reference) for reference in routing.service.gateway_refs],
        "hostnames": list(routing.service.hosts) or None,
        "rules": rules_over(list(before), rules, SHAPE),
    }
    return {"metadata": {"labels": routing.labels, "annotations": routing.annotations}, "spec": spec}


def parent(reference: ParentRef) -> Object:
    """One Gateway, with the defaults of the API, so that what is read is what was written."""
    parts = {"namespace": reference.namespace, "sectionName": reference.section_name, "port": reference.port}
    given = {name: value for name, value in parts.items() if value is not None}
    return {"group": reference.group, "kind": reference.kind, "name": reference.name, **given}


def refuse_what_is_not_in_force(live: Object) -> None:
    """Unavailable where a Gateway has not accepted the route as it is now; a route that no Gateway says anything about passes (RT-G3)."""
    generation = metadata_of(live).get("generation")
    for found in items(mapping(live.get("status")).get("parents")):
        for condition in items(found.get("conditions")):
            seen = condition.get("observedGeneration", generation)
            if condition.get("type") == "Accepted" and (condition.get("status") != "True" or _number(seen) < _number(generation)):
                where = mapping(found.get("parentRef")).get("name")
                state = f"status: {condition.get('status')}, observed generation: {seen}, current generation: {generation}"
                problem = f"HTTPRoute {key_of(live)} parent {where} is not ready ({state})"
                raise Unavailable(f"{problem}. {condition.get('message', '')} Traffic counts as moved when the Gateway says so".strip())


def _number(value: object) -> int:
    """The weight of a backend is 1 where nothing is said."""
    return value if isinstance(value, int) else 1


GATEWAY_API = Provider(HTTP_ROUTE, capabilities, read, route, problem=problem)
GATEWAY_API_BETA = Provider(HTTP_ROUTE_BETA, capabilities, read, partial(route, whole=False), problem=problem)
"""Both versions name the same objects; in this one Flagger writes no timeouts and no CORS filter."""
