"""Session affinity: the cookie that keeps a user who saw the canary on the canary (RT-I7). Pure; called by istio and gatewayapi.

The value of a cookie follows from the Canary and the revision, so nothing has to be remembered, and each revision has its own.
"""

import hashlib
import re
import string

from trimtab.adapters.kubernetes.routers.routing import Routing
from trimtab.documents.analysis import SessionAffinity

LENGTH = 10
"""Letters of a value, as many as Flagger's."""
OF_PRIMARY = "primary"
_PATTERN = re.compile(r"\.\*(?P<name>.+)\.\*(?P<value>[A-Za-z]+)\.\*")


def value(uid: str, what: str) -> str:
    """Ten letters, the same for the same Canary and revision."""
    digest = int.from_bytes(hashlib.sha256(f"{uid}/{what}".encode()).digest(), "big")
    letters = string.ascii_letters
    return "".join(letters[digest // len(letters) ** place % len(letters)] for place in range(LENGTH))


def of_canary(routing: Routing, affinity: SessionAffinity) -> str:
    """`NAME=VALUE` for users of the canary."""
    return f"{affinity.cookie_name}={value(routing.uid, routing.exposure.canary.id if routing.exposure.canary else '')}"


def of_primary(routing: Routing, affinity: SessionAffinity) -> str:
    """`NAME=VALUE` for users of the primary, the same in every run; empty where they get none."""
    return f"{affinity.primary_cookie_name}={value(routing.uid, OF_PRIMARY)}" if affinity.primary_cookie_name else ""


def pattern(cookie: str) -> str:
    """The regular expression by which a request with this cookie is known."""
    name, _, text = cookie.partition("=")
    return f".*{name}.*{text}.*"


def cookie_of(found: object, affinity: SessionAffinity) -> str:
    """The canary's cookie that such an expression stands for; empty for any other expression."""
    parts = _PATTERN.fullmatch(str(found))
    return f"{parts['name']}={parts['value']}" if parts and parts["name"] == affinity.cookie_name else ""


def handed_out(cookie: str, affinity: SessionAffinity, seconds: int) -> str:
    """The text of a `Set-Cookie` header."""
    parts = {
        f"Max-Age={seconds}": True,
        f"Domain={affinity.domain}": affinity.domain,
        "HttpOnly": affinity.http_only,
        "Partitioned": affinity.partitioned,
        f"Path={affinity.path}": affinity.path,
        f"SameSite={affinity.same_site}": affinity.same_site,
        "Secure": affinity.secure,
    }
    return "; ".join([cookie, *(part for part, there in parts.items() if there)])


def taken_back(cookie: str) -> str:
    """The text of a `Set-Cookie` header that ends a cookie."""
    return f"{cookie}; Max-Age=-1"
