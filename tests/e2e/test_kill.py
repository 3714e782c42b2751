"""A SIGKILL of Trimtab in every phase: pods and Envoy go on serving, the next start adopts them, and the rollout ends as it should.

Only pods that the rollout itself replaces may end; requests are sent throughout and none may be lost.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from e2e.documents import SUCCESS, bad, settings, shop
from e2e.harness import WITHIN, Load, Place, get, soon
from trimtab.wiring.state import open_store

pytestmark = pytest.mark.e2e
WEIGHTED = {"interval": "1s", "threshold": 2, "stepWeights": [30, 60], "stepWeightPromotion": 20, "metrics": [SUCCESS]}
GATES = {"gates": {"approvals": ["confirm-rollout", "confirm-promotion"]}}


def killed(here: Place) -> dict[int, str]:
    """Kills `up`, and sees that Envoy and at least one pod go on; the processes that go on. Pods that were told to end may do so."""
    before = set(here.pods())
    assert here.signal(signal.SIGKILL) == -signal.SIGKILL
    after = here.pods()
    assert set(after) <= before
    assert {"envoy", "service.py"} <= {word for command in after.values() for word in ("envoy", "service.py") if word in command}
    return after


def goes_on(here: Place) -> None:
    """Kills `up` and starts it again: it takes over what runs instead of starting it anew."""
    before = killed(here)
    here.up()
    here.port()
    envoys = {number for number, command in before.items() if "envoy" in command.split(" ")[0]}
    assert envoys
    assert envoys <= set(here.pods())


def said_once(here: Place, *texts: str) -> bool:
    """Did the newest attempt take each of these steps exactly once?"""
    story = [entry["text"] for entry in here.json("show")["timeline"]]
    return all(story.count(text) == 1 for text in texts)


def test_killed_while_initialising_it_goes_on_with_the_same_pod(here: Place, port: int) -> None:
    here.repository.commit(shop(port, delay=2))
    here.up()
    here.phase("Initializing", 1)
    pods = killed(here)
    here.up()
    run = here.outcome(1)
    assert run["outcome"] == "Promoted"
    assert set(pods) <= set(here.pods())
    assert get(here.port()).body == "one"


def test_killed_while_settled_it_adopts_everything_and_does_nothing(here: Place, port: int) -> None:
    here.repository.commit(shop(port))
    here.up()
    here.outcome(1)
    here.repository.commit({"settings.yaml": settings("two")})
    with Load(here.port()) as load:
        here.phase("Succeeded", 2)
        before, history = killed(here), here.json("history")
        here.up()
        here.says("Service shop.default is at")
        assert set(here.pods()) == set(before)
        assert here.json("history") == history
        here.repository.commit({"settings.yaml": settings("three")})
        assert here.outcome(3)["outcome"] == "Promoted"
    assert not load.lost()


Reach = Callable[[Place], Any]
PHASES: dict[str, Reach] = {
    "waiting": lambda here: here.phase("Waiting", 2),
    "progressing": lambda here: here.wait(lambda view: view["weight"] == 30, "the first step"),
    "waiting for promotion": lambda here: here.phase("WaitingPromotion", 2),
    "promoting": lambda here: here.phase("Promoting", 2),
}


@pytest.mark.parametrize("phase", PHASES)
def test_killed_while_a_change_is_under_way_it_is_promoted_all_the_same(here: Place, port: int, phase: str) -> None:
    gates = GATES if "waiting" in phase else None
    here.repository.commit(shop(port, WEIGHTED, rules=gates, linger=1))
    here.up()
    here.outcome(1)
    with Load(here.port()) as load:
        here.repository.commit({"settings.yaml": settings("two")})
        if phase == "waiting for promotion":
            here.phase("Waiting", 2)
            here.ok("approve", "shop")
        PHASES[phase](here)
        goes_on(here)
        for gate in ("Waiting", "WaitingPromotion") if phase == "waiting" else ("WaitingPromotion",) if gates else ():
            here.phase(gate, 2)
            here.ok("approve", "shop")
        run = here.outcome(2)
    assert run["outcome"] == "Promoted"
    assert said_once(here, "Advance shop.default canary weight 30", "Advance shop.default canary weight 60")
    assert said_once(here, *(f"Advance shop.default primary weight {weight}" for weight in (60, 80, 100)))
    assert [attempt["outcome"] for attempt in here.json("history")] == ["Promoted", "Promoted"]
    assert not load.lost()
    assert {get(here.port()).body for _ in range(20)} == {"two"}


def test_killed_while_finalising_it_is_promoted_all_the_same(here: Place, port: int) -> None:
    here.repository.commit(shop(port, {"interval": "500ms", "threshold": 2, "stepWeights": [50]}))
    here.up()
    here.outcome(1)
    with Load(here.port()) as load:
        for number in range(2, 9):
            here.repository.commit({"settings.yaml": settings(f"text-{number}")})
            asyncio.run(recorded(here, "Finalising"))
            killed(here)
            caught = here.json("status", "shop")["phase"] == "Finalising"
            here.up()
            assert here.outcome(number)["outcome"] == "Promoted"
            if caught:
                break
        assert caught, "the phase was over each time before the signal came"
    assert not load.lost()


async def recorded(here: Place, phase: str) -> None:
    """Waits for a phase that is too short for `watch`."""
    store = open_store(here.state)
    async with asyncio.timeout(WITHIN):
        while all(state.phase != phase for state in await store.states()):
            await asyncio.sleep(0)
    await store.close()


def test_killed_while_it_rolls_back_it_rolls_back_all_the_same(here: Place, port: int) -> None:
    here.repository.commit(shop(port, linger=2))
    here.up()
    here.outcome(1)
    with Load(here.port()) as load:
        here.repository.commit({"settings.yaml": bad()})
        here.wait(lambda view: view["rollout"]["number"] == 2 and view["rollout"]["outcome"] == "RolledBack", "the rollback")
        goes_on(here)
        run = here.outcome(2)
    assert run["outcome"] == "RolledBack"
    assert here.json("status", "shop")["weight"] == 0
    assert not load.lost()
    assert {get(here.port()).body for _ in range(20)} == {"one"}


def test_a_pod_that_dies_while_nobody_looks_is_started_again(here: Place, port: int) -> None:
    here.repository.commit(shop(port))
    here.up()
    here.outcome(1)
    killed(here)
    pod = next(number for number, command in here.pods().items() if "service.py" in command and "/bin/sh" not in command)
    os.kill(pod, signal.SIGKILL)
    here.up()
    here.says("starting it again")
    soon(lambda: get(here.port()).status == 200, "the pod serves again")
