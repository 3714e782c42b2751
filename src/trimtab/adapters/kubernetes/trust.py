"""TLS as one cluster wants it: whom we believe, and what we show. Called by `client` and `connection`."""

import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.errors import InputError


@dataclass(slots=True)
class Trust:
    """Whose certificate is believed. Without an authority the system's are."""

    whose: str
    """For messages: context and file."""
    authority: bytes = b""
    """PEM."""
    verify: bool = True
    name: str = ""
    """The name that the certificate must have, where that is not the server's."""
    _last: tuple[bytes, bytes, ssl.SSLContext] | None = field(default=None, repr=False)

    def context(self, certificate: bytes = b"", key: bytes = b"") -> ssl.SSLContext:
        """For connections that show this certificate (PEM); the same object for the same one, so that connections are used again."""
        if self._last is None or self._last[:2] != (certificate, key):
            self._last = (certificate, key, self._made(certificate, key))
        return self._last[2]

    def _made(self, certificate: bytes, key: bytes) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cadata=self.authority.decode("ascii") if self.authority else None)
        except (ssl.SSLError, ValueError):
            raise InputError(f"{self.whose}: certificate-authority is not a certificate in PEM. Correct it") from None
        # Python 3.13 turns this on; authorities of many clusters lack the extensions that it wants.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not self.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if certificate:
            shown(context, certificate, key, self.whose)
        return context


def shown(context: ssl.SSLContext, certificate: bytes, key: bytes, whose: str) -> None:
    """Makes connections show a certificate. OpenSSL takes it from a file only, which is gone again at once."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "pair.pem")
        file.touch(mode=0o600)
        file.write_bytes(certificate + b"\n" + key)
        try:
            context.load_cert_chain(file, password=lambda: "")
        except (ssl.SSLError, ValueError):
            raise InputError(
                f"{whose}: client-certificate and client-key are not a certificate in PEM and its key without a password. Correct them"
            ) from None
