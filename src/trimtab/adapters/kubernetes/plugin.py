"""Programs that give out credentials, as kubeconfig's `exec` names them (client.authentication.k8s.io). Made by `connection`."""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NoReturn

import msgspec

from trimtab.adapters.kubernetes.credentials import Credential, word
from trimtab.adapters.kubernetes.errors import clean
from trimtab.errors import Denied, InputError

VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
DEADLINE = 60.0
"""Seconds; what such a program asks may be slow, but nobody is there to answer its questions."""
EARLY = 5.0
"""Seconds before their end at which credentials are fetched anew."""
LOOKS_SECRET = re.compile(r"(?=[\w+=.-]*\d)[\w+=.-]{24,}")


class Status(msgspec.Struct, rename="camel"):
    """The credentials that a program gives out."""

    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: datetime | None = None


class Given(msgspec.Struct, rename="camel"):
    """The ExecCredential that a program prints."""

    api_version: str
    kind: str
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """What to run. `env` is all it gets; `given` are the values of it that the kubeconfig adds, which no message shows."""

    whose: str
    """For messages: user, context and file."""
    version: str
    command: str
    arguments: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    given: tuple[str, ...] = field(default=(), repr=False)
    install_hint: str = ""
    deadline: float = DEADLINE

    def fail(self, problem: str) -> NoReturn:
        """Says that it did not do its part, and what to do."""
        raise Denied(f"{self.whose}: exec {self.command}: {problem}. Run it by hand to see more, and correct it or log in again")


@dataclass(slots=True)
class Plugin:
    """Credentials of a program, kept until they end or are not accepted. `seconds` is the time since 1970."""

    program: Program
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    seconds: Callable[[], float] = field(repr=False)
    _kept: Credential | None = field(default=None, repr=False)
    _until: float | None = field(default=None, repr=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    async def current(self) -> Credential:
        """The kept ones, or those of a new run. Denied where the program fails, InputError where there is none."""
        async with self._turn:
            if self._kept is None or (self._until is not None and self.seconds() >= self._until):
                status = read(self.program, await run(self.program))
                token = (("Authorization", f"Bearer {word(status.token.encode(), self.program.whose)}"),) if status.token else ()
                self._kept = Credential((*token, *self.headers), status.client_certificate_data.encode(), status.client_key_data.encode())
                ends = status.expiration_timestamp
                self._until = None if ends is None else ends.timestamp() - EARLY
            return self._kept

    def forget(self) -> None:
        """The next `current` runs the program."""
        self._kept = None


async def run(program: Program) -> bytes:
    """What the program prints."""
    try:
        process = await asyncio.create_subprocess_exec(
            program.command, *program.arguments, env=program.env, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
    except OSError as error:
        hint = f" {clean(program.install_hint)}" if program.install_hint else ""
        raise InputError(
            f"{program.whose}: exec {program.command} cannot be run: {error.strerror}. Install it, or correct exec.{hint}"
        ) from None
    try:
        async with asyncio.timeout(program.deadline):
            printed, said = await process.communicate()
    except TimeoutError:
        program.fail(f"it did not end within {program.deadline:g} s; it must not ask anything")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        program.fail(f"it ended with {process.returncode}{complaint(program, said)}")
    return printed


def complaint(program: Program, said: bytes) -> str:
    """Its last line of complaint, without what may be a credential."""
    lines = [line for line in said[-8192:].decode(errors="replace").splitlines() if line.strip()]
    return f": {LOOKS_SECRET.sub('***', clean(lines[-1], program.given))[:300]}" if lines else ""


def read(program: Program, printed: bytes) -> Status:
    """The credentials in what it printed, none of which is shown."""
    try:
        given = msgspec.json.decode(printed, type=Given)
    except (msgspec.DecodeError, UnicodeDecodeError):
        program.fail("what it prints is not an ExecCredential in JSON")
    if (given.api_version, given.kind) != (program.version, "ExecCredential"):
        program.fail(f"it prints a {clean(given.kind)} of {clean(given.api_version)}, but apiVersion of exec says {program.version}")
    status = given.status
    if status is None or not (status.token or status.client_certificate_data):
        program.fail("it gives neither a token nor a certificate")
    if bool(status.client_certificate_data) != bool(status.client_key_data):
        program.fail("it gives a certificate without a key, or a key without a certificate")
    return status
