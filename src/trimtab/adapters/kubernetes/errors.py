"""What the answers of an API server mean for the loop and for the reader. Called by `client` and `watching`."""

from collections.abc import Iterable
from dataclasses import dataclass

import aiohttp
import msgspec

from trimtab.adapters.kubernetes.kinds import SECRET, Kind
from trimtab.config.references import items, mapping
from trimtab.errors import Conflict, Denied, InputError, OutsideError, Throttled, TrimtabError, Unavailable

SHOWN = 1000
"""Characters of a foreign text that a message shows."""
REST, LONGEST_REST = 1.0, 60.0
"""Seconds to leave an API server alone that says it is asked too often, but not for how long (client-go's), and at most: a rollback
that waits for hours because a proxy said so would be none."""


class Gone(Unavailable):
    """The version to go on from is too old: list anew."""


class NotServed(Unavailable):
    """The API server does not know this kind: its CRD is not installed."""


class Absent(Conflict):
    """The object is not there, or no longer."""


class NamespaceEnds(Denied):
    """Nothing new can be made in a namespace that is being deleted."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, for messages: what was tried on what, where, and who asked."""

    verb: str
    kind: Kind
    namespace: str
    name: str
    server: str
    whose: str

    def __str__(self) -> str:
        place = "/".join(part for part in (self.namespace, self.name) if part)
        where = place or "in all namespaces"
        return f"{self.verb} {self.kind} {where}" if self.name or not place else f"{self.verb} {self.kind} in {place}"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer that is no success. `status` is the HTTP status, `body` the Status object or nothing, `after` what Retry-After says."""

    status: int
    body: dict[str, object]
    after: str = ""

    @property
    def reason(self) -> str:
        """The API server's word for it; empty where something else answered."""
        return str(self.body.get("reason") or "")

    def because(self, reason: str) -> bool:
        """Is this among the causes that it names?"""
        return any(cause.get("reason") == reason for cause in items(mapping(self.body.get("details")).get("causes")))

    @property
    def absent(self) -> bool:
        """Does it say that the object itself is not there, rather than its kind?"""
        return self.status == 404 and self.reason == "NotFound" and bool(mapping(self.body.get("details")).get("name"))


def refused(asked: Asked, answer: Answer) -> TrimtabError:
    """The error for an answer."""
    said, status = shown(asked.kind, answer), answer.status
    tried = f"{asked} at {asked.server}"
    if status == 401:
        return Denied(f"{tried}: the API server does not accept the credentials of {asked.whose}{said}. Renew them")
    if status == 403 and answer.because("NamespaceTerminating"):
        return NamespaceEnds(f"{tried}: namespace {asked.namespace} is being deleted{said}")
    if status == 403:
        return Denied(
            f"{tried}: not allowed{said}. It was asked by {asked.whose}: grant it {asked.verb} on {asked.kind} with a Role or ClusterRole"
        )
    if status == 409:
        return Conflict(f"{tried}: someone was first{said}")
    if answer.absent and asked.verb != "create":
        return Absent(f"{tried}: it is not there{said}")
    if status == 410:
        return Gone(f"{tried}: the version is too old{said}")
    if status == 429:
        return Throttled(f"{tried}: asked too often{said}. It is tried again", after=rest(answer))
    return other(tried, said, asked, answer)


def other(tried: str, said: str, asked: Asked, answer: Answer) -> TrimtabError:
    """The error for a status without a meaning of its own."""
    if answer.absent:
        return Unavailable(f"{tried}: it cannot be created there{said}. Create the namespace")
    if answer.status == 404:
        return NotServed(f"{tried}: the API server does not know this kind{said}. Install the CRD of {asked.kind}")
    if answer.status in (400, 413, 415, 422):
        return InputError(f"{tried}: the API server refuses it{said}. Correct what was asked")
    if 300 <= answer.status < 400:
        return Unavailable(f"{tried}: redirected (status {answer.status}). Correct the server's address in the kubeconfig")
    return Unavailable(f"{tried}: status {answer.status}{said}. It is tried again; see whether the API server is well")


def shown(kind: Kind, answer: Answer) -> str:
    """What the API server said, to be put behind a sentence; of Secrets only which fields are wrong and how."""
    if kind == SECRET and answer.status not in (401, 403, 404):
        causes = items(mapping(answer.body.get("details")).get("causes"))
        faults = "; ".join(f"{cause.get('field')}: {cause.get('reason')}" for cause in causes)
        return f": {clean(faults or answer.reason)}" if faults or answer.reason else ""
    message = clean(str(answer.body.get("message") or ""))
    return f": {message}" if message else ""


def rest(answer: Answer) -> float:
    """Seconds to wait, from the header or the body."""
    said = answer.after or str(mapping(answer.body.get("details")).get("retryAfterSeconds") or "")
    return min(LONGEST_REST, float(said)) if said.isascii() and said.isdigit() else REST


def unanswered(asked: Asked, error: Exception, deadline: float) -> OutsideError:
    """Why there was no answer."""
    tried = f"{asked} at {asked.server}"
    match error:
        case TimeoutError():
            return Unavailable(f"{tried}: no answer within {deadline:g} s. See whether the API server is overloaded or cut off")
        case aiohttp.ClientConnectorCertificateError():
            return Unavailable(
                f"{tried}: its certificate is not trusted: {clean(str(error.certificate_error))}. Correct certificate-authority"
                " or tls-server-name in the kubeconfig"
            )
        case aiohttp.ClientConnectorDNSError():
            return Unavailable(f"{tried}: its name cannot be resolved. Correct the server's address in the kubeconfig, or see to the DNS")
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            return Unavailable(
                f"{tried}: the proxy did not do its part ({type(error).__name__}). See whether it runs and lets this through"
            )
        case aiohttp.ClientConnectorError():
            return Unavailable(f"{tried}: cannot connect: {error.strerror or error.os_error}. See whether it runs and can be reached")
    return Unavailable(f"{tried}: the connection broke ({type(error).__name__}). It is tried again")


def nonsense(asked: Asked) -> Unavailable:
    """The error for an answer that no API server gives."""
    return Unavailable(f"{asked} at {asked.server}: what answers is not an API server. Correct the server's address in the kubeconfig")


def body_of(text: bytes) -> dict[str, object]:
    """A body that is a JSON object, else an empty one: what stands in front of an API server answers in its own way."""
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}


def clean(text: str, hidden: Iterable[str] = ()) -> str:
    """A foreign text on one line, short, and without `hidden`."""
    for value in sorted((value for value in hidden if value), key=len, reverse=True):
        text = text.replace(value, "***")
    return "".join(character for character in " ".join(text.split()) if character.isprintable())[:SHOWN].rstrip(".")
