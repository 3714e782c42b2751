"""`watch` in plain lines, and who a person is to the record."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from trimtab.errors import InputError
from trimtab.faces.cli.places import Place, user
from trimtab.faces.cli.rollouts import Screen, Watching, meant, watch
from trimtab.faces.exits import DONE, TIMED_OUT
from trimtab.model.journal import Entry
from trimtab.model.names import CanaryKey, ConfigKind, ConfigName, Target
from trimtab.model.policy import Policy, Service
from trimtab.model.revision import Revision
from trimtab.model.rollout import CanaryState, Outcome, Rollout, RolloutKind
from trimtab.ports import Stored

KEY = CanaryKey("shop", "app")
POLICY = Policy(Target("Deployment", "app"), Service("app"))
REVISION = Revision.of("{}", "v1:new", ())
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def journal(first: int, last: int) -> list[Entry]:
    return [Entry(NOW + timedelta(seconds=number), 1, "Advanced", f"line {number}", "Progressing") for number in range(first, last + 1)]


def test_watch_shows_every_line_once_while_the_journal_forgets_its_oldest(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen(KEY, "text")
    for first, last in ((1, 98), (1, 100), (3, 102), (3, 102), (103, 104), (90, 106)):
        screen.show(CanaryState(KEY), journal(first, last))
    shown = [line.rpartition("  ")[2] for line in capsys.readouterr().out.splitlines()]
    assert shown == [f"line {number}" for number in range(98, 107)]


class Attempts:
    """Records of one Canary that begins attempt 8 while somebody watches attempt 7."""

    def __init__(self) -> None:
        self.looks, self.asked = 0, list[int | None]()

    async def load(self, key: CanaryKey) -> Stored:
        self.looks += 1
        number, ended = (7, None) if self.looks < 3 else (8, NOW if self.looks == 4 else None)
        run = Rollout(number, RolloutKind.CHANGE, None, REVISION, POLICY, NOW, outcome=Outcome.PROMOTED if ended else None, ended=ended)
        return Stored(CanaryState(key, rollout=run))

    async def journal(self, key: CanaryKey, rollout: int | None = None) -> tuple[Entry, ...]:
        self.asked.append(rollout)
        texts = {7: ("began", "ended") if self.looks > 2 else ("began",), 8: ("began again",)}
        return tuple(Entry(NOW, rollout or 0, "Told", text, "Progressing") for text in texts[rollout or 0])


async def test_watch_reads_no_attempt_but_those_that_it_watches(capsys: pytest.CaptureFixture[str]) -> None:
    records: Any = Attempts()
    place = Place(records, user, "the operator", "", 0.0)
    assert await watch(place, KEY, Watching(True, "", "", None, "text")) == DONE
    assert records.asked == [7, 7, 7, 8, 8]
    shown = [line.rpartition("  ")[2] for line in capsys.readouterr().out.splitlines()]
    assert shown == ["began", "ended", "began again"]


async def test_content_is_a_mark_or_an_object_of_the_cluster_as_it_is_now() -> None:
    asked = list[ConfigName]()

    async def checksum(key: CanaryKey, name: ConfigName) -> str:
        asked.append(name)
        return "10ea1c60"

    records: Any = Attempts()
    here = Place(records, user, "the operator", "", 0.0)
    place = replace(here, checksum=checksum)
    assert await meant(place, KEY, "ef06c3ba") == "ef06c3ba" and not asked
    assert await meant(place, KEY, "secret/db") == "10ea1c60" and asked == [ConfigName(ConfigKind.SECRET, "db")]
    for content, said in (("deployment/app", "configmap/NAME or secret/NAME"), ("configmap/", "configmap/NAME or secret/NAME")):
        with pytest.raises(InputError, match=said):
            await meant(place, KEY, content)
    with pytest.raises(InputError, match="this is one machine"):
        await meant(here, KEY, "configmap/app")


async def test_watch_that_waited_in_vain_for_a_commit_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    records: Any = Attempts()
    place = Place(records, user, "the operator", "", 0.0)
    assert await watch(place, KEY, Watching(True, "HEAD", "", timedelta(), "text")) == TIMED_OUT
    assert "not about commit HEAD. Give a hash" in capsys.readouterr().err


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user without a name")
def test_a_user_without_a_name_can_wish() -> None:
    script = (
        "import asyncio, os; from trimtab.faces.cli.places import user; os.environ.clear(); os.setuid(54321); print(asyncio.run(user()))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=30)
    assert done.stdout.startswith("uid-54321@")
