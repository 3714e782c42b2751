"""Which workloads a Canary rolls out by itself. Called by `renderings` and `inspection`."""

from trimtab.config.references import mapping
from trimtab.model.rendered import RenderedObject


def governs(canary: RenderedObject, workload: RenderedObject) -> bool:
    """Is this a Canary about it, which restarts its pods and sends traffic to them by itself?"""
    target = mapping(mapping(canary.tree.get("spec")).get("targetRef"))
    about = target.get("kind"), target.get("name"), canary.namespace
    return canary.kind == "Canary" and about == (workload.kind, workload.name, workload.namespace)
