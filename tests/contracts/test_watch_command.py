"""`watch` in plain lines, and who a person is to the record."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from trimtab.faces.cli.rollouts import Screen
from trimtab.model.journal import Entry
from trimtab.model.names import CanaryKey
from trimtab.model.rollout import CanaryState

KEY = CanaryKey("shop", "app")
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def journal(first: int, last: int) -> list[Entry]:
    return [Entry(NOW + timedelta(seconds=number), 1, "Advanced", f"line {number}", "Progressing") for number in range(first, last + 1)]


def test_watch_shows_every_line_once_while_the_journal_forgets_its_oldest(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(KEY, "text")
    for first, last in ((1, 98), (1, 100), (3, 102), (3, 102), (103, 104), (90, 106)):
        screen.show(CanaryState(KEY), journal(first, last))
    shown = [line.rpartition("  ")[2] for line in capsys.readouterr().out.splitlines()]
    assert shown == [f"line {number}" for number in range(98, 107)]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user without a name")
def test_a_user_without_a_name_can_wish() -> None:
    script = (
        "import asyncio, os; from trimtab.faces.cli.places import user; os.environ.clear(); os.setuid(54321); print(asyncio.run(user()))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=30)
    assert done.stdout.startswith("uid-54321@")
