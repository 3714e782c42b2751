"""How a check says that a promise does not hold. Used by every module of `contracts`."""

import reprlib
from collections.abc import Awaitable

from trimtab.errors import Conflict


class BrokenPromise(AssertionError):
    """The adapter does not do what its port promises."""


def holds(claim: bool, promise: str, *seen: object) -> None:
    """BrokenPromise, with what was seen, where the claim is false."""
    if not claim:
        raise BrokenPromise(
            "; ".join((promise, *(f"seen: {reprlib.repr(what) if isinstance(what, str) else repr(what)}" for what in seen)))
        )


async def conflicts(call: Awaitable[object], promise: str) -> None:
    """BrokenPromise unless the call raises Conflict."""
    try:
        await call
    except Conflict:
        return
    raise BrokenPromise(f"{promise}; no Conflict was raised")
