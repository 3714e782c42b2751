"""A cluster for commands that read what was recorded or hand over a wish, with the user's own kubeconfig. Called by the faces."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from trimtab.adapters.kubernetes.client import connected
from trimtab.adapters.kubernetes.connection import connection
from trimtab.adapters.kubernetes.visitor import Visitor

__all__ = ["Visit", "visit"]


@dataclass(frozen=True, slots=True)
class Visit:
    """The records, and where they are."""

    records: Visitor
    where: str


@asynccontextmanager
async def visit(kubeconfig: str, context: str, namespace: str, *, everywhere: bool) -> AsyncIterator[Visit]:
    """InputError where there is no usable kubeconfig; Denied and Unavailable come from the calls."""
    server = connection(kubeconfig, context)
    space = "" if everywhere else namespace or server.namespace
    async with connected(server) as client:
        records = Visitor(client, space)
        where = f"cluster {server.server}, {f'namespace {space}' if space else 'all namespaces'}"
        yield Visit(records, where)
