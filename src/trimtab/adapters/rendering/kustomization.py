"""What a kustomization reads, file by file, before any tool runs: every path is looked at, and none may leave the repository.

Called by `kustomize`. The tool itself would fetch what looks like an address; here only what exists in the repository is let through.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.adapters.rendering.naming import exactly_named
from trimtab.adapters.rendering.parts import documents, inside_of
from trimtab.adapters.rendering.request import Request, inside, read, relative, shown
from trimtab.documents.kubernetes import KUSTOMIZATIONS
from trimtab.documents.nodes import Path as Steps
from trimtab.documents.yaml import Document
from trimtab.errors import DocumentError

REMOTE = re.compile(
    r"[a-z][a-z0-9+.-]*://|[a-z][a-z0-9+.-]*::|[\w.-]+@[\w.-]+[:/]|(www\.)?(github\.com|gitlab\.com|bitbucket\.org)[:/]|gh:|.*[?&](ref|version)=",
    re.IGNORECASE,
)
"""What kustomize takes for the address of a repository or file."""
TREES = ("components", "resources", "bases")
"""Fields whose items are files or kustomizations, those that are laid over others first."""
FILES = ("patchesStrategicMerge", "crds", "configurations", "generators", "transformers", "validators")
"""Fields whose items are files, or written out in place."""
PLUGINS = ("generators", "transformers", "validators")
GENERATORS = ("configMapGenerator", "secretGenerator")
HELM = ("helmCharts", "helmChartInflationGenerator", "helmGlobals")
DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Kustomization:
    """One kustomization file and where it lies."""

    folder: Path
    file: str
    document: Document = field(repr=False)

    @property
    def value(self) -> Mapping[str, object]:
        """What it says."""
        return self.document.value if isinstance(self.document.value, dict) else {}


@dataclass(slots=True)
class Tree:
    """A kustomization and all that it reads, what is laid over others before what it is laid over."""

    kustomizations: list[Kustomization] = field(default_factory=list)
    resources: list[Path] = field(default_factory=list)
    """Files with objects or patches, nearest to the target first."""
    files: set[Path] = field(default_factory=set)
    """Every file that is read, those of generators too."""
    remote: bool = False


def walk(request: Request) -> Tree:
    """Everything that the kustomization of a request reads. DocumentError, with file and line, for what may not or cannot be read."""
    tree = Tree()
    start = inside(request.root, request.root / request.path, written=request.path)
    _folder(request, start, tree, ())
    return tree


def strings(item: object) -> list[str]:
    """The texts among the items of a list."""
    return [text for text in item if isinstance(text, str)] if isinstance(item, list) else []


def _no_helm(here: Kustomization) -> None:
    for name in HELM:
        if name in here.value:
            problem = f"{name} would have kustomize run helm, which is left off. Name the chart in trimtab.yaml as an app of its own"
            raise DocumentError(problem, file=here.file, line=here.document.line_of((name,)))


def numbered(item: object) -> list[tuple[int, Mapping[str, object]]]:
    """The mappings among the items of a list, with their indices."""
    return [(index, part) for index, part in enumerate(item) if isinstance(part, dict)] if isinstance(item, list) else []


def _folder(request: Request, folder: Path, tree: Tree, above: tuple[Path, ...]) -> None:
    if folder in above or len(above) > DEEPEST:
        raise DocumentError("a kustomization that is part of itself", file=relative(request.root, folder))
    found = [folder / name for name in KUSTOMIZATIONS if (folder / name).is_file()]
    if len(found) != 1:
        many = f"{' and '.join(path.name for path in found)}: keep one of them" if found else f"there is no {KUSTOMIZATIONS[0]} in it"
        raise DocumentError(many, file=relative(request.root, folder))
    path = inside(request.root, found[0], written=found[0].name, file=relative(request.root, folder))
    name = relative(request.root, path)
    found_in = documents(read(request.root, path), name)
    if len(found_in) != 1 or not isinstance(found_in[0].value, dict):
        raise DocumentError("expected one YAML document with the fields of a kustomization", file=name)
    here = Kustomization(folder, name, found_in[0])
    exactly_named(here.document)
    _no_helm(here)
    tree.files.add(path)
    tree.kustomizations.append(here)
    if not request.network:
        _no_address_inside(here)
    for place, text, is_tree in _paths(here):
        _one(request, (here, place, is_tree), text, tree, (*above, folder))


def _paths(here: Kustomization) -> Iterator[tuple[Steps, str, bool]]:
    """Every path of a kustomization: where it stands, what it is, and whether it may be a kustomization of its own."""
    value = here.value
    for name in GENERATORS:
        for index, item in numbered(value.get(name)):
            for steps, text in _of_generator((name, index), item):
                yield steps, text, False
    for name in ("patches", "patchesJson6902", "replacements"):
        for index, item in numbered(value.get(name)):
            yield from (((name, index, "path"), text, False) for text in strings([item.get("path")]) if text)
    openapi = value.get("openapi")
    yield from ((("openapi", "path"), text, False) for text in strings([openapi.get("path")] if isinstance(openapi, dict) else []))
    for name in (*FILES, *TREES):
        for index, text in enumerate(strings(value.get(name))):
            if name in TREES or "\n" not in text:
                yield (name, index), text, name in PLUGINS or name in TREES


def _of_generator(place: Steps, item: Mapping[str, object]) -> Iterator[tuple[Steps, str]]:
    for index, text in enumerate(strings(item.get("files"))):
        yield (*place, "files", index), text.partition("=")[2] or text
    for index, text in enumerate(strings(item.get("envs"))):
        yield (*place, "envs", index), text
    for text in strings([item.get("env")]):
        yield (*place, "env"), text


def _one(request: Request, about: tuple[Kustomization, Steps, bool], text: str, tree: Tree, above: tuple[Path, ...]) -> None:
    here, place, is_tree = about
    line = here.document.line_of(place)
    # An address is fetched even where a folder is called so.
    if REMOTE.match(text) and ("://" in text or not (here.folder / text).exists()):
        if not request.network:
            problem = f"{shown(text)} is fetched from the network. Copy it into the repository, or allow it with --network"
            raise DocumentError(problem, file=here.file, line=line)
        tree.remote = True
        return
    path = inside(request.root, here.folder / text, written=text, file=here.file, line=line)
    if path.is_dir():
        if not is_tree:
            raise DocumentError(f"{shown(text)} is a folder, where a file is needed", file=here.file, line=line)
        _folder(request, path, tree, above)
        return
    tree.files.add(path)
    if place[0] not in (*GENERATORS, "openapi"):
        tree.resources.append(path)
    if place[0] in PLUGINS and not request.network:
        _no_address(request, path)


def _no_address(request: Request, path: Path) -> None:
    """Generators and transformers in files of their own name further files, which kustomize would fetch too."""
    name = relative(request.root, path)
    for document in documents(read(request.root, path), name):
        _local(document)


def _no_address_inside(here: Kustomization) -> None:
    """The same for those that are written out in the kustomization itself."""
    for section in PLUGINS:
        for index, text in enumerate(strings(here.value.get(section))):
            place = (section, index)
            written = here.document.values.get(place) or [here.document.line_of(place)]
            for document in documents(text, here.file) if "\n" in text else ():
                _local(inside_of(document, written))


def _local(document: Document) -> None:
    for steps, text in _texts(document.value, ()):
        # A generator's file may have a key before it.
        far = REMOTE.match(text) or (REMOTE.match(text.partition("=")[2]) and "literals" not in steps)
        if far and "\n" not in text and steps[:1] not in (("apiVersion",), ("kind",)):
            problem = f"{shown(text)} may be fetched from the network. Copy it into the repository, or allow it with --network"
            raise DocumentError(problem, file=document.file, line=document.line_of(steps))


def _texts(value: object, place: Steps) -> Iterator[tuple[Steps, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*place, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*place, index))
