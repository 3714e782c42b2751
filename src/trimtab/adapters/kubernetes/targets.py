"""From a target as the API server has it to what a revision is made of. Pure; used by `sources` and `adoption`.

Texts are Flagger's, in the order in which it finds them (flagger.md 2.2, CFG-4).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import metadata_of
from trimtab.adapters.kubernetes.kinds import DAEMON_SET, DEPLOYMENT, SERVICE, Kind
from trimtab.config.digest import SCALE_TO_ZERO, canonical_json, template_fingerprint
from trimtab.config.references import Reference, mapping, references
from trimtab.documents.flagger import TargetRef
from trimtab.model.names import ConfigKind, ConfigName
from trimtab.model.revision import ConfigRef, Revision

TARGETS: Mapping[str, Kind] = {"Deployment": DEPLOYMENT, "DaemonSet": DAEMON_SET, "Service": SERVICE}
GROUPED = {"Deployment": "deployments.apps", "DaemonSet": "daemonsets.apps", "Service": "services"}


class Unknown(Exception):
    """Why a revision cannot be known; the text is for people."""


@dataclass(frozen=True, slots=True)
class Template:
    """What a target runs, pinned: canonical JSON, its fingerprint, and what its pods read."""

    text: str
    fingerprint: str
    reads: tuple[Reference, ...] = ()


def kind_of(target: TargetRef) -> Kind:
    """The kind of the target. Unknown for one that cannot be rolled out."""
    if target.api_version.startswith("serving.knative.dev/"):
        raise Unknown(
            f"spec.targetRef: Knative Service {target.name} cannot be rolled out yet. Use a Deployment, a DaemonSet or a Service of v1."
        )
    return TARGETS[target.kind]


def missing(target: TargetRef, namespace: str) -> str:
    """That there is no such target."""
    return f'{target.kind.lower()} {target.name}.{namespace} get query error: {GROUPED[target.kind]} "{target.name}" not found'


def template_of(kind: Kind, found: Object, selector_labels: Sequence[str]) -> Template:
    """What the target runs. Of a Service, which has no pods of its own, its spec (SM, 2.3). Unknown without a selector label."""
    spec = mapping(found.get("spec"))
    if kind is SERVICE:
        return Template(canonical_json(spec), template_fingerprint(spec))
    matched = mapping(mapping(spec.get("selector")).get("matchLabels"))
    if not any(label in matched for label in selector_labels):
        metadata = metadata_of(found)
        name = f"{kind.kind.lower()} {metadata.get('name')}.{metadata.get('namespace')}"
        labels = " ".join(selector_labels)
        raise Unknown(f"getSelectorLabel failed: {name} spec.selector.matchLabels must contain one of [{labels}]")
    strategy = mapping(spec.get("updateStrategy")).get("type") or "RollingUpdate"
    if kind is DAEMON_SET and strategy != "RollingUpdate":
        metadata = metadata_of(found)
        name = f"daemonset {metadata.get('name')}.{metadata.get('namespace')}"
        raise Unknown(f"{name} must have RollingUpdate strategy but have {strategy}: set spec.updateStrategy.type to RollingUpdate")
    template = at_scale(mapping(spec.get("template")))
    return Template(canonical_json(template), template_fingerprint(template), references(template))


def at_scale(template: Mapping[str, object]) -> Mapping[str, object]:
    """A DaemonSet's template without the node selector that scales it to zero (WL-6)."""
    spec = mapping(template.get("spec"))
    selector = mapping(spec.get("nodeSelector"))
    if SCALE_TO_ZERO not in selector:
        return template
    rest = {name: value for name, value in selector.items() if name != SCALE_TO_ZERO}
    others = {name: value for name, value in spec.items() if name != "nodeSelector"}
    return {**template, "spec": {**others, **({"nodeSelector": rest} if rest else {})}}


def unreadable(name: ConfigName, namespace: str, why: str) -> str:
    """That something a pod reads cannot be read."""
    query = f"{name.kind.lower()} {name.name}.{namespace} get query error"
    return f"GetTargetConfigs failed: {query}: {query}: {why}"


def not_found(name: ConfigName) -> str:
    """How the API server says that there is none."""
    plural = "configmaps" if name.kind is ConfigKind.CONFIG_MAP else "secrets"
    return f'{plural} "{name.name}" not found'


def revision_of(template: Template, refs: Iterable[ConfigRef]) -> Revision:
    """The revision of a template and what it reads."""
    return Revision.of(template.text, template.fingerprint, tuple(refs))
