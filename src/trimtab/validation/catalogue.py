"""Every check of content by its id: how bad a finding is and what it means. The one table that documents, SARIF rules and policies go by.

Read by `checks`, `control.observe`, `documents` and the faces. An id never changes its meaning.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from trimtab.model.content import ContentRules, Finding, Severity


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `severity` is what its findings usually have; `says` is one sentence for people."""

    id: str
    severity: Severity
    says: str


CONTENT = (
    Check("content/parses", Severity.ERROR, "A value is in the format that its key's suffix names; a warning where the old one was not."),
    Check("content/utf8", Severity.ERROR, "Text of a ConfigMap is UTF-8."),
    Check("content/size", Severity.ERROR, "All values of one ConfigMap or Secret together are no larger than allowed."),
    Check("content/schema", Severity.ERROR, "A value fits its JSON Schema."),
    Check("content/schema-unused", Severity.WARNING, "The key that a JSON Schema is about exists."),
    Check("content/emptied", Severity.WARNING, "A value that said something still does."),
    Check("content/deleted", Severity.WARNING, "A key that was there still is."),
    Check("content/type", Severity.WARNING, "What was a number, text, list or mapping inside a value still is one."),
    Check("content/factor", Severity.WARNING, "An amount does not grow or shrink by more than a factor in one change."),
    Check("content/secret", Severity.WARNING, "Passwords, tokens and private keys are in Secrets, not in ConfigMaps."),
    Check("reference/missing", Severity.ERROR, "What a pod needs of ConfigMaps and Secrets exists."),
)  # fmt: skip
"""The checks of content, which RolloutPolicies and pipelines can switch."""

CHANGES = ("content/emptied", "content/deleted", "content/type", "content/factor")
"""Those that are about a change, which two targets beside each other are not."""

MOST_FINDINGS, LONGEST_PROBLEM = 200, 400
"""Findings that are kept of one rollout, and characters of what each says: its record has to fit into etcd."""

BY_ID: Mapping[str, Check] = {check.id: check for check in CONTENT}


def found(check: str, problem: str, key: str = "", line: int = 0, fix: str = "") -> Finding:
    """A finding with the usual severity of its check. `line` is the value's; `checks` adds object and file, and makes it the file's."""
    return Finding(check, BY_ID[check].severity, problem, key=key, line=line, fix=fix)


def graded(findings: Iterable[Finding], rules: ContentRules) -> Iterator[Finding]:
    """The findings with the severities that the rules give them, without those that are switched off."""
    wanted = dict(rules.severities)
    for finding in findings:
        severity = wanted.get(finding.check, finding.severity)
        if severity is not Severity.OFF:
            yield replace(finding, severity=severity)


def few(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """As many as a record has room for, errors first, and how many more there are. The last is an error where one of those is."""
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    others = [finding for finding in findings if finding.severity is not Severity.ERROR]
    ranked = [*errors, *others] if len(findings) > MOST_FINDINGS else findings
    kept = [replace(finding, problem=shortened(finding.problem)) for finding in ranked[:MOST_FINDINGS]]
    if rest := ranked[MOST_FINDINGS:]:
        kept.append(Finding(rest[0].check, rest[0].severity, f"and {len(rest)} more findings, of this and other checks"))
    return tuple(kept)


def shortened(problem: str) -> str:
    """What a finding says, cut where it is very long."""
    return problem if len(problem) <= LONGEST_PROBLEM else f"{problem[:LONGEST_PROBLEM]}..."
