"""What `trimtab check` is asked to look at: targets of trimtab.yaml, and folders, overlays, charts and files beside it or without one.

Called by `wiring.checking`. In a folder, kustomizations that are part of no other, charts, and manifests that belong to neither are found.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.adapters.rendering.kustomization import Tree, walk
from trimtab.adapters.rendering.request import LARGEST, Request, inside, relative
from trimtab.documents.kubernetes import KUSTOMIZATIONS, MANIFESTS
from trimtab.errors import InputError
from trimtab.wiring.pipeline import FILE, RELEASE, Project, repository_root

CHART = "Chart.yaml"


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing that renders. `app` are those that belong together; `origin` is the target that its content comes from."""

    name: str
    request: Request = field(repr=False)
    rendering: str = ""
    """As the folder looks, where it is empty."""
    files: tuple[str, ...] = ()
    """Of a plain folder: the files that count, by their paths from the root."""
    app: str = ""
    origin: str = ""
    place: tuple[str, int] = ("", 0)
    """Of a target: file and line in which it is named."""


def units(root: Path, project: Project | None, folder: Path, words: Sequence[str], values: Sequence[str]) -> list[Unit]:
    """Everything that words stand for, each once: all targets without any. InputError for a word that stands for nothing.

    `folder` is where paths are from, `root` is the repository's; both without links.
    """
    if not words and project is not None:
        return list(of_project(project, ""))
    found: dict[str, Unit] = {}
    for word in words or ["."]:
        targets = list(_named(project, word))
        if not targets and not (folder / word).exists():
            near = project.meant(word) if project is not None else ""
            raise InputError(f"{word} is neither a target of {FILE} nor a file or folder in {folder}{near}")
        for unit in targets or _of_path(root, folder, word, values):
            found.setdefault(unit.name, unit)
    return list(found.values())


def of_project(project: Project, word: str) -> Iterator[Unit]:
    """The targets that `APP`, `APP/TARGET`, or nothing at all stands for."""
    for app, target in project.chosen(word):
        name, space = f"{app.name}/{target.name}", target.namespace or app.namespace or ""
        place = project.written_at(app, target, "path")
        if app.chart is not None or app.rendering == "helm":
            release = target.release or f"{app.name}-{target.name}"
            request = Request(project.root, name, app.chart or "", target.name, space, release, target.values, target.set)
            yield Unit(name, request, "helm", app=app.name, origin=target.from_ or "", place=place)
        else:
            request = Request(project.root, name, target.path or "", target.name, space)
            yield Unit(name, request, app.rendering or "", app=app.name, origin=target.from_ or "", place=place)


def _named(project: Project | None, word: str) -> Iterator[Unit]:
    if project is None:
        return
    app, _, target = word.partition("/")
    known = {one.name: [each.name for each in one.targets] for one in project.document.spec.apps}
    if app in known and (not target or target in known[app]):
        yield from of_project(project, word)


def _of_path(root: Path, folder: Path, word: str, values: Sequence[str]) -> list[Unit]:
    path = Path(os.path.realpath(folder / word))
    if path != root and root not in path.parents:
        raise InputError(f"{word} lies outside of {root}. Go to a folder that holds all of it, or name that with --repo")
    if path.is_file():
        name = relative(root, path)
        return [Unit(name, Request(root, name, name), "plain", (name,), _name(root, path.parent))]
    found = list(_in_folder(root, path, [relative(root, (folder / name).resolve()) for name in values]))
    if not found:
        raise InputError(f"{word} holds no manifests, no kustomization and no chart")
    return found


def _in_folder(root: Path, start: Path, values: Sequence[str]) -> Iterator[Unit]:
    folders = list(_folders(start))
    charts = [folder for folder in folders if (folder / CHART).is_file()]
    for folder in charts:
        name = _name(root, folder)
        yield Unit(name, Request(root, name, name, release=RELEASE, values=tuple(values)), "helm", app=name)
    overlays = [folder for folder in folders if any((folder / name).is_file() for name in KUSTOMIZATIONS)]
    trees = {folder: _walked(root, folder) for folder in overlays}
    parts = {one.folder for folder, tree in trees.items() for one in (tree.kustomizations if tree else ()) if one.folder != folder}
    taken = {path for tree in trees.values() for path in (tree.files if tree else ())}
    for folder in overlays:
        if folder not in parts and not _component(trees[folder]):
            name = _name(root, folder)
            yield Unit(name, Request(root, name, name, folder.name), "kustomize", app=name)
    for folder in folders:
        files = tuple(relative(root, path) for path in sorted(folder.iterdir()) if path.resolve() not in taken and _manifest(path))
        if files and folder not in overlays:
            yield Unit(_name(root, folder), Request(root, _name(root, folder), _name(root, folder)), "plain", files, _name(root, start))


def _manifest(path: Path) -> bool:
    """Can a file hold objects? JSON has many uses and dialects, so it counts where it says that it does."""
    if not path.name.endswith(MANIFESTS) or path.name in (FILE, *KUSTOMIZATIONS) or not path.is_file():
        return False
    return path.suffix != ".json" or (path.stat().st_size <= LARGEST and b'"apiVersion"' in path.read_bytes())


def _folders(start: Path) -> Iterator[Path]:
    """A folder and those below it, in order, without those of tools and without what is inside of charts."""
    for at, folders, _ in os.walk(start):
        folder = Path(at)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "node_modules")
        if (folder / CHART).is_file():
            folders.clear()
        yield folder


def _walked(root: Path, folder: Path) -> Tree | None:
    """None for a kustomization that cannot be followed, which rendering it tells."""
    try:
        return walk(Request(root, "", _name(root, folder), network=True))
    except InputError:
        return None


def _component(tree: Tree | None) -> bool:
    return tree is not None and tree.kustomizations[0].value.get("kind") == "Component"


def _name(root: Path, folder: Path) -> str:
    return relative(root, folder) if folder != root else "."


def place(folder: Path) -> tuple[Path, Path]:
    """The repository's root and the folder itself, both without links; without a repository the folder is its own root."""
    here = inside(folder.resolve(), folder.resolve(), written=str(folder))
    return repository_root(here) or here, here
