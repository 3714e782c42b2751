"""Which mesh or ingress routes a Canary: `spec.provider`, else the operator's setting (QUIRK-21). Called by `router` and by sources."""

from trimtab.adapters.kubernetes.routers.gatewayapi import GATEWAY_API, GATEWAY_API_BETA
from trimtab.adapters.kubernetes.routers.istio import ISTIO
from trimtab.adapters.kubernetes.routers.nginx import nginx
from trimtab.adapters.kubernetes.routers.provider import Provider
from trimtab.adapters.kubernetes.routers.smi import traffic_split
from trimtab.adapters.kubernetes.routers.traefik import TRAEFIK
from trimtab.adapters.kubernetes.settings import Settings
from trimtab.documents.flagger import Canary
from trimtab.errors import InputError

SERVICES_ALONE = "kubernetes"
"""No mesh: everybody always gets the primary (RT-KU)."""
WORKING = (
    SERVICES_ALONE,
    "istio",
    "gatewayapi:v1",
    "gatewayapi:v1beta1",
    "nginx",
    "linkerd",
    "smi:v1alpha1",
    "smi:v1alpha2",
    "smi:v1alpha3",
    "traefik",
)


def choose(name: str, settings: Settings) -> Provider | None:
    """The provider of that name, the operator's where it is empty; None where traffic follows the Services alone. InputError for others."""
    wanted = name or settings.provider
    if wanted == SERVICES_ALONE:
        return None
    found = {
        "istio": ISTIO,
        "gatewayapi:v1": GATEWAY_API,
        "gatewayapi:v1beta1": GATEWAY_API_BETA,
        "nginx": nginx(settings.ingress_annotations_prefix),
        "linkerd": traffic_split("v1alpha1"),
        "smi:v1alpha1": traffic_split("v1alpha1"),
        "smi:v1alpha2": traffic_split("v1alpha2"),
        "smi:v1alpha3": traffic_split("v1alpha3"),
        "traefik": TRAEFIK,
    }.get(wanted)
    if found is None:
        field = "spec.provider" if name else "the operator's --mesh-provider"
        raise InputError(f"{field} is {wanted!r}, which Trimtab does not route. It can be one of: {', '.join(WORKING)}")
    return found


def refusal(canary: Canary, settings: Settings) -> str:
    """Why a Canary cannot be routed, with field and fix; empty where it can."""
    try:
        provider = choose(canary.spec.provider or "", settings)
    except InputError as error:
        return str(error)
    return provider.problem(canary) if provider is not None else ""
