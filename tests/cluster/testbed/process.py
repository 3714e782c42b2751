"""Processes of the testbed: started in a group of their own, ended by their id, and never left behind by a test run that is killed."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
STOP_LIMIT = 10.0
_libc = ctypes.CDLL(None)


class Process:
    """One process with its output in a file."""

    def __init__(self, command: Sequence[str], log: Path, folder: Path | None = None, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=_die_with_parent
            )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def ended(self) -> int | None:
        """The exit code; None while it runs."""
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, if it still runs."""
        if self.ended is None:
            self._process.send_signal(number)

    def stop(self, first: signal.Signals = signal.SIGTERM) -> int:
        """Ends it: with `first`, and with SIGKILL if that does not help. The exit code."""
        self.send(first)
        try:
            return self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait(STOP_LIMIT)

    def last_lines(self, count: int = 5) -> str:
        """The end of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])


def _die_with_parent() -> None:
    """In the child: a session of its own (Ctrl-C is not for it), and SIGKILL when the thread that started it is gone, as with the tests."""
    os.setsid()
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
