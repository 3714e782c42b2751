"""Which pods Envoy sends requests to. Implements `dataplane.DataPlane`; made by `wiring`, called by the node loop."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from trimtab.adapters.local import envoy_documents, envoy_files
from trimtab.adapters.local.dataplane import Backend, Endpoint
from trimtab.adapters.local.envoy import Envoy
from trimtab.adapters.local.envoy_documents import cluster_name
from trimtab.errors import Unavailable


class EnvoyDataPlane:
    """Endpoints of the Services that Envoy listens for. Those that are taken away get no new request and keep the ones they have (L4)."""

    def __init__(self, envoy: Envoy) -> None:
        self._envoy = envoy
        self._locks: defaultdict[Backend, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def publish(self, backend: Backend, endpoints: Sequence[Endpoint]) -> None:
        """Sends requests to these pods and to no others; returns when Envoy is seen to do so (L4).

        Raises Unavailable where Envoy does not listen for the Service yet, or does not take the pods over within 5 s.
        """
        await self._envoy.start()
        cluster, admin, wanted = self._cluster(backend), self._envoy.admin, frozenset(endpoints)
        async with self._locks[backend]:
            hosts = await admin.hosts(cluster)
            if hosts is None:
                raise Unavailable(f"sending requests to {cluster}: Envoy does not know it yet. It is tried again.")
            serving = frozenset(endpoint for endpoint, host in hosts.items() if host.serving)
            if serving == wanted:
                return
            leaving = [endpoint for endpoint, host in hosts.items() if endpoint not in wanted and (host.serving or host.active)]

            async def seen() -> bool:
                now = await admin.hosts(cluster) or {}
                return frozenset(endpoint for endpoint, host in now.items() if host.serving) == wanted

            document = envoy_documents.endpoints(backend, tuple(wanted), leaving)
            refusals = rf"^cluster\.{cluster}\.update_(rejected|failure)$"
            await envoy_files.take_over(admin, self._envoy.endpoints_file(backend), document, seen, refusals)

    async def active(self, backend: Backend, endpoint: Endpoint) -> int:
        """Requests under way to a pod, also to one that is not published any more; 0 where Envoy does not know the pod."""
        await self._envoy.start()
        if self._envoy.exposed(backend.namespace, backend.service) is None:
            return 0
        host = (await self._envoy.admin.hosts(self._cluster(backend)) or {}).get(endpoint)
        return host.active if host is not None else 0

    def _cluster(self, backend: Backend) -> str:
        service = self._envoy.exposed(backend.namespace, backend.service)
        if service is None:
            name = f"{backend.service}.{backend.namespace}"
            raise Unavailable(
                f"sending requests to the {backend.copy} of Service {name}: Envoy does not listen for it yet. It is tried again."
            )
        return cluster_name(backend, service.wanted)
