"""The operator's view of a cluster, for tests of its adapters: client, mirrors that follow, and what people apply."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from trimtab.adapters.kubernetes.client import connected
from trimtab.adapters.kubernetes.cluster import Cluster
from trimtab.adapters.kubernetes.connection import connection
from trimtab.wiring.cluster import mirrors_of

Raw = dict[str, Any]
WITHIN = 20.0


@asynccontextmanager
async def opened(kubeconfig: Path, namespace: str) -> AsyncIterator[Cluster]:
    """A cluster whose mirrors are complete and keep up until the end."""
    async with connected(connection(str(kubeconfig))) as client:
        mirrors = mirrors_of(client, (namespace,))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(mirror.run()) for mirror in mirrors.values()]
            try:
                for mirror in mirrors.values():
                    await mirror.ready()
                yield Cluster(client, mirrors)
            finally:
                for task in tasks:
                    task.cancel()


async def until(claim: Callable[[], Awaitable[Any]], what: str, within: float = WITHIN) -> Any:
    """Waits until a claim holds; what it returned."""
    end = time.monotonic() + within
    while not (found := await claim()):
        assert time.monotonic() < end, f"not within {within:g} s: {what}"
        await asyncio.sleep(0.02)
    return found


def canary(name: str = "app", annotations: Mapping[str, str] | None = None, **spec: Any) -> Raw:
    """A Canary as people write it."""
    written = {
        "provider": "kubernetes",
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "service": {"port": 80},
        "analysis": {"interval": "10s", "threshold": 2, "iterations": 3},
    }
    metadata = {"name": name, "annotations": dict(annotations or {})}
    return {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": metadata, "spec": {**written, **spec}}


def deployment(name: str = "app", reads: tuple[str, ...] = ("app-config",), secrets: tuple[str, ...] = ()) -> Raw:
    """A Deployment whose pods read ConfigMaps and Secrets."""
    sources = [{"configMapRef": {"name": read}} for read in reads] + [{"secretRef": {"name": read}} for read in secrets]
    container = {"name": "app", "image": "registry.example/app:1.0.0", "envFrom": sources}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


def config_map(name: str = "app-config", **data: str) -> Raw:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str = "app-secret", kind: str = "Opaque", **data: str) -> Raw:
    """A Secret; its values as they are, not encoded."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "stringData": data}
