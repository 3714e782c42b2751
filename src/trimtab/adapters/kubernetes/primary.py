"""What a primary looks like: the target's rules, a revision's template, references pointed at immutable copies (WL-1 to WL-3). Pure.

Called by `workloads`. The pods of the primary are told apart from those of the target by one label, the selector label.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import NAMESPACE_OID, uuid5

import msgspec

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import annotations_of, metadata_of
from trimtab.adapters.kubernetes.kinds import DAEMON_SET, DEPLOYMENT, Kind
from trimtab.adapters.kubernetes.marks import OURS, REVISION, SERIAL, controlled, note, owners
from trimtab.adapters.kubernetes.settings import FLUX, Settings, included_labels
from trimtab.adapters.kubernetes.targets import at_scale
from trimtab.config.digest import canonical_json
from trimtab.config.references import copy_name, items, mapping, rewrite
from trimtab.errors import InputError
from trimtab.model.names import ConfigName
from trimtab.model.revision import Revision

FLAGGER_ID = "flagger-id"
"""On pods of a primary, as Flagger has it: a new value with each promotion, which tells its pods from those of the one before (WL-2)."""
RULES: Mapping[Kind, tuple[str, ...]] = {
    DEPLOYMENT: ("progressDeadlineSeconds", "minReadySeconds", "revisionHistoryLimit", "strategy"),
    DAEMON_SET: ("minReadySeconds", "revisionHistoryLimit", "updateStrategy"),
}
"""Fields beside the template that the primary has from its target (WL-2)."""
PRIVATE = ("kubectl.kubernetes.io/", "deployment.kubernetes.io/", "deprecated.daemonset.template.generation", OURS)
"""Annotations with these prefixes are about the target itself and are not copied."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a primary is made of."""

    kind: Kind
    target: Object
    revision: Revision
    owner: Object
    """The controller ownerReference to the Canary."""
    settings: Settings
    serial: int
    replicas: int | None = None
    """Pods, where somebody says how many; None leaves them to the target, or to an autoscaler."""
    scaled: bool = False
    """An autoscaler says how many."""

    @property
    def name(self) -> str:
        """The primary's name."""
        return f"{metadata_of(self.target).get('name')}-primary"


def selector_label(kind: Kind, target: Object, settings: Settings) -> tuple[str, str]:
    """The label that tells primary and canary apart, and its value on the canary. InputError where the target has none that would do."""
    matched = mapping(mapping(mapping(target.get("spec")).get("selector")).get("matchLabels"))
    for label in settings.selector_labels:
        if label in matched:
            return label, str(matched[label])
    metadata = metadata_of(target)
    raise InputError(
        f"getSelectorLabel failed: {kind.kind.lower()} {metadata.get('name')}.{metadata.get('namespace')} "
        f"spec.selector.matchLabels must contain one of [{' '.join(settings.selector_labels)}]"
    )


def primary(plan: Plan, found: Object | None) -> Object | None:
    """The primary that the plan stands for; None where the one that is there is it already.

    One that Flagger made from the same template stays as it is, pods included, and only gets our annotations (DESIGN §6).
    Raises InputError where an object of that name belongs to somebody else.
    """
    if found is None:
        return created(plan)
    refuse_foreign(plan, found)
    if note(found, REVISION) == plan.revision.id:
        return resized(plan, found)
    if note(found, REVISION) is None and made_by_flagger(plan, found):
        return {**found, "metadata": marked(plan, metadata_of(found))}
    return promoted(plan, found)


def refuse_foreign(plan: Plan, found: Object) -> None:
    """InputError unless it is the Canary's, or nobody's."""
    for owner in owners(found):
        if owner.get("controller") is True and not controlled(found, str(plan.owner.get("uid"))):
            name = f"{plan.kind.kind} {plan.name}.{metadata_of(plan.target).get('namespace')}"
            raise InputError(
                f"{name} is needed for the primary of Canary {plan.owner.get('name')}, but it belongs to {owner.get('kind')} "
                f"{owner.get('name')}, so Trimtab leaves it as it is. Remove it, or give one of the two another name."
            )


def created(plan: Plan) -> Object:
    """A new primary (WL-1)."""
    label, value = selector_label(plan.kind, plan.target, plan.settings)
    metadata = metadata_of(plan.target)
    notes = {name: str(text) for name, text in annotations_of(plan.target).items() if FLUX not in name and not name.startswith(PRIVATE)}
    spec: Object = {"selector": {"matchLabels": {label: f"{value}-primary"}}, **rules(plan), "template": template(plan, None)}
    if plan.kind is DEPLOYMENT:
        spec["replicas"] = plan.replicas or replicas_of(plan.target) or 1
    made: Object = {
        "name": plan.name,
        "namespace": str(metadata.get("namespace")),
        "labels": labels(plan),
        "annotations": {**notes, REVISION: plan.revision.id, SERIAL: str(plan.serial)},
        "ownerReferences": [plan.owner],
    }
    return {"apiVersion": plan.kind.api_version, "kind": plan.kind.kind, "metadata": made, "spec": spec}


def promoted(plan: Plan, found: Object) -> Object:
    """The primary that is there with another revision (WL-2). What others noted on the object stays; so does its selector.

    What was noted on the target is about the target: a new primary has it, as Flagger's has, and loses it with the first promotion.
    """
    before = mapping(found.get("spec"))
    spec: Object = {name: value for name, value in before.items() if name not in RULES[plan.kind]}
    spec |= {**rules(plan), "template": template(plan, found)}
    if plan.kind is DEPLOYMENT and not plan.scaled:
        spec["replicas"] = plan.replicas or replicas_of(plan.target) or replicas_of(found) or 1
    there = annotations_of(plan.target)
    kept = included_labels(there, plan.settings.include_label_prefix)
    notes = {name: text for name, text in annotations_of(found).items() if there.get(name) != text or name.startswith(PRIVATE)}
    metadata = marked(plan, {**metadata_of(found), "annotations": {**notes, **kept}})
    return {**found, "metadata": {**metadata, "labels": {**mapping(metadata.get("labels")), **labels(plan)}}, "spec": spec}


def resized(plan: Plan, found: Object) -> Object | None:
    """The same primary with as many pods as somebody says; None where it has them."""
    if plan.kind is not DEPLOYMENT or plan.scaled or not plan.replicas or plan.replicas == replicas_of(found):
        return None
    spec = {**mapping(found.get("spec")), "replicas": plan.replicas}
    return {**found, "metadata": marked(plan, metadata_of(found)), "spec": spec}


def marked(plan: Plan, metadata: Mapping[str, object]) -> Object:
    """Metadata with our annotations."""
    notes = {**mapping(metadata.get("annotations")), REVISION: plan.revision.id, SERIAL: str(plan.serial)}
    return {**metadata, "annotations": notes}


def labels(plan: Plan) -> dict[str, str]:
    """Labels of the object, not of its pods."""
    label, value = selector_label(plan.kind, plan.target, plan.settings)
    there = mapping(metadata_of(plan.target).get("labels"))
    return {**included_labels(there, plan.settings.include_label_prefix), label: f"{value}-primary"}


def rules(plan: Plan) -> Object:
    """What the target says beside its template."""
    there = mapping(plan.target.get("spec"))
    return {name: there[name] for name in RULES[plan.kind] if name in there}


def template(plan: Plan, found: Object | None, *, flagger: bool = False) -> Object:
    """The pod template of the primary; with `flagger` the one that Flagger would have made of the same revision."""
    label, value = selector_label(plan.kind, plan.target, plan.settings)
    pinned = at_scale(msgspec.json.decode(plan.revision.template, type=dict[str, object]))
    written = rewrite(pinned, copies(plan.revision, flagger=flagger))
    metadata = mapping(written.get("metadata"))
    notes = {name: text for name, text in mapping(metadata.get("annotations")).items() if FLUX not in name and name != FLAGGER_ID}
    if identity := found_id(found) if flagger else fresh_id(plan):
        notes[FLAGGER_ID] = identity
    head: Object = {**metadata, "labels": {**mapping(metadata.get("labels")), label: f"{value}-primary"}, "annotations": notes}
    spec = apart(mapping(written.get("spec")), str(metadata_of(plan.target).get("name")), plan.settings.selector_labels)
    return {**written, "metadata": head, "spec": spec}


def fresh_id(plan: Plan) -> str:
    """What tells the pods of one promotion from those of the one before; the same whenever one record is carried out again."""
    return str(uuid5(NAMESPACE_OID, f"{plan.owner.get('uid')}/{plan.serial}"))


def found_id(found: Object | None) -> object:
    """The one that a primary has."""
    return annotations_of(mapping(mapping((found or {}).get("spec")).get("template"))).get(FLAGGER_ID)


def copies(revision: Revision, *, flagger: bool = False) -> dict[ConfigName, str]:
    """What the copies of a revision's contents are called. An optional one that does not exist has none."""
    there = (ref for ref in revision.configs if ref.digest)
    return {ref.name: f"{ref.name.name}-primary" if flagger else copy_name(ref.name.name, ref.digest) for ref in there}


def made_by_flagger(plan: Plan, found: Object) -> bool:
    """Does the primary run the revision as Flagger wrote it? Then its pods need not restart."""
    there = mapping(mapping(found.get("spec")).get("template"))
    return canonical_json(bare(template(plan, found, flagger=True))) == canonical_json(bare(there))


def bare(pods: Mapping[str, object]) -> Object:
    """A pod template without what says nothing about what its pods run."""
    metadata = {name: value for name, value in mapping(pods.get("metadata")).items() if value and name != "creationTimestamp"}
    return {**pods, "metadata": metadata}


def apart(spec: Mapping[str, object], name: str, selector_labels: Sequence[str]) -> Object:
    """The pods' spec, where anti-affinity and spreading are about the primary's own pods and not about the target's (WL-3)."""
    new: Object = dict(spec)
    affinity = mapping(spec.get("affinity"))
    anti = mapping(affinity.get("podAntiAffinity"))
    if anti:
        required = [renamed(term, name, selector_labels) for term in items(anti.get("requiredDuringSchedulingIgnoredDuringExecution"))]
        preferred = [
            {**term, "podAffinityTerm": renamed(mapping(term.get("podAffinityTerm")), name, selector_labels)}
            for term in items(anti.get("preferredDuringSchedulingIgnoredDuringExecution"))
        ]
        terms = {
            **({"requiredDuringSchedulingIgnoredDuringExecution": required} if required else {}),
            **({"preferredDuringSchedulingIgnoredDuringExecution": preferred} if preferred else {}),
        }
        new["affinity"] = {**affinity, "podAntiAffinity": {**anti, **terms}}
    if spread := items(spec.get("topologySpreadConstraints")):
        new["topologySpreadConstraints"] = [renamed(term, name, selector_labels) for term in spread]
    return new


def renamed(term: Mapping[str, object], name: str, selector_labels: Sequence[str]) -> Object:
    """A term whose labelSelector names the target's pods, naming the primary's."""
    selector = mapping(term.get("labelSelector"))
    if not selector:
        return dict(term)
    new: Object = dict(selector)
    if matched := mapping(selector.get("matchLabels")):
        new["matchLabels"] = {
            label: f"{name}-primary" if label in selector_labels and value == name else value for label, value in matched.items()
        }
    if expressions := items(selector.get("matchExpressions")):
        new["matchExpressions"] = [expression(one, name, selector_labels) for one in expressions]
    return {**term, "labelSelector": new}


def expression(one: Mapping[str, object], name: str, selector_labels: Sequence[str]) -> Object:
    """One of matchExpressions."""
    values = one.get("values")
    if one.get("key") not in selector_labels or not isinstance(values, list):
        return dict(one)
    return {**one, "values": [f"{name}-primary" if value == name else value for value in values]}


def replicas_of(found: Object) -> int:
    """What a Deployment asks for; the API server's default is 1."""
    count = mapping(found.get("spec")).get("replicas", 1)
    return count if isinstance(count, int) else 1
