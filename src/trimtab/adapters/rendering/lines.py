"""Where a field of a rendered object is written: in the file of the object, or in a patch over it. Called by `check` through `wiring`.

Files are read only when somebody asks, since there is mostly nothing to say.
"""

from collections.abc import Iterator
from pathlib import Path

from trimtab.adapters.rendering.objects import manifests
from trimtab.adapters.rendering.parts import documents
from trimtab.adapters.rendering.request import inside, read
from trimtab.documents.kubernetes import MANIFESTS
from trimtab.documents.nodes import Path as Steps
from trimtab.documents.yaml import Document
from trimtab.errors import InputError
from trimtab.model.rendered import Place, Rendered, RenderedObject


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
        best, place = 0, (one.file, one.line)
        for found in sorted(self._of(one), key=lambda found: (found.file, found.line) == (one.file, one.line)):
            known = next((length for length in range(len(path), 0, -1) if path[:length] in found.lines), 0)
            if known > best:
                best, place = known, (found.file, found.lines[path[:known]])
        return place

    def _of(self, one: RenderedObject) -> list[Document]:
        if self._found is None:
            self._found = {}
            for document, kind, name in manifests(self._documents()):
                self._found.setdefault((kind, name), []).append(document)
        names = dict.fromkeys((one.logical, one.name))
        return [document for name in names for document in self._found.get((one.kind, name), ())]

    def _documents(self) -> Iterator[Document]:
        for name in self._rendered.inputs if self._rendered.rendering != "helm" else ():
            if name.endswith(MANIFESTS):
                try:
                    yield from documents(read(self._root, inside(self._root, self._root / name, written=name)), name)
                except InputError:
                    # A patch in another language, or a file that is gone since: there are no lines to be had.
                    continue
