"""The stream of a watch, change by change. Called by `client`."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import msgspec

from trimtab.adapters.kubernetes.errors import Answer, Asked, nonsense, refused

Object = dict[str, object]
"""An object of the API, as JSON has it."""
LONGEST = 1 << 25
"""Bytes of one change; etcd keeps objects of at most 1.5 MB."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one object: ADDED, MODIFIED, DELETED; or BOOKMARK: nothing, up to the version in it."""

    type: str
    object: Object


class Line(msgspec.Struct):
    """One line of the stream."""

    type: str
    object: dict[str, object]


async def changes(asked: Asked, stream: aiohttp.StreamReader) -> AsyncIterator[Change]:
    """Until the stream ends. Raises what the API server says in the stream; Unavailable for what is no change."""
    async for text in lines(asked, stream):
        try:
            line = msgspec.json.decode(text, type=Line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise nonsense(asked) from None
        if line.type == "ERROR":
            code = line.object.get("code")
            raise refused(asked, Answer(code if isinstance(code, int) else 500, line.object))
        yield Change(line.type, line.object)


async def lines(asked: Asked, stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The lines of the stream, cut at line feeds only: what other characters do to lines has lost watches before.

    A line that is cut off by the end of the stream is left out: its change comes again when the watch goes on.
    """
    pieces: list[bytes] = []
    length = 0
    while piece := await stream.readany():
        *whole, rest = piece.split(b"\n")
        for line in whole:
            if text := b"".join((*pieces, line)).strip():
                yield text
            pieces.clear()
            length = 0
        pieces.append(rest)
        length += len(rest)
        if length > LONGEST:
            raise nonsense(asked)
