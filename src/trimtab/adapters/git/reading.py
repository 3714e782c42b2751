"""Files of a commit to manifests. Used by `sources` and `archive`; what was read once is not read again while it is in force."""

from dataclasses import dataclass, field

from trimtab.adapters.git.clone import File
from trimtab.adapters.git.manifests import CanaryFile, Manifests, Name, Workload
from trimtab.adapters.git.repository import Repository
from trimtab.documents.checks import unmeasured
from trimtab.documents.decode import Decoded, decode, read_documents
from trimtab.documents.flagger import AlertProvider, Canary, MetricTemplate
from trimtab.documents.kubernetes import KUSTOMIZATIONS, Service
from trimtab.documents.kubernetes import Workload as WorkloadDocument
from trimtab.documents.translate import Companions
from trimtab.documents.trimtab import RolloutPolicy
from trimtab.documents.yaml import Document, read_yaml
from trimtab.errors import DocumentError, InputError
from trimtab.model.content import Content
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName


@dataclass(frozen=True, slots=True)
class Invalid:
    """A Canary that says something wrong: only it is refused."""

    key: CanaryKey
    problem: str
    place: str


Part = Decoded | Invalid


class Reader:
    """Reads commits of one repository."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._read: dict[File, tuple[Part, ...]] = {}

    async def load(self, commit: str, *, remember: bool = True) -> Manifests:
        """Everything that a commit says. InputError with file and line of each file that cannot be read.

        `remember`: the next commit will be much like this one, so its files are not read again.
        """
        files = await self._repository.manifests(commit)
        wanted = [file for file in files if file.path.rpartition("/")[2] not in KUSTOMIZATIONS]
        contents = await self._repository.clone.read(file.blob for file in wanted if file not in self._read)
        problems: list[str] = []
        collection, parts = Collection(), dict[File, tuple[Part, ...]]()
        for file in wanted:
            try:
                parts[file] = self._read[file] if file in self._read else read_file(file.path, contents[file.blob])
                for part in parts[file]:
                    collection.add(part)
            except DocumentError as error:
                problems.append(str(error))
        if problems:
            raise InputError("\n".join(problems))
        if remember:
            self._read = parts
        collection.warnings += [_unrendered(file.path) for file in files if file not in parts]
        return collection.manifests(commit)


def read_file(path: str, content: bytes) -> tuple[Part, ...]:
    """The documents of a file. DocumentError if it cannot be read; a Canary that is merely wrong is returned as Invalid."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        problem = "not UTF-8 text. Save the file as UTF-8; bytes that are no text go below binaryData, as base64"
        raise DocumentError(problem, file=path, line=content.count(b"\n", 0, error.start) + 1) from None
    try:
        return tuple(read_documents(text, path))
    except DocumentError as error:
        return tuple(_tolerant(document, error) for document in read_yaml(text, path))


def _tolerant(document: Document, first: DocumentError) -> Part:
    raw = document.value if isinstance(document.value, dict) else {}
    metadata = raw.get("metadata")
    if str(raw.get("kind")).endswith("List"):
        # A list is read as a whole, so there is nobody else whom the error could be about.
        raise first
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


def _unrendered(path: str) -> str:
    return f"{path} is not rendered: the files around it are read as they are written"
