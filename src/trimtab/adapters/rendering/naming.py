"""Fields of a kustomization by their exact names. Called by `kustomization`.

Kustomize takes a field whatever the case of its letters, so one that is spelt otherwise would be read past every look at its paths.
"""

from collections.abc import Iterator, Mapping

from trimtab.adapters.rendering.request import shown
from trimtab.documents.nodes import Path as Steps
from trimtab.documents.yaml import Document
from trimtab.errors import DocumentError

WHOLE = {name.casefold(): name for name in (
    "apiVersion", "kind", "metadata", "openapi", "namePrefix", "nameSuffix", "namespace", "commonLabels", "labels", "commonAnnotations",
    "patchesStrategicMerge", "patchesJson6902", "patches", "images", "imageTags", "replacements", "replicas", "vars", "sortOptions",
    "resources", "components", "crds", "bases", "configMapGenerator", "secretGenerator", "helmGlobals", "helmCharts",
    "helmChartInflationGenerator", "generatorOptions", "configurations", "generators", "transformers", "validators", "buildMetadata",
)}  # fmt: skip
"""Fields by their names without case."""
GENERATOR = {name: name for name in ("name", "namespace", "behavior", "literals", "files", "envs", "env", "type", "options")}
PATCH = {name: name for name in ("path", "patch", "target", "options")}
REPLACEMENT = {name: name for name in ("path", "source", "targets")}
ITEMS: Mapping[str, Mapping[str, str]] = {
    "configMapGenerator": GENERATOR, "secretGenerator": GENERATOR, "patches": PATCH, "patchesJson6902": PATCH,
    "replacements": REPLACEMENT,
}  # fmt: skip
"""Of lists whose items name files: the fields of an item."""


def exactly_named(document: Document) -> None:
    """DocumentError at the first field that kustomize would take for one of another spelling."""
    for place, names, known in _mappings(document.value):
        for name in names:
            wanted = known.get(name.casefold(), name)
            if name != wanted:
                problem = f"there is no field {shown(name)}; kustomize would take it for {wanted}, so write {wanted}"
                raise DocumentError(problem, file=document.file, line=document.line_of((*place, name)))


def _mappings(value: object) -> Iterator[tuple[Steps, list[str], Mapping[str, str]]]:
    """Where fields stand, what they are called, and what they may be called, by folded names."""
    if not isinstance(value, dict):
        return
    yield (), _names(value), WHOLE
    for section, known in ITEMS.items():
        items = value.get(section)
        for index, item in enumerate(items if isinstance(items, list) else []):
            if isinstance(item, dict):
                yield (section, index), _names(item), known


def _names(value: Mapping[object, object]) -> list[str]:
    return [name for name in value if isinstance(name, str)]
