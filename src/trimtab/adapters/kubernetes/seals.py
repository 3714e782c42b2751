"""A new attempt seals the one before, so that of two operators only one goes on (ADR 17). Called by `store`.

An attempt counts once the one before it names it as its follower. That is written on condition that it is still what the new one was
decided from, so whoever writes the old attempt first takes the new one's place, and whoever comes later is told by a Conflict.
"""

from dataclasses import dataclass

from trimtab.adapters.kubernetes.client import Object
from trimtab.adapters.kubernetes.cluster import Cluster, annotations_of, metadata_of
from trimtab.adapters.kubernetes.kinds import CONFIG_ROLLOUT
from trimtab.adapters.kubernetes.rollouts import FOLLOWS, number_of, rollout_name
from trimtab.errors import Conflict
from trimtab.model.names import CanaryKey

FOLLOWED_BY = "trimtab.dev/followed-by"
"""The annotation with the uid of the attempt that came next."""


@dataclass(frozen=True, slots=True)
class Seals:
    """Seals attempts of one cluster."""

    cluster: Cluster

    async def put(self, key: CanaryKey, newest: Object) -> None:
        """Before `newest` is acted upon. Conflict where somebody went on with the attempt before: then `newest` is taken back.

        Asks nothing where the mirror shows the seal. Whoever made `newest` may have died before it was put, so everybody who
        reads an attempt puts it.
        """
        version, uid = annotations_of(newest).get(FOLLOWS), str(metadata_of(newest).get("uid"))
        number, mirror = number_of(newest), self.cluster.mirrors[CONFIG_ROLLOUT]
        before = rollout_name(key, number - 1)
        # What one watch brought: where the newer one is mirrored and the older one is not, it is gone, and nobody can write it.
        last = mirror.get(key.namespace, before)
        if version is None or last is None or annotations_of(last).get(FOLLOWED_BY) == uid:
            return
        change: Object = {"metadata": {"resourceVersion": version, "annotations": {FOLLOWED_BY: uid}}}
        try:
            mirror.put(await self.cluster.client.patch(CONFIG_ROLLOUT, key.namespace, before, change))
        except Conflict:
            there = await self.cluster.client.get(CONFIG_ROLLOUT, key.namespace, before, metadata_only=True)
            if there is None or annotations_of(there).get(FOLLOWED_BY) == uid:
                return
            await self.cluster.client.delete(CONFIG_ROLLOUT, key.namespace, rollout_name(key, number), uid=uid)
            raise Conflict(f"recording {key}: attempt {number - 1} was written by somebody else; attempt {number} is taken back") from None
