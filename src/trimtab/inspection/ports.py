"""Do pods have the ports that Services and Canaries name? Called by `inspect`.

A number may be one that a container listens on without saying so. A name has to be a container's: otherwise nothing is ever sent there.
"""

from collections.abc import Iterator, Mapping, Sequence

from trimtab.config.consumers import pod_template
from trimtab.config.governing import governs
from trimtab.config.references import items, mapping
from trimtab.documents.fitting import did_you_mean, meant
from trimtab.documents.nodes import Path
from trimtab.inspection.neighbours import Neighbours, labels
from trimtab.inspection.places import Lines, at
from trimtab.model.content import Finding
from trimtab.model.rendered import Rendered, RenderedObject

CHECK = "reference/port"


def unknown_ports(target: Rendered, beside: Neighbours, lines: Lines) -> Iterator[Finding]:
    """Names of ports that no container has of the pods which a Service selects, or which a Canary is about."""
    for one in target.objects:
        if one.kind not in ("Service", "Canary"):
            continue
        for path, name in _wanted(one):
            pods = list(_selected(one, beside)) if one.kind == "Service" else [other for other in target.objects if governs(one, other)]
            there = {port for workload in pods for port in _names(workload)}
            if pods and name not in there:
                near = meant(name, there)
                listed = ", ".join(sorted(there)) or "none, no container names one"
                fix = did_you_mean(near) or f"Name one of: {listed}."
                yield at(CHECK, one, lines, path, f"no container of {pods[0]} has a port of the name {name}", fix)


def _wanted(one: RenderedObject) -> Iterator[tuple[Path, str]]:
    """The names of ports, with the fields in which they are written."""
    spec = mapping(one.tree.get("spec"))
    if one.kind == "Canary":
        name = mapping(spec.get("service")).get("targetPort")
        if isinstance(name, str) and not name.isdigit():
            yield ("spec", "service", "targetPort"), name
    elif one.api_version == "v1":
        for index, port in enumerate(items(spec.get("ports"))):
            if isinstance(name := port.get("targetPort"), str):
                yield ("spec", "ports", index, "targetPort"), name


def _selected(service: RenderedObject, beside: Neighbours) -> Iterator[RenderedObject]:
    """The workloads of the app whose pods a Service selects."""
    selector: Mapping[str, object] = mapping(mapping(service.tree.get("spec")).get("selector"))
    label, value = next(iter(selector.items()), ("", ""))
    for workload in beside.pods.get((service.namespace, label, str(value)), ()):
        if selector.items() <= labels(workload).items():
            yield workload


def _names(workload: RenderedObject) -> Sequence[str]:
    """The names of ports of its containers, init containers that stay as sidecars included."""
    spec = mapping((pod_template(workload.tree) or {}).get("spec"))
    containers = (*items(spec.get("containers")), *items(spec.get("initContainers")))
    return [name for container in containers for port in items(container.get("ports")) if isinstance(name := port.get("name"), str)]
