"""What `trimtab check` found, for GitHub Actions: annotations on lines, the page of the run, and a log that nobody can talk through.

Called by the command. File names and values come from people, so they are escaped wherever the runner reads commands; Gitea and
Forgejo read the same.
"""

import secrets
from collections.abc import Iterator, Sequence

from trimtab.faces.findings import place, said, whole
from trimtab.inspection.report import Found, Report, counted
from trimtab.model.content import Severity
from trimtab.promotion.text import cell, one_line

MOST = 10
"""Annotations of one kind that GitHub takes from a step."""
MOST_ROWS = 200
LONGEST = 500
"""Characters of one cell."""
KINDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def annotations(report: Report) -> Iterator[str]:
    """Workflow commands, the worst first; the last one of a kind counts those that GitHub would drop."""
    for severity, kind in KINDS.items():
        found = report.having(severity)
        shown = found if len(found) <= MOST else found[: MOST - 1]
        yield from (_annotation(kind, one) for one in shown)
        if len(shown) < len(found):
            yield f"::{kind} title=trimtab check::{_data(f'and {len(found) - len(shown)} more; the log has all of them')}"


def guarded(lines: Sequence[str]) -> list[str]:
    """Lines of a log that the runner takes for nothing but text."""
    token = f"trimtab-{secrets.token_hex(16)}"
    return [f"::stop-commands::{token}", *lines, f"::{token}::"]


def summary(report: Report) -> str:
    """What the page of the run shows, as Markdown."""
    found = [one for one in report.found if not one.waived]
    verdict = "passes" if report.passes else "finds errors"
    lines = [f"### trimtab check {verdict}: {counted(report.found)}", ""]
    if report.base:
        lines += [f"Compared with {cell(report.base)}.", ""]
    if found:
        lines += ["| | Place | Finding | What to do |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {one.severity.value} | {_cell(place(one))} | {_cell(said(one))} | {_cell(one.finding.fix)} |" for one in found[:MOST_ROWS]
        ]
    if len(found) > MOST_ROWS:
        lines += ["", f"and {len(found) - MOST_ROWS} more"]
    return "\n".join([*lines, ""])


def harmless(text: str) -> str:
    """JSON in which the runner finds no command of its older form, which may stand anywhere in a line."""
    return text.replace("##[", "#\\u0023[")


def _cell(text: str) -> str:
    return cell(text if len(text) <= LONGEST else f"{text[:LONGEST]}...")


def _annotation(kind: str, one: Found) -> str:
    finding = one.finding
    where = [f"file={_property(finding.file)}"] if finding.file else []
    where += [f"line={finding.line}"] if finding.file and finding.line else []
    return f"::{kind} {','.join([*where, f'title={_property(finding.check)}'])}::{_data(whole(one))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(one_line(text)).replace(":", "%3A").replace(",", "%2C")
