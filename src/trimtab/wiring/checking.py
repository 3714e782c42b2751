"""`trimtab check`: renders what it is asked to look at, and hands it to `inspection`. Called by the faces.

What does not render is a finding like any other, and the rest is looked at all the same. Nothing is written and no cluster is asked.
"""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

from trimtab.adapters.clock import SystemClock
from trimtab.errors import DocumentError, InputError
from trimtab.inspection.report import Found, Report, Told, gathered, ordered, told
from trimtab.inspection.waivers import outdated, waived
from trimtab.model.content import ContentRules, Finding
from trimtab.validation.catalogue import graded
from trimtab.wiring.check_apps import Entry, look, trouble, unchanged
from trimtab.wiring.check_argocd import applications
from trimtab.wiring.check_base import Base, from_a_fork, nothing_fetched, opened
from trimtab.wiring.check_digests import Digests, Made
from trimtab.wiring.check_measures import named
from trimtab.wiring.check_memory import Findings
from trimtab.wiring.check_rules import granted, rules_of
from trimtab.wiring.check_strangers import Change, missing, seen
from trimtab.wiring.pipeline import Project, Rules, find, load
from trimtab.wiring.sides import Side, grouped, side
from trimtab.wiring.units import Unit, place, units
from trimtab.wiring.validators import Validating

STRANGER = "this is judged by the rules of {}, for it comes from another repository: validators do not run"
NO_PROJECT = "there is no trimtab.yaml here or above, so every overlay, chart and manifest is looked at, by the usual rules"
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
    memory: Path | None = None
    """The folder in which findings are kept; None for none."""


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
    nothing_fetched(untrusted=untrusted, network=asked.rules.network)
    async with AsyncExitStack() as stack:
        base = await opened(folder, asked.base, stack) if asked.base else None
        try:
            broken = list[DocumentError]()
            project = load(folder, broken) if find(folder) is not None else None
            law = await _law(root, project, base if untrusted else None)
        except DocumentError as error:
            return Report(str(root), (), gathered(told("", [trouble(root, error, "document/invalid")])))
        return await _judged(asked, Places(root, folder, project, base, tuple(broken)), law, today or SystemClock().now().date())


@dataclass(frozen=True, slots=True)
class Places:
    """Where it is looked: the repository's root, the folder that paths are from, what is there, and the base."""

    root: Path
    folder: Path
    project: Project | None
    base: Base | None
    broken: tuple[DocumentError, ...] = ()
    """What is wrong with files that trimtab.yaml names; the rest is looked at without them."""


async def _law(root: Path, project: Project | None, base: Base | None) -> Law:
    """What is judged by: the project's own rules, or those of the base. A broken trimtab.yaml of the base raises DocumentError, too."""
    if base is None:
        return Law(project, rules_of(project), untrusted=False)
    trusted = await base.trusted()
    return Law(replace(trusted, root=root) if trusted is not None else None, rules_of(trusted), untrusted=True)


async def _judged(asked: Asked, places: Places, law: Law, today: date) -> Report:
    wanted, gone = await _units(places, law, asked)
    apps = Apps(asked, places, law, wanted)
    entries = await apps.entries()
    broken = [trouble(places.root, error, "document/invalid") for error in places.broken]
    found = told("", graded([*broken, *gone, *_named(law.project)], law.rules))
    known = set[str]()
    for entry in entries:
        found += entry.told
        known.update(entry.known)
    found += await apps.validated()
    every = _with_waivers(gathered(found, known), law.project, law.rules, (today, not asked.words))
    where, base = places.project.place if places.project is not None else str(places.folder), places.base
    notes = [STRANGER.format(base.name)] if base is not None and law.untrusted else []
    if (law.project if law.untrusted else places.project) is None and not asked.words:
        notes.append(NO_PROJECT)
    return Report(where, tuple(one for entry in entries for one in entry.targets), every, str(base or ""), tuple(notes))


async def _units(places: Places, law: Law, asked: Asked) -> tuple[list[Unit], list[Finding]]:
    """What is looked at, and what is to be said of that it is this."""

    def there(project: Project | None, words: Sequence[str]) -> list[Unit]:
        return units(places.root, project, places.folder, words, asked.values)

    if not law.untrusted or law.project is None or places.base is None:
        return there(law.project, asked.words), []
    change = Change(law.project, await places.base.project(), places.project)
    return seen(change, places.root, asked.words, there), missing(change)


class Apps:
    """Everything that is looked at, app by app. Rendered is only what is not remembered, and at the base only what is not the same."""

    def __init__(self, asked: Asked, places: Places, law: Law, wanted: Sequence[Unit]) -> None:
        self._asked, self._places, self._law = asked, places, law
        self._apps = grouped(wanted)
        self._now: Side | None = None

    async def entries(self) -> list[Entry]:
        """What is found in each app, in their order."""
        digests = Digests(self._places.root)
        made = {unit.name: digests.of(unit) for app in self._apps.values() for unit in app}
        same = await self._same(made)
        memory = self._memory()
        keys = memory.keys(self._apps, made, same) if memory is not None else {}
        found = {app: entry for app, key in keys.items() if memory is not None and (entry := memory.recall(key)) is not None}
        left = [unit for app, together in self._apps.items() if app not in found for unit in together]
        known = {name: parts.inputs for name, parts in made.items() if parts is not None}
        self._now = await side(self._places.root, left, self._asked.rules, known)
        before = await self._before(self._now, same)
        for app, together in grouped(left).items():
            # What strangers left alone is held against the base, too: it says which schemas count.
            against = before if self._law.untrusted or any(unit.name not in same for unit in together) else None
            found[app] = self._look(self._now.only(together), against.only(together) if against is not None else None)
            parts = [part for unit in together if (part := made[unit.name]) is not None]
            if memory is not None and app in keys and found[app].lasting and not digests.moved(parts):
                memory.keep(keys[app], found[app])
        if memory is not None and left:
            memory.tidy()
        return [self._known(found[app], together, same) for app, together in self._apps.items()]

    async def validated(self) -> list[Told]:
        """What validators of one's own say. Not for a change by strangers: they are commands."""
        project, result = self._law.project, list[Told]()
        if project is not None and not self._law.untrusted and self._now is not None:
            validating = Validating(project, self._asked.environment)
            for name, one in self._now.rendered.items():
                result += told(name, graded(await validating.findings(one), self._law.rules))
        return result

    def _look(self, now: Side, before: Side | None) -> Entry:
        return look(now, before, self._law.rules, untrusted=self._law.untrusted)

    def _known(self, entry: Entry, together: Sequence[Unit], same: frozenset[str]) -> Entry:
        return unchanged(entry) if together and all(unit.name in same for unit in together) else entry

    def _memory(self) -> Findings | None:
        """None where it cannot be told what something was found in, and for strangers, whose repository may hold the folder."""
        written = self._law.project.document.spec.check if self._law.project is not None else None
        lasting = not (self._law.untrusted or self._asked.rules.network or (written is not None and written.validators))
        base = self._places.base
        if self._asked.memory is None or not lasting:
            return None
        return Findings(self._asked.memory, self._law.rules, self._asked.rules.tools, base.began if base is not None else "")

    async def _same(self, made: Mapping[str, Made | None]) -> frozenset[str]:
        """Units that the base has in the same way: by the same trimtab.yaml, and made from the same."""
        base, project = self._places.base, self._places.project
        if base is None:
            return frozenset()
        tree = await base.tree(self._places.root)
        if not (base.began == base.tip if self._law.untrusted else project is None or tree.same(project.file)):
            return frozenset()
        return frozenset(name for name, parts in made.items() if parts is not None and tree.has(parts))

    async def _before(self, now: Side, same: frozenset[str]) -> Side | None:
        """The same units as the base has them; by today's trimtab.yaml where it has none, and by the one that counts for strangers."""
        base, project = self._places.base, self._places.project
        if base is None:
            return None
        kept = now.only([unit for unit in now.units if unit.name in same])
        names = {unit.name for unit in now.units} - same
        if not names and not self._law.untrusted:
            return kept
        root, written = await base.root(), None
        if self._law.untrusted:
            written = replace(self._law.project, root=root) if self._law.project is not None else None
        elif project is not None:
            written = await base.project() or replace(project, root=root)
        wanted: dict[str, Unit] = {}
        for word in self._asked.words or ("",):
            try:
                there = units(root, written, root / base.below, (word,) if word else (), self._asked.values)
            except InputError:
                # What the base does not have is new.
                continue
            wanted |= {unit.name: unit for unit in there if unit.name in names}
        other = await side(root, list(wanted.values()), self._asked.rules)
        return Side(root, (*kept.units, *other.units), {**kept.rendered, **other.rendered}, (*kept.broken, *other.broken))


def _named(project: Project | None) -> list[Finding]:
    """About the policies and metric templates that targets name; a stranger may have taken them away."""
    try:
        return [*named(project), *applications(project)]
    except DocumentError as error:
        return [trouble(project.root, error, "document/invalid")] if project is not None else []


def _with_waivers(found: Sequence[Found], project: Project | None, rules: ContentRules, at: tuple[date, bool]) -> tuple[Found, ...]:
    """The findings with waivers counted on a day; the second of `at` says whether everything was looked at."""
    given, (today, whole) = granted(project), at
    findings = graded(outdated(found, given, today, whole=whole), rules)
    return ordered([*waived(found, given, today), *gathered(told("", findings))])
