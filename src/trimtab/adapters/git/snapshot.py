"""What a commit or a recorded revision holds, for people who compare two of them. Used by `wiring` for `diff`.

Repositories are read where they are: nothing is fetched and nothing is written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.adapters.git.archive import Archive
from trimtab.adapters.git.clone import Clone
from trimtab.adapters.git.location import Local, locate
from trimtab.adapters.git.manifests import Manifests
from trimtab.adapters.git.process import Git
from trimtab.adapters.git.reading import Reader
from trimtab.adapters.git.repository import Render, Repository, Watching
from trimtab.config.digest import DigestKey, canonical_json, fingerprinted
from trimtab.errors import InputError
from trimtab.model.content import Content
from trimtab.model.names import CanaryKey, Target
from trimtab.model.revision import Revision


@dataclass(frozen=True, slots=True)
class Snapshot:
    """ConfigMaps, Secrets and pod templates at one moment. `name` says which, for people."""

    name: str
    contents: Mapping[str, tuple[Content, ...]] = field(repr=False)
    """By namespace."""
    templates: Mapping[tuple[str, str], str] = field(repr=False)
    """By namespace and `deployment/NAME`: canonical JSON."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """A revision that a rollout on record is about, and the commit that brought it, where that is known."""

    key: CanaryKey
    target: Target
    revision: Revision
    commit: str = ""


async def repository_here(source: str, path: str, render: Render | None = None) -> Repository:
    """A repository on this machine, for reading alone. InputError if there is none."""
    location = await locate(source, path, Git())
    if not isinstance(location, Local):
        raise InputError(f"{location} is not a git repository on this machine. Name one with --repo; nothing is fetched")
    return Repository(location, Watching(source, path), Clone(location.own, Git()), render)


async def clone_of(folder: Path, render: Render | None = None) -> Repository:
    """The clone in a state folder, for reading alone."""
    clone = Clone(folder, Git())
    path, target = await clone.followed()
    return Repository(Local(folder, folder, folder, path), Watching(str(folder), path, target=target), clone, render)


async def of_commit(repository: Repository, name: str, secret: DigestKey) -> Snapshot:
    """Everything that a commit holds, named in any way that git understands. InputError if there is none, or it cannot be read."""
    commit = await repository.clone.commit(name)
    if commit is None:
        raise InputError(f"{repository} has no commit {name!r}, and no rollout on record is about a revision of that name")
    manifests = await Reader(repository).load(commit)
    contents: dict[str, tuple[Content, ...]] = {}
    for (namespace, _), content in manifests.configs.items():
        contents[namespace] = (*contents.get(namespace, ()), fingerprinted(content, secret))
    workloads = manifests.workloads.values()
    templates = {(found.namespace, f"{found.kind.lower()}/{found.name}"): canonical_json(found.template) for found in workloads}
    return Snapshot(f"commit {commit[:10]}", contents, templates, manifests.warnings)


async def of_revision(repository: Repository, about: Recorded, secret: DigestKey) -> Snapshot:
    """What pods of a recorded revision read. InputError if it is not kept any more."""
    reader, revision, key = Reader(repository), about.revision, about.key
    commit = await repository.clone.commit(about.commit) if about.commit else None
    then = await reader.load(commit) if commit is not None else Manifests()
    contents = await Archive(repository.clone, reader, secret).contents(key, revision, then)
    found = {content.name for content in contents}
    lost = [str(ref.name) for ref in revision.configs if ref.digest and ref.name not in found]
    if lost:
        problem = f"revision {revision.id} of {key} is not kept any more: {', '.join(lost)} cannot be read"
        raise InputError(f"{problem}. Compare the commits that `trimtab history` shows instead")
    templates = {(key.namespace, f"{about.target.kind.lower()}/{about.target.name}"): revision.template}
    return Snapshot(f"revision {revision.id} of {key}", {key.namespace: contents}, templates)
