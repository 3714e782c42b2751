"""The Gateway API: an HTTPRoute (RT-G1 to RT-G5). Chosen by `choose`."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import key_of, metadata_of
from trimtab.adapters.kubernetes.errors import clean
from trimtab.adapters.kubernetes.kinds import HTTP_ROUTE, HTTP_ROUTE_BETA
from trimtab.adapters.kubernetes.routers import gateway_rules
from trimtab.adapters.kubernetes.routers.drift import Shape, rules_over
from trimtab.adapters.kubernetes.routers.provider import Provider
from trimtab.adapters.kubernetes.routers.routing import Routing
from trimtab.adapters.kubernetes.routers.shares import routes_of
from trimtab.config.references import items, mapping
from trimtab.documents.flagger import Canary
from trimtab.documents.service import ParentRef
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
    """The rule for everybody is the last one that knows one of our Services; in force once every Gateway took the route (RT-G3)."""
    rules = items(mapping(live.get("spec")).get("rules"))
    shares = [{str(to.get("name")): _number(to.get("weight")) for to in items(rule.get("backendRefs"))} for rule in rules]
    mirrors = [mapping(mapping(one.get("requestMirror")).get("backendRef")) for rule in rules for one in items(rule.get("filters"))]
    found = routes_of(shares, apex, any(mirror.get("name") == f"{apex}-canary" for mirror in mirrors))
    return replace(found, in_force=in_force(live), problem=trouble(live)) if found is not None else None


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


@dataclass(frozen=True, slots=True)
class Condition:
    """What one Gateway says about the route. `seen` is the generation that it looked at."""

    gateway: str
    type: str
    status: str
    seen: int
    why: str


REFUSALS = {
    "Accepted": (
        "does not accept",
        "Correct spec.service.gatewayRefs or spec.service.hosts of the Canary, or let a listener of the Gateway take the route",
    ),
    "ResolvedRefs": (
        "does not find everything that is named in",
        "Correct spec.service.port or spec.service.mirror of the Canary, or make what is missing",
    ),
}
"""Conditions that have to be true: what it means where one is not, and what to do."""


def in_force(live: Object) -> bool:
    """Has every Gateway accepted the route as it is now? A route that no Gateway says anything about passes (RT-G3)."""
    newest = generation_of(live)
    return all(one.status == "True" and one.seen >= newest for one in conditions(live) if one.type == "Accepted")


def trouble(live: Object) -> str:
    """What Gateways say is wrong with the route as it is now; empty where nothing is."""
    newest = generation_of(live)
    wrong = [one for one in conditions(live) if one.type in REFUSALS and one.status == "False" and one.seen >= newest]
    return "; ".join(
        f"Gateway {one.gateway} {REFUSALS[one.type][0]} HTTPRoute {key_of(live)}{one.why}. {REFUSALS[one.type][1]}" for one in wrong
    )


def conditions(live: Object) -> Iterator[Condition]:
    """Everything that Gateways say about the route."""
    for found in items(mapping(live.get("status")).get("parents")):
        for one in items(found.get("conditions")):
            why = clean(" ".join(str(one[part]) for part in ("reason", "message") if one.get(part)))
            seen = one.get("observedGeneration")
            yield Condition(
                str(mapping(found.get("parentRef")).get("name")), str(one.get("type")), str(one.get("status")),
                seen if isinstance(seen, int) else generation_of(live), f": {why}" if why else "",
            )  # fmt: skip


def generation_of(live: Object) -> int:
    """Of the route as it is now."""
    found = metadata_of(live).get("generation")
    return found if isinstance(found, int) else 0


def _number(value: object) -> int:
    """The weight of a backend is 1 where nothing is said."""
    return value if isinstance(value, int) else 1


GATEWAY_API = Provider(HTTP_ROUTE, capabilities, read, route, problem=problem)
GATEWAY_API_BETA = Provider(HTTP_ROUTE_BETA, capabilities, read, partial(route, whole=False), problem=problem)
"""Both versions name the same objects; in this one Flagger writes no timeouts and no CORS filter."""
