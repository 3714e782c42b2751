"""Applications of Argo CD in the cluster of a kubeconfig: followed until they run a commit, and told what was rolled back.

Called by the faces.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from trimtab.adapters.argocd import notice
from trimtab.adapters.argocd.application import Wanted
from trimtab.adapters.argocd.following import Follower, Includes, Look, State
from trimtab.adapters.clock import SystemClock
from trimtab.adapters.kubernetes.client import Client, connected
from trimtab.adapters.kubernetes.cluster import annotations_of
from trimtab.adapters.kubernetes.connection import Around, connection
from trimtab.adapters.kubernetes.kinds import ARGO_APPLICATION
from trimtab.adapters.kubernetes.kubeconfig import files_of
from trimtab.documents.pipeline import ArgoApplication
from trimtab.errors import TrimtabError
from trimtab.promotion.outcome import Outcome, Word

__all__ = ["Follower", "Includes", "Look", "State", "Wanted", "following", "notify"]


@dataclass(frozen=True, slots=True)
class ClusterObjects:
    """Applications through the client of the cluster. Needed are the verbs get and patch on `applications.argoproj.io`."""

    client: Client

    async def read(self, namespace: str, name: str) -> Mapping[str, object] | None:
        """As it is now."""
        return await self.client.get(ARGO_APPLICATION, namespace, name)

    async def annotate(self, namespace: str, name: str, annotations: Mapping[str, str | None]) -> None:
        """In one patch; None takes one away."""
        await self.client.patch(ARGO_APPLICATION, namespace, name, {"metadata": {"annotations": dict(annotations)}})


@asynccontextmanager
async def following(kubeconfig: str, context: str, includes: Includes, wanted: Wanted) -> AsyncIterator[Follower]:
    """Somebody who follows one Application to one commit, until the block is left. InputError where there is no usable kubeconfig."""
    async with connected(connection(kubeconfig, context)) as client:
        yield Follower(ClusterObjects(client), SystemClock(), includes, wanted)


async def notify(place: ArgoApplication | None, outcome: Outcome, environment: Mapping[str, str]) -> str:
    """Shows a rollback above the Application, where there is one and a kubeconfig that leads to it; says why it could not.

    A rollback is not undone by that.
    """
    if place is None or outcome.word is not Word.ROLLED_BACK:
        return ""
    try:
        if not files_of(environment):
            return ""
        async with connected(connection(around=Around(environ=environment))) as client:
            objects = ClusterObjects(client)
            raw = await objects.read(place.namespace, place.application)
            if raw is None:
                return f"Argo CD shows no notice of it: there is no Application {place.namespace}/{place.application}"
            if not notice.is_foreign(annotations_of(raw)):
                await objects.annotate(place.namespace, place.application, notice.notice(outcome.text, "warning", outcome.url))
    except TrimtabError as error:
        return f"Argo CD shows no notice of it: {error}"
    return ""
