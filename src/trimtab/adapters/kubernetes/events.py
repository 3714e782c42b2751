"""Events on the Canary object, as `kubectl describe` shows them (EV-1). Called by the teller, and by `visitor` to read; made by `wiring`.

The name of an Event follows from what is told, so telling it twice makes one Event. Its reason says what happened, so that
aggregation never folds different ones.
"""

import hashlib
from datetime import UTC, datetime

from trimtab.adapters.kubernetes.client import Client, Object
from trimtab.adapters.kubernetes.cluster import Cluster, metadata_of
from trimtab.adapters.kubernetes.kinds import CANARY, EVENT
from trimtab.config.references import mapping
from trimtab.errors import Conflict
from trimtab.model.names import CanaryKey
from trimtab.model.tellings import Telling
from trimtab.rollout.reasons import STANDING

COMPONENT = "trimtab"
LONGEST = 1024
"""Characters of a message that the API server takes."""


class Events:
    """Writes Events about Canaries."""

    def __init__(self, client: Client, cluster: Cluster) -> None:
        self._client, self._cluster = client, cluster

    async def record(self, key: CanaryKey, telling: Telling) -> None:
        """Writes one, unless it is there already or the Canary is gone. OutsideError where that did not work."""
        canary = self._cluster.raw(key)
        if canary is not None:
            try:
                await self._client.create(EVENT, event(key, canary, telling))
            except Conflict:
                return


async def standing_warning(client: Client, key: CanaryKey) -> str:
    """What was last told about a Canary, as `CanaryState.spoken` has it, where that is a problem that stands; else empty."""
    canary = await client.get(CANARY, key.namespace, key.name, metadata_only=True)
    if canary is None:
        return ""
    fields = f"involvedObject.kind={CANARY.kind},involvedObject.uid={metadata_of(canary).get('uid')}"
    listed = (await client.list(EVENT, key.namespace, fields=fields)).items
    ours = [found for found in listed if mapping(found.get("source")).get("component") == COMPONENT]
    last = max(ours, key=lambda found: str(found.get("lastTimestamp")), default={})
    return f"{last['reason']}: {last['message']}" if last.get("reason") in STANDING else ""


def event(key: CanaryKey, canary: Object, telling: Telling) -> Object:
    """The object."""
    metadata, moment = mapping(canary.get("metadata")), stamp(telling.at)
    suffix = hashlib.sha256(f"{metadata.get('uid')}/{telling.id}".encode()).hexdigest()[:16]
    about = {
        "apiVersion": CANARY.api_version,
        "kind": CANARY.kind,
        "namespace": key.namespace,
        "name": key.name,
        "uid": metadata.get("uid", ""),
        "resourceVersion": metadata.get("resourceVersion", ""),
    }
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"namespace": key.namespace, "name": f"{key.name[:200]}.{suffix}"},
        "involvedObject": about,
        "type": "Normal" if telling.severity == "info" else "Warning",
        "reason": telling.reason or "Synced",
        "message": telling.text if len(telling.text) <= LONGEST else telling.text[: LONGEST - 3] + "...",
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }


def stamp(moment: datetime) -> str:
    """As Kubernetes writes times: whole seconds, UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
