"""What the person who runs the operator decides for all Canaries; the names are those of Flagger's flags (flagger.md 9.1).

Made by `wiring` from the flags, read by the other adapters of a cluster.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

FLUX = "toolkit.fluxcd.io"
"""Labels and annotations with this in their name tell Flux that an object is its own; they are never copied (CFG-9, WL-1)."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The operator's settings. Every default is Flagger's."""

    provider: str = "istio"
    """The router of Canaries that name none."""
    selector_labels: tuple[str, ...] = ("app", "name", "app.kubernetes.io/name")
    """Of these, the first that the target selects its pods by tells primary and canary pods apart."""
    include_label_prefix: tuple[str, ...] = ()
    """Labels with one of these prefixes are copied to what is made; `*` stands for all, none copies none."""
    ingress_annotations_prefix: str = "nginx.ingress.kubernetes.io"
    config_tracking: bool = True
    """False: ConfigMaps and Secrets start nothing, and primary and canary share them (CFG-7)."""
    namespaces: tuple[str, ...] = ()
    """Where Canaries are looked after; none stands for everywhere."""
    cluster_name: str = ""
    """Shown in alerts."""
    no_cross_namespace_refs: bool = False
    quirks: frozenset[int] = frozenset()
    """Of Flagger's quirks those that are wanted: 10 (alerts without a severity are not sent), 18 (above 202 a webhook fails)."""
    minimum_interval: timedelta = timedelta(seconds=10)
    """What a shorter `spec.analysis.interval` is raised to."""
    home: str = ""
    """Where the Lease and the Secret `trimtab-key` are; empty for the namespace of the connection."""


def included_labels(labels: Mapping[str, object], prefixes: Iterable[str]) -> dict[str, str]:
    """Those that are copied to what is made from an object: with one of the prefixes, and never Flux' own."""
    wanted = tuple(prefixes)
    return {
        name: str(value)
        for name, value in labels.items()
        if FLUX not in name and ("*" in wanted or any(prefix and name.startswith(prefix) for prefix in wanted))
    }
