"""Webhooks against a real HTTP server: Flagger's payload and rules (HOOK-1 to HOOK-7), and receivers that misbehave."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from trimtab.adapters.notify.webhooks import LONGEST, Webhooks
from trimtab.model.facts import HookAnswer
from trimtab.model.names import CanaryKey
from trimtab.model.policy import Hook, HookType
from trimtab.ports import HookCall
from trimtab.testing.jumping import JumpingClock
from trimtab.testing.receiver import Receiver, receiver

CALL = HookCall(CanaryKey("shop", "app"), "Progressing", "57955f556c")


@pytest.fixture
async def there() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def webhooks(session: aiohttp.ClientSession, clock: JumpingClock) -> Webhooks:
    return Webhooks(session, clock)


def hook(url: str, kind: HookType = HookType.CONFIRM_ROLLOUT, **rest: object) -> Hook:
    return Hook("gate", kind, url, **rest)  # type: ignore[arg-type]


async def one(webhooks: Webhooks, url: str, **rest: object) -> HookAnswer:
    (answer,) = await webhooks.ask(CALL, [hook(url, **rest)])
    return answer


async def test_hook_3_the_payload_is_flaggers_and_metadata_is_absent_when_there_is_none(there: Receiver, webhooks: Webhooks) -> None:
    await one(webhooks, there.address + "/a")
    await one(webhooks, there.address + "/b", metadata=(("team", "shop"),))
    told = {"name": "app", "namespace": "shop", "phase": "Progressing", "checksum": "57955f556c"}
    assert [(seen.path, seen.told) for seen in there.seen] == [("/a", told), ("/b", {**told, "metadata": {"team": "shop"}})]
    assert there.paths() == ["POST /a", "POST /b"]
    headers = there.seen[0].headers
    assert headers["Content-Type"] == "application/json"
    assert "Authorization" not in headers


async def test_hook_1_gates_are_asked_in_order_up_to_the_first_closed_one(there: Receiver, webhooks: Webhooks) -> None:
    there.says("/closed", (403, "not today"))
    answers = await webhooks.ask(CALL, [hook(f"{there.address}/{path}") for path in ("open", "closed", "never")])
    assert there.paths() == ["POST /open", "POST /closed"]
    assert [(answer.open, answer.text) for answer in answers] == [(True, "ok"), (False, "not today")]


async def test_hook_1_rollback_hooks_are_asked_in_order_up_to_the_first_open_one(there: Receiver, webhooks: Webhooks) -> None:
    there.says("/quiet", (403, "no reason to"))
    answers = await webhooks.ask(CALL, [hook(f"{there.address}/{path}", HookType.ROLLBACK) for path in ("quiet", "back", "never")])
    assert there.paths() == ["POST /quiet", "POST /back"]
    assert [answer.open for answer in answers] == [False, True]


async def test_quirk_18_flaggers_way_can_be_had(there: Receiver, webhooks: Webhooks) -> None:
    there.says("/", (200, ""), (202, ""), (204, ""), (299, ""))
    answers = [await one(replace(webhooks, highest=202), there.address) for _ in range(4)]
    assert [answer.open for answer in answers] == [True, True, False, False]


@pytest.mark.parametrize(("status", "is_open"), [(200, True), (202, True), (204, True), (300, False), (400, False), (404, False)])
async def test_hook_5_quirk_18_every_2xx_is_yes_and_nothing_else(there: Receiver, webhooks: Webhooks, status: int, is_open: bool) -> None:
    there.says("/", (status, ""))
    answer = await one(webhooks, there.address, retries=3)
    assert answer.open is is_open
    assert len(there.seen) == 1
    assert answer.text == ("" if is_open else f"status {status}")


async def test_hook_7_a_hook_is_asked_once_unless_it_says_otherwise_and_the_body_of_a_5xx_is_lost(
    there: Receiver, webhooks: Webhooks
) -> None:
    there.says("/", (500, "a stack trace"))
    answer = await one(webhooks, there.address + "/")
    assert len(there.seen) == 1
    assert answer == HookAnswer(answer.hook, False, f"POST {there.address}/ giving up after 1 attempt(s)")


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_hook_7_what_may_pass_is_tried_again_after_1_2_4_seconds(
    there: Receiver, webhooks: Webhooks, clock: JumpingClock, status: int
) -> None:
    there.says("/", (status, ""), (status, ""), (status, ""), (200, "yes"))
    answer = await one(webhooks, there.address, retries=3)
    assert (answer.open, answer.text) == (True, "yes")
    assert clock.waits == [1, 2, 4]


async def test_hook_7_waits_double_up_to_30_seconds_and_501_is_final(there: Receiver, webhooks: Webhooks, clock: JumpingClock) -> None:
    there.says("/", (500, ""))
    await one(webhooks, there.address, retries=7)
    assert clock.waits == [1, 2, 4, 8, 16, 30, 30]
    there.says("/", (501, "cannot"))
    there.seen.clear()
    assert (await one(webhooks, there.address, retries=7)).text == "cannot"
    assert len(there.seen) == 1


@pytest.mark.parametrize(
    ("status", "after", "wait"), [(503, "7", 7), (429, "7", 7), (500, "7", 1), (503, "soon", 1), (503, "²", 1), (503, "86400", 60)]
)
async def test_hook_7_retry_after_counts_for_429_and_503_up_to_a_minute(
    there: Receiver, webhooks: Webhooks, clock: JumpingClock, status: int, after: str, wait: float
) -> None:
    there.says("/", (status, "", {"Retry-After": after}), (200, ""))
    await one(webhooks, there.address, retries=1)
    assert clock.waits == [wait]


async def test_hook_6_a_hook_that_hangs_is_given_up_at_its_own_deadline_each_time(there: Receiver, webhooks: Webhooks) -> None:
    there.hangs("/")
    answer = await one(webhooks, there.address + "/", timeout=timedelta(milliseconds=50), retries=1)
    assert not answer.open
    assert answer.text == f'POST {there.address}/ giving up after 2 attempt(s): Post "{there.address}/": no answer within 0.05 s'
    assert len(there.seen) == 2


async def test_p5_a_question_can_be_taken_back_at_any_moment(there: Receiver, webhooks: Webhooks) -> None:
    there.hangs("/")
    question = asyncio.create_task(one(webhooks, there.address + "/", retries=5))
    async with asyncio.timeout(5):
        while not there.seen:
            await asyncio.sleep(0.005)
        question.cancel()
        with pytest.raises(asyncio.CancelledError):
            await question
    assert len(there.seen) == 1


async def test_a_body_that_never_ends_is_given_up_at_the_deadline(there: Receiver, webhooks: Webhooks) -> None:
    there.sends("/", 200, b"still thinking", hangs=True)
    answer = await one(webhooks, there.address + "/", timeout=timedelta(milliseconds=50))
    assert not answer.open
    assert "no answer within 0.05 s" in answer.text


async def test_a_deadline_of_zero_has_passed_as_in_flagger(there: Receiver, webhooks: Webhooks) -> None:
    assert "no answer within 0 s" in (await one(webhooks, there.address, timeout=timedelta(0))).text


async def test_of_a_huge_answer_256_printable_characters_are_kept_on_one_line(there: Receiver, webhooks: Webhooks) -> None:
    there.sends("/", 403, b"first\r\n\x1b[31m", *[b"\x00\xff" + b"x" * 65536] * 64)
    answer = await one(webhooks, there.address)
    assert answer.text.startswith("first [31m")
    assert len(answer.text) == LONGEST
    assert answer.text.isprintable()


async def test_the_answer_is_read_whole_though_it_comes_in_pieces(there: Receiver, webhooks: Webhooks) -> None:
    there.sends("/", 403, b"the ", b"gate ", b"is closed")
    assert (await one(webhooks, there.address)).text == "the gate is closed"


async def test_hook_5_a_redirect_is_followed_and_one_without_end_is_said(there: Receiver, webhooks: Webhooks) -> None:
    there.says("/moved", (307, "", {"Location": "/new"}))
    there.says("/round", (307, "", {"Location": "/round"}))
    assert (await one(webhooks, there.address + "/moved")).open
    assert there.paths() == ["POST /moved", "POST /new"]
    answer = await one(webhooks, there.address + "/round", retries=2)
    assert not answer.open
    assert answer.text == f'Post "{there.address}/round": redirected without end'


async def test_a_connection_that_is_refused_or_cut_is_tried_again(there: Receiver, webhooks: Webhooks, clock: JumpingClock) -> None:
    there.cuts("/")
    assert "giving up after 2 attempt(s): Post" in (await one(webhooks, there.address, retries=1)).text
    nobody = await one(webhooks, "http://127.0.0.1:1/x", retries=1)
    assert nobody.text.startswith('POST http://127.0.0.1:1/x giving up after 2 attempt(s): Post "http://127.0.0.1:1/x": cannot connect: ')
    assert clock.waits == [1, 1]


@pytest.mark.parametrize("url", ["gate:8080/x", "", "http://", "http://[half", "http://gate:port/", "ftp://gate/x"])
async def test_what_is_no_address_is_said_and_not_tried_again(webhooks: Webhooks, clock: JumpingClock, url: str) -> None:
    answer = await one(webhooks, url, retries=3)
    assert not answer.open
    assert answer.text == f'Post "{url}": not an address; it must begin with http:// or https:// and name a host'
    assert clock.waits == []


async def test_a_password_in_an_address_is_sent_and_never_shown(there: Receiver, webhooks: Webhooks) -> None:
    there.says("/", (500, ""))
    answer = await one(webhooks, there.address.replace("//", "//ada:opensesame@") + "/")
    assert there.seen[0].headers["Authorization"].startswith("Basic ")
    assert "opensesame" not in answer.text
    assert "//***@127.0.0.1" in answer.text
    assert "opensesame" not in (await one(webhooks, "http://ada:opensesame@127.0.0.1:1/")).text
    assert "opensesame" not in (await one(webhooks, "http://opensesame@127.0.0.1:1/")).text


async def test_hook_6_disable_tls_means_that_the_certificate_is_not_verified(webhooks: Webhooks) -> None:
    untrusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    untrusted.load_cert_chain(Path(__file__).with_name("untrusted.pem"))
    async with receiver(untrusted) as there:
        strict = await one(webhooks, there.address, retries=3)
        assert not strict.open
        assert "its certificate is not trusted" in strict.text
        assert there.seen == []
        assert (await one(webhooks, there.address, skip_tls_verify=True)).open
