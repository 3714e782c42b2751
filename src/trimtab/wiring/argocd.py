"""Applications of Argo CD in the cluster of a kubeconfig, to be followed until they run a commit. Called by the faces."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from trimtab.adapters.argocd.application import Wanted
from trimtab.adapters.argocd.following import Follower, Includes, Look, State
from trimtab.adapters.clock import SystemClock
from trimtab.adapters.kubernetes.client import Client, connected
from trimtab.adapters.kubernetes.connection import connection
from trimtab.adapters.kubernetes.kinds import ARGO_APPLICATION

__all__ = ["Follower", "Includes", "Look", "State", "Wanted", "following"]


@dataclass(frozen=True, slots=True)
class ClusterObjects:
    """Applications through the client of the cluster. Needed are the verbs get and patch on `applications.argoproj.io`."""

    client: Client

    async def read(self, namespace: str, name: str) -> Mapping[str, object] | None:
        """As it is now."""
        return await self.client.get(ARGO_APPLICATION, namespace, name)

    async def annotate(self, namespace: str, name: str, annotations: Mapping[str, str]) -> None:
        """In one patch."""
        await self.client.patch(ARGO_APPLICATION, namespace, name, {"metadata": {"annotations": dict(annotations)}})


@asynccontextmanager
async def following(kubeconfig: str, context: str, includes: Includes, wanted: Wanted) -> AsyncIterator[Follower]:
    """Somebody who follows one Application to one commit, until the block is left. InputError where there is no usable kubeconfig."""
    async with connected(connection(kubeconfig, context)) as client:
        yield Follower(ClusterObjects(client), SystemClock(), includes, wanted)
