"""The three Services of a target: apex, primary, canary (SVC-1 to SVC-3). `reconcile` is called by every router; the rest is pure.

A Service of the apex' name that was there before is taken over: its selector and ports are ours, its labels and annotations its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import Cluster, annotations_of, metadata_of
from trimtab.adapters.kubernetes.finalizer import deleted
from trimtab.adapters.kubernetes.kinds import SERVICE
from trimtab.adapters.kubernetes.marks import FLUX_OFF, OURS, SERIAL, controlled, newest
from trimtab.adapters.kubernetes.mirror import LAST_APPLIED
from trimtab.adapters.kubernetes.order import TARGETS
from trimtab.adapters.kubernetes.primary import selector_label
from trimtab.adapters.kubernetes.upkeep import Upkeep
from trimtab.config.references import items, mapping
from trimtab.documents.flagger import Canary
from trimtab.documents.service import CanaryService, CustomMetadata, UnmanagedMetadata
from trimtab.errors import Conflict, InputError
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy

PROXIES = frozenset({"istio-proxy", "envoy"})
"""Containers whose ports are a mesh's own (SVC-2)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One generated Service. `metadata` is what the Canary says about it."""

    namespace: str
    name: str
    label: str
    """The selector label, which the Service carries too, with its own name."""
    selects: str
    """The value of the selector label on the pods behind it."""
    service: CanaryService
    metadata: CustomMetadata
    ports: tuple[Object, ...]
    owner: Object


async def reconcile(cluster: Cluster, key: CanaryKey, canary: Canary, serial: int, *, routed: bool) -> None:
    """Makes the Services of `canary` as the record `serial` wants them; the apex only with `routed`, for it then leads to the primary.

    Writes only what differs, and notes the record with it. A Canary whose target is a Service, or is gone, keeps the Services it
    has. InputError where spec.service is missing, Conflict where one was written on behalf of a newer record.
    """
    upkeep = Upkeep(cluster)
    for plan in plans(cluster, key, canary, routed=routed):

        def shape(found: Object | None, plan: Plan = plan) -> Object | None:
            made = service(plan, found)
            if made is None:
                return None
            uid = str(plan.owner["uid"])
            if (seen := newest((found,), uid)) > serial:
                raise Conflict(f"Service {plan.name} of Canary {key}: record {serial} is stale, {seen} was seen; look again")
            return noted(made, serial, uid)

        await upkeep.make(SERVICE, key.namespace, plan.name, shape)


def noted(made: Object, serial: int, uid: str) -> Object:
    """A Service that says on behalf of which record it is written."""
    return {**made, "metadata": {**metadata_of(made), "annotations": {**annotations_of(made), SERIAL: f"{serial}/{uid}"}}}


async def astray(cluster: Cluster, key: CanaryKey, policy: Policy) -> Object | None:
    """The apex leading to the target again; None where it does, where it is ours and goes with us, or where it cannot (DEL-2).

    What kubectl applied says where it led; without that, it is the target's label.
    """
    # Mirrors have no last applied configuration.
    found = await cluster.client.get(SERVICE, key.namespace, policy.service.name)
    if found is None or deleted(found) or controlled(found, str(cluster.user(key)["uid"])):
        return None
    kind = TARGETS.get(policy.target.kind)
    target = cluster.mirrors[kind].get(key.namespace, policy.target.name) if kind is not None else None
    applied = applied_selector(found)
    wanted = applied or (dict([selector_label(kind, target, cluster.settings)]) if kind is not None and target is not None else {})
    before = mapping(mapping(found.get("spec")).get("selector"))
    if not wanted or dict(before) == wanted:
        return None
    return {**found, "spec": {**mapping(found.get("spec")), "selector": wanted}}


def applied_selector(found: Object) -> dict[str, object]:
    """What kubectl last said that a Service selects; empty where it was not kubectl who made it."""
    text = annotations_of(found).get(LAST_APPLIED)
    try:
        applied = mapping(msgspec.json.decode(text)) if isinstance(text, str) else {}
    except msgspec.DecodeError:
        return {}
    return dict(mapping(mapping(applied.get("spec")).get("selector")))


def plans(cluster: Cluster, key: CanaryKey, canary: Canary, *, routed: bool) -> Iterator[Plan]:
    """What there should be, canary first (flagger.md 2.2)."""
    kind = TARGETS.get(canary.spec.target_ref.kind)
    if kind is None:
        return
    target = cluster.mirrors[kind].get(key.namespace, canary.spec.target_ref.name)
    written = canary.spec.service
    if target is None:
        return
    if written is None:
        raise InputError(
            f"Canary {key} has no spec.service: give at least spec.service.port, the port of the Service in front of the target"
        )
    label, value = selector_label(kind, target, cluster.settings)
    found, apex = ports(written, target), written.name or canary.spec.target_ref.name
    copies = [
        (f"{apex}-canary", value, written.canary),
        (f"{apex}-primary", f"{value}-primary", written.primary),
        (apex, f"{value}-primary", written.apex),
    ]
    for name, selects, metadata in copies if routed else copies[:-1]:
        yield Plan(key.namespace, name, label, selects, written, metadata or CustomMetadata(), found, cluster.owner(key))


def service(plan: Plan, found: Object | None) -> Object | None:
    """The Service that the plan stands for; None where the one that is there is it already."""
    if found is None:
        return created(plan)
    spec = {**mapping(found.get("spec")), "selector": {plan.label: plan.selects}, "ports": kept_ports(plan.ports, found)}
    metadata = owned(plan, found) if controlled(found, str(plan.owner.get("uid"))) else taken_over(found)
    if same_spec(spec, mapping(found.get("spec"))) and metadata == metadata_of(found):
        return None
    return {**found, "metadata": metadata, "spec": spec}


def created(plan: Plan) -> Object:
    """A new one. Whether it is headless and how it spreads traffic is only said here."""
    spec: Object = {"type": "ClusterIP", "selector": {plan.label: plan.selects}, "ports": list(plan.ports)}
    if plan.service.headless:
        spec["clusterIP"] = "None"
    if plan.service.traffic_distribution is not None:
        spec["trafficDistribution"] = plan.service.traffic_distribution
    metadata: Object = {
        "name": plan.name,
        "namespace": plan.namespace,
        "labels": {**plan.metadata.labels, plan.label: plan.name},
        "annotations": {**plan.metadata.annotations, **FLUX_OFF},
        "ownerReferences": [plan.owner],
    }
    return {"apiVersion": SERVICE.api_version, "kind": SERVICE.kind, "metadata": metadata, "spec": spec}


def owned(plan: Plan, found: Object) -> Object:
    """Metadata of one of ours: what the Canary says and nothing else, but for the keys that it leaves to others."""
    metadata = metadata_of(found)
    others = plan.service.unmanaged_metadata or UnmanagedMetadata()
    labels = {**left(metadata.get("labels"), others.labels), **plan.metadata.labels, plan.label: plan.name}
    annotations = {**left(metadata.get("annotations"), others.annotations), **plan.metadata.annotations, **FLUX_OFF}
    return {**metadata, "labels": labels, "annotations": annotations}


def taken_over(found: Object) -> Object:
    """Metadata of somebody else's."""
    metadata = metadata_of(found)
    return {**metadata, "annotations": {**mapping(metadata.get("annotations")), **FLUX_OFF}}


def left(found: object, unmanaged: Sequence[str]) -> dict[str, str]:
    """The keys that stay as they are: those that the Canary leaves alone, and our own notes."""
    return {name: str(value) for name, value in mapping(found).items() if name in unmanaged or name.startswith(OURS)}


def kept_ports(wanted: Sequence[Object], found: Object) -> list[Object]:
    """The wanted ports, each with the node port that the one of its name has, in the order in which they are there already."""
    there = items(mapping(found.get("spec")).get("ports"))
    nodes = {str(port.get("name")): port["nodePort"] for port in there if port.get("nodePort")}
    new = [{**port, **({"nodePort": nodes[str(port["name"])]} if str(port["name"]) in nodes else {})} for port in wanted]
    order = {str(port.get("name")): place for place, port in enumerate(there)}
    return sorted(new, key=lambda port: order.get(str(port["name"]), len(order)))


def same_spec(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Do selector and ports agree? The rest is not ours."""
    return all(one.get(name) == other.get(name) for name in ("selector", "ports"))


def ports(written: CanaryService, target: Object) -> tuple[Object, ...]:
    """The port of the Service, and with portDiscovery all other ports of the target's containers (SVC-2)."""
    main = {
        "name": written.port_name or "http",
        "protocol": "TCP",
        "port": written.port,
        "targetPort": target_port(written),
        **({"appProtocol": written.app_protocol} if written.app_protocol else {}),
    }
    return (main, *(discovered(written, target) if written.port_discovery else ()))


def target_port(written: CanaryService) -> int | str:
    """The port of the pods; 0 counts as not given."""
    found = written.target_port
    if isinstance(found, str) and found.isdecimal():
        found = int(found)
    return found or written.port


def discovered(written: CanaryService, target: Object) -> Iterator[Object]:
    """Container ports that are not the Service's own."""
    spec = mapping(mapping(mapping(target.get("spec")).get("template")).get("spec"))
    known = {written.port, target_port(written)}
    names = {written.port_name or "http"}
    for container in items(spec.get("containers")):
        if container.get("name") in PROXIES:
            continue
        for index, port in enumerate(items(container.get("ports"))):
            number = port.get("containerPort")
            if number in known or port.get("name") in known:
                continue
            name = str(port.get("name") or f"tcp-{container.get('name')}-{index}")
            if name not in names:
                names.add(name)
                yield {"name": name, "protocol": str(port.get("protocol") or "TCP"), "port": number, "targetPort": number}
