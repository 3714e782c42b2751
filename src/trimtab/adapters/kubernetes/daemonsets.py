"""A DaemonSet as a copy, and what scales the target up and down: a node selector that no node meets (WL-6). Pure; called by `workloads`."""

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.deployments import number, observed
from trimtab.config.digest import SCALE_TO_ZERO
from trimtab.config.references import mapping
from trimtab.model.facts import Copy


def copy_of(found: Object, revision: str) -> Copy:
    """The copy, as the API server has counted its pods. A DaemonSet has no progress deadline of its own."""
    status = mapping(found.get("status"))
    return Copy(
        revision=revision,
        desired=0 if at_zero(found) else number(status, "desiredNumberScheduled"),
        total=number(status, "currentNumberScheduled"),
        updated=number(status, "updatedNumberScheduled") if observed(found) else 0,
        available=number(status, "numberAvailable"),
        observed=observed(found),
        kind="DaemonSet",
    )


def at_zero(found: Object) -> bool:
    """Is it kept from every node?"""
    spec = mapping(mapping(mapping(found.get("spec")).get("template")).get("spec"))
    return SCALE_TO_ZERO in mapping(spec.get("nodeSelector"))


def scaled(up: bool) -> Object:
    """The patch that lets it run on its nodes, or on none."""
    return {"spec": {"template": {"spec": {"nodeSelector": {SCALE_TO_ZERO: None if up else "true"}}}}}
