"""What `watch` shows: a live picture on a terminal, else a line for each event, or JSON lines. Called by `rollouts`."""

import json
import shutil
import sys
from collections.abc import Sequence

import click
import msgspec

from trimtab.faces.cli.stories import hung, status_text
from trimtab.faces.views import status_view
from trimtab.model.journal import Entry
from trimtab.model.names import CanaryKey
from trimtab.model.rollout import CanaryState

NEWEST = 8
"""Events below the picture."""
SURE = 3
"""Of these are shown before the picture is shown whole."""
LEAST = 8
"""Lines that the picture gets of a small terminal."""


def columns() -> int | None:
    """How wide the terminal is; None where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def newer(entries: Sequence[Entry], last: Entry | None) -> Sequence[Entry]:
    """What came after `last`; only the newest where nothing was shown yet.

    Old entries go while somebody watches (R4), so how many there are tells nothing.
    """
    if last is None:
        return entries[-1:]
    for index in range(len(entries) - 1, -1, -1):
        if entries[index] == last:
            return entries[index + 1 :]
    return [entry for entry in entries if entry.at > last.at]


def picture(state: CanaryState, entries: Sequence[Entry], size: tuple[int, int]) -> str:
    """Where it stands, and the newest events; cut to so many columns and lines, so that the events are always seen."""
    wide, high = size
    told = [hung(f"  {entry.at.astimezone():%H:%M:%S}  {entry.text}", wide, 12) for entry in entries[-NEWEST:]]
    body = status_text(status_view(state), wide).splitlines()
    while len(told) > SURE and len(body) + 1 + sum(map(len, told)) > high:
        told.pop(0)
    while len(told) > 1 and sum(map(len, told)) > high - LEAST:
        told.pop(0)
    room = max(2, high - 2 - sum(map(len, told)))
    body = body if len(body) <= room else [*body[: room - 1], "  ..."]
    return "\n".join([*body, "", *(line for lines in told for line in lines)])


class Screen:
    """A live screen on a terminal, else plain lines; JSON lines with `-o json`."""

    def __init__(self, key: CanaryKey, output: str) -> None:
        self.key, self.output = key, output
        self.last: Entry | None = None
        self.live = None
        self.before = ""
        if output == "text" and sys.stdout.isatty():
            from rich.live import Live

            self.live = Live(refresh_per_second=4)
            self.live.start()

    def show(self, state: CanaryState, entries: Sequence[Entry]) -> None:
        """What is new."""
        if self.live is not None:
            from rich.text import Text

            self.live.update(Text(picture(state, entries, shutil.get_terminal_size())))
        elif self.output == "json":
            text = json.dumps(msgspec.to_builtins(status_view(state)), ensure_ascii=False)
            if text != self.before:
                click.echo(text)
            self.before = text
        else:
            for entry in newer(entries, self.last):
                click.echo(f"{entry.at.astimezone():%H:%M:%S}  {self.key}  {entry.phase}  {entry.text}")
                self.last = entry

    def close(self) -> None:
        """Leaves the last picture on the terminal."""
        if self.live is not None:
            self.live.stop()
