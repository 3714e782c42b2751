"""A Prometheus is asked for one number (flagger.md 4.5). Called by `measure`, which turns what is raised here into data."""

import errno
import math
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from urllib.parse import urlsplit

import aiohttp
import msgspec

from trimtab.errors import Denied, InputError, OutsideError, Throttled, Unavailable

DEADLINE = 5.0
"""Seconds; Flagger's."""
SHOWN = 200
"""Characters of an answer that a message shows."""
MOST_READ = 1 << 20
"""Bytes of an answer; one number needs far less."""
REST = 60.0
"""Seconds to leave a server alone that says it is asked too often, but not for how long."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask, and how to say who asks. Credentials are in no message."""

    address: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    skip_tls_verify: bool = False
    deadline: float = DEADLINE
    """Seconds."""
    asked_with: str = "no credentials"
    """Whose word is given, for messages."""
    hidden: tuple[str, ...] = field(default=(), repr=False)
    """What no message may show, wherever it comes from."""

    def clean(self, text: str) -> str:
        """A foreign text on one line, without credentials, short enough for a message."""
        for value in sorted((value for value in (*self.hidden, password_in(self.address)) if value), key=len, reverse=True):
            text = text.replace(value, "***")
        return "".join(character for character in " ".join(text.split()) if character.isprintable())[:SHOWN]

    def __str__(self) -> str:
        try:
            parts = urlsplit(self.address)
            if not parts.hostname:
                return self.address.rpartition("@")[2]
            return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}".rstrip("/")
        except ValueError:
            return self.address.rpartition("@")[2]


class Vector(msgspec.Struct):
    """One series and its value, as `[time, "number"]`."""

    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] | None = None


class Data(msgspec.Struct, rename="camel"):
    """The part of the answer that holds the result."""

    result_type: str = ""
    result: msgspec.Raw = msgspec.Raw(b"[]")


class Answer(msgspec.Struct):
    """The answer of `api/v1/query`."""

    status: str
    data: Data = msgspec.field(default_factory=Data)
    error: str = ""


def with_credentials(server: Server, values: Mapping[str, bytes], secret: str) -> Server:
    """The server, asked with a Secret's `token`, or its `username` and `password`. InputError if there is neither; `secret` names it."""
    if not values:
        raise InputError(f"{secret} error: it does not exist or is empty. Add it with the key token, or with username and password")
    if "token" not in values and "username" not in values:
        raise InputError(f"{secret} error: it has the keys {', '.join(sorted(values))}; there must be token, or username and password")
    wanted = ("token",) if "token" in values else ("username", "password")
    texts = [text_of(values.get(key, b""), key, secret) for key in wanted]
    if len(wanted) == 2 and ":" in texts[0]:
        raise InputError(f"{secret} error: the key username holds a colon, which HTTP does not allow in the name of a user")
    scheme, word = ("Bearer", texts[0]) if len(wanted) == 1 else ("Basic", b64encode(":".join(texts).encode()).decode())
    return replace(
        server,
        headers=(*server.headers, ("Authorization", f"{scheme} {word}")),
        asked_with=f"{' and '.join(wanted)} of {secret}",
        hidden=(*server.hidden, *texts, word),
    )


def text_of(value: bytes, key: str, secret: str) -> str:
    """One key of a Secret as text that may stand in a header."""
    try:
        text = value.decode().strip()
    except UnicodeDecodeError:
        raise InputError(f"{secret} error: the key {key} is not UTF-8 text") from None
    if not text.isprintable():
        raise InputError(f"{secret} error: the key {key} holds a line break or another control character")
    return text


async def query(session: aiohttp.ClientSession, server: Server, text: str, at: datetime | None = None) -> float | None:
    """The last element of the answer's vector, or its scalar; None for an empty answer or NaN (MET-7). `at`: as it was then.

    InputError where somebody must correct query or address, else OutsideError.
    """
    asked = {"query": text} if at is None else {"query": text, "time": f"{at.timestamp():.3f}"}
    headers = sorted(server.headers, key=lambda header: header[0])  # as Flagger sends them
    try:
        async with session.get(
            f"{server.address.rstrip('/')}/api/v1/query", params=asked, headers=headers,
            timeout=aiohttp.ClientTimeout(total=server.deadline), ssl=not server.skip_tls_verify,
        ) as answer:  # fmt: skip
            body = await start_of(answer)
            if answer.status != 200:
                raise refused(server, answer.status, answer.reason or "", body)
    except (TimeoutError, aiohttp.ClientError, ValueError, OSError) as error:
        raise unanswered(server, error) from None
    return read(body, server)


async def start_of(answer: aiohttp.ClientResponse, most: int = MOST_READ) -> bytes:
    """The answer, up to one byte more than `most`, which is what is read of it."""
    found = bytearray()
    while len(found) <= most and (piece := await answer.content.read(most + 1 - len(found))):
        found += piece
    return bytes(found)


def unanswered(server: Server, error: Exception) -> InputError | OutsideError:
    """Why there was no answer."""
    match error:
        case TimeoutError():
            return Unavailable(f"{server} did not answer within {server.deadline:g} s. See whether it is overloaded, or ask it for less")
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return InputError(f"{server} is not the address of a Prometheus: it must begin with http:// or https:// and name a host")
        case aiohttp.TooManyRedirects():
            return InputError(f"{server} redirects without end. Correct the address")
        case aiohttp.ClientConnectorCertificateError():
            untrusted = server.clean(str(error.certificate_error))
            return Unavailable(
                f"the certificate of {server} is not trusted: {untrusted}. Trust it, or set spec.provider.insecureSkipVerify"
            )
        case aiohttp.ClientOSError(errno=errno.EACCES) if type(error) is aiohttp.ClientOSError:
            return InputError(f"{server} may not be asked: {error.strerror}. Add it there, or correct the address")
        case aiohttp.ClientConnectorError():
            return Unavailable(f"cannot connect to {server}: {error.strerror or error.os_error}. See whether it runs and can be reached")
    return Unavailable(f"asking {server} failed: {type(error).__name__}: {server.clean(str(error))}")


def refused(server: Server, status: int, reason: str, body: bytes) -> OutsideError:
    """An answer that is none, in Flagger's words."""
    said = server.clean(body[: 4 * SHOWN].decode(errors="replace"))
    text = f"error response: Status {status} {reason}: {said}"
    if status in (401, 403):
        return Denied(f"{text}. {server} was asked with {server.asked_with}, which must be allowed to query")
    return Throttled(text, after=REST) if status == 429 else Unavailable(text)


def read(body: bytes, server: Server) -> float | None:
    """The number in an answer."""
    if len(body) > MOST_READ:
        raise InputError(f"{server} answered with more than {MOST_READ} bytes. Correct the query so that it gives one value")
    try:
        answer = msgspec.json.decode(body, type=Answer)
        if answer.status != "success":
            raise InputError(f"{server} refused the query: {server.clean(answer.error) or 'without a reason'}. Correct the query")
        if answer.data.result_type == "scalar":
            return number(msgspec.json.decode(answer.data.result, type=tuple[float, str])[1])
        series = msgspec.json.decode(answer.data.result, type=list[Vector])
        if any(found.values is not None for found in series):
            raise InputError("query returned multiple values: it is a range. Correct it so that it gives one value")
        return number(series[-1].value[1]) if series and series[-1].value is not None else None
    except (msgspec.DecodeError, ValueError):
        raise foreign(server, body) from None


def foreign(server: Server, body: bytes) -> Unavailable:
    """An answer that no Prometheus gives."""
    start = server.clean(body[: 4 * SHOWN].decode(errors="replace"))[:60]
    return Unavailable(f"{server} does not answer like a Prometheus: {start!r}. Correct the address, or see what stands there")


def number(text: str) -> float | None:
    """A value as Prometheus writes it."""
    value = float(text)
    return None if math.isnan(value) else value


def password_in(address: str) -> str:
    """The password that an address may hold."""
    try:
        return urlsplit(address).password or ""
    except ValueError:
        return ""
