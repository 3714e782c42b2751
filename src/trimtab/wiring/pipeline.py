"""`trimtab.yaml` and what it leads to: apps, targets, their policies, and what they render to. Called by the faces of pipelines.

Works on the work tree, or on one commit, whose files are then written into a temporary folder. Paths that leave the repository are
refused, by links too.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar

from trimtab.adapters.git.clone import Clone
from trimtab.adapters.git.export import export
from trimtab.adapters.git.location import Local, locate
from trimtab.adapters.git.process import Git
from trimtab.adapters.rendering import helm, kustomize, plain
from trimtab.adapters.rendering.kustomization import Tree
from trimtab.adapters.rendering.request import DEADLINE, Rendering, Request, inside, read, relative
from trimtab.adapters.rendering.tool import Tools
from trimtab.config.consumers import uses
from trimtab.documents.decode import Decoded, read_documents
from trimtab.documents.fitting import meant, nearest
from trimtab.documents.flagger import MetricTemplate
from trimtab.documents.kubernetes import KUSTOMIZATIONS
from trimtab.documents.pipeline import App, Pipeline, Target
from trimtab.documents.trimtab import RolloutPolicy
from trimtab.documents.yaml import Document
from trimtab.errors import DocumentError, InputError
from trimtab.model.rendered import Rendered

T = TypeVar("T")
Written = TypeVar("Written", RolloutPolicy, MetricTemplate)
FILE = "trimtab.yaml"


RELEASE = "release"
"""The name of the release of a chart that no trimtab.yaml names."""


@dataclass(frozen=True, slots=True)
class Project:
    """A repository with a `trimtab.yaml`."""

    root: Path
    """The repository's root, or the temporary folder with the files of a commit; without links in it."""
    file: str
    """The path of `trimtab.yaml` from the root."""
    document: Pipeline
    written: Document = field(repr=False)
    policies: Mapping[str, RolloutPolicy] = field(default_factory=dict)
    """By the path that targets name them with."""
    metrics: Mapping[str, MetricTemplate] = field(default_factory=dict)
    commit: str = ""
    """Empty for the work tree."""

    @property
    def place(self) -> str:
        """Where this is, for the first line that a command says."""
        return f"{self.file} at commit {self.commit[:10]}" if self.commit else str(self.root / self.file)

    def app(self, name: str) -> App:
        """An app by its name. InputError that names the nearest where there is none."""
        apps = {app.name: app for app in self.document.spec.apps}
        if name not in apps:
            raise InputError(f"{self.place} has no app {name!r}; {nearest(name, apps)}")
        return apps[name]

    def target(self, app: str, name: str) -> Target:
        """A target of an app. InputError that names the nearest where there is none."""
        targets = {target.name: target for target in self.app(app).targets}
        if name not in targets:
            raise InputError(f"app {app} in {self.place} has no target {name!r}; {nearest(name, targets)}")
        return targets[name]

    def meant(self, wanted: str) -> str:
        """The app or target that was probably meant by a word that names none, as the end of a sentence; else empty."""
        names = [name for app in self.document.spec.apps for name in (app.name, *(f"{app.name}/{one.name}" for one in app.targets))]
        near = meant(wanted, names)
        return f"; did you mean {near}?" if near else ""

    def written_at(self, app: App, target: Target, *field: str | int) -> tuple[str, int]:
        """File and line of a field of a target."""
        index = self.document.spec.apps.index(app)
        return self.file, self.written.line_of(("spec", "apps", index, "targets", app.targets.index(target), *field))

    def chosen(self, wanted: str) -> tuple[tuple[App, Target], ...]:
        """What `APP`, `APP/TARGET`, or nothing at all stands for: pairs in the order of the file."""
        app, _, target = wanted.partition("/")
        if target:
            return ((self.app(app), self.target(app, target)),)
        apps = (self.app(app),) if app else self.document.spec.apps
        return tuple((one, each) for one in apps for each in one.targets)


@dataclass(frozen=True, slots=True)
class Rules:
    """How rendering is done: may something be fetched, how long may a tool take (seconds), where programs are looked for."""

    network: bool = False
    deadline: float = DEADLINE
    tools: Tools = field(default_factory=lambda: Tools(os.environ.get("PATH", os.defpath), os.environ))


def repository_root(start: Path) -> Path | None:
    """The nearest folder above that is a git work tree."""
    here = start.resolve()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), None)


def find(start: Path) -> Path | None:
    """The nearest `trimtab.yaml` in a folder or above it, up to the repository's root; None where there is none."""
    here = start.resolve()
    root = repository_root(here)
    for folder in (here, *here.parents) if root is not None else (here,):
        if (folder / FILE).is_file():
            return folder / FILE
        if folder == root:
            break
    return None


def load(start: Path, told: list[DocumentError] | None = None) -> Project:
    """The project around a folder, as the work tree has it. InputError where there is none, DocumentError for what is wrong with it.

    What is wrong with policies and metric templates that it names is added to `told`, where somebody goes on without them.
    """
    found = find(start)
    if found is None:
        raise InputError(f"there is no {FILE} in {start.resolve()} or above it. `trimtab init` writes one")
    root = repository_root(found.parent) or found.parent
    return _read(root, relative(root, found), told)


@asynccontextmanager
async def load_at(start: Path, name: str) -> AsyncIterator[Project]:
    """The project around a folder as a commit has it, named in any way that git understands; its files are there inside the block."""
    async with exported(start, name) as (root, commit, below):
        yield project_in(root, commit, below)


def project_in(root: Path, commit: str, below: str) -> Project:
    """The project of a commit whose files are in a folder: that of the folder `below` in it, or above that. InputError for none."""
    file = written_in(root, below)
    if file is None:
        raise InputError(f"commit {commit[:10]} has no {FILE} in {below or 'its root'} or above it")
    return replace(_read(root, file.as_posix()), commit=commit)


def written_in(root: Path, below: str) -> PurePosixPath | None:
    """The `trimtab.yaml` of a folder of an exported commit, or above that, by its path from the root; None where there is none."""
    here = PurePosixPath(below)
    return next((folder / FILE for folder in (here, *here.parents) if (root / folder / FILE).is_file()), None)


@asynccontextmanager
async def exported(start: Path, name: str) -> AsyncIterator[tuple[Path, str, str]]:
    """The files of a commit in a temporary folder, its id, and where `start` lies in the repository. InputError for no such commit."""
    location, clone = await repository_with(start, name)
    commit = await clone.commit(name)
    if commit is None:
        raise InputError(f"{location} has no commit {name!r}")
    async with files_of(clone, commit) as root:
        yield root, commit, location.path


async def repository_with(start: Path, name: str) -> tuple[Local, Clone]:
    """The repository around a folder, in which a commit is looked for. InputError where there is none."""
    location = await locate(str(start), "", Git())
    if not isinstance(location, Local):
        raise InputError(f"{start} is not in a git repository, so there is no commit {name!r}")
    return location, Clone(location.own, Git())


@asynccontextmanager
async def files_of(clone: Clone, commit: str) -> AsyncIterator[Path]:
    """The files of a commit in a temporary folder, until the block is left."""
    with tempfile.TemporaryDirectory(prefix="trimtab-") as folder:
        root = await asyncio.to_thread(Path(folder).resolve)
        await export(clone, commit, root)
        yield root


async def rendered(project: Project, app: App, target: Target, rules: Rules | None = None) -> Rendered:
    """What a target renders to. InputError, with file and line where they can be had, for files that do not render.

    Unavailable where a tool does not end. The app and target need not come from the project itself: `promote` renders a draft's
    files by the rules of the protected branch.
    """
    if app.chart is not None or app.rendering == "helm":
        request = Request(
            project.root, f"{app.name}/{target.name}", app.chart or "", target.name, target.namespace or app.namespace or "",
            target.release or f"{app.name}-{target.name}", target.values, target.set,
        )  # fmt: skip
        return await render(request, "helm", rules, project.commit)
    namespace = target.namespace or app.namespace or ""
    request = Request(project.root, f"{app.name}/{target.name}", target.path or "", target.name, namespace)
    return await render(request, app.rendering or "", rules, project.commit)


async def rendered_all(project: Project, chosen: Sequence[tuple[App, Target]], rules: Rules | None = None) -> tuple[Rendered, ...]:
    """What several targets render to, in their order; as many tools run at once as there are processors. Errors as `rendered`."""
    return await beside([partial(rendered, project, app, target, rules) for app, target in chosen])


async def beside(works: Sequence[Callable[[], Awaitable[T]]]) -> tuple[T, ...]:
    """What each comes to, in their order; as many are done at once as there are processors. The first error ends them all."""
    free = asyncio.Semaphore(os.cpu_count() or 1)

    async def one(work: Callable[[], Awaitable[T]]) -> T:
        async with free:
            return await work()

    try:
        async with asyncio.TaskGroup() as tasks:
            found = [tasks.create_task(one(work)) for work in works]
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return tuple(task.result() for task in found)


async def render(request: Request, rendering: str, rules: Rules | None = None, commit: str = "", walked: Tree | None = None) -> Rendered:
    """What a folder or chart renders to, whether or not a `trimtab.yaml` names it. Empty `rendering`: as the folder looks.

    `walked` is what is known of a kustomization already.
    """
    rules = rules or Rules()
    request = replace(request, network=rules.network, deadline=rules.deadline)
    rendering = rendering or kind_of(request)
    match rendering:
        case "helm":
            made: Rendering = await helm.render(request, rules.tools)
        case "kustomize":
            made = await kustomize.render(request, rules.tools, walked)
        case _:
            made = await asyncio.to_thread(plain.render, request)
    objects, inputs = tuple(made.objects), tuple(sorted(made.inputs))
    return Rendered(request.label, rendering, made.tool, commit, objects, uses(objects), inputs, tuple(made.warnings))


def kind_of(request: Request) -> str:
    """How a folder is rendered: by Helm if it is a chart, by Kustomize if it has a kustomization, else as it is."""
    folder = inside(request.root, request.root / request.path, written=request.path)
    if (folder / "Chart.yaml").is_file():
        return "helm"
    return "kustomize" if any((folder / name).is_file() for name in KUSTOMIZATIONS) else "plain"


def _read(root: Path, file: str, told: list[DocumentError] | None = None) -> Project:
    path = inside(root, root / file, written=file)
    found = [part for part in read_documents(read(root, path), file) if part.value is not None]
    pipelines = [part for part in found if isinstance(part.value, Pipeline)]
    if len(pipelines) != 1 or len(found) != 1:
        raise DocumentError(f"expected one document of kind Pipeline, found {', '.join(part.kind for part in found) or 'none'}", file=file)
    document, written = pipelines[0].value, pipelines[0].document
    assert isinstance(document, Pipeline)
    policies, metrics = dict[str, RolloutPolicy](), dict[str, MetricTemplate]()
    for index, app in enumerate(document.spec.apps):
        for number, target in enumerate(app.targets):
            where = ("spec", "apps", index, "targets", number)
            if target.policy is not None:
                line = written.line_of((*where, "policy"))
                with _noted(told):
                    policies[target.policy] = _only(_named(root, file, line, target.policy), RolloutPolicy, target.policy)
            for at, name in enumerate(target.metrics):
                line = written.line_of((*where, "metrics", at))
                with _noted(told):
                    metrics[name] = _only(_named(root, file, line, name), MetricTemplate, name)
    return Project(root, file, document, written, policies, metrics)


@contextmanager
def _noted(told: list[DocumentError] | None) -> Iterator[None]:
    """Adds what is wrong to a list, if there is one."""
    try:
        yield
    except DocumentError as error:
        if told is None:
            raise
        told.append(error)


def _named(root: Path, file: str, line: int, name: str) -> list[Decoded]:
    path = inside(root, root / name, written=name, file=file, line=line)
    if path.is_dir():
        raise DocumentError(f"{name} is a folder; name the file", file=file, line=line)
    return read_documents(read(root, path), name)


def _only(found: list[Decoded], kind: type[Written], file: str) -> Written:
    values = [part.value for part in found if isinstance(part.value, kind)]
    if len(values) != 1:
        raise DocumentError(
            f"expected one {kind.__name__}, found {', '.join(part.kind or 'none' for part in found) or 'nothing'}", file=file
        )
    return values[0]
