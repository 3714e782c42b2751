"""An Argo CD Application as far as it is looked at, and whether it is one that can come to run a commit by itself. Used by `following`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import msgspec

from trimtab.errors import InputError, Unavailable
from trimtab.model.names import some

REFRESH, SKIP = "argocd.argoproj.io/refresh", "argocd.argoproj.io/skip-reconcile"
NAMED = 3
"""Resources that a message names."""
LONGEST = 600
"""Characters of a message of Argo CD that are shown."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which commit which Application should run. `repository` and `path` choose among several sources; empty where unknown."""

    namespace: str
    name: str
    commit: str
    branch: str
    repository: str = ""
    path: str = ""

    def __str__(self) -> str:
        return f"the Application {self.namespace}/{self.name}"


class Fields(msgspec.Struct, rename="camel"):
    """The parts of an Application that are looked at; everything else is passed over."""


class Meta(Fields):
    """Its annotations."""

    annotations: dict[str, str] = {}


class Source(Fields):
    """Where one part of it comes from."""

    repo_url: str = msgspec.field(name="repoURL", default="")
    path: str = ""
    target_revision: str = ""
    ref: str = ""


class Automated(Fields):
    """Automatic syncs; an empty object means that they are on."""

    enabled: bool | None = None


class SyncPolicy(Fields):
    """How it is synced."""

    automated: Automated | None = None


class Spec(Fields):
    """What it should be."""

    source: Source | None = None
    sources: list[Source] = []
    sync_policy: SyncPolicy | None = None
    source_hydrator: dict[str, object] | None = None


class Revised(Fields):
    """Something with a revision, or with one for each source."""

    revision: str = ""
    revisions: list[str] = []

    def of(self, index: int | None) -> str:
        """That of one source; with several sources the singular stays empty."""
        if index is None:
            return self.revision
        return self.revisions[index] if index < len(self.revisions) else ""


class Synced(Revised):
    """The comparison with git."""

    status: str = ""


class Asked(Fields):
    """What an operation was asked to do."""

    sync: Revised | None = None


class Operation(Fields):
    """The newest operation."""

    phase: str = ""
    message: str = ""
    operation: Asked | None = None
    sync_result: Revised | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    retry_count: int = 0


class Health(Fields):
    """Of all of it together."""

    status: str = ""
    message: str = ""


class Condition(Fields):
    """Something that is wrong."""

    type: str
    message: str = ""


class Resource(Fields):
    """One object of it."""

    kind: str = ""
    name: str = ""
    status: str = ""


class Status(Fields):
    """What it is."""

    sync: Synced | None = None
    health: Health | None = None
    operation_state: Operation | None = None
    reconciled_at: datetime | None = None
    conditions: list[Condition] = []
    resources: list[Resource] = []


class Application(Fields):
    """The Application."""

    metadata: Meta = msgspec.field(default_factory=Meta)
    spec: Spec = msgspec.field(default_factory=Spec)
    status: Status = msgspec.field(default_factory=Status)
    operation: dict[str, object] | None = None


def application(raw: Mapping[str, object], wanted: Wanted) -> Application:
    """The Application, if it is one that moves by itself. InputError where it is not."""
    try:
        found = msgspec.convert(raw, Application)
    except msgspec.ValidationError as error:
        raise Unavailable(f"{wanted} is not as Argo CD writes one: {error}") from None
    if found.metadata.annotations.get(SKIP) == "true":
        raise InputError(f"{wanted} has the annotation {SKIP}, so Argo CD leaves it alone. Remove it")
    if found.spec.source_hydrator is not None:
        raise InputError(f"{wanted} has a source hydrator, whose commits are not those of the repository. Trimtab cannot follow it yet")
    for condition in found.status.conditions:
        if condition.type == "InvalidSpecError":
            raise InputError(f"{wanted} is not valid{said(condition.message)}")
    return found


def source_of(found: Application, wanted: Wanted) -> int | None:
    """Which of several sources brings the content; None where there is one. InputError where none or more than one fits, or it follows
    another branch or folder.
    """
    sources = found.spec.sources or ([found.spec.source] if found.spec.source is not None else [])
    fitting = [number for number, source in enumerate(sources) if len(sources) == 1 or fits(source, wanted)]
    if len(fitting) != 1:
        listed = "; ".join(f"{source.repo_url} {source.path}".strip() for source in sources) or "none"
        raise InputError(f"{wanted} has {len(fitting)} sources that fit {wanted.repository} {wanted.path}, of these: {listed}")
    source = sources[fitting[0]]
    if source.target_revision not in ("", "HEAD", wanted.branch, f"refs/heads/{wanted.branch}"):
        raise InputError(f"{wanted} follows {source.target_revision}, not {wanted.branch}. Correct its targetRevision or spec.branch")
    if wanted.path and source.path and not (within(wanted.path, source.path) or within(source.path, wanted.path)):
        raise InputError(f"{wanted} deploys {source.path}, not {wanted.path}. Correct argocd of the target, or the Application's path")
    return fitting[0] if found.spec.sources else None


def fits(source: Source, wanted: Wanted) -> bool:
    """Is this the source that a target's content comes from?"""
    same = not wanted.repository or not source.repo_url or plain(source.repo_url) == plain(wanted.repository)
    return same and not source.ref and (not wanted.path or within(wanted.path, source.path) or within(source.path, wanted.path))


def within(path: str, folder: str) -> bool:
    """Is a path a folder or inside it?"""
    inner, outer = (tuple(part for part in text.split("/") if part not in ("", ".")) for text in (path, folder))
    return inner[: len(outer)] == outer


def plain(address: str) -> str:
    """A repository's address without what may differ: scheme, user, port, `.git`."""
    try:
        parts = urlsplit(address)
        host, path = (parts.hostname, parts.path) if parts.hostname else address.rpartition("@")[2].split(":", 1)
    except ValueError:
        return address
    return f"{host}/{path.strip('/').removesuffix('.git')}".casefold()


def is_commit(revision: str) -> bool:
    """After a ComparisonError it is the name of a branch."""
    return len(revision) in (40, 64) and all(letter in "0123456789abcdef" for letter in revision)


def trouble(conditions: Sequence[Condition]) -> str:
    """What keeps Argo CD from comparing; empty where nothing does."""
    return next((f"Argo CD cannot compare{said(one.message)}" for one in conditions if one.type == "ComparisonError"), "")


def out_of_sync(found: Application, status: str) -> str:
    """Why it is not synced yet, as far as it can be told."""
    policy = found.spec.sync_policy
    automatic = policy is not None and policy.automated is not None and policy.automated.enabled is not False
    names = [f"{one.kind} {one.name}" for one in found.status.resources if one.status == "OutOfSync"]
    listed = f": {some(names, NAMED)}" if names else ""
    return f"it is {status or 'not compared yet'}{listed}{'' if automatic else '. Automatic sync is off: somebody must sync it'}"


def said(message: str) -> str:
    """A message of Argo CD after a colon, on one line; of a long one beginning and end, where the cause stands."""
    text = "".join(letter for letter in " ".join(message.split()) if letter.isprintable())
    return f": {text if len(text) <= LONGEST else f'{text[: LONGEST // 3]} ... {text[-2 * LONGEST // 3 :]}'}" if text else ""
