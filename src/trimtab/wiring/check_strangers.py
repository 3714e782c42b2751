"""What is looked at of a change by strangers: the base's targets, by the base's trimtab.yaml, and those that the change adds.

Called by `checking`. Nothing that the change says of itself takes a target out of sight.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.errors import InputError
from trimtab.inspection.catalogue import severity_of
from trimtab.model.content import Finding
from trimtab.wiring.pipeline import FILE, Project
from trimtab.wiring.units import Unit

GONE = "check/target-gone"
Find = Callable[[Project | None, Sequence[str]], Sequence[Unit]]
"""What words stand for in a project; InputError for nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """The same repository three times: the base now, where the change began, and as the change has it."""

    base: Project
    began: Project | None
    own: Project | None


def seen(change: Change, root: Path, words: Sequence[str], find: Find) -> list[Unit]:
    """The units that words stand for at the base or in the change, each once; InputError for a word that is nothing at either.

    Not those that came to the base after the change began, and that it therefore need not have.
    """
    found: dict[str, Unit] = {}
    expected = {*_names(change.began), *_names(change.own)} - {*gone(change)}
    for word in words or ("",):
        chosen = (word,) if word else ()
        try:
            of_base = find(change.base, chosen)
        except InputError:
            if change.own is None:
                raise
            of_base, of_own = (), find(change.own, chosen)
        else:
            of_own = _found(change.own, chosen, find)
        for unit in of_base:
            if unit.name in expected or _there(root, unit):
                found.setdefault(unit.name, unit)
        for unit in of_own:
            found.setdefault(unit.name, unit)
    return list(found.values())


def missing(change: Change) -> list[Finding]:
    """A finding for each target that the change takes away."""
    return [
        Finding(
            GONE, severity_of(GONE), f"the change takes target {name} away, or calls it something else", file=file,
            fix=f"Leave it in {FILE}; somebody of this repository can take it away.",
        )
        for name, file in gone(change).items()
    ]  # fmt: skip


def gone(change: Change) -> Mapping[str, str]:
    """The targets that the change takes away, and the file that named them."""
    left = {*_names(change.base)} & {*_names(change.began)} - {*_names(change.own)}
    return {name: change.base.file for name in _names(change.base) if name in left}


def _names(project: Project | None) -> list[str]:
    return [f"{app.name}/{target.name}" for app, target in project.chosen("")] if project is not None else []


def _found(project: Project | None, words: Sequence[str], find: Find) -> Sequence[Unit]:
    try:
        return find(project, words) if project is not None else ()
    except InputError:
        return ()


def _there(root: Path, unit: Unit) -> bool:
    return all((root / name).exists() for name in (unit.request.path, *unit.request.values))
