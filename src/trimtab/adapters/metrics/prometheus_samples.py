"""A Prometheus is asked for raw samples: a range selector, never `rate`, which makes up parts of requests. Called by `wiring`.

Long stretches come page by page; where a page is more than the server likes to load at once, it is halved.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import datetime

import aiohttp
import msgspec
import numpy as np

from trimtab.adapters.metrics.prometheus import Answer, Server, foreign, refused, start_of, unanswered
from trimtab.analysis.recipes import Found
from trimtab.errors import InputError

MOST_READ = 256 << 20
"""Bytes of one page."""
PAGE = 3600.0
"""Seconds."""
LEAST_PAGE = 60.0
TOO_MUCH = "too many samples"
"""What Prometheus says when a query loads more than `query.max-samples`."""


class Matrix(msgspec.Struct):
    """One series: labels, and samples as `[time, "number"]`."""

    metric: dict[str, str] = {}
    values: list[tuple[float, str]] = []


class _TooMuch(Exception):
    """The page has to be smaller."""


async def first(queries: Sequence[str], ask: Callable[[str], Awaitable[list[Found]]]) -> list[Found]:
    """One counter, by the first selector that finds something."""
    for query in queries:
        if found := await ask(query):
            return found
    return []


async def samples(
    session: aiohttp.ClientSession,
    server: Server,
    selector: str,
    span: tuple[datetime, datetime],
    tell: Callable[[float], None] | None = None,
) -> list[Found]:
    """All samples of an instant vector selector between two moments, each once, in order. `tell` hears which part of it is there.

    InputError where selector or address are wrong, else OutsideError. An answer of nothing is an empty list.
    """
    start, end = span[0].timestamp(), span[1].timestamp()
    found: dict[tuple[tuple[str, str], ...], list[Matrix]] = {}
    page, at = PAGE, start
    while at < end:
        upto = min(at + page, end)
        try:
            for series in await ask(session, server, f"{selector}[{upto - at + 1:.0f}s]", upto):
                found.setdefault(tuple(sorted(series.metric.items())), []).append(series)
        except _TooMuch:
            if page <= LEAST_PAGE:
                raise InputError(f"{server} cannot load {page:.0f} s of {selector} at once. Name fewer series") from None
            page = max(page / 2, LEAST_PAGE)
            continue
        at = upto
        if tell is not None:
            tell((at - start) / (end - start))
    return [together(labels, parts, start, end) for labels, parts in found.items()]


def together(labels: Iterable[tuple[str, str]], parts: list[Matrix], start: float, end: float) -> Found:
    """The pages of one series as one. Pages overlap by a second, because whether a range includes its beginning depends on the version."""
    pairs = [pair for part in parts for pair in part.values]
    times, first = np.unique(np.asarray([moment for moment, _ in pairs], dtype=np.float64), return_index=True)
    values = np.asarray([float(pairs[place][1]) for place in first], dtype=np.float64)
    kept = np.isfinite(values) & (times >= start) & (times <= end)
    return Found(dict(labels), times[kept], values[kept])


async def ask(session: aiohttp.ClientSession, server: Server, query: str, at: float) -> list[Matrix]:
    """One page."""
    try:
        async with session.post(
            f"{server.address.rstrip('/')}/api/v1/query", data={"query": query, "time": f"{at:.3f}"}, headers=server.headers,
            timeout=aiohttp.ClientTimeout(total=server.deadline), ssl=not server.skip_tls_verify,
        ) as answer:  # fmt: skip
            body = await start_of(answer, MOST_READ)
            if answer.status != 200:
                if TOO_MUCH in body[:1000].decode(errors="replace"):
                    raise _TooMuch
                if answer.status == 400:
                    raise InputError(f"{server} refused the query {query}: {said(body, server)}. Correct names and labels")
                raise refused(server, answer.status, answer.reason or "", body)
    except (TimeoutError, aiohttp.ClientError, ValueError, OSError) as error:
        raise unanswered(server, error) from None
    if len(body) > MOST_READ:
        raise _TooMuch
    return list(matrices(body, server))


def said(body: bytes, server: Server) -> str:
    """Why a query was refused, in the server's words."""
    try:
        return server.clean(msgspec.json.decode(body, type=Answer).error)
    except msgspec.DecodeError:
        return server.clean(body[:1000].decode(errors="replace"))


def matrices(body: bytes, server: Server) -> Iterator[Matrix]:
    """The series in an answer."""
    try:
        answer = msgspec.json.decode(body, type=Answer)
        if answer.status != "success" or answer.data.result_type != "matrix":
            raise InputError(f"{server} did not answer with a range: {server.clean(answer.error) or answer.data.result_type!r}")
        yield from msgspec.json.decode(answer.data.result, type=list[Matrix])
    except (msgspec.DecodeError, ValueError):
        raise foreign(server, body) from None
