"""From an object and a path in it to a finding with file and line. Used by every check of this room.

A rendered object knows the file that it was written in; the lines within it are asked for only where there is something to say.
"""

from dataclasses import replace
from typing import Protocol

from trimtab.config.consumers import pod_template, template_path
from trimtab.config.references import named_at
from trimtab.documents.fitting import dotted
from trimtab.documents.nodes import Path
from trimtab.documents.yaml import Document
from trimtab.inspection.catalogue import severity_of
from trimtab.model.content import Finding, Severity
from trimtab.model.rendered import Place, RenderedObject, Use


class Lines(Protocol):
    """Where things are written in the files that a target was rendered from."""

    def document(self, one: RenderedObject) -> Document:
        """What an object was written as: its rendered value, with the lines of its file as far as they are known."""
        ...

    def place(self, one: RenderedObject, path: Path) -> Place:
        """The file and line of a field, or of the nearest thing around it that has one."""
        ...


def about(check: str, one: RenderedObject, problem: str, fix: str = "", severity: Severity | None = None) -> Finding:
    """A finding about a whole object."""
    return Finding(check, severity or severity_of(check), problem, str(one), file=one.file, line=one.line, fix=fix)


def at(check: str, one: RenderedObject, lines: Lines, path: Path, problem: str, fix: str = "") -> Finding:
    """A finding about a field of an object."""
    file, line = lines.place(one, path)
    text = f"{dotted(path)}: {problem}" if path else problem
    return Finding(check, severity_of(check), text, str(one), file=file, line=line, fix=fix)


def at_use(use: Use, lines: Lines, finding: Finding, key: str = "") -> Finding:
    """A finding about a workload, at the line where it names an object, or one key of it."""
    template = template_path(use.reader.tree)
    path = next(named_at(pod_template(use.reader.tree), use.name, key), None)
    if template is None or path is None:
        return finding
    file, line = lines.place(use.reader, (*template, *path))
    return replace(finding, file=file, line=line)
