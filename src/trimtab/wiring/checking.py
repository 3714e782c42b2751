"""`trimtab check`: renders what it is asked to look at, and hands it to `inspection`. Called by the faces.

What does not render is a finding like any other, and the rest is looked at all the same. Nothing is written and no cluster is asked.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from trimtab.adapters.checking.schemas import kubernetes_schemas
from trimtab.adapters.clock import SystemClock
from trimtab.adapters.rendering.lines import WrittenLines
from trimtab.adapters.rendering.request import inside, read
from trimtab.documents.yaml import read_yaml
from trimtab.errors import DocumentError, InputError
from trimtab.inspection.inspect import Case, inspected
from trimtab.inspection.report import Found, Looked, Report, gathered, ordered
from trimtab.inspection.waivers import outdated, waived
from trimtab.model.content import ContentRules, Finding, Severity
from trimtab.model.rendered import Rendered
from trimtab.validation.catalogue import graded
from trimtab.wiring.check_base import Base, from_a_fork, opened
from trimtab.wiring.check_rules import annotated, granted, named, rules_of
from trimtab.wiring.pipeline import Project, Rules, find, load
from trimtab.wiring.sides import Side, side
from trimtab.wiring.units import Unit, place, units
from trimtab.wiring.validators import Validating

Told = tuple[str, Rendered | None, Finding]
"""A finding, and the target that it is about."""
STRANGER = "this is judged by the rules of {}, for it comes from another repository: validators do not run"
FORK = (
    "this is the pipeline of a pull request from a fork, which is judged by the rules of the base, never by its own. "
    "Fetch the base and name it: --base origin/BRANCH"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be checked, and how."""

    folder: Path
    words: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    """Values files that charts without a trimtab.yaml get."""
    base: str = ""
    """The commit that the change is judged against; without it no change is judged."""
    untrusted: bool = False
    """Is the change one by strangers?"""
    rules: Rules = field(default_factory=Rules)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Law:
    """By what it is judged: the project whose rules count, its rules, and where schemas that ConfigMaps name are read."""

    project: Project | None
    rules: ContentRules
    untrusted: bool


async def checked(asked: Asked, today: date | None = None) -> Report:
    """The report of one run. InputError where what was asked for is not there; Unavailable where a tool does not end.

    `today` is the day by which waivers expire.
    """
    root, folder = place(asked.folder)
    untrusted = asked.untrusted or from_a_fork(asked.environment)
    if untrusted and not asked.base:
        raise InputError(FORK)
    if untrusted and asked.rules.network:
        raise InputError("for a change by strangers nothing is fetched from the network. Leave out --network")
    async with AsyncExitStack() as stack:
        base = await opened(folder, asked.base, stack) if asked.base else None
        try:
            project = load(folder) if find(folder) is not None else None
            law = _law(root, project, base if untrusted else None)
        except DocumentError as error:
            return Report(str(root), (), gathered([("", None, trouble(root, error, "document/invalid"))]))
        return await _judged(asked, _Places(root, folder, project, base), law, today or SystemClock().now().date())


@dataclass(frozen=True, slots=True)
class _Places:
    root: Path
    folder: Path
    project: Project | None
    base: Base | None


def _law(root: Path, project: Project | None, base: Base | None) -> Law:
    """What is judged by: the project's own rules, or those of the base. A broken trimtab.yaml of the base raises DocumentError, too."""
    if base is None:
        return Law(project, rules_of(project), untrusted=False)
    trusted = base.trusted()
    return Law(replace(trusted, root=root) if trusted is not None else None, rules_of(trusted), untrusted=True)


async def _judged(asked: Asked, places: _Places, law: Law, today: date) -> Report:
    now = await side(places.root, _units(places, law, asked), asked.rules)
    before = await _before(asked, places, now)
    rules, told = _with_annotated(now, before, law)
    told += [("", None, finding) for finding in graded(_named(law.project), rules)]
    told += looked(now, before, rules)
    if law.project is not None and not law.untrusted:
        validating = Validating(law.project, asked.environment)
        told += [(name, one, found) for name, one in now.rendered.items() for found in graded(await validating.findings(one), rules)]
    known = _known(before, rules, {name for name, _, _ in told}) if before is not None else frozenset()
    found = _with_waivers(gathered(told, known), law.project, rules, (today, not asked.words))
    targets = tuple(Looked(one.name, len(one.objects), one.tool) for one in now.rendered.values())
    where = places.project.place if places.project is not None else str(places.folder)
    base = places.base
    shown = f"{base.name} ({base.began[:10]})" if base is not None else ""
    notes = [STRANGER.format(base.name)] if base is not None and law.untrusted else []
    return Report(where, targets, found, shown, tuple(notes))


def _units(places: _Places, law: Law, asked: Asked) -> list[Unit]:
    """What is looked at. Of a change by strangers: the base's targets, but for those that it takes away."""
    found = units(places.root, law.project, places.folder, asked.words, asked.values)
    if not law.untrusted or places.project is None or law.project is None:
        return found
    kept = {f"{app.name}/{target.name}" for app, target in places.project.chosen("")}
    return [unit for unit in found if unit.request.target == "" or unit.name in kept]


async def _before(asked: Asked, places: _Places, now: Side) -> Side | None:
    """The same as the base has it; by today's trimtab.yaml where it has none."""
    base = places.base
    if base is None:
        return None
    written = None
    if places.project is not None:
        written = base.project() or replace(places.project, root=base.root)
    folder, wanted, names = base.root / base.below, list[Unit](), {unit.name for unit in now.units}
    for word in asked.words or ("",):
        try:
            there = units(base.root, written, folder, (word,) if word else (), asked.values)
            wanted += [unit for unit in there if unit.name in names]
        except InputError:
            # What the base does not have is new.
            continue
    return await side(base.root, wanted, asked.rules)


def _with_annotated(now: Side, before: Side | None, law: Law) -> tuple[ContentRules, list[Told]]:
    """The rules, with the schemas that ConfigMaps name; those of the base where strangers must not choose them."""
    there = before if law.untrusted and before is not None else now
    try:
        return replace(law.rules, schemas=(*law.rules.schemas, *annotated(there.root, there.rendered))), []
    except DocumentError as error:
        return law.rules, [("", None, trouble(there.root, error, "document/invalid"))]


def _named(project: Project | None) -> list[Finding]:
    """About the policies and metric templates that targets name; a stranger may have taken them away."""
    try:
        return named(project)
    except DocumentError as error:
        return [trouble(project.root, error, "document/invalid")] if project is not None else []


def looked(found: Side, before: Side | None, rules: ContentRules, names: set[str] | None = None) -> list[Told]:
    """The findings of everything that was rendered, or of the apps that some targets belong to."""
    told: list[Told] = []
    for name, error in found.broken:
        told.extend((name, None, finding) for finding in graded([trouble(found.root, error, "render/fails")], rules))
    broken = {name for name, _ in found.broken}
    for together in found.apps().values():
        if names is None or any(one.name in names for one in together):
            whole = not any(one.name in broken for one in together)
            told += _of_app(found, before, together, whole, rules)
    return told


def _of_app(found: Side, before: Side | None, together: Sequence[Unit], whole: bool, rules: ContentRules) -> Iterator[Told]:
    for unit in together:
        target = found.rendered.get(unit.name)
        if target is None:
            continue
        earlier = before.rendered.get(unit.name) if before is not None else None
        beside = found.of([one for one in together if one is not unit])
        following = found.of([one for one in together if one.origin and one.origin == unit.request.target])
        case = Case(target, earlier, beside, following, whole)
        for finding in inspected(case, kubernetes_schemas(), WrittenLines(found.root, target), rules):
            yield unit.name, target, finding


def _known(before: Side, rules: ContentRules, names: set[str]) -> frozenset[str]:
    """Fingerprints of what is found in the base, in targets that something was found in now."""
    return frozenset(one.fingerprint for one in gathered(looked(before, None, rules, names)))


def _with_waivers(found: Sequence[Found], project: Project | None, rules: ContentRules, at: tuple[date, bool]) -> tuple[Found, ...]:
    """The findings with waivers counted on a day; the second of `at` says whether everything was looked at."""
    given, (today, whole) = granted(project), at
    findings = graded(outdated(found, given, today, whole=whole), rules)
    more = gathered([("", None, finding) for finding in findings])
    return ordered([*waived(found, given, today), *more])


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
