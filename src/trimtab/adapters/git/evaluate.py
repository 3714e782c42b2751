"""What the manifests of one commit mean for one Canary: its revision and policy, or what keeps them from being known.

Pure. Called by `sources` once per commit and Canary. Messages use Flagger's words where it has some (CFG-4), with file and line.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from trimtab.adapters.git.manifests import CanaryFile, Manifests, Workload
from trimtab.config.digest import DigestKey, canonical_json, checksum, digest, template_fingerprint
from trimtab.config.references import Reference, references, tracked
from trimtab.documents.fitting import did_you_mean, meant
from trimtab.documents.flagger import Canary
from trimtab.documents.translate import Companions, missing_policy
from trimtab.errors import InputError
from trimtab.model.content import Content
from trimtab.model.facts import Source
from trimtab.model.names import CanaryKey, ConfigKind
from trimtab.model.policy import Policy
from trimtab.model.revision import ConfigRef, Revision

Translate = Callable[[Canary, Companions], Policy]
"""`documents.translate.translate`, with the least interval that counts here."""

PLURALS = {"Deployment": 'deployments.apps "{}"', "DaemonSet": 'daemonsets.apps "{}"'}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one Canary says, and the files that its revision is made of."""

    source: Source
    files: tuple[str, ...] = ()


class Unknown(Exception):
    """Why a revision cannot be known; the text is for people."""


def meaning(manifests: Manifests, key: CanaryKey, translate: Translate, secret: DigestKey) -> Meaning:
    """What the manifests say about `key`. While its document is invalid, the target that it named last counts on."""
    wrong = manifests.invalid.get(key, "")
    canary = manifests.canaries.get(key)
    if canary is None:
        return Meaning(Source(problem=wrong or f"Canary {key} is not in the source any more", policy_problem=wrong))
    policy, policy_problem = (None, wrong) if wrong else _policy(manifests, canary, translate)
    spec = canary.document.spec
    source = Source(None, "", policy, policy_problem, spec.suspend, spec.skip_analysis)
    if not wrong and missing_policy(canary.document, manifests.companions, canary.key.namespace):
        return Meaning(replace(source, problem=policy_problem, policy_problem=""))
    try:
        target = _target(manifests, canary)
        revision = revision_of(manifests, target, secret)
    except Unknown as why:
        return Meaning(replace(source, problem=str(why)))
    files = {target.file, *(content.file for content in read_by(manifests, target)), *manifests.inputs}
    return Meaning(replace(source, revision=revision, replicas=target.replicas), tuple(sorted(files)))


def revision_of(manifests: Manifests, target: Workload, secret: DigestKey) -> Revision:
    """The pod template and the digests of what it reads and Flagger would track. Unknown if something mandatory is missing."""
    refs = tuple(_refs(manifests, target, secret))
    return Revision.of(canonical_json(target.template), template_fingerprint(target.template), refs)


def read_by(manifests: Manifests, target: Workload) -> tuple[Content, ...]:
    """Every ConfigMap and Secret that a pod of the workload reads, also those that are not tracked (CFG-5, CFG-6)."""
    found = (manifests.configs.get((target.namespace, reference.name)) for reference in references(target.template))
    return tuple(content for content in found if content is not None)


def shared_targets(manifests: Manifests) -> dict[CanaryKey, str]:
    """What is wrong with Canaries that have their target in common with another."""
    about: dict[tuple[str, str, str], list[CanaryFile]] = {}
    for _, canary in sorted(manifests.canaries.items()):
        reference = canary.document.spec.target_ref
        about.setdefault((reference.kind, canary.key.namespace, reference.name), []).append(canary)
    wrong: dict[CanaryKey, str] = {}
    for (kind, namespace, name), canaries in about.items():
        if len(canaries) > 1:
            named = " and ".join(f"{canary.key} ({canary.place})" for canary in canaries)
            text = f"Canaries {named} have the same target {kind.lower()} {name}.{namespace}. Remove all but one."
            wrong.update(dict.fromkeys((canary.key for canary in canaries), text))
    return wrong


def _policy(manifests: Manifests, canary: CanaryFile, translate: Translate) -> tuple[Policy | None, str]:
    try:
        return translate(canary.document, manifests.companions), ""
    except InputError as error:
        return None, f"{canary.place_of(str(error))}: {error}"


def _target(manifests: Manifests, canary: CanaryFile) -> Workload:
    found = manifests.target(canary)
    if found is not None:
        return found
    about, namespace = canary.document.spec.target_ref, canary.key.namespace
    if about.kind not in PLURALS:
        raise Unknown(f"{canary.place}: spec.targetRef.kind: {about.kind} has no pods to roll out here. Use a Deployment or a DaemonSet.")
    missing = PLURALS[about.kind].format(about.name)
    others = sorted(name for kind, space, name in manifests.workloads if (kind, space) == (about.kind, namespace))
    there = f"In namespace {namespace} there is: {', '.join(others)}." if others else f"There is none in namespace {namespace}."
    query = f"{about.kind.lower()} {about.name}.{namespace} get query error: {missing} not found"
    raise Unknown(f"{query} (named in {canary.place_of('spec.targetRef.name')}). {there} Add it, or correct spec.targetRef.")


def _refs(manifests: Manifests, target: Workload, secret: DigestKey) -> Iterator[ConfigRef]:
    for reference in references(target.template):
        content = manifests.configs.get((target.namespace, reference.name))
        if content is None and not reference.optional:
            raise Unknown(_missing(manifests, target, reference))
        if content is None:
            yield ConfigRef(reference.name, "")
        elif tracked(content):
            # The checksum of a Secret goes no further than the status of a Canary, which does not exist here.
            shown = "" if content.secret else checksum(content)
            yield ConfigRef(reference.name, digest(content, secret), shown, tuple(sorted({*content.data, *content.binary})))


def _missing(manifests: Manifests, target: Workload, reference: Reference) -> str:
    name = reference.name
    kind = "configmap" if name.kind is ConfigKind.CONFIG_MAP else "secret"
    query = f"{kind} {name.name}.{target.namespace} get query error"
    near = meant(name.name, [there.name for space, there in manifests.configs if space == target.namespace and there.kind is name.kind])
    fix = did_you_mean(near) or "Add it, or mark the reference as optional."
    where = f"read by {target.kind.lower()} {target.name} in {target.place}, {', '.join(reference.places)}"
    return f'GetTargetConfigs failed: {query}: {kind}s "{name.name}" not found ({where}). {fix}'
