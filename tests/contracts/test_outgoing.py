"""Requests to addresses that people write go to no link-local address."""

import aiohttp
import pytest

from trimtab.adapters.clock import SystemClock
from trimtab.adapters.notify.webhooks import Webhooks
from trimtab.adapters.outgoing import outgoing_session, refused
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Hook, HookType
from trimtab.ports import HookCall
from trimtab.testing.receiver import receiver


@pytest.mark.parametrize("host", ["169.254.169.254", "fe80::1", "fe80::1%eth0", "::ffff:169.254.1.1"])
def test_link_local_addresses_are_refused(host: str) -> None:
    assert refused(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "fd00::1", "2001:db8::1", "example.com"])
def test_others_are_not(host: str) -> None:
    assert not refused(host)


async def test_a_webhook_to_the_metadata_service_is_closed_and_says_why() -> None:
    hook = Hook("gate", HookType.CONFIRM_ROLLOUT, "http://169.254.169.254/latest/meta-data")
    async with outgoing_session() as session:
        (answer,) = await Webhooks(session, SystemClock()).ask(HookCall(CanaryKey("test", "app"), "Progressing", "x"), (hook,))
    assert not answer.open and "link-local addresses are not connected to" in answer.text


async def test_other_addresses_are_asked_as_ever() -> None:
    async with receiver() as there, outgoing_session() as session, session.get(there.address) as answer:
        assert isinstance(session, aiohttp.ClientSession) and answer.status == 200
