"""What people name on both sides of `trimtab diff`, rendered: targets, folders, values files, commits. Called by the faces.

A side is `APP/TARGET`, a folder, or values files of a chart, each also as `NAME@REVISION`; or a revision, or the work tree, with all the
targets that its trimtab.yaml names. Of a change by strangers both sides are rendered by the trimtab.yaml of the first.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from trimtab.adapters.git.clone import Clone
from trimtab.adapters.git.location import Local, locate
from trimtab.adapters.git.process import Git
from trimtab.adapters.rendering.lines import WrittenLines
from trimtab.adapters.rendering.request import Request
from trimtab.config.comparison import indices
from trimtab.config.design import Design, marked
from trimtab.config.digest import DigestKey
from trimtab.config.renderings import Comparison, Differing, compared
from trimtab.documents.pipeline import App, Target
from trimtab.errors import InputError
from trimtab.model.rendered import Rendered
from trimtab.wiring.check_base import nothing_fetched
from trimtab.wiring.pipeline import (
    FILE,
    RELEASE,
    Project,
    Rules,
    exported,
    find,
    load,
    load_at,
    project_in,
    render,
    rendered,
    rendered_all,
    repository_root,
    written_in,
)  # fmt: skip

WORK_TREE = "the work tree"
STRANGERS = (
    f"this is the pipeline of a pull request from a fork, whose own {FILE} does not count. Name a commit of the base that has one first: "
    "trimtab diff origin/BRANCH HEAD"
)


@dataclass(frozen=True, slots=True)
class Side:
    """One side: its name for people, and what it renders to. With `several` the targets of both sides are matched by their names."""

    name: str
    rendered: tuple[Rendered, ...] = field(repr=False)
    root: Path
    """Where the files are."""
    several: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """Where to look, and how sides are meant."""

    folder: Path
    chart: str = ""
    """Sides are values files of this chart, several separated by commas."""
    values: tuple[str, ...] = ()
    """Values files that charts get in any case, before those of a side."""
    rules: Rules = field(default_factory=Rules)
    untrusted: bool = False
    """Is the change one by strangers? Then its own trimtab.yaml does not count, and nothing is fetched."""


class Sides:
    """Finds and renders sides. What commits hold stays there until the stack is closed."""

    def __init__(self, asked: Asked, stack: AsyncExitStack) -> None:
        self._asked, self._stack = asked, stack
        self.project = load(asked.folder) if find(asked.folder) is not None else None
        self._projects: dict[str, Project | None] = {}
        self._law: Project | None = None
        self._roots: dict[str, Path] = {}

    async def of(self, word: str) -> Side | None:
        """What a word names; None where it is neither a target, nor there on disk, nor a commit of a repository with a trimtab.yaml."""
        name, _, revision = word.rpartition("@")
        if name and revision and (found := await self._named(name, revision)) is not None:
            return found
        if (found := await self._named(word, "")) is not None:
            return found
        there = self.project is not None or self._asked.untrusted
        return await self._all(word) if there and await self._commit(word) else None

    async def work_tree(self) -> Side:
        """Every target as it is on disk. InputError without a trimtab.yaml."""
        project = await self._project("")
        return Side(WORK_TREE, await self._targets(project), project.root, several=True)

    async def _named(self, name: str, revision: str) -> Side | None:
        """A target, a folder or values files. A branch goes before a folder of the same name, unless that is written with a slash."""
        if self._asked.chart:
            return await self._files(name, revision)
        if (chosen := _target(self.project, name)) is not None:
            project = await self._project(revision)
            app, target = project.app(chosen[0]), project.target(*chosen)
            return _single(
                word_of(f"{app.name}/{target.name}", revision), await rendered(project, app, target, self._asked.rules), project.root
            )
        here = self._asked.folder / name
        if not here.exists() or (not revision and "/" not in name and await self._commit(name)):
            return None
        return _single(word_of(name, revision), *await self._folder(name, revision))

    async def _files(self, name: str, revision: str) -> Side | None:
        names = [part for part in name.split(",") if part]
        if not revision and not all((self._asked.folder / part).is_file() for part in names):
            return None
        where, root = await self._place(self._asked.chart, revision)
        values = [await self._place(part, revision) for part in (*self._asked.values, *names)]
        request = Request(root, word_of(name, revision), where, release=RELEASE, values=tuple(path for path, _ in values))
        return _single(word_of(name, revision), await render(request, "helm", self._asked.rules, revision), root)

    async def _folder(self, name: str, revision: str) -> tuple[Rendered, Path]:
        where, root = await self._place(name, revision)
        values = [await self._place(part, revision) for part in self._asked.values]
        request = Request(root, name, where, Path(name).name, release=RELEASE, values=tuple(path for path, _ in values))
        return await render(request, "", self._asked.rules, revision), root

    async def _place(self, name: str, revision: str) -> tuple[str, Path]:
        """A path from the root of the repository, and the root. Without a repository that is the folder where it is looked."""
        folder = self._asked.folder.resolve()
        base, path = repository_root(folder) or folder, (folder / name).absolute()
        path = path if base in (path, *path.parents) else path.resolve()
        if base not in (path, *path.parents):
            raise InputError(f"{name} lies outside of {base}. Go to a folder that holds all of it, or name that with --repo")
        if revision not in self._roots:
            self._roots[revision] = (await self._stack.enter_async_context(exported(base, revision)))[0] if revision else base
        return path.relative_to(base).as_posix(), self._roots[revision]

    async def _all(self, revision: str) -> Side:
        """All targets of a revision; none where that has no trimtab.yaml yet, so that all of the other side are new."""
        project = await self._at(revision)
        if project is None:
            return Side(f"{revision}, which has no {FILE}", (), Path(), several=True)
        return Side(revision, await self._targets(project), project.root, several=True)

    async def _targets(self, project: Project) -> tuple[Rendered, ...]:
        return await rendered_all(project, project.chosen(""), self._asked.rules)

    async def _project(self, revision: str) -> Project:
        project = await self._at(revision)
        if project is None:
            raise InputError(f"{revision} has no {FILE}")
        return project

    async def _at(self, revision: str) -> Project | None:
        """The project of a revision, or of the work tree; None for a revision without a trimtab.yaml."""
        if revision not in self._projects:
            folder = self._asked.folder
            if revision:
                root, commit, below = await self._stack.enter_async_context(exported(folder, revision))
                own = project_in(root, commit, below) if written_in(root, below) is not None else None
            else:
                root, commit, own = repository_root(folder) or folder.resolve(), "", None if self._asked.untrusted else load(folder)
            self._projects[revision] = self._lawful(own, root, commit) if self._asked.untrusted else own
        return self._projects[revision]

    def _lawful(self, own: Project | None, root: Path, commit: str) -> Project:
        """The first side's project, for files in another place. InputError where the first side has none, or is not a commit."""
        if self._law is None:
            if own is None or self._projects:
                raise InputError(STRANGERS)
            self._law = own
        return replace(self._law, root=root, commit=commit)

    async def _commit(self, name: str) -> bool:
        location = await locate(str(self._asked.folder), "", Git())
        return isinstance(location, Local) and await Clone(location.own, Git()).commit(name) is not None


async def comparisons(before: str, after: str, asked: Asked, secret: DigestKey | None) -> tuple[str, str, tuple[Comparison, ...]] | None:
    """The names of both sides and what differs, target by target; None where a word is none of what is named above.

    Without `after`, the work tree: all of it, or the same target or folder. InputError where the two sides cannot be compared.
    """
    nothing_fetched(untrusted=asked.untrusted, network=asked.rules.network)
    async with AsyncExitStack() as stack:
        sides = Sides(asked, stack)
        one = await sides.of(before)
        if one is None:
            _no_such_target(sides.project, before)
            return None
        other = await sides.of(after or _here(before, one)) if after or not one.several else await sides.work_tree()
        if other is None and not one.several:
            _no_such_target(sides.project, after)
            raise InputError(f"{after} is neither a target of trimtab.yaml, nor a folder, nor a commit{_meant(sides.project, after)}")
        if other is None:
            return None
        if not (one.rendered or other.rendered):
            raise InputError(f"there is nothing to compare in {one.name}, and in {other.name}")
        return one.name, other.name, tuple(_pairs(one, other, secret, sides.project))


@asynccontextmanager
async def targets(name: str, revision: str, asked: Asked) -> AsyncIterator[tuple[Project, Sequence[tuple[App, Target]]]]:
    """The targets that `APP`, `APP/TARGET` or nothing at all stands for, in the work tree or at a revision."""
    nothing_fetched(untrusted=asked.untrusted, network=asked.rules.network)
    async with AsyncExitStack() as stack:
        project = await stack.enter_async_context(load_at(asked.folder, revision)) if revision else load(asked.folder)
        yield project, project.chosen(name)


def word_of(name: str, revision: str) -> str:
    """A side as people write it."""
    return f"{name}@{revision}" if revision else name


def _here(word: str, side: Side) -> str:
    name, found, _ = word.rpartition("@")
    if not found or side.name != word:
        raise InputError(f"what should {word} be compared with? Name a second side, or the first one at a revision: {word}@main")
    return name


def _target(project: Project | None, name: str) -> tuple[str, str] | None:
    """An app and a target of these names; an app alone if it has but one target."""
    app, _, target = name.partition("/")
    for known in project.document.spec.apps if project is not None else ():
        names = [one.name for one in known.targets]
        if known.name == app and (target in names or (not target and len(names) == 1)):
            return app, target or names[0]
    return None


def _single(name: str, found: Rendered, root: Path) -> Side:
    return Side(name, (found,), root)


def _no_such_target(project: Project | None, word: str) -> None:
    """InputError that names the nearest, where a word begins with an app but names no target of it."""
    app, found, target = word.partition("@")[0].partition("/")
    if project is not None and found and any(one.name == app for one in project.document.spec.apps):
        project.target(app, target)


def _meant(project: Project | None, word: str) -> str:
    """What was probably meant, as the end of a sentence."""
    return (project.meant(word) if project is not None else "") or ", so there is nothing to compare with"


def _design(project: Project | None, one: Rendered, other: Rendered) -> Design | None:
    """What two targets of one app are meant to differ in; None where they are not that."""
    for app in project.document.spec.apps if project is not None else ():
        names = {name: target.name for target in app.targets for name in (f"{app.name}/{target.name}", target.path) if name}
        if one.name in names and other.name in names and names[one.name] != names[other.name]:
            return Design((names[one.name], names[other.name]), app.keep)
    return None


def placed(found: Comparison, before: Path, after: Path) -> Comparison:
    """The comparison with the places of fields that differ, for objects in which no key does. `before` and `after` are where files are."""
    lines = [WrittenLines(root, side) if side is not None else None for root, side in ((before, found.before), (after, found.after))]

    def place(one: Differing) -> Differing:
        there, where = (one.new, lines[1]) if one.new is not None else (one.old, lines[0])
        first = next(iter(one.told), None)
        if there is None or where is None or first is None or first.key or not first.steps:
            return one
        return replace(one, written=where.place(there, indices(there.tree, first.steps)))

    return replace(found, objects=tuple(map(place, found.objects)))


def _pairs(one: Side, other: Side, secret: DigestKey | None, project: Project | None) -> Sequence[Comparison]:
    if one.several != other.several:
        several, single = (one, other) if one.several else (other, one)
        raise InputError(f"{several.name} has all targets and {single.name} is one: compare {single.name}@{several.name} with it instead")
    if not one.several:
        found, design = compared(one.rendered[0], other.rendered[0], secret), _design(project, one.rendered[0], other.rendered[0])
        return [placed(marked(found, design) if design is not None else found, one.root, other.root)]
    old, new = ({found.name: found for found in side.rendered} for side in (one, other))
    names = [*new, *(name for name in old if name not in new)]
    return [placed(compared(old.get(name), new.get(name), secret), one.root, other.root) for name in names]
