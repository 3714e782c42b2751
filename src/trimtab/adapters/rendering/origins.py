"""Where the objects that kustomize made were written, and what they are called there. Called by `kustomize`.

Kustomize puts prefixes, suffixes and hashes around names and lays patches over objects; both are undone here by looking the name up
in the files that it read.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.adapters.rendering.kustomization import Kustomization, Tree, numbered, strings
from trimtab.adapters.rendering.objects import Written, key_places, manifests, value_lines
from trimtab.adapters.rendering.parts import of_file
from trimtab.adapters.rendering.patches import merged
from trimtab.adapters.rendering.request import read, relative
from trimtab.documents.yaml import Document
from trimtab.errors import DocumentError
from trimtab.model.rendered import Place

HASH = re.compile(r"-[2456789bcdfghkmt]{10}$")
ALL = range(1, 1 << 31)
"""The lines of a value that is a whole file."""
GENERATORS = {"configMapGenerator": "ConfigMap", "secretGenerator": "Secret"}


@dataclass(frozen=True, slots=True)
class Mention:
    """One place that writes an object or a part of it."""

    file: str
    line: int
    keys: Mapping[str, Place] = field(default_factory=dict)
    values: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """The lines of values of several lines."""


class Origins:
    """Everything that the files of one kustomization say about objects, nearest to the target first."""

    def __init__(self, root: Path, tree: Tree) -> None:
        self._root = root
        self._mentions: dict[tuple[str, str], list[Mention]] = {}
        self._prefixes = [text for one in tree.kustomizations if isinstance(text := one.value.get("namePrefix"), str) and text]
        self._suffixes = [text for one in tree.kustomizations if isinstance(text := one.value.get("nameSuffix"), str) and text]
        self._first = tree.kustomizations[0]
        for one in tree.kustomizations:
            self._generated(one)
            for document, kind, name in merged(one.document):
                self._add(kind, name, _mention(document))
        for path in dict.fromkeys(tree.resources):
            self._read(path)

    def of(self, kind: str, name: str) -> Written:
        """Where an object comes from. Of one that no file of the repository has, the kustomization itself."""
        logical = self._logical(kind, name)
        found = self._mentions.get((kind, logical), ())
        keys: dict[str, Place] = {}
        values: dict[str, Sequence[int]] = {}
        for mention in found:
            values = {**{key: lines for key, lines in mention.values.items() if key not in keys}, **values}
            keys = {**mention.keys, **keys}
        # The one that is laid over by all others is where the object was written first.
        return Written(logical, found[-1].file, found[-1].line, keys, values) if found else Written(logical, self._first.file, 0)

    def _logical(self, kind: str, name: str) -> str:
        bare = HASH.sub("", name)
        stripped = [self._stripped(whole) for whole in (name, bare)]
        for known in (*stripped, name, bare):
            if (kind, known) in self._mentions:
                return known
        # Some of the prefixes and suffixes only, such as those of a base beside others.
        for known in sorted((known for of, known in self._mentions if of == kind and known in name), key=len, reverse=True):
            for whole in (name, bare):
                before, _, after = whole.partition(known)
                if _made_of(before, self._prefixes) and _made_of(after, self._suffixes):
                    return known
        return stripped[1]

    def _stripped(self, name: str) -> str:
        """Without all prefixes and suffixes; the target's own are the outermost."""
        for text in self._suffixes:
            name = name.removesuffix(text) or name
        for text in self._prefixes:
            name = name.removeprefix(text) or name
        return name

    def _generated(self, here: Kustomization) -> None:
        for section, kind in GENERATORS.items():
            for index, item in numbered(here.value.get(section)):
                if isinstance(name := item.get("name"), str):
                    keys = dict(self._generated_keys(here, (section, index), item))
                    values = dict(_generated_values(here, (section, index), item))
                    self._add(kind, name, Mention(here.file, here.document.line_of((section, index)), keys, values))

    def _generated_keys(self, here: Kustomization, place: tuple[str, int], item: Mapping[str, object]) -> Iterable[tuple[str, Place]]:
        for index, text in enumerate(strings(item.get("literals"))):
            yield text.partition("=")[0], (here.file, here.document.line_of((*place, "literals", index)))
        for text in strings(item.get("files")):
            key, _, path = text.rpartition("=")
            yield key or path.rpartition("/")[2], (self._name(here, path), 1)
        for text in [*strings(item.get("envs")), *strings([item.get("env")])]:
            yield from self._variables(here, text)

    def _variables(self, here: Kustomization, text: str) -> Iterable[tuple[str, Place]]:
        try:
            lines = read(self._root, (here.folder / text).resolve()).split("\n")
        except DocumentError:
            return
        for number, line in enumerate(lines, start=1):
            key, found, _ = line.strip().partition("=")
            if found and not key.startswith("#"):
                yield key, (self._name(here, text), number)

    def _name(self, here: Kustomization, text: str) -> str:
        path = (here.folder / text).resolve()
        return relative(self._root, path) if self._root in path.parents else here.file

    def _read(self, path: Path) -> None:
        try:
            found = [document for document in of_file(self._root, path) if isinstance(document.value, dict)]
        except DocumentError:
            return
        for document, kind, name in manifests(found):
            self._add(kind, name, _mention(document))

    def _add(self, kind: str, name: str, mention: Mention) -> None:
        self._mentions.setdefault((kind, name), []).append(mention)


def _mention(document: Document) -> Mention:
    return Mention(document.file, document.line, key_places(document), value_lines(document))


def _generated_values(here: Kustomization, place: tuple[str, int], item: Mapping[str, object]) -> Iterable[tuple[str, Sequence[int]]]:
    """The lines of values that generators take from files and literals."""
    for index, text in enumerate(strings(item.get("literals"))):
        if lines := here.document.values.get((*place, "literals", index)):
            yield text.partition("=")[0], lines
    for text in strings(item.get("files")):
        key, _, path = text.rpartition("=")
        yield key or path.rpartition("/")[2], ALL


def _made_of(text: str, parts: Iterable[str]) -> bool:
    """Is a text nothing but some of the parts, one behind the other?"""
    known = [part for part in parts if part]
    return not text or any(text.startswith(part) and _made_of(text[len(part) :], [one for one in known if one != part]) for part in known)
