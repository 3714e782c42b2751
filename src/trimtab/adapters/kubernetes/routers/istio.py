"""Istio: a VirtualService and two DestinationRules (RT-I1 to RT-I7). Chosen by `choose`."""

from collections.abc import Mapping, Sequence

import msgspec

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import annotations_of
from trimtab.adapters.kubernetes.kinds import DESTINATION_RULE, VIRTUAL_SERVICE, Kind
from trimtab.adapters.kubernetes.routers import istio_rules
from trimtab.adapters.kubernetes.routers.drift import Shape, rules_over
from trimtab.adapters.kubernetes.routers.provider import Provider
from trimtab.adapters.kubernetes.routers.routing import Routing, plain
from trimtab.adapters.kubernetes.routers.shares import routes_of
from trimtab.config.references import items, mapping
from trimtab.documents.flagger import Canary
from trimtab.model.facts import Capabilities, Routes
from trimtab.model.policy import Policy

ORIGINAL = "flagger.kubernetes.io/original-configuration"
"""Annotation: the spec before the object was taken over, under Flagger's name so that either can put it back (RT-I6)."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MESH = "mesh"
SHAPE = Shape(
    frozenset({"match", "route", "rewrite", "timeout", "retries", "corsPolicy", "headers", "mirror", "mirrorPercentage"}),
    "route",
    frozenset({"destination", "weight", "headers"}),
)


def capabilities(policy: Policy) -> Capabilities:
    """Everything."""
    return Capabilities()


def problem(canary: Canary) -> str:
    """Delegation leaves hosts and gateways to the VirtualService that delegates."""
    service = canary.spec.service
    if service is None or not service.delegation or not (service.hosts or service.gateways):
        return ""
    return "spec.service.delegation leaves hosts and gateways to another VirtualService: remove spec.service.hosts and gateways"


def read(live: Object, apex: str) -> Routes | None:
    """The rule for everybody is the last one that knows one of our Services (RT-I5)."""
    spec = mapping(live.get("spec"))
    rules = items(spec.get("http") or spec.get("tcp"))
    shares = [{str(mapping(to.get("destination")).get("host")): _number(to) for to in items(rule.get("route"))} for rule in rules]
    mirrored = any(mapping(rule.get("mirror")).get("host") == f"{apex}-canary" for rule in rules)
    return routes_of(shares, apex, mirrored)


def beside(routing: Routing) -> Sequence[tuple[Kind, Object]]:
    """One DestinationRule for each copy, with the traffic policy that is asked for."""
    written = routing.service.traffic_policy
    policy = istio_rules.spoken(plain(written)) if written is not None else None
    names = (routing.primary_service, routing.canary_service)
    return [(DESTINATION_RULE, {"metadata": place(routing, name), "spec": {"host": name, "trafficPolicy": policy}}) for name in names]


def place(routing: Routing, name: str) -> Object:
    """Metadata of an object beside the route."""
    return {"name": name, "namespace": routing.key.namespace}


def route(routing: Routing, live: Object | None, origin: Object | None) -> Object:
    """The VirtualService."""
    service = routing.service
    before = mapping(live.get("spec")) if live is not None else {}
    if (service.app_protocol or "").lower() == "tcp":
        rules: Object = {"tcp": rules_over(before.get("tcp"), istio_rules.tcp(routing), SHAPE), "http": None}
    else:
        previous = istio_rules.known_cookie(items(before.get("http")), routing.affinity)
        rules = {"http": rules_over(before.get("http"), istio_rules.http(routing, previous), SHAPE), "tcp": None}
    spec = {"hosts": hosts(routing), "gateways": gateways(routing) or None, **rules}
    annotations = {**routing.annotations, **(kept_configuration(live, routing.uid) if live is not None else {})}
    return {"metadata": {"labels": routing.labels, "annotations": annotations}, "spec": spec}


def original(live: Object) -> Object | None:
    """What kubectl applied last, else what was kept when the object was taken over. What is no JSON any more tells nothing."""
    annotations = annotations_of(live)
    for name in (LAST_APPLIED, ORIGINAL):
        text = annotations.get(name)
        if isinstance(text, str):
            try:
                found = mapping(msgspec.json.decode(text))
            except msgspec.DecodeError:
                continue
            return dict(mapping(found.get("spec"))) if name == LAST_APPLIED else dict(found)
    return None


def hosts(routing: Routing) -> list[str]:
    """Those that are asked for, and the Service itself, unless everything or nothing is meant (RT-I1)."""
    service = routing.service
    if service.delegation:
        return []
    named = list(service.hosts)
    return named if "*" in named or routing.apex in named else [*named, routing.apex]


def gateways(routing: Routing) -> list[str]:
    """Those that are asked for; without any, the mesh."""
    service = routing.service
    return [] if service.delegation else list(service.gateways) or [MESH]


def kept_configuration(live: Object, uid: str) -> Object:
    """The annotation that keeps the spec of an object which was here before us (RT-I6)."""
    annotations = annotations_of(live)
    owners = items(mapping(live.get("metadata")).get("ownerReferences"))
    if LAST_APPLIED in annotations or ORIGINAL in annotations or any(owner.get("uid") == uid for owner in owners):
        return {}
    return {ORIGINAL: msgspec.json.encode(live.get("spec")).decode()}


def _number(to: Mapping[str, object]) -> int:
    """A destination without a weight has none, which a mesh takes for everything where it stands alone."""
    weight = to.get("weight")
    return weight if isinstance(weight, int) else 0


ISTIO = Provider(VIRTUAL_SERVICE, capabilities, read, route, problem=problem, beside=beside, original=original)
"""Istio, with everything that Flagger does there."""
