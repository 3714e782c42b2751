"""The documents of a commit, sorted by kind and name as they come in. Used by `reading` and `rendered`."""

from dataclasses import dataclass, field

from trimtab.adapters.git.manifests import CanaryFile, Manifests, Name, Workload
from trimtab.documents.checks import unmeasured
from trimtab.documents.decode import Decoded, decode
from trimtab.documents.flagger import AlertProvider, Canary, MetricTemplate
from trimtab.documents.kubernetes import Service
from trimtab.documents.kubernetes import Workload as WorkloadDocument
from trimtab.documents.translate import Companions
from trimtab.documents.trimtab import RolloutPolicy
from trimtab.documents.yaml import Document
from trimtab.errors import DocumentError
from trimtab.model.content import Content
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName


@dataclass(frozen=True, slots=True)
class Invalid:
    """A Canary that says something wrong: only it is refused."""

    key: CanaryKey
    problem: str
    place: str


Part = Decoded | Invalid


def tolerant(document: Document) -> Part:
    """One document; a Canary that is merely wrong is Invalid. DocumentError for anything else that cannot be read."""
    raw = document.value if isinstance(document.value, dict) else {}
    metadata = raw.get("metadata")
    try:
        return decode(document)
    except DocumentError as error:
        name = metadata.get("name") if isinstance(metadata, dict) else None
        if raw.get("kind") != "Canary" or not isinstance(metadata, dict) or not isinstance(name, str):
            raise
        key = CanaryKey(str(metadata.get("namespace") or "default"), name)
        return Invalid(key, str(error), f"{document.file}:{document.line}")


@dataclass(slots=True)
class Collection:
    """Manifests as they come in. DocumentError for two of the same kind and name."""

    canaries: dict[CanaryKey, CanaryFile] = field(default_factory=dict)
    invalid: dict[CanaryKey, str] = field(default_factory=dict)
    workloads: dict[tuple[str, str, str], Workload] = field(default_factory=dict)
    configs: dict[tuple[str, ConfigName], Content] = field(default_factory=dict)
    services: dict[Name, Service] = field(default_factory=dict)
    templates: dict[Name, MetricTemplate] = field(default_factory=dict)
    alerts: dict[Name, AlertProvider] = field(default_factory=dict)
    policies: dict[Name, RolloutPolicy] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    places: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def add(self, part: Part) -> None:
        """Takes one document, whatever it is; kinds that Trimtab does not know are left aside."""
        if isinstance(part, Invalid):
            self._once(("Canary", part.key.namespace, part.key.name), part.place, 0)
            self.invalid[part.key] = part.problem
            return
        self.warnings += part.warnings
        if part.value is not None:
            namespace, document = part.namespace or "default", part.document
            self._once((part.kind, namespace, part.name), document.file, document.line)
            self._sort(part, namespace)

    def manifests(self, commit: str) -> Manifests:
        """What came in."""
        companions = Companions(self.templates, self.alerts, self.policies, self._schemas())
        warnings = tuple(self.warnings)
        return Manifests(commit, self.canaries, self.invalid, self.workloads, self.configs, self.services, companions, warnings)

    def _schemas(self) -> dict[tuple[str, str, str], str]:
        """The JSON Schemas in ConfigMaps that RolloutPolicies name."""
        found: dict[tuple[str, str, str], str] = {}
        for (namespace, _), policy in self.policies.items():
            for rule in policy.spec.validation.schemas if policy.spec.validation is not None else ():
                source = rule.schema_from
                content = self.configs.get((namespace, ConfigName(ConfigKind.CONFIG_MAP, source.config_map))) if source else None
                if source is not None and content is not None and source.key in content.data:
                    found[namespace, source.config_map, source.key] = content.data[source.key].decode(errors="replace")
        return found

    def _sort(self, part: Decoded, namespace: str) -> None:
        name, file, line = (namespace, part.name), part.document.file, part.document.line
        match part.value:
            case Content() as content:
                self.configs[namespace, content.name] = content
            case Canary() as canary:
                key = CanaryKey(*name)
                self.canaries[key] = CanaryFile(key, canary, part.document)
                place = f"{part.document.file}:{part.document.line}"
                self.warnings += [f"{place}: {text}" for text in unmeasured(canary.spec.analysis.metrics)]
            case WorkloadDocument(view=view):
                spec = view.spec
                workload = Workload(part.kind, namespace, part.name, part.api_version, spec.replicas, spec.template, file, line)
                self.workloads[part.kind, namespace, part.name] = workload
            case Service() as service:
                self.services[name] = service
            case MetricTemplate() as template:
                self.templates[name] = template
            case AlertProvider() as alert:
                self.alerts[name] = alert
            case RolloutPolicy() as policy:
                self.policies[name] = policy

    def _once(self, name: tuple[str, str, str], file: str, line: int) -> None:
        place = f"{file}:{line}" if line else file
        if name in self.places:
            kind, namespace, short = name
            problem = f"{kind} {short} of namespace {namespace} is also in {self.places[name]}. Remove one of them"
            raise DocumentError(problem, file=file, line=line)
        self.places[name] = place
