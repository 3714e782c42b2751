"""Where a field of a rendered object is written: in the file of the object, or in a patch over it. Called by `check` through `wiring`.

Files are read only when somebody asks, since there is mostly nothing to say.
"""

from collections.abc import Iterator
from pathlib import Path

from trimtab.adapters.rendering.objects import manifests
from trimtab.adapters.rendering.parts import documents
from trimtab.adapters.rendering.patches import merged, operations
from trimtab.adapters.rendering.request import inside, read
from trimtab.adapters.rendering.templates import at, place_in
from trimtab.documents.kubernetes import KUSTOMIZATIONS, MANIFESTS
from trimtab.documents.nodes import Path as Steps
from trimtab.documents.yaml import Document
from trimtab.errors import InputError
from trimtab.model.rendered import Place, Rendered, RenderedObject

TEMPLATES = "templates/"
IDENTITIES = ("name", "mountPath", "containerPort", "port", "key", "ip", "host", "topologyKey")
"""Fields by which an item of a list is known to be the same in a patch and in what it changes."""


class WrittenLines:
    """The lines of one target's files: `inspection.places.Lines`. `root` is the repository's."""

    def __init__(self, root: Path, rendered: Rendered) -> None:
        self._root, self._rendered = root, rendered
        self._found: dict[tuple[str, str], list[Document]] | None = None

    def document(self, one: RenderedObject) -> Document:
        """What an object was written as; without lines where its file is a template."""
        own = next((found for found in self._of(one) if (found.file, found.line) == (one.file, one.line)), None)
        return Document(one.tree, one.file, one.line, own.lines if own is not None else {})

    def place(self, one: RenderedObject, path: Steps) -> Place:
        """The place of a field. Where several files write it, the one that is no base of the others."""
        if self._rendered.rendering == "helm":
            return self._in_template(one, path)
        best, place = (0, False), (one.file, one.line)
        for found in sorted(self._of(one), key=lambda found: (found.file, found.line) == (one.file, one.line)):
            there = counterpart(one.tree, found.value, path) if found.value is not None else path
            known = next((length for length in range(len(there), 0, -1) if there[:length] in found.lines), 0)
            score = known, found.value is None or at(found.value, there) == at(one.tree, path)
            if score > best:
                best, place = score, (found.file, found.lines[there[:known]])
        return place

    def _of(self, one: RenderedObject) -> list[Document]:
        if self._found is None:
            self._found = {}
            for document, kind, name in self._objects():
                self._found.setdefault((kind, name), []).append(document)
        names = dict.fromkeys((one.logical, one.name))
        return [document for name in names for document in self._found.get((one.kind, name), ())]

    def _objects(self) -> Iterator[tuple[Document, str, str]]:
        for name in self._rendered.inputs if self._rendered.rendering != "helm" else ():
            if name.rpartition("/")[2] in KUSTOMIZATIONS:
                for document in self._read(name):
                    yield from merged(document)
                    yield from ((patch, kind, about) for kind, about, patch in operations(self._root, document))
            elif name.endswith(MANIFESTS):
                yield from manifests(self._read(name))

    def _read(self, name: str) -> list[Document]:
        try:
            return documents(self._text(name), name)
        except InputError:
            # A patch in another language, or a file that is gone since: there are no lines to be had.
            return []

    def _text(self, name: str) -> str:
        return read(self._root, inside(self._root, self._root / name, written=name))

    def _in_template(self, one: RenderedObject, path: Steps) -> Place:
        """The line of a template that seems to be meant, or that of a value in it."""
        if TEMPLATES not in one.file:
            # Of a chart that is packed in an archive there is nothing to look at.
            return one.file, one.line
        names = [name for name in self._rendered.inputs if name.endswith(MANIFESTS) and TEMPLATES not in name]
        # The chart's own values count least.
        names.sort(key=lambda name: name.endswith("values.yaml"), reverse=True)
        try:
            rows = self._text(one.file).split("\n")
        except InputError:
            return one.file, one.line
        found, line = place_in(rows, [document for name in names for document in self._read(name)], one.tree, path)
        return found or (one.file, line or one.line)


def counterpart(rendered: object, written: object, path: Steps) -> Steps:
    """The same path in a base or a patch, whose lists may be shorter or in another order; as far as it leads there."""
    found: list[str | int] = []
    for step in path:
        item = at(rendered, (step,))
        if isinstance(step, int):
            among = written if isinstance(written, list) else []
            same = next((index for index, other in enumerate(among) if _alike(item, other)), None)
            if same is None:
                break
            step = same
        found.append(step)
        rendered, written = item, at(written, (step,))
    return tuple(found)


def _alike(one: object, other: object) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in IDENTITIES:
            if name in one or name in other:
                return bool(one.get(name) == other.get(name))
    return one == other
