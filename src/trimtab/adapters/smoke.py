"""Smoke checks over HTTP: one request to the canary, and what its answer must be. Called by `wiring` for pipelines."""

import json
from dataclasses import dataclass, field

import aiohttp

from trimtab.documents.durations import parse_duration
from trimtab.documents.pipeline import Smoke
from trimtab.errors import InputError, Unavailable
from trimtab.ports import Clock

LARGEST = 1 << 20
"""Bytes of an answer that are read."""
SHOWN = 60
"""Characters of an answer that a message shows."""
ABSENT = object()
"""In the place of a value that an answer's JSON does not have."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What one check came to: empty `wrong` where all is as it must be."""

    wrong: str
    text: str = ""
    """What was measured, in words."""
    said: str = field(default="", repr=False)
    """What a command wrote, for people."""


async def ask(session: aiohttp.ClientSession, clock: Clock, smoke: Smoke, proxy: str = "") -> Answered:
    """One request, also through a proxy. Unavailable where the host is not known, InputError where the address cannot be asked."""
    within = parse_duration(smoke.within).total_seconds()
    began = clock.now()
    try:
        async with session.request(
            smoke.method, smoke.url or "", allow_redirects=False, timeout=aiohttp.ClientTimeout(total=within), proxy=proxy or None
        ) as answer:  # fmt: skip
            body = await answer.content.read(LARGEST) if smoke.json else b""
            while smoke.json and len(body) < LARGEST and (more := await answer.content.read(LARGEST - len(body))):
                body += more
            taken = (clock.now() - began).total_seconds()
            return Answered(differing(smoke, answer, body), f"{answer.status} in {taken:.2f} s")
    except TimeoutError:
        return Answered(f"no answer within {smoke.within}")
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
        raise InputError(f"smoke check {smoke.name}: {smoke.url} is not an address: it must begin with http:// or https://") from None
    except aiohttp.ClientConnectorDNSError as error:
        raise Unavailable(f"smoke check {smoke.name}: the host of {smoke.url} is not known: {error.strerror or error.os_error}") from None
    except aiohttp.ClientConnectorCertificateError as error:
        raise Unavailable(f"smoke check {smoke.name}: the certificate of {smoke.url} is not trusted: {error.certificate_error}") from None
    except (aiohttp.ClientError, OSError) as error:
        return Answered(f"no answer: {getattr(error, 'strerror', None) or type(error).__name__}")


def differing(smoke: Smoke, answer: aiohttp.ClientResponse, body: bytes) -> str:
    """What is not as it must be; empty where all is."""
    if answer.status != smoke.status:
        return f"status {answer.status}, expected {smoke.status}"
    for name, wanted in smoke.headers.items():
        found = answer.headers.get(name)
        if found != wanted:
            return f"header {name} is {short(found)}, expected {wanted!r}"
    if not smoke.json:
        return ""
    try:
        tree: object = json.loads(body)
    except (ValueError, RecursionError):
        return f"the answer is not JSON: {short(body.decode(errors='replace'))}"
    for path, expected in smoke.json.items():
        value = at(tree, path)
        if value is ABSENT:
            return f"the answer has no {path}"
        if value != expected or isinstance(value, bool) != isinstance(expected, bool):
            return f"{path} is {short(value)}, expected {expected!r}"
    return ""


def at(tree: object, path: str) -> object:
    """The value under a dotted path, with numbers for places in lists; ABSENT where there is none."""
    for step in path.split("."):
        if isinstance(tree, dict) and step in tree:
            tree = tree[step]
        elif isinstance(tree, list) and step.isdigit() and int(step) < len(tree):
            tree = tree[int(step)]
        else:
            return ABSENT
    return tree


def short(value: object) -> str:
    """A foreign value for a message."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
