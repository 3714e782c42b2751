"""`trimtab demo`, as a newcomer runs it."""

import re
import subprocess
from pathlib import Path

import pytest

from e2e.harness import PROGRAM

pytestmark = pytest.mark.e2e


def test_the_demo_promotes_rolls_back_and_refuses_and_ends_with_0(tmp_path: Path) -> None:
    done = subprocess.run((*PROGRAM, "demo", "--folder", str(tmp_path)), capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.findall(r"^   (.+) after [\d.]+ s; \d+ requests", done.stdout, re.MULTILINE)
    assert told == ["promoted", "rolled back by comparison with the primary", "refused", "promoted"]
    assert done.stdout.count("Good enough to promote") >= 2
    assert re.search(
        r"Rolling back shop\.default\. Rolled back after .* canary requests failed .* Odds .* that it is worse at all", done.stdout
    )
    assert "0 were lost" in done.stdout
    assert "ROLLOUT  KIND" in done.stdout
    assert "trimtab show 3" in done.stdout
