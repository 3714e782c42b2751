"""The operator: the loop over a cluster, led by one process at a time, told about in JSON lines. Called by the command `operator`.

A process that loses the lease ends at once: another may act by then, and whoever runs it starts it anew.
"""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from aiohttp import web

from trimtab.control.loop import Loop
from trimtab.errors import Denied, InputError, SafetyError, TrimtabError, Unavailable, Vanished
from trimtab.faces.exits import DONE
from trimtab.faces.exposition import Exposition, listen
from trimtab.model.decision import Decision
from trimtab.model.names import CanaryKey
from trimtab.wiring.cluster import Operated, OperatorOptions, operated

LEVELS = ("debug", "info", "warn", "error")
SEVERITY = {"info": "info", "warn": "warn", "error": "error"}


@dataclass
class Log:
    """JSON lines, each with its canary and rollout where there is one. `say` prints a line."""

    say: Callable[[str], None]
    now: Callable[[], str]
    least: str = "info"

    def line(self, level: str, text: str, **about: object) -> None:
        """One line, if its level counts."""
        if LEVELS.index(level) >= LEVELS.index(self.least):
            known = {name: value for name, value in about.items() if value not in ("", 0, None)}
            self.say(json.dumps({"level": level, "ts": self.now(), "msg": text, **known}, ensure_ascii=False))


@dataclass
class Operating:
    """An operator under way."""

    log: Log
    exposition: Exposition
    problems: dict[CanaryKey, str] = field(default_factory=dict)
    behind: dict[CanaryKey, str] = field(default_factory=dict)
    """Why a Canary's status could not be written, as it was logged last."""
    leads: bool = False
    made: Operated | None = None

    def decided(self, key: CanaryKey, decision: Decision, took: timedelta) -> None:
        """Logs what a decision says, and whether the status can follow it."""
        if self.made is not None:
            self.exposition.decided(decision, took, self.made.outside.clock.now())
            self.followed(key, self.made.behind.get(key, ""))
        for entry in decision.entries:
            self.log.line(
                SEVERITY[entry.severity], entry.text, canary=str(key), rollout=entry.rollout, phase=entry.phase, reason=entry.reason,
                weight=entry.weight, actor=entry.actor,
            )  # fmt: skip

    def about(self, key: CanaryKey) -> dict[str, object]:
        """Whom a line is about: the Canary, and its newest rollout once that is known."""
        state = self.exposition.states.get(key)
        run = state.rollout if state is not None else None
        return {"canary": str(key), "rollout": run.number if run is not None else 0}

    def followed(self, key: CanaryKey, why: str) -> None:
        """Logs that a status could not be written, once, and that it is up to date again."""
        if why == self.behind.get(key, ""):
            return
        self.behind[key] = why
        if why:
            self.log.line("warn", f"the record is kept, but status, answers or old attempts are behind: {why}", **self.about(key))
        else:
            self.log.line("info", "status and answers are up to date again", **self.about(key))

    def went(self, key: CanaryKey, problem: TrimtabError | None) -> None:
        """Logs what went wrong with a pass, once, and that it goes well again."""
        if isinstance(problem, Vanished):
            self.problems.pop(key, None)
            self.behind.pop(key, None)
            if key in self.exposition.states:
                self.log.line("info", str(problem), **self.about(key))
                self.exposition.forget(key)
            return
        text = str(problem) if problem is not None else ""
        if text == self.problems.get(key, ""):
            return
        self.problems[key] = text
        serious = isinstance(problem, InputError | Denied | SafetyError)
        self.log.line("error" if serious else "warn" if text else "info", text or "passes go well again", **self.about(key))

    async def ready(self, request: web.Request) -> web.Response:
        """Are the mirrors complete and up to date? Who waits for the lease is ready, too."""
        trouble = self.made.trouble() if self.made is not None else "the cluster was not read yet"
        return web.Response(status=503 if trouble else 200, text=trouble or ("leading" if self.leads else "standing by"))


async def operate(options: OperatorOptions, operating: Operating, port: int) -> int:
    """Runs until a signal; the exit code. Unavailable where the lease was lost."""
    stop = asyncio.Event()
    with signals(stop):
        async with serving(operating, port):
            return await until(stop, asyncio.ensure_future(look_after(options, operating)))


async def until(stop: asyncio.Event, work: "asyncio.Task[None]") -> int:
    """Until the signal; what the work dies of is raised."""
    waiting = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((waiting, work), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
        return DONE
    finally:
        for task in (waiting, work):
            task.cancel()
        await asyncio.gather(waiting, work, return_exceptions=True)


async def look_after(options: OperatorOptions, operating: Operating) -> None:
    """Reads the cluster, waits for the lease, then runs the loop for as long as it is held."""
    async with operated(options, lambda text: operating.log.line("warn", text)) as made:
        operating.made = made
        operating.exposition.behind.set_function(made.behind.__len__)
        if options.elect:
            operating.log.line("info", f"waiting for lease {made.lease.name} in {made.lease.namespace} as {made.lease.identity}")
            await made.lease.acquire()
        operating.leads = True
        operating.log.line("info", f"leading {len(await made.outside.sources.keys())} canaries on {made.where}")
        try:
            async with asyncio.TaskGroup() as group:
                loop = Loop(made.outside, operating.went, operating.decided)
                operating.exposition.queue.set_function(loop.queue.__len__)
                looping = group.create_task(loop.run())
                if options.elect:
                    await made.lease.keep()
                    looping.cancel()
                    raise Unavailable(
                        f"lease {made.lease.name} in {made.lease.namespace} could not be renewed in time; another one may lead"
                    )
        finally:
            if options.elect:
                await asyncio.shield(made.lease.release())


@asynccontextmanager
async def serving(operating: Operating, port: int) -> AsyncIterator[None]:
    """`/metrics`, `/healthz` and `/readyz` on all addresses while the block runs; port 0 serves nothing."""
    if not port:
        yield
        return
    app = operating.exposition.application()
    app.add_routes([web.get("/readyz", operating.ready)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await listen(runner, "0.0.0.0", port, "--port")
        yield
    finally:
        await runner.cleanup()


@contextmanager
def signals(stop: asyncio.Event) -> Iterator[None]:
    """TERM and Ctrl-C ask the operator to end."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
