"""The targets of one app, as each of them needs to know the others: who reads what, who makes what, whose pods have which labels.

Made once for an app by `wiring.check_apps`, used by `objects`, `reach`, `references` and `traffic`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.config.consumers import pod_template
from trimtab.config.references import mapping
from trimtab.model.names import ConfigName
from trimtab.model.rendered import Rendered, RenderedObject

SELECTING = frozenset({"Deployment", "DaemonSet", "StatefulSet", "ReplicaSet"})
"""Kinds of apps/v1 that recognise their pods by a selector."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Everything that targets of one app share, by namespace."""

    read: frozenset[tuple[str, ConfigName]] = frozenset()
    """The ConfigMaps and Secrets that some workload names."""
    made: Mapping[tuple[str, ConfigName], RenderedObject] = field(default_factory=dict, repr=False)
    """Those that some target renders."""
    pods: Mapping[tuple[str, str, object], Sequence[RenderedObject]] = field(default_factory=dict, repr=False)
    """Workloads by one label of their pods."""
    rest: Sequence[RenderedObject] = field(default=(), repr=False)
    """What neither holds content nor runs pods: Services, routes, scalers, Canaries."""


def neighbours(targets: Iterable[Rendered]) -> Neighbours:
    """Of all targets of an app."""
    read, made = set[tuple[str, ConfigName]](), dict[tuple[str, ConfigName], RenderedObject]()
    pods: dict[tuple[str, str, object], list[RenderedObject]] = {}
    rest: list[RenderedObject] = []
    for target in targets:
        read.update((use.reader.namespace, use.name) for use in target.uses)
        for one in target.objects:
            if one.content is not None:
                made.setdefault((one.namespace, one.content.name), one)
            elif pod_template(one.tree) is None:
                rest.append(one)
            if selecting(one):
                for label, value in labels(one).items():
                    pods.setdefault((one.namespace, label, str(value)), []).append(one)
    return Neighbours(frozenset(read), made, pods, rest)


def selecting(one: RenderedObject) -> bool:
    """Does it recognise its pods by a selector?"""
    return one.kind in SELECTING and one.api_version == "apps/v1"


def matched(workload: RenderedObject) -> Mapping[str, object]:
    """The labels by which it recognises its pods."""
    return mapping(mapping(mapping(workload.tree.get("spec")).get("selector")).get("matchLabels"))


def labels(workload: RenderedObject) -> Mapping[str, object]:
    """The labels of a workload's pods."""
    return mapping(mapping((pod_template(workload.tree) or {}).get("metadata")).get("labels"))
