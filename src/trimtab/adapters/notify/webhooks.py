"""`ports.Hooks`: webhooks with Flagger's payload and rules (HOOK-1 to HOOK-8). Made by `wiring`; `teller` calls `post`, too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import aiohttp
import msgspec

from trimtab.model.facts import HookAnswer
from trimtab.model.policy import Hook, HookType
from trimtab.ports import Clock, HookCall

LONGEST = 256
"""Printable characters of an answer that are kept."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request came to. `again` where trying again may help, `after` seconds if the receiver said so."""

    good: bool
    text: str = ""
    again: bool = False
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Asks webhooks. Waits on the clock between tries, so that it can be cancelled at any moment (P5)."""

    session: aiohttp.ClientSession
    clock: Clock

    async def ask(self, call: HookCall, hooks: Sequence[Hook]) -> tuple[HookAnswer, ...]:
        """In order, up to the first closed one; for rollback hooks up to the first open one (HOOK-1)."""
        answers: list[HookAnswer] = []
        for hook in hooks:
            answer = await self.call(call, hook, dict(hook.metadata))
            answers.append(answer)
            if answer.open is (hook.type is HookType.ROLLBACK):
                break
        return tuple(answers)

    async def call(self, call: HookCall, hook: Hook, metadata: Mapping[str, str]) -> HookAnswer:
        """One webhook, tried again as often as it says (HOOK-7). 2xx is yes (QUIRK-18)."""
        body: dict[str, object] = {"name": call.key.name, "namespace": call.key.namespace, "phase": call.phase, "checksum": call.checksum}
        if metadata:
            body["metadata"] = dict(metadata)
        reply = Reply(False)
        for count in range(hook.retries + 1):
            reply = await self.post(hook, msgspec.json.encode(body))
            if reply.good or not reply.again:
                return HookAnswer(hook, reply.good, reply.text)
            if count < hook.retries:
                wait = reply.after if reply.after is not None else min(LONGEST_WAIT, FIRST_WAIT * 2.0**count)
                await self.clock.sleep_until(self.clock.now() + timedelta(seconds=wait))
        cause = f": {reply.text}" if reply.text else ""
        return HookAnswer(hook, False, printable(f"POST {hook.url} giving up after {hook.retries + 1} attempt(s){cause}"))

    async def post(self, hook: Hook, body: bytes) -> Reply:
        """One request."""
        try:
            async with self.session.post(
                hook.url, data=body, headers={"Content-Type": "application/json"}, ssl=not hook.skip_tls_verify,
                timeout=aiohttp.ClientTimeout(total=hook.timeout.total_seconds()),
            ) as answer:  # fmt: skip
                text = printable((await answer.content.read(4 * LONGEST)).decode(errors="replace"))
                return judged(answer.status, text, answer.headers.get("Retry-After", ""))
        except TimeoutError:
            return Reply(False, f'Post "{hook.url}": no answer within {hook.timeout.total_seconds():g} s', True)
        except (aiohttp.ClientError, ValueError, OSError) as error:
            return Reply(False, f'Post "{hook.url}": {printable(str(error))}', True)


def judged(status: int, text: str, after: str) -> Reply:
    """What a status means (HOOK-5, HOOK-7): the body of a 5xx is lost when tries run out, as in Flagger."""
    if 200 <= status < 300:
        return Reply(True, text)
    seconds = float(after) if status in (429, 503) and after.isdigit() else None
    if status == 429 or (status >= 500 and status != 501):
        return Reply(False, "", True, seconds)
    return Reply(False, text or f"status {status}")


def printable(text: str) -> str:
    """At most LONGEST printable characters."""
    return "".join(character for character in text if character.isprintable())[:LONGEST]
