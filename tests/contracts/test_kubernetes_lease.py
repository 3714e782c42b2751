"""The lease, with an API server on its bad days."""

import pytest

from trimtab.adapters.kubernetes.lease import RENEW, Lease
from trimtab.errors import Denied
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
