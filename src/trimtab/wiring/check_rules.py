"""What a `trimtab.yaml` asks of content and objects: severities, limits, JSON Schemas, waivers. Called by `wiring.checking`."""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from trimtab.adapters.rendering.request import inside, read
from trimtab.documents.fitting import dotted, nearest
from trimtab.documents.nodes import Path as Steps
from trimtab.documents.pipeline import Checks
from trimtab.documents.validation import as_json
from trimtab.errors import DocumentError, InputError
from trimtab.inspection.catalogue import BY_ID
from trimtab.inspection.waivers import Granted
from trimtab.model.content import Content, ContentRules, KeySchema, Severity
from trimtab.model.names import ConfigKind
from trimtab.model.rendered import Rendered
from trimtab.wiring.pipeline import Project

ANNOTATION = "trimtab.dev/schema."
"""Behind it the key, and as its value the path of a JSON Schema from the repository's root."""
SECTION: Steps = ("spec", "check")


def rules_of(project: Project | None) -> ContentRules:
    """The rules of a project; the usual ones without. DocumentError, with its line, for what cannot be used."""
    written = checks(project)
    if project is None or written is None:
        return ContentRules()
    for path, check in _named(written):
        if check not in BY_ID:
            raise refused(project, path, f"there is no check {check!r}; {nearest(check, BY_ID)}")
    for index, waiver in enumerate(written.waivers):
        try:
            date.fromisoformat(waiver.expires)
        except ValueError:
            raise refused(project, ("waivers", index, "expires"), f"{waiver.expires} is no day of the calendar") from None
    severities = tuple((name, Severity(severity)) for name, severity in sorted(written.severities.items()))
    schemas = tuple(
        KeySchema(
            ConfigKind.CONFIG_MAP, rule.config_map, rule.key, _schema(project, ("schemas", index, "schema"), rule.schema), rule.schema
        )
        for index, rule in enumerate(written.schemas)
    )
    return ContentRules(severities, schemas, written.max_size, written.factor)


def checks(project: Project | None) -> Checks | None:
    """The section `spec.check`."""
    return project.document.spec.check if project is not None else None


def annotated(root: Path, rendered: Mapping[str, Rendered]) -> Iterator[KeySchema]:
    """The schemas that ConfigMaps name for their own keys. DocumentError for one that cannot be used."""
    seen: set[tuple[str, str, str]] = set()
    for one in (one for found in rendered.values() for one in found.objects):
        for name, path in one.content.annotations.items() if one.content is not None else ():
            key, rule = name.removeprefix(ANNOTATION), (one.logical, name, path)
            if key == name or rule in seen or one.content is None:
                continue
            seen.add(rule)
            yield KeySchema(one.content.name.kind, one.logical, key, _annotated(root, one.content, name, path), path)


def granted(project: Project | None) -> list[Granted]:
    """The waivers of a project."""
    written = checks(project)
    if project is None or written is None:
        return []
    lines = [project.written.line_of((*SECTION, "waivers", index)) for index in range(len(written.waivers))]
    return [Granted(waiver, project.file, line) for waiver, line in zip(written.waivers, lines, strict=True)]


def refused(project: Project, path: Steps, problem: str) -> DocumentError:
    """About a field of `spec.check`."""
    whole = (*SECTION, *path)
    return DocumentError(problem, file=project.file, line=project.written.line_of(whole), path=dotted(whole))


def _named(written: Checks) -> Iterator[tuple[Steps, str]]:
    for check in written.severities:
        yield ("severities", check), check
    for index, waiver in enumerate(written.waivers):
        yield ("waivers", index, "check"), waiver.check


def _schema(project: Project, path: Steps, name: str) -> str:
    try:
        return _read(project.root, name)
    except InputError as error:
        raise refused(project, path, str(error)) from None


def _annotated(root: Path, content: Content, name: str, path: str) -> str:
    try:
        return _read(root, path)
    except InputError as error:
        raise DocumentError(f"annotation {name}: {error}", file=content.file, line=content.line) from None


def _read(root: Path, name: str) -> str:
    """The text of a schema as JSON. InputError that names the file."""
    text = read(root, inside(root, root / name, written=name))
    try:
        return as_json(text)
    except InputError as error:
        raise InputError(f"{name} {error}") from None
