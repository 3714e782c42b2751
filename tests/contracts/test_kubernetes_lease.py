"""The lease, with an API server on its bad days."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from trimtab.adapters.kubernetes.client import Client
from trimtab.adapters.kubernetes.kinds import Kind
from trimtab.adapters.kubernetes.lease import DURATION, RENEW, Lease
from trimtab.errors import Denied, Unavailable
from trimtab.testing.jumping import JumpingClock

from .kubernetes_api import gives, made, status, talking


async def test_who_waits_for_the_lease_outlasts_an_api_server_that_is_away() -> None:
    clock = JumpingClock()
    async with talking() as (api, client):
        lease = Lease(client, "trimtab", "trimtab", "me", clock, lambda: 0.0)
        busy, away = status(429, "TooManyRequests", after="7"), status(503, "ServiceUnavailable")
        api.says(away, busy, away, status(404, "NotFound", name="trimtab"), gives(made("trimtab", "1"), 201))
        await lease.acquire()
    assert [seen.method for seen in api.seen] == ["GET", "GET", "GET", "GET", "POST"]
    assert clock.waits == [RENEW, 7.0, RENEW]


async def test_who_may_not_ask_for_the_lease_is_told_at_once() -> None:
    clock = JumpingClock()
    async with talking() as (api, client):
        api.says(status(403, "Forbidden"))
        with pytest.raises(Denied):
            await Lease(client, "trimtab", "trimtab", "me", clock, lambda: 0.0).acquire()
    assert clock.waits == []


@dataclass
class SlowServer:
    """An API server that does what it is told at once, and says so late. `waits` are the seconds of its answers to writes."""

    clock: JumpingClock
    waits: Sequence[float]
    now: float = 0.0
    sent: list[float] = field(default_factory=list)
    """When the writes came that it took."""
    there: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        self.clock.meanwhile = self.passes

    def passes(self) -> None:
        """As much time as the clock jumps."""
        self.now += self.clock.waits[-1]

    def lease(self) -> Lease:
        return Lease(cast(Client, self), "trimtab", "trimtab", "me", self.clock, lambda: self.now)

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        if len(self.sent) == len(self.waits):
            raise Unavailable("it is away now")
        return self.there

    async def create(self, kind: Kind, made: dict[str, Any]) -> dict[str, Any]:
        self.sent.append(self.now)
        self.now += self.waits[len(self.sent) - 1]
        self.there = made
        return made

    replace = create


async def test_who_holds_the_lease_stops_before_it_may_be_taken_however_late_the_answer_to_a_renewal_comes() -> None:
    server = SlowServer(JumpingClock(), (0.0, 6.5))
    lease = server.lease()
    await lease.acquire()
    await lease.keep()
    assert len(server.sent) == 2 and server.now < server.sent[-1] + DURATION


async def test_a_lease_that_is_answered_when_it_may_be_taken_already_is_renewed_before_anybody_acts() -> None:
    server = SlowServer(JumpingClock(), (25.0, 0.0, 0.0))
    await server.lease().acquire()
    assert server.sent == [0.0, 25.0]
