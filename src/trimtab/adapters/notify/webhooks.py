"""`ports.Hooks`: webhooks with Flagger's payload and rules (HOOK-1 to HOOK-8). Made by `wiring`; `teller` calls `post`, too."""

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlsplit

import aiohttp
import msgspec

from trimtab.model.facts import HookAnswer
from trimtab.model.policy import Hook, HookType
from trimtab.ports import Clock, HookCall

LONGEST = 256
"""Printable characters of an answer that are kept."""
MOST_READ = 16 * LONGEST
"""Bytes of an answer that are read to find them."""
HIGHEST, FLAGGERS_HIGHEST = 299, 202
"""The highest status that is a success (QUIRK-18)."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
LONGEST_REST = 60.0
"""Seconds that a receiver may ask for before it is tried again; a pass of the loop waits for it."""


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
    highest: int = field(default=HIGHEST, kw_only=True)
    """The highest status that is a success."""

    async def ask(self, call: HookCall, hooks: Sequence[Hook]) -> tuple[HookAnswer, ...]:
        """In order, up to the first closed one; for rollback hooks up to the first open one (HOOK-1)."""
        answers: list[HookAnswer] = []
        for hook in hooks:
            answer = await self.call(call, hook)
            answers.append(answer)
            if answer.open is (hook.type is HookType.ROLLBACK):
                break
        return tuple(answers)

    async def call(self, call: HookCall, hook: Hook) -> HookAnswer:
        """One webhook, tried again as often as it says (HOOK-7). 2xx is yes, unless Flagger's 202 is to be the highest (QUIRK-18)."""
        body = payload(call, dict(hook.metadata))
        reply = Reply(False)
        for count in range(hook.retries + 1):
            reply = await self.post(hook, body)
            if reply.good or not reply.again:
                return HookAnswer(hook, reply.good, reply.text)
            if count < hook.retries:
                wait = reply.after if reply.after is not None else min(LONGEST_WAIT, FIRST_WAIT * 2.0**count)
                await self.clock.sleep_until(self.clock.now() + timedelta(seconds=wait))
        cause = f": {reply.text}" if reply.text else ""
        return HookAnswer(hook, False, printable(f"POST {shown(hook.url)} giving up after {hook.retries + 1} attempt(s){cause}"))

    async def post(self, hook: Hook, body: bytes) -> Reply:
        """One request."""
        deadline = hook.timeout.total_seconds()
        tried = f'Post "{shown(hook.url)}"'
        if deadline <= 0:
            # To aiohttp this means no deadline at all, to Flagger one that has passed.
            return failed(TimeoutError(), tried, deadline)
        try:
            async with self.session.post(
                hook.url, data=body, headers={"Content-Type": "application/json"}, ssl=not hook.skip_tls_verify,
                timeout=aiohttp.ClientTimeout(total=deadline),
            ) as answer:  # fmt: skip
                text = printable((await start_of(answer)).decode(errors="replace"))
                return judged(answer.status, text, answer.headers.get("Retry-After", ""), self.highest)
        except (TimeoutError, aiohttp.ClientError, ValueError, OSError) as error:
            return failed(error, tried, deadline)


def payload(call: HookCall, metadata: Mapping[str, str]) -> bytes:
    """What is posted (HOOK-3): `metadata` is absent where there is none."""
    body: dict[str, object] = {"name": call.key.name, "namespace": call.key.namespace, "phase": call.phase, "checksum": call.checksum}
    return msgspec.json.encode({**body, "metadata": metadata} if metadata else body)


async def start_of(answer: aiohttp.ClientResponse) -> bytes:
    """The first bytes of an answer, however long it is and in however many pieces it comes."""
    found = b""
    while len(found) < MOST_READ and (piece := await answer.content.read(MOST_READ - len(found))):
        found += piece
    return found


def judged(status: int, text: str, after: str, highest: int = HIGHEST) -> Reply:
    """What a status means (HOOK-5, HOOK-7): the body of a 5xx is lost when tries run out, as in Flagger."""
    if 200 <= status <= highest:
        return Reply(True, text)
    if status == 429 or (status >= 500 and status != 501):
        rests = status in (429, 503) and after.isascii() and after.isdigit()
        return Reply(False, "", True, min(LONGEST_REST, float(after)) if rests else None)
    return Reply(False, text or f"status {status}")


def failed(error: Exception, tried: str, deadline: float) -> Reply:
    """What became of a request without an answer. What depends on neither time nor network is not tried again.

    The error's own text is shown only where it is known to hold no address: addresses of chats and proxies are as good as passwords.
    """
    match error:
        case TimeoutError():
            return Reply(False, f"{tried}: no answer within {deadline:g} s", True)
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return Reply(False, f"{tried}: not an address; it must begin with http:// or https:// and name a host")
        case aiohttp.TooManyRedirects():
            return Reply(False, f"{tried}: redirected without end")
        case aiohttp.ClientConnectorCertificateError():
            return Reply(False, printable(f"{tried}: its certificate is not trusted: {error.certificate_error}"))
        case aiohttp.ClientOSError(errno=errno.EACCES) if type(error) is aiohttp.ClientOSError:
            return Reply(False, printable(f"{tried}: {error.strerror}"))
        case aiohttp.ClientConnectorError():
            return Reply(False, printable(f"{tried}: cannot connect: {error.strerror or error.os_error}"), True)
        case aiohttp.ClientHttpProxyError():
            return Reply(False, printable(f"{tried}: the proxy refuses: {error.status} {error.message}"), True)
        case aiohttp.ClientResponseError():
            return Reply(False, printable(f"{tried}: the answer is not HTTP: {error.message}"), True)
    return Reply(False, f"{tried}: the connection broke ({type(error).__name__})", True)


def shown(address: str) -> str:
    """An address without the credentials that it may hold: a name alone may be a token."""
    try:
        credentials, found, _ = urlsplit(address).netloc.rpartition("@")
    except ValueError:
        return address.rpartition("@")[2]
    return address.replace(f"{credentials}@", "***@", 1) if found else address


def printable(text: str) -> str:
    """At most LONGEST printable characters on one line."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())[:LONGEST]
