"""Are the Argo CD Applications that targets name in the repository, and do they bring these targets? Called by `wiring.checking`.

Argo CD passes over fields that it does not know, and a wrong name is noticed by `monitor` only. Applications may live elsewhere, so where
there are none nothing is said.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab.adapters.argocd.application import Wanted, application, source_of
from trimtab.adapters.rendering.objects import manifests
from trimtab.adapters.rendering.parts import of_file
from trimtab.adapters.rendering.request import LARGEST, inside, relative
from trimtab.config.references import items, mapping
from trimtab.documents.fitting import did_you_mean, dotted, meant
from trimtab.documents.kubernetes import KUSTOMIZATIONS
from trimtab.documents.nodes import Path as Steps
from trimtab.documents.pipeline import App, Target
from trimtab.documents.yaml import Document
from trimtab.errors import DocumentError, InputError, Unavailable
from trimtab.inspection.catalogue import severity_of
from trimtab.model.content import Finding, Severity
from trimtab.wiring.check_apps import trouble
from trimtab.wiring.pipeline import Project

CHECK, GROUP, KIND = "document/argocd", "argoproj.io/", "Application"
SOURCE = ("repoURL", "path", "targetRevision", "helm", "kustomize", "directory", "plugin", "chart", "ref", "name")
FIELDS: Mapping[Steps, Sequence[str]] = {
    (): ("apiVersion", "kind", "metadata", "spec", "operation", "status"),
    ("spec",): (
        "source", "sources", "destination", "project", "syncPolicy", "ignoreDifferences", "info", "revisionHistoryLimit", "sourceHydrator",
    ),
    ("spec", "source"): SOURCE,
    ("spec", "destination"): ("server", "namespace", "name"),
    ("spec", "syncPolicy"): ("automated", "syncOptions", "retry", "managedNamespaceMetadata"),
    ("spec", "syncPolicy", "automated"): ("prune", "selfHeal", "allowEmpty", "enabled"),
    ("spec", "syncPolicy", "retry"): ("limit", "backoff", "refresh"),
}  # fmt: skip
"""Fields of an Application (Argo CD's operator manual). What is not nearly one of these may be newer than this list."""
KNOWN = frozenset({KIND, "ApplicationSet", "AppProject"})


@dataclass(frozen=True, slots=True)
class Found:
    """An object of Argo CD's as it is written. One beside a kustomization may be changed by it."""

    document: Document
    kind: str
    name: str
    patched: bool

    @property
    def tree(self) -> Mapping[str, object]:
        """Its fields."""
        return mapping(self.document.value)

    def at(self, path: Steps, problem: str, severity: Severity) -> Finding:
        """A finding about one of its fields."""
        text, line = f"{dotted(path)}: {problem}" if path else problem, self.document.line_of(path)
        return Finding(CHECK, severity, text, f"{self.kind.lower()}/{self.name}", file=self.document.file, line=line)


def applications(project: Project | None) -> Iterator[Finding]:
    """What is wrong with the Applications of the targets."""
    whose = [(app, target) for app in project.document.spec.apps for target in app.targets if target.argocd is not None] if project else []
    if project is None or not whose:
        return
    there = list[Found]()
    for file in _files(project.root):
        try:
            there += _objects(project.root, file)
        except DocumentError as error:
            yield trouble(project.root, error, "yaml/parses")
    named = {target.argocd.application for _, target in whose if target.argocd is not None}
    for one in there:
        if one.kind == KIND:
            yield from _misspelt(one)
        elif one.kind not in KNOWN and (near := meant(one.kind, [KIND])):
            yield one.at(("kind",), f"there is no kind {one.kind}; did you mean {near}?", Severity.ERROR)
    for app, target in whose:
        yield from _target(project, (app, target), there, named)


def _target(project: Project, whose: tuple[App, Target], there: Sequence[Found], named: set[str]) -> Iterator[Finding]:
    app, target = whose
    assert target.argocd is not None
    wanted = target.argocd.application
    ours = [one for one in there if one.kind == KIND and one.name == wanted]
    if not ours and any(one.kind == KIND for one in there) and not any(one.kind == "ApplicationSet" for one in there):
        near = meant(wanted, {one.name for one in there if one.kind == KIND} - named)
        problem = f"there are Applications in this repository, but none is {wanted}, which {app.name}/{target.name} is brought by"
        fix = did_you_mean(near) or "Write it beside the others, or see to it that the cluster has it."
        file, line = project.written_at(app, target, "argocd", "application")
        yield Finding(CHECK, severity_of(CHECK), problem, file=file, line=line, fix=fix)
    path = app.chart if app.chart is not None else target.path or ""
    about = Wanted(target.argocd.namespace, wanted, "", project.document.spec.branch, path=path)
    wrong = [problem for one in ours if not one.patched for problem in [_amiss(one, about)]]
    if wrong and all(wrong):
        yield wrong[0][0]


def _amiss(one: Found, wanted: Wanted) -> list[Finding]:
    """Why an Application cannot bring a target, at its source; nothing where it can."""
    try:
        source_of(application(one.tree, wanted), wanted)
    except (InputError, Unavailable) as error:
        several = "sources" in mapping(one.tree.get("spec"))
        return [one.at(("spec", "sources") if several else ("spec", "source", "path"), str(error), Severity.ERROR)]
    return []


def _misspelt(one: Found) -> Iterator[Finding]:
    """Fields that Argo CD passes over, and that are nearly one that it knows."""
    sources = items(mapping(one.tree.get("spec")).get("sources"))
    allowed = dict(FIELDS) | {("spec", "sources", index): SOURCE for index in range(len(sources))}
    for path, names in allowed.items():
        value: object = one.document.value
        for step in path:
            value = value[step] if isinstance(value, list) and isinstance(step, int) else mapping(value).get(str(step))
        for field in mapping(value):
            if field not in names and (near := meant(field, names)):
                yield one.at((*path, field), f"there is no such field; did you mean {near}?", Severity.ERROR)


def _objects(root: Path, file: Path) -> Iterator[Found]:
    patched = any((file.parent / name).is_file() for name in KUSTOMIZATIONS)
    for document, kind, name in manifests(of_file(root, inside(root, file, written=relative(root, file)))):
        if str(mapping(document.value).get("apiVersion")).startswith(GROUP):
            yield Found(document, kind, name, patched)


def _files(root: Path) -> Iterator[Path]:
    """Files that hold something of Argo CD's, without those of tools, and without templates."""
    for at, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in ("node_modules", "templates"))
        for path in (Path(at) / name for name in sorted(names) if name.endswith((".yaml", ".yml"))):
            if path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST:
                text = path.read_bytes()
                if GROUP.encode() in text and b"{{" not in text:
                    yield path
