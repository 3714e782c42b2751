"""A Helm chart on disk: its name, what it depends on, and whether everything lies inside the repository. Called by `helm`."""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.adapters.rendering.request import LARGEST, Request, inside, read, relative, shown
from trimtab.documents.yaml import Document, read_yaml
from trimtab.errors import DocumentError, InputError

CHART = "Chart.yaml"
NEAR = "file://"
"""How a dependency is named that lies beside the chart."""
MOST = 20_000
"""Files of one chart."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """A chart that another one needs; `line` of its Chart.yaml."""

    name: str
    repository: str
    line: int


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart's folder, and what its Chart.yaml says."""

    folder: Path
    file: str
    name: str
    dependencies: tuple[Dependency, ...] = field(default=())

    def missing(self) -> tuple[Dependency, ...]:
        """The dependencies that are not below charts/."""
        return tuple(one for one in self.dependencies if not self._vendored(one.name))

    def _vendored(self, name: str) -> bool:
        place = self.folder / "charts"
        # A packed chart is NAME-VERSION.tgz.
        return (place / name / CHART).is_file() or any(path.name.removeprefix(f"{name}-")[:1].isdigit() for path in place.glob("*.tgz"))


def open_chart(root: Path, folder: Path, *, written: str, file: str = "", line: int = 0) -> Chart:
    """The chart in a folder. DocumentError where it is none, or where it reaches out of the repository by a link."""
    found = inside(root, folder, written=written, file=file, line=line)
    if not (found / CHART).is_file():
        raise DocumentError(f"{shown(written)} is no chart: there is no {CHART} in it", file=file, line=line)
    path = inside(root, found / CHART, written=f"{written}/{CHART}")
    name = relative(root, path)
    documents = read_yaml(read(root, path), name)
    value = documents[0].value if documents else None
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise DocumentError("a chart needs a name", file=name)
    for _ in files(root, found):
        pass
    return Chart(found, name, value["name"], tuple(_dependencies(documents[0], value)))


def files(root: Path, folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Every file of a chart, also through links. DocumentError for a link that leads out of the repository or round in a circle.

    InputError for more than any honest chart has.
    """
    count = 0
    for at, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted([*folders, *names]):
            path, count = Path(at) / name, count + 1
            linked = inside(root, path, written=relative(root, path), file=relative(root, path)) if path.is_symlink() else None
            if linked is not None and linked.is_dir():
                if linked in (folder, *folder.parents, *above):
                    raise DocumentError("a link that leads round in a circle", file=relative(root, path))
                yield from files(root, linked, (*above, folder))
            elif name in names:
                if count > MOST or path.stat().st_size > LARGEST:
                    raise InputError(f"{relative(root, folder)} has more than {MOST} files, or one beyond {LARGEST // 2**20} MiB: no chart")
                yield path


def read_by(root: Path, chart: Chart) -> Iterator[Path]:
    """Every file that a chart is rendered from, those of charts elsewhere in the repository too."""
    yield from files(root, chart.folder)
    for one in chart.missing():
        if one.repository.startswith(NEAR):
            yield from read_by(root, open_chart(root, chart.folder / one.repository.removeprefix(NEAR), written=one.repository))


def completed(request: Request, chart: Chart, to: Path, above: tuple[Path, ...] = ()) -> None:
    """Copies a chart to a folder, with those dependencies put into charts/ that lie elsewhere in the repository.

    DocumentError for a dependency that would have to be fetched, unless the network may be used; it is then left out.
    """
    if chart.folder in above:
        raise DocumentError("a chart that depends on itself", file=chart.file)
    shutil.copytree(chart.folder, to, symlinks=False)
    for one in chart.missing():
        if not one.repository.startswith(NEAR):
            if request.network:
                continue
            raise DocumentError(_unvendored(one, chart, request), file=chart.file, line=one.line)
        place = chart.folder / one.repository.removeprefix(NEAR)
        found = open_chart(request.root, place, written=one.repository, file=chart.file, line=one.line)
        completed(request, found, to / "charts" / one.name, (*above, chart.folder))


def _unvendored(one: Dependency, chart: Chart, request: Request) -> str:
    where = f" of {shown(one.repository)}" if one.repository else ""
    folder = relative(request.root, chart.folder)
    return (
        f"the dependency {shown(one.name)}{where} is not below charts/ and would be fetched from the network. Run "
        f"`helm dependency build {folder}` and commit what it puts there, or allow it with --network"
    )


def _dependencies(document: Document, value: Mapping[str, object]) -> Iterator[Dependency]:
    items = value.get("dependencies")
    for index, item in enumerate(items if isinstance(items, list) else []):
        if isinstance(item, dict) and isinstance(name := item.get("name"), str):
            if not name or "/" in name or name in (".", ".."):
                raise DocumentError(
                    f"{shown(name)} is no name of a chart", file=document.file, line=document.line_of(("dependencies", index))
                )
            repository = item.get("repository")
            yield Dependency(name, repository if isinstance(repository, str) else "", document.line_of(("dependencies", index)))
