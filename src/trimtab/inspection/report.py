"""From the findings of many targets to one report: each told once, with what was there before and what is waived. Called by `wiring`.

A finding has a fingerprint that stays when lines move, so that forges can tell old ones from new ones.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from trimtab.model.content import Finding, Severity
from trimtab.model.names import how_many
from trimtab.model.rendered import Rendered

Told = tuple[str, str, Finding]
"""The target that a finding is about (empty for none), its fingerprint, and itself."""
ORDER = (Severity.ERROR, Severity.WARNING, Severity.INFO)
_LINES = re.compile(r"\b(?:on )?lines? \d+")


@dataclass(frozen=True, slots=True)
class Found:
    """One finding, in all targets that have it."""

    finding: Finding
    fingerprint: str
    targets: tuple[str, ...] = ()
    known: bool = False
    """Was it there before the change? Then it is no error any more."""
    waived: str = ""
    """Why it is accepted, and until when; it then counts for nothing."""

    @property
    def severity(self) -> Severity:
        """How bad it is here."""
        if self.waived:
            return Severity.INFO
        return Severity.WARNING if self.known and self.finding.severity is Severity.ERROR else self.finding.severity


@dataclass(frozen=True, slots=True)
class Looked:
    """One target that was looked at: what it is called, how many objects it has, what rendered it."""

    name: str
    objects: int
    tool: str
    readers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Each ConfigMap and Secret, and the workloads of the target that read it."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one run of `trimtab check` found."""

    place: str
    targets: tuple[Looked, ...]
    found: tuple[Found, ...] = field(repr=False)
    base: str = ""
    """What was compared with; empty where no change was judged."""
    notes: tuple[str, ...] = ()

    def having(self, severity: Severity) -> tuple[Found, ...]:
        """Those of one severity that are not waived."""
        return tuple(one for one in self.found if one.severity is severity and not one.waived)

    @property
    def passes(self) -> bool:
        """Is nothing an error?"""
        return not self.having(Severity.ERROR)


def gathered(told: Iterable[Told], known: Collection[str] = ()) -> tuple[Found, ...]:
    """Findings of targets as one list: worst first, then by place. `known` are fingerprints of those before the change."""
    found: dict[tuple[str, str, int], Found] = {}
    for target, print_, finding in told:
        key = (print_, finding.file, finding.line)
        there = found.get(key) or Found(finding, print_, known=print_ in known)
        worst = min((there.finding.severity, finding.severity), key=ORDER.index)
        targets = there.targets if target in there.targets or not target else (*there.targets, target)
        found[key] = replace(there, targets=targets, finding=replace(there.finding, severity=worst))
    return ordered(found.values())


def ordered(found: Iterable[Found]) -> tuple[Found, ...]:
    """Worst first, then by place."""

    def place(one: Found) -> tuple[int, str, int, str, str]:
        about = one.finding
        return ORDER.index(one.severity), about.file, about.line, about.check, about.problem

    return tuple(sorted(found, key=place))


def names_of(rendered: Rendered) -> Mapping[str, str]:
    """Names that a target gives its objects, by what they are called in all targets."""
    return {one.name: one.logical for one in rendered.objects if one.name != one.logical}


def told(target: str, findings: Iterable[Finding], names: Mapping[str, str] | None = None) -> list[Told]:
    """Findings about a target. `names` are those that it gives its objects, by what they are called in all targets."""
    return [(target, fingerprint(finding, names or {}), finding) for finding in findings]


def fingerprint(finding: Finding, names: Mapping[str, str]) -> str:
    """The same for the same trouble in another target, and where lines were added above it."""
    words = (finding.check, finding.file, _bare(finding.name, names), finding.key, _LINES.sub("line", _bare(finding.problem, names)))
    return hashlib.sha256("\0".join(words).encode(errors="replace")).hexdigest()[:20]


def _bare(text: str, names: Mapping[str, str]) -> str:
    for name in sorted(names, key=len, reverse=True):
        if name in text:
            text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", names[name].replace("\\", r"\\"), text)
    return text


def counted(found: Sequence[Found]) -> str:
    """`2 errors, 1 warning`, for people."""
    words = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
    numbers = {severity: sum(one.severity is severity and not one.waived for one in found) for severity in ORDER}
    parts = [how_many(count, words[severity]) for severity, count in numbers.items() if count]
    waived = sum(bool(one.waived) for one in found)
    return ", ".join([*parts, *([f"{waived} waived"] if waived else [])]) or "nothing found"
