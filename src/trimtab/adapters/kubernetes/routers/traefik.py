"""Traefik: a weighted TraefikService (RT-T). Chosen by `choose`."""

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.kinds import TRAEFIK_SERVICE
from trimtab.adapters.kubernetes.routers.drift import Shape, rules_over
from trimtab.adapters.kubernetes.routers.provider import Provider
from trimtab.adapters.kubernetes.routers.routing import Routing
from trimtab.adapters.kubernetes.routers.shares import routes_of
from trimtab.config.references import items, mapping
from trimtab.model.facts import Capabilities, Routes
from trimtab.model.policy import Policy

SHAPE = Shape(frozenset({"name", "namespace", "port", "weight"}))


def capabilities(policy: Policy) -> Capabilities:
    """Weights alone."""
    return Capabilities(match=False, mirror=False)


def read(live: Object, apex: str) -> Routes | None:
    """By its weights."""
    services = items(mapping(mapping(live.get("spec")).get("weighted")).get("services"))
    return routes_of([{str(one.get("name")): _number(one.get("weight")) for one in services}], apex, False)


def route(routing: Routing, live: Object | None, origin: Object | None) -> Object:
    """The TraefikService, in which the canary stands only while it gets requests; stickiness and the like stay as they are."""
    weights = {routing.primary_service: 100 - routing.weight, routing.canary_service: routing.weight}
    services: list[Object] = [
        {"name": name, "namespace": routing.key.namespace, "port": routing.policy.service.port, "weight": weight}
        for name, weight in weights.items()
        if weight or name == routing.primary_service
    ]
    before = mapping(mapping(live.get("spec")).get("weighted")) if live is not None else {}
    spec = {"weighted": {**before, "services": rules_over(before.get("services"), services, SHAPE)}}
    return {"metadata": {"labels": routing.labels, "annotations": routing.annotations}, "spec": spec}


def _number(weight: object) -> int:
    """A service without a weight counts as one part, as in Traefik."""
    return weight if isinstance(weight, int) else 1


TRAEFIK = Provider(TRAEFIK_SERVICE, capabilities, read, route)
