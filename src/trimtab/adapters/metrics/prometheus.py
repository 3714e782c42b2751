"""A Prometheus is asked for one number (flagger.md 4.5). Never raises for an answer: what went wrong is part of the sample.

Called by `measure`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
import msgspec

from trimtab.errors import Unavailable

DEADLINE = aiohttp.ClientTimeout(total=5)
"""Flagger's."""
SHOWN = 200
"""Characters of an answer that a message shows."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where to ask, and how to say who asks. Credentials are in no message."""

    address: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    auth: aiohttp.BasicAuth | None = field(default=None, repr=False)
    skip_tls_verify: bool = False


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


def credentials(values: Mapping[str, bytes]) -> tuple[tuple[tuple[str, str], ...], aiohttp.BasicAuth | None]:
    """Headers and basic credentials from a Secret's keys: `token`, or `username` and `password`."""
    if "token" in values:
        return (("Authorization", f"Bearer {values['token'].decode().strip()}"),), None
    if "username" in values:
        return (), aiohttp.BasicAuth(values["username"].decode().strip(), values.get("password", b"").decode().strip())
    return (), None


async def query(session: aiohttp.ClientSession, server: Server, text: str) -> float | None:
    """The last element of the answer's vector, or its scalar; None for an empty answer. Unavailable says what went wrong, as data."""
    base = server.address.rstrip("/")
    try:
        async with session.get(
            f"{base}/api/v1/query", params={"query": text}, headers=list(server.headers), auth=server.auth, timeout=DEADLINE,
            ssl=not server.skip_tls_verify,
        ) as answer:  # fmt: skip
            body = await answer.read()
            status, reason = answer.status, answer.reason or ""
    except TimeoutError:
        raise Unavailable(f"{shown(base)} did not answer within {DEADLINE.total:g} s") from None
    except (aiohttp.ClientError, ValueError) as error:
        raise Unavailable(f"asking {shown(base)}: {type(error).__name__}: {without(str(error), base)}") from None
    if status != 200:
        raise Unavailable(f"running query failed: error response: Status {status} {reason}: {body.decode(errors='replace')[:SHOWN]}")
    return read(body, shown(base))


def read(body: bytes, address: str) -> float | None:
    """The number in an answer."""
    try:
        answer = msgspec.json.decode(body, type=Answer)
        if answer.status != "success":
            raise Unavailable(f"{address} refused the query: {answer.error or 'without a reason'}. Correct the query")
        if answer.data.result_type == "scalar":
            return float(msgspec.json.decode(answer.data.result, type=tuple[float, str])[1])
        series = msgspec.json.decode(answer.data.result, type=list[Vector])
        if any(found.values is not None for found in series):
            raise Unavailable("query returned multiple values: it is a range. Correct it so that it gives one value")
        return float(series[-1].value[1]) if series and series[-1].value is not None else None
    except (msgspec.DecodeError, ValueError):
        raise Unavailable(
            f"{address} does not answer like a Prometheus: {body[:60].decode(errors='replace')!r}. Correct the address"
        ) from None


def shown(address: str) -> str:
    """An address without credentials."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"


def without(text: str, address: str) -> str:
    """A foreign message without the credentials that an address may hold."""
    return text.replace(address, shown(address))
