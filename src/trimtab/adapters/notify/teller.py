"""`ports.Teller`: delivers what a record says is to be told, in order, at least once (P4). Made by `wiring`.

Each receiver has for each key a lane of its own, so that one which is away keeps nothing from the others: every chat, every event hook,
where events are kept, and hooks that are only told. Delivered means that every receiver got it, or that it was given up and is said to
be: at once where it is refused for good, after an hour otherwise.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum
from functools import partial

import aiohttp
import msgspec

from trimtab.adapters.notify import alerts
from trimtab.adapters.notify.webhooks import HIGHEST, Reply, Webhooks, failed, judged, payload, printable, shown, start_of
from trimtab.errors import InputError, OutsideError
from trimtab.model.names import CanaryKey
from trimtab.model.policy import AlertTarget, Hook, HookType, Policy
from trimtab.model.tellings import Telling, TellingKind
from trimtab.ports import Clock, HookCall

GIVE_UP = timedelta(hours=1)
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=1), timedelta(seconds=60)
ALERT_DEADLINE = 5.0
"""Seconds; Flagger's."""
MOMENT = 1.0
"""Seconds that a chat waits for the one before it, and a hook for the event hooks."""
REMEMBERED = 1000
"""Ids of delivered tellings that are remembered for each key; the record forgets them as soon as it is written."""

ReadSecret = Callable[[str, str], Awaitable[Mapping[str, bytes]]]
RecordEvent = Callable[[CanaryKey, Telling], Awaitable[None]]
"""Writes an event where events are kept. OutsideError where that may work later, InputError where it never will."""


class Own(Enum):
    """Receivers that every Canary has."""

    EVENTS = "events"
    """Where events are kept."""
    HOOKS = "hooks"
    """Hooks that are only told."""


Receiver = AlertTarget | Own | str
"""A chat, or an event hook by its address. Names of alerts are no keys: people give two the same."""
Job = Callable[[], Awaitable[str]]
"""Delivers; its answer is why it could not, empty where it could."""


@dataclass
class Coming:
    """An event that may be yet to come: a hook's answer, or None where that hook is not called."""

    event: "asyncio.Future[Telling | None]"
    tried: list[asyncio.Event] = field(default_factory=list)
    """For each event hook: it was told, or did not take it at once."""

    def comes(self, event: Telling | None) -> None:
        """Now it is known. Of what never comes everybody has heard."""
        self.event.set_result(event)
        for tried in self.tried if event is None else ():
            tried.set()


@dataclass
class Waiting:
    """A telling that some of its receivers did not get yet, and why others never will."""

    receivers: int
    problems: list[str] = field(default_factory=list)


@dataclass
class Line:
    """What waits for one key, and what was delivered: by id, with the reason where it was given up."""

    waiting: dict[str, Waiting] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    newest: Sequence[Coming] = ()
    """The events of the newest telling that has some."""

    def done(self, name: str, problem: str) -> None:
        """One receiver has it, or never will."""
        found = self.waiting[name]
        found.receivers -= 1
        found.problems += [problem] if problem else []
        if found.receivers <= 0:
            del self.waiting[name]
            self.told[name] = "; ".join(found.problems)
            while len(self.told) > REMEMBERED:
                del self.told[next(iter(self.told))]


@dataclass(frozen=True, slots=True)
class Everywhere:
    """Who is told about every Canary."""

    record: RecordEvent | None = None
    """Where events are kept."""
    event_webhook: str = ""
    """Where events of Canaries go that name no event webhook (HOOK-4)."""
    alerts: tuple[AlertTarget, ...] = ()
    """Where alerts of Canaries go that name no AlertProvider (AL-2)."""
    cluster: str = ""
    """Shown in detailed alerts (AL-3)."""
    look_up: Callable[[AlertTarget], AlertTarget] | None = None
    """Adds address and proxy of a chat whose policy does not hold them."""
    secrets: Mapping[AlertTarget, Mapping[str, bytes]] = field(default_factory=dict, repr=False)
    """Of those of `alerts` that need one: what a Secret would hold."""
    highest: int = HIGHEST
    """The highest status of a webhook that is a success."""


@dataclass
class HttpTeller:
    """Events go to event hooks, alerts to chats, hooks are called and their answers become events."""

    session: aiohttp.ClientSession
    clock: Clock
    read_secret: ReadSecret
    everywhere: Everywhere = Everywhere()
    lines: dict[CanaryKey, Line] = field(default_factory=dict)
    lanes: dict[tuple[CanaryKey, Receiver], "asyncio.Queue[tuple[Line, str, Job]]"] = field(default_factory=dict)
    """Those with something to deliver: a lane that is empty ends, or receivers and Canaries that are gone would keep theirs."""
    fresh: "asyncio.Queue[tuple[CanaryKey, Receiver]]" = field(default_factory=asyncio.Queue)

    async def tell(self, key: CanaryKey, policy: Policy, tellings: Sequence[Telling]) -> None:
        """Takes over what it does not know yet."""
        line = self.lines.setdefault(key, Line())
        for telling in tellings:
            if telling.id in line.told or telling.id in line.waiting:
                continue
            jobs = self.jobs(key, policy, telling, line)
            line.waiting[telling.id] = Waiting(len(jobs))
            if not jobs:
                line.done(telling.id, "")
            for receiver, job in jobs:
                self.lane(key, receiver).put_nowait((line, telling.id, job))

    async def told(self, key: CanaryKey) -> Mapping[str, str]:
        """Ids that are done with, each with the reason where it was given up."""
        return dict(self.lines[key].told) if key in self.lines else {}

    def forget(self, key: CanaryKey) -> None:
        """The Canary is gone: one of the same name counts its tellings anew. What waits is delivered still."""
        self.lines.pop(key, None)

    async def run(self) -> None:
        """Delivers until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                key, receiver = await self.fresh.get()
                group.create_task(self.deliver(key, receiver))

    async def deliver(self, key: CanaryKey, receiver: Receiver) -> None:
        """One receiver, in order, until it has everything."""
        lane = self.lanes[key, receiver]
        while not lane.empty():
            line, name, job = lane.get_nowait()
            line.done(name, await job())
        del self.lanes[key, receiver]

    def lane(self, key: CanaryKey, receiver: Receiver) -> "asyncio.Queue[tuple[Line, str, Job]]":
        """The lane of a receiver, new where there was none."""
        if (key, receiver) not in self.lanes:
            self.lanes[key, receiver] = asyncio.Queue()
            self.fresh.put_nowait((key, receiver))
        return self.lanes[key, receiver]

    def jobs(self, key: CanaryKey, policy: Policy, telling: Telling, line: Line) -> list[tuple[Receiver, Job]]:
        """What is to be done for a telling, by receiver."""
        if telling.kind is TellingKind.ALERT:
            targets = [target for target in policy.alerts or self.everywhere.alerts if alerts.wanted(target, telling)]
            return self.in_turn(targets, lambda target: alerts.payload(key, policy, target, telling, self.everywhere.cluster), telling)
        loop, before = asyncio.get_running_loop(), line.newest
        if telling.kind is TellingKind.HOOKS:
            events = [Coming(loop.create_future()) for _ in telling.hooks]
            found: list[tuple[Receiver, Job]] = [(Own.HOOKS, partial(self.call, key, telling, events, before))]
        else:
            events, found = [Coming(loop.create_future())], []
            events[0].comes(telling)
        line.newest = events
        return [*found, *self.event_jobs(key, policy, telling, events)]

    def event_jobs(self, key: CanaryKey, policy: Policy, telling: Telling, events: Sequence[Coming]) -> Iterator[tuple[Receiver, Job]]:
        """To where events are kept, and to event hooks: the Canary's own, else the global one (HOOK-4)."""
        hooks = policy.hooks_of(HookType.EVENT)
        if not hooks and self.everywhere.event_webhook:
            hooks = (Hook("event-webhook", HookType.EVENT, self.everywhere.event_webhook),)
        call = HookCall(key, telling.phase, telling.run)

        async def keep(event: Telling, coming: Coming) -> str:
            return await self.until_delivered(event, "event", lambda: self.recorded(key, event))

        yield Own.EVENTS, partial(one_by_one, events, keep)
        for number, hook in enumerate(hooks):
            for coming in events:
                coming.tried.append(asyncio.Event())
            yield hook.url, partial(one_by_one, events, partial(self.event_to, call, hook, number))

    async def recorded(self, key: CanaryKey, telling: Telling) -> Reply:
        """One try to write an event where events are kept."""
        try:
            if self.everywhere.record is not None:
                await self.everywhere.record(key, telling)
        except InputError as problem:
            return Reply(False, str(problem))
        except OutsideError as problem:
            return Reply(False, str(problem), True)
        return Reply(True)

    async def event_to(self, call: HookCall, hook: Hook, number: int, event: Telling, coming: Coming) -> str:
        """One event hook, the `number`-th, as often as it takes."""
        own = {
            "eventMessage": event.text,
            "eventType": "Normal" if event.severity == "info" else "Warning",
            "timestamp": str(int(event.at.timestamp() * 1000)),
        }
        webhooks, body = Webhooks(self.session, self.clock, highest=self.everywhere.highest), payload(call, {**dict(hook.metadata), **own})

        async def attempt() -> Reply:
            try:
                return await webhooks.post(hook, body)
            finally:
                coming.tried[number].set()

        return await self.until_delivered(event, f"event hook {hook.name} ({shown(hook.url)})", attempt)

    async def call(self, key: CanaryKey, telling: Telling, events: Sequence[Coming], before: Sequence[Coming]) -> str:
        """Hooks that are only told: in order, the first failure stops the rest; each answer is an event in its own place."""
        webhooks = Webhooks(self.session, self.clock, highest=self.everywhere.highest)
        for number, (hook, coming) in enumerate(zip(telling.hooks, events, strict=True)):
            await heard(before)
            answer = await webhooks.call(HookCall(key, telling.phase, telling.run), hook)
            name = hook.type.capitalize()
            text = f"{name} check {hook.name} passed" if answer.open else f"{name} hook {hook.name} failed {answer.text}"
            severity = "info" if answer.open else "warn"
            event = replace(telling, id=f"{telling.id}/{number}", kind=TellingKind.EVENT, text=text, severity=severity, reason="HookCalled")
            coming.comes(event)
            if not answer.open:
                break
            before = (coming,)
        for coming in events:
            if not coming.event.done():
                coming.comes(None)
        return ""

    def in_turn(
        self, targets: Sequence[AlertTarget], body: Callable[[AlertTarget], object], telling: Telling
    ) -> list[tuple[Receiver, Job]]:
        """Chats are told in the order in which the Canary names them, but none waits longer than a moment for the one before."""
        jobs: list[tuple[Receiver, Job]] = []
        before: asyncio.Event | None = None
        for target in targets:
            asked = asyncio.Event()
            jobs.append((target, partial(self.alert, target, msgspec.json.encode(body(target)), telling, before, asked)))
            before = asked
        return jobs

    async def alert(
        self, target: AlertTarget, body: bytes, telling: Telling, before: asyncio.Event | None, asked: asyncio.Event
    ) -> str:  # fmt: skip
        """One chat, as often as it takes."""
        if before is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(before.wait(), MOMENT)

        async def attempt() -> Reply:
            try:
                return await self.post(target, body)
            finally:
                asked.set()

        return await self.until_delivered(telling, f"alert {target.name}", attempt)

    async def post(self, target: AlertTarget, body: bytes) -> Reply:
        """One request to a chat. Its address is as good as a password, so no message shows it."""
        if target.problem:
            return Reply(False, target.problem)
        try:
            own = self.everywhere.secrets.get(target, {})
            secret = await self.read_secret(target.namespace, target.secret) if target.secret else own
            if not target.address and self.everywhere.look_up is not None:
                target = self.everywhere.look_up(target)
            url, headers = alerts.address(target, secret)
        except InputError as problem:
            return Reply(False, str(problem))
        except OutsideError as problem:
            return Reply(False, str(problem), True)
        if not url:
            where = f"key address of Secret {target.secret} in {target.namespace}" if target.secret else "spec.address"
            return Reply(False, f"its AlertProvider has no address; give it in {where}")
        try:
            async with self.session.post(
                url, data=body, headers={"Content-Type": "application/json", **headers}, proxy=target.proxy or None,
                timeout=aiohttp.ClientTimeout(total=ALERT_DEADLINE),
            ) as answer:  # fmt: skip
                reply = judged(
                    answer.status, printable((await start_of(answer)).decode(errors="replace")), answer.headers.get("Retry-After", "")
                )
                return reply if reply.good else replace(reply, text=f"status {answer.status}" + (f": {reply.text}" if reply.text else ""))
        except (TimeoutError, aiohttp.ClientError, ValueError, OSError) as error:
            return failed(error, "Post", ALERT_DEADLINE)

    async def until_delivered(self, telling: Telling, receiver: str, attempt: Callable[[], Awaitable[Reply]]) -> str:
        """Tries until it is taken, refused for good, or too old; why it was given up."""
        wait = FIRST_WAIT
        while True:
            reply = await attempt()
            if reply.good:
                return ""
            if not reply.again:
                return f"{receiver}: {reply.text}"
            if self.clock.now() - telling.at > GIVE_UP:
                return f"{receiver}: away for an hour; the last try: {reply.text or 'refused with a server error'}"
            rest = wait if reply.after is None else timedelta(seconds=reply.after)
            await self.clock.sleep_until(self.clock.now() + rest)
            wait = min(LONGEST_WAIT, wait * 2)


async def one_by_one(events: Sequence[Coming], tell: Callable[[Telling, Coming], Awaitable[str]]) -> str:
    """One receiver of events, each as soon as it is known; why it did not get some."""
    problems = []
    for coming in events:
        event = await coming.event
        if event is not None:
            problems.append(await tell(event, coming))
    return "; ".join(problem for problem in problems if problem)


async def heard(events: Sequence[Coming]) -> None:
    """Returns once event hooks were told, so that they and other hooks hear things in their order; after a moment at the latest."""
    with suppress(TimeoutError):
        async with asyncio.timeout(MOMENT):
            for coming in events:
                for tried in coming.tried:
                    await tried.wait()
