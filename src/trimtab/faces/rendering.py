"""What a target renders to, as YAML and as JSON, without the values of Secrets. Called by `trimtab render`."""

from collections.abc import Mapping

import msgspec
import yaml

from trimtab.config.digest import DigestKey
from trimtab.config.hiding import shown
from trimtab.documents.scalars import plain
from trimtab.model.rendered import Rendered
from trimtab.promotion.text import one_line


class UseView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One workload reads one ConfigMap or Secret. `object` is empty where this target does not render it."""

    workload: str
    reads: str
    object: str
    places: tuple[str, ...]
    mandatory: bool


class ObjectView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One object, and where it and its keys are written."""

    kind: str
    name: str
    logical_name: str
    namespace: str
    file: str
    line: int
    keys: Mapping[str, str]
    object: Mapping[str, object]


class RenderedView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Everything that a target renders to."""

    name: str
    rendering: str
    tool: str
    commit: str
    objects: tuple[ObjectView, ...]
    uses: tuple[UseView, ...]
    inputs: tuple[str, ...]
    warnings: tuple[str, ...]


def view(found: Rendered, secret: DigestKey | None) -> RenderedView:
    """For programs."""
    objects = [
        ObjectView(
            kind=one.kind, name=one.name, logical_name=one.logical, namespace=one.namespace, file=one.file, line=one.line,
            keys={key: f"{file}:{line}" for key, (file, line) in sorted(one.key_places.items())}, object=shown(one, secret),
        )
        for one in found.objects
    ]  # fmt: skip
    uses = [
        UseView(
            workload=str(use.reader), reads=str(use.name), object=use.content.logical if use.content is not None else "",
            places=use.places, mandatory=use.mandatory,
        )
        for use in found.uses
    ]  # fmt: skip
    return RenderedView(
        name=found.name, rendering=found.rendering, tool=found.tool, commit=found.commit, objects=tuple(objects), uses=tuple(uses),
        inputs=found.inputs, warnings=found.warnings,
    )  # fmt: skip


def documents(found: Rendered, secret: DigestKey | None) -> str:
    """For people: YAML, each object below a comment that says where it is written."""
    parts = []
    for one in found.objects:
        body = yaml.dump(shown(one, secret), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=4096)
        parts.append(f"---\n# {one_line(one.place or found.name)}\n{body}")
    return "".join(parts)


class _Dumper(yaml.CSafeDumper):
    """Writes text so that kubectl reads the same text."""

    def ignore_aliases(self, data: object) -> bool:
        """Each object is written out in full."""
        return True


def _text(dumper: yaml.CSafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else "'" if plain(text) != text or not text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
