"""Processes of pods: they outlive whoever started them, are found again for certain, and leave nothing behind when they are stopped."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from trimtab.adapters.local import process
from trimtab.adapters.local.running import alive
from trimtab.errors import Unavailable

PARENT = """
import asyncio, sys
from pathlib import Path
from trimtab.adapters.local import process

async def main(folder):
    command = process.Command("one", ("sleep", "60"), {}, folder, folder / "log", folder, folder)
    print((await process.start(command)).pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1])))
"""


async def eventually(claim: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not claim():
            await asyncio.sleep(0.01)


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    (tmp_path / "tmp").mkdir()
    yield tmp_path
    await process.clear(tmp_path)


def command(folder: Path, script: str, **variables: str) -> process.Command:
    return process.Command("container c of pod p", ("/bin/sh", "-c", script), variables, folder, folder / "log", folder, folder)


def finished(folder: Path) -> Callable[[], bool]:
    return lambda: process.exit_code(folder) is not None and process.found(folder) is None


async def test_the_exit_code_is_written_down_whoever_is_there_to_see_it(folder: Path) -> None:
    await process.start(command(folder, "echo said; exit 3"))
    await eventually(finished(folder))
    assert process.exit_code(folder) == 3
    assert (folder / "log").read_text() == "said\n"


async def test_a_program_that_does_not_exist_ends_with_127_and_a_folder_that_does_not_with_126(folder: Path) -> None:
    nothing = process.Command("c", ("/none/such",), {}, folder, folder / "log", folder, folder)
    await process.start(nothing)
    await eventually(finished(folder))
    assert process.exit_code(folder) == 127
    await process.start(process.Command("c", ("true",), {}, folder, folder / "log", folder, folder / "none"))
    await eventually(finished(folder))
    assert process.exit_code(folder) == 126


async def test_what_cannot_be_started_says_what_and_where_to_look(folder: Path) -> None:
    lost = process.Command("container c of pod p", ("true",), {}, folder / "gone", folder / "log", folder, folder)
    with pytest.raises(Unavailable, match=r"starting container c of pod p: it could not write .*gone/run"):
        await process.start(lost)
    with pytest.raises(Unavailable, match="starting container c of pod p: embedded null byte"):
        await process.start(command(folder, "true", NAME="\0"))


def killed_parent_of(folder: Path) -> int:
    """The pid of a process whose parent was killed as soon as it was there."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", PARENT, str(folder)], env=environ, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    return pid


async def test_a_process_outlives_the_death_of_its_parent_and_is_found_again(folder: Path) -> None:
    pid = killed_parent_of(folder)
    found = process.found(folder)
    assert found is not None
    assert found.pid == pid


async def test_a_process_with_the_same_pid_that_started_later_is_not_taken_for_it(folder: Path) -> None:
    running = await process.start(command(folder, "sleep 60"))
    record = (folder / "run").read_text()
    (folder / "run").write_text(record.replace(f" {running.started} ", f" {int(running.started) - 1} "))
    assert process.found(folder) is None
    (folder / "run").write_text(record)
    assert process.found(folder) == running


async def test_a_process_sees_its_own_variables_and_not_those_of_trimtab(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMTAB_TEST_PRIVATE", "yes")
    await process.start(command(folder, 'echo "$GIVEN $TRIMTAB_TEST_PRIVATE $HOME $TMPDIR"', GIVEN="1"))
    await eventually(finished(folder))
    assert (folder / "log").read_text() == f"1  {folder} {folder}/tmp\n"


async def test_stopping_asks_first(folder: Path) -> None:
    running = await process.start(command(folder, "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.01; done"))
    await eventually((folder / "log").read_text)
    await process.stop(folder, 10.0)
    assert not alive(running)
    assert process.exit_code(folder) == 5
    assert (folder / "log").read_text().endswith("bye\n")


async def test_stopping_kills_what_takes_no_notice_when_the_grace_period_is_over(folder: Path) -> None:
    running = await process.start(command(folder, "trap '' TERM; echo up; sleep 60"))
    await eventually((folder / "log").read_text)
    await process.stop(folder, 0.05)
    assert not alive(running)
    assert process.exit_code(folder) == 137


async def test_nothing_that_it_started_stays_behind(folder: Path) -> None:
    await process.start(command(folder, "(trap '' TERM HUP; sleep 60) & (trap '' TERM HUP; sleep 60) & echo up; exit 0"))
    await eventually(finished(folder))
    assert list(process.session(folder))
    await process.clear(folder)
    assert not list(process.session(folder))


async def test_what_a_killed_shell_leaves_behind_is_found_and_ended(folder: Path) -> None:
    running = await process.start(command(folder, "sleep 60; true"))
    await eventually(lambda: len(list(process.session(folder))) > 1)
    os.kill(running.pid, signal.SIGKILL)
    await eventually(lambda: process.found(folder) is None)
    assert list(process.session(folder))
    await process.stop(folder, 10.0)
    assert not list(process.session(folder))


async def test_a_session_of_another_boot_is_somebody_elses(folder: Path) -> None:
    await process.start(command(folder, "sleep 60"))
    record = (folder / "run").read_text()
    (folder / "run").write_text(record.rstrip()[:-1] + "x\n")
    assert not list(process.session(folder))
    (folder / "run").write_text(record)
    assert list(process.session(folder))


async def test_a_start_that_is_cancelled_never_leaves_a_process_that_nobody_knows(folder: Path) -> None:
    starting = asyncio.create_task(process.start(command(folder, "sleep 60")))
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.wait([starting])
    assert starting.cancelled()
    assert process.found(folder) is not None


async def test_the_end_of_a_process_is_seen_without_a_file_that_could_be_opened(folder: Path) -> None:
    running = await process.start(command(folder, "while [ ! -e end ]; do sleep 0.05; done"))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    kept = [os.open(folder, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (kept[0] + 1, limits[1]))
    try:
        with pytest.raises(OSError):
            while True:
                kept.append(os.open(folder, os.O_RDONLY))
        assert alive(running), "nothing can be known of it"
        gone = asyncio.ensure_future(process.gone(running))
        await asyncio.wait([gone], timeout=0.1)
        assert not gone.done()
    finally:
        for one in kept:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    (folder / "end").touch()
    async with asyncio.timeout(10):
        await gone
    assert not alive(running)
