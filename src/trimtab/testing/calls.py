"""Port calls that suspend before and after their effect, and what drives them without an event loop. Used by the in-memory ports."""

import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import TypeVar, cast

from trimtab.model.names import CanaryKey

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Point:
    """A moment at which a port call can be interrupted: `before` its effect, or `after` it, with its `result`."""

    call: str
    moment: str
    result: object = None


@dataclass(frozen=True, slots=True)
class Stale:
    """What a scheduler sends at an `after` point to have an older answer returned."""

    result: object


@types.coroutine
def pass_point(point: Point) -> Generator[Point, Stale | None, Stale | None]:
    """Suspends until the scheduler goes on, or throws what went wrong."""
    return (yield point)


async def port_call(name: str, effect: Callable[[], T]) -> T:
    """A port call: whatever drives it may strike before the effect, or after it when the answer gets lost."""
    await pass_point(Point(name, "before"))
    result = effect()
    stale = await pass_point(Point(name, "after", result))
    return result if stale is None else cast(T, stale.result)


def run(coroutine: Coroutine[Point, Stale | None, T]) -> T:
    """Runs a coroutine over memory ports to its end, with no faults and no event loop."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as stop:
            result: T = stop.value
            return result


async def nothing() -> AsyncIterator[CanaryKey]:
    """Changes of a world that is looked at whenever it moves."""
    empty: tuple[CanaryKey, ...] = ()
    for key in empty:
        yield key
