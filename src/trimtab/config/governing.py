"""Which workloads a Canary rolls out by itself. Called by `renderings` and `inspection`."""

from trimtab.config.references import mapping
from trimtab.model.rendered import RenderedObject


def governs(canary: RenderedObject, workload: RenderedObject) -> bool:
    """Is this a Canary about it, which restarts its pods and sends traffic to them by itself?"""
    if canary.kind != "Canary":
        return False
    target = mapping(mapping(canary.tree.get("spec")).get("targetRef"))
    return (target.get("kind"), target.get("name"), canary.namespace) == (workload.kind, workload.name, workload.namespace)
