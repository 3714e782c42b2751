"""Commits beside somebody's work tree, pushed with a lease: real git, over files and over HTTP."""

import asyncio
import os
import subprocess
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from contracts.git_places import QUIET, commit, git, over_http, shared
from trimtab.adapters.git.branches import Branches, Change
from trimtab.adapters.git.process import Git
from trimtab.adapters.git.token import origin_of, with_token
from trimtab.errors import Conflict, Denied, InputError, Unavailable

T = TypeVar("T")
AT = datetime(2026, 1, 2, tzinfo=UTC)
MAIN, BRANCH = "refs/heads/main", "refs/heads/trimtab/shop/stable"
TOKEN = "hunter2-token"


def run(work: Coroutine[object, object, T]) -> T:
    return asyncio.run(work)


def of(folder: Path, environment: dict[str, str] | None = None) -> Branches:
    return Branches(folder / ".git", Git({**os.environ, **QUIET}, environment))


async def proposed(branches: Branches, files: dict[str, bytes | None], before: str | None = None) -> str:
    base = await branches.newest(MAIN)
    assert base is not None
    made = await branches.commit(Change(files, "Promote\n", (base,)), AT)
    await branches.publish(BRANCH, made, before)
    return made


def test_a_commit_is_pushed_and_the_work_tree_and_index_stay_as_they_are(tmp_path: Path) -> None:
    origin, clone = shared(tmp_path, {"a.yaml": "a: 1\n", "run.sh": "#!/bin/sh\n"})
    (clone / "a.yaml").write_text("a: mine\n")
    (clone / "new.yaml").write_text("x")
    git(clone, "add", "new.yaml")
    before = git(clone, "status", "--porcelain=v2", "--branch")
    made = run(proposed(of(clone), {"a.yaml": b"a: 2\n", "deep/b.yaml": b"b\r\n", "run.sh": None}))
    assert git(clone, "status", "--porcelain=v2", "--branch") == before
    assert git(clone, "for-each-ref", "--format=%(refname)", "refs/heads") == MAIN
    assert git(origin, "rev-parse", BRANCH) == made
    assert git(origin, "ls-tree", "-r", "--name-only", made).split() == ["a.yaml", "deep/b.yaml"]
    assert subprocess.run(["git", "show", f"{made}:deep/b.yaml"], cwd=origin, check=True, capture_output=True).stdout == b"b\r\n"


def test_the_mode_of_a_file_stays(tmp_path: Path) -> None:
    _, clone = shared(tmp_path, {"run.sh": "#!/bin/sh\n"})
    (clone / "run.sh").chmod(0o755)
    commit(clone, "executable", {})
    git(clone, "push", "--quiet", "origin", "main")
    made = run(proposed(of(clone), {"run.sh": b"#!/bin/sh\n:\n"}))
    assert git(clone, "ls-tree", made).split()[0] == "100755"


def test_who_pushes_second_is_told_and_overwrites_nothing(tmp_path: Path) -> None:
    origin, clone = shared(tmp_path, {"a.yaml": "a: 1\n"})
    first = run(proposed(of(clone), {"a.yaml": b"a: 2\n"}))
    with pytest.raises(Conflict, match="pushed first"):
        run(proposed(of(clone), {"a.yaml": b"a: 3\n"}))
    assert git(origin, "rev-parse", BRANCH) == first
    second = run(proposed(of(clone), {"a.yaml": b"a: 3\n"}, before=first))
    assert git(origin, "rev-parse", BRANCH) == second


def test_a_push_that_the_server_forbids_names_what_must_be_allowed(tmp_path: Path) -> None:
    origin, clone = shared(tmp_path, {"a.yaml": "a: 1\n"})
    hook = origin / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'protected branch' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(Denied, match="must be allowed to write"):
        run(proposed(of(clone), {"a.yaml": b"a: 2\n"}))


@pytest.mark.parametrize("name", ["--upload-pack=touch x", "a..b", "a b", "x\n", "refs/heads/../x", "@{-1}", "-x"])
def test_a_hostile_branch_name_is_refused_before_git_sees_it_as_anything_else(tmp_path: Path, name: str) -> None:
    _, clone = shared(tmp_path, {"a.yaml": "a: 1\n"})
    with pytest.raises(InputError, match="branch"):
        run(of(clone).newest(f"refs/heads/{name}"))
    assert not (clone / "x").exists()


def test_a_branch_that_is_not_there_is_none_and_a_remote_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    origin, clone = shared(tmp_path, {"a.yaml": "a: 1\n"})
    assert run(of(clone).newest(BRANCH)) is None
    origin.rename(tmp_path / "away.git")
    with pytest.raises(Unavailable, match="fetching refs/heads/main"):
        run(of(clone).newest(MAIN))


def test_without_a_remote_a_ref_is_replaced_by_comparison_and_never_the_one_that_is_checked_out(tmp_path: Path) -> None:
    _, clone = shared(tmp_path, {"a.yaml": "a: 1\n"})
    git(clone, "remote", "remove", "origin")
    branches = of(clone)
    made = run(proposed(branches, {"a.yaml": b"a: 2\n"}))
    assert git(clone, "rev-parse", BRANCH) == made
    with pytest.raises(Conflict):
        run(branches.publish(BRANCH, made, None))
    with pytest.raises(InputError, match="checked out"):
        run(branches.publish(MAIN, made, git(clone, "rev-parse", MAIN)))


def test_a_commit_is_signed_where_git_is_set_up_so(tmp_path: Path) -> None:
    _, clone = shared(tmp_path, {"a.yaml": "a: 1\n"})
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    for name, value in {"gpg.format": "ssh", "user.signingKey": str(tmp_path / "key"), "commit.gpgSign": "true"}.items():
        git(clone, "config", name, value)
    made = run(proposed(of(clone), {"a.yaml": b"a: 2\n"}))
    assert "BEGIN SSH SIGNATURE" in git(clone, "cat-file", "commit", made)
    git(clone, "config", "user.signingKey", str(tmp_path / "no-key"))
    with pytest.raises(Denied, match="signing"):
        run(proposed(of(clone), {"a.yaml": b"a: 3\n"}, before=made))


def test_a_token_reaches_its_server_alone_and_is_in_no_address_and_no_process_list(tmp_path: Path) -> None:
    origin, clone = shared(tmp_path, {"a.yaml": "a: 1\n"})
    git(origin, "config", "http.receivepack", "true")
    shim, noted = tmp_path / "bin" / "git", tmp_path / "arguments"
    shim.parent.mkdir()
    real = subprocess.run(["which", "git"], check=True, capture_output=True, text=True).stdout.strip()
    shim.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {noted}\nexec {real} "$@"\n')
    shim.chmod(0o755)
    with over_http(tmp_path, f"x-access-token:{TOKEN}") as (address, seen):
        git(clone, "remote", "set-url", "origin", f"{address}/origin.git")
        git(clone, "config", f"http.{address}/.extraheader", "Authorization: Basic b2xk")
        environment = {**os.environ, **QUIET, "PATH": f"{shim.parent}:{os.environ['PATH']}"}
        with_ours = with_token(environment, f"{address}/origin.git", "x-access-token", TOKEN)
        branches = Branches(clone / ".git", Git(environment, with_ours))
        made = run(proposed(branches, {"a.yaml": b"a: 2\n"}))
        bad = Branches(clone / ".git", Git(environment, with_token(environment, address, "x-access-token", "wrong")))
        with pytest.raises(Denied) as denied:
            run(bad.newest(MAIN))
    assert git(origin, "rev-parse", BRANCH) == made
    assert seen and TOKEN not in noted.read_text() and TOKEN not in (clone / ".git" / "config").read_text()
    assert "wrong" not in str(denied.value)


def test_a_token_goes_to_http_servers_only() -> None:
    assert origin_of("https://user:pw@git.example.org:8443/a/b.git") == "https://git.example.org:8443"
    assert with_token({}, "git@example.org:a/b.git", "x", TOKEN) == {}
    assert with_token({}, "https://example.org/a", "x", "") == {}
    added = with_token({"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "a.b", "GIT_CONFIG_VALUE_0": "c"}, "https://example.org/a", "x", TOKEN)
    assert (
        added["GIT_CONFIG_COUNT"] == "3"
        and added["GIT_CONFIG_KEY_0"] == "a.b"
        and added["GIT_CONFIG_KEY_2"].startswith("http.https://example.org/")
    )
