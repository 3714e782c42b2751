"""A disk that is full: traffic goes back all the same, nothing new starts, and the record catches up."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.documents import SUCCESS, bad, settings, shop
from e2e.harness import Load, Place, get, place, soon

pytestmark = pytest.mark.e2e
SIZE = 100
"""MiB of the file system that the state lies on."""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Place]:
    """A place whose state folder lies on a small file system of its own."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small file system")
    with place(tmp_path) as made:
        made.state.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", str(made.state)], capture_output=True, text=True)
        if mounted.returncode:
            pytest.skip(f"this machine does not let root mount a file system: {mounted.stderr.strip()}")
        try:
            yield made
            made.close()
        finally:
            subprocess.run(["umount", "-l", str(made.state)], check=True)
            made.state.rmdir()


def fill(folder: Path) -> Path:
    """Takes all the room there is."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return ballast
    raise AssertionError("the disk has no end")


def test_a_bad_change_is_rolled_back_on_a_full_disk(small: Place, port: int) -> None:
    small.repository.commit(shop(port, {"interval": "1s", "threshold": 3, "stepWeights": [50, 60, 70], "metrics": [SUCCESS]}))
    small.up()
    small.outcome(1)
    with Load(small.port()) as load:
        small.repository.commit({"settings.yaml": bad()})
        small.wait(lambda view: view["weight"] == 50, "half of the requests go to the canary")
        ballast = fill(small.state)
        small.says("Rolling back shop.default")
        quiet = len(load.answers)
        soon(lambda: len(load.answers) > quiet + 40, "more requests")
        assert {found.body for found in load.answers[quiet + 5 :]} == {"one"}
        ballast.unlink()
        assert small.outcome(2)["outcome"] == "RolledBack"
    assert not load.lost()


def test_nothing_new_starts_on_a_full_disk(small: Place, port: int) -> None:
    small.repository.commit(shop(port, {"interval": "500ms", "threshold": 3, "stepWeights": [50]}))
    small.up()
    small.outcome(1)
    ballast = fill(small.state)
    small.repository.commit({"settings.yaml": settings("two")})
    small.says("(room|space)")
    assert get(small.port()).body == "one"
    ballast.unlink()
    assert small.outcome(2)["outcome"] == "Promoted"
