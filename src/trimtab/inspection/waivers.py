"""Findings that are accepted for a time, with a reason. Called by `wiring.checking` with the `check.waivers` of trimtab.yaml.

A waiver that has expired waives nothing any more and is a finding itself; so is one that waives nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase

from trimtab.documents.pipeline import Waiver
from trimtab.inspection.catalogue import severity_of
from trimtab.inspection.report import Found
from trimtab.model.content import Finding, Severity


@dataclass(frozen=True, slots=True)
class Granted:
    """A waiver and where it is written."""

    waiver: Waiver
    file: str
    line: int

    def about(self, found: Found) -> bool:
        """Is it about this finding?"""
        finding = found.finding
        if (self.waiver.check, self.waiver.key or finding.key) != (finding.check, finding.key):
            return False
        return fnmatchcase(finding.file, self.waiver.path)


def waived(found: Sequence[Found], granted: Sequence[Granted], today: date) -> list[Found]:
    """The findings, with those marked that a waiver is about which counts today."""
    counting = [one for one in granted if _until(one) >= today]
    result = []
    for one in found:
        by = next((grant for grant in counting if grant.about(one)), None)
        result.append(replace(one, waived=f"{by.waiver.reason}, until {by.waiver.expires}") if by is not None else one)
    return result


def outdated(found: Sequence[Found], granted: Sequence[Granted], today: date, *, whole: bool) -> Iterator[Finding]:
    """Waivers that have expired, and where everything was looked at those that waive nothing."""
    for one in granted:
        if _until(one) < today:
            problem = f"the waiver of {one.waiver.check} for {one.waiver.path} expired on {one.waiver.expires}"
            yield _finding("check/waiver-expired", one, problem, "Correct what it was about, or find a new reason and day.")
        elif whole and not any(one.about(other) for other in found):
            problem = f"the waiver of {one.waiver.check} for {one.waiver.path} waives nothing"
            yield _finding("check/waiver-unused", one, problem, "Remove it.")


def _until(one: Granted) -> date:
    return date.fromisoformat(one.waiver.expires)


def _finding(check: str, one: Granted, problem: str, fix: str) -> Finding:
    severity: Severity = severity_of(check)
    return Finding(check, severity, problem, file=one.file, line=one.line, fix=fix)
