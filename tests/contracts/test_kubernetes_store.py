"""The record in a cluster whose API server refuses what follows from it: status, answers."""

from typing import Any

import pytest
from aiohttp import web

from trimtab.adapters.clock import SystemClock
from trimtab.adapters.kubernetes.client import Client
from trimtab.adapters.kubernetes.cluster import Cluster
from trimtab.adapters.kubernetes.kinds import CANARY, CONFIG_ROLLOUT, ROLLOUT_COMMAND
from trimtab.adapters.kubernetes.mirror import Mirror
from trimtab.adapters.kubernetes.rollouts import rollout_object
from trimtab.adapters.kubernetes.store import Adopted, ClusterStore
from trimtab.model.names import CanaryKey, ConfigName
from trimtab.model.rollout import CanaryState
from trimtab.testing.contracts.store import following

from .kubernetes_api import Reply, gives, status, talking

KEY = CanaryKey("shop", "app")
OWNER: dict[str, Any] = {"apiVersion": CANARY.api_version, "kind": CANARY.kind, "name": "app", "uid": "u"}
HEAD = {"namespace": "shop", "name": "app", "uid": "u", "resourceVersion": "1"}


async def nothing_to_adopt(key: CanaryKey, older: CanaryState | None) -> Adopted | None:
    return None


def no_checksum(namespace: str, name: ConfigName, digest: str) -> str:
    return ""


def a_store(client: Client, rollout: dict[str, Any]) -> ClusterStore:
    mirrors = {kind: Mirror(client, kind, ()) for kind in (CANARY, CONFIG_ROLLOUT, ROLLOUT_COMMAND)}
    canary = {"metadata": HEAD, "spec": {"targetRef": {"kind": "Deployment", "name": "app"}}}
    mirrors[CANARY].put(canary)
    mirrors[CONFIG_ROLLOUT].put(rollout)
    return ClusterStore(Cluster(client, mirrors), nothing_to_adopt, no_checksum, SystemClock())


def but_for(path: str, refusal: Reply, rest: Reply) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        return await (refusal if request.path.endswith(path) else rest)(request)

    return reply


@pytest.mark.parametrize("refusal", [status(422, "Invalid", "phase: Unsupported value"), status(403, "Forbidden"), status(500, "Oops")])
async def test_a_status_that_the_api_server_refuses_keeps_nobody_from_the_record(refusal: Reply) -> None:
    state = following(CanaryState(KEY), 1)
    there = rollout_object(state, (), OWNER, {})
    there["metadata"] = {**HEAD, "name": "app-1", "ownerReferences": [OWNER]}
    async with talking() as (api, client):
        api.says(but_for("/canaries/app/status", refusal, gives(there)))
        store = a_store(client, there)
        assert (await store.load(KEY)).state == state
        assert "canaries" in store.behind[KEY].lower()
