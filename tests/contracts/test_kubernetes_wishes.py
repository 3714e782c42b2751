"""Commands whose answers cannot be written into their objects are obeyed once all the same (R5), by the real loop."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta

from contracts.test_kubernetes_leaders import KEY, Raw, Server, finished, operator
from trimtab.adapters.kubernetes.kinds import CANARY, CONFIG_ROLLOUT, ROLLOUT_COMMAND, Kind
from trimtab.adapters.kubernetes.rollouts import entries_of
from trimtab.control.reconcile import reconcile
from trimtab.errors import InputError
from trimtab.model.commands import Command, Verb
from trimtab.rollout.wishes import REMEMBERED
from trimtab.testing.memory import Memory, run
from trimtab.testing.policies import BASE
from trimtab.testing.world import World

HEAD: Raw = {"namespace": "shop", "name": "app", "uid": "u", "finalizers": ["finalizer.flagger.app"]}
MANY = REMEMBERED + 20


@dataclass
class Picky(Server):
    """An API server that refuses answers to commands, as an admission webhook or an old CRD may."""

    refuses: bool = True

    def changed(self, kind: Kind, name: str, change: Raw) -> Raw:
        if kind is ROLLOUT_COMMAND and self.refuses:
            raise InputError("an admission webhook denied the request")
        return super().changed(kind, name, change)


def test_more_wishes_than_are_remembered_are_obeyed_once_each_while_their_answers_cannot_be_written_and_answered_when_they_can() -> None:
    server = Picky()
    server.written(CANARY, "app", {"metadata": HEAD, "spec": {"targetRef": {"kind": "Deployment", "name": "app"}}})
    store = operator(server)
    memory = Memory(World(KEY, replace(BASE, weights=(20, 40))))
    world, outside = memory.world, replace(memory.outside, store=store)

    def passes() -> int:
        """Until it rests; how many records were written."""
        before = finished(store.load(KEY)).state.serial
        while (wake := run(reconcile(KEY, outside)).wake) is not None and wake <= world.now:
            assert finished(store.load(KEY)).state.serial < before + 2 * MANY, "it never rests"
        return finished(store.load(KEY)).state.serial - before

    def obeyed() -> Counter[str]:
        """How often each wish is in the journal."""
        rollouts = [found for (kind, _), found in server.found.items() if kind is CONFIG_ROLLOUT]
        return Counter(entry.text for found in rollouts for entry in entries_of(found) if entry.reason == "Resume")

    while finished(store.load(KEY)).state.promoted is None:
        passes()
        world.now += timedelta(seconds=1)
    for number in range(MANY):
        at = world.now + timedelta(milliseconds=number)
        finished(store.submit(KEY, Command(f"c{number:02}", Verb.RESUME, "ann", f"r{number}", at, 1)))
        passes()
    assert (len(obeyed()), set(obeyed().values())) == (REMEMBERED, {1})
    assert passes() == 0
    server.refuses = False
    passes()
    assert (len(obeyed()), set(obeyed().values())) == (MANY, {1})
    assert all(finished(store.answer(KEY, f"c{number:02}")) is not None for number in range(MANY))
