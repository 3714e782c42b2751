"""What two targets of one app are meant to differ in: their own names, what never promotes, what one of them has for both.

Called by `wiring` for `diff` of two targets. Inside of values only what `keep` names is meant.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from trimtab.config.comparison import Item
from trimtab.config.consumers import pod_template
from trimtab.config.difference import Change, ChangeKind
from trimtab.config.references import mapping
from trimtab.config.renderings import Comparison, Differing
from trimtab.model.rendered import Rendered, RenderedObject

FIELDS = {"replicas": "replicas", "replicaCount": "replicas"}
"""Values that charts keep, and the fields that they end up in; others are taken to have the name of their field."""
SUMMED = re.compile(r"checksum|hash|digest|sha", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Design:
    """Two targets of one app, and the app's `keep`: dotted paths of values, `configmap/NAME`, `configmap/NAME.KEY`."""

    targets: tuple[str, str]
    keep: Sequence[str]


def marked(found: Comparison, design: Design) -> Comparison:
    """The comparison with those changes marked that are meant."""
    return replace(found, objects=tuple(_object(one, found, design) for one in found.objects))


def _object(one: Differing, found: Comparison, design: Design) -> Differing:
    if one.old is None or one.new is None:
        own, other = (one.new, found.before) if one.old is None else (one.old, found.after)
        shared = own is not None and other is not None and _shared(own, other)
        return replace(one, changes=tuple(replace(change, meant=shared or _is_kept(change, design)) for change in one.changes))
    return replace(one, changes=tuple(replace(change, meant=_is_meant(change, design)) for change in one.changes))


def _shared(service: RenderedObject, other: Rendered) -> bool:
    """Is it a Service that sends requests to pods of the other target, too?"""
    selector = mapping(mapping(service.tree.get("spec")).get("selector"))
    pods = [mapping(mapping((pod_template(one.tree) or {}).get("metadata")).get("labels")) for one in other.objects]
    return service.kind == "Service" and bool(selector) and any(selector.items() <= labels.items() for labels in pods)


def _is_meant(change: Change, design: Design) -> bool:
    if change.key:
        return _is_kept(change, design)
    steps = [step.label if isinstance(step, Item) else step for step in change.steps]
    kept = {FIELDS.get(last, last) for path in design.keep if "/" not in path for last in [path.rpartition(".")[2]]}
    if kept.intersection(steps):
        return True
    if steps[-2:-1] == ["annotations"] and SUMMED.search(str(steps[-1])):
        return True
    told = change.kind is ChangeKind.CHANGED and change.old and change.new
    return bool(told) and _named(change.old, design.targets) == _named(change.new, design.targets)


def _is_kept(change: Change, design: Design) -> bool:
    return any(path in (change.name, f"{change.name}.{change.key}") for path in (kept.replace("\\.", ".") for kept in design.keep))


def _named(text: str, targets: tuple[str, str]) -> str:
    """A text without the names of the targets: `web-canary` and `web` are the same, as are `track: canary` and `track: stable`."""
    names = "|".join(re.escape(name) for name in targets)
    return re.sub(rf"(?<![A-Za-z0-9])({names})(?![A-Za-z0-9])", "", text).strip("-._/ ")
