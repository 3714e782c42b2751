"""Wakes a Canary when somebody else changed its route. Asked by `router` about what it routes by; made and run by `wiring`.

A kind is watched from the first time on that a Canary is routed by it, so a mesh that nobody uses costs nothing.
"""

import asyncio
from collections.abc import Callable
from functools import partial

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import Cluster, key_of, metadata_of
from trimtab.adapters.kubernetes.kinds import Kind
from trimtab.adapters.kubernetes.mirror import Mirror
from trimtab.model.names import CanaryKey

Place = tuple[Kind, CanaryKey]
"""A kind, and the namespace and name of one object of it."""


class RouteFollower:
    """Route objects of all Canaries, by the version in which they were last read or written here."""

    def __init__(self, cluster: Cluster, wake: Callable[[CanaryKey], None]) -> None:
        self._cluster, self._wake = cluster, wake
        self._routed: dict[Place, CanaryKey] = {}
        self._known: dict[Place, object] = {}
        cluster.forgetters.append(self._forget)
        self._kinds: set[Kind] = set()
        self._asked: asyncio.Queue[Kind] = asyncio.Queue()

    def know(self, key: CanaryKey, kind: Kind, name: str, found: Object | None) -> None:
        """A Canary is routed by this object, which was just read or written; None where it is not there."""
        place = kind, CanaryKey(key.namespace, name)
        self._routed[place], self._known[place] = key, version(found)
        if kind not in self._kinds:
            self._kinds.add(kind)
            self._asked.put_nowait(kind)

    def _forget(self, key: CanaryKey) -> None:
        for place in [place for place, routed in self._routed.items() if routed == key]:
            del self._routed[place], self._known[place]

    async def run(self) -> None:
        """Watches every kind that was asked about, for ever; one that is not served or not allowed is tried again and again."""
        async with asyncio.TaskGroup() as group:
            while True:
                kind = await self._asked.get()
                mirror = Mirror(self._cluster.client, kind, self._cluster.settings.namespaces, metadata_only=True)
                mirror.listen(partial(self._heard, kind, mirror))
                group.create_task(mirror.run())

    def _heard(self, kind: Kind, mirror: Mirror, found: Object) -> None:
        """Wakes, unless this is what is known anyway, such as a write of our own."""
        where = key_of(found)
        there = mirror.get(where.namespace, where.name)
        key = self._routed.get((kind, where))
        if key is not None and self._known.get((kind, where)) != version(there):
            self._known[(kind, where)] = version(there)
            self._wake(key)


def version(found: Object | None) -> object:
    """Which version of an object it is; None where there is none."""
    return metadata_of(found).get("resourceVersion") if found is not None else None
