"""Where commands look: the state folder of an `up`, or a cluster. Says so first. Used by all commands that read or steer rollouts.

By default a state folder that is there wins over a kubeconfig; `--in` decides otherwise.
"""

import asyncio
import getpass
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Protocol, TypeVar

import click

from trimtab.errors import InputError
from trimtab.faces.cli.options import state_option
from trimtab.model.commands import Command
from trimtab.model.counted import Counted
from trimtab.model.journal import Entry
from trimtab.model.names import CanaryKey, ConfigName
from trimtab.model.rollout import Answer, CanaryState
from trimtab.ports import Stored
from trimtab.wiring import state as state_of

T = TypeVar("T")
LOCAL, CLUSTER, REPO = "local", "cluster", "repo"
NEAR, FAR = 0.25, 1.0
"""Seconds between two looks of those who wait, by where they look."""


class Records(Protocol):
    """What commands read, and the one thing that they write."""

    async def keys(self) -> tuple[CanaryKey, ...]:
        """Every Canary."""

    async def load(self, key: CanaryKey) -> Stored:
        """The newest record."""

    async def journal(self, key: CanaryKey, rollout: int | None = None) -> tuple[Entry, ...]:
        """The audit trail, oldest first."""

    async def counted(self, key: CanaryKey, rollout: int) -> tuple[Counted, ...]:
        """What the judge counted in one attempt, oldest first."""

    async def history(self, key: CanaryKey) -> tuple[CanaryState, ...]:
        """The record as each attempt left it, oldest first."""

    async def submit(self, key: CanaryKey, command: Command) -> None:
        """Hands over a wish."""

    async def answer(self, key: CanaryKey, command: str) -> Answer | None:
        """What became of a wish."""


@dataclass(frozen=True, slots=True)
class Place:
    """Records, and what is known about where they are."""

    records: Records
    actor: Callable[[], Awaitable[str]]
    """Who wishes."""
    obeys: str
    """Who obeys: `the trimtab up that runs on FOLDER`."""
    nobody: str
    """Why nobody would obey just now; empty where somebody may."""
    pace: float
    """Seconds between two looks."""
    checksum: Callable[[CanaryKey, ConfigName], Awaitable[str]] | None = None
    """What a ConfigMap or Secret holds now; None where they are files."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the options say about where to look."""

    kind: str = ""
    state: Path | None = None
    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    everywhere: bool = False


def place_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds `--in` and what says where exactly; the command gets them as `asked`."""

    @click.option(
        "--in", "kind", type=click.Choice([LOCAL, CLUSTER, REPO]), envvar="TRIMTAB_IN",
        help="Where to look.  [default: TRIMTAB_IN, else local, if a state folder is here]",
    )  # fmt: skip
    @state_option
    @click.option("-n", "--namespace", default="", help="The namespace of the cluster.  [default: the context's]")
    @click.option("--context", default="", help="The context of the kubeconfig.")
    @click.option("--kubeconfig", default="", help="The kubeconfig.  [default: KUBECONFIG, or ~/.kube/config]")
    @wraps(command)
    def wrapped(
        *, kind: str | None, state: Path | None, namespace: str, context: str, kubeconfig: str, all_namespaces: bool = False, **rest: object
    ) -> None:
        asked = Asked(kind or "", state, kubeconfig, context, namespace, all_namespaces)
        command(asked=asked, **rest)

    return wrapped


def at_place(asked: Asked, work: Callable[[Place], Awaitable[T]]) -> T:
    """Runs `work` where the options say, and says first where that is. InputError where there is nothing to look at."""

    async def run() -> T:
        async with opened(asked) as place:
            return await work(place)

    return asyncio.run(run())


@asynccontextmanager
async def opened(asked: Asked) -> AsyncIterator[Place]:
    """The place that the options name, else the nearest. InputError for a repository, which has no rollouts but a journal."""
    folder = state_of.state_folder(asked.state)
    if asked.kind == REPO:
        raise InputError("a repository has no rollouts. With `--in repo` there are `history`, `show` and `retry`, which read its journal")
    kind = asked.kind or (LOCAL if asked.state is not None or folder.is_dir() or not cluster_known(asked) else CLUSTER)
    if kind == CLUSTER:
        async with cluster(asked) as place:
            yield place
    else:
        async with local(folder) as place:
            yield place


def in_repository(asked: Asked) -> bool:
    """Is the journal of a repository meant? It is, where trimtab.yaml is near and neither a state folder nor a cluster is named."""
    if asked.kind:
        return asked.kind == REPO
    if asked.state is not None or state_of.state_folder(asked.state).is_dir() or asked.kubeconfig or asked.context or asked.namespace:
        return False
    from trimtab.wiring.pipeline import find

    return find(Path.cwd()) is not None


def cluster_known(asked: Asked) -> bool:
    """Does anything say which cluster is meant?"""
    named = asked.kubeconfig or asked.context or asked.namespace or asked.everywhere or os.environ.get("KUBECONFIG")
    return bool(named) or (Path.home() / ".kube" / "config").exists()


def there(folder: Path) -> int | None:
    """Says where commands look, and which process runs there. InputError where there is no such folder."""
    process, exists = state_of.running_process(folder), folder.is_dir()
    idle = "" if process is not None or not exists else "; no `trimtab up` runs on it now"
    click.echo(f"in local state {folder}{idle}", err=True)
    if not exists:
        elsewhere = "name another folder with --state, or a cluster with --in cluster"
        raise InputError(f"there is no state folder {folder}. Start `trimtab up REPO`, or {elsewhere}")
    return process


@asynccontextmanager
async def local(folder: Path) -> AsyncIterator[Place]:
    """A state folder."""
    nobody = "" if there(folder) is not None else f"no `trimtab up` runs on {folder}"
    store = state_of.open_store(folder)
    try:
        yield Place(store, user, f"the `trimtab up` that runs on {folder}", nobody, NEAR)
    finally:
        await store.close()


@asynccontextmanager
async def cluster(asked: Asked) -> AsyncIterator[Place]:
    """A cluster, with the user's own kubeconfig."""
    from trimtab.wiring.visit import visit

    async with visit(asked.kubeconfig, asked.context, asked.namespace, everywhere=asked.everywhere) as found:
        click.echo(f"in {found.where}", err=True)

        async def actor() -> str:
            return await found.records.actor() or await user()

        yield Place(found.records, actor, "the operator", "", FAR, found.records.checksum)


async def user() -> str:
    """The user of this machine; in a container often a number without a name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"uid-{os.getuid()}"
    return f"{name}@{socket.gethostname()}"
