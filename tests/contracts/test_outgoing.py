"""Requests to addresses that people write go to no link-local address."""

from dataclasses import replace

import aiohttp
import pytest

from trimtab.adapters.clock import SystemClock
from trimtab.adapters.metrics.prometheus import Server, query
from trimtab.adapters.notify.webhooks import Webhooks
from trimtab.adapters.outgoing import outgoing_session, refused
from trimtab.errors import InputError
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Hook, HookType
from trimtab.ports import HookCall
from trimtab.testing.receiver import receiver
from trimtab.wiring.cluster import OperatorOptions, Settings, hosts_of


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


@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.0.*", "*"])
async def test_hosts_that_are_named_are_asked(allowed: str) -> None:
    async with receiver() as there, outgoing_session(("other.example", allowed)) as session, session.get(there.address) as answer:
        assert answer.status == 200


async def test_a_webhook_to_any_other_host_is_closed_at_once_and_says_why() -> None:
    async with receiver() as there, outgoing_session(("*.example", "hooks.slack.com")) as session:
        hook = Hook("gate", HookType.CONFIRM_ROLLOUT, there.address, retries=3)
        (answer,) = await Webhooks(session, SystemClock()).ask(HookCall(CanaryKey("test", "app"), "Progressing", "x"), (hook,))
        assert there.seen == []
    assert not answer.open and "host 127.0.0.1 is not one that --allowed-hosts of the operator names" in answer.text


async def test_a_redirect_does_not_lead_elsewhere() -> None:
    async with receiver() as there, outgoing_session(("127.0.0.1",)) as session:
        there.says("/", (302, "", {"Location": there.address.replace("127.0.0.1", "localhost")}))
        with pytest.raises(aiohttp.ClientOSError, match="host localhost is not one"):
            await session.get(there.address)


async def test_a_proxy_is_a_host_that_is_asked() -> None:
    async with receiver() as there, outgoing_session(("chat.example",)) as session:
        with pytest.raises(aiohttp.ClientOSError, match=r"host 127\.0\.0\.1 is not one"):
            await session.post("http://chat.example/", proxy=there.address)


async def test_a_metric_server_elsewhere_is_an_input_error() -> None:
    async with outgoing_session(("prometheus",)) as session:
        with pytest.raises(InputError, match=r"may not be asked: host 127\.0\.0\.1 is not one"):
            await query(session, Server("http://127.0.0.1:1"), "up")


def test_the_hosts_of_the_operators_own_flags_may_always_be_asked() -> None:
    options = OperatorOptions(Settings(), metrics_server="http://prometheus:9090", allowed_hosts=("*.example",))
    assert hosts_of(options) == {"*.example", "prometheus"}
    assert hosts_of(replace(options, allowed_hosts=())) == frozenset()
