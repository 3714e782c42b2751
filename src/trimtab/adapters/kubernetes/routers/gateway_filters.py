"""What happens to a request on its way, as filters of an HTTPRoute, in Flagger's order (RT-G1). Pure; called by `gateway_rules`."""

from trimtab.adapters.kubernetes.client import Object
from trimtab.config.references import items, mapping
from trimtab.documents.durations import parse_duration
from trimtab.documents.service import BackendRef, CanaryService, CorsPolicy, HeaderOperations, Rewrite

ANSWER = "ResponseHeaderModifier"
LONGEST_CACHED = 5
"""Seconds: what the API fills in where `maxAge` is not given."""


def filters(service: CanaryService, *, cors: bool) -> list[Object]:
    """Headers of the request, headers of the answer, rewriting, mirrors, CORS."""
    found: list[Object] = []
    if service.headers is not None:
        found += headers("RequestHeaderModifier", "requestHeaderModifier", service.headers.request)
        found += headers(ANSWER, "responseHeaderModifier", service.headers.response)
    found += rewriting(service.rewrite) if service.rewrite is not None else []
    found += [mirror(reference(one.backend_ref)) for one in service.mirror if one.backend_ref is not None]
    found += other_origins(service.cors_policy) if service.cors_policy is not None and cors else []
    return found


def headers(kind: str, field: str, written: HeaderOperations | None) -> list[Object]:
    """Headers to set and add, sorted by name, and to remove, as they are written (recorded)."""
    if written is None:
        return []
    lists = {
        "set": [{"name": name, "value": value} for name, value in sorted(written.set.items())],
        "add": [{"name": name, "value": value} for name, value in sorted(written.add.items())],
        "remove": list(written.remove),
    }
    given = {name: part for name, part in lists.items() if part}
    return [{"type": kind, field: given}] if given else []


def rewriting(written: Rewrite) -> list[Object]:
    """Another path, another host, or both."""
    found: Object = {"hostname": written.authority} if written.authority else {}
    if written.uri:
        prefix = written.type == "ReplacePrefixMatch"
        kind, field = ("ReplacePrefixMatch", "replacePrefixMatch") if prefix else ("ReplaceFullPath", "replaceFullPath")
        found["path"] = {"type": kind, field: written.uri}
    return [{"type": "URLRewrite", "urlRewrite": found}] if found else []


def reference(written: BackendRef) -> Object:
    """A Service that the Canary names."""
    parts = {"namespace": written.namespace, "port": written.port}
    given = {name: value for name, value in parts.items() if value is not None}
    return {"group": written.group, "kind": written.kind, "name": written.name, **given}


def mirror(backend: Object) -> Object:
    """Requests are copied to a Service, whose answers are thrown away."""
    return {"type": "RequestMirror", "requestMirror": {"backendRef": backend}}


def other_origins(written: CorsPolicy) -> list[Object]:
    """Which other origins may call; the API takes plain origins only, so `allowOrigins` is left out, as in Flagger."""
    lists = {
        "allowOrigins": written.allow_origin,
        "allowMethods": written.allow_methods,
        "allowHeaders": written.allow_headers,
        "exposeHeaders": written.expose_headers,
    }
    found: Object = {name: list(part) for name, part in lists.items() if part}
    if written.allow_credentials:
        found["allowCredentials"] = True
    found["maxAge"] = int(parse_duration(written.max_age).total_seconds()) if written.max_age else LONGEST_CACHED
    return [{"type": "CORS", "cors": found}]


def answering(found: object, set_cookie: str) -> list[Object]:
    """The filters of a rule, with a cookie in the answer. The API takes one filter for headers of the answer, so it goes into that."""
    cookie = {"name": "Set-Cookie", "value": set_cookie}
    rest: list[Object] = [dict(one) for one in items(found) if one.get("type") != ANSWER]
    before = next((mapping(one.get("responseHeaderModifier")) for one in items(found) if one.get("type") == ANSWER), {})
    changed: Object = {"type": ANSWER, "responseHeaderModifier": {**before, "add": [*items(before.get("add")), cookie]}}
    return [*rest, changed]
