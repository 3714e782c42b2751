"""The teller against real receivers: events, alerts as chats take them (AL-2 to AL-4), receivers that are away, and crashes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import aiohttp
import pytest

from trimtab.adapters.notify.teller import Everywhere, HttpTeller
from trimtab.errors import Unavailable
from trimtab.model.names import CanaryKey, Target
from trimtab.model.policy import AlertTarget, Analysis, Hook, HookType, Policy, Service
from trimtab.model.tellings import Telling, TellingKind
from trimtab.testing.jumping import JumpingClock
from trimtab.testing.receiver import Receiver, receiver

KEY = CanaryKey("test", "app")
ROUTING = "Weight step: 20 max: 40"
POLICY = Policy(
    Target("Deployment", "app"), Service("app"), progress_deadline=timedelta(seconds=60), analysis=Analysis(threshold=2), routing=ROUTING
)
FIELDS = [("Target", "Deployment/app.test"), ("Failed checks threshold", "2"), ("Progress deadline", "60s"), ("Traffic routing", ROUTING)]


@dataclass
class Desk:
    """A teller at work, and what it said here."""

    there: Receiver
    clock: JumpingClock
    secrets: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    made: int = 0
    everywhere: Everywhere | None = None

    def teller(self, session: aiohttp.ClientSession, event_webhook: str = "") -> HttpTeller:
        return HttpTeller(session, self.clock, self.secret, self.everywhere or Everywhere(self.record, event_webhook))

    async def record(self, key: CanaryKey, telling: Telling) -> None:
        self.events.append(telling.text)

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes]:
        return self.secrets.get(name, {})

    def telling(self, kind: TellingKind = TellingKind.EVENT, text: str = "Advance", **rest: object) -> Telling:
        self.made += 1
        return replace(Telling(f"{KEY}/{self.made}", kind, self.clock.now(), "Progressing", text, run="5b5b"), **rest)  # type: ignore[arg-type]

    def alert(self, text: str = "Failed checks threshold reached 2", severity: str = "error", detailed: bool = False) -> Telling:
        return self.telling(TellingKind.ALERT, text, severity=severity, detailed=detailed)

    def chat(self, kind: str, path: str = "", **rest: object) -> AlertTarget:
        made = AlertTarget(path or kind, "info", kind, f"{self.there.address}/{path or kind}", "general", "flagger")
        return replace(made, **rest)  # type: ignore[arg-type]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with receiver() as there:
        yield Desk(there, JumpingClock())


@asynccontextmanager
async def at_work(desk: Desk, event_webhook: str = "") -> AsyncIterator[HttpTeller]:
    async with aiohttp.ClientSession() as session:
        teller = desk.teller(session, event_webhook)
        task = asyncio.create_task(teller.run())
        try:
            yield teller
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(claim: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not claim():
            await asyncio.sleep(0.005)


async def told(desk: Desk, policy: Policy, *tellings: Telling, event_webhook: str = "") -> dict[str, str]:
    """What became of them, once all are done with."""
    async with at_work(desk, event_webhook) as teller:
        await teller.tell(KEY, policy, tellings)
        async with asyncio.timeout(10):
            while len(found := await teller.told(KEY)) < len(tellings):
                await asyncio.sleep(0.005)
        return dict(found)


def event_hook(desk: Desk, path: str = "/events", **rest: object) -> Hook:
    return Hook("events", HookType.EVENT, desk.there.address + path, **rest)  # type: ignore[arg-type]


async def test_hook_4_an_event_hook_is_told_the_message_its_type_and_its_time(desk: Desk) -> None:
    policy = replace(POLICY, hooks=(event_hook(desk, metadata=(("eventMessage", "mine"), ("team", "shop"))),))
    found = await told(desk, policy, desk.telling(text="Advance app.test"), desk.telling(text="Halt app.test", severity="warn"))
    common = {"team": "shop", "timestamp": "1767312000000"}
    metadata = [{"eventMessage": "Advance app.test", "eventType": "Normal"}, {"eventMessage": "Halt app.test", "eventType": "Warning"}]
    assert [seen.told for seen in desk.there.seen] == [
        {"name": "app", "namespace": "test", "phase": "Progressing", "checksum": "5b5b", "metadata": {**own, **common}} for own in metadata
    ]
    assert desk.events == ["Advance app.test", "Halt app.test"]
    assert set(found.values()) == {""}


async def test_hook_4_the_canarys_own_event_hook_wins_over_the_global_one(desk: Desk) -> None:
    everywhere = desk.there.address + "/everywhere"
    await told(desk, POLICY, desk.telling(), event_webhook=everywhere)
    await told(desk, replace(POLICY, hooks=(event_hook(desk, "/own"),)), desk.telling(), event_webhook=everywhere)
    assert desk.there.paths() == ["POST /everywhere", "POST /own"]


async def test_without_receivers_an_event_is_heard_here_and_an_alert_is_done_with(desk: Desk) -> None:
    found = await told(desk, POLICY, desk.telling(), desk.alert())
    assert set(found.values()) == {""}
    assert desk.events == ["Advance"]


def slack(colour: str, text: str, fields: list[tuple[str, str]], channel: str = "general", username: str = "flagger") -> object:
    shown = [{"title": title, "value": value, "short": False} for title, value in fields]
    inner = {"color": colour, "author_name": "app.test", "text": text, "mrkdwn_in": ["text"], "fields": shown}
    return {"channel": channel, "username": username, "icon_url": "", "icon_emoji": ":rocket:", "attachments": [inner]}


@pytest.mark.parametrize(
    ("kind", "path", "good", "bad"),
    [
        ("slack", "/slack", "good", "danger"),
        ("discord", "/discord/slack", "good", "danger"),
        ("rocket", "/rocket", "#0076D7", "#FF0000"),
    ],
)
async def test_al_3_al_4_slack_discord_and_rocket_get_the_payload_that_flagger_was_recorded_to_send(
    desk: Desk, kind: str, path: str, good: str, bad: str
) -> None:
    policy = replace(POLICY, alerts=(desk.chat(kind),))
    began = desk.alert("New revision detected, progressing canary analysis.", "info", detailed=True)
    await told(desk, policy, began, desk.alert("Waiting", "warn"), desk.alert())
    assert {seen.path for seen in desk.there.seen} == {path}
    assert [seen.told for seen in desk.there.seen] == [
        slack(good, "New revision detected, progressing canary analysis.", FIELDS),
        slack(good, "Waiting", []),
        slack(bad, "Failed checks threshold reached 2", []),
    ]


async def test_al_3_al_4_teams_gets_the_card_that_flagger_was_recorded_to_send(desk: Desk) -> None:
    await told(desk, replace(POLICY, alerts=(desk.chat("teams"),)), desk.alert("Began", "info", detailed=True), desk.alert())

    def card(colour: str, text: str, fields: list[tuple[str, str]]) -> object:
        facts = [{"name": name, "value": value} for name, value in fields]
        section = {"activityTitle": text, "activitySubtitle": "app.test", "facts": facts}
        outer = {"@type": "MessageCard", "@context": "http://schema.org/extensions", "themeColor": colour, "summary": "app.test"}
        return {**outer, "sections": [section]}

    assert [seen.told for seen in desk.there.seen] == [
        card("0076D7", "Began", FIELDS),
        card("FF0000", "Failed checks threshold reached 2", []),
    ]


async def test_al_4_google_chat_gets_the_card_that_flagger_was_recorded_to_send(desk: Desk) -> None:
    await told(desk, replace(POLICY, alerts=(desk.chat("gchat"),)), desk.alert("Began", "info", detailed=True), desk.alert())

    def card(*texts: str) -> object:
        header = {"title": "Flagger", "subtitle": "app.test", "imageUrl": "https://flagger.app/favicon.png"}
        return {"cards": [{"header": header, "sections": [{"widgets": [{"textParagraph": {"text": text}}]} for text in texts]}]}

    def strong(text: str) -> str:
        return f"<font color=#848484><strong>{text}</strong></font>"

    assert [seen.told for seen in desk.there.seen] == [
        card(strong("Began"), *(f"{name}<br>{strong(value)}" for name, value in FIELDS)),
        card(strong("Failed checks threshold reached 2")),
    ]


async def test_al_3_a_long_progress_deadline_is_written_in_whole_seconds(desk: Desk) -> None:
    policy = replace(POLICY, alerts=(desk.chat("slack"),), progress_deadline=timedelta(seconds=1_234_567))
    await told(desk, policy, desk.alert(detailed=True))
    assert b'"1234567s"' in desk.there.seen[0].body


@pytest.mark.parametrize(("least", "sent"), [("info", ["info", "warn", "error"]), ("warn", ["warn", "error"]), ("error", ["error"])])
async def test_al_2_each_target_gets_what_is_severe_enough_for_it(desk: Desk, least: str, sent: list[str]) -> None:
    policy = replace(POLICY, alerts=(desk.chat("slack", severity=least),))
    await told(desk, policy, *(desk.alert(severity, severity) for severity in ("info", "warn", "error")))
    assert [seen.told["attachments"][0]["text"] for seen in desk.there.seen] == sent  # type: ignore[index]


async def test_al_4_address_and_token_come_from_the_secret_and_only_slack_gets_the_token(desk: Desk) -> None:
    desk.secrets["chat"] = {"address": f"{desk.there.address}/from-secret\n".encode(), "token": b"opensesame\n"}
    targets = tuple(desk.chat(kind, kind, secret="chat", address="") for kind in ("slack", "teams"))
    assert set((await told(desk, replace(POLICY, alerts=targets), desk.alert())).values()) == {""}
    assert {seen.path for seen in desk.there.seen} == {"/from-secret"}
    assert sorted(seen.headers.get("Authorization", "") for seen in desk.there.seen) == ["", "Bearer opensesame"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"problem": 'alertprovider.flagger.app "chat" not found in test'}, 'alertprovider.flagger.app "chat" not found in test'),
        ({"address": ""}, "its AlertProvider has no address; give it in spec.address"),
        ({"address": "", "secret": "gone", "namespace": "test"}, "no address; give it in key address of Secret gone in test"),
        ({"secret": "binary", "namespace": "test"}, "key token of Secret binary in test is not UTF-8 text"),
        ({"address": "chat.example/x"}, "not an address; it must begin with http:// or https://"),
    ],
)
async def test_an_alert_that_can_never_be_sent_is_given_up_at_once_with_the_reason(desk: Desk, changes: dict[str, str], why: str) -> None:
    desk.secrets["binary"] = {"token": b"open\xffsesame"}
    (problem,) = (await told(desk, replace(POLICY, alerts=(desk.chat("slack", **changes),)), desk.alert())).values()
    assert problem.startswith("alert slack: ")
    assert why in problem
    assert "open" not in problem
    assert desk.clock.waits == []


async def test_a_refused_alert_is_not_tried_again_and_no_message_shows_the_address(desk: Desk) -> None:
    desk.secrets["chat"] = {"address": f"{desk.there.address}/T0KEN".encode()}
    desk.there.says("/T0KEN", (404, "no_service"))
    policy = replace(POLICY, alerts=(desk.chat("slack", secret="chat"),))
    assert list((await told(desk, policy, desk.alert())).values()) == ["alert slack: status 404: no_service"]
    assert len(desk.there.seen) == 1
    desk.secrets["chat"] = {"address": b"http://127.0.0.1:1/T0KEN"}
    (problem,) = (await told(desk, policy, desk.alert())).values()
    assert "away for an hour" in problem
    assert "cannot connect" in problem
    assert "T0KEN" not in problem


async def test_no_message_shows_the_address_of_a_chat_or_the_password_of_a_proxy_that_do_not_speak_http(desk: Desk) -> None:
    async with talking(b"T0KEN refused\r\n\r\n") as garbage, talking(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n") as proxy:
        # A name in capitals is written otherwise in what the HTTP library says.
        chat = desk.chat("slack", address=f"http://LOCALHOST:{garbage}/T0 KEN")
        behind = desk.chat("teams", address="https://chat.invalid/T0KEN", proxy=f"http://ada:opensesame@127.0.0.1:{proxy}")
        problems = await told(desk, replace(POLICY, alerts=(chat,)), desk.alert()) | await told(
            desk, replace(POLICY, alerts=(behind,)), desk.alert()
        )
    first, second = problems.values()
    assert "the answer is not HTTP" in first
    assert "T0%20KEN" not in first
    assert "localhost" not in first
    assert "the proxy refuses: 407" in second
    assert "opensesame" not in second


@asynccontextmanager
async def talking(words: bytes) -> AsyncIterator[int]:
    """The port of something that says these words to whoever asks."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(words)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_p4_a_receiver_that_is_away_for_a_while_gets_everything_in_order_once_it_is_back(desk: Desk) -> None:
    desk.there.says("/events", (503, ""), (500, ""), (502, ""), (200, ""))
    desk.there.says("/slack", (503, ""), (503, ""), (200, ""))
    policy = replace(POLICY, hooks=(event_hook(desk),), alerts=(desk.chat("slack"),))
    found = await told(desk, policy, desk.telling(text="one"), desk.telling(text="two"), desk.alert())
    events = [seen.told["metadata"]["eventMessage"] for seen in desk.there.seen if seen.path == "/events"]  # type: ignore[index]
    assert events == ["one", "one", "one", "one", "two"]
    assert set(found.values()) == {""}
    assert desk.events == ["one", "two"]


async def test_p4_after_an_hour_it_is_given_up_and_said_to_be(desk: Desk) -> None:
    desk.there.says("/events", (503, "down for maintenance"))
    before = desk.clock.now()
    found = await told(desk, replace(POLICY, hooks=(event_hook(desk),)), desk.telling())
    assert timedelta(hours=1) < desk.clock.now() - before < timedelta(hours=1, minutes=3)
    assert desk.clock.waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    (problem,) = found.values()
    assert problem.startswith(f"event hook events ({desk.there.address}/events): away for an hour; the last try: ")


async def test_p4_a_receiver_that_is_away_keeps_nothing_from_the_others(desk: Desk) -> None:
    desk.there.hangs("/events")
    desk.there.hangs("/teams")
    policy = replace(POLICY, hooks=(event_hook(desk),), alerts=(desk.chat("slack"), desk.chat("teams")))
    other = CanaryKey("test", "other")
    async with at_work(desk) as teller:
        await teller.tell(KEY, policy, [desk.telling(), desk.alert("first"), desk.alert("second")])
        await teller.tell(other, replace(POLICY, alerts=(desk.chat("slack", "others"),)), [desk.alert("third")])
        await until(lambda: desk.there.paths().count("POST /slack") == 2 and "POST /others" in desk.there.paths())
        assert await teller.told(KEY) == {}


async def test_p4_an_event_hook_that_is_away_keeps_back_neither_events_nor_hooks_nor_another_event_hook(desk: Desk) -> None:
    desk.there.hangs("/events")
    policy = replace(POLICY, hooks=(event_hook(desk), event_hook(desk, "/others")))
    called = desk.telling(TellingKind.HOOKS, "", hooks=(Hook("after", HookType.POST_ROLLOUT, f"{desk.there.address}/after"),))
    async with at_work(desk) as teller:
        await teller.tell(KEY, policy, [desk.telling(text="one"), called, desk.telling(text="two")])
        await until(lambda: len(desk.events) == 3 and desk.there.paths().count("POST /others") == 3)
        assert await teller.told(KEY) == {}
    assert desk.events == ["one", "Post-rollout check after passed", "two"]
    others = [seen.told["metadata"]["eventMessage"] for seen in desk.there.seen if seen.path == "/others"]  # type: ignore[index]
    assert others == desk.events and desk.there.paths().count("POST /events") == 1


async def test_p4_events_that_cannot_be_kept_hold_back_no_event_hook_and_no_hook(desk: Desk) -> None:
    async def record(key: CanaryKey, telling: Telling) -> None:
        await asyncio.Event().wait()

    desk.everywhere = Everywhere(record)
    policy = replace(POLICY, hooks=(event_hook(desk),))
    called = desk.telling(TellingKind.HOOKS, "", hooks=(Hook("after", HookType.POST_ROLLOUT, f"{desk.there.address}/after"),))
    async with at_work(desk) as teller:
        await teller.tell(KEY, policy, [desk.telling(text="one"), called, desk.telling(text="two")])
        await until(lambda: len(desk.there.seen) == 4)
    assert desk.there.paths() == ["POST /events", "POST /after", "POST /events", "POST /events"]


async def test_chats_are_told_in_the_order_in_which_the_canary_names_them_though_an_address_has_to_be_looked_up(desk: Desk) -> None:
    async def slow(namespace: str, name: str) -> Mapping[str, bytes]:
        await asyncio.sleep(0.1)
        return {"address": f"{desk.there.address}/{name}".encode()}

    desk.secret = slow  # type: ignore[method-assign]
    targets = (desk.chat("slack", secret="first"), desk.chat("teams", "second"), desk.chat("slack", "third", secret="third"))
    await told(desk, replace(POLICY, alerts=targets), desk.alert())
    assert desk.there.paths() == ["POST /first", "POST /second", "POST /third"]


async def test_al_2_two_targets_of_one_name_both_get_an_alert(desk: Desk) -> None:
    first, second = desk.chat("slack", "first", name="on-call"), desk.chat("slack", "second", name="on-call")
    await told(desk, replace(POLICY, alerts=(first, second)), desk.alert())
    assert sorted(desk.there.paths()) == ["POST /first", "POST /second"]


async def test_nothing_is_kept_running_for_receivers_that_have_everything(desk: Desk) -> None:
    async with at_work(desk) as teller:
        for name in ("one", "two", "three"):
            await teller.tell(CanaryKey("test", name), replace(POLICY, alerts=(desk.chat("slack", name),)), [desk.alert()])
        await until(lambda: len(desk.there.paths()) == 3 and not teller.lanes)
        await teller.tell(KEY, replace(POLICY, alerts=(desk.chat("slack", "one"),)), [desk.alert("again")])
        await until(lambda: len(desk.there.paths()) == 4 and not teller.lanes)


async def test_p4_what_is_told_again_while_it_waits_or_after_it_was_delivered_is_delivered_once(desk: Desk) -> None:
    policy = replace(POLICY, hooks=(event_hook(desk),))
    first, second = desk.telling(), desk.telling()
    async with at_work(desk) as teller:
        await teller.tell(KEY, policy, [first])
        await teller.tell(KEY, policy, [first, second])
        await until(lambda: len(desk.there.seen) == 2)
        await teller.tell(KEY, policy, [first, second])
        last = desk.telling(text="last")
        await teller.tell(KEY, policy, [last])
        await until(lambda: len(desk.there.seen) == 3)
    assert desk.events == ["Advance", "Advance", "last"]


async def test_a_canary_that_is_made_again_under_its_old_name_is_told_about_anew(desk: Desk) -> None:
    """Its tellings are counted from one again. What the one before had left is delivered still."""
    policy = replace(POLICY, hooks=(event_hook(desk),))
    async with at_work(desk) as teller:
        await teller.tell(KEY, policy, [desk.telling(text="old")])
        teller.forget(KEY)
        desk.made = 0
        await teller.tell(KEY, policy, [desk.telling(text="new")])
        await until(lambda: len(desk.there.seen) == 2)
        assert f"{KEY}/1" in await teller.told(KEY)
    assert desk.events == ["old", "new"]


async def test_a_teller_that_is_killed_in_the_middle_tells_again_after_the_restart(desk: Desk) -> None:
    desk.there.hangs("/events")
    policy = replace(POLICY, hooks=(event_hook(desk),))
    item = desk.telling()
    async with at_work(desk) as teller:
        await teller.tell(KEY, policy, [item])
        await until(lambda: desk.there.seen)
        assert await teller.told(KEY) == {}
    del desk.there.answers["/events"]
    assert await told(desk, policy, item) == {item.id: ""}
    assert len(desk.there.seen) == 2


async def test_hooks_are_called_in_order_each_answer_is_an_event_in_its_place_and_the_first_failure_stops_the_rest(desk: Desk) -> None:
    desk.there.says("/b", (403, "no"))
    hooks = tuple(Hook(name, HookType.POST_ROLLOUT, f"{desk.there.address}/{name}") for name in "abc")
    policy = replace(POLICY, hooks=(event_hook(desk),))
    called = desk.telling(TellingKind.HOOKS, "", hooks=hooks)
    found = await told(desk, policy, desk.telling(text="before"), called, desk.telling(text="after"))
    assert desk.there.paths() == [f"POST /{path}" for path in ("events", "a", "events", "b", "events", "events")]
    assert desk.events == ["before", "Post-rollout check a passed", "Post-rollout hook b failed no", "after"]
    assert set(found.values()) == {""}


async def test_a_secret_that_cannot_be_read_just_now_is_asked_for_again(desk: Desk) -> None:
    asked: list[str] = []

    async def flaky(namespace: str, name: str) -> Mapping[str, bytes]:
        asked.append(name)
        if len(asked) == 1:
            raise Unavailable("the API server is away")
        return {"address": f"{desk.there.address}/slack".encode()}

    desk.secret = flaky  # type: ignore[method-assign]
    found = await told(desk, replace(POLICY, alerts=(desk.chat("slack", secret="chat"),)), desk.alert())
    assert set(found.values()) == {""}
    assert len(asked) == 2


async def test_al2_alerts_of_a_canary_that_names_no_provider_go_to_the_global_ones(desk: Desk) -> None:
    desk.everywhere = Everywhere(alerts=(desk.chat("slack", "global"),), cluster="blue")
    own = replace(POLICY, alerts=(desk.chat("slack", "own"),))
    await told(desk, POLICY, desk.alert(detailed=True))
    await told(desk, own, desk.alert())
    assert [seen.path for seen in desk.there.seen] == ["/global", "/own"]
    assert b'"Cluster","value":"blue"' in desk.there.seen[0].body


async def test_al2_the_token_of_the_global_slack_goes_there_and_nowhere_else(desk: Desk) -> None:
    everywhere = desk.chat("slack", "global")
    desk.everywhere = Everywhere(alerts=(everywhere,), secrets={everywhere: {"token": b"opensesame"}})
    await told(desk, POLICY, desk.alert())
    await told(desk, replace(POLICY, alerts=(replace(desk.chat("slack", "own"), name=everywhere.name),)), desk.alert())
    sent = {seen.path: seen.headers.get("Authorization") for seen in desk.there.seen}
    assert sent == {"/global": "Bearer opensesame", "/own": None}
    assert "opensesame" not in repr(desk.everywhere)


async def test_an_event_that_cannot_be_kept_is_tried_again_until_it_is(desk: Desk) -> None:
    tries: list[str] = []

    async def record(key: CanaryKey, telling: Telling) -> None:
        tries.append(telling.text)
        if len(tries) < 3:
            raise Unavailable("the API server is away")

    desk.everywhere = Everywhere(record)
    assert set((await told(desk, POLICY, desk.telling())).values()) == {""}
    assert tries == ["Advance"] * 3


async def test_an_address_that_the_policy_does_not_hold_is_looked_up_and_so_the_newest_counts(desk: Desk) -> None:
    addresses = {"chat": f"{desk.there.address}/found"}
    desk.everywhere = Everywhere(desk.record, look_up=lambda target: replace(target, address=addresses.get(target.provider, "")))
    policy = replace(POLICY, alerts=(desk.chat("slack", address="", provider="chat"), desk.chat("slack", "own")))
    found = await told(desk, policy, desk.alert())
    assert set(found.values()) == {""} and sorted(seen.path for seen in desk.there.seen) == ["/found", "/own"]
    del addresses["chat"]
    found = await told(desk, policy, desk.alert())
    assert ["has no address" in problem for problem in found.values()] == [True]
