"""What the node loop needs from the proxy in front of its pods. Implemented by `envoy`; a plain object in tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class CopyName(StrEnum):
    """Which copy of a workload. A Deployment without a Canary has only a primary."""

    PRIMARY = "primary"
    CANARY = "canary"


@dataclass(frozen=True, order=True, slots=True)
class Endpoint:
    """A ready pod as the proxy reaches it, always on the loopback interface."""

    port: int
    host: str = "127.0.0.1"


@dataclass(frozen=True, order=True, slots=True)
class Backend:
    """One copy behind one Service."""

    namespace: str
    service: str
    copy: CopyName


class DataPlane(Protocol):
    """Who sends requests to pods."""

    async def publish(self, backend: Backend, endpoints: Sequence[Endpoint]) -> None:
        """Sends requests to these pods and to no others; returns when the proxy is seen to do so (L4). Unavailable otherwise."""

    async def active(self, backend: Backend, endpoint: Endpoint) -> int:
        """Requests under way to a pod, also to one that is not published any more."""
