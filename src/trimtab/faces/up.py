"""One machine, up: the loop over a repository, told about in plain lines, until a signal or until everything is settled.

Called by the commands `up` and `demo`.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from trimtab.control.loop import Loop
from trimtab.errors import TrimtabError
from trimtab.faces.exits import DONE, FAILED, INTERRUPTED, WAITING
from trimtab.faces.exposition import Exposition
from trimtab.model.decision import Decision
from trimtab.model.facts import Source
from trimtab.model.names import CanaryKey
from trimtab.model.rollout import CanaryState
from trimtab.wiring.local import Machine, UpOptions, machine

Body = Callable[[Machine], Coroutine[object, object, int]]
"""What is waited for while the machine is up; its answer is the exit code."""


@dataclass
class Running:
    """An `up` under way. `say` prints a line."""

    say: Callable[[str], None]
    made: Machine | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    states: dict[CanaryKey, CanaryState] = field(default_factory=dict)
    problems: dict[CanaryKey, str] = field(default_factory=dict)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    shown: set[str] = field(default_factory=set)
    exposition: Exposition = field(default_factory=lambda: Exposition("envoy"))

    def tell(self, moment: datetime, text: str) -> None:
        """A line with its time."""
        self.say(f"{moment.astimezone():%H:%M:%S}  {text}")

    def decided(self, key: CanaryKey, decision: Decision, took: timedelta) -> None:
        """Prints what a decision says; `took` is how long its pass lasted."""
        self.states[key] = decision.state
        if self.made is not None:
            self.exposition.decided(decision, took, self.made.outside.clock.now())
        for entry in decision.entries:
            self.tell(entry.at, f"{key}  {entry.text}")
        self.moved.set()

    def went(self, key: CanaryKey, problem: TrimtabError | None) -> None:
        """Prints what went wrong with a pass, once."""
        text = str(problem) if problem is not None else ""
        if text and self.problems.get(key) != text and self.made is not None:
            self.tell(self.made.outside.clock.now(), f"{key}  {text}")
        self.problems[key] = text
        self.moved.set()

    def report(self, text: str) -> None:
        """Prints what pods and proxies say."""
        if self.made is not None:
            self.tell(self.made.outside.clock.now(), text)
        else:
            self.say(text)


async def up(options: UpOptions, running: Running, work: Body | None, leave: Callable[[Machine], Coroutine[object, object, None]]) -> int:
    """Runs until a signal, or until `work` is through; then `leave` says what becomes of the pods. The exit code.

    Where something breaks, nobody is left to decide that: pods go on.
    """
    serving = running.exposition.serving(options.metrics_address)
    async with serving, machine(options, running.report) as made:
        running.made = made
        show_source(made, running)
        loop = Loop(made.outside, running.went, running.decided)
        running.exposition.queue.set_function(loop.queue.__len__)
        async with asyncio.TaskGroup() as group:
            looping = group.create_task(loop.run())
            watching = group.create_task(watch_source(made, running))
            code = await finish(running, work(made)) if work is not None else await signalled(running)
            for task in (looping, watching):
                task.cancel()
        await leave(made)
        return code


async def signalled(running: Running) -> int:
    """A signal is how it ends."""
    await running.stop.wait()
    return DONE


async def finish(running: Running, work: Coroutine[object, object, int]) -> int:
    """The answer of the work, or INTERRUPTED where a signal came first."""
    waiting, working = asyncio.ensure_future(running.stop.wait()), asyncio.ensure_future(work)
    try:
        await asyncio.wait((waiting, working), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else INTERRUPTED
    finally:
        for task in (waiting, working):
            task.cancel()
        await asyncio.gather(waiting, working, return_exceptions=True)


def show_source(made: Machine, running: Running) -> None:
    """What is watched, and what is worth knowing about it."""
    manifests = made.sources.manifests
    names = ", ".join(str(key) for key in manifests.known()) or "none"
    running.say(f"commit {manifests.commit[:10]}, its Canaries: {names}")
    if manifests.rendered:
        running.say(f"rendered from {manifests.rendered}")
    for warning in manifests.warnings:
        running.say(f"warning: {warning}")


async def watch_source(made: Machine, running: Running) -> None:
    """Says where Services are reached, which commits are refused, and when the source is away."""
    away = ""
    while True:
        show_addresses(made, running)
        for refusal in made.sources.refusals:
            say_once(running, str(refusal))
        if made.sources.away != away:
            running.report(made.sources.away or "the source can be reached again")
            away = made.sources.away
        await asyncio.sleep(0.5)


def show_addresses(made: Machine, running: Running) -> None:
    """Where each Service is reached, once."""
    for (namespace, name), address in made.addresses().items():
        other = "" if address.actual == address.wanted else f" (its port {address.wanted} cannot be used here)"
        say_once(running, f"Service {name}.{namespace} is at http://127.0.0.1:{address.actual}{other}")


def say_once(running: Running, text: str) -> None:
    """The same line once."""
    if text not in running.shown:
        running.shown.add(text)
        running.report(text)


async def until_settled(made: Machine, running: Running) -> int:
    """Waits until every Canary is done with what the source holds; 0 if all went well, else 1, or 4 where a person is waited for."""
    while True:
        running.moved.clear()
        sources = {key: await made.outside.sources.read(key) for key in await made.outside.sources.keys()}
        codes = [settled(running.states.get(key), source) for key, source in sources.items()]
        if all(code is not None for code in codes):
            show_problems(running, sources)
            return max((code for code in codes if code is not None), default=DONE)
        await running.moved.wait()


def show_problems(running: Running, sources: Mapping[CanaryKey, Source]) -> None:
    """What keeps a Canary from being rolled out at all: without a record no decision has told it."""
    for key, source in sources.items():
        state = running.states.get(key)
        if state is None or state.rollout is None:
            for problem in filter(None, (source.problem, source.policy_problem)):
                say_once(running, f"{key}  {problem}")


def settled(state: CanaryState | None, source: Source) -> int | None:
    """The exit code for one Canary; None while there is more to come."""
    if state is None or state.rollout is None:
        return FAILED if source.problem or source.policy_problem else None
    if state.running is not None:
        return WAITING if state.running.gate is not None else None
    if source.revision is not None and source.revision != state.promoted:
        return FAILED if state.held is not None and state.held.revision == source.revision.id else None
    return DONE if source.revision is not None else FAILED


@contextmanager
def signals(running: Running) -> Iterator[None]:
    """TERM and Ctrl-C ask `up` to end; a second one leaves the pods as they are."""
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if running.stop.is_set():
            raise KeyboardInterrupt
        running.stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
