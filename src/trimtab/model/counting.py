"""How the requests of a judged metric are counted, where it is not as the provider usually does. Made by `documents`, read by adapters."""

from dataclasses import dataclass
from enum import StrEnum

BY_SERVICE = frozenset({"nginx", "traefik", "contour"})
"""Providers that count by Service, so that nothing is known of pods and none can vouch for another (judge.md 4)."""


class By(StrEnum):
    """What tells the arms apart."""

    WORKLOAD = "workload"
    """A label with the workload's name."""
    POD = "pod"
    """The pod's name."""
    SERVICE = "service"
    """A label of a gateway. Nothing is known of pods."""
    ARM = "arm"
    """A label that says canary or primary: recorded metrics."""


@dataclass(frozen=True, slots=True)
class Counting:
    """What differs from the provider's own way of counting; an empty text stands for that."""

    requests: str = ""
    """The counter of all requests."""
    errors: str = ""
    """A counter of failed requests, where no label tells them."""
    bad_label: str = ""
    bad: str = ""
    """What values of the label mean a failed request, as a whole."""
    durations: str = ""
    """The histogram of durations, without `_bucket`."""
    unit: float | None = None
    """What it counts in, in seconds."""
    selector: str = ""
    """Label matchers, with `{namespace}`, `{target}`, `{service}`, `{ingress}` and `{pods}` to be filled in."""
    by: By | None = None
    arm_label: str = ""
    canary: str = ""
    primary: str = ""
    """Values of the label that tells the arms apart, filled in like the selector; what comes after `*` may be anything."""
