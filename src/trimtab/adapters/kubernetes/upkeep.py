"""Makes one object of the API server as it should be, and writes nothing where it is so already. Used by `workloads` and `services`."""

from collections.abc import Callable
from dataclasses import dataclass

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import Cluster
from trimtab.adapters.kubernetes.kinds import Kind
from trimtab.errors import Conflict

Shape = Callable[[Object | None], Object | None]
"""What is there (None: nothing) to what should be there; None where that is the same. May raise, and then nothing is written."""
Change = Callable[[Object], Object | None]
"""What is there to a merge patch; None where there is nothing to change."""
ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Writes through a cluster's client, compares with what its mirrors hold, and lets them know what was written."""

    cluster: Cluster

    def seen(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """As the mirror has it."""
        mirror = self.cluster.mirrors.get(kind)
        return mirror.get(namespace, name) if mirror is not None else None

    async def make(self, kind: Kind, namespace: str, name: str, shape: Shape) -> Object | None:
        """Creates or replaces the whole object. The mirror is asked first; what is replaced is read anew. The object, as it is then."""
        if kind in self.cluster.mirrors and shape(seen := self.seen(kind, namespace, name)) is None:
            return seen
        for attempt in range(ATTEMPTS):
            found = await self.cluster.client.get(kind, namespace, name)
            wanted = shape(found)
            if wanted is None:
                return self._known(kind, found)
            try:
                written = self.cluster.client.create if found is None else self.cluster.client.replace
                return self._known(kind, await written(kind, wanted))
            except Conflict:
                if attempt + 1 == ATTEMPTS:
                    raise
        return None

    async def change(self, kind: Kind, namespace: str, name: str, change: Change) -> Object | None:
        """Patches some fields of an object that is there, on condition that nobody else wrote first. None where it is gone."""
        found = self.seen(kind, namespace, name)
        if found is None:
            found = await self.cluster.client.get(kind, namespace, name)
        for attempt in range(ATTEMPTS):
            wanted = change(found) if found is not None else None
            if found is None or wanted is None:
                return found
            try:
                return self._known(kind, await self.cluster.client.patch(kind, namespace, name, conditional(wanted, found)))
            except Conflict:
                if attempt + 1 == ATTEMPTS:
                    raise
                found = await self.cluster.client.get(kind, namespace, name)
        return None

    def _known(self, kind: Kind, written: Object | None) -> Object | None:
        """Lets the mirror have it, so that our own writes are read at once."""
        if written is not None and (mirror := self.cluster.mirrors.get(kind)) is not None:
            mirror.put(written)
        return written


def conditional(change: Object, found: Object) -> Object:
    """The patch, for this version of the object only."""
    before, metadata = found.get("metadata"), change.get("metadata")
    version = before.get("resourceVersion") if isinstance(before, dict) else None
    return {**change, "metadata": {**(metadata if isinstance(metadata, dict) else {}), "resourceVersion": version}}
