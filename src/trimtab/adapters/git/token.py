"""A forge's token for git over HTTP: handed over in the environment, so neither the address nor the process list holds it.

Called by `wiring`. Only the server that the token is for gets it.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import urlsplit

_NUMBERED = re.compile(r"GIT_CONFIG_(KEY|VALUE)_\d+")


def with_token(environment: Mapping[str, str], url: str, user: str, token: str) -> dict[str, str]:
    """The variables that make git show a token to the server of `url`; none where it is not reached over HTTP.

    What the environment sets in the same way stays. A header that a checkout left in the repository's own settings for the same
    server is taken out, for a server refuses two.
    """
    server = origin_of(url)
    if not server or not token:
        return {}
    count = int(environment.get("GIT_CONFIG_COUNT", "0") or "0")
    kept = {name: value for name, value in environment.items() if _NUMBERED.fullmatch(name)}
    header = f"Authorization: Basic {b64encode(f'{user}:{token}'.encode()).decode()}"
    added = [(f"http.{server}/.extraHeader", ""), (f"http.{server}/.extraHeader", header)]
    for number, (key, value) in enumerate(added, start=count):
        kept |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {**kept, "GIT_CONFIG_COUNT": str(count + len(added))}


def origin_of(url: str) -> str:
    """Scheme, host and port of an address over HTTP, without a user; empty for others."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host:
        return ""
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{port}" if port else "")
