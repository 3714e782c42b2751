"""Everything that `trimtab check` looks at, rendered, at one moment: in the work tree, or at the base. Called by `checking`."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from trimtab.adapters.rendering import plain
from trimtab.adapters.rendering.inputs import Inputs
from trimtab.adapters.rendering.objects import apart, manifests
from trimtab.adapters.rendering.parts import documents
from trimtab.adapters.rendering.request import inside, read
from trimtab.config.consumers import uses
from trimtab.errors import DocumentError, InputError
from trimtab.model.rendered import Rendered, RenderedObject
from trimtab.wiring.pipeline import Rules, beside, kind_of, render
from trimtab.wiring.units import Unit


@dataclass(frozen=True, slots=True)
class Side:
    """Everything that was rendered at one moment, and what did not."""

    root: Path
    units: tuple[Unit, ...]
    rendered: Mapping[str, Rendered] = field(repr=False)
    """By the name of the unit, in their order."""
    broken: tuple[tuple[str, DocumentError], ...] = ()

    def only(self, units: Sequence[Unit]) -> "Side":
        """What belongs to some of the units."""
        names = {one.name for one in units}
        there = tuple(one for one in self.units if one.name in names)
        rendered = {one.name: self.rendered[one.name] for one in there if one.name in self.rendered}
        return Side(self.root, there, rendered, tuple(one for one in self.broken if one[0] in names))


def grouped(units: Sequence[Unit]) -> dict[str, list[Unit]]:
    """Units by the app that they belong to."""
    found: dict[str, list[Unit]] = {}
    for unit in units:
        found.setdefault(unit.app, []).append(unit)
    return found


async def side(root: Path, asked: Sequence[Unit], rules: Rules, known: Mapping[str, Inputs | None] | None = None) -> Side:
    """Renders units; as many tools run at once as there are processors. What does not render is told, other trouble raised.

    `known` is what units are made from, by their names, as far as it was found already.
    """
    done = await beside([partial(_rendered, unit, rules, (known or {}).get(unit.name)) for unit in asked])
    results = [(unit.name, *found) for unit, found in zip(asked, done, strict=True)]
    rendered = {name: found for name, found, _ in results if found is not None}
    broken = tuple((name, error) for name, _, errors in results for error in errors)
    return Side(root, tuple(asked), rendered, broken)


async def _rendered(unit: Unit, rules: Rules, known: Inputs | None) -> tuple[Rendered | None, list[DocumentError]]:
    """What a unit renders to, and what keeps it, or some of its files, from it."""
    try:
        walked = known.tree if known is not None and not rules.network else None
        rendering = unit.rendering or ("kustomize" if walked is not None else kind_of(unit.request))
        if rendering == "plain":
            return await asyncio.to_thread(_plain, unit)
        return await render(unit.request, rendering, rules, walked=walked), []
    except DocumentError as error:
        if not error.file and unit.place[0]:
            error = DocumentError(f"{unit.name}: {error.problem}", file=unit.place[0], line=unit.place[1])
        return None, [error]
    except InputError as error:
        return None, [DocumentError(str(error), file=unit.request.path)]


def _plain(unit: Unit) -> tuple[Rendered | None, list[DocumentError]]:
    """Plain manifests file by file, so that one that cannot be read hides nothing of the others."""
    request, objects, errors = unit.request, list[RenderedObject](), list[DocumentError]()
    files = unit.files or tuple(path.relative_to(request.root).as_posix() for path in plain.below(request))
    for file in files:
        try:
            found = documents(read(request.root, inside(request.root, request.root / file, written=file)), file)
            objects += plain.render(replace(request, path=file)).objects if any(manifests(found)) else ()
        except DocumentError as error:
            errors.append(error)
        except InputError as error:
            errors.append(DocumentError(str(error), file=file))
    kept = apart(objects)
    return Rendered(request.label, "plain", plain.TOOL, "", kept, uses(kept), tuple(files)), errors
