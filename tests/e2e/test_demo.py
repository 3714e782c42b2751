"""`trimtab demo`, as a newcomer runs it."""

import subprocess
from pathlib import Path

import pytest

from e2e.harness import PROGRAM

pytestmark = pytest.mark.e2e


def test_the_demo_promotes_rolls_back_and_refuses_and_ends_with_0(tmp_path: Path) -> None:
    done = subprocess.run((*PROGRAM, "demo", "--folder", str(tmp_path)), capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line.split(" after ")[0].strip() for line in done.stdout.splitlines() if " after " in line and " requests, " in line]
    assert told == ["promoted", "rolled back", "refused", "promoted"]
    assert "0 were lost" in done.stdout
    assert "ROLLOUT  KIND" in done.stdout
    assert "trimtab show 3" in done.stdout
