"""The patches of a kustomization, with the lines of the files that they are written in. Called by `lines` and `origins`."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from trimtab.adapters.rendering.kustomization import numbered
from trimtab.adapters.rendering.objects import manifests
from trimtab.adapters.rendering.parts import documents, inside_of, of_file
from trimtab.adapters.rendering.request import inside
from trimtab.documents.nodes import Path as Steps
from trimtab.documents.yaml import Document
from trimtab.errors import InputError

SECTIONS = ("patches", "patchesStrategicMerge", "patchesJson6902")


def in_place(here: Document) -> Iterator[tuple[object, Document]]:
    """What a kustomization writes out itself: the item, and each document of the patch in it."""
    value = here.value if isinstance(here.value, dict) else {}
    for section in SECTIONS:
        items = value.get(section)
        for index, item in enumerate(items if isinstance(items, list) else []):
            place = (section, index, "patch") if isinstance(item, dict) else (section, index)
            text = item.get("patch") if isinstance(item, dict) else item
            if isinstance(text, str) and "\n" in text:
                written = here.values.get(place) or [here.line_of(place)]
                yield from ((item, inside_of(document, written)) for document in _parsed(text, here.file))


def operations(root: Path, here: Document) -> Iterator[tuple[str, str, Document]]:
    """Patches of single fields (RFC 6902): kind and name of what they are about, and the lines of the fields. They have no value."""
    value = here.value if isinstance(here.value, dict) else {}
    found = list(in_place(here))
    for section in SECTIONS:
        for _, patch in numbered(value.get(section)):
            if isinstance(name := patch.get("path"), str):
                found += [(patch, document) for document in _of_file(root, (root / here.file).parent / name, name)]
    for item, document in found:
        about = item.get("target") if isinstance(item, dict) else None
        if isinstance(about, dict) and isinstance(document.value, list):
            lines = {
                steps: document.line_of((index, "path"))
                for index, operation in numbered(document.value)
                if (steps := _pointed(operation.get("path")))
            }
            yield str(about.get("kind", "")), str(about.get("name", "")), replace(document, value=None, lines=lines, values={})


def _pointed(pointer: object) -> Steps:
    """A JSON pointer as a path; empty for none."""
    parts = pointer.split("/")[1:] if isinstance(pointer, str) else []
    return tuple(int(part) if part.isdigit() else part.replace("~1", "/").replace("~0", "~") for part in parts)


def _of_file(root: Path, path: Path, name: str) -> list[Document]:
    try:
        there = inside(root, path, written=name)
        return [one for one in of_file(root, there) if isinstance(one.value, list)]
    except InputError:
        return []


def _parsed(text: str, file: str) -> list[Document]:
    try:
        return documents(text, file)
    except InputError:
        return []


def merged(here: Document) -> Iterator[tuple[Document, str, str]]:
    """The patches in a kustomization that look like the object which they change, with its kind and name."""
    return iter(manifests([document for _, document in in_place(here) if isinstance(document.value, dict)]))
