"""The kinds of `flagger.app/v1beta1`, field for field (CRD-1 to CRD-8): Canary, MetricTemplate, AlertProvider.

Read by `documents.decode`, translated into the model's Policy, and turned into CRDs by `documents.schema`. Nothing of ours is
added: what Flagger cannot say is in a RolloutPolicy that the annotation `trimtab.dev/policy` names (CRD-3).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from trimtab.documents.analysis import CanaryAnalysis
from trimtab.documents.fields import Fields, ObjectMeta, Shapes, require_one_shape
from trimtab.documents.service import CanaryService

API_VERSION = "flagger.app/v1beta1"
POLICY_ANNOTATION = "trimtab.dev/policy"

ProviderName = Literal[
    "apisix",
    "appmesh",
    "appmesh:v1beta2",
    "contour",
    "gatewayapi:v1",
    "gatewayapi:v1beta1",
    "gloo",
    "istio",
    "knative",
    "kubernetes",
    "kuma",
    "linkerd",
    "nginx",
    "osm",
    "skipper",
    "smi:v1alpha1",
    "smi:v1alpha2",
    "smi:v1alpha3",
    "traefik",
]
PhaseName = Literal[
    "",
    "Initializing",
    "Initialized",
    "Waiting",
    "Progressing",
    "WaitingPromotion",
    "Promoting",
    "Finalising",
    "Succeeded",
    "Failed",
    "Terminating",
    "Terminated",
]
AtLeastOne = Annotated[int, Meta(ge=1)]


class TargetRef(Fields, frozen=True, kw_only=True):
    """The workload that is rolled out."""

    api_version: str
    kind: Literal["DaemonSet", "Deployment", "Service"]
    name: str


class ScalerReplicas(Fields, frozen=True, kw_only=True):
    """Bounds of the primary's scaler, where they differ from the target's."""

    min_replicas: AtLeastOne | None = None
    max_replicas: AtLeastOne | None = None


class AutoscalerRef(Fields, frozen=True, kw_only=True):
    """The autoscaler of the target."""

    api_version: str
    kind: Literal["HorizontalPodAutoscaler", "ScaledObject"]
    name: str
    primary_scaler_queries: Mapping[str, str] = {}
    primary_scaler_replicas: ScalerReplicas | None = None


class IngressRef(Fields, frozen=True, kw_only=True):
    """The Ingress in front of the target (NGINX, Skipper)."""

    api_version: str
    kind: Literal["Ingress"]
    name: str


class RouteRef(Fields, frozen=True, kw_only=True):
    """The APISIX route in front of the target."""

    api_version: str
    kind: Literal["ApisixRoute"]
    name: str


class UpstreamRef(Fields, frozen=True, kw_only=True):
    """The Gloo upstream whose settings are copied."""

    api_version: str
    kind: Literal["Upstream"]
    name: str
    namespace: str | None = None


class CanarySpec(Fields, frozen=True, kw_only=True):
    """How one workload is rolled out."""

    provider: ProviderName | None = None
    metrics_server: str | None = None
    progress_deadline_seconds: int | None = None
    target_ref: TargetRef
    autoscaler_ref: AutoscalerRef | None = None
    ingress_ref: IngressRef | None = None
    route_ref: RouteRef | None = None
    upstream_ref: UpstreamRef | None = None
    service: CanaryService | None = None
    skip_analysis: bool = False
    revert_on_deletion: bool = False
    suspend: bool = False
    analysis: CanaryAnalysis


class CanaryCondition(Fields, frozen=True, kw_only=True):
    """The one condition, `Promoted` (CRD-7, CRD-8)."""

    type: str
    status: str
    reason: str
    message: str | None = None
    last_update_time: datetime | None = None
    last_transition_time: datetime | None = None


class CanaryStatus(Fields, frozen=True, kw_only=True):
    """Where a rollout stands (flagger.md 1.5)."""

    phase: PhaseName | None = None
    failed_checks: int = 0
    canary_weight: int = 0
    iterations: int = 0
    tracked_configs: Mapping[str, str] | None = None
    last_applied_spec: str | None = None
    last_promoted_spec: str | None = None
    last_transition_time: datetime | None = None
    session_affinity_cookie: str | None = None
    primary_session_affinity_cookie: str | None = None
    previous_session_affinity_cookie: str | None = None
    conditions: tuple[CanaryCondition, ...] = ()


class Canary(Fields, frozen=True, kw_only=True):
    """The rules by which one workload is rolled out, and where its rollout stands."""

    api_version: Literal["flagger.app/v1beta1"]
    kind: Literal["Canary"]
    metadata: ObjectMeta
    spec: CanarySpec
    status: CanaryStatus | None = None


class SecretRef(Fields, frozen=True, kw_only=True):
    """A Secret in the same namespace."""

    name: str


class MetricProvider(Fields, frozen=True, kw_only=True):
    """The server that a metric is asked from."""

    type: Literal[
        "prometheus",
        "influxdb",
        "datadog",
        "externalmetrics",
        "stackdriver",
        "cloudwatch",
        "newrelic",
        "graphite",
        "dynatrace",
        "keptn",
        "splunk",
    ]
    address: str | None = None
    headers: Mapping[str, tuple[str, ...]] = {}
    secret_ref: SecretRef | None = None
    region: str | None = None
    insecure_skip_verify: bool = False


class MetricTemplateSpec(Fields, frozen=True, kw_only=True):
    """A query, and who answers it."""

    provider: MetricProvider
    query: str


class MetricTemplate(Fields, frozen=True, kw_only=True):
    """A query that Canaries share (flagger.md 1.6)."""

    api_version: Literal["flagger.app/v1beta1"]
    kind: Literal["MetricTemplate"]
    metadata: ObjectMeta
    spec: MetricTemplateSpec


class AlertProviderSpec(Fields, frozen=True, kw_only=True):
    """A chat service, and where it listens: an address, or a Secret that holds one."""

    type: Literal["slack", "msteams", "discord", "rocket", "gchat"] | None = None
    channel: str | None = None
    username: str | None = None
    address: str | None = None
    proxy: str | None = None
    secret_ref: SecretRef | None = None

    SHAPES: ClassVar[Shapes] = (("type", "address"), ("type", "secretRef"))

    def __post_init__(self) -> None:
        require_one_shape(self, self.SHAPES)


class AlertProvider(Fields, frozen=True, kw_only=True):
    """Where alerts are sent (flagger.md 1.7)."""

    api_version: Literal["flagger.app/v1beta1"]
    kind: Literal["AlertProvider"]
    metadata: ObjectMeta
    spec: AlertProviderSpec
