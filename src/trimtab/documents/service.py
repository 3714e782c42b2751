"""`spec.service` of a Canary (flagger.md 1.3). Used by `documents.flagger`."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from trimtab.documents.fields import Fields
from trimtab.documents.matches import HTTPMatch, OriginMatch
from trimtab.documents.traffic import TrafficPolicy

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
Group = Annotated[str, Meta(pattern=rf"^$|^{_LABEL}(\.{_LABEL})*$", max_length=253)]
ObjectKind = Annotated[str, Meta(pattern="^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$", min_length=1, max_length=63)]
ObjectName = Annotated[str, Meta(min_length=1, max_length=253)]
SectionName = Annotated[str, Meta(pattern=rf"^{_LABEL}(\.{_LABEL})*$", min_length=1, max_length=253)]
NamespaceName = Annotated[str, Meta(pattern=f"^{_LABEL}$", min_length=1, max_length=63)]
PortNumber = Annotated[int, Meta(ge=1, le=65535)]


class BackendRef(Fields, frozen=True, kw_only=True):
    """Whom mirrored requests go to."""

    group: Group = ""
    kind: ObjectKind = "Service"
    name: ObjectName
    namespace: NamespaceName | None = None
    port: PortNumber | None = None

    RULES: ClassVar[tuple[tuple[str, str], ...]] = (
        ("(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true", "Must have port for Service reference"),
    )


class RequestMirror(Fields, frozen=True, kw_only=True):
    """A request mirror of the Gateway API, besides the canary's own."""

    backend_ref: BackendRef | None = None


class ParentRef(Fields, frozen=True, kw_only=True):
    """A Gateway, or another parent, that the generated HTTPRoute is attached to."""

    group: Group = "gateway.networking.k8s.io"
    kind: ObjectKind = "Gateway"
    name: ObjectName
    namespace: NamespaceName | None = None
    section_name: SectionName | None = None
    port: PortNumber | None = None


class Retries(Fields, frozen=True, kw_only=True):
    """How often a request is tried again, and for which answers."""

    attempts: int | None = None
    per_try_timeout: str | None = None
    retry_on: str | None = None


class Rewrite(Fields, frozen=True, kw_only=True):
    """What a request's path and host become on their way."""

    uri: str | None = None
    authority: str | None = None
    type: str | None = None


class HeaderOperations(Fields, frozen=True, kw_only=True):
    """Headers to add, replace and drop."""

    add: Mapping[str, str] = {}
    set: Mapping[str, str] = {}
    remove: tuple[str, ...] = ()


class Headers(Fields, frozen=True, kw_only=True):
    """Changes to the headers of requests and answers."""

    request: HeaderOperations | None = None
    response: HeaderOperations | None = None


class CorsPolicy(Fields, frozen=True, kw_only=True):
    """Which other origins may use the service from a browser."""

    allow_credentials: bool | None = None
    allow_headers: tuple[str, ...] = ()
    allow_methods: tuple[str, ...] = ()
    allow_origin: tuple[str, ...] = ()
    allow_origins: tuple[OriginMatch, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: str | None = None


class CustomMetadata(Fields, frozen=True, kw_only=True):
    """Labels and annotations of a generated Service."""

    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}


class UnmanagedMetadata(Fields, frozen=True, kw_only=True):
    """Keys of labels and annotations that are left alone on generated Services."""

    annotations: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()


class CanaryService(Fields, frozen=True, kw_only=True):
    """The Services and routes that are generated for the target."""

    name: str | None = None
    port: int
    port_name: str | None = None
    app_protocol: str | None = None
    traffic_distribution: Literal["PreferClose", "PreferSameZone", "PreferSameNode"] | None = None
    target_port: int | str | None = None
    port_discovery: bool = False
    headless: bool = False
    timeout: str | None = None
    backend_timeout: str | None = None
    mesh_name: str | None = None
    backends: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    delegation: bool = False
    match: tuple[HTTPMatch, ...] = ()
    retries: Retries | None = None
    rewrite: Rewrite | None = None
    mirror: tuple[RequestMirror, ...] = ()
    headers: Headers | None = None
    gateways: tuple[str, ...] = ()
    gateway_refs: Annotated[tuple[ParentRef, ...], Meta(max_length=32)] = ()
    cors_policy: CorsPolicy | None = None
    traffic_policy: TrafficPolicy | None = None
    apex: CustomMetadata | None = None
    primary: CustomMetadata | None = None
    canary: CustomMetadata | None = None
    unmanaged_metadata: UnmanagedMetadata | None = None
