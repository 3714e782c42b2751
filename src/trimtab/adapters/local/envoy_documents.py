"""What Envoy reads from its files: bootstrap, listeners, clusters, routes and endpoints, as plain JSON values.

Pure. Called by `envoy` and `envoy_router`. Requests pass as through a Service of Kubernetes: no time limit, no headers added,
upgrades and HTTP/2 without TLS allowed. Every value that differs from Envoy's default says why it does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.adapters.local.dataplane import Backend, CopyName, Endpoint
from trimtab.model.policy import Match, Policy, StringMatch

PACKAGE = "type.googleapis.com/envoy"
MANAGER = f"{PACKAGE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = f"{PACKAGE}.extensions.filters.http.router.v3.Router"
HTTP_OPTIONS = f"{PACKAGE}.extensions.upstreams.http.v3.HttpProtocolOptions"
OMIT_HOST = f"{PACKAGE}.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
LISTENER = f"{PACKAGE}.config.listener.v3.Listener"
CLUSTER = f"{PACKAGE}.config.cluster.v3.Cluster"
ROUTES = f"{PACKAGE}.config.route.v3.RouteConfiguration"
ASSIGNMENT = f"{PACKAGE}.config.endpoint.v3.ClusterLoadAssignment"

LATENCY_BUCKETS = (
    0.5,
    1,
    2,
    3,
    5,
    7.5,
    10,
    15,
    20,
    30,
    40,
    50,
    75,
    100,
    150,
    200,
    250,
    300,
    400,
    500,
    750,
    1000,
    1500,
    2000,
    2500,
    3000,
    5000,
)
"""Milliseconds. Twice as fine as Envoy's own, which holds no limit between 250 and 500 ms; all of its limits up to 5 s are among them."""
SLOW_BUCKETS = (7500, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000)

UNLIMITED = 1_000_000
"""For circuit breakers: on one machine a limit of Envoy's would look like a fault of the canary."""

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Exposed:
    """One Service that Envoy listens for: the port it asked for, and the ports on the loopback interface that it got (L5)."""

    namespace: str
    service: str
    wanted: int
    port: int
    primary_port: int
    canary_port: int

    @property
    def name(self) -> str:
        """How its route and its listeners are called."""
        return f"{self.namespace}_{self.service}"


def load_assignment_name(backend: Backend) -> str:
    """How the endpoints of a copy are called; unlike the cluster's name it does not depend on the port of the Service."""
    return f"{backend.namespace}_{backend.service}-{backend.copy}"


def cluster_name(backend: Backend, port: int) -> str:
    """The name in Envoy's statistics, `NAMESPACE_SERVICE-COPY_PORT` as Contour has it (MET-3), so that its queries fit here too."""
    return f"{load_assignment_name(backend)}_{port}"


def listener_name(name: str, port: int) -> str:
    """How a listener is called; the same Service at another port is another listener."""
    return f"{name}_{port}"


def listener_ports(service: Exposed) -> Mapping[str, int]:
    """The listeners of one Service by name: its own and those of its copies."""
    ports = {service.name: service.port}
    for copy, port in ((CopyName.PRIMARY, service.primary_port), (CopyName.CANARY, service.canary_port)):
        ports[load_assignment_name(Backend(service.namespace, service.service, copy))] = port
    return {listener_name(name, port): port for name, port in ports.items()}


def bootstrap(folder: Path) -> Document:
    """What Envoy starts with. The admin interface can look but not change anything: whoever may signal Envoy may stop it."""
    looks = ("/server_info", "/config_dump", "/clusters", "/stats", "/stats/prometheus", "/ready", "/listeners")
    return {
        "node": {"id": "trimtab", "cluster": "trimtab"},
        "admin": {
            "address": _address(0),
            "allow_paths": [{"exact": path} for path in looks] + [{"prefix": f"{path}?"} for path in looks],
        },
        "dynamic_resources": {"lds_config": _from_file(folder / "listeners.json"), "cds_config": _from_file(folder / "clusters.json")},
        "stats_flush_interval": "1s",
        "stats_config": {
            "histogram_bucket_settings": [{"match": {"prefix": "cluster."}, "buckets": [*LATENCY_BUCKETS, *SLOW_BUCKETS]}],
        },
    }


def listeners(services: Sequence[Exposed], folder: Path) -> Document:
    """One listener for each Service, and one for each of its copies, so that a test can reach the canary alone."""
    found: list[Document] = []
    for service in services:
        by_file = {"route_config_name": service.name, "config_source": _from_file(folder / "routes" / f"{service.name}.json")}
        found.append(_listener(service.name, service.port, {"rds": by_file}))
        for copy, port in ((CopyName.PRIMARY, service.primary_port), (CopyName.CANARY, service.canary_port)):
            name = load_assignment_name(Backend(service.namespace, service.service, copy))
            cluster = cluster_name(Backend(service.namespace, service.service, copy), service.wanted)
            everything = {"match": {"prefix": "/"}, "route": {"cluster": cluster, **_patience()}}
            # Envoy may read the listeners before the clusters.
            fixed = {"validate_clusters": False, "virtual_hosts": [{"name": name, "domains": ["*"], "routes": [everything]}]}
            found.append(_listener(name, port, {"route_config": fixed}))
    return _resources(found)


def clusters(services: Sequence[Exposed], folder: Path) -> Document:
    """Two clusters for each Service: the primary and the canary."""
    return _resources(
        [_cluster(Backend(service.namespace, service.service, copy), service.wanted, folder) for service in services for copy in CopyName]
    )


def endpoints(backend: Backend, serving: Sequence[Endpoint], draining: Sequence[Endpoint]) -> Document:
    """The pods of a copy. Draining ones get no new requests, but stay known, so that their requests under way can be counted (L4)."""
    hosts = [_host(endpoint, "HEALTHY") for endpoint in sorted(serving)] + [_host(endpoint, "DRAINING") for endpoint in sorted(draining)]
    return _resources(
        [{"@type": ASSIGNMENT, "cluster_name": load_assignment_name(backend), "endpoints": [{"lb_endpoints": hosts}] if hosts else []}]
    )


@dataclass(frozen=True, slots=True)
class Shares:
    """Where requests go: the canary's weight in percent, who is matched to it, and the percentage that is copied to it."""

    weight: int = 0
    match: tuple[Match, ...] = ()
    mirror: int = 0


def routes(service: Exposed, shares: Shares, marks: Document) -> Document:
    """The routes of one Service; `marks` is kept with them and comes back in Envoy's configuration dump."""
    canary = cluster_name(Backend(service.namespace, service.service, CopyName.CANARY), service.wanted)
    primary = cluster_name(Backend(service.namespace, service.service, CopyName.PRIMARY), service.wanted)
    matched = [{"match": _match(match), "route": {"cluster": canary, **_patience()}} for match in shares.match]
    mirrors = [
        {
            "cluster": canary,
            "runtime_fraction": {"default_value": {"numerator": shares.mirror, "denominator": "HUNDRED"}},
            # The canary must see what the primary sees, and `-shadow` behind the host is not that.
            "disable_shadow_host_suffix_append": True,
        }
    ]
    split = {"clusters": [{"name": primary, "weight": 100 - shares.weight}, {"name": canary, "weight": shares.weight}]}
    everyone = {
        "match": {"prefix": "/"},
        "route": {"weighted_clusters": split, **({"request_mirror_policies": mirrors} if shares.mirror else {}), **_patience()},
    }
    host = {"name": service.name, "domains": ["*"], "routes": [*matched, everyone]}
    return _resources(
        [{"@type": ROUTES, "name": service.name, "virtual_hosts": [host], "metadata": {"filter_metadata": {"trimtab": marks}}}]
    )


def mirror_share(policy: Policy) -> int:
    """The percentage of requests that is copied; a weight of 0 stands for all of them, as in Flagger (RT-I4)."""
    return policy.mirror_weight or 100


def matches(policy: Policy) -> tuple[Match, ...]:
    """The conditions of an A/B test as Envoy checks them. For nginx a cookie's `exact` is its name, and `always` its value (RT-N2)."""
    if not policy.provider.startswith("nginx"):
        return policy.match
    return tuple(Match(tuple(_nginx_cookie(header) for header in match.headers), match.query) for match in policy.match)


def _nginx_cookie(header: StringMatch) -> StringMatch:
    if header.name.lower() != "cookie" or header.kind != "exact":
        return header
    return StringMatch(header.name, "regex", rf"(.*;\s*)?{header.value}=always(;.*)?")


def _match(match: Match) -> Document:
    found: dict[str, object] = {"prefix": "/"}
    if match.headers:
        found["headers"] = [{"name": header.name, "string_match": _string(header)} for header in match.headers]
    if match.query:
        found["query_parameters"] = [{"name": query.name, "string_match": _string(query)} for query in match.query]
    return found


def _string(match: StringMatch) -> Document:
    return {"safe_regex": {"regex": match.value}} if match.kind == "regex" else {match.kind: match.value}


def _patience() -> Document:
    """No time limit, as in a Service; and another pod is tried where the first one cannot have seen anything of the request."""
    return {
        "timeout": "0s",
        "retry_policy": {
            "retry_on": "connect-failure,refused-stream,reset-before-request",
            "num_retries": 2,
            "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.02s"},
            "retry_host_predicate": [{"name": "previous_hosts", "typed_config": {"@type": OMIT_HOST}}],
            "host_selection_retry_max_attempts": 10,
        },
    }


def _cluster(backend: Backend, port: int, folder: Path) -> Document:
    limits = {"max_connections": UNLIMITED, "max_pending_requests": UNLIMITED, "max_requests": UNLIMITED, "max_retries": UNLIMITED}
    name = load_assignment_name(backend)
    protocol: Document = {"http_protocol_options": {}, "http2_protocol_options": {}}
    return {
        "@type": CLUSTER,
        "name": cluster_name(backend, port),
        "type": "EDS",
        "eds_cluster_config": {"service_name": name, "eds_config": _from_file(folder / "endpoints" / f"{name}.json")},
        "connect_timeout": "2s",
        "lb_policy": "ROUND_ROBIN",
        "circuit_breakers": {"thresholds": [limits]},
        # Without panic Envoy never sends anything to a draining pod, not even where it is the last one.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": HTTP_OPTIONS,
                # Shorter than any server's own, so that no request meets a connection that its server is just closing.
                "common_http_protocol_options": {"idle_timeout": "1s"},
                "use_downstream_protocol_config": protocol,
            }
        },
    }


def _listener(name: str, port: int, source: Document) -> Document:
    manager = {
        "@type": MANAGER,
        "stat_prefix": name,
        "codec_type": "AUTO",
        **source,
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": ROUTER, "suppress_envoy_headers": True}}],
        "http_protocol_options": {"accept_http_10": True},
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "stream_idle_timeout": "0s",
        "server_header_transformation": "PASS_THROUGH",
        "generate_request_id": False,
        "skip_xff_append": True,
    }
    return {
        "@type": LISTENER,
        # Envoy cannot move a listener that it knows, so another port is another listener.
        "name": listener_name(name, port),
        "address": _address(port),
        # A second program on the same port must fail, not take a part of the connections.
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    }


def _host(endpoint: Endpoint, health: str) -> Document:
    address = {"socket_address": {"address": endpoint.host, "port_value": endpoint.port}}
    return {"endpoint": {"address": address}, "health_status": health}


def _address(port: int) -> Document:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _from_file(path: Path) -> Document:
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def _resources(found: Sequence[Document]) -> Document:
    return {"resources": list(found)}
