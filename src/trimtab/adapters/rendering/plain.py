"""Renders a plain folder: its manifests are the objects. Called by `wiring`."""

import os
from collections.abc import Iterator
from pathlib import Path

from trimtab.adapters.rendering.objects import Written, apart, key_places, made, manifests, value_lines
from trimtab.adapters.rendering.parts import documents
from trimtab.adapters.rendering.request import Rendering, Request, inside, read, relative
from trimtab.documents.kubernetes import KUSTOMIZATIONS, MANIFESTS
from trimtab.errors import InputError
from trimtab.model.rendered import RenderedObject

TOOL = "plain files"


def render(request: Request) -> Rendering:
    """The objects of a folder, or of one file, in the order of paths. DocumentError with file and line for what cannot be read."""
    root, files = request.root, below(request)
    objects, warnings = list[RenderedObject](), list[str]()
    for path in files:
        name, before = relative(root, path), len(objects)
        for document, _, called in manifests(documents(read(root, path), name)):
            written = Written(_logical(called, request.target), name, document.line, key_places(document), value_lines(document))
            objects.append(made(document, written, request.namespace))
        if len(objects) == before:
            warnings.append(f"{name} holds no Kubernetes object")
    if not objects:
        raise InputError(f"{request.label}: {request.path or 'the root of the repository'} holds no manifests")
    return Rendering(TOOL, apart(objects), tuple(relative(root, path) for path in files), tuple(warnings))


def below(request: Request) -> list[Path]:
    """The files of a request that may hold objects, in their order. DocumentError for one that leads out of the repository."""
    root = request.root
    start = inside(root, root / request.path, written=request.path)
    return [inside(root, path, written=relative(root, path)) for path in sorted(_files(start))]


def _files(start: Path) -> Iterator[Path]:
    if start.is_file():
        yield start
        return
    with os.scandir(start) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            # Folders that begin with a dot hold tools' own data; links to folders may lead in circles.
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    yield from _files(Path(entry.path))
            elif entry.name.endswith(MANIFESTS) and entry.name not in KUSTOMIZATIONS and not entry.is_dir():
                yield Path(entry.path)


def _logical(name: str, target: str) -> str:
    """In plain folders the target's name is often part of an object's: `app-config-canary`."""
    return name.removesuffix(f"-{target}").removeprefix(f"{target}-") if target and name != target else name
