"""`trimtab check`: renders what it is asked to look at, and hands it to `inspection`. Called by the faces.

What does not render is a finding like any other, and the rest is looked at all the same. Nothing is written and no cluster is asked.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from trimtab.adapters.checking.schemas import kubernetes_schemas
from trimtab.adapters.rendering import plain
from trimtab.adapters.rendering.lines import WrittenLines
from trimtab.adapters.rendering.objects import apart
from trimtab.adapters.rendering.request import inside, read
from trimtab.config.consumers import uses
from trimtab.documents.yaml import read_yaml
from trimtab.errors import DocumentError, InputError
from trimtab.inspection.inspect import Case, inspected
from trimtab.inspection.report import Looked, Report, gathered
from trimtab.model.content import ContentRules, Finding, Severity
from trimtab.model.rendered import Rendered, RenderedObject
from trimtab.validation.catalogue import graded
from trimtab.wiring.check_rules import annotated, rules_of
from trimtab.wiring.pipeline import Project, Rules, find, kind_of, load, render
from trimtab.wiring.units import Unit, place, units

Told = tuple[str, Rendered | None, Finding]
"""A finding, and the target that it is about."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be checked, and how."""

    folder: Path
    words: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    """Values files that charts without a trimtab.yaml get."""
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True, slots=True)
class Side:
    """Everything that was rendered at one moment, and what did not."""

    root: Path
    units: tuple[Unit, ...]
    rendered: Mapping[str, Rendered]
    """By the name of the unit, in their order."""
    broken: tuple[tuple[str, DocumentError], ...] = ()

    def beside(self, unit: Unit) -> list[Rendered]:
        """The other targets of the app."""
        others = (one for one in self.units if one.app == unit.app and one is not unit)
        return [self.rendered[one.name] for one in others if one.name in self.rendered]

    def following(self, unit: Unit) -> list[Rendered]:
        """The targets that a target's content is promoted to."""
        here = unit.request.target
        others = (one for one in self.units if one.app == unit.app and one.origin and one.origin == here)
        return [self.rendered[one.name] for one in others if one.name in self.rendered]

    def whole(self, unit: Unit) -> bool:
        """Did everything of the app render?"""
        broken = {name for name, _ in self.broken}
        return not any(one.app == unit.app and one.name in broken for one in self.units)


async def checked(asked: Asked) -> Report:
    """The report of one run. InputError where what was asked for is not there; Unavailable where a tool does not end."""
    root, folder = place(asked.folder)
    project: Project | None = None
    told: list[Told] = []
    try:
        project = load(folder) if find(folder) is not None else None
        rules = rules_of(project)
    except DocumentError as error:
        told.append(("", None, trouble(root, error, "document/invalid")))
        return Report(str(root), (), gathered(told))
    found = await side(root, units(root, project, folder, asked.words, asked.values), asked.rules)
    told += looked(found, rules)
    targets = tuple(Looked(one.name, len(one.objects), one.tool) for one in found.rendered.values())
    return Report(project.place if project is not None else str(folder), targets, gathered(told))


async def side(root: Path, asked: Sequence[Unit], rules: Rules) -> Side:
    """Renders units; as many tools run at once as there are processors."""
    free = asyncio.Semaphore(os.cpu_count() or 1)

    async def one(unit: Unit) -> tuple[Rendered | None, list[DocumentError]]:
        async with free:
            return await _rendered(unit, rules)

    try:
        async with asyncio.TaskGroup() as tasks:
            done = [tasks.create_task(one(unit)) for unit in asked]
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    results = [(unit.name, *task.result()) for unit, task in zip(asked, done, strict=True)]
    rendered = {name: found for name, found, _ in results if found is not None}
    broken = tuple((name, error) for name, _, errors in results for error in errors)
    return Side(root, tuple(asked), rendered, broken)


def looked(found: Side, rules: ContentRules) -> list[Told]:
    """The findings of everything that was rendered."""
    schemas = kubernetes_schemas()
    told: list[Told] = [
        (name, None, finding) for name, error in found.broken for finding in graded([trouble(found.root, error, "render/fails")], rules)
    ]
    try:
        rules = replace(rules, schemas=(*rules.schemas, *annotated(found.root, found.rendered)))
    except DocumentError as error:
        told.append(("", None, trouble(found.root, error, "document/invalid")))
    for unit in found.units:
        target = found.rendered.get(unit.name)
        if target is None:
            continue
        case = Case(target, None, found.beside(unit), found.following(unit), found.whole(unit))
        findings = inspected(case, schemas, WrittenLines(found.root, target), rules)
        told += [(unit.name, target, finding) for finding in findings]
    return told


async def _rendered(unit: Unit, rules: Rules) -> tuple[Rendered | None, list[DocumentError]]:
    """What a unit renders to, and what keeps it, or some of its files, from it."""
    try:
        rendering = unit.rendering or kind_of(unit.request)
        if rendering == "plain":
            return await asyncio.to_thread(_plain, unit)
        return await render(unit.request, rendering, rules), []
    except DocumentError as error:
        return None, [error]


def _plain(unit: Unit) -> tuple[Rendered | None, list[DocumentError]]:
    """Plain manifests file by file, so that one that cannot be read hides nothing of the others."""
    request, objects, errors = unit.request, list[RenderedObject](), list[DocumentError]()
    files = unit.files or tuple(path.relative_to(request.root).as_posix() for path in plain.below(request))
    for file in files:
        try:
            objects += plain.render(replace(request, path=file)).objects
        except DocumentError as error:
            errors.append(error)
        except InputError:
            # It holds YAML, but no object.
            continue
    kept = apart(objects)
    return Rendered(request.label, "plain", plain.TOOL, "", kept, uses(kept), tuple(files)), errors


def trouble(root: Path, error: DocumentError, usual: str) -> Finding:
    """What kept something from being read or rendered. What is wrong with the YAML of its file has checks of its own."""
    problem = f"{error.path}: {error.problem}" if error.path else error.problem
    check = usual
    if error.file:
        try:
            read_yaml(read(root, inside(root, root / error.file, written=error.file)), error.file)
        except DocumentError as again:
            if again.problem == error.problem:
                check = "yaml/duplicate-key" if "is written twice" in problem else "yaml/parses"
        except InputError:
            pass
    if check == "render/fails" and error.path:
        # Of what a ConfigMap, Secret or Deployment may say.
        check = "kubernetes/schema"
    if check == usual and "meet the specifications of the schema" in problem:
        check = "helm/values"
    return Finding(check, Severity.ERROR, problem, file=error.file, line=error.line)
