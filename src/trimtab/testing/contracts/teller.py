"""What `ports.Teller` promises: everything is told in order, at least once, and it is known what was (P4)."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from trimtab.model.names import CanaryKey
from trimtab.model.policy import Policy
from trimtab.model.tellings import Telling, TellingKind
from trimtab.ports import Teller
from trimtab.testing.contracts.promise import holds


class Harness(Protocol):
    """A teller at work, with one receiver of events."""

    teller: Teller
    key: CanaryKey
    policy: Policy

    def heard(self) -> list[str]:
        """The texts that its receiver has taken, in order."""

    def away(self, is_away: bool) -> None:
        """Whether the receiver takes nothing just now."""

    async def settled(self, claim: Callable[[], Awaitable[bool]]) -> bool:
        """Lets time pass until the claim holds, or until it should have; whether it does."""

    async def restarted(self) -> Teller:
        """A teller after a crash of this one, at work for the same receiver."""

    def now(self) -> datetime:
        """The time of its clock."""


def tellings(harness: Harness, *texts: str) -> list[Telling]:
    """Events with these texts; the text is the id."""
    made = Telling("", TellingKind.EVENT, harness.now(), "Progressing", severity="info", run="5b5b")
    return [replace(made, id=f"{harness.key}/{text}", text=text) for text in texts]


async def done(harness: Harness, teller: Teller, items: list[Telling]) -> dict[str, str]:
    """What became of these, once it is known."""

    async def all_known() -> bool:
        return {item.id for item in items} <= set(await teller.told(harness.key))

    holds(await harness.settled(all_known), "what was told is known in the end", await teller.told(harness.key))
    return dict(await teller.told(harness.key))


async def nothing_is_known_of_what_was_never_told(harness: Harness) -> None:
    """Of a new key."""
    found = await harness.teller.told(CanaryKey("nobody", "here"))
    holds(not found, "nothing was told", found)


async def everything_is_told_in_order_and_known_to_be(harness: Harness) -> None:
    """An id without a reason was delivered."""
    items = tellings(harness, "one", "two", "three")
    await harness.teller.tell(harness.key, harness.policy, items[:2])
    await harness.teller.tell(harness.key, harness.policy, items[2:])
    found = await done(harness, harness.teller, items)
    holds(set(found.values()) == {""}, "what was delivered has no reason why it was not", found)
    holds(harness.heard() == ["one", "two", "three"], "everything is told in order", harness.heard())


async def what_is_known_already_is_not_told_again(harness: Harness) -> None:
    """A record repeats its list until it is struck off."""
    items = tellings(harness, "one", "two")
    await harness.teller.tell(harness.key, harness.policy, items[:1])
    await harness.teller.tell(harness.key, harness.policy, items)
    await done(harness, harness.teller, items)
    await harness.teller.tell(harness.key, harness.policy, items)
    last = tellings(harness, "last")
    await harness.teller.tell(harness.key, harness.policy, last)
    await done(harness, harness.teller, last)
    holds(harness.heard() == ["one", "two", "last"], "each id is told once", harness.heard())


async def a_receiver_that_was_away_gets_everything_when_it_is_back(harness: Harness) -> None:
    """Until then nothing counts as told."""
    harness.away(True)
    items = tellings(harness, "one", "two")
    await harness.teller.tell(harness.key, harness.policy, items)
    found = await harness.teller.told(harness.key)
    holds(not found, "what nobody took was not told", found)
    harness.away(False)
    await done(harness, harness.teller, items)
    holds(list(dict.fromkeys(harness.heard())) == ["one", "two"], "nothing is lost, and the order stays", harness.heard())


async def after_a_crash_everything_is_told_at_least_once(harness: Harness) -> None:
    """The record says again what it does not know to be told."""
    items = tellings(harness, "one", "two")
    await harness.teller.tell(harness.key, harness.policy, items)
    again = await harness.restarted()
    await again.tell(harness.key, harness.policy, items)
    await done(harness, again, items)
    holds(set(harness.heard()) == {"one", "two"}, "nothing is lost", harness.heard())


CHECKS: tuple[Callable[[Harness], Awaitable[None]], ...] = (
    nothing_is_known_of_what_was_never_told,
    everything_is_told_in_order_and_known_to_be,
    what_is_known_already_is_not_told_again,
    a_receiver_that_was_away_gets_everything_when_it_is_back,
    after_a_crash_everything_is_told_at_least_once,
)
