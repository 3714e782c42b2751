"""The four changes of the demo, one after the other, under load; says what became of each. Called by the command `demo`."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from trimtab.faces.demo.load import Load
from trimtab.faces.demo.repository import GOOD, SECOND_TOKEN, Repository
from trimtab.faces.up import Running
from trimtab.model.names import CanaryKey
from trimtab.model.rollout import CanaryState, Outcome, Rollout
from trimtab.model.spans import spoken
from trimtab.wiring.local import Machine, UpOptions

KEY = CanaryKey("default", "shop")
PATIENCE = 45.0
"""Seconds that one act may take."""


@dataclass(frozen=True, slots=True)
class Act:
    """One change: what it is, how it is written, and how it has to end."""

    title: str
    message: str
    write: Callable[[Repository], None]
    outcome: Outcome
    word: str


def rotate_token(repository: Repository) -> None:
    """A new token, and the settings as they were promoted."""
    repository.write_settings(GOOD)
    repository.write_token(SECOND_TOKEN)


ACTS = (
    Act(
        "A good change: a larger pool",
        "Double the pool",
        lambda repository: repository.write_settings(GOOD),
        Outcome.PROMOTED,
        "promoted",
    ),
    Act(
        "A bad change: a timeout that 10 % of the queries do not meet",
        "Fail faster",
        lambda repository: repository.write_settings(GOOD.replace("timeout_ms: 250", "timeout_ms: 20")),
        Outcome.ROLLED_BACK,
        "rolled back by comparison with the primary",
    ),
    Act(
        "A change that does not parse",
        "Tidy up the settings",
        lambda repository: repository.write_settings(GOOD.replace("pool_size: 20", "pool_size: [20")),
        Outcome.REFUSED,
        "refused",
    ),
    Act(
        "A new token in a Secret",
        "Rotate the token",
        rotate_token,
        Outcome.PROMOTED,
        "promoted",
    ),
)


def options(folder: Path) -> UpOptions:
    """How the demo's repository is watched."""
    return UpOptions(str(folder / "repository"), folder / "state", poll=0.2, minimum_interval=timedelta(seconds=1))


async def play(repository: Repository, running: Running, made: Machine) -> int:
    """Plays all acts; 0 if each ended as it should."""
    await reach(running, lambda state: state.promoted is not None and state.running is None)
    address = made.addresses()[KEY.namespace, "shop"]
    load = Load(f"http://127.0.0.1:{address.actual}/")
    sending = asyncio.create_task(load.run())
    try:
        good = [await perform(number, act, repository, running, load) for number, act in enumerate(ACTS, 1)]
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    running.say("")
    running.say(f"{load.sent} requests were sent in all: {load.failed} failed on the way, {load.lost} were lost.")
    return 0 if all(good) else 1


async def perform(number: int, act: Act, repository: Repository, running: Running, load: Load) -> bool:
    """Commits one change and waits for its end."""
    before = running.states[KEY].rollout
    last = before.number if before is not None else 0
    act.write(repository)
    running.say("")
    running.say(f"{number}. {act.title}")
    commit = repository.commit(act.message)
    running.say(f"   git commit {commit} {act.message!r}")
    sent, failed, lost = load.sent, load.failed, load.lost
    state = await reach(running, lambda state: state.rollout is not None and state.rollout.number > last and state.running is None)
    run = state.rollout
    assert run is not None
    good = run.outcome is act.outcome
    words = act.word if good else f"ended as {run.outcome}, which it should not have: {run.why}"
    counts = f"{load.sent - sent} requests, {load.failed - failed} failed, {load.lost - lost} lost"
    running.say(f"   {words} after {seconds(run)}; {counts}")
    return good


def seconds(run: Rollout) -> str:
    """How long an attempt took."""
    return spoken((run.ended or run.detected) - run.detected)


async def reach(running: Running, claim: Callable[[CanaryState], bool]) -> CanaryState:
    """Waits until the claim holds for the shop. TimeoutError after PATIENCE."""
    async with asyncio.timeout(PATIENCE):
        while True:
            running.moved.clear()
            state = running.states.get(KEY)
            if state is not None and claim(state):
                return state
            await running.moved.wait()
