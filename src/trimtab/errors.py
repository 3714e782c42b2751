"""The error tree. The class says what the loop does next and how a command ends; the text says what to do.

TrimtabError
├─ InputError        someone must change a document or a file           CLI exit 2
│  ├─ DocumentError      file, line, path, what was found, what is allowed
│  └─ ContentRejected    findings, each with file, line, key and check
├─ OutsideError      the outside did not do its part                    CLI exit 6
│  ├─ Unavailable        back off and retry
│  ├─ Throttled          retry after the time it gave
│  ├─ Conflict           someone wrote first: observe again at once
│  ├─ Denied             which credential, which permission
│  └─ Vanished           what it is about was deleted: forget it
└─ SafetyError       a law would break: our bug; hold, alert            CLI exit 70

Raised everywhere; imports nothing of Trimtab.
"""

import traceback
from collections.abc import Sequence
from pathlib import PurePath

MOST_FRAMES = 12
"""Places that are named of those which led to a bug."""


class TrimtabError(Exception):
    """Base of everything that Trimtab raises on purpose."""

    exit_code = 70


class InputError(TrimtabError):
    """Someone must change a document, a file or an argument; trying again does not help."""

    exit_code = 2


class DocumentError(InputError):
    """A document says something it may not say.

    `file` and `line` (from 1) tell where, `path` which field (`spec.analysis.interval`); each may be unknown.
    """

    def __init__(self, problem: str, *, file: str = "", line: int = 0, path: str = "") -> None:
        self.problem, self.file, self.line, self.path = problem, file, line, path
        place = f"{file}:{line}" if file and line else file or (f"line {line}" if line else "")
        super().__init__(": ".join(part for part in (place, path, problem) if part))


class ContentRejected(InputError):
    """Content may not be shown to anyone; `findings` say why, each printable on one line."""

    def __init__(self, findings: Sequence[object]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


class OutsideError(TrimtabError):
    """The outside did not do its part; nothing is wrong with what was asked."""

    exit_code = 6


class Unavailable(OutsideError):
    """Something outside did not answer or is not ready: back off and try again."""


class Throttled(OutsideError):
    """We asked too often; `after` is the number of seconds to wait."""

    def __init__(self, problem: str, *, after: float) -> None:
        self.after = after
        super().__init__(problem)


class Conflict(OutsideError):
    """Someone wrote first: look again at once."""


class Denied(OutsideError):
    """A credential is missing or is not allowed to do this."""


class Vanished(OutsideError):
    """What this is about was deleted, and what it owned goes with it: there is nothing more to do."""


class SafetyError(TrimtabError):
    """A law of a rollout would break. This is a bug in Trimtab: it holds still and tells."""


def place_of(bug: BaseException) -> str:
    """File and line in which it was raised, and those that led there. Its message may hold anything, so it is not shown."""
    raised, *led = [f"{PurePath(frame.filename).name}:{frame.lineno}" for frame in reversed(traceback.extract_tb(bug.__traceback__))]
    return f"{raised} (from {', '.join(led[:MOST_FRAMES])})" if led else raised
