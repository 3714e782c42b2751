"""What a mesh or ingress has to say about itself: pure functions, objects in, objects out. Called by `router`, chosen by `choose`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.kinds import Kind
from trimtab.adapters.kubernetes.routers.routing import Routing
from trimtab.documents.flagger import Canary
from trimtab.model.facts import Capabilities, Routes
from trimtab.model.policy import Policy


def no_problem(canary: Canary) -> str:
    """Every Canary can be routed."""
    return ""


def of_service(canary: Canary, policy: Policy) -> str:
    """The route object is called as the Service."""
    return policy.service.name


def no_origin(canary: Canary) -> None:
    """The route object is made anew."""


def nothing_beside(routing: Routing) -> Sequence[tuple[Kind, Object]]:
    """The route object is all there is."""
    return ()


def nothing_to_restore(live: Object) -> None:
    """Nothing is put back, as in Flagger (DEL-2)."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One mesh or ingress."""

    kind: Kind
    """Of the route object."""
    capabilities: Callable[[Policy], Capabilities]
    """What it can do for a policy."""
    read: Callable[[Object, str], Routes | None]
    """Where the live route object sends requests of the Service of that name; None where it does not know our Services.
    Whether the mesh has taken it over is said in it."""
    route: Callable[[Routing, Object | None, Object | None], Object]
    """Labels, annotations and spec that the route object should have, from the order, the live object and the origin.

    None as a value takes a field away. What others wrote and Trimtab says nothing about is in the answer as it was. InputError where
    it cannot be made.
    """
    name: Callable[[Canary, Policy], str] = of_service
    """How the route object is called."""
    problem: Callable[[Canary], str] = no_problem
    """Why it cannot route a Canary, with field and fix; empty where it can."""
    origin: Callable[[Canary], tuple[Kind, str] | None] = no_origin
    """Kind and name of the object that the route is a copy of, where there is one."""
    beside: Callable[[Routing], Sequence[tuple[Kind, Object]]] = nothing_beside
    """Objects that have to be there before the route, each complete but for its owner."""
    original: Callable[[Object], Object | None] = nothing_to_restore
    """The spec that the live object had before it was taken over; None where nothing is to be put back."""
