"""The Service Mesh Interface, as Linkerd has it: a TrafficSplit (RT-S). Chosen by `choose`."""

from functools import partial

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.kinds import Kind
from trimtab.adapters.kubernetes.routers.drift import Shape, rules_over
from trimtab.adapters.kubernetes.routers.provider import Provider
from trimtab.adapters.kubernetes.routers.routing import Routing
from trimtab.adapters.kubernetes.routers.shares import routes_of
from trimtab.config.references import items, mapping
from trimtab.model.facts import Capabilities, Routes
from trimtab.model.policy import Policy

SHAPE = Shape(frozenset({"service", "weight"}))
QUANTITIES = "v1alpha1"
"""The version in which a weight is a quantity, written as text."""


def capabilities(policy: Policy) -> Capabilities:
    """Weights alone."""
    return Capabilities(match=False, mirror=False)


def read(live: Object, apex: str) -> Routes | None:
    """By its weights."""
    backends = items(mapping(live.get("spec")).get("backends"))
    return routes_of([{str(one.get("service")): number(one.get("weight")) for one in backends}], apex, False)


def route(routing: Routing, live: Object | None, origin: Object | None, *, quantities: bool) -> Object:
    """The TrafficSplit. Its root is the first host, where one is given."""
    weights = {routing.canary_service: routing.weight, routing.primary_service: 100 - routing.weight}
    backends: list[Object] = [{"service": name, "weight": str(weight) if quantities else weight} for name, weight in weights.items()]
    before = mapping(live.get("spec")).get("backends") if live is not None else None
    spec = {"service": routing.service.hosts[0] if routing.service.hosts else routing.apex, "backends": rules_over(before, backends, SHAPE)}
    return {"metadata": {"labels": routing.labels, "annotations": routing.annotations}, "spec": spec}


def number(weight: object) -> int:
    """A weight of any version. A quantity may be written in thousandths, as older examples do."""
    text = str(weight)
    return int(text.removesuffix("m")) if text.removesuffix("m").isdecimal() else 0


def traffic_split(version: str) -> Provider:
    """A TrafficSplit of one version."""
    kind = Kind(f"split.smi-spec.io/{version}", "TrafficSplit", "trafficsplits")
    return Provider(kind, capabilities, read, partial(route, quantities=version == QUANTITIES))
