"""Everything that is checked about one target: its objects one by one, beside each other, beside other targets, and what changed.

Called by `wiring.checking` with what it rendered; calls every other module of this room.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from trimtab.inspection import content, objects, ours, ports, reach, references, traffic
from trimtab.inspection.kubernetes import Schemas, misfits
from trimtab.inspection.neighbours import Neighbours
from trimtab.inspection.places import Lines
from trimtab.model.content import ContentRules, Finding, Severity
from trimtab.model.rendered import Rendered
from trimtab.validation.catalogue import CHANGES, graded


@dataclass(frozen=True, slots=True)
class Case:
    """One target, and all that it is looked at together with."""

    after: Rendered
    before: Rendered | None = None
    """The same target before the change; None where no change is judged, or where it is new."""
    beside: Neighbours = field(default_factory=Neighbours, repr=False)
    """All targets of the app."""
    following: Sequence[Rendered] = field(default=(), repr=False)
    """The targets of the app that its content is promoted to: it is a canary of theirs."""
    whole: bool = True
    """False where a target of the app did not render, so that nothing can be said to be missing."""


def inspected(case: Case, schemas: Schemas, lines: Lines, rules: ContentRules) -> list[Finding]:
    """The findings of one target, with the severities that the rules give them."""
    target = case.after
    found: list[Finding] = []
    for one in target.objects:
        found += misfits(one, schemas, lines)
    found += objects.twice(target.objects)
    found += objects.selectors(target.objects, lines)
    found += objects.overlapping(target, case.beside)
    found += ours.examined(target.objects, lines)
    if case.whole:
        found += references.needs(target, case.beside, lines)
        found += ports.unknown_ports(target, case.beside, lines)
        found += traffic.starved(target, case.following, case.beside) if case.following else ()
    found += reaching(case, lines)
    return [*graded(found, rules), *of_content(case, rules)]


def reaching(case: Case, lines: Lines) -> Iterator[Finding]:
    """Does configuration reach pods? Of what this change changes, what is said about the change is enough."""
    changed = reach.changed_now(case.before, case.after) if case.before is not None else frozenset()
    yield from (finding for use, finding in reach.unreachable(case.after, lines) if use not in changed)
    if case.before is not None:
        yield from reach.unreached(case.before, case.after, lines)


def of_content(case: Case, rules: ContentRules) -> Iterator[Finding]:
    """What values hold: compared with what they were; where no change is judged, with what the canary's content is promoted to."""
    if case.before is not None or not case.following:
        before = case.before.objects if case.before is not None else ()
        yield from content.judged(case.after.objects, before, rules, before)
        return
    quiet = replace(rules, severities=(*rules.severities, *((check, Severity.OFF) for check in CHANGES)))
    yield from content.judged(case.after.objects, case.following[0].objects, quiet)
