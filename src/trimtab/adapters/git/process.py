"""Runs the git command line with a deadline and without prompts. Called by the other modules of this adapter.

The user's own credentials and settings count (credential helpers, ssh agent, proxies); hooks and what a surrounding
git command left in the environment do not. Credentials in addresses are taken out of everything that git says.
"""

import asyncio
import errno
import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.errors import InputError, Unavailable

SETTINGS = (
    "core.hooksPath=/dev/null", "core.fsmonitor=false", "core.quotePath=false", "gc.auto=0", "maintenance.auto=false",
    "i18n.logOutputEncoding=UTF-8", "log.showSignature=false", "protocol.ext.allow=never", "credential.interactive=never",
)  # fmt: skip
"""Settings that must not depend on the user's. Housekeeping is done when the clone is opened, never beside a fetch."""

INHERITED = re.compile(
    r"GIT_(SSH|SSH_COMMAND|SSH_VARIANT|ASKPASS|SSL_\w+|HTTP_\w+|PROXY_\w+|ALLOW_PROTOCOL|EXEC_PATH|TRACE\w*"
    r"|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+))"
)
"""The variables of git that may come from outside. Others, such as GIT_DIR inside a hook, would lead it astray."""

CREDENTIALS = re.compile(r"(?<=://)[^/\s]*@")

GRACE = 1.0
"""Seconds that git gets to remove its lock files when it has to stop."""


@dataclass(frozen=True, slots=True)
class Output:
    """How a git command ended. `complaint` is the last line it wrote to its error output."""

    code: int
    out: bytes = field(repr=False)
    complaint: str
    errors: str


def without_credentials(text: str) -> str:
    """The text with `user:password@` taken out of every address in it."""
    return CREDENTIALS.sub("", text)


def clean_environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment for git: the given one without stray variables of git, without prompts, with messages in English."""
    kept = {name: value for name, value in given.items() if not name.startswith("GIT_") or INHERITED.fullmatch(name)}
    defaults = {"GIT_SSH_COMMAND": "ssh -oBatchMode=yes"} if "GIT_SSH" not in kept else {}
    return {**defaults, **kept, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_PAGER": "cat", "LC_ALL": "C"}


class Git:
    """The git program with an environment; `environment` is the one of this process unless another is given."""

    def __init__(self, environment: Mapping[str, str] | None = None, own: Mapping[str, str] | None = None) -> None:
        self._given = os.environ if environment is None else environment
        self._own = dict(own or {})
        self._environment = {**clean_environment(self._given), **self._own}

    def with_variables(self, variables: Mapping[str, str]) -> "Git":
        """The same with more variables, of git too: an index of one's own, who commits and when, what must not be in the process list."""
        return type(self)(self._given, {**self._own, **variables})

    async def run(self, folder: Path, *arguments: str, stdin: bytes = b"", deadline: float = 30.0) -> Output:
        """Runs `git ARGUMENTS` in a folder. A command that fails is an answer, not an exception.

        `deadline` is in seconds: Unavailable after it. InputError where git is not installed.
        """
        settings = [word for setting in SETTINGS for word in ("-c", setting)]
        try:
            process = await asyncio.create_subprocess_exec(
                "git", "--literal-pathspecs", *settings, *arguments,
                cwd=folder, env=self._environment, start_new_session=True,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise InputError(_missing(folder)) from error
        except OSError as error:
            raise Unavailable(f"starting git in {folder} failed: {error.strerror or error}. Trimtab tries again.") from error
        try:
            async with asyncio.timeout(deadline):
                out, errors = await process.communicate(stdin)
        except TimeoutError as error:
            verb = next((word for word in arguments if not word.startswith("-") and "=" not in word), "")
            raise Unavailable(f"git {verb} in {folder} did not finish within {deadline:g} s and was stopped.") from error
        finally:
            await _stop(process)
        said = without_credentials(errors.decode(errors="replace")).strip()
        return Output(process.returncode or 0, out, last_line(said), said)


def last_line(said: str) -> str:
    """The line of git's error output that says what is wrong: of a full disk, else the last `fatal` or `error` one, else the last."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    wrong = [line for line in lines if line.startswith(("fatal: ", "error: ", "ERROR: "))]
    full = [line for line in lines if os.strerror(errno.ENOSPC) in line]
    return (full or wrong or lines or ["no message"])[-1]


def _missing(folder: Path) -> str:
    if not folder.is_dir():
        return f"the folder {folder} does not exist."
    return "the git command was not found. Install git (2.31 or newer) and see that it is on the PATH."


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Stops git and whatever it started, such as ssh, if it still runs."""
    if process.returncode is not None:
        return
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break
        try:
            async with asyncio.timeout(GRACE):
                await process.communicate()
            break
        except TimeoutError:
            continue
