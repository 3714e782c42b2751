"""The rules of an HTTPRoute: who matches what, what happens on the way, and where requests go. Pure; called by `gatewayapi`.

Everything that the API fills in is written out, so that what is read is what was written.
"""

import re
from collections.abc import Mapping, Sequence

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.routers import cookies, gateway_filters
from trimtab.adapters.kubernetes.routers.routing import Routing
from trimtab.config.references import items
from trimtab.documents.analysis import SessionAffinity
from trimtab.documents.matches import HTTPMatch
from trimtab.documents.matches import StringMatch as StringDocument
from trimtab.model.policy import Match, StringMatch

COOKIE = "Cookie"
ANYTHING: Object = {"type": "PathPrefix", "value": "/"}
EXPRESSION = "RegularExpression"


def rules(routing: Routing, previous: str, *, whole: bool) -> list[Object]:
    """All rules. `previous` is the canary's cookie as the live object knows it; without `whole` timeouts and CORS are left out."""
    if routing.tested:
        share = 100 if routing.exposure.matched else 0
        some = rule(routing, tested(routing), backends(routing, share), whole=whole)
        return [some, mirrored(routing, rule(routing, served(routing), backends(routing, 0)[:1], whole=whole))]
    everyone = mirrored(routing, rule(routing, served(routing), backends(routing, routing.weight), whole=whole))
    affinity = routing.affinity
    if affinity is None:
        return [everyone]
    if routing.weight:
        return sticky(routing, affinity, everyone, whole=whole)
    if not previous:
        return [everyone]
    back = rule(routing, with_cookie(routing, previous), backends(routing, 0), whole=whole)
    return [{**back, "filters": gateway_filters.answering(back.get("filters"), cookies.taken_back(previous))}, everyone]


def sticky(routing: Routing, affinity: SessionAffinity, everyone: Object, *, whole: bool) -> list[Object]:
    """Users with a cookie stay where they are; others get one with the answer (RT-I7)."""
    of_canary, of_primary = cookies.of_canary(routing, affinity), cookies.of_primary(routing, affinity)
    found = [rule(routing, with_cookie(routing, of_canary), backends(routing, 100), whole=whole)]
    texts = {routing.canary_service: cookies.handed_out(of_canary, affinity, affinity.max_age)}
    if of_primary:
        found.append(rule(routing, with_cookie(routing, of_primary), backends(routing, 0), whole=whole))
        texts[routing.primary_service] = cookies.handed_out(of_primary, affinity, int(routing.policy.interval.total_seconds()))
    to = [
        {**one, "filters": gateway_filters.answering([], texts[str(one["name"])])} if one["name"] in texts else one
        for one in items(everyone.get("backendRefs"))
    ]
    return [*found, {**everyone, "backendRefs": to}]


def rule(routing: Routing, match: Sequence[Object], to: list[Object], *, whole: bool) -> Object:
    """One rule, with everything that the Canary asks for on the way."""
    service = routing.service
    found: Object = {"matches": list(match), "backendRefs": to}
    filters = gateway_filters.filters(service, cors=whole)
    if filters:
        found["filters"] = filters
    timeouts = {"request": service.timeout, "backendRequest": service.backend_timeout}
    given = {name: value for name, value in timeouts.items() if value}
    return {**found, "timeouts": given} if given and whole else found


def mirrored(routing: Routing, found: Object) -> Object:
    """The rule for everybody, whose requests are copied to the canary where that is wanted (RT-G5)."""
    if not routing.exposure.mirrored:
        return found
    return {**found, "filters": [*items(found.get("filters")), gateway_filters.mirror(backend(routing, routing.canary_service))]}


def backends(routing: Routing, weight: int) -> list[Object]:
    """The primary, then the canary, which gets `weight` percent."""
    return [
        {**backend(routing, routing.primary_service), "weight": 100 - weight},
        {**backend(routing, routing.canary_service), "weight": weight},
    ]


def backend(routing: Routing, service: str) -> Object:
    """One Service."""
    return {"group": "", "kind": "Service", "name": service, "port": routing.policy.service.port}


def served(routing: Routing) -> list[Object]:
    """The requests that the Service is for; all where nothing is said."""
    return [match_of(match) for match in routing.service.match] or [{"path": dict(ANYTHING)}]


def match_of(written: HTTPMatch) -> Object:
    """Path, method, headers and query parameters; the API knows nothing else of what Istio matches."""
    found: Object = {"path": path(written.uri)}
    if written.method is not None and written.method.exact:
        found["method"] = written.method.exact
    headers = [{"name": name, **text(_one(name, match))} for name, match in sorted(written.headers.items())]
    query = [{"name": name, **text(_one(name, match))} for name, match in sorted(written.query_params.items())]
    return {**found, **({"headers": headers} if headers else {}), **({"queryParams": query} if query else {})}


def path(written: StringDocument | None) -> Object:
    """How a path is matched."""
    if written is None:
        return dict(ANYTHING)
    kinds = {"Exact": written.exact, "PathPrefix": written.prefix, EXPRESSION: written.regex}
    return next(({"type": kind, "value": value} for kind, value in kinds.items() if value), dict(ANYTHING))


def tested(routing: Routing) -> list[Object]:
    """The requests of an A/B test: each condition of the analysis within each of the Service (RT-G2)."""
    return [{**base, **condition(match)} for match in routing.policy.match for base in served(routing)]


def condition(match: Match) -> Object:
    """One alternative of an A/B test."""
    parts = {"headers": match.headers, "queryParams": match.query}
    return {name: [{"name": one.name, **text(one)} for one in part] for name, part in parts.items() if part}


def text(match: StringMatch) -> Object:
    """How the API says it: exactly or by an expression, of which some Gateways want that it fits the whole value, others a part."""
    escaped = re.escape(match.value)
    kinds = {
        "exact": {"type": "Exact", "value": match.value},
        "prefix": {"type": EXPRESSION, "value": f"^{escaped}.*"},
        "suffix": {"type": EXPRESSION, "value": f".*{escaped}$"},
        "regex": {"type": EXPRESSION, "value": match.value},
    }
    return dict(kinds[match.kind])


def _one(name: str, written: StringDocument) -> StringMatch:
    kinds = {"exact": written.exact, "prefix": written.prefix, "regex": written.regex}
    return next((StringMatch(name, kind, value) for kind, value in kinds.items() if value is not None), StringMatch(name, "prefix", ""))


def with_cookie(routing: Routing, cookie: str) -> list[Object]:
    """Those of the requests that carry a cookie."""
    known = {"name": COOKIE, "type": EXPRESSION, "value": cookies.pattern(cookie)}
    return [{**base, "headers": [*items(base.get("headers")), known]} for base in served(routing)]


def known_cookie(live: Sequence[Mapping[str, object]], affinity: SessionAffinity | None) -> str:
    """The canary's cookie that the live rules look for; empty where there is none."""
    if affinity is None:
        return ""
    headers = (header for one in live for match in items(one.get("matches")) for header in items(match.get("headers")))
    values = (header.get("value") for header in headers if header.get("name") == COOKIE)
    return next((found for value in values if (found := cookies.cookie_of(value, affinity))), "")
