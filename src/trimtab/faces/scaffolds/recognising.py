"""What a repository has already: Kustomize overlays in pairs, Helm charts. Called by `faces.cli.init`; reads the work tree only.

A file that cannot be read is left out: `trimtab check` says what is wrong with it.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from trimtab.documents.kubernetes import KUSTOMIZATIONS, MANIFESTS
from trimtab.documents.yaml import read_yaml
from trimtab.errors import DocumentError
from trimtab.faces.scaffolds.layout import Copy, Layout, chart_files

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
SKIPPED = ("node_modules", "vendor", "charts", "templates")
"""Folders that hold other people's files, or no whole documents."""
SHARED = "shared"
DEEPEST = 6
LARGEST = 1 << 20
"""Bytes of a file that is looked at."""
FOLLOWED = ("stable", "primary", "production", "prod")
"""What people call the copy that everybody gets, the first one that is there."""


def overlays(root: Path) -> tuple[Layout, ...]:
    """Pairs of overlays: `canary` beside `stable`, `production-canary` beside `production-stable` or `production`."""
    folders = [folder for folder in _folders(root) if _kustomization(folder) is not None]
    names = {folder.relative_to(root).as_posix() for folder in folders}
    found = []
    for folder in folders:
        stable = next((other for other in _counterparts(folder.name) if _beside(folder, other, root) in names), None)
        if stable is not None:
            found.append(_pair(root, folder, folder.with_name(stable)))
    return tuple(found)


def charts(root: Path) -> tuple[Layout, ...]:
    """Charts with values files for a canary and for the copy that everybody gets: `values-canary.yaml` beside `values-production.yaml`."""
    found = []
    for folder, app, values in _charts(root):
        stable = next((values[name] for name in FOLLOWED if name in values), None)
        if "canary" in values and stable:
            chart = folder.relative_to(root).as_posix()
            first, second = (path.relative_to(root).as_posix() for path in (stable, values["canary"]))
            name = stable.stem.removeprefix("values-")
            copies = Copy("canary", second, (first, second), f"{app}-canary"), Copy(name, first, (first,), app)
            found.append(Layout(app, "", *copies, chart_files(chart), chart=chart, there=True))
    return tuple(found)


def incomplete(root: Path) -> tuple[str, ...]:
    """Charts that lack one of the two values files or both, each with what it lacks."""
    found = []
    for folder, _, values in _charts(root):
        stable = next((name for name in FOLLOWED if name in values), "")
        lacking = [
            f"values-{name}.yaml" for name, there in (("canary", "canary" in values), (stable or "production", bool(stable))) if not there
        ]
        if lacking:
            found.append(f"{folder.relative_to(root).as_posix()} lacks {' and '.join(lacking)}")
    return tuple(found)


def _charts(root: Path) -> Iterator[tuple[Path, str, dict[str, Path]]]:
    """Folder, name and values files of each chart that can be installed."""
    for folder in _folders(root):
        about = _read(folder / "Chart.yaml")
        if about and isinstance(name := about[0].get("name"), str) and about[0].get("type") != "library":
            yield folder, name, {path.stem.removeprefix("values-"): path for path in sorted(folder.glob("values-*.y*ml"))}


def _pair(root: Path, canary: Path, stable: Path) -> Layout:
    objects = [one for folder in (canary, stable) for one in _objects(root, folder)]
    names = [name for one in objects if one.get("kind") in WORKLOADS and isinstance(name := _about(one).get("name"), str)]
    spaces = [space for folder in (canary, stable) if isinstance(space := (_kustomization(folder) or {}).get("namespace"), str)]
    spaces += [space for one in objects if one.get("kind") in WORKLOADS and isinstance(space := _about(one).get("namespace"), str)]
    above = canary.parent.parent if canary.parent.name == "overlays" else canary.parent
    common = sorted({path for folder in (canary, stable) for path in _reaches(root, folder)} - {str(canary), str(stable)})
    return Layout(
        names[0] if names else above.name, spaces[0] if spaces else "",
        Copy("canary", canary.relative_to(root).as_posix()), Copy("stable", stable.relative_to(root).as_posix()),
        tuple(Path(path).relative_to(root).as_posix() for path in common), _shared(root, above), there=True,
    )  # fmt: skip


def _shared(root: Path, above: Path) -> str:
    """The folder beside the overlays with what belongs to neither; empty where there is none."""
    return (above / SHARED).relative_to(root).as_posix() if _kustomization(above / SHARED) is not None else ""


def _counterparts(name: str) -> tuple[str, ...]:
    if name == "canary":
        return FOLLOWED
    if not name.endswith("-canary"):
        return ()
    before = name.removesuffix("-canary")
    return (*(f"{before}-{other}" for other in FOLLOWED), before)


def _beside(folder: Path, name: str, root: Path) -> str:
    return folder.with_name(name).relative_to(root).as_posix()


def _folders(root: Path) -> Iterator[Path]:
    for here, below, _ in os.walk(root):
        folder = Path(here)
        deep = len(folder.relative_to(root).parts)
        below[:] = sorted(name for name in below if not name.startswith(".") and name not in SKIPPED[:2] and deep < DEEPEST)
        if folder.name not in SKIPPED[2:] or not (folder.parent / "Chart.yaml").is_file():
            yield folder


def _kustomization(folder: Path) -> Mapping[str, object] | None:
    found = next((folder / name for name in KUSTOMIZATIONS if (folder / name).is_file()), None)
    return next(iter(_read(found)), None) if found is not None else None


def _reaches(root: Path, folder: Path) -> Iterator[str]:
    """The folders that an overlay reads, itself among them."""
    seen, waiting = set[Path](), [folder]
    while waiting:
        here = waiting.pop()
        if here in seen or not here.is_relative_to(root):
            continue
        seen.add(here)
        yield str(here)
        about = _kustomization(here) or {}
        named = [name for field in ("resources", "components", "bases") for name in _texts(about.get(field))]
        waiting += [path for name in named if (path := Path(os.path.normpath(here / name))).is_dir()]


def _objects(root: Path, folder: Path) -> Iterator[Mapping[str, object]]:
    for here in _reaches(root, folder):
        for path in sorted(Path(here).iterdir()):
            if path.suffix in MANIFESTS and path.name not in KUSTOMIZATIONS:
                yield from _read(path)


def _about(one: Mapping[str, object]) -> Mapping[str, object]:
    found = one.get("metadata")
    return found if isinstance(found, dict) else {}


def _texts(found: object) -> list[str]:
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _read(path: Path) -> list[Mapping[str, object]]:
    """The documents of a file; none where it cannot be read."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return []
        return [one.value for one in read_yaml(path.read_text(encoding="utf-8"), path.name) if isinstance(one.value, dict)]
    except (OSError, UnicodeDecodeError, DocumentError):
        return []
