"""What the API server saw, held against the laws of a rollout (DESIGN §6): every version of routes, Services, workloads and records.

Resource versions of one etcd grow with each write of any kind, so what was written before what is known, whoever watched it when.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from cluster.opened import until
from cluster.testbed.api import Api
from trimtab.adapters.kubernetes.rollouts import state_of
from trimtab.model.names import CanaryKey
from trimtab.rollout.exposure import wanted

Raw = dict[str, Any]
WATCHED = ("HTTPRoute", "Service", "Deployment", "ConfigRollout", "Canary")


class Witness:
    """Follows one namespace. `versions` has each object in each version that came, in no order."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api, self._namespace = api, namespace
        self.versions: dict[tuple[str, str, int], Raw] = {}

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for kind in WATCHED:
                group.create_task(self._follow(kind))

    async def _follow(self, kind: str) -> None:
        async for change, found in self._api.watch(kind):
            if found["metadata"].get("namespace") == self._namespace and change != "DELETED":
                self.versions[kind, found["metadata"]["name"], int(found["metadata"]["resourceVersion"])] = found

    async def caught_up(self) -> None:
        """Returns when it has the newest of everything."""

        async def so() -> bool:
            newest = [(kind, item) for kind in WATCHED for item in await self._api.list(kind, self._namespace)]
            return all((kind, item["metadata"]["name"], int(item["metadata"]["resourceVersion"])) in self.versions for kind, item in newest)

        await until(so, "the witness has seen everything")

    def of(self, kind: str, name: str) -> list[Raw]:
        """The versions of one object, oldest first."""
        return [
            found for (seen, whose, _), found in sorted(self.versions.items(), key=lambda item: item[0][2]) if (seen, whose) == (kind, name)
        ]

    def weights(self, canary: str) -> list[int]:
        """The canary's shares in the route, in order."""
        shares = [share(route, canary) for route in self.of("HTTPRoute", canary)]
        return [share for place, share in enumerate(shares) if not place or share != shares[place - 1]]

    def names(self, kind: str, canary: str) -> set[str]:
        """What attempts of a Canary, or objects called as it is, were called."""
        return {name for (seen, name, _), found in self.versions.items() if seen == kind and found["spec"].get("canary", name) == canary}

    def broken(self, canary: str) -> list[str]:
        """Each breach of S1, S2, S3, S8 and S9 by the traffic of a Canary whose target has its name."""
        return [*self._of_the_route(canary), *self._of_the_service(canary)]

    def _of_the_route(self, canary: str) -> Iterator[str]:
        key, reached, allowed, ready, serves = CanaryKey(self._namespace, canary), 0, 0, 0, 0
        for (kind, name, version), found in sorted(self.versions.items(), key=lambda item: item[0][2]):
            if kind == "ConfigRollout" and found["spec"]["canary"] == canary:
                # In an attempt that goes back, or was ended, nothing is wanted for the canary: S2 is a case of S1 here.
                allowed = wanted(state_of(found, key)).weight
            elif (kind, name) == ("Deployment", canary):
                ready = (found.get("status") or {}).get("readyReplicas", 0)
            elif (kind, name) == ("Deployment", f"{canary}-primary"):
                serves = (found.get("status") or {}).get("readyReplicas", 0)
            elif (kind, name) == ("HTTPRoute", canary):
                weight = share(found, canary)
                if total(found) != 100:
                    yield f"S8: weights add up to {total(found)} at {version}"
                if weight > reached and weight > allowed:
                    yield f"S1: weight {weight} at {version}, the record says {allowed}"
                if weight > reached and not ready:
                    yield f"S3: weight {weight} at {version} without a ready pod of the canary"
                if weight < reached and not serves:
                    yield f"S9: weight {weight} at {version} without a ready pod of the primary"
                reached = weight

    def _of_the_service(self, canary: str) -> Iterator[str]:
        for found in self.of("Service", canary):
            if found["spec"]["selector"] != {"app": f"{canary}-primary"}:
                yield f"the Service leads to {found['spec']['selector']} at {found['metadata']['resourceVersion']}"


def backends(route: Raw) -> list[Raw]:
    """Where the last rule of a route leads."""
    found: list[Raw] = route["spec"]["rules"][-1]["backendRefs"]
    return found


def share(route: Raw, canary: str) -> int:
    """The canary's, in percent."""
    return sum(int(to["weight"]) for to in backends(route) if to["name"] == f"{canary}-canary")


def total(route: Raw) -> int:
    """All weights together."""
    return sum(int(to["weight"]) for to in backends(route))


@asynccontextmanager
async def witnessed(api: Api, namespace: str) -> AsyncIterator[Witness]:
    """A witness from now on."""
    witness = Witness(api, namespace)
    task = asyncio.create_task(witness.run())
    try:
        yield witness
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled(), task.exception()


def doubled(found: Iterable[Hashable]) -> list[Hashable]:
    """What is there more than once."""
    return [one for one, count in Counter(found).items() if count > 1]
