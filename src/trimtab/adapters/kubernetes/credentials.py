"""Who asks the API server: tokens, passwords, client certificates, and programs that give them out. Called by `client`."""

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Protocol

from trimtab.adapters.kubernetes.material import Material
from trimtab.errors import InputError


@dataclass(frozen=True, slots=True)
class Credential:
    """What one request is sent with."""

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)


class Credentials(Protocol):
    """Where credentials come from."""

    async def current(self) -> Credential:
        """What to ask with now. InputError or Denied where there is none."""

    def forget(self) -> None:
        """The current ones were not accepted: others are needed."""


@dataclass(frozen=True, slots=True)
class Written:
    """Credentials that stand in a kubeconfig, or in files that it names."""

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Sent with every request."""
    token: Material | None = None
    certificate: Material | None = None
    key: Material | None = None

    async def current(self) -> Credential:
        """As the files have them."""
        return Credential(
            (*bearer(self.token), *self.headers),
            self.certificate.read() if self.certificate else b"",
            self.key.read() if self.key else b"",
        )

    def forget(self) -> None:
        """The files are read anew."""
        for material in (self.token, self.certificate, self.key):
            if material:
                material.forget()


def bearer(token: Material | None) -> tuple[tuple[str, str], ...]:
    """The header for a token."""
    if token is None:
        return ()
    return (("Authorization", f"Bearer {word(token.read(), token.what)}"),)


def word(value: bytes, what: str) -> str:
    """A token as it may stand in a header. InputError where it holds anything else; it is not shown."""
    try:
        text = value.decode("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable():
        raise InputError(f"{what} is not a token: it is empty, or holds a line break or other characters that no token has")
    return text


def basic(username: str, password: str) -> tuple[tuple[str, str], ...]:
    """The header for a user's name and password."""
    return (("Authorization", f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}"),)
