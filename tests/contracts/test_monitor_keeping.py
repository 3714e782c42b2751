"""What a watch leaves in files is whole, whatever happens to the job that writes it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trimtab.wiring.keeping import whole

DYING = """import resource, sys
from pathlib import Path
from trimtab.wiring.keeping import whole
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
whole(Path(sys.argv[1]), b"x" * 5000)
"""


def test_a_write_that_breaks_off_leaves_what_was_there_and_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "monitor.json"
    whole(file, b"old")
    done = subprocess.run([sys.executable, "-c", DYING, str(file)], check=False, capture_output=True, text=True, timeout=60)
    assert "File too large" in done.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"monitor.json": b"old"}


def test_a_link_stays_a_link_and_a_pipe_is_written_into(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == b"new"
    reading, writing = os.pipe()
    whole(Path(f"/dev/fd/{writing}"), b"evidence")
    os.close(writing)
    with open(reading, "rb") as pipe:
        assert pipe.read() == b"evidence"


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        whole(tmp_path / "none" / "file", b"")
