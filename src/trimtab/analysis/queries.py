"""The built-in queries of each provider (flagger.md 4.2, 4.3): which series, which labels, what is good. Called by metrics adapters.

The texts are those that Flagger sends, so that recording rules and scripted answers keep matching.
"""

from dataclasses import dataclass

from trimtab.model.policy import MetricKind, Policy, counts_itself
from trimtab.model.scrapes import Arm

POD = "[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose requests are counted."""

    namespace: str
    target: str
    service: str
    ingress: str
    interval: str
    copy: Arm = Arm.CANARY

    @property
    def workload(self) -> str:
        """The copy by its name."""
        return self.target if self.copy is Arm.CANARY else f"{self.target}-primary"

    @property
    def unlike(self) -> str:
        """How NGINX's label `canary`, empty of all other requests, is compared with nothing."""
        return "!=" if self.copy is Arm.CANARY else "="


@dataclass(frozen=True, slots=True)
class Observer:
    """Where a provider's requests are counted. `labels` and `good` are filled in with the subject's names."""

    counter: str
    labels: str
    good: str
    histogram: str
    """The buckets; or, where `mean` is set, the name whose `_sum` and `_count` give a mean."""
    milliseconds: bool
    """The duration query answers in milliseconds, not seconds."""
    mean: bool = False
    factor: str = ""
    narrowed: str = ""
    """The labels of good requests, where Flagger does not put `good` last."""


ISTIO = Observer(
    "istio_requests_total",
    'reporter="destination", destination_workload_namespace="{s.namespace}", destination_workload=~"{s.workload}"',
    'response_code!~"5.*"',
    "istio_request_duration_milliseconds_bucket",
    True,
)
LINKERD = Observer(
    "response_total",
    'namespace="{s.namespace}", deployment=~"{s.workload}", direction="inbound"',
    'classification!="failure"',
    "response_latency_ms_bucket",
    True,
    narrowed='namespace="{s.namespace}", deployment=~"{s.workload}", classification!="failure", direction="inbound"',
)
NGINX = Observer(
    "nginx_ingress_controller_requests",
    'namespace="{s.namespace}", ingress="{s.ingress}", canary{s.unlike}""',
    'status!~"5.*"',
    "nginx_ingress_controller_response_duration_seconds",
    True,
    mean=True,
)
HTTP = Observer(
    "http_request_duration_seconds_count",
    'kubernetes_namespace="{s.namespace}", kubernetes_pod_name=~"{s.workload}-' + POD + '"',
    'status!~"5.*"',
    "http_request_duration_seconds_bucket",
    False,
)
CONTOUR = Observer(
    "envoy_cluster_upstream_rq",
    'envoy_cluster_name=~"{s.namespace}_{s.service}-{s.copy}_[0-9a-zA-Z-]+"',
    'envoy_response_code!~"5.*"',
    "envoy_cluster_upstream_rq_time_bucket",
    True,
)
TRAEFIK = Observer(
    "traefik_service_request_duration_seconds_bucket",
    'service=~"{s.namespace}-{s.target}-{s.copy}-[0-9a-zA-Z-]+@kubernetescrd"',
    'code!~"5.."',
    "traefik_service_request_duration_seconds_bucket",
    True,
    factor=" * 1000",
)


def observer(provider: str) -> Observer:
    """Who counts for a provider; what is not known is taken for Istio, as Flagger does (MET-3)."""
    if counts_itself(provider):
        return HTTP
    by_prefix = (("linkerd", LINKERD), ("contour", CONTOUR))
    known = {"nginx": NGINX, "traefik": TRAEFIK}
    return next((found for prefix, found in by_prefix if provider.startswith(prefix)), known.get(provider, ISTIO))


def counted_by(provider: str, mesh: str) -> str:
    """Whose counters count: Linkerd's wherever the operator is there for Linkerd, else the Canary's provider or the operator's (MET-3)."""
    return mesh if "linkerd" in mesh else provider or mesh


def observed_by(policy: Policy, mesh: str) -> str:
    """Whose built-in queries are asked. A target of kind Service adds to the name, so that some of them are Istio's (MET-3)."""
    found = counted_by(policy.provider, mesh)
    return f"{found}:service" if policy.target.kind == "Service" and found else found


def built_in_query(kind: MetricKind, provider: str, subject: Subject) -> str:
    """The query for the success rate or the duration of a copy, with white space collapsed as Flagger sends it (MET-1)."""
    found = observer(provider)
    labels = filled(found.labels, subject)
    if kind is MetricKind.SUCCESS_RATE:
        bound = ', le="+Inf"' if found is TRAEFIK else ""
        narrowed = filled(found.narrowed, subject) if found.narrowed else f"{labels}{bound}, {found.good}"
        good = f" sum( rate( {found.counter}{{ {narrowed} }}[{subject.interval}] ) )"
        return f"{good} / sum( rate( {found.counter}{{ {labels}{bound} }}[{subject.interval}] ) ) * 100"
    if found.mean:
        total = f" sum( rate( {found.histogram}_sum{{ {labels} }}[{subject.interval}] ) )"
        return f"{total} / sum( rate( {found.histogram}_count{{ {labels} }}[{subject.interval}] ) ) * 1000"
    return f" histogram_quantile( 0.99, sum( rate( {found.histogram}{{ {labels} }}[{subject.interval}] ) ) by (le) ){found.factor}"


def filled(text: str, subject: Subject) -> str:
    """The labels with the subject's names."""
    for name in ("namespace", "target", "service", "ingress", "workload", "copy", "unlike"):
        text = text.replace(f"{{s.{name}}}", getattr(subject, name))
    return text


def in_seconds(value: float, provider: str) -> float:
    """What a duration query of this provider answered, in seconds."""
    return value / 1000 if observer(provider).milliseconds else value
