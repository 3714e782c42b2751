"""`ports.Teller`: delivers what a record says is to be told, in order, at least once, each key by itself (P4). Made by `wiring`.

Delivered means that every receiver got it, or was given up: at once where it refuses for good, after an hour otherwise.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import aiohttp
import msgspec

from trimtab.adapters.notify import alerts
from trimtab.adapters.notify.webhooks import Reply, Webhooks
from trimtab.model.names import CanaryKey
from trimtab.model.policy import AlertTarget, Hook, HookType, Policy
from trimtab.model.tellings import Telling, TellingKind
from trimtab.ports import Clock, HookCall

GIVE_UP = timedelta(hours=1)
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(seconds=60)
ALERT_DEADLINE = timedelta(seconds=5)
"""Flagger's."""

ReadSecret = Callable[[str, str], Awaitable[Mapping[str, bytes]]]
OnEvent = Callable[[CanaryKey, Telling], None]


@dataclass
class Line:
    """What waits for one key, and what was delivered."""

    waiting: dict[str, tuple[Policy, Telling]] = field(default_factory=dict)
    told: dict[str, None] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)


REMEMBERED = 1000
"""Ids of delivered tellings that are remembered for each key; the record forgets them as soon as it is written."""


@dataclass
class LocalTeller:
    """Events go to event hooks, alerts to chats, hooks are called and their answers become events. `on_event` hears every event."""

    session: aiohttp.ClientSession
    clock: Clock
    read_secret: ReadSecret
    on_event: OnEvent
    event_webhook: str = ""
    lines: dict[CanaryKey, Line] = field(default_factory=dict)
    fresh: "asyncio.Queue[CanaryKey]" = field(default_factory=asyncio.Queue)

    async def tell(self, key: CanaryKey, policy: Policy, tellings: Sequence[Telling]) -> None:
        """Takes over what it does not know yet."""
        if key not in self.lines:
            self.lines[key] = Line()
            self.fresh.put_nowait(key)
        line = self.lines[key]
        for telling in tellings:
            if telling.id not in line.told and telling.id not in line.waiting:
                line.waiting[telling.id] = (policy, telling)
                line.wake.set()

    async def told(self, key: CanaryKey) -> frozenset[str]:
        """Ids that are done with."""
        return frozenset(self.lines[key].told) if key in self.lines else frozenset()

    async def run(self) -> None:
        """Delivers until cancelled; a receiver that hangs delays its own key only."""
        async with asyncio.TaskGroup() as group:
            while True:
                key = await self.fresh.get()
                group.create_task(self.deliver_all(key, self.lines[key]))

    async def deliver_all(self, key: CanaryKey, line: Line) -> None:
        """One key, in order."""
        while True:
            line.wake.clear()
            while line.waiting:
                name, (policy, telling) = next(iter(line.waiting.items()))
                await self.deliver(key, policy, telling)
                del line.waiting[name]
                line.told[name] = None
                while len(line.told) > REMEMBERED:
                    del line.told[next(iter(line.told))]
            await line.wake.wait()

    async def deliver(self, key: CanaryKey, policy: Policy, telling: Telling) -> None:
        """One telling to all its receivers."""
        match telling.kind:
            case TellingKind.EVENT:
                await self.event(key, policy, telling)
            case TellingKind.ALERT:
                targets = [target for target in policy.alerts if not target.problem and alerts.wanted(target, telling)]
                await asyncio.gather(*(self.alert(key, policy, target, telling) for target in targets))
            case TellingKind.HOOKS:
                await self.call(key, policy, telling)

    async def event(self, key: CanaryKey, policy: Policy, telling: Telling) -> None:
        """To whoever listens here, then to event hooks: the Canary's own, else the global one (HOOK-4)."""
        self.on_event(key, telling)
        hooks = policy.hooks_of(HookType.EVENT)
        if not hooks and self.event_webhook:
            hooks = (Hook("event-webhook", HookType.EVENT, self.event_webhook),)
        warning = "Normal" if telling.severity == "info" else "Warning"
        stamp = str(int(telling.at.timestamp() * 1000))
        metadata = {"eventMessage": telling.text, "eventType": warning, "timestamp": stamp}
        call = HookCall(key, telling.phase, telling.run)
        await asyncio.gather(*(self.event_to(call, hook, {**dict(hook.metadata), **metadata}, telling) for hook in hooks))

    async def event_to(self, call: HookCall, hook: Hook, metadata: Mapping[str, str], telling: Telling) -> None:
        """One event hook, as often as it takes."""
        webhooks = Webhooks(self.session, self.clock)
        body = msgspec.json.encode(
            {"name": call.key.name, "namespace": call.key.namespace, "phase": call.phase, "checksum": call.checksum, "metadata": metadata}
        )
        await self.until_delivered(telling, lambda: webhooks.post(hook, body))

    async def call(self, key: CanaryKey, policy: Policy, telling: Telling) -> None:
        """Hooks that are only told: in order, the first failure stops the rest; each answer is an event in its own place."""
        webhooks = Webhooks(self.session, self.clock)
        for number, hook in enumerate(telling.hooks):
            answer = await webhooks.call(HookCall(key, telling.phase, telling.run), hook, dict(hook.metadata))
            name = hook.type.capitalize()
            text = f"{name} check {hook.name} passed" if answer.open else f"{name} hook {hook.name} failed {answer.text}"
            severity = "info" if answer.open else "warn"
            event = replace(telling, id=f"{telling.id}/{number}", kind=TellingKind.EVENT, text=text, severity=severity, reason="HookCalled")
            await self.event(key, policy, event)
            if not answer.open:
                return

    async def alert(self, key: CanaryKey, policy: Policy, target: AlertTarget, telling: Telling) -> None:
        """One chat."""
        secret = await self.read_secret(target.namespace, target.secret) if target.secret else {}
        url, headers = alerts.address(target, secret)
        body = msgspec.json.encode(alerts.payload(key, policy, target, telling))
        if url:
            await self.until_delivered(telling, lambda: self.post(url, headers, body, target.proxy))

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, proxy: str) -> Reply:
        """One request to a chat."""
        try:
            async with self.session.post(
                url, data=body, headers={"Content-Type": "application/json", **headers}, proxy=proxy or None,
                timeout=aiohttp.ClientTimeout(total=ALERT_DEADLINE.total_seconds()),
            ) as answer:  # fmt: skip
                return Reply(200 <= answer.status < 300, "", answer.status == 429 or answer.status >= 500)
        except (TimeoutError, aiohttp.ClientError, ValueError, OSError):
            return Reply(False, "", True)

    async def until_delivered(self, telling: Telling, attempt: Callable[[], Awaitable[Reply]]) -> None:
        """Tries until it is taken, refused for good, or too old."""
        wait = FIRST_WAIT
        while True:
            reply = await attempt()
            if reply.good or not reply.again or self.clock.now() - telling.at > GIVE_UP:
                return
            await self.clock.sleep_until(self.clock.now() + wait)
            wait = min(LONGEST_WAIT, wait * 2)
