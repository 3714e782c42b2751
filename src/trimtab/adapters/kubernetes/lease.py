"""Who may act: a Lease of `coordination.k8s.io` that one process holds. Used by the operator; the compare-and-swap is the real guard.

A lease is taken over when its holder has not renewed it for its whole duration, as measured by our own clock from when we last saw it
change, so that clocks of two machines never have to agree.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from trimtab.adapters.kubernetes.client import Client, Object
from trimtab.adapters.kubernetes.kinds import LEASE
from trimtab.config.references import mapping
from trimtab.errors import Conflict, OutsideError, Throttled, Unavailable
from trimtab.ports import Clock

DURATION = 10.0
"""Seconds after which a lease that was not renewed may be taken."""
RENEW = 2.0
"""Seconds between two renewals, and between two looks of those who wait."""
GIVE_UP = 7.0
"""Seconds without a renewal after which a holder stops acting: well before anybody else may begin.

They count from when the renewal was sent: others see it before the answer is here, however late that is.
"""


@dataclass
class Lease:
    """One process' part in the election. `seconds` is a clock that never jumps."""

    client: Client
    namespace: str
    name: str
    identity: str
    clock: Clock
    seconds: Callable[[], float]
    seen: tuple[str, str] = ("", "")
    """Holder and time of its newest renewal, as last read."""
    since: float = field(default=0.0)
    """When that was first read."""
    renewed: float = field(default=0.0)
    """When the newest renewal was sent that came to be."""

    async def acquire(self) -> None:
        """Returns when this process holds the lease, however long the API server is away. Denied where it may not even ask."""
        while True:
            rest = RENEW
            try:
                if await self.attempt():
                    if self.left() > 0:
                        return
                    continue
            except Throttled as error:
                rest = max(RENEW, error.after)
            except Unavailable:
                pass
            await self.clock.sleep_until(self.clock.now() + timedelta(seconds=rest))

    async def keep(self) -> None:
        """Renews for as long as that works; returns when the lease is lost, or could not be renewed for GIVE_UP seconds."""
        while (left := self.left()) > 0:
            await self.clock.sleep_until(self.clock.now() + timedelta(seconds=min(RENEW, left)))
            try:
                async with asyncio.timeout(max(0.1, self.left())):
                    if not await self.attempt():
                        return
            except (OutsideError, TimeoutError):
                continue

    def left(self) -> float:
        """For how many seconds this process may act, if it holds the lease."""
        return self.renewed + GIVE_UP - self.seconds()

    async def release(self) -> None:
        """Lets the next one begin at once; where that cannot be said, it begins after DURATION."""
        try:
            found = await self.client.get(LEASE, self.namespace, self.name)
            if found is not None and holder(found) == self.identity:
                spec = {**mapping(found["spec"]), "holderIdentity": "", "renewTime": micro(self.clock.now())}
                await self.client.replace(LEASE, {**found, "spec": spec})
        except OutsideError:
            return

    async def attempt(self) -> bool:
        """Takes or renews the lease. False while somebody else holds it, or was quicker."""
        found = await self.client.get(LEASE, self.namespace, self.name)
        sent = self.seconds()
        try:
            if found is None:
                await self.client.create(LEASE, self.lease({}, {"namespace": self.namespace, "name": self.name}))
            elif self.may_take(found):
                await self.client.replace(LEASE, self.lease(mapping(found.get("spec")), mapping(found["metadata"])))
            else:
                return False
        except Conflict:
            return False
        self.renewed = sent
        return True

    def may_take(self, found: Object) -> bool:
        """Is it ours, free, or not renewed for too long?"""
        mark = (holder(found), str(mapping(found.get("spec")).get("renewTime")))
        if mark != self.seen:
            self.seen, self.since = mark, self.seconds()
        return holder(found) in ("", self.identity) or self.seconds() - self.since > DURATION

    def lease(self, before: object, metadata: object) -> Object:
        """The object that says that this process holds it."""
        old, now = mapping(before), micro(self.clock.now())
        ours = old.get("holderIdentity") == self.identity
        count = old.get("leaseTransitions")
        changes = (count if isinstance(count, int) else 0) + (0 if ours or not old else 1)
        spec = {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": int(DURATION),
            "acquireTime": old.get("acquireTime", now) if ours else now,
            "renewTime": now,
            "leaseTransitions": changes,
        }
        return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": dict(mapping(metadata)), "spec": spec}


def holder(found: Object) -> str:
    """Who holds it; empty for nobody."""
    return str(mapping(found.get("spec")).get("holderIdentity") or "")


def micro(moment: datetime) -> str:
    """As Kubernetes writes its MicroTime."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
