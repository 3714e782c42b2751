"""The files that a target is rendered from, found without rendering it. Called by `wiring` for `check`, which remembers what it found.

Everything counts that could change what is rendered: bases, components, generators' files, charts beside a chart, values.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.adapters.rendering.chart import open_chart, read_by
from trimtab.adapters.rendering.kustomization import PLUGINS, Tree, walk
from trimtab.adapters.rendering.plain import below
from trimtab.adapters.rendering.request import Request, inside, relative
from trimtab.documents.kubernetes import KUSTOMIZATIONS


@dataclass(frozen=True, slots=True)
class Inputs:
    """Files and folders, by their paths from the repository's root."""

    files: tuple[str, ...]
    folders: tuple[str, ...]
    """Folders in which a file that comes or goes makes a difference."""
    names: tuple[str, ...] = ()
    """Which names make one there, and only in the folder itself; without any every name does, in folders below, too."""
    tree: Tree | None = field(default=None, repr=False, compare=False)
    """Of a kustomization: all that it reads, so that rendering need not look again."""


def inputs(request: Request, rendering: str, files: Sequence[str] = ()) -> Inputs | None:
    """What a target is rendered from; None where that cannot be told: plugins read what they like. DocumentError as rendering does.

    `files` are those of a plain folder of which not all count.
    """
    root = request.root
    if rendering == "helm":
        chart = open_chart(root, root / request.path, written=request.path)
        values = [inside(root, root / name, written=name) for name in request.values]
        found = [*read_by(root, chart), *values]
        folders = {path.parent for path in found if path.name == "Chart.yaml"}
        return Inputs(_names(root, found), _names(root, list(folders)))
    if rendering == "kustomize":
        tree = walk(request)
        if tree.remote or any(name in one.value for one in tree.kustomizations for name in PLUGINS):
            return None
        return Inputs(_names(root, list(tree.files)), _names(root, [one.folder for one in tree.kustomizations]), KUSTOMIZATIONS, tree)
    if files:
        return Inputs(tuple(files), ())
    return Inputs(_names(root, below(request)), (request.path,))


def _names(root: Path, paths: Sequence[Path]) -> tuple[str, ...]:
    return tuple(sorted({relative(root, path) for path in paths}))
