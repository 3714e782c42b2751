"""Where in the files of a target's folder content is written: ConfigMaps and Secrets, patches of them, Kustomize's generators.

Called by `manifests`. A place has the same name in the folders of two targets, so that what is in one can be put into the other.
"""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from trimtab.documents.kubernetes import KUSTOMIZATIONS, MANIFESTS
from trimtab.documents.yaml import Document, read_yaml
from trimtab.errors import DocumentError
from trimtab.model.content import SECTIONS
from trimtab.model.names import ConfigKind, ConfigName
from trimtab.promotion.edits import Path, Spot
from trimtab.promotion.sides import Side, text_of

GENERATORS = (("configMapGenerator", ConfigKind.CONFIG_MAP), ("secretGenerator", ConfigKind.SECRET))


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """Where one value belongs: the file from the target's folder, the object, and what in it.

    `section` is a field of the object, a list of a generator, `patch` for a patch inside the kustomization, `file` for a whole file.
    """

    file: str
    name: ConfigName
    section: str
    key: str = ""

    def __str__(self) -> str:
        return f"{self.name}[{self.key}]" if self.key else str(self.name)


@dataclass(frozen=True, slots=True)
class Found:
    """What is there: the value, and the spot in the text; a whole file has none."""

    value: object = field(repr=False)
    spot: Spot | None = None


Places = Mapping[Place, Found]


def places(side: Side) -> dict[Place, Found]:
    """Every place of a target's folder. DocumentError for files that should be read and cannot."""
    found: dict[Place, Found] = {}
    for path in sorted(side.files):
        relative = side.inside(path)
        if posixpath.basename(relative) in KUSTOMIZATIONS and side.rendering == "kustomize":
            found.update(_of_kustomization(side, path))
        elif relative.endswith(MANIFESTS):
            found.update(_of_manifest(side, path))
    return found


def _of_manifest(side: Side, path: str) -> Iterator[tuple[Place, Found]]:
    """The keys of each ConfigMap and Secret in a file, be it the object or a patch of it."""
    try:
        text = text_of(side, path)
        documents = read_yaml(text, path)
    except DocumentError:
        # A file that pods get as it is may look like a manifest and be none; what renders says so if it should be one.
        return
    for number, document in enumerate(documents):
        name = named(document)
        value = document.value if isinstance(document.value, dict) else {}
        if name is None:
            continue
        for section in SECTIONS:
            keys = value.get(section)
            for key, item in keys.items() if isinstance(keys, dict) else ():
                yield Place(side.inside(path), name, section, key), Found(item, Spot(text, number, (section, key)))


def named(document: Document) -> ConfigName | None:
    """Which ConfigMap or Secret a document is about; None for others."""
    value = document.value if isinstance(document.value, dict) else {}
    return _named(value.get("kind"), value.get("metadata"))


def _named(kind: object, holder: object) -> ConfigName | None:
    name = holder.get("name") if isinstance(holder, dict) else None
    return next((ConfigName(known, name) for known in ConfigKind if known == kind and isinstance(name, str)), None)


def _of_kustomization(side: Side, path: str) -> Iterator[tuple[Place, Found]]:
    text = text_of(side, path)
    documents = read_yaml(text, path)
    value = documents[0].value if documents and isinstance(documents[0].value, dict) else {}
    for field_name, kind in GENERATORS:
        for number, generator in _mappings(value.get(field_name)):
            name = _named(kind, generator)
            if name is not None:
                yield from _of_generator(side, path, name, generator, (field_name, number))
    for number, patch in _mappings(value.get("patches")):
        yield from _of_patch(side, path, patch, ("patches", number, "patch"))
    for number, inline in enumerate(_list(value.get("patchesStrategicMerge"))):
        yield from _of_patch(side, path, {"patch": inline}, ("patchesStrategicMerge", number))


def _of_generator(side: Side, path: str, name: ConfigName, generator: Mapping[str, object], at: Path) -> Iterator[tuple[Place, Found]]:
    text, relative = text_of(side, path), side.inside(path)
    for section in ("literals", "files", "envs"):
        for number, item in enumerate(_list(generator.get(section))):
            if not isinstance(item, str):
                continue
            key = item.partition("=")[0] if section == "literals" or "=" in item else posixpath.basename(item)
            yield Place(relative, name, section, key), Found(item, Spot(text, 0, (*at, section, number)))
            if section != "literals":
                yield from _whole(side, path, name, item.partition("=")[2] or item)


def _of_patch(side: Side, path: str, patch: Mapping[str, object], at: Path) -> Iterator[tuple[Place, Found]]:
    """A patch inside the kustomization as one value; one in a file that is a list of operations as a whole file."""
    target = patch.get("target")
    name = _named(target.get("kind"), target) if isinstance(target, dict) else None
    inline, file = patch.get("patch"), patch.get("path")
    if isinstance(inline, str):
        inner = _read(inline)
        name = name or (named(inner[0]) if inner else None)
        if name is not None:
            yield Place(side.inside(path), name, "patch"), Found(inline, Spot(text_of(side, path), 0, at))
    elif isinstance(file, str) and name is not None:
        there = side.files.get(_beside(path, file))
        inner = _read(there.decode(errors="replace")) if there is not None else []
        if inner and isinstance(inner[0].value, list):
            yield from _whole(side, path, name, file)


def _whole(side: Side, path: str, name: ConfigName, file: str) -> Iterator[tuple[Place, Found]]:
    where = _beside(path, file)
    if where in side.files:
        yield Place(side.inside(where), name, "file"), Found(side.files[where])


def _beside(path: str, file: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), file))


def _read(text: str) -> list[Document]:
    try:
        return read_yaml(text)
    except DocumentError:
        return []


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _mappings(value: object) -> Iterator[tuple[int, Mapping[str, object]]]:
    return ((number, item) for number, item in enumerate(_list(value)) if isinstance(item, dict))
