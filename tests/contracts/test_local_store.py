"""The SQLite store: one record per Canary replaced by compare-and-swap, with journal, commands and history."""

import asyncio
import resource
import sqlite3
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trimtab.adapters.local.store import Store
from trimtab.adapters.local.store_errors import explain
from trimtab.errors import Conflict, Denied, InputError, SafetyError, TrimtabError, Unavailable
from trimtab.model.commands import Command, Verb
from trimtab.model.decision import Decision
from trimtab.model.journal import Entry
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName, Target
from trimtab.model.policy import HookType, MetricKind, Policy, Service
from trimtab.model.revision import ConfigRef, Revision
from trimtab.model.rollout import Answer, CanaryState, Outcome, Phase, Rollout, RolloutKind, Step
from trimtab.model.verdict import Evidence, Reading, Result
from trimtab.ports import Store as StorePort
from trimtab.testing.contracts.store import look

KEY = CanaryKey("shop", "app")
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
POLICY = Policy(
    Target("Deployment", "app"), Service("app"), interval=timedelta(milliseconds=1500), approvals=frozenset({HookType.CONFIRM_PROMOTION})
)


def revision(checksum: str = "", kind: ConfigKind = ConfigKind.CONFIG_MAP) -> Revision:
    return Revision.of("{}", "v1:00", (ConfigRef(ConfigName(kind, "settings"), "digest", checksum, ("a.yaml",)),))


def attempt(number: int, to: Revision | None = None) -> Rollout:
    return Rollout(number, RolloutKind.CHANGE, None, to or revision(), POLICY, NOW)


def following(state: CanaryState, number: int = 1) -> CanaryState:
    return replace(state, serial=state.serial + 1, phase=Phase.PROGRESSING, policy=POLICY, rollout=attempt(number))


def entry(text: str, rollout: int = 1) -> Entry:
    return Entry(NOW, rollout, "Advanced", text, "Progressing")


def command(name: str = "c1", rollout: int = 1) -> Command:
    return Command(name, Verb.ABORT, "ada", "looks wrong", NOW, rollout)


def written(folder: Path, names: str) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob(names))


def modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


@asynccontextmanager
async def opened(path: Path, poll: float = 0.01) -> AsyncIterator[Store]:
    store = Store(path, poll=poll)
    try:
        yield store
    finally:
        await store.close()


async def recorded(store: StorePort, rollouts: int, history: int = 20) -> CanaryState:
    """The record after that many attempts, each with one journal entry and one answered command."""
    state = CanaryState(KEY)
    for number in range(1, rollouts + 1):
        await store.submit(KEY, command(f"c{number}", number))
        policy = replace(POLICY, history=history)
        after = replace(following(state, number), policy=policy, handled=(Answer(f"c{number}", "done", True),))
        await store.replace(KEY, state, Decision(after, (entry(f"step {number}", number),), None))
        state = after
    return state


def test_a_new_canary_has_an_empty_record(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path / "db") as store:
            assert (await store.load(KEY)).state == CanaryState(KEY)
            assert await store.keys() == ()

    asyncio.run(run())


def test_what_is_recorded_is_read_back_equal_by_another_process(tmp_path: Path) -> None:
    rich = replace(
        following(CanaryState(KEY)),
        promoted=revision("abc"), spoken=frozenset({"a", "b"}), due=NOW,
        evidence=Evidence(1, 2, NOW, results=(Result("errors", MetricKind.INLINE, Reading.ABOVE, float("inf"), None, 0.1),)),
    )  # fmt: skip

    async def run() -> None:
        async with opened(tmp_path / "db") as store:
            await store.replace(KEY, CanaryState(KEY), Decision(rich, (entry("one"),), None))
        async with opened(tmp_path / "db") as other:
            found = (await other.load(KEY)).state
            assert found == rich
            assert found.promoted is not None
            assert found.promoted.configs[0].checksum == "abc"
            assert await other.journal(KEY) == (entry("one"),)
            assert await other.states() == (rich,)
            assert await other.keys() == (KEY,)

    asyncio.run(run())


def test_a_stale_record_is_a_conflict_and_changes_nothing(tmp_path: Path) -> None:
    first = following(CanaryState(KEY))

    async def run() -> None:
        async with opened(tmp_path / "db") as store, opened(tmp_path / "db") as other:
            await store.replace(KEY, CanaryState(KEY), Decision(first, (), None))
            late = replace(following(CanaryState(KEY)), phase=Phase.FAILED)
            with pytest.raises(Conflict, match=r"app\.shop.*serial 1.*0"):
                await other.replace(KEY, CanaryState(KEY), Decision(late, (entry("lost"),), None))
            assert (await store.load(KEY)).state == first
            assert await store.journal(KEY) == ()

    asyncio.run(run())


def test_of_many_writers_at_once_exactly_one_wins(tmp_path: Path) -> None:
    async def write(store: Store) -> bool:
        try:
            await store.replace(KEY, CanaryState(KEY), Decision(following(CanaryState(KEY)), (entry("won"),), None))
        except Conflict:
            return False
        return True

    async def run() -> None:
        async with opened(tmp_path / "db") as one, opened(tmp_path / "db") as two:
            won = await asyncio.gather(*(write(store) for store in (one, two) for _ in range(5)))
            assert sum(won) == 1
            assert len(await one.journal(KEY)) == 1

    asyncio.run(run())


@pytest.mark.parametrize("serial", [0, 2])
def test_a_decision_with_the_wrong_serial_is_a_bug(tmp_path: Path, serial: int) -> None:
    wrong = replace(following(CanaryState(KEY)), serial=serial)

    async def run() -> None:
        async with opened(tmp_path / "db") as store:
            with pytest.raises(SafetyError):
                await store.replace(KEY, CanaryState(KEY), Decision(wrong, (), None))

    asyncio.run(run())


def test_a_decision_that_changed_nothing_still_keeps_its_journal(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path / "db") as store:
            state = await recorded(store, 1)
            await store.replace(KEY, state, Decision(state, (entry("again"),), None))
            assert [line.text for line in await store.journal(KEY)] == ["step 1", "again"]
            assert (await store.load(KEY)).state.serial == state.serial

    asyncio.run(run())


def test_a_command_waits_until_a_decision_answers_it(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path / "db") as store:
            await store.submit(KEY, command())
            await store.submit(KEY, command())
            assert (await store.load(KEY)).commands == (command(),)
            assert await store.answer(KEY, "c1") is None
            said = Answer("c1", "too late", False)
            after = replace(following(CanaryState(KEY)), handled=(said,))
            await store.replace(KEY, CanaryState(KEY), Decision(after, (), None))
            assert (await store.load(KEY)).commands == ()
            assert await store.answer(KEY, "c1") == said
            await store.submit(KEY, command())
            assert (await store.load(KEY)).commands == ()

    asyncio.run(run())


def test_a_command_of_another_process_is_noticed(tmp_path: Path) -> None:
    other_key = CanaryKey("shop", "other")

    async def run() -> None:
        async with opened(tmp_path / "db") as store, opened(tmp_path / "db") as cli:
            await cli.submit(KEY, command("before"))
            keys = store.changes()
            async with asyncio.timeout(5):
                assert await anext(keys) == KEY
                following_key = asyncio.ensure_future(anext(keys))
                await cli.submit(other_key, command("after"))
                assert await following_key == other_key

    asyncio.run(run())


def test_a_command_of_this_process_is_noticed_without_waiting_for_the_poll(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path / "db", poll=3600) as store:
            coming = asyncio.ensure_future(anext(store.changes()))
            await store.load(KEY)
            await store.submit(KEY, command())
            async with asyncio.timeout(5):
                assert await coming == KEY

    asyncio.run(run())


def test_a_cancelled_write_is_done_wholly_or_not_at_all(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path / "db") as store:
            state = CanaryState(KEY)
            for _ in range(20):
                after = following(state)
                writing = asyncio.ensure_future(store.replace(KEY, state, Decision(after, (entry("step"),), None)))
                await asyncio.sleep(0)
                writing.cancel()
                state = (await store.load(KEY)).state
                assert state in (after, replace(after, serial=after.serial - 1), CanaryState(KEY))
                assert len(await store.journal(KEY)) == state.serial

    asyncio.run(run())


def test_history_holds_each_attempt_and_never_loses_the_newest(tmp_path: Path) -> None:
    async def run(history: int) -> tuple[list[int], list[str], Answer | None]:
        async with opened(tmp_path / f"db{history}") as store:
            await recorded(store, 4, history)
            numbers = [state.rollout.number for state in await store.history(KEY) if state.rollout is not None]
            return numbers, [line.text for line in await store.journal(KEY)], await store.answer(KEY, "c1")

    assert asyncio.run(run(9)) == ([1, 2, 3, 4], ["step 1", "step 2", "step 3", "step 4"], Answer("c1", "done", True))
    assert asyncio.run(run(2)) == ([3, 4], ["step 3", "step 4"], None)
    assert asyncio.run(run(0)) == ([4], ["step 4"], None)


def test_the_journal_of_one_attempt_can_be_read_alone(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path / "db") as store:
            await recorded(store, 3)
            assert await store.journal(KEY, 2) == (entry("step 2", 2),)
            assert await store.journal(CanaryKey("shop", "unknown")) == ()

    asyncio.run(run())


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(checksum=st.text("0123456789abcdef", min_size=16, max_size=16))
def test_the_checksum_of_a_secret_never_reaches_the_disk(tmp_path: Path, checksum: str) -> None:
    secret = revision(checksum, ConfigKind.SECRET)
    state = replace(
        following(CanaryState(KEY)), promoted=secret, applied=secret, kept=(secret,), fallback=secret, rollout=attempt(1, secret)
    )

    async def run() -> None:
        async with opened(tmp_path / checksum) as store:
            await store.replace(KEY, CanaryState(KEY), Decision(state, (entry("one"),), None))
            assert (await store.load(KEY)).state == state
            assert b"settings" in written(tmp_path, f"{checksum}*")
            assert checksum.encode() not in written(tmp_path, f"{checksum}*")

    asyncio.run(run())


def test_only_the_owner_can_read_the_files(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path / "db") as store:
            await recorded(store, 1)
            found = modes(tmp_path)
            assert set(found) >= {"db", "db-wal"}
            assert set(found.values()) == {0o600}

    asyncio.run(run())


def failure(path: Path) -> TrimtabError:
    async def run() -> TrimtabError:
        async with opened(path) as store:
            with pytest.raises(TrimtabError) as caught:
                await store.load(KEY)
            return caught.value

    return asyncio.run(run())


def test_a_file_without_what_was_counted_is_gone_on_with_and_its_records_stay(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path / "db") as store:
            before = await recorded(store, 2)
        file = sqlite3.connect(tmp_path / "db")
        file.executescript("DROP TABLE counted; PRAGMA user_version = 1")
        file.close()
        async with opened(tmp_path / "db") as store:
            assert (await store.load(KEY)).state == before
            assert await store.counted(KEY, 2) == ()
            await store.replace(KEY, before, Decision(following(before, 2), (), None, (look(1),)))
            assert await store.counted(KEY, 2) == (look(1),)

    asyncio.run(run())


def test_what_was_counted_goes_with_its_attempt_and_takes_a_few_rows(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path / "db") as store:
            state = await recorded(store, 1)
            for count in range(40):
                after = following(state)
                await store.replace(KEY, state, Decision(after, (), None, (look(count),)))
                state = after
            assert await store.counted(KEY, 1) == tuple(map(look, range(40)))
            file = sqlite3.connect(tmp_path / "db")
            assert file.execute("SELECT count(*) FROM counted").fetchone()[0] < 10
            after = replace(following(state, 2), policy=replace(POLICY, history=1))
            await store.replace(KEY, state, Decision(after, (), None))
            assert file.execute("SELECT count(*) FROM counted").fetchone() == (0,)
            file.close()

    asyncio.run(run())


def test_a_file_of_a_newer_trimtab_is_refused_with_both_versions(tmp_path: Path) -> None:
    file = sqlite3.connect(tmp_path / "db")
    file.execute("PRAGMA user_version = 7")
    file.close()
    error = failure(tmp_path / "db")
    assert isinstance(error, InputError)
    assert "version 7" in str(error)
    assert "up to 2" in str(error)


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"this is not a database" * 100)
    error = failure(tmp_path / "db")
    assert isinstance(error, InputError)
    assert "move it away" in str(error)


def test_a_record_that_cannot_be_read_says_whose(tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(tmp_path / "db") as store:
            await recorded(store, 1)

    asyncio.run(run())
    file = sqlite3.connect(tmp_path / "db")
    file.execute('UPDATE canary SET state = \'{"serial": "x"}\'')
    file.commit()
    file.close()
    error = failure(tmp_path / "db")
    assert isinstance(error, InputError)
    assert "app.shop" in str(error)


def test_a_missing_folder_is_unavailable(tmp_path: Path) -> None:
    assert isinstance(failure(tmp_path / "gone" / "db"), Unavailable)


def test_a_full_disk_is_unavailable_and_says_how_much_is_free(tmp_path: Path) -> None:
    file = sqlite3.connect(tmp_path / "db")
    file.execute("CREATE TABLE t (x)")
    file.execute("PRAGMA max_page_count = 2")
    with pytest.raises(sqlite3.OperationalError) as caught:
        file.execute("INSERT INTO t VALUES (zeroblob(100000))")
    file.close()
    error = explain(caught.value, "recording app.shop", tmp_path / "db")
    assert isinstance(error, Unavailable)
    assert "recording app.shop" in str(error)
    assert "MB are free" in str(error)


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """No file grows beyond the largest one here, as the system sees to it."""
    largest = max(file.stat().st_size for file in folder.iterdir())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


EXPOSED = replace(
    attempt(1), before=revision(), began=NOW, ready=NOW, steps=(Step(weight=20), Step(weight=40)), position=1, passed=NOW, grown=NOW
)


async def exposed(store: Store) -> CanaryState:
    """A canary that gets a fifth of the requests."""
    state = replace(following(CanaryState(KEY)), promoted=revision(), rollout=EXPOSED)
    await store.replace(KEY, CanaryState(KEY), Decision(state, (entry("Advance"),), None))
    return state


def with_run(state: CanaryState, **changes: Any) -> CanaryState:
    assert state.rollout is not None
    return replace(state, serial=state.serial + 1, rollout=replace(state.rollout, **changes))


async def test_a_rollback_that_the_disk_cannot_take_counts_all_the_same_and_is_written_when_there_is_room(tmp_path: Path) -> None:
    async with opened(tmp_path / "db") as store, opened(tmp_path / "db") as other:
        state = await exposed(store)
        back = with_run(state, outcome=Outcome.ROLLED_BACK)
        with full_disk(tmp_path):
            await store.replace(KEY, state, Decision(back, (entry("x" * 1_000_000),), None))
            failed = replace(back, serial=back.serial + 1, phase=Phase.FAILED)
            await store.replace(KEY, back, Decision(failed, (entry("rolled back"),), None))
            assert (await store.load(KEY)).state == failed
            assert (await other.load(KEY)).state == state
        assert (await store.load(KEY)).state == failed
        assert (await other.load(KEY)).state == failed
        assert [found.text[:11] for found in await other.journal(KEY)] == ["Advance", "x" * 11, "rolled back"]


async def test_nothing_grows_or_starts_on_a_full_disk(tmp_path: Path) -> None:
    async with opened(tmp_path / "db") as store:
        state = await exposed(store)
        grown, begun = with_run(state, position=2), replace(following(state, 2), promoted=revision())
        with full_disk(tmp_path):
            for after in (grown, begun):
                with pytest.raises(Unavailable):
                    await store.replace(KEY, state, Decision(after, (entry("x" * 1_000_000),), None))
            checked = replace(state, serial=state.serial + 1, evidence=Evidence(failed_checks=1))
            await store.replace(KEY, state, Decision(checked, (entry("x" * 1_000_000),), None))
            for after in (with_run(checked, position=2), replace(following(checked, 2), promoted=revision())):
                with pytest.raises(Unavailable):
                    await store.replace(KEY, checked, Decision(after, (), None))
            assert (await store.load(KEY)).state == checked


def test_a_missing_permission_is_denied(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "db").close()
    file = sqlite3.connect(f"file:{tmp_path / 'db'}?mode=ro", uri=True)
    with pytest.raises(sqlite3.OperationalError) as caught:
        file.execute("CREATE TABLE t (x)")
    file.close()
    assert isinstance(explain(caught.value, "recording", tmp_path / "db"), Denied)
    assert isinstance(explain(PermissionError(13, "no"), "recording", tmp_path / "db"), Denied)


def test_a_busy_file_is_unavailable(tmp_path: Path) -> None:
    holder, other = (sqlite3.connect(tmp_path / "db", timeout=0, isolation_level=None) for _ in range(2))
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError) as caught:
        other.execute("BEGIN IMMEDIATE")
    holder.close()
    other.close()
    assert isinstance(explain(caught.value, "recording", tmp_path / "db"), Unavailable)


@pytest.mark.parametrize("trouble", ["no folder", "damaged"])
async def test_a_file_that_cannot_be_read_for_a_while_ends_no_watch_for_commands(tmp_path: Path, trouble: str) -> None:
    folder = tmp_path / "state"
    if trouble == "damaged":
        folder.mkdir()
        (folder / "db").write_bytes(b"no database" * 100)
    async with opened(folder / "db") as store, opened(folder / "db") as other:
        changes = store.changes()
        coming = asyncio.ensure_future(anext(changes))
        with pytest.raises((Unavailable, InputError)):
            await store.load(KEY)
        await asyncio.wait([coming], timeout=0.1)
        assert not coming.done()
        folder.mkdir(exist_ok=True)
        (folder / "db").unlink(missing_ok=True)
        await other.submit(KEY, command())
        async with asyncio.timeout(10):
            assert await coming == KEY
        await changes.aclose()  # type: ignore[attr-defined]
