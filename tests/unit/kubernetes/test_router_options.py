"""What a Canary asks for on the way of a request, as each mesh or ingress says it; beside the recorded routes of Flagger."""

from typing import Any

import pytest
import yaml

from trimtab.adapters.kubernetes.cluster import decode_object
from trimtab.adapters.kubernetes.routers import istio
from trimtab.adapters.kubernetes.routers.choose import WORKING, choose, refusal
from trimtab.adapters.kubernetes.routers.drift import change
from trimtab.adapters.kubernetes.routers.provider import Provider
from trimtab.adapters.kubernetes.routers.routing import Routing
from trimtab.adapters.kubernetes.settings import Settings
from trimtab.documents.flagger import Canary
from trimtab.documents.translate import Companions, translate
from trimtab.errors import InputError
from trimtab.model.facts import Capabilities, Routes
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.rollout import Exposure

Raw = dict[str, Any]
KEY = CanaryKey("shop", "app")
SOME = Exposure(weight=20)
GATEWAYS = "{gatewayRefs: [{name: public, namespace: edge}], "
ROUTED = {"istio": "{", "gatewayapi:v1": GATEWAYS, "linkerd": "{", "smi:v1alpha2": "{", "traefik": "{"}


def written(provider: str, service: str = "{port: 80}", analysis: str = "{stepWeight: 10}", **spec: Any) -> Canary:
    """A Canary as people write it."""
    given = {
        "provider": provider,
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "app"},
        "service": yaml.safe_load(service),
        "analysis": {"interval": "10s", "threshold": 2, **yaml.safe_load(analysis)},
        **spec,
    }
    metadata = {"name": "app", "namespace": "shop"}
    found = decode_object({"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": metadata, "spec": given}).value
    assert isinstance(found, Canary)
    return found


def provider_of(name: str) -> Provider:
    """A mesh or ingress that has route objects."""
    found = choose(name, Settings())
    assert found is not None
    return found


def made(canary: Canary, exposure: Exposure = SOME, live: Raw | None = None, origin: Raw | None = None) -> Raw:
    """What the route object should say."""
    policy = translate(canary, Companions())
    return provider_of(policy.provider).route(Routing(KEY, "uid", canary, policy, exposure, 1), live, origin)


def policy_of(provider: str, analysis: str) -> Policy:
    """The rules of a Canary."""
    return translate(written(provider, analysis=analysis), Companions())


OPTIONS = """{
  port: 80, timeout: 5s, backendTimeout: 2s, hosts: [a.example], gatewayRefs: [{name: public, sectionName: https, port: 443}],
  rewrite: {uri: /v2, authority: b.example, type: ReplacePrefixMatch}, retries: {attempts: 3, retryOn: 5xx},
  headers: {request: {add: {z: '1', a: '2'}, remove: [y, b]}, response: {set: {c: '3'}}},
  mirror: [{backendRef: {name: tap, namespace: watch, port: 9000}}],
  corsPolicy: {allowOrigin: ['https://c.example'], allowMethods: [GET], allowCredentials: true, maxAge: 1h},
  match: [{uri: {prefix: /api}, method: {exact: GET}, headers: {x: {prefix: 'a.b'}}, queryParams: {q: {regex: '[0-9]+'}}}],
  apex: {labels: {team: red}, annotations: {note: x}}}"""


def test_a_gateway_gets_every_filter_in_flaggers_order() -> None:
    found = made(written("gatewayapi:v1", OPTIONS))
    (rule,) = found["spec"]["rules"]
    assert rule["filters"] == [
        {
            "type": "RequestHeaderModifier",
            "requestHeaderModifier": {"add": [{"name": "a", "value": "2"}, {"name": "z", "value": "1"}], "remove": ["y", "b"]},
        },
        {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "c", "value": "3"}]}},
        {
            "type": "URLRewrite",
            "urlRewrite": {"hostname": "b.example", "path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/v2"}},
        },
        {
            "type": "RequestMirror",
            "requestMirror": {"backendRef": {"group": "", "kind": "Service", "name": "tap", "namespace": "watch", "port": 9000}},
        },
        {
            "type": "CORS",
            "cors": {"allowOrigins": ["https://c.example"], "allowMethods": ["GET"], "allowCredentials": True, "maxAge": 3600},
        },
    ]
    assert rule["timeouts"] == {"request": "5s", "backendRequest": "2s"}
    assert rule["matches"] == [
        {
            "path": {"type": "PathPrefix", "value": "/api"},
            "method": "GET",
            "headers": [{"name": "x", "type": "RegularExpression", "value": r"^a\.b.*"}],
            "queryParams": [{"name": "q", "type": "RegularExpression", "value": "[0-9]+"}],
        }
    ]
    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public", "sectionName": "https", "port": 443}
    assert (found["spec"]["parentRefs"], found["spec"]["hostnames"]) == ([parent], ["a.example"])
    assert found["metadata"]["labels"] == {"team": "red"} and found["metadata"]["annotations"]["note"] == "x"


def test_the_older_gateway_api_gets_neither_timeouts_nor_cors() -> None:
    (rule,) = made(written("gatewayapi:v1beta1", OPTIONS))["spec"]["rules"]
    assert "timeouts" not in rule and "CORS" not in {one["type"] for one in rule["filters"]}


def test_a_cookie_in_the_answer_joins_the_one_filter_for_headers_of_the_answer() -> None:
    canary = written("gatewayapi:v1", OPTIONS, "{stepWeight: 10, sessionAffinity: {cookieName: c}}")
    first = made(canary, Exposure(weight=20))
    ended, _ = made(canary, Exposure(weight=0), live=first)["spec"]["rules"]
    (answer,) = (one["responseHeaderModifier"] for one in ended["filters"] if one["type"] == "ResponseHeaderModifier")
    assert answer["set"] == [{"name": "c", "value": "3"}] and answer["add"][0]["value"].endswith("; Max-Age=-1")


def test_istio_gets_every_option_on_each_of_its_rules() -> None:
    canary = written("istio", OPTIONS, "{iterations: 2, match: [{headers: {h: {suffix: '.x'}}, sourceLabels: {app: web}}]}")
    some, everybody = made(canary, Exposure(matched=True))["spec"]["http"]
    assert {key: value for key, value in some.items() if key not in ("match", "route")} == {
        "rewrite": {"uri": "/v2", "authority": "b.example"},
        "timeout": "5s",
        "retries": {"attempts": 3, "retryOn": "5xx"},
        "corsPolicy": {"allowCredentials": True, "allowMethods": ["GET"], "allowOrigin": ["https://c.example"], "maxAge": "1h"},
        "headers": {"request": {"add": {"z": "1", "a": "2"}, "remove": ["y", "b"]}, "response": {"set": {"c": "3"}}},
    }
    base = {"uri": {"prefix": "/api"}, "method": {"exact": "GET"}, "queryParams": {"q": {"regex": "[0-9]+"}}}
    assert some["match"] == [{**base, "headers": {"h": {"regex": r".*\.x"}}, "sourceLabels": {"app": "web"}}]
    assert everybody["match"] == [{**base, "headers": {"x": {"prefix": "a.b"}}}]


def test_a_delegated_virtual_service_has_neither_hosts_nor_gateways_but_ports() -> None:
    spec = made(written("istio", "{port: 80, delegation: true, portDiscovery: true}"))["spec"]
    assert (spec["hosts"], spec["gateways"]) == ([], None)
    assert spec["http"][0]["route"][0] == {"destination": {"host": "app-primary", "port": {"number": 80}}, "weight": 80}


def test_rt_i2_what_is_false_empty_or_0_is_left_away_but_for_no_retries() -> None:
    said = "retries: {attempts: 0}, corsPolicy: {allowOrigin: ['*'], allowCredentials: false, allowMethods: []}"
    match = "match: [{ignoreUriCase: false, uri: {prefix: /}}]"
    [rule] = made(written("istio", f"{{port: 80, {said}, {match}}}"))["spec"]["http"]
    assert {name: part for name, part in rule.items() if name != "route"} == {
        "match": [{"uri": {"prefix": "/"}}],
        "retries": {"attempts": 0},
        "corsPolicy": {"allowOrigin": ["*"]},
    }


def test_rt_i2_of_a_tcp_service_only_ports_are_matched_as_flagger_does() -> None:
    spec = made(written("istio", "{port: 5432, appProtocol: TCP, match: [{port: 5432}, {uri: {prefix: /x}}]}"))["spec"]
    assert spec["http"] is None and spec["tcp"][0]["match"] == [{"port": 5432}, {}]
    assert [one["weight"] for one in spec["tcp"][0]["route"]] == [80, 20]
    assert "match" not in made(written("istio", "{port: 5432, appProtocol: TCP}"))["spec"]["tcp"][0]


def test_everybody_goes_to_the_canary_after_a_failed_promotion_of_an_a_b_test() -> None:
    for provider, service in (("istio", "{port: 80}"), ("gatewayapi:v1", GATEWAYS + "port: 80}")):
        canary = written(provider, service, "{iterations: 2, match: [{headers: {h: {exact: x}}}]}")
        found = made(canary, Exposure(weight=100))
        assert provider_of(provider).read(found, "app") == Routes(100)


def test_session_affinity_is_left_out_of_an_a_b_test() -> None:
    analysis = "{iterations: 2, match: [{headers: {h: {exact: x}}}], sessionAffinity: {cookieName: c}}"
    found = made(written("gatewayapi:v1", GATEWAYS + "port: 80}", analysis), Exposure(matched=True))
    assert [[one["weight"] for one in rule["backendRefs"]] for rule in found["spec"]["rules"]] == [[0, 100], [100]]


@pytest.mark.parametrize(("version", "weights"), [("linkerd", ["20", "80"]), ("smi:v1alpha2", [20, 80]), ("smi:v1alpha3", [20, 80])])
def test_a_traffic_split_says_weights_as_its_version_does(version: str, weights: list[object]) -> None:
    spec = made(written(version, "{port: 80, hosts: [root.example]}"))["spec"]
    assert spec["service"] == "root.example"
    assert [(one["service"], one["weight"]) for one in spec["backends"]] == list(zip(("app-canary", "app-primary"), weights, strict=True))


def test_traefik_knows_the_canary_only_while_it_gets_requests() -> None:
    canary = written("traefik")
    alone, both = made(canary, Exposure()), made(canary)
    primary = {"name": "app-primary", "namespace": "shop", "port": 80, "weight": 100}
    assert alone["spec"]["weighted"]["services"] == [primary]
    assert both["spec"]["weighted"]["services"] == [{**primary, "weight": 80}, {**primary, "name": "app-canary", "weight": 20}]


@pytest.mark.parametrize("provider", ROUTED)
def test_every_weight_is_read_as_it_was_written_and_adds_up_to_100(provider: str) -> None:
    canary, live = written(provider, ROUTED[provider] + "port: 80}"), None
    for weight in (0, 1, 50, 99, 100, 33, 0):
        written_anew = made(canary, Exposure(weight=weight), live)
        live = {**written_anew, "metadata": {**written_anew["metadata"], "ownerReferences": [{"uid": "uid"}]}}
        assert change(live, made(canary, Exposure(weight=weight), live)) == {}, "the same again is no change"
        assert provider_of(provider).read(live, "app") == Routes(weight)


INGRESS: Raw = {
    "metadata": {"name": "front", "annotations": {"nginx.ingress.kubernetes.io/canary-weight": "5", "kept": "x"}},
    "spec": {
        "rules": [
            {
                "http": {
                    "paths": [
                        {"path": "/", "backend": {"service": {"name": "app", "port": {"number": 80}}}},
                        {"path": "/x", "backend": {"service": {"name": "other", "port": {"number": 80}}}},
                    ]
                }
            }
        ]
    },
}
REF = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "name": "front"}


def test_an_ingress_that_does_not_lead_to_the_service_is_refused_and_so_is_none() -> None:
    canary = written("nginx", "{port: 80, name: shop}", ingressRef=REF)
    with pytest.raises(InputError, match="backend shop not found in ingress front"):
        made(canary, origin=INGRESS)
    with pytest.raises(InputError, match=r"spec.ingressRef of Canary app.shop: there is no Ingress front in namespace shop"):
        made(canary)


def test_the_canary_ingress_takes_over_new_paths_but_its_annotations_are_left_to_others() -> None:
    canary = written("nginx", ingressRef=REF)
    live = {"metadata": {"annotations": {"mine": "y"}}, "spec": {"rules": [], "tls": [{"hosts": ["old"]}]}}
    found = change(live, made(canary, live=live, origin=INGRESS))
    services = [path["backend"]["service"]["name"] for path in found["spec"]["rules"][0]["http"]["paths"]]  # type: ignore[index]
    assert services == ["app-canary", "other"] and found["spec"]["tls"] is None  # type: ignore[index]
    assert {"mine", "kept"}.isdisjoint(found["metadata"]["annotations"])  # type: ignore[index]


@pytest.mark.parametrize(
    ("provider", "match", "able"),
    [
        ("istio", "{sourceLabels: {app: web}}", True),
        ("gatewayapi:v1", "{queryParams: {q: {exact: x}}}", True),
        ("gatewayapi:v1", "{sourceLabels: {app: web}}", False),
        ("nginx", "{headers: {h: {regex: x}}}", True),
        ("nginx", "{headers: {h: {exact: x}, i: {exact: x}}}", False),
        ("nginx", "{queryParams: {q: {exact: x}}}", False),
        ("nginx", "{headers: {cookie: {regex: x}}}", False),
        ("linkerd", "{headers: {h: {exact: x}}}", False),
        ("traefik", "{headers: {h: {exact: x}}}", False),
    ],
)
def test_a_condition_that_a_router_cannot_say_is_no_capability_of_it(provider: str, match: str, able: bool) -> None:
    policy = policy_of(provider, f"{{iterations: 2, match: [{match}]}}")
    assert provider_of(provider).capabilities(policy).match is able


def test_the_gateway_api_mirrors_in_blue_green_only() -> None:
    found = [provider_of("gatewayapi:v1").capabilities(policy_of("gatewayapi:v1", one)) for one in ("{iterations: 2}", "{stepWeight: 5}")]
    assert found == [Capabilities(mirror=True), Capabilities(mirror=False)]


def said_by_a_gateway(**condition: object) -> Routes | None:
    """What is read from a route of generation 7."""
    route = made(written("gatewayapi:v1", GATEWAYS + "port: 80}"))
    live = {**route, "metadata": {"name": "app", "namespace": "shop", "generation": 7}}
    live["status"] = {"parents": [{"parentRef": {"name": "public"}, "conditions": [condition]}]}
    return provider_of("gatewayapi:v1").read(live, "app")


@pytest.mark.parametrize(("status", "seen", "taken"), [("True", 7, True), ("True", None, True), ("True", 6, False), ("False", 7, False)])
def test_a_route_that_a_gateway_has_not_taken_over_does_not_count_as_moved(status: str, seen: int | None, taken: bool) -> None:
    found = said_by_a_gateway(type="Accepted", status=status, observedGeneration=seen)
    assert found is not None and (found.weight, found.in_force) == (20, taken)


def test_what_a_gateway_refuses_is_told_with_field_and_fix_and_old_news_is_not() -> None:
    refused = said_by_a_gateway(
        type="Accepted", status="False", observedGeneration=7, reason="NotAllowedByListeners", message="no listener takes it"
    )
    wanted = (
        "Gateway public does not accept HTTPRoute app.shop: NotAllowedByListeners no listener takes it. Correct spec.service.gatewayRefs"
    )
    assert refused is not None and refused.problem.startswith(wanted)
    dangling = said_by_a_gateway(type="ResolvedRefs", status="False", observedGeneration=7, reason="BackendNotFound")
    assert dangling is not None and dangling.in_force
    assert "BackendNotFound. Correct spec.service.port" in dangling.problem
    old = said_by_a_gateway(type="Accepted", status="False", observedGeneration=6, reason="NotAllowedByListeners")
    assert old is not None and not old.in_force and not old.problem


@pytest.mark.parametrize("name", ["gatewayapi", "contour", "osm", "knative", "nonsense"])
def test_a_provider_that_does_not_work_is_refused_with_those_that_do(name: str) -> None:
    with pytest.raises(InputError) as raised:
        choose("", Settings(provider=name))
    assert f"--mesh-provider is '{name}'" in str(raised.value) and ", ".join(WORKING) in str(raised.value)


@pytest.mark.parametrize(
    ("canary", "says"),
    [
        (written("contour"), "spec.provider is 'contour'"),
        (written("gatewayapi:v1"), "spec.service.gatewayRefs"),
        (written("gatewayapi:v1", GATEWAYS + "port: 80, mirror: [{backendRef: {name: tap}}]}"), "spec.service.mirror[0].backendRef.port"),
        (written("nginx"), "spec.ingressRef is missing"),
        (written("istio", "{port: 80, delegation: true, hosts: [a]}"), "spec.service.delegation"),
        (written("kubernetes"), ""),
        (written("istio"), ""),
    ],
)
def test_a_canary_that_cannot_be_routed_is_refused_with_the_field(canary: Canary, says: str) -> None:
    found = refusal(canary, Settings())
    assert says in found and bool(found) is bool(says)


def test_an_annotation_of_istio_that_is_no_json_any_more_tells_nothing() -> None:
    spoilt: dict[str, Any] = {"metadata": {"annotations": {istio.LAST_APPLIED: "{", istio.ORIGINAL: '{"hosts": ["app"]}'}}}
    assert istio.original(spoilt) == {"hosts": ["app"]}
    spoilt["metadata"]["annotations"][istio.ORIGINAL] = "spoilt"
    assert istio.original(spoilt) is None
