"""From a Canary and what it names to the model's Policy: the one translation, at the border (DESIGN §5).

Called by sources with the documents of one commit or one namespace. What Flagger forgives is forgiven with its defaults; what
could not work is an InputError that names the field.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise

from trimtab.documents import checks
from trimtab.documents.analysis import CanaryAlert, CanaryAnalysis, CanaryWebhook, ObjectRef
from trimtab.documents.durations import parse_duration
from trimtab.documents.flagger import POLICY_ANNOTATION, AlertProvider, Canary, CanarySpec, MetricTemplate
from trimtab.documents.judging import judge_rules, server
from trimtab.documents.matches import AnalysisMatch, HeaderMatch
from trimtab.documents.matches import StringMatch as StringDocument
from trimtab.documents.trimtab import RolloutPolicy, RolloutPolicySpec
from trimtab.documents.validation import content_rules
from trimtab.documents.watching import watch_rules
from trimtab.errors import InputError
from trimtab.model.content import ContentRules
from trimtab.model.counting import BY_SERVICE
from trimtab.model.judging import Ramp
from trimtab.model.names import Target
from trimtab.model.policy import (
    AlertTarget,
    Analysis,
    Hook,
    HookType,
    Match,
    OnNewer,
    Policy,
    Service,
    StringMatch,
    WhenUnknown,
)

Name = tuple[str, str]
"""Namespace and name."""

MINIMUM_INTERVAL = timedelta(seconds=10)
DEFAULT_INTERVAL = timedelta(seconds=60)
DEFAULT_DEADLINE = 600
LARGEST_PORT = 65535
ALERT_TYPES = {"msteams": "teams"}


@dataclass(frozen=True, slots=True)
class Companions:
    """The documents that a Canary may name, by namespace and name."""

    templates: Mapping[Name, MetricTemplate] = field(default_factory=dict)
    alerts: Mapping[Name, AlertProvider] = field(default_factory=dict)
    policies: Mapping[Name, RolloutPolicy] = field(default_factory=dict)
    schemas: Mapping[tuple[str, str, str], str] | None = None
    """JSON Schemas by namespace, ConfigMap and key; None where ConfigMaps are not known, and schemas in them are left out."""
    unrated: str = "info"
    """The severity of alerts that name none; `never` is Flagger's (QUIRK-10)."""


def translate(canary: Canary, companions: Companions, minimum_interval: timedelta = MINIMUM_INTERVAL) -> Policy:
    """The rules of a Canary. `minimum_interval` is what a shorter `analysis.interval` is raised to (flagger.md 1.4).

    Raises InputError, which names the field and what it may be.
    """
    spec, namespace = canary.spec, canary.metadata.namespace or "default"
    analysis = spec.analysis
    extra = rollout_policy(canary, companions, namespace)
    gates = extra.gates
    measured = (*analysis.metrics, *(extra.analysis.metrics if extra.analysis else ()))
    limits = Analysis(
        checks.metrics(measured, companions.templates, namespace),
        max(1, analysis.threshold or 1),
        WhenUnknown(extra.no_data),
        WhenUnknown(extra.provider_down),
    )
    return Policy(
        target=Target(spec.target_ref.kind, spec.target_ref.name, spec.target_ref.api_version),
        service=service(spec),
        provider=spec.provider or "",
        interval=interval(analysis, minimum_interval),
        weights=weights(analysis),
        max_weight=max_weight(analysis),
        step_weight_promotion=analysis.step_weight_promotion or 0,
        iterations=rounds(analysis),
        match=matches(analysis),
        mirror=analysis.mirror,
        mirror_weight=100 if analysis.mirror_weight is None else analysis.mirror_weight,
        primary_ready_threshold=percent("primaryReadyThreshold", analysis.primary_ready_threshold, 100),
        canary_ready_threshold=percent("canaryReadyThreshold", analysis.canary_ready_threshold, 100),
        progress_deadline=timedelta(seconds=spec.progress_deadline_seconds or DEFAULT_DEADLINE),
        skip_analysis=spec.skip_analysis,
        analysis=compared(limits, spec, extra, namespace),
        content=content(canary, extra, companions, namespace),
        hooks=tuple(hook(found) for found in analysis.webhooks),
        alerts=tuple(alert(found, companions, namespace) for found in analysis.alerts),
        approvals=frozenset(HookType(name) for name in gates.approvals) if gates else frozenset(),
        gate_deadline=parse_duration(gates.deadline) if gates and gates.deadline else None,
        ask_again=bool(gates and gates.ask_again),
        on_newer=OnNewer(extra.on_newer_change),
        keep=extra.keep_revisions,
        history=extra.history,
        # A Canary without a RolloutPolicy behaves as in Flagger, which looks at nothing after promotion.
        watch=watch_rules(extra.after_promotion, extra.watch) if POLICY_ANNOTATION in canary.metadata.annotations else None,
        ingress=spec.ingress_ref.name if spec.ingress_ref else "",
        route=spec.route_ref.name if spec.route_ref else "",
        metrics_server=spec.metrics_server or "",
        routing=routing(analysis),
    )


def rollout_policy(canary: Canary, companions: Companions, namespace: str) -> RolloutPolicySpec:
    """What the annotation names; without it, what Flagger does."""
    name = canary.metadata.annotations.get(POLICY_ANNOTATION)
    if name is None:
        return RolloutPolicySpec()
    if lacking := missing_policy(canary, companions, namespace):
        raise InputError(lacking)
    return companions.policies[namespace, name].spec


def missing_policy(canary: Canary, companions: Companions, namespace: str) -> str:
    """What is said where the annotation names a RolloutPolicy that is not there; empty where it is.

    Nothing new may start then: what the policy asks for, an approval say, would be passed over. A policy that is applied after its Canary
    is the usual order of `kubectl apply -f FOLDER`.
    """
    name = canary.metadata.annotations.get(POLICY_ANNOTATION)
    if name is None or (namespace, name) in companions.policies:
        return ""
    there = ", ".join(sorted(known for space, known in companions.policies if space == namespace)) or "none"
    return f"annotation {POLICY_ANNOTATION} names RolloutPolicy {name!r}, which does not exist; there are: {there}"


def compared(limits: Analysis, spec: CanarySpec, extra: RolloutPolicySpec, namespace: str) -> Analysis:
    """With how canary and primary are compared, where the RolloutPolicy says so."""
    written, analysis = extra.judge, spec.analysis
    if written is None:
        return limits
    if analysis.iterations and not analysis.match and not analysis.mirror:
        raise InputError(
            "spec.judge of the RolloutPolicy compares requests to canary and primary, and in blue/green the canary gets none "
            "before all move to it. Write stepWeights in place of iterations in the Canary, or match or mirror, or remove judge"
        )
    sticky = analysis.session_affinity is not None
    by_service = (spec.provider or "").partition(":")[0] in BY_SERVICE
    rules = judge_rules(written, extra.ramp, by_service=by_service, sticky=sticky)
    return replace(limits, judge=rules, ramp=Ramp(extra.ramp), counted_at=server(written, namespace), sticky=sticky)


def content(canary: Canary, extra: RolloutPolicySpec, companions: Companions, namespace: str) -> ContentRules:
    """What content is held against, with the schemas that stand in ConfigMaps."""
    known = companions.schemas
    try:
        return content_rules(
            extra.validation, None if known is None else lambda source: known.get((namespace, source.config_map, source.key))
        )
    except InputError as error:
        raise InputError(f"RolloutPolicy {canary.metadata.annotations.get(POLICY_ANNOTATION)}: {error}") from None


def service(spec: CanarySpec) -> Service:
    """The Service in front of the target."""
    written = spec.service
    if written is None:
        raise InputError("spec.service is missing: give at least spec.service.port, the port of the Service in front of the target")
    if not 0 < written.port <= LARGEST_PORT:
        raise InputError(f"spec.service.port is {written.port}; a port is a number from 1 to {LARGEST_PORT}")
    name = written.name or spec.target_ref.name
    target = str(written.target_port) if written.target_port not in (None, 0, "0", "") else str(written.port)
    return Service(name, written.port, target, written.port_name or "http")


def interval(analysis: CanaryAnalysis, minimum: timedelta) -> timedelta:
    """60 s where it cannot be parsed; never below the minimum."""
    try:
        written = parse_duration(analysis.interval or "")
    except InputError:
        written = DEFAULT_INTERVAL
    return max(written, minimum)


def weights(analysis: CanaryAnalysis) -> tuple[int, ...]:
    """The canary's weights: up by steps until the maximum is reached or passed, never over 100 (SM-12, SM-13)."""
    if analysis.step_weights is not None:
        listed = tuple(min(100, weight) for weight in analysis.step_weights)
        if not listed or listed[0] < 1 or any(later <= earlier for earlier, later in pairwise(listed)):
            raise InputError(f"spec.analysis.stepWeights {list(analysis.step_weights)} must rise from at least 1, for example [1, 10, 50]")
        return listed
    if analysis.step_weight is None:
        return ()
    if analysis.step_weight < 1:
        raise InputError(f"spec.analysis.stepWeight is {analysis.step_weight}; it must be at least 1")
    count = -(-max_weight(analysis) // analysis.step_weight)
    return tuple(min(100, analysis.step_weight * (number + 1)) for number in range(count))


def rounds(analysis: CanaryAnalysis) -> int:
    """The iterations of blue/green and of an A/B test; without a single one nothing would be checked before promotion (S3)."""
    if analysis.iterations is not None and analysis.iterations < 1 and not analysis.match:
        problem = f"spec.analysis.iterations is {analysis.iterations}; it must be at least 1, or nothing would be checked before promotion"
        raise InputError(f"{problem}. Write how many checks have to pass, or stepWeights in its place")
    return analysis.iterations or 0


def max_weight(analysis: CanaryAnalysis) -> int:
    """Where the weights end."""
    if analysis.step_weights:
        return min(100, analysis.step_weights[-1])
    return percent("maxWeight", analysis.max_weight, 100) or 100


def percent(field: str, value: int | None, default: int) -> int:
    """A percentage of `spec.analysis`, or its default."""
    if value is not None and not 0 <= value <= 100:
        raise InputError(f"spec.analysis.{field} is {value}; a percentage must be between 0 and 100")
    return default if value is None else value


def routing(analysis: CanaryAnalysis) -> str:
    """How traffic moves, in the words of alerts (AL-3)."""
    if analysis.iterations:
        return "A/B Testing" if analysis.match else "Blue/Green"
    if analysis.step_weights:
        return f"Weight steps: {','.join(map(str, analysis.step_weights))} max: {analysis.max_weight or 0}"
    return f"Weight step: {analysis.step_weight or 0} max: {analysis.max_weight or 0}"


def matches(analysis: CanaryAnalysis) -> tuple[Match, ...]:
    """The conditions of an A/B test."""
    if analysis.match and (analysis.iterations or 0) < 1:
        problem = (
            "spec.analysis.match needs spec.analysis.iterations: by weights everybody may reach the canary, whatever their requests match"
        )
        raise InputError(f"{problem}. Write iterations in place of the weights, or remove match")
    return tuple(match(found) for found in analysis.match)


def match(written: AnalysisMatch) -> Match:
    """One alternative of an A/B test."""
    if not written.headers and not written.query_params and not written.source_labels:
        raise InputError(
            "spec.analysis.match has an alternative without conditions, which every request meets; give it headers or queryParams"
        )
    headers = tuple(string_match(name, value) for name, value in sorted(written.headers.items()))
    query = tuple(string_match(name, value) for name, value in sorted(written.query_params.items()))
    return Match(headers, query, tuple(sorted(written.source_labels.items())))


def string_match(name: str, written: HeaderMatch | StringDocument) -> StringMatch:
    """The one way in which a text is matched."""
    for kind in ("exact", "prefix", "suffix", "regex"):
        value = getattr(written, kind, None)
        if value is not None:
            return StringMatch(name, kind, str(value))
    raise InputError(f"the match on {name!r} says neither exact nor prefix nor regex")


def hook(written: CanaryWebhook) -> Hook:
    """A webhook with its defaults (HOOK-6, HOOK-7)."""
    timeout = written.timeout if written.timeout and len(written.timeout) > 1 else "10s"
    return Hook(
        written.name,
        HookType(written.type or "rollout"),
        written.url,
        parse_duration(timeout),
        max(0, written.retries or 0),
        written.mute_alert,
        written.disable_tls,
        tuple(sorted(written.metadata.items())),
    )


def alert(written: CanaryAlert, companions: Companions, namespace: str) -> AlertTarget:
    """Where an alert goes; without a severity everything is sent, unless Flagger's way is wanted (QUIRK-10)."""
    where = of(written.provider_ref, namespace)
    severity = written.severity or companions.unrated
    found = companions.alerts.get(where)
    if found is None:
        return AlertTarget(written.name, severity, problem=f'alertprovider.flagger.app "{where[1]}" not found in {where[0]}')
    spec = found.spec
    return AlertTarget(
        written.name,
        severity,
        ALERT_TYPES.get(spec.type or "", spec.type or ""),
        spec.address or "",
        spec.channel or "general",
        spec.username or "flagger",
        spec.proxy or "",
        spec.secret_ref.name if spec.secret_ref else "",
        where[0],
        provider=where[1],
    )


def of(reference: ObjectRef, namespace: str) -> Name:
    """Namespace and name of what is referred to."""
    return reference.namespace or namespace, reference.name
