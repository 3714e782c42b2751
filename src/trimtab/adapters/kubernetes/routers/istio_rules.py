"""The rules of a VirtualService: who matches what and goes where (RT-I2 to RT-I4, RT-I7). Pure; called by `istio`."""

import re
from collections.abc import Mapping, Sequence

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.routers import cookies
from trimtab.adapters.kubernetes.routers.routing import Routing, plain
from trimtab.config.references import items, mapping
from trimtab.documents.analysis import SessionAffinity
from trimtab.model.policy import Match, StringMatch

COOKIE, SET_COOKIE = "Cookie", "Set-Cookie"


def tcp(routing: Routing) -> list[Object]:
    """One rule. Of what the Service is for only ports count, for streams have neither paths nor headers (RT-I2)."""
    match: list[Object] = [{"port": one.port} if one.port else {} for one in routing.service.match]
    return [{**({"match": match} if match else {}), "route": backends(routing, routing.weight)}]


def http(routing: Routing, previous: str) -> list[Object]:
    """All rules, in the order in which Istio tries them. `previous` is the canary's cookie as the live object knows it."""
    if routing.tested:
        share = 100 if routing.exposure.matched else 0
        # The weight of the only destination says nothing to a mesh; it is Flagger's (RT-I3).
        everybody = [{**destination(routing, routing.primary_service), "weight": 100 - share}]
        return [rule(routing, tested(routing), backends(routing, share)), mirrored(routing, rule(routing, served(routing), everybody))]
    everyone = mirrored(routing, rule(routing, served(routing), backends(routing, routing.weight)))
    affinity = routing.affinity
    if affinity is None:
        return [everyone]
    if routing.weight:
        return sticky(routing, affinity, everyone)
    if not previous:
        return [everyone]
    back = rule(routing, with_cookie(served(routing), previous), backends(routing, 0))
    return [{**back, "headers": answering(back.get("headers"), cookies.taken_back(previous))}, everyone]


def sticky(routing: Routing, affinity: SessionAffinity, everyone: Object) -> list[Object]:
    """Users with a cookie stay where they are; others get one with the answer."""
    of_canary, of_primary = cookies.of_canary(routing, affinity), cookies.of_primary(routing, affinity)
    rules = [rule(routing, with_cookie(served(routing), of_canary), backends(routing, 100))]
    texts = {routing.canary_service: cookies.handed_out(of_canary, affinity, affinity.max_age)}
    if of_primary:
        rules.append(rule(routing, with_cookie(served(routing), of_primary), backends(routing, 0)))
        texts[routing.primary_service] = cookies.handed_out(of_primary, affinity, int(routing.policy.interval.total_seconds()))
    to = [
        {**backend, "headers": answering(None, texts[name])} if (name := host(backend)) in texts else backend
        for backend in items(everyone.get("route"))
    ]
    return [*rules, {**everyone, "route": to}]


def rule(routing: Routing, match: Sequence[Object], route: list[Object]) -> Object:
    """One rule, with everything that the Canary asks for on the way."""
    service = routing.service
    found: Object = {"match": list(match)} if match else {}
    if service.rewrite is not None:
        rewrite = {name: value for name, value in plain(service.rewrite).items() if name != "type"}
        found |= {"rewrite": rewrite} if rewrite else {}
    if service.timeout:
        found["timeout"] = service.timeout
    parts = {"retries": service.retries, "corsPolicy": service.cors_policy, "headers": service.headers}
    found |= {name: spoken(plain(part)) for name, part in parts.items() if part is not None}
    return {**found, "route": route}


def spoken(part: Mapping[str, object]) -> Object:
    """A part without what is false, empty or 0, which Flagger leaves away, too; but no retries are no default of Istio's (recorded)."""
    kept = {name: value for name, value in part.items() if value or (name == "attempts" and value is not None)}
    return {name: spoken(value) if isinstance(value, dict) else value for name, value in kept.items()}


def mirrored(routing: Routing, found: Object) -> Object:
    """The rule for everybody, whose requests are copied to the canary where that is wanted (RT-I4)."""
    if not routing.exposure.mirrored:
        return found
    percentage = {"mirrorPercentage": {"value": routing.policy.mirror_weight}} if routing.canary.spec.analysis.mirror_weight else {}
    return {**found, "mirror": {"host": routing.canary_service}, **percentage}


def backends(routing: Routing, weight: int) -> list[Object]:
    """The primary, then the canary, which gets `weight` percent."""
    return [
        {**destination(routing, routing.primary_service), "weight": 100 - weight},
        {**destination(routing, routing.canary_service), "weight": weight},
    ]


def destination(routing: Routing, service: str) -> Object:
    """One Service; with its port only where it has several and requests come from outside the mesh (RT-I2)."""
    written = routing.service
    outside = written.delegation or (written.gateways and written.gateways[0] != "mesh")
    port = {"port": {"number": routing.policy.service.port}} if written.port_discovery and outside else {}
    return {"destination": {"host": service, **port}}


def host(backend: Mapping[str, object]) -> str:
    """The Service of a destination."""
    return str(mapping(backend.get("destination")).get("host"))


def served(routing: Routing) -> list[Object]:
    """The requests that the Service is for; all where nothing is said."""
    return [spoken(plain(match)) for match in routing.service.match]


def tested(routing: Routing) -> list[Object]:
    """The requests of an A/B test: each condition of the analysis within each of the Service (RT-I3)."""
    return [{**base, **condition(match)} for match in routing.policy.match for base in served(routing) or [{}]]


def condition(match: Match) -> Object:
    """One alternative of an A/B test."""
    parts = {
        "headers": {one.name: text(one) for one in match.headers},
        "queryParams": {one.name: text(one) for one in match.query},
        "sourceLabels": dict(match.sources),
    }
    return {name: part for name, part in parts.items() if part}


def text(match: StringMatch) -> Object:
    """How Istio says it; it knows no endings, but expressions, which have to fit the whole value."""
    if match.kind == "suffix":
        return {"regex": f".*{re.escape(match.value)}"}
    return {match.kind: match.value}


def with_cookie(match: Sequence[Object], cookie: str) -> list[Object]:
    """Those of the requests that carry a cookie."""
    known = {COOKIE: {"regex": cookies.pattern(cookie)}}
    return [{**base, "headers": {**mapping(base.get("headers")), **known}} for base in match or [{}]]


def answering(headers: object, set_cookie: str) -> Object:
    """Changes to headers, with a cookie in the answer."""
    before = mapping(headers)
    response = mapping(before.get("response"))
    return {**before, "response": {**response, "add": {**mapping(response.get("add")), SET_COOKIE: set_cookie}}}


def known_cookie(rules: Sequence[Mapping[str, object]], affinity: SessionAffinity | None) -> str:
    """The canary's cookie that the live rules look for; empty where there is none."""
    if affinity is None:
        return ""
    headers = (mapping(mapping(match.get("headers")).get(COOKIE)).get("regex") for one in rules for match in items(one.get("match")))
    return next((found for regex in headers if (found := cookies.cookie_of(regex, affinity))), "")
