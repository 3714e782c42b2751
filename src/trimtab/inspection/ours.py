"""Documents of Flagger's and Trimtab's kinds in depth: can this Canary work, is its query PromQL? Called by `inspect`.

A document is decoded and translated exactly as the operator does it, so what passes here is taken there.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed

from msgspec.structs import replace

from trimtab.config.references import mapping
from trimtab.documents.analysis import CanaryMetric
from trimtab.documents.checks import unmeasured
from trimtab.documents.decode import decode
from trimtab.documents.fitting import did_you_mean, meant
from trimtab.documents.flagger import POLICY_ANNOTATION, AlertProvider, Canary, MetricTemplate
from trimtab.documents.translate import Companions, translate
from trimtab.documents.trimtab import RolloutPolicy
from trimtab.errors import DocumentError, InputError
from trimtab.inspection.kubernetes import OURS
from trimtab.inspection.places import Lines, about, at
from trimtab.inspection.queries import fault
from trimtab.model.content import Finding, Severity
from trimtab.model.policy import Policy
from trimtab.model.rendered import RenderedObject

DEFAULT = "default"
PROMETHEUS = ("prometheus", "")
MANY = 1000
"""Pods, where nothing is known of their number."""
BESIDE = "Write it beside the Canary, or see to it that the cluster has it."
Templates = Mapping[tuple[str, str], MetricTemplate]
TextName = tuple[str, str, str]
"""Namespace, ConfigMap, key."""


class Texts(Mapping[TextName, str]):
    """Keys of the ConfigMaps that are rendered. One that is not may be in the cluster: it is noted, and fits whatever is asked of it."""

    def __init__(self, there: Mapping[TextName, str]) -> None:
        self._there = there
        self.missing: list[TextName] = []

    def __getitem__(self, name: TextName) -> str:
        if name not in self._there:
            self.missing.append(name)
        return self._there.get(name, "{}")

    def __iter__(self) -> Iterator[TextName]:
        return iter(self._there)

    def __len__(self) -> int:
        return len(self._there)


@dataclass(slots=True)
class Kin:
    """Documents of our kinds, by namespace and name, and the texts of ConfigMaps."""

    canaries: list[tuple[RenderedObject, Canary]] = field(default_factory=list)
    rules: list[tuple[RenderedObject, RolloutPolicy]] = field(default_factory=list)
    templates: dict[tuple[str, str], MetricTemplate] = field(default_factory=dict)
    alerts: dict[tuple[str, str], AlertProvider] = field(default_factory=dict)
    policies: dict[tuple[str, str], RolloutPolicy] = field(default_factory=dict)
    sources: dict[tuple[str, str], RenderedObject] = field(default_factory=dict)
    """The objects of metric templates."""
    texts: dict[TextName, str] = field(default_factory=dict)
    invalid: set[TextName] = field(default_factory=set)
    """Namespace, kind and name of documents that are here but cannot be read."""
    replicas: dict[TextName, int] = field(default_factory=dict)
    """Of workloads, by namespace, kind and name."""


def examined(objects: Sequence[RenderedObject], lines: Lines) -> Iterator[Finding]:
    """What is wrong with the documents of our kinds among objects."""
    kin = Kin()
    for one in objects:
        if one.api_version.startswith(OURS):
            yield from _decoded(one, kin, lines)
    if kin.canaries:
        kin.texts = dict(_texts(objects))
        kin.replicas = dict(_replicas(objects))
    for name, template in kin.templates.items():
        yield from _template(kin.sources[name], template, lines)
    for one, canary in kin.canaries:
        yield from _canary(one, canary, kin, lines)
        yield from _named(one, canary, kin, objects, lines)
    for one, policy in kin.rules:
        yield from _policy(one, policy, kin, lines)


def _texts(objects: Sequence[RenderedObject]) -> Iterator[tuple[TextName, str]]:
    for one in objects:
        if one.content is not None and not one.content.secret:
            for key, value in one.content.data.items():
                yield (one.namespace or DEFAULT, one.name, key), value.decode(errors="replace")


def _replicas(objects: Sequence[RenderedObject]) -> Iterator[tuple[TextName, int]]:
    for one in objects:
        written = mapping(mapping(one.tree).get("spec")).get("replicas", 1)
        if isinstance(written, int):
            yield (one.namespace or DEFAULT, one.kind, one.name), written


def _decoded(one: RenderedObject, kin: Kin, lines: Lines) -> Iterator[Finding]:
    """Sorts a document in; says what it may not say."""
    written = lines.document(one)
    try:
        value = decode(changed(written, value=one.tree)).value
    except DocumentError as error:
        problem = f"{error.path}: {error.problem}" if error.path else error.problem
        kin.invalid.add((one.namespace or DEFAULT, one.kind, one.name))
        yield Finding("document/invalid", Severity.ERROR, problem, str(one), file=error.file or one.file, line=error.line or one.line)
        return
    name = (one.namespace or DEFAULT, one.name)
    match value:
        case Canary():
            kin.canaries.append((one, value))
        case MetricTemplate():
            kin.templates[name] = value
            kin.sources[name] = one
        case AlertProvider():
            kin.alerts[name] = value
        case RolloutPolicy():
            kin.policies[name] = value
            kin.rules.append((one, value))


def _template(one: RenderedObject, template: MetricTemplate, lines: Lines) -> Iterator[Finding]:
    """A query by itself: with variables that answer to any name."""
    check, problem = fault(template.spec.query, None, promql=template.spec.provider.type in PROMETHEUS)
    if problem:
        yield at(check, one, lines, ("spec", "query"), problem)


def _canary(one: RenderedObject, canary: Canary, kin: Kin, lines: Lines) -> Iterator[Finding]:
    space = canary.metadata.namespace or one.namespace or DEFAULT
    # What it names may be in the cluster already, so that is no reason to call it broken.
    annotations = {name: value for name, value in canary.metadata.annotations.items() if name != POLICY_ANNOTATION}
    if (space, canary.metadata.annotations.get(POLICY_ANNOTATION, "")) in kin.policies:
        annotations = dict(canary.metadata.annotations)
    alone = _in(canary, space, annotations)
    schemas = Texts(kin.texts)
    try:
        policy = translate(alone, Companions(kin.templates, kin.alerts, kin.policies, schemas))
    except InputError as error:
        file, line = lines.place(one, path_in(str(error)))
        yield Finding("document/canary", Severity.ERROR, str(error), str(one), file=file, line=line)
    else:
        yield from _judge(one, policy, kin.replicas.get((space, policy.target.kind, policy.target.name), MANY), canary)
    for of, config_map, key in schemas.missing:
        problem = (
            f"key {key} of ConfigMap {config_map} of namespace {of}, a JSON Schema of its RolloutPolicy, is not rendered with this Canary"
        )
        yield about("document/reference", one, problem, BESIDE)
    yield from _metrics(one, canary.spec.analysis.metrics, (kin.templates, space), lines)


def _judge(one: RenderedObject, policy: Policy, replicas: int, canary: Canary) -> Iterator[Finding]:
    """What comparing canary and primary cannot do here. Of history and traffic nothing is known without a cluster."""
    rules = policy.analysis.judge
    if rules is None:
        return
    # It needs NumPy, and most repositories compare nothing.
    from trimtab.analysis.cautions import of_pods, of_routing
    from trimtab.analysis.recipes import recipe

    by_pod = all(recipe(policy.provider, metric.counting).by_pod for metric in rules.metrics)
    pods = (replicas if canary.spec.autoscaler_ref is None else MANY) if by_pod else 0
    for said in (*of_pods(rules, pods), *of_routing(rules, policy.analysis.sticky)):
        yield about("document/judge", one, said)


def _policy(one: RenderedObject, policy: RolloutPolicy, kin: Kin, lines: Lines) -> Iterator[Finding]:
    metrics = policy.spec.analysis.metrics if policy.spec.analysis is not None else ()
    yield from _metrics(one, metrics, (kin.templates, one.namespace or DEFAULT), lines)


def _metrics(one: RenderedObject, metrics: Sequence[CanaryMetric], known: tuple[Templates, str], lines: Lines) -> Iterator[Finding]:
    """Metrics of a Canary or a RolloutPolicy. `known` are the templates, and the namespace of those that name none."""
    templates, space = known
    for text in unmeasured(metrics):
        yield at("document/metric", one, lines, ("spec", "analysis", "metrics"), text)
    for index, metric in enumerate(metrics):
        where = ("spec", "analysis", "metrics", index)
        check, problem = fault(metric.query, {}, promql=True) if metric.query else ("", "")
        if problem:
            yield at(check, one, lines, (*where, "query"), problem)
        reference = metric.template_ref
        template = templates.get((reference.namespace or space, reference.name)) if reference is not None else None
        if template is not None and (kind := template.spec.provider.type) not in PROMETHEUS:
            problem = f"template {template.metadata.name} asks {kind}, which is not supported yet, so each check fails; prometheus is"
            yield at("document/metric", one, lines, (*where, "templateRef"), problem)
        if reference is not None and template is not None:
            check, problem = fault(template.spec.query, dict(metric.template_variables), promql=False)
            if problem and not fault(template.spec.query, None, promql=False)[1]:
                yield at(check, one, lines, (*where, "templateVariables"), f"of template {reference.name}: {problem}")


def _in(canary: Canary, namespace: str, annotations: Mapping[str, str]) -> Canary:
    return replace(canary, metadata=replace(canary.metadata, namespace=namespace, annotations=annotations))


def _named(one: RenderedObject, canary: Canary, kin: Kin, objects: Sequence[RenderedObject], lines: Lines) -> Iterator[Finding]:
    """What a Canary names and is not here. It may be in the cluster, or in another repository."""
    space = canary.metadata.namespace or one.namespace or DEFAULT
    yield from _target(one, canary, kin, objects, lines)
    for index, metric in enumerate(canary.spec.analysis.metrics):
        if (template := metric.template_ref) is not None:
            where = ("spec", "analysis", "metrics", index, "templateRef")
            found = _lacking(kin, ("MetricTemplate", template.namespace or space, template.name), kin.templates)
            yield from (at("document/reference", one, lines, where, problem, fix) for problem, fix in found)
    for index, alert in enumerate(canary.spec.analysis.alerts):
        where = ("spec", "analysis", "alerts", index, "providerRef")
        found = _lacking(kin, ("AlertProvider", alert.provider_ref.namespace or space, alert.provider_ref.name), kin.alerts)
        yield from (at("document/reference", one, lines, where, problem, fix) for problem, fix in found)
    if (policy := canary.metadata.annotations.get(POLICY_ANNOTATION)) is not None:
        found = _lacking(kin, ("RolloutPolicy", space, policy), kin.policies)
        yield from (about("document/reference", one, problem, fix) for problem, fix in found)


def _target(one: RenderedObject, canary: Canary, kin: Kin, objects: Sequence[RenderedObject], lines: Lines) -> Iterator[Finding]:
    """The workload that a Canary is about. One that is here, is probably meant, and has no Canary is no coincidence."""
    space, target = canary.metadata.namespace or one.namespace or DEFAULT, canary.spec.target_ref
    there = {other.name for other in objects if (other.kind, other.namespace or DEFAULT) == (target.kind, space)}
    if target.name in there:
        return
    taken = {other.spec.target_ref.name for _, other in kin.canaries if other.spec.target_ref.kind == target.kind}
    near = meant(target.name, there - taken)
    problem = f"{target.kind} {target.name} is not rendered with this Canary"
    finding = at("document/reference", one, lines, ("spec", "targetRef", "name"), problem, did_you_mean(near) or BESIDE)
    yield changed(finding, severity=Severity.ERROR) if near else finding


def _lacking(kin: Kin, wanted: TextName, there: Collection[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """What is to be said of a name that leads nowhere, and what to do. `wanted` is kind, namespace and name."""
    kind, space, name = wanted
    if (space, name) not in there and (space, kind, name) not in kin.invalid:
        near = meant(name, [other for of, other in there if of == space])
        yield f"{kind} {name} of namespace {space} is not rendered with this Canary", did_you_mean(near) or BESIDE


def path_in(text: str) -> tuple[str, ...]:
    """The field that a text begins with, as `spec.analysis.stepWeight is ...`."""
    first = text.split(" ", 1)[0]
    return tuple(first.split(".")) if first.startswith("spec.") else ("spec",)
