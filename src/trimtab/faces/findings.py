"""What `trimtab check` found, as text and as JSON. Called by the command."""

from collections.abc import Iterator, Mapping
from textwrap import fill

import msgspec

from trimtab.documents.fitting import nearest
from trimtab.errors import InputError
from trimtab.inspection.catalogue import BY_ID
from trimtab.inspection.explanations import WHY
from trimtab.inspection.report import Found, Report, counted
from trimtab.model.names import how_many
from trimtab.promotion.text import one_line

MOST_TARGETS = 3
"""Targets that are named with one finding; the rest are counted."""


class FindingView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One finding. `fingerprint` stays when lines move; `known` is true for one that was there before the change."""

    check: str
    severity: str
    problem: str
    object: str
    key: str
    file: str
    line: int
    fix: str
    targets: tuple[str, ...]
    fingerprint: str
    known: bool
    waived: str


class TargetView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One target that was looked at. `readers` says who consumes each ConfigMap and Secret."""

    name: str
    objects: int
    tool: str
    readers: Mapping[str, tuple[str, ...]]


class ReportView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Everything that was found."""

    place: str
    base: str
    passes: bool
    targets: tuple[TargetView, ...]
    findings: tuple[FindingView, ...]
    notes: tuple[str, ...]


def view(report: Report) -> ReportView:
    """For programs."""
    findings = tuple(
        FindingView(
            check=one.finding.check, severity=one.severity.value, problem=one.finding.problem, object=one.finding.name,
            key=one.finding.key, file=one.finding.file, line=one.finding.line, fix=one.finding.fix, targets=one.targets,
            fingerprint=one.fingerprint, known=one.known, waived=one.waived,
        )
        for one in report.found
    )  # fmt: skip
    targets = tuple(TargetView(name=one.name, objects=one.objects, tool=one.tool, readers=dict(one.readers)) for one in report.targets)
    return ReportView(place=report.place, base=report.base, passes=report.passes, targets=targets, findings=findings, notes=report.notes)


def lines(report: Report) -> Iterator[str]:
    """For people: one finding a line, what to do below it, and a last line that counts."""
    for one in report.found:
        yield f"{place(one)}: {one.severity.value}: {said(one)}"
        if one.finding.fix and not one.waived:
            yield f"    {one_line(one.finding.fix)}"
    targets, objects = how_many(len(report.targets), "target"), how_many(sum(one.objects for one in report.targets), "object")
    yield f"{counted(report.found)} in {targets} with {objects}"


def place(one: Found) -> str:
    """File and line, as editors and terminals understand them."""
    finding = one.finding
    return one_line(f"{finding.file}:{finding.line}" if finding.file and finding.line else finding.file or "(no file)")


def said(one: Found) -> str:
    """The finding on one line, without its place."""
    finding = one.finding
    about = f"{finding.name}[{finding.key}]" if finding.key else finding.name
    words = ": ".join(part for part in (about, finding.problem) if part)
    more = [finding.check, *shared(one)]
    if one.known:
        more.append("was there before")
    if one.waived:
        more.append(f"waived: {one.waived}")
    return one_line(f"{words} ({', '.join(more)})")


def whole(one: Found) -> str:
    """The finding and what to do, on one line, without its place."""
    return f"{said(one)}. {one_line(one.finding.fix)}" if one.finding.fix else said(one)


def shared(one: Found) -> Iterator[str]:
    """In which targets, where there are several."""
    if len(one.targets) > 1:
        rest = len(one.targets) - MOST_TARGETS
        yield "in " + " ".join(one.targets[:MOST_TARGETS]) + (f" and {rest} more" if rest > 0 else "")


def explained(check: str) -> str:
    """What one check is about, for people. InputError that names the nearest where there is none of that id."""
    found = BY_ID.get(check)
    if found is None:
        raise InputError(f"there is no check {check!r}; {nearest(check, BY_ID)}")
    return f"""{found.id}, usually {found.severity.value}: {found.says}

{fill(WHY[check], 100)}

In trimtab.yaml, another severity, or an exception until a day:

  spec:
    check:
      severities: {{{found.id}: warning}}     # error, warning, info or "off"
      waivers:
      - {{check: {found.id}, path: "overlays/*", reason: why, expires: 2030-01-31}}"""
