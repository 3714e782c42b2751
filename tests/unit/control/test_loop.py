"""The asyncio shell around `reconcile`: no key is lost, whatever comes when."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from trimtab.adapters.clock import SystemClock
from trimtab.control.loop import Loop
from trimtab.errors import Unavailable
from trimtab.model.names import CanaryKey
from trimtab.ports import Outside

KEY = CanaryKey("test", "app")


class Outdoors:
    """Sources, workloads and store of one Canary; `looked` is set when a pass begins."""

    def __init__(self, changes: int) -> None:
        self._changes = changes
        self.looked = asyncio.Event()

    async def keys(self) -> tuple[CanaryKey, ...]:
        return (KEY,)

    async def changes(self) -> AsyncIterator[CanaryKey]:
        for _ in range(self._changes):
            yield KEY
        await asyncio.Event().wait()

    async def load(self, key: CanaryKey) -> Any:
        self.looked.set()
        raise Unavailable("a pass began, which is all that is asked here")


async def test_a_change_that_comes_before_a_pass_has_begun_does_not_lose_the_key() -> None:
    """The watch runs before the first step of the pass that was handed out; that pass will see the change anyhow."""
    sources, quiet = Outdoors(changes=2), Outdoors(changes=0)
    store = Outdoors(changes=0)
    none: Any = None
    outside = Outside(sources, quiet, none, none, none, none, store, SystemClock())  # type: ignore[arg-type]
    running = asyncio.create_task(Loop(outside, lambda key, problem: None, lambda key, decision, took: None).run())
    try:
        async with asyncio.timeout(5):
            await store.looked.wait()
    finally:
        running.cancel()
        await asyncio.wait([running])
