"""Objects beside each other: two of one name, selectors that miss their own pods. Called by `inspect`."""

from collections.abc import Iterator, Mapping, Sequence

from trimtab.config.references import mapping
from trimtab.inspection.neighbours import Neighbours, labels, matched, selecting
from trimtab.inspection.places import Lines, about, at
from trimtab.model.content import Finding
from trimtab.model.rendered import Rendered, RenderedObject


def twice(objects: Sequence[RenderedObject]) -> Iterator[Finding]:
    """Objects that would overwrite each other."""
    seen: dict[tuple[str, str, str, str], RenderedObject] = {}
    for one in objects:
        name = (one.api_version.rpartition("/")[0], one.kind, one.namespace, one.name)
        first = seen.setdefault(name, one)
        if first is not one:
            space = f" in namespace {one.namespace}" if one.namespace else ""
            yield about("kubernetes/duplicate", one, f"is there twice{space}, first in {first.place}", "Remove one of them.")


def selectors(objects: Sequence[RenderedObject], lines: Lines) -> Iterator[Finding]:
    """Workloads whose selector does not fit their own pods: the API server refuses them."""
    for one in objects:
        if selecting(one):
            wanted = matched(one)
            missing = [name for name, value in wanted.items() if labels(one).get(name) != value]
            if missing:
                problem = f"its pods do not have the label {missing[0]}={wanted[missing[0]]}"
                path = ("spec", "selector", "matchLabels", missing[0])
                yield at("kubernetes/selector", one, lines, path, problem, "Give spec.template.metadata.labels the same value.")


def overlapping(target: Rendered, beside: Neighbours) -> Iterator[Finding]:
    """Workloads whose selector selects pods of another one, in this target or beside it."""
    for one in filter(selecting, target.objects):
        wanted = matched(one)
        first = next(iter(wanted.items()), None)
        for other in beside.pods.get((one.namespace, first[0], str(first[1])), ()) if first is not None else ():
            if (other.kind, other.name) != (one.kind, one.name) and wanted.items() <= labels(other).items():
                fix = "Give the pods of each a label of their own, and name it in both selectors."
                yield about("kubernetes/overlap", one, f"its selector selects the pods of {other}, too", fix)


def annotations(one: RenderedObject) -> Mapping[str, object]:
    """The annotations of an object itself."""
    return mapping(mapping(one.tree.get("metadata")).get("annotations"))
