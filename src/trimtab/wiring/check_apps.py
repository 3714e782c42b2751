"""Looks at one app: its targets as they are rendered, beside each other and beside what they were. Called by `checking`."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from trimtab.adapters.checking.schemas import kubernetes_schemas
from trimtab.adapters.rendering.lines import WrittenLines
from trimtab.adapters.rendering.request import inside, read
from trimtab.documents.decode import decode
from trimtab.documents.flagger import API_VERSION, Canary
from trimtab.documents.yaml import read_yaml
from trimtab.errors import DocumentError, InputError
from trimtab.inspection.inspect import Case, inspected
from trimtab.inspection.neighbours import neighbours
from trimtab.inspection.ours import path_in
from trimtab.inspection.references import readers
from trimtab.inspection.report import Looked, Told, names_of, told
from trimtab.model.content import ContentRules, Finding, KeySchema, Severity
from trimtab.model.rendered import Rendered
from trimtab.validation.catalogue import graded
from trimtab.wiring.check_rules import annotated
from trimtab.wiring.sides import Side


class Entry(msgspec.Struct, frozen=True):
    """Everything about one app that can be remembered."""

    told: list[Told]
    targets: list[Looked]
    known: list[str]
    """Fingerprints of what was there before the change."""
    lasting: bool = True
    """False where it hangs on more than what the targets are made from and the rules."""


def look(now: Side, before: Side | None, rules: ContentRules, *, untrusted: bool) -> Entry:
    """What is found in an app. For a change by strangers only `before` may say which schemas count."""
    schemas, found = _annotated(before if untrusted and before is not None else now)
    lasting = not schemas and not found
    rules = replace(rules, schemas=(*rules.schemas, *schemas))
    found += _findings(now, before, rules)
    known = [print_ for _, print_, _ in _findings(before, None, rules)] if before is not None and found else []
    targets = [Looked(one.name, len(one.objects), one.tool, tuple(readers(one))) for one in now.rendered.values()]
    return Entry(found, targets, known, lasting)


def unchanged(entry: Entry) -> Entry:
    """What was found in an app without a change, where the base has the same: all of it was there before."""
    return msgspec.structs.replace(entry, known=[print_ for _, print_, _ in entry.told])


def _annotated(there: Side) -> tuple[list[KeySchema], list[Told]]:
    """The schemas that ConfigMaps of the app name, and what is wrong with them."""
    try:
        return list(annotated(there.root, there.rendered)), []
    except DocumentError as error:
        return [], told("", [trouble(there.root, error, "document/invalid")])


def _findings(found: Side, before: Side | None, rules: ContentRules) -> list[Told]:
    result: list[Told] = []
    for name, error in found.broken:
        result += told(name, graded([trouble(found.root, error, "render/fails")], rules))
    beside, following = neighbours(found.rendered.values()), dict[str, list[Rendered]]()
    for unit in found.units:
        if unit.name in found.rendered:
            following.setdefault(unit.origin, []).append(found.rendered[unit.name])
    for unit in found.units:
        if (target := found.rendered.get(unit.name)) is not None:
            earlier = before.rendered.get(unit.name) if before is not None else None
            after = following.get(unit.request.target, ()) if unit.request.target else ()
            case = Case(target, earlier, beside, after, whole=not found.broken)
            lines = WrittenLines(found.root, target)
            findings = [*inspected(case, kubernetes_schemas(), lines, rules), *graded(_unroutable(target, lines), rules)]
            result += told(unit.name, findings, names_of(target))
    return result


def _unroutable(target: Rendered, lines: WrittenLines) -> Iterator[Finding]:
    """Canaries that the mesh or ingress which they name cannot route. Without a name it is the operator's, which is not known here."""
    for one in target.objects:
        if (one.api_version, one.kind) != (API_VERSION, "Canary"):
            continue
        # Routers are a third of what an operator loads, and most repositories have no Canary.
        from trimtab.adapters.kubernetes.routers.choose import refusal
        from trimtab.adapters.kubernetes.settings import Settings

        try:
            value = decode(lines.document(one)).value
        except DocumentError:
            continue
        problem = refusal(value, Settings()) if isinstance(value, Canary) and value.spec.provider else ""
        if problem:
            file, line = lines.place(one, path_in(problem) if problem.startswith("spec.") else ("spec", "provider"))
            yield Finding("document/canary", Severity.ERROR, problem, str(one), file=file, line=line)


def trouble(root: Path, error: DocumentError, usual: str) -> Finding:
    """What kept something from being read or rendered. What is wrong with the YAML of its file has checks of its own."""
    problem = f"{error.path}: {error.problem}" if error.path else error.problem
    check = usual
    if error.file:
        try:
            read_yaml(read(root, inside(root, root / error.file, written=error.file)), error.file)
        except DocumentError as again:
            if again.problem == error.problem:
                check = "yaml/duplicate-key" if "is written twice" in problem else "yaml/parses"
        except InputError:
            pass
    if check == "render/fails" and error.path:
        # Of what a ConfigMap, Secret or Deployment may say.
        check = "kubernetes/schema"
    if check == usual and "meet the specifications of the schema" in problem:
        check = "helm/values"
    return Finding(check, Severity.ERROR, problem, file=error.file, line=error.line)
