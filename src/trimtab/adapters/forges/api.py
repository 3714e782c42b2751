"""Asks a forge over HTTP: deadlines, tries, pages, and what each refusal means. Used by the module of each forge.

A token goes to the address of its forge and nowhere else: redirects are not followed, and pages are asked for at the address that was
asked first.
"""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
import msgspec
from yarl import URL

from trimtab.errors import Conflict, Denied, InputError, OutsideError, Throttled, Unavailable, Vanished
from trimtab.ports import Clock

T = TypeVar("T")
Query = Mapping[str, str | int]

DEADLINE = 30.0
"""Seconds for one request."""
TRIES = 4
FIRST_WAIT = 1.0
"""Seconds after the first try; twice as long after each further one."""
PATIENCE = 60.0
"""Seconds that a forge may ask us to wait before we hand that on to our caller instead."""
REST = 60.0
"""Seconds to leave a forge alone that says it is asked too often, but not for how long (GitHub's advice for its secondary limits)."""
MOST_READ = 16 << 20
"""Bytes of an answer."""
MOST_PAGES = 100
PAGE = 50
"""Entries of one page; the most that every forge gives."""
SHOWN = 300
"""Characters of a forge's own words in a message."""
LATER = re.compile(r"try again later", re.IGNORECASE)
LIMITED = re.compile(r"rate limit|abuse|too quickly", re.IGNORECASE)
THERE_ALREADY = re.compile(r"already exists|already been taken", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Token:
    """What a forge is asked with. Its value is in no message."""

    value: str = field(repr=False)
    name: str
    """The variable that holds it."""
    rights: str = "the right to do that"
    """What it must be allowed to do, for people."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    place: str


@dataclass(frozen=True, slots=True)
class Api:
    """One forge, one token."""

    session: aiohttp.ClientSession
    clock: Clock
    address: str
    """Without a slash at the end: `https://api.github.com`."""
    token: Token
    headers: Mapping[str, str] = field(repr=False)
    where: str
    """For messages: `acme/shop on github.com`."""
    page_size: str = "per_page"
    """The name of the parameter for the length of a page."""
    deadline: float = DEADLINE

    async def get(self, path: str, kind: type[T], query: Query | None = None) -> T:
        """One object."""
        return self.decoded(await self.call("GET", path, query=query), kind)

    async def entries(self, path: str, kind: type[list[T]], query: Query | None = None) -> AsyncIterator[T]:
        """What a list holds, from all of its pages."""
        async for page in self.pages(path, kind, query):
            for found in page:
                yield found

    async def listed(self, path: str, kind: type[list[T]], query: Query | None = None) -> AsyncIterator[T]:
        """As `entries`, of a list that every repository has: InputError where it is not there, for then the repository is not."""
        try:
            async for found in self.entries(path, kind, query):
                yield found
        except Vanished as error:
            raise InputError(f"{error}. Correct spec.forge.repository of trimtab.yaml, or the token's rights") from None

    async def pages(self, path: str, kind: type[T], query: Query | None = None) -> AsyncIterator[T]:
        """Page by page; `kind` is a whole page."""
        wanted: Query | None = {**(query or {}), self.page_size: PAGE}
        for _ in range(MOST_PAGES):
            answer = await self.call("GET", path, query=wanted)
            yield self.decoded(answer, kind)
            wanted = next_page(answer.headers.get("Link", ""))
            if wanted is None:
                return
        raise Unavailable(f"{self.where}: GET {path} has more than {MOST_PAGES} pages. Trimtab reads no more of them")

    async def send(self, method: str, path: str, body: object, kind: type[T]) -> T:
        """Writes something; what came of it."""
        return self.decoded(await self.call(method, path, body=body), kind)

    async def call(self, method: str, path: str, *, query: Query | None = None, body: object = None) -> Answer:
        """One request, tried again where that is safe: always after being told to wait, after other trouble only if it reads."""
        wait = FIRST_WAIT
        for _ in range(TRIES - 1):
            try:
                return await self.once(method, path, query, body)
            except Throttled as error:
                if error.after > PATIENCE:
                    raise
                pause = error.after
            except Unavailable:
                if method != "GET":
                    raise
                pause, wait = wait, 2 * wait
            await self.clock.sleep_until(self.clock.now() + timedelta(seconds=pause))
        return await self.once(method, path, query, body)

    async def once(self, method: str, path: str, query: Query | None, body: object) -> Answer:
        """One request."""
        place = f"{method} {path}"
        try:
            async with self.session.request(
                method, URL(f"{self.address}{path}{'?' + urlencode(query) if query else ''}", encoded=True), allow_redirects=False,
                headers={**self.headers, "User-Agent": "trimtab", "Content-Type": "application/json"},
                data=None if body is None else msgspec.json.encode(body), timeout=aiohttp.ClientTimeout(total=self.deadline),
            ) as answer:  # fmt: skip
                text = await start_of(answer)
                if not 200 <= answer.status < 300:
                    raise self.refused(place, answer.status, answer.headers, text)
                return Answer(answer.headers, text, place)
        except (TimeoutError, aiohttp.ClientError, ValueError, OSError) as error:
            raise self.unanswered(place, error) from None

    def decoded(self, answer: Answer, kind: type[T]) -> T:
        """What an answer says."""
        if len(answer.body) > MOST_READ:
            raise Unavailable(f"{self.where}: {answer.place} answered with more than {MOST_READ} bytes")
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unavailable(
                f"{self.where}: {answer.place} gave an answer that is not as its documentation says: {self.clean(str(error))}. "
                "See whether this is the address of the right kind of forge"
            ) from None

    def unanswered(self, place: str, error: Exception) -> InputError | OutsideError:
        """Why there was no answer."""
        match error:
            case TimeoutError():
                return Unavailable(f"{self.where}: {place}: no answer within {self.deadline:g} s")
            case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
                return InputError(f"{self.where}: {self.address} is not an address; it must begin with https:// or http:// and name a host")
            case aiohttp.ClientConnectorCertificateError():
                untrusted = self.clean(str(error.certificate_error))
                return Unavailable(
                    f"{self.where}: the certificate of {self.address} is not trusted: {untrusted}. SSL_CERT_FILE names one to trust"
                )
            case aiohttp.ClientConnectorError():
                return Unavailable(f"{self.where}: cannot connect to {self.address}: {error.strerror or error.os_error}")
        return Unavailable(f"{self.where}: {place}: the connection broke ({type(error).__name__}: {self.clean(str(error))})")

    def refused(self, place: str, status: int, headers: Mapping[str, str], body: bytes) -> InputError | OutsideError:
        """What a status means; the forge's own words say more about it."""
        said = self.clean(words(body))
        text = f"{self.where}: {place}: {status}{f': {said}' if said else ''}"
        after = self.rest(status, headers, said)
        if after is not None:
            return Throttled(f"{text}. It asks to be left alone for {after:g} s", after=after)
        if status in (401, 403):
            return Denied(f"{text}. It was asked with {self.token.name}, which needs {self.token.rights}")
        if status in (404, 410):
            return Vanished(f"{text}. It is not there, or {self.token.name} may not see it")
        if status == 409 or (status in (400, 422) and THERE_ALREADY.search(said)):
            return Conflict(f"{text}. Somebody was first: look again")
        if 300 <= status < 400:
            return InputError(f"{text}. It has moved to {moved_to(headers)}. Correct spec.forge of trimtab.yaml, or the remote")
        return Unavailable(text) if status >= 500 or status == 408 else InputError(text)

    def rest(self, status: int, headers: Mapping[str, str], said: str) -> float | None:
        """Seconds to wait where the forge says that it is asked too often or not ready yet; None where it says neither."""
        limited = status == 429 or (
            status == 403 and (headers.get("X-RateLimit-Remaining") == "0" or "Retry-After" in headers or LIMITED.search(said))
        )
        if not limited:
            return FIRST_WAIT if status in (405, 409, 423) and LATER.search(said) else None
        if (seconds := number(headers.get("Retry-After", ""))) is not None:
            return seconds
        reset = headers.get("X-RateLimit-Reset") or headers.get("RateLimit-Reset") or ""
        if headers.get("X-RateLimit-Remaining", "0") == "0" and (moment := number(reset)) is not None:
            return max(FIRST_WAIT, (datetime.fromtimestamp(moment, UTC) - self.clock.now()).total_seconds())
        return REST

    def clean(self, text: str) -> str:
        """Foreign words on one line, without the token, short enough for a message."""
        if self.token.value:
            text = text.replace(self.token.value, "***")
        return "".join(character for character in " ".join(text.split()) if character.isprintable())[:SHOWN]


async def start_of(answer: aiohttp.ClientResponse) -> bytes:
    """The answer, up to one byte more than is read."""
    found = bytearray()
    while len(found) <= MOST_READ and (piece := await answer.content.read(MOST_READ + 1 - len(found))):
        found += piece
    return bytes(found)


class Refusal(msgspec.Struct):
    """How forges say no: GitHub and Gitea in `message`, GitHub's details in `errors`, GitLab also in `error`."""

    message: msgspec.Raw = msgspec.Raw(b'""')
    errors: msgspec.Raw = msgspec.Raw(b"[]")
    error: msgspec.Raw = msgspec.Raw(b'""')


def words(body: bytes) -> str:
    """What a refusal says, details included."""
    try:
        found = msgspec.json.decode(body, type=Refusal)
        parts = [texts(msgspec.json.decode(part)) for part in (found.message, found.error, found.errors)]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body[: 4 * SHOWN].decode(errors="replace")
    return "; ".join(part for part in parts if part)


def texts(value: object) -> str:
    """All texts inside a value."""
    match value:
        case str() | int():
            return str(value)
        case list():
            return ", ".join(filter(None, map(texts, value)))
        case dict():
            return ", ".join(f"{key} {texts(inner)}" for key, inner in value.items() if texts(inner) and key != "documentation_url")
    return ""


def number(text: str) -> float | None:
    """A header that is a whole number."""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 12 else None


def next_page(link: str) -> dict[str, str | int] | None:
    """The parameters of the next page out of a Link header (RFC 8288); None on the last page."""
    for part in link.split(","):
        address, _, rest = part.partition(";")
        if re.search(r"rel=\"?next\"?", rest):
            return dict(parse_qsl(urlsplit(address.strip(" <>")).query, keep_blank_values=True))
    return None


def moved_to(headers: Mapping[str, str]) -> str:
    """Where a redirect leads, without what it may carry along."""
    try:
        parts = urlsplit(headers.get("Location", ""))
        return f"{parts.scheme}://{parts.hostname}{parts.path}" if parts.hostname else parts.path or "an unnamed place"
    except ValueError:
        return "an unreadable address"
