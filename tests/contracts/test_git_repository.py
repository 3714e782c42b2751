"""Following a git repository or a plain folder: real git, in temporary folders."""

import asyncio
import os
import stat
import subprocess
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from trimtab.adapters.git.process import Git, clean_environment, without_credentials
from trimtab.adapters.git.repository import Repository, Watching, open_repository
from trimtab.errors import Denied, InputError, Unavailable
from trimtab.model.names import CanaryKey

T = TypeVar("T")
KEY = CanaryKey("shop", "app.v1")
PERSON = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}
DATES = {"GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z"}


def run(work: Coroutine[object, object, T]) -> T:
    return asyncio.run(work)


def git(folder: Path, *arguments: str) -> str:
    quiet = {**os.environ, **PERSON, **DATES, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(["git", *arguments], cwd=folder, env=quiet, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, message: str, files: dict[str, str]) -> str:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    return folder


async def opened(tmp_path: Path, source: Path | str, path: str = "", branch: str = "", deadline: float = 20) -> Repository:
    return await open_repository(Watching(str(source), path, branch, deadline=deadline), tmp_path / "clone", Git())


async def contents(repository: Repository, commit_id: str) -> dict[str, str]:
    files = await repository.manifests(commit_id)
    read = await repository.clone.read(file.blob for file in files)
    return {file.path: read[file.blob].decode() for file in files}


def test_the_newest_commit_is_read_whole(tmp_path: Path, origin: Path) -> None:
    first = commit(origin, "one", {"deploy/a.yaml": "a: 1\n", "deploy/deep/b.json": "{}", "deploy/readme.md": "", "other/c.yml": "c"})

    async def work() -> None:
        repository = await opened(tmp_path, origin, "./deploy/")
        newest = await repository.newest()
        assert newest == first
        assert await contents(repository, newest) == {"deploy/a.yaml": "a: 1\n", "deploy/deep/b.json": "{}"}

    run(work())


def test_a_folder_inside_a_work_tree_follows_its_repository(tmp_path: Path, origin: Path) -> None:
    commit(origin, "one", {"deploy/app/a.yaml": "a: 1\n", "other/c.yml": "c"})
    (origin / "deploy/app/a.yaml").write_text("not committed yet")

    async def work() -> None:
        repository = await opened(tmp_path, origin / "deploy", "app")
        assert await contents(repository, await repository.newest()) == {"deploy/app/a.yaml": "a: 1\n"}

    run(work())


def test_a_commit_says_who_when_and_why(tmp_path: Path, origin: Path) -> None:
    first = commit(origin, "Raise the limit\n\nAsked for by sales.", {"a.yaml": "1"})
    second = commit(origin, "Elsewhere\x1b[31m", {"b.yaml": "1"})

    async def work() -> None:
        repository = await opened(tmp_path, origin)
        newest = await repository.newest()
        said = await repository.clone.origin(newest)
        assert (said.commit, said.message) == (second, "Elsewhere[31m")
        said = await repository.clone.origin(newest, ["a.yaml"])
        assert (said.commit, said.author, said.message) == (first, "Ada <ada@example.org>", "Raise the limit\n\nAsked for by sales.")
        assert said.at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        assert (await repository.clone.origin(newest, ["gone.yaml"])).commit == second

    run(work())


@pytest.mark.parametrize(
    ("date", "at"),
    [
        ("1700000000 +5180", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("99999999999999 +0000", None),
        ("yesterday +0000", None),
    ],
)
def test_a_commit_with_a_date_that_does_not_exist_is_read_all_the_same(
    tmp_path: Path, origin: Path, date: str, at: datetime | None
) -> None:
    first = commit(origin, "Good", {"a.yaml": "1"})
    tree = git(origin, "rev-parse", f"{first}^{{tree}}")
    text = f"tree {tree}\nparent {first}\nauthor Ada <ada@x> {date}\ncommitter Ada <ada@x> {date}\n\nConverted\n"
    (tmp_path / "commit").write_text(text)
    made = git(origin, "hash-object", "-t", "commit", "-w", "--literally", str(tmp_path / "commit"))
    git(origin, "update-ref", "refs/heads/main", made)

    async def work() -> None:
        repository = await opened(tmp_path, origin)
        said = await repository.clone.origin(await repository.newest())
        assert (said.commit, said.message, said.at) == (made, "Converted", at)

    run(work())


def test_a_new_commit_is_seen_without_asking_git(tmp_path: Path, origin: Path) -> None:
    commit(origin, "one", {"a.yaml": "1"})

    async def work() -> None:
        repository = await opened(tmp_path, origin)
        assert repository.moved()
        await repository.newest()
        assert not repository.moved()
        (origin / "a.yaml").write_text("not committed")
        assert not repository.moved()
        second = commit(origin, "two", {})
        assert repository.moved()
        assert await repository.newest() == second
        git(origin, "pack-refs", "--all")
        await repository.newest()
        third = commit(origin, "three", {})
        assert repository.moved()
        assert await repository.newest() == third
        git(origin, "switch", "--quiet", "--create", "side")
        assert repository.moved()

    run(work())


def test_a_linked_work_tree_has_its_own_head(tmp_path: Path, origin: Path) -> None:
    commit(origin, "one", {"a.yaml": "1"})
    git(origin, "worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    second = commit(tmp_path / "side", "two", {"a.yaml": "2"})

    async def work() -> None:
        repository = await opened(tmp_path, tmp_path / "side")
        assert await repository.newest() == second
        assert not repository.moved()
        third = commit(tmp_path / "side", "three", {})
        assert repository.moved()
        assert await repository.newest() == third

    run(work())


def test_a_force_push_is_just_another_commit(tmp_path: Path, origin: Path) -> None:
    commit(origin, "one", {"a.yaml": "1"})
    second = commit(origin, "two", {"a.yaml": "2"})

    async def work() -> None:
        repository = await opened(tmp_path, origin)
        assert await repository.newest() == second
        git(origin, "reset", "--quiet", "--hard", "HEAD~1")
        other = commit(origin, "other two", {"a.yaml": "3"})
        assert repository.moved()
        assert await repository.newest() == other
        assert await contents(repository, other) == {"a.yaml": "3"}

    run(work())


def test_a_pinned_commit_outlives_a_force_push_and_housekeeping(tmp_path: Path, origin: Path) -> None:
    commit(origin, "one", {"a.yaml": "1"})
    second = commit(origin, "two", {"a.yaml": "2"})

    async def work() -> None:
        repository = await opened(tmp_path, origin)
        await repository.newest()
        await repository.clone.pin(KEY, {"abc": second})
        git(origin, "reset", "--quiet", "--hard", "HEAD~1")
        git(origin, "reflog", "expire", "--expire=now", "--all")
        git(origin, "gc", "--quiet", "--prune=now")
        repository = await opened(tmp_path, origin)
        await repository.newest()
        git(tmp_path / "clone", "gc", "--quiet", "--prune=now")
        assert await repository.clone.pins(KEY) == {"abc": second}
        assert await contents(repository, second) == {"a.yaml": "2"}
        await repository.clone.pin(KEY, {"abc": None, "def": second})
        assert await repository.clone.pins(KEY) == {"def": second}
        assert await repository.clone.pins(CanaryKey("shop", "app")) == {}
        git(tmp_path / "clone", "fsck", "--strict")

    run(work())


def test_a_chosen_branch_is_followed(tmp_path: Path, origin: Path) -> None:
    commit(origin, "one", {"a.yaml": "1"})
    git(origin, "switch", "--quiet", "--create", "team/live")
    live = commit(origin, "two", {"a.yaml": "2"})
    git(origin, "switch", "--quiet", "main")

    async def work() -> None:
        repository = await opened(tmp_path, origin, branch="team/live")
        assert await repository.newest() == live

    run(work())


def problem(work: Coroutine[object, object, object], kind: type[Exception]) -> str:
    with pytest.raises(kind) as caught:
        run(work)
    return str(caught.value)


def test_a_missing_branch_names_those_there_are(tmp_path: Path, origin: Path) -> None:
    commit(origin, "one", {"a.yaml": "1"})
    git(origin, "branch", "live")

    async def work() -> None:
        await (await opened(tmp_path, origin, branch="life")).newest()

    said = problem(work(), InputError)
    assert "no branch life" in said
    assert "live, main" in said


def test_an_empty_repository_says_that_it_has_no_commits(tmp_path: Path, origin: Path) -> None:
    async def work() -> None:
        await (await opened(tmp_path, origin)).newest()

    assert "no commits yet" in problem(work(), InputError)


def test_a_missing_path_names_what_there_is(tmp_path: Path, origin: Path) -> None:
    commit(origin, "one", {"deploy/a.yaml": "1", "readme.md": "", "docs/x.md": ""})

    async def work(path: str) -> None:
        repository = await opened(tmp_path, origin, path)
        await repository.manifests(await repository.newest())

    assert "deploy, docs, readme.md" in problem(work("deplyo"), InputError)
    assert "docs/x.md" in problem(work("docs"), InputError)
    assert "must lie within" in problem(work("../elsewhere"), InputError)


def test_what_is_neither_folder_nor_address_is_refused(tmp_path: Path) -> None:
    assert "neither a folder" in problem(opened(tmp_path, tmp_path / "nowhere"), InputError)
    assert "neither a folder" in problem(opened(tmp_path, "--upload-pack=x:y"), InputError)
    (tmp_path / "file").write_text("")
    assert "is a file" in problem(opened(tmp_path, tmp_path / "file"), InputError)


def test_a_source_that_is_away_is_unavailable_with_gits_words_but_no_credentials(tmp_path: Path) -> None:
    async def work() -> None:
        await (await opened(tmp_path, "http://ada:hunter2@127.0.0.1:9/x.git")).newest()

    said = problem(work(), Unavailable)
    assert "127.0.0.1:9/x.git" in said
    assert "unable to access" in said
    assert "hunter2" not in said
    assert "ada:" not in said


def test_a_source_that_hangs_is_given_up_at_the_deadline(tmp_path: Path) -> None:
    async def work() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            repository = await opened(tmp_path, f"http://127.0.0.1:{port}/x.git")
            await repository.clone.run("ls-remote", f"http://127.0.0.1:{port}/x.git", deadline=0.2)

    assert "within 0.2 s" in problem(work(), Unavailable)


def test_a_repository_that_vanishes_is_unavailable(tmp_path: Path, origin: Path) -> None:
    commit(origin, "one", {"a.yaml": "1"})

    async def work() -> None:
        repository = await opened(tmp_path, origin)
        await repository.newest()
        os.rename(origin, tmp_path / "moved")
        assert repository.moved()
        await repository.newest()

    assert str(origin) in problem(work(), Unavailable)


def test_no_hook_of_the_user_runs_and_stray_variables_do_not_lead_astray(tmp_path: Path) -> None:
    found = clean_environment({"GIT_DIR": "/x", "GIT_INDEX_FILE": "/y", "GIT_SSH_COMMAND": "mine", "GIT_CONFIG_KEY_0": "k", "HOME": "/h"})
    assert found == {
        "GIT_SSH_COMMAND": "mine", "GIT_CONFIG_KEY_0": "k", "HOME": "/h",
        "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_PAGER": "cat", "LC_ALL": "C",
    }  # fmt: skip

    async def work() -> None:
        done = await Git().run(tmp_path, "config", "core.hooksPath")
        assert done.out == b"/dev/null\n"

    run(work())


def test_credentials_leave_every_address() -> None:
    said = without_credentials("fatal: 'https://ada:p%40ss@host/x' and ssh://git@host:22/y and user@host:z")
    assert said == "fatal: 'https://host/x' and ssh://host:22/y and user@host:z"
    assert without_credentials("fatal: https://ada:open@sesame@host/x") == "fatal: https://host/x"


def test_the_clone_is_private_and_survives_a_git_that_was_killed(tmp_path: Path, origin: Path) -> None:
    commit(origin, "one", {"a.yaml": "1"})

    async def work() -> None:
        repository = await opened(tmp_path, origin)
        await repository.newest()
        stale = tmp_path / "clone/refs/trimtab/source.lock"
        stale.write_text("")
        second = commit(origin, "two", {"a.yaml": "2"})
        repository = await opened(tmp_path, origin)
        assert await repository.newest() == second
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "clone").rglob("*")}
        assert [path for path, mode in modes.items() if path.is_file() and mode & 0o077] == []
        assert stat.S_IMODE((tmp_path / "clone").stat().st_mode) & 0o077 == 0

    run(work())


def test_a_plain_folder_is_a_commit_named_by_its_content(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    (folder / "deep").mkdir(parents=True)
    (folder / ".trimtab").mkdir()
    (folder / ".trimtab/x.yaml").write_text("no")
    (folder / "notes.txt").write_text("no")
    odd = "a: 1\r\nb: \x00\\n"
    (folder / 'deep/o"d\\d é.yaml').write_bytes(odd.encode())

    async def work(clone: str) -> tuple[str, dict[str, str]]:
        repository = await open_repository(Watching(str(folder)), tmp_path / clone, Git())
        newest = await repository.newest()
        said = await repository.clone.origin(newest)
        assert said.author == "unknown <>"
        return newest, await contents(repository, newest)

    one, read = run(work("one"))
    assert read == {'deep/o"d\\d é.yaml': odd}
    assert run(work("two"))[0] == one
    (folder / "more.yaml").write_text("")
    assert run(work("two"))[0] != one


def test_a_change_in_a_plain_folder_is_taken_once_it_has_settled(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "a.yaml").write_text("1")

    async def work() -> None:
        repository = await opened(tmp_path, folder)
        first = await repository.newest()
        assert not repository.moved()
        assert not repository.moved()
        (folder / "a.yaml").write_text("12")
        assert not repository.moved()
        (folder / "a.yaml").write_text("123")
        assert not repository.moved()
        assert repository.moved()
        second = await repository.newest()
        assert not repository.moved()
        assert await contents(repository, second) == {"a.yaml": "123"}
        await repository.clone.pin(KEY, {"r": first})
        git(tmp_path / "clone", "gc", "--quiet", "--prune=now")
        assert await contents(repository, first) == {"a.yaml": "1"}

    run(work())


def test_a_plain_folder_without_manifests_or_with_a_branch_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()

    async def work() -> None:
        await (await opened(tmp_path, folder)).newest()

    assert "holds no manifests" in problem(work(), InputError)
    assert "no branch live" in problem(opened(tmp_path, folder, branch="live"), InputError)
    assert "no folder deploy" in problem(opened(tmp_path, folder, "deploy"), InputError)


def test_a_fetch_that_is_cancelled_can_be_done_again(tmp_path: Path, origin: Path) -> None:
    newest = commit(origin, "one", {"a.yaml": "1"})

    async def work() -> None:
        repository = await opened(tmp_path, origin)
        for turns in range(30):
            fetching = asyncio.ensure_future(repository.newest())
            for _ in range(turns):
                await asyncio.sleep(0)
            fetching.cancel()
            await asyncio.wait([fetching])
        repository = await opened(tmp_path, origin)
        assert await repository.newest() == newest

    run(work())


def test_a_repository_of_another_user_is_denied(tmp_path: Path, origin: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    commit(origin, "one", {"a.yaml": "1"})
    for path in (origin, origin / ".git"):
        os.chown(path, 12345, 12345)
    empty = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_SYSTEM": os.devnull}

    async def work() -> None:
        await open_repository(Watching(str(origin)), tmp_path / "clone", Git(empty))

    assert "dubious ownership" in problem(work(), Denied)
