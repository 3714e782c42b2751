"""Two operators and a third over one record: whoever was told that a decision is recorded finds it in what counts in the end (ADR 17).

The stores run without an event loop over an API server in memory, which suspends after each call; every order of calls
is played, and the death of one operator after each of them.
"""

from collections.abc import Callable, Coroutine, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from types import coroutine
from typing import Any, cast

from trimtab.adapters.clock import SystemClock
from trimtab.adapters.kubernetes.client import Client
from trimtab.adapters.kubernetes.cluster import Cluster
from trimtab.adapters.kubernetes.kinds import CANARY, CONFIG_ROLLOUT, ROLLOUT_COMMAND, Kind
from trimtab.adapters.kubernetes.mirror import Mirror
from trimtab.adapters.kubernetes.rollouts import trimmed
from trimtab.adapters.kubernetes.store import Adopted, ClusterStore
from trimtab.errors import Conflict, Unavailable
from trimtab.model.decision import Decision
from trimtab.model.names import CanaryKey, ConfigName
from trimtab.model.rollout import Answer, CanaryState
from trimtab.testing.contracts.store import following

KEY = CanaryKey("shop", "app")
Raw = dict[str, Any]
Going = Coroutine[None, None, None]


@coroutine
def point() -> Iterator[None]:
    """Here somebody else may go on, or the process die."""
    yield


def merged(old: Raw, change: Mapping[str, Any]) -> Raw:
    """A merge patch."""
    new = {name: value for name, value in old.items() if change.get(name, value) is not None}
    for name, value in change.items():
        if value is not None:
            new[name] = merged(new.get(name) or {}, value) if isinstance(value, dict) else value
    return new


@dataclass
class Server:
    """What the store asks of an API server, with its versions and conflicts."""

    found: dict[tuple[Kind, str], Raw] = field(default_factory=dict)
    version: int = 0

    async def call(self, effect: Callable[[], Any]) -> Any:
        answer = deepcopy(effect())
        await point()
        return answer

    async def get(self, kind: Kind, namespace: str, name: str, *, metadata_only: bool = False) -> Any:
        return await self.call(lambda: self.found.get((kind, name)))

    async def create(self, kind: Kind, made: Raw) -> Any:
        return await self.call(lambda: self.made(kind, deepcopy(made)))

    async def patch(self, kind: Kind, namespace: str, name: str, change: Raw, *, subresource: str = "") -> Any:
        return await self.call(lambda: self.changed(kind, name, change))

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str = "") -> Any:
        return await self.call(lambda: self.deleted(kind, name, uid))

    def made(self, kind: Kind, made: Raw) -> Raw:
        name = made["metadata"]["name"]
        if (kind, name) in self.found:
            raise Conflict(f"{name} is there")
        return self.written(kind, name, merged(made, {"metadata": {"uid": f"uid-{self.version}"}}))

    def changed(self, kind: Kind, name: str, change: Raw) -> Raw:
        there = self.found.get((kind, name))
        if (
            there is None
            or change.get("metadata", {}).get("resourceVersion", there["metadata"]["resourceVersion"])
            != (there["metadata"]["resourceVersion"])
        ):
            raise Conflict(f"{name} is gone or another")
        return self.written(kind, name, merged(there, change))

    def deleted(self, kind: Kind, name: str, uid: str) -> bool:
        there = self.found.get((kind, name))
        return there is not None and there["metadata"]["uid"] == uid and self.found.pop((kind, name)) is not None

    def written(self, kind: Kind, name: str, new: Raw) -> Raw:
        self.version += 1
        self.found[kind, name] = merged(new, {"metadata": {"resourceVersion": f"v{self.version}"}})
        return self.found[kind, name]


async def adopting(key: CanaryKey, older: CanaryState | None) -> Adopted | None:
    """What an older attempt left is taken up again in one of its own; without one there is nothing."""
    return Adopted(following(older, older.rollout.number + 1), {}) if older is not None and older.rollout is not None else None


def no_checksum(namespace: str, name: ConfigName, digest: str) -> str:
    return ""


def operator(server: Server) -> ClusterStore:
    """One that has just listed everything, and hears of nothing that others write after that."""
    client = cast(Client, server)
    mirrors = {kind: Mirror(client, kind, ()) for kind in (CANARY, ROLLOUT_COMMAND)}
    mirrors[CONFIG_ROLLOUT] = Mirror(client, CONFIG_ROLLOUT, (), trim=trimmed)
    for (kind, _), found in server.found.items():
        mirrors[kind].put(deepcopy(found))
    return ClusterStore(Cluster(client, mirrors), adopting, no_checksum, SystemClock())


def finished(going: Coroutine[None, None, Any]) -> Any:
    """Its answer, when nobody else does anything."""
    try:
        while True:
            going.send(None)
    except StopIteration as end:
        return end.value


@dataclass
class History:
    """The operators a, b and c: a goes on with attempt 1, b begins attempt 2 and may die, and then c goes on with what it finds."""

    server: Server = field(default_factory=Server)
    recorded: list[str] = field(default_factory=list)
    going: dict[str, Going] = field(default_factory=dict)

    def __post_init__(self) -> None:
        head = {"namespace": "shop", "name": "app", "uid": "u"}
        self.server.written(CANARY, "app", {"metadata": head, "spec": {"targetRef": {"kind": "Deployment", "name": "app"}}})
        first, begun = operator(self.server), self.next(CanaryState(KEY), "first", 1)
        finished(first.replace(KEY, CanaryState(KEY), Decision(begun, (), None)))
        for name, number in (("a", 1), ("b", 2)):
            store = operator(self.server)
            finished(store.load(KEY))
            self.going[name] = self.write(name, store, begun, number)

    def next(self, before: CanaryState, name: str, number: int) -> CanaryState:
        """A record that knows who has written it and all before it."""
        return following(before, number, Answer(name, "", True))

    async def write(self, name: str, store: ClusterStore, before: CanaryState, number: int) -> None:
        await store.replace(KEY, before, Decision(self.next(before, name, number), (), None))
        self.recorded.append(name)

    async def come(self) -> None:
        """The third one."""
        store = operator(self.server)
        before = (await store.load(KEY)).state
        assert before.rollout is not None
        await self.write("c", store, before, before.rollout.number)

    def choices(self) -> list[str]:
        """What may happen next."""
        return [*self.going, *(["die"] if "b" in self.going else [])]

    def happen(self, choice: str) -> None:
        """One operator goes to its next point, or dies at this one."""
        if choice == "die":
            self.going.pop("b").close()
            self.going["c"] = self.come()
            return
        try:
            self.going[choice].send(None)
        except (StopIteration, Conflict, Unavailable):
            del self.going[choice]

    def counts(self) -> set[str]:
        """Who wrote what counts in the end, as somebody finds it who comes when all is over."""
        for _ in range(3):
            try:
                return {answer.command for answer in finished(operator(self.server).load(KEY)).state.handled}
            except (Conflict, Unavailable):
                continue
        raise AssertionError("the record cannot be read")


def histories() -> Iterator[tuple[str, History]]:
    """All of them, each with its choices."""
    ways: list[list[str]] = [[]]
    while ways:
        way = ways.pop()
        history = History()
        for choice in way:
            history.happen(choice)
        while choices := history.choices():
            ways += [[*way, other] for other in choices[1:]]
            way = [*way, choices[0]]
            history.happen(choices[0])
        yield " ".join(way), history


def test_whoever_was_told_that_it_is_recorded_finds_it_in_what_counts_in_the_end() -> None:
    outcomes = set[str]()
    for way, history in histories():
        assert set(history.recorded) <= history.counts(), way
        outcomes.add(" ".join(history.recorded))
    assert outcomes >= {"a", "b", "a c", "c"}, "either side wins, and the third goes on from what there is"


def test_an_older_record_never_takes_the_place_of_one_that_is_gone_and_is_followed_by_one_made_anew() -> None:
    history = History()
    history.going.pop("a").close()
    finished(history.going.pop("b"))
    assert history.server.found.pop((CONFIG_ROLLOUT, "app-2"))
    third = operator(history.server)
    made = finished(third.load(KEY)).state
    assert (made.rollout.number, made.serial) == (2, 2)
    assert (CONFIG_ROLLOUT, "app-2") in history.server.found
    after = history.next(made, "c", 2)
    finished(third.replace(KEY, made, Decision(after, (), None)))
    assert finished(operator(history.server).load(KEY)).state == after
