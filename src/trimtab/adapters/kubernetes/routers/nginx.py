"""The NGINX ingress controller: a second Ingress whose annotations say who gets the canary (RT-N1 to RT-N3). Chosen by `choose`."""

import re
from collections.abc import Mapping
from functools import partial

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import annotations_of, metadata_of
from trimtab.adapters.kubernetes.kinds import INGRESS, Kind
from trimtab.adapters.kubernetes.marks import FLUX_OFF
from trimtab.adapters.kubernetes.routers.provider import Provider
from trimtab.adapters.kubernetes.routers.routing import Routing
from trimtab.config.references import items, mapping
from trimtab.documents.flagger import Canary
from trimtab.errors import InputError
from trimtab.model.facts import Capabilities, Routes
from trimtab.model.policy import Policy, StringMatch

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
BY_HEADER, BY_VALUE, BY_PATTERN, BY_COOKIE = (
    "canary-by-header",
    "canary-by-header-value",
    "canary-by-header-pattern",
    "canary-by-cookie",
)
CONDITIONS = (BY_HEADER, BY_VALUE, BY_PATTERN, BY_COOKIE)


def capabilities(policy: Policy) -> Capabilities:
    """At most one header and one cookie, either of which suffices; no mirroring."""
    return Capabilities(match=expressible(policy), mirror=False)


def problem(canary: Canary) -> str:
    """The Ingress has to be named."""
    if canary.spec.ingress_ref is not None:
        return ""
    return "spec.ingressRef is missing: provider nginx needs the name of the Ingress in front of the Service"


def name(canary: Canary, policy: Policy) -> str:
    """Beside the user's own Ingress."""
    return f"{ingress_of(canary)}-canary"


def origin(canary: Canary) -> tuple[Kind, str] | None:
    """The user's own Ingress."""
    return INGRESS, ingress_of(canary)


def read(live: Object, apex: str, *, prefix: str) -> Routes | None:
    """By its annotations; an Ingress that does not lead to the canary is not ours yet."""
    if not any(service.get("name") == f"{apex}-canary" for service in services_in(live)):
        return None
    found = annotations_of(live)
    if found.get(f"{prefix}/canary") != "true":
        return None
    weight = str(found.get(f"{prefix}/canary-weight", "0"))
    matched = any(f"{prefix}/{name}" in found for name in CONDITIONS)
    return Routes(int(weight) if weight.isdecimal() else 0, matched)


def route(routing: Routing, live: Object | None, origin: Object | None, *, prefix: str) -> Object:
    """The user's Ingress with the canary's Service in place of the apex. InputError where there is no such Ingress."""
    name = ingress_of(routing.canary)
    if origin is None:
        raise InputError(
            f"spec.ingressRef of Canary {routing.key}: there is no Ingress {name} in namespace {routing.key.namespace}. Make it"
        )
    if not any(service.get("name") == routing.apex for service in services_in(origin)):
        raise InputError(
            f"backend {routing.apex} not found in ingress {name}: one of its backends has to be the Service of Canary {routing.key}. "
            "Correct spec.ingressRef or spec.service.name, or give the Ingress that backend"
        )
    spec = {**dict.fromkeys(mapping(live.get("spec")) if live is not None else ()), **mapping(origin.get("spec"))}
    copied = {part: dict(value) for part in ("labels", "annotations") if live is None and (value := mapping(metadata_of(origin).get(part)))}
    kept = {
        key: value for key, value in copied.get("annotations", {}).items() if not key.startswith(f"{prefix}/canary") and key != LAST_APPLIED
    }
    annotations = {**kept, **FLUX_OFF, **exposed(routing, prefix)}
    return {"metadata": {"labels": copied.get("labels", {}), "annotations": annotations}, "spec": to_canary(spec, routing)}


def exposed(routing: Routing, prefix: str) -> Object:
    """The annotations that say who gets the canary; None takes one away (RT-N2)."""
    found: dict[str, object] = {"canary": "true", "canary-weight": str(routing.weight), **dict.fromkeys(CONDITIONS)}
    if routing.tested and routing.exposure.matched:
        for match in routing.policy.match:
            for header in match.headers:
                found |= by_cookie(header) if header.name.lower() == "cookie" else by_header(header)
    return {f"{prefix}/{name}": value for name, value in found.items()}


def ingress_of(canary: Canary) -> str:
    """The user's own Ingress. InputError where none is named."""
    found = canary.spec.ingress_ref
    if found is None:
        raise InputError(f"Canary {canary.metadata.name} has no spec.ingressRef, which provider nginx needs")
    return found.name


def expressible(policy: Policy) -> bool:
    """Can annotations say it? Alternatives only, each of one header; one of them may be a cookie, by its name."""
    headers = [header for match in policy.match for header in match.headers]
    single = all(len(match.headers) == 1 and not match.query and not match.sources for match in policy.match)
    named_cookies = [header for header in headers if header.name.lower() == "cookie"]
    return (
        single and len(named_cookies) <= 1 and len(headers) - len(named_cookies) <= 1 and all(one.kind == "exact" for one in named_cookies)
    )


def by_header(header: StringMatch) -> Object:
    """A header, by its value or by an expression, of which NGINX wants that it fits a part."""
    if header.kind == "exact":
        return {BY_HEADER: header.name, BY_VALUE: header.value}
    escaped = re.escape(header.value)
    patterns = {"prefix": f"^{escaped}", "suffix": f"{escaped}$", "regex": header.value}
    return {BY_HEADER: header.name, BY_PATTERN: patterns[header.kind]}


def by_cookie(header: StringMatch) -> Object:
    """A cookie, whose name stands where a header has its value."""
    return {BY_COOKIE: header.value}


def services_in(ingress: Mapping[str, object]) -> list[Mapping[str, object]]:
    """Every Service that it leads to by a path."""
    rules = items(mapping(ingress.get("spec")).get("rules"))
    paths = [path for rule in rules for path in items(mapping(rule.get("http")).get("paths"))]
    return [mapping(mapping(path.get("backend")).get("service")) for path in paths]


def to_canary(spec: Object, routing: Routing) -> Object:
    """A spec with the canary's Service in place of the apex."""
    rules = []
    for rule in items(spec.get("rules")):
        paths = [leading_to_canary(path, routing) for path in items(mapping(rule.get("http")).get("paths"))]
        rules.append({**rule, "http": {**mapping(rule.get("http")), "paths": paths}} if "http" in rule else dict(rule))
    return {**spec, "rules": rules}


def leading_to_canary(path: Mapping[str, object], routing: Routing) -> Object:
    """One path; those to other Services stay as they are."""
    backend = mapping(path.get("backend"))
    service = mapping(backend.get("service"))
    if service.get("name") != routing.apex:
        return dict(path)
    return {**path, "backend": {**backend, "service": {**service, "name": routing.canary_service}}}


def nginx(prefix: str) -> Provider:
    """NGINX; `prefix` is that of its annotations."""
    return Provider(
        INGRESS, capabilities, partial(read, prefix=prefix), partial(route, prefix=prefix), name=name, problem=problem, origin=origin
    )
