"""Which workload reads which ConfigMap or Secret of a rendered set. Called by `wiring` for everything that is rendered."""

from collections.abc import Mapping, Sequence

from trimtab.config.references import mapping, references
from trimtab.model.rendered import RenderedObject, Use

TEMPLATED = frozenset({"Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "ReplicationController", "Job", "Rollout"})


def pod_template(tree: Mapping[str, object]) -> Mapping[str, object] | None:
    """The template of a workload's pods, the pod itself for a Pod; None for what runs no pods."""
    path = template_path(tree)
    if path is None:
        return None
    for step in path:
        tree = mapping(tree.get(step))
    return tree


def template_path(tree: Mapping[str, object]) -> tuple[str, ...] | None:
    """Where the template is; None for what runs no pods."""
    kind = tree.get("kind")
    if kind == "Pod":
        return ()
    if kind == "CronJob":
        return ("spec", "jobTemplate", "spec", "template")
    return ("spec", "template") if kind in TEMPLATED else None


def uses(objects: Sequence[RenderedObject]) -> tuple[Use, ...]:
    """Every ConfigMap and Secret that a workload names, workload by workload."""
    there = {(one.namespace, one.content.name): one for one in objects if one.content is not None}
    found: list[Use] = []
    for reader in objects:
        template = pod_template(reader.tree)
        for reference in references(template) if template is not None else ():
            content = there.get((reader.namespace, reference.name))
            found.append(Use(reader, reference.name, content, reference.keys, reference.places, bool(reference.mandatory)))
    return tuple(found)
