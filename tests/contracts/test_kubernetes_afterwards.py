"""How often containers of a primary were started again, from the API server: of its own living pods, and trouble is in the answer."""

from typing import Any

from cluster.opened import canary, deployment
from trimtab.adapters.kubernetes.cluster import Cluster
from trimtab.adapters.kubernetes.kinds import CANARY, DEPLOYMENT
from trimtab.adapters.kubernetes.mirror import Mirror
from trimtab.adapters.kubernetes.workloads import ClusterWorkloads
from trimtab.model.names import CanaryKey
from trimtab.model.watching import PodRestarts, Restarts
from trimtab.testing.policies import BASE
from trimtab.wiring.cluster import MIRRORED

from .kubernetes_api import gives, status, talking

KEY = CanaryKey("shop", "app")


def pod(name: str, owner: str, count: int, **metadata: Any) -> dict[str, Any]:
    """One of a Deployment's ReplicaSet."""
    owners = [{"kind": "ReplicaSet", "name": f"{owner}-5f7b9c6d8d", "uid": "r"}]
    return {
        "metadata": {"namespace": "shop", "name": name, "ownerReferences": owners, **metadata},
        "status": {"phase": "Running", "containerStatuses": [{"name": "app", "restartCount": count}]},
    }


async def test_restarts_are_counted_of_the_primarys_own_living_pods() -> None:
    async with talking() as (api, client):
        mirrors = {kind: Mirror(client, kind, ("shop",)) for kind in MIRRORED}
        for kind, found in ((CANARY, canary()), (DEPLOYMENT, deployment("app-primary"))):
            head = {**found["metadata"], "namespace": "shop", "uid": "u", "resourceVersion": "1"}
            mirrors[kind].put({**found, "metadata": head})
        workloads = ClusterWorkloads(Cluster(client, mirrors))
        pods = [
            pod("app-primary-a", "app-primary", 2),
            pod("app-primary-b", "app-primary", 0),
            pod("app-primary-c", "app-primary", 7, deletionTimestamp="2026-01-01T00:00:00Z"),
            pod("other", "other", 9),
        ]
        api.says(gives({"metadata": {"resourceVersion": "1"}, "items": pods}), status(500, "InternalError", "etcd is away"))
        assert await workloads.restarts(KEY, BASE) == Restarts((PodRestarts("app-primary-a", 2),))
        assert api.seen[-1].path == "/api/v1/namespaces/shop/pods" and api.seen[-1].query["labelSelector"] == "app=app-primary"
        found = await workloads.restarts(KEY, BASE)
        assert not found.pods and "etcd is away" in found.problem
