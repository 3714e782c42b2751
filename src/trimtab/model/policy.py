"""The standing rules for one target: how it is rolled out, what is checked, who is asked and told.

Made by `documents` from a Canary and a RolloutPolicy; pinned into a rollout when it is detected (R2). Read by
`rollout`, `analysis` and the adapters.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from trimtab.model.content import ContentRules
from trimtab.model.judging import JudgeRules, Ramp
from trimtab.model.names import Target
from trimtab.model.watching import WatchRules

Pairs = tuple[tuple[str, str], ...]


class HookType(StrEnum):
    """When a webhook is called (flagger.md 5.1)."""

    CONFIRM_ROLLOUT = "confirm-rollout"
    PRE_ROLLOUT = "pre-rollout"
    ROLLOUT = "rollout"
    CONFIRM_TRAFFIC_INCREASE = "confirm-traffic-increase"
    CONFIRM_PROMOTION = "confirm-promotion"
    ROLLBACK = "rollback"
    POST_ROLLOUT = "post-rollout"
    EVENT = "event"


GATES = frozenset({HookType.CONFIRM_ROLLOUT, HookType.CONFIRM_TRAFFIC_INCREASE, HookType.CONFIRM_PROMOTION})


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook (HOOK-3 to HOOK-7)."""

    name: str
    type: HookType
    url: str
    timeout: timedelta = timedelta(seconds=10)
    retries: int = 0
    mute_alert: bool = False
    skip_tls_verify: bool = False
    metadata: Pairs = ()


class MetricKind(StrEnum):
    """How a metric is measured. `unusable`: neither template nor query nor a built-in name (MET-8)."""

    SUCCESS_RATE = "request-success-rate"
    DURATION = "request-duration"
    INLINE = "inline"
    TEMPLATE = "template"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Provider:
    """A metric server as a MetricTemplate names it. Credentials are read when it is asked."""

    type: str
    address: str = ""
    headers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    secret: str = ""
    namespace: str = ""
    insecure_skip_verify: bool = False
    document: str = ""
    """The MetricTemplate in `namespace` where address and headers are looked up when they are needed; empty where they stand here."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One thing that is measured and compared with a limit. A metric with two sources is two of these (MET-9)."""

    name: str
    kind: MetricKind
    interval: str = "1m"
    """As written, since it is pasted into queries; empty where a template's metric names none."""
    minimum: float | None = None
    maximum: float | None = None
    query: str = ""
    """The query before rendering, of an inline metric or of the template."""
    template: str = ""
    """The template's name, for messages: `NAME.NAMESPACE`."""
    provider: Provider | None = None
    variables: Pairs = ()
    problem: str = ""
    """Why this metric cannot be measured at all, for example because its template does not exist."""


class WhenUnknown(StrEnum):
    """What an unanswered question means for the rollout: a failed check as in Flagger, or a reason to wait."""

    FAIL = "fail"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Analysis:
    """What `judge` goes by."""

    metrics: tuple[Metric, ...] = ()
    threshold: int = 1
    """Failed checks, over the whole run, at which the verdict is fail (SM-25)."""
    no_data: WhenUnknown = WhenUnknown.FAIL
    provider_down: WhenUnknown = WhenUnknown.FAIL
    judge: JudgeRules | None = None
    """How canary and primary are compared; None: they are not, and limits are all that counts."""
    ramp: Ramp = Ramp.CLOCK
    counted_at: Provider | None = None
    """The Prometheus that has the judge's counters; None for the policy's, or the default."""
    sticky: bool = False
    """Users stay with one copy (session affinity)."""


@dataclass(frozen=True, slots=True)
class AlertTarget:
    """Where alerts go (AL-2). `problem` says why it cannot be used, for example a missing AlertProvider."""

    name: str
    severity: str
    """`info`, `warn` or `error`: the least that is sent."""
    type: str = ""
    address: str = ""
    """May hold a token; empty where it is looked up when it is needed, with `proxy` in `provider`, or in `secret`."""
    channel: str = ""
    username: str = ""
    proxy: str = ""
    secret: str = ""
    namespace: str = ""
    problem: str = ""
    provider: str = ""
    """The AlertProvider in `namespace` that says so."""


@dataclass(frozen=True, slots=True)
class StringMatch:
    """A header, cookie or query parameter: `kind` is `exact`, `prefix` or `regex`."""

    name: str
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Match:
    """One alternative of an A/B test; all its conditions must hold."""

    headers: tuple[StringMatch, ...] = ()
    query: tuple[StringMatch, ...] = ()
    sources: Pairs = ()
    """Labels of the pods that requests come from, which only a mesh knows."""


@dataclass(frozen=True, slots=True)
class Service:
    """The Service in front of the target."""

    name: str
    port: int = 80
    target_port: str = ""
    port_name: str = "http"


class OnNewer(StrEnum):
    """What a newer change does to a rollout that is under way."""

    SUPERSEDE = "supersede"
    QUEUE = "queue"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Policy:
    """All rules for one target. Durations are real ones; percentages are 0 to 100."""

    target: Target
    service: Service
    provider: str = ""
    interval: timedelta = timedelta(seconds=60)
    weights: tuple[int, ...] = ()
    """The canary's weights, rising; empty for blue/green and A/B."""
    max_weight: int = 100
    step_weight_promotion: int = 0
    iterations: int = 0
    match: tuple[Match, ...] = ()
    mirror: bool = False
    mirror_weight: int = 100
    primary_ready_threshold: int = 100
    canary_ready_threshold: int = 100
    progress_deadline: timedelta = timedelta(seconds=600)
    skip_analysis: bool = False
    analysis: Analysis = Analysis()
    content: ContentRules = ContentRules()
    """What new content is held against before anybody sees it."""
    hooks: tuple[Hook, ...] = ()
    alerts: tuple[AlertTarget, ...] = ()
    approvals: frozenset[HookType] = frozenset()
    """Gates that a person opens with `approve`, besides those that a webhook guards."""
    gate_deadline: timedelta | None = None
    """How long a gate may stay closed before the attempt is aborted; None waits for ever."""
    ask_again: bool = False
    """Is confirm-rollout asked again where a newer change takes the place of an attempt under way (QUIRK-23)?"""
    on_newer: OnNewer = OnNewer.SUPERSEDE
    keep: int = 5
    """How many promoted revisions stay available for undo."""
    history: int = 20
    """How many finished attempts are kept on record; the newest always is."""
    watch: WatchRules | None = None
    """How the primary is watched after promotion; None: it is not, as in Flagger."""
    ingress: str = ""
    route: str = ""
    """Names that queries may use: of `ingressRef` and `routeRef`; empty for the target's."""
    metrics_server: str = ""
    """Prometheus for built-in and inline queries; empty for the default."""
    routing: str = field(default="", compare=False)
    """How traffic moves, in words, for alerts: `Weight step: 10 max: 50`, `Blue/Green`, `A/B Testing` (AL-3)."""
    document: str = field(default="", repr=False)
    """In a cluster, the Canary as JSON but for its checks: routes are made from it while the Canary cannot be read."""

    def hooks_of(self, kind: HookType) -> tuple[Hook, ...]:
        """The webhooks of one type, in their order."""
        return tuple(hook for hook in self.hooks if hook.type is kind)


def counts_itself(provider: str) -> bool:
    """Does the workload count its own requests, since the provider has no proxy that does (MET-3)?"""
    return provider in ("", "kubernetes") or provider.startswith("gatewayapi")
