"""The Istio traffic policy inside a Canary's service. Used by `documents.service`."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from msgspec import field

from trimtab.documents.fields import Fields, Shapes, require_one_shape


class HTTPPool(Fields, frozen=True, kw_only=True):
    """Limits of HTTP connections to the service."""

    h2_upgrade_policy: Literal["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"] | None = None
    http1_max_pending_requests: int | None = None
    http2_max_requests: int | None = None
    idle_timeout: str | None = None
    max_requests_per_connection: int | None = None
    max_retries: int | None = None


class ConnectionPool(Fields, frozen=True, kw_only=True):
    """Limits of connections to the service."""

    http: HTTPPool | None = None


class HashCookie(Fields, frozen=True, kw_only=True):
    """The cookie that decides which pod serves a request."""

    name: str | None = None
    path: str | None = None
    ttl: str | None = None


class ConsistentHash(Fields, frozen=True, kw_only=True):
    """What of a request decides which pod serves it."""

    http_cookie: HashCookie | None = None
    http_header_name: str | None = None
    http_query_parameter_name: str | None = None
    minimum_ring_size: int | None = None
    use_source_ip: bool | None = None

    SHAPES: ClassVar[Shapes] = (("httpHeaderName",), ("httpCookie",), ("useSourceIp",), ("httpQueryParameterName",))

    def __post_init__(self) -> None:
        require_one_shape(self, self.SHAPES)


class Distribute(Fields, frozen=True, kw_only=True):
    """Where requests from one locality go, in percent."""

    from_: str | None = field(name="from", default=None)
    to: Mapping[str, int] = {}


class Failover(Fields, frozen=True, kw_only=True):
    """Which region serves when another one fails."""

    from_: str | None = field(name="from", default=None)
    to: str | None = None


class LocalitySetting(Fields, frozen=True, kw_only=True):
    """How the place of pods counts in balancing."""

    distribute: tuple[Distribute, ...] = ()
    enabled: bool | None = None
    failover: tuple[Failover, ...] = ()


class LoadBalancer(Fields, frozen=True, kw_only=True):
    """How a pod is chosen for a request."""

    simple: Literal["ROUND_ROBIN", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "LEAST_REQUEST"] | None = None
    consistent_hash: ConsistentHash | None = None
    locality_lb_setting: LocalitySetting | None = None
    warmup_duration_secs: str | None = None

    SHAPES: ClassVar[Shapes] = (("simple",), ("consistentHash",))

    def __post_init__(self) -> None:
        require_one_shape(self, self.SHAPES)


class OutlierDetection(Fields, frozen=True, kw_only=True):
    """When a pod is taken out of balancing."""

    base_ejection_time: str | None = None
    consecutive_5xx_errors: int | None = field(name="consecutive5xxErrors", default=None)
    consecutive_errors: int | None = None
    consecutive_gateway_errors: int | None = None
    consecutive_local_origin_failures: int | None = None
    interval: str | None = None
    max_ejection_percent: int | None = None
    min_health_percent: int | None = None
    split_external_local_origin_errors: bool | None = None


class ClientTLS(Fields, frozen=True, kw_only=True):
    """TLS from the mesh to the service."""

    ca_certificates: str | None = None
    client_certificate: str | None = None
    mode: Literal["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"] | None = None
    private_key: str | None = None
    sni: str | None = None
    subject_alt_names: tuple[str, ...] = ()


class TrafficPolicy(Fields, frozen=True, kw_only=True):
    """Settings of the generated Istio DestinationRules."""

    connection_pool: ConnectionPool | None = None
    load_balancer: LoadBalancer | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTLS | None = None
