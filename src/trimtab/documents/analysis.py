"""`spec.analysis` of a Canary (flagger.md 1.4). Used by `documents.flagger`."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from trimtab.documents.fields import Duration, Fields, Shapes, require_one_shape
from trimtab.documents.matches import AnalysisMatch

HookKind = Literal[
    "",
    "confirm-rollout",
    "pre-rollout",
    "rollout",
    "confirm-promotion",
    "post-rollout",
    "event",
    "rollback",
    "confirm-traffic-increase",
]


class SessionAffinity(Fields, frozen=True, kw_only=True):
    """Keeps a user who saw the canary on the canary, by a cookie."""

    cookie_name: str
    primary_cookie_name: str | None = None
    domain: str | None = None
    http_only: bool = False
    max_age: int = 86400
    partitioned: bool = False
    path: str | None = None
    same_site: Literal["Strict", "Lax", "None"] | None = None
    secure: bool = False


class ThresholdRange(Fields, frozen=True, kw_only=True):
    """The least and the most that a metric may be; both bounds are allowed values (MET-6)."""

    min: float | None = None
    max: float | None = None


class ObjectRef(Fields, frozen=True, kw_only=True):
    """Another object by name, in the Canary's namespace unless it says otherwise."""

    name: str
    namespace: str | None = None


class CanaryMetric(Fields, frozen=True, kw_only=True):
    """One thing that is measured at every check: built in, by a query, or by a MetricTemplate."""

    name: str
    interval: Duration | None = None
    threshold: float | None = None
    threshold_range: ThresholdRange | None = None
    query: str | None = None
    template_ref: ObjectRef | None = None
    template_variables: Mapping[str, str] = {}


class CanaryAlert(Fields, frozen=True, kw_only=True):
    """Who is told, and from which severity on."""

    name: str
    severity: Literal["", "info", "warn", "error"] | None = None
    provider_ref: ObjectRef


class CanaryWebhook(Fields, frozen=True, kw_only=True):
    """A URL that is called at one point of a rollout."""

    name: str
    type: HookKind | None = None
    mute_alert: bool = False
    url: Annotated[str, Meta(extra_json_schema={"format": "url"})]
    timeout: Duration | None = None
    retries: int | None = None
    disable_tls: bool = field(name="disableTLS", default=False)
    metadata: Mapping[str, str] = {}


class CanaryAnalysis(Fields, frozen=True, kw_only=True):
    """How the canary is exposed, step by step, and what is checked on the way."""

    interval: Duration | None = None
    iterations: int | None = None
    threshold: int | None = None
    max_weight: int | None = None
    step_weight: int | None = None
    step_weights: tuple[int, ...] | None = None
    step_weight_promotion: int | None = None
    mirror: bool = False
    mirror_weight: int | None = None
    primary_ready_threshold: int | None = None
    canary_ready_threshold: int | None = None
    match: tuple[AnalysisMatch, ...] = ()
    metrics: tuple[CanaryMetric, ...] = ()
    alerts: tuple[CanaryAlert, ...] = ()
    webhooks: tuple[CanaryWebhook, ...] = ()
    session_affinity: SessionAffinity | None = None

    SHAPES: ClassVar[Shapes] = (
        ("interval", "threshold", "iterations"),
        ("interval", "threshold", "stepWeight"),
        ("interval", "threshold", "stepWeights"),
    )

    def __post_init__(self) -> None:
        require_one_shape(self, self.SHAPES)
