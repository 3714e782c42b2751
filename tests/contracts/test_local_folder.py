"""The state folder: private, held by one process, with the key for digests of Secrets."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from trimtab.adapters.local.folder import claim, digest_key, holder, locate, locked, open_folder
from trimtab.errors import InputError, Unavailable

HOLD = """
import sys
from pathlib import Path
from trimtab.adapters.local.folder import locked, open_folder
with locked(open_folder(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""
LOOK = """
import os, sys
from pathlib import Path
from trimtab.adapters.local.folder import StateFolder, holder
os.setuid(54321)
try:
    holder(StateFolder(Path(sys.argv[1])))
except Exception as error:
    print(f"{type(error).__name__}: {error}")
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_argument_wins_over_the_environment_over_the_default(tmp_path: Path) -> None:
    named = {"TRIMTAB_STATE": "/var/lib/other"}
    assert locate(Path("mine"), named, tmp_path) == tmp_path / "mine"
    assert locate(None, named, tmp_path) == Path("/var/lib/other")
    assert locate(None, {"TRIMTAB_STATE": ""}, tmp_path) == tmp_path / ".trimtab"


def test_the_folder_is_private_and_git_does_not_see_it(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    folder = open_folder(tmp_path / "state")
    assert mode(folder.path) == 0o700
    assert (folder.path / ".gitignore").read_text() == "*\n"


def test_a_file_in_its_place_is_the_users_to_sort_out(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(InputError, match="is a file"):
        open_folder(tmp_path / "state")


def test_the_state_of_one_repository_is_not_taken_for_that_of_another(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    for _ in range(2):
        claim(folder, "/src/shop")
    with pytest.raises(InputError, match=r"is about /src/shop, not /src/bank\. Name another folder with --state"):
        claim(folder, "/src/bank")
    folder.source.unlink()
    claim(folder, "/src/bank")


def test_a_second_process_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    assert holder(folder) is None
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert holder(folder) == other.pid
        with pytest.raises(InputError, match=f"process {other.pid}"), locked(folder):
            pass
        other.kill()
        other.wait()
        assert holder(folder) is None
        with locked(folder):
            assert mode(folder.lock) == 0o600


def test_a_lock_that_cannot_be_opened_is_said_with_what_to_do(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    folder.lock.mkdir()
    with pytest.raises(Unavailable, match=r"opening the lock .*name another folder with --state"), locked(folder):
        pass
    folder.lock.rmdir()
    folder.lock.symlink_to(folder.lock)
    with pytest.raises(Unavailable, match="opening the lock"), locked(folder):
        pass


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_who_may_not_look_into_a_state_folder_is_told_so(tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "state")
    with locked(folder):
        pass
    done = subprocess.run([sys.executable, "-c", LOOK, str(folder.path)], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.startswith("Denied: opening the lock")


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    key = digest_key(folder)
    assert digest_key(folder) == key
    assert len(key.key) == 32
    assert len(key.id) == 8
    assert mode(folder.key) == 0o600
    assert key.key.hex() not in repr(key)
    assert str(key.key) not in repr(key)
    assert {file.name for file in tmp_path.iterdir()} == {".gitignore", "key"}


def test_two_installations_have_different_keys(tmp_path: Path) -> None:
    one, two = digest_key(open_folder(tmp_path / "one")), digest_key(open_folder(tmp_path / "two"))
    assert one.id != two.id
    assert one.key != two.key


def test_a_cut_off_key_is_refused_without_showing_it(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    folder.key.write_bytes(b"short")
    with pytest.raises(InputError, match="5 bytes instead of 32") as caught:
        digest_key(folder)
    assert "short" not in str(caught.value)
