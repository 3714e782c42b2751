"""Which port on the loopback interface a Service gets, and how that is remembered (L5). Called by `envoy`."""

import socket
from collections.abc import Iterable, Set
from pathlib import Path

import msgspec

from trimtab.adapters.local import envoy_files
from trimtab.adapters.local.envoy_documents import Exposed
from trimtab.errors import InputError, Unavailable

LOWEST = 1024
"""Below it ports belong to root."""

OFFSET = 8000
"""A Service on port 80 is looked for on 8080 first."""

PRIMARIES, CANARIES, SPAN = 10_000, 20_000, 10_000
"""The Services of the copies ask for the same port as the one in front and never get it: 8080 has its copies at 18080 and 28080."""

TRIES = 2000


def free(port: int) -> bool:
    """Can something listen there now? Connections that just ended do not count as in the way."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


def choose(namespace: str, service: str, wanted: int, taken: Set[int]) -> Exposed:
    """Ports for a Service and its two copies: the one it asks for if that can be had, else the next one that can. Unavailable if none."""
    first = wanted if wanted >= LOWEST else wanted + OFFSET
    port = _next(first, taken)
    primary = _copy(PRIMARIES + port % SPAN, taken | {port})
    canary = _copy(CANARIES + port % SPAN, taken | {port, primary})
    return Exposed(namespace, service, wanted, port, primary, canary)


def read(file: Path) -> tuple[Exposed, ...]:
    """What was remembered; nothing where nothing was yet. InputError where the file was damaged."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=tuple[Exposed, ...])
    except FileNotFoundError:
        return ()
    except (msgspec.DecodeError, OSError) as error:
        raise InputError(
            f"{file}: the ports of the Services cannot be read ({error}). Remove the file: they are assigned anew then."
        ) from error


def write(file: Path, services: Iterable[Exposed]) -> None:
    """Remembers, so that an assigned port stays the same whatever happens."""
    envoy_files.replace(file, msgspec.json.format(msgspec.json.encode(list(services))), durable=True)


def _copy(first: int, taken: Set[int]) -> int:
    """Whole spans further on: right beside a Service is where the next one asks to be."""
    for port in range(first, 60_000, SPAN):
        if port not in taken and free(port):
            return port
    return _next(first, taken)


def _next(first: int, taken: Set[int]) -> int:
    for port in range(first, min(first + TRIES, 65_536)):
        if port not in taken and free(port):
            return port
    raise Unavailable(f"looking for a free port on 127.0.0.1 from {first} on: there is none among the next {TRIES}. End what uses them.")
