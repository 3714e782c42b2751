"""What `ports.Store` promises: compare-and-swap, one transaction for record, journal and commands, and a lasting history."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from trimtab.model.commands import Command, Verb
from trimtab.model.counted import Counted
from trimtab.model.decision import Decision
from trimtab.model.journal import Entry
from trimtab.model.judging import JudgeStep
from trimtab.model.names import CanaryKey, Target
from trimtab.model.policy import Policy, Service
from trimtab.model.revision import Revision
from trimtab.model.rollout import Answer, CanaryState, Phase, Rollout, RolloutKind
from trimtab.model.scrapes import Arm, PodBuckets, PodCounts, Scrape
from trimtab.ports import Store
from trimtab.testing.contracts.promise import conflicts, holds

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
POLICY = Policy(Target("Deployment", "app"), Service("app"), interval=timedelta(milliseconds=1500))
OTHER = CanaryKey("other", "app")


class Harness(Protocol):
    """An empty store."""

    store: Store
    key: CanaryKey

    async def reopened(self) -> Store:
        """The same records, as another process sees them."""


def following(state: CanaryState, number: int, *answers: Answer) -> CanaryState:
    """A record after `state`, in attempt `number`."""
    run = Rollout(number, RolloutKind.CHANGE, None, Revision.of("{}", f"v1:{number}", ()), POLICY, NOW)
    return replace(state, serial=state.serial + 1, phase=Phase.PROGRESSING, policy=POLICY, rollout=run, handled=(*state.handled, *answers))


def entry(text: str, number: int = 1) -> Entry:
    """A line of the journal."""
    return Entry(NOW, number, "Advanced", text, "Progressing")


def look(count: int) -> Counted:
    """What the judge counted once."""
    pods = (PodCounts("a", Arm.CANARY, count, 100), PodCounts("b", Arm.PRIMARY, 0, 900))
    times = (PodBuckets("a", Arm.CANARY, (90, 9, 1)), PodBuckets("b", Arm.PRIMARY, (900, 0, 0)))
    end = NOW + timedelta(seconds=15 * count)
    scrapes = (Scrape("errors", end, pods, missed=1), Scrape("latency", end, buckets=times, bounds=(0.1, 0.5)))
    return Counted(NOW, JudgeStep(1, 0.1, 0.5, NOW), scrapes)


def wish(name: str) -> Command:
    """A command."""
    return Command(name, Verb.ABORT, "ann", "it looks wrong", NOW, 1)


async def a_new_canary_has_an_empty_record(harness: Harness) -> None:
    """And no commands, no journal, no history."""
    stored = await harness.store.load(harness.key)
    holds(stored.state == CanaryState(harness.key) and stored.commands == (), "a new Canary has an empty record", stored)
    holds(await harness.store.journal(harness.key) == (), "a new Canary has no journal")
    holds(await harness.store.history(harness.key) == (), "a new Canary has no history")


async def what_is_recorded_is_read_back_equal(harness: Harness) -> None:
    """Also by another process."""
    state = following(CanaryState(harness.key), 1)
    await harness.store.replace(harness.key, CanaryState(harness.key), Decision(state, (entry("one"),), None))
    for store in (harness.store, await harness.reopened()):
        found = (await store.load(harness.key)).state
        holds(found == state, "a record is read back as it was written", found)
        journal = await store.journal(harness.key)
        holds(journal == (entry("one"),), "journal entries are read back as they were written", journal)


async def a_stale_record_is_a_conflict_and_changes_nothing(harness: Harness) -> None:
    """Neither record nor journal nor commands, whoever tries."""
    store, empty = harness.store, CanaryState(harness.key)
    first = following(empty, 1)
    await store.submit(harness.key, wish("c1"))
    await store.replace(harness.key, empty, Decision(first, (entry("one"),), None))
    for other in (store, await harness.reopened()):
        late = Decision(following(empty, 2, Answer("c1", "done", True)), (entry("late", 2),), None)
        await conflicts(other.replace(harness.key, empty, late), "a record is replaced only by who knows the newest")
    stored = await store.load(harness.key)
    holds(stored.state == first, "a Conflict leaves the record as it was", stored.state)
    holds([command.id for command in stored.commands] == ["c1"], "a Conflict consumes no command", stored.commands)
    holds(await store.journal(harness.key) == (entry("one"),), "a Conflict leaves the journal as it was")
    holds(await store.history(harness.key) == (first,), "a Conflict leaves the history as it was")


async def a_command_waits_until_a_decision_answers_it(harness: Harness) -> None:
    """Record, journal and answer come in one transaction; the others wait on, in their order."""
    store, empty = harness.store, CanaryState(harness.key)
    for name in ("c1", "c2", "c3"):
        await store.submit(harness.key, wish(name))
    found = (await store.load(harness.key)).commands
    holds(found == (wish("c1"), wish("c2"), wish("c3")), "commands wait in the order in which they came", found)
    holds(await store.answer(harness.key, "c2") is None, "a command that waits has no answer")
    answer = Answer("c2", "too late", False)
    await store.replace(harness.key, empty, Decision(following(empty, 1, answer), (entry("one"),), None))
    left = (await store.load(harness.key)).commands
    holds(left == (wish("c1"), wish("c3")), "a command that was answered waits no more", left)
    holds(await store.answer(harness.key, "c2") == answer, "what became of a command is known")


async def the_same_command_twice_is_one(harness: Harness) -> None:
    """Before and after it was answered."""
    store, empty = harness.store, CanaryState(harness.key)
    await store.submit(harness.key, wish("c1"))
    await (await harness.reopened()).submit(harness.key, wish("c1"))
    found = (await store.load(harness.key)).commands
    holds(found == (wish("c1"),), "the same id twice is one command", found)
    await store.replace(harness.key, empty, Decision(following(empty, 1, Answer("c1", "done", True)), (), None))
    await store.submit(harness.key, wish("c1"))
    found = (await store.load(harness.key)).commands
    holds(found == (), "a command that was answered does not wait again", found)


async def the_journal_is_told_oldest_first_of_one_attempt_or_of_all(harness: Harness) -> None:
    """Nothing is lost and nothing is mixed."""
    store, state = harness.store, CanaryState(harness.key)
    for number in (1, 1, 2):
        after = following(state, number)
        await store.replace(
            harness.key, state, Decision(after, (entry(f"{after.serial}a", number), entry(f"{after.serial}b", number)), None)
        )
        state = after
    texts = [line.text for line in await store.journal(harness.key)]
    holds(texts == ["1a", "1b", "2a", "2b", "3a", "3b"], "the journal is oldest first", texts)
    second = [line.text for line in await store.journal(harness.key, 2)]
    holds(second == ["3a", "3b"], "the journal of one attempt holds its entries alone", second)


async def what_the_judge_counted_is_kept_with_its_attempt(harness: Harness) -> None:
    """Look by look, in order, also for another process."""
    store, state, kept = harness.store, CanaryState(harness.key), list[Counted]()
    for number in (1, 2, 2, 2):
        after = following(state, number)
        # An attempt has begun before anything of it is counted.
        made = (look(state.serial),) if state.rollout is not None and state.rollout.number == number else ()
        await store.replace(harness.key, state, Decision(after, (), None, made))
        state, kept = after, [*kept, *made]
    found = await (await harness.reopened()).counted(harness.key, 2)
    holds(found == tuple(kept), "what was counted is read back equal and in order", found)
    holds(await store.counted(harness.key, 3) == (), "nothing was counted in an attempt that never was")


async def the_history_holds_each_attempt_as_it_was_last_written(harness: Harness) -> None:
    """Oldest first."""
    store, state, last = harness.store, CanaryState(harness.key), {}
    for number in (1, 1, 2, 2, 3):
        after = following(state, number)
        await store.replace(harness.key, state, Decision(after, (), None))
        state = last[number] = after
    found = await store.history(harness.key)
    holds(found == tuple(last.values()), "the history has one record for each attempt", found)


async def canaries_do_not_know_each_other(harness: Harness) -> None:
    """Record, journal and commands belong to one key."""
    store, empty = harness.store, CanaryState(harness.key)
    await store.submit(harness.key, wish("c1"))
    await store.replace(harness.key, empty, Decision(following(empty, 1), (entry("one"),), None))
    stored = await store.load(OTHER)
    holds(stored.state == CanaryState(OTHER) and stored.commands == (), "a record belongs to one Canary", stored)
    holds(await store.journal(OTHER) == () and await store.history(OTHER) == (), "a journal belongs to one Canary")


async def a_command_of_another_process_is_noticed(harness: Harness) -> None:
    """`changes` names its key. Only for stores that are watched."""
    changes = harness.store.changes()
    await (await harness.reopened()).submit(harness.key, wish("c1"))
    found = await anext(changes)
    holds(found == harness.key, "a command is noticed", found)


CHECKS: tuple[Callable[[Harness], Awaitable[None]], ...] = (
    a_new_canary_has_an_empty_record,
    what_is_recorded_is_read_back_equal,
    what_the_judge_counted_is_kept_with_its_attempt,
    a_stale_record_is_a_conflict_and_changes_nothing,
    a_command_waits_until_a_decision_answers_it,
    the_same_command_twice_is_one,
    the_journal_is_told_oldest_first_of_one_attempt_or_of_all,
    the_history_holds_each_attempt_as_it_was_last_written,
    canaries_do_not_know_each_other,
)
WATCHED = (a_command_of_another_process_is_noticed,)
"""For stores whose `changes` goes on for ever."""
