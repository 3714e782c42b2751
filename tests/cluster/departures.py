"""Where Trimtab departs from what Flagger did in the channels that only a cluster has; the others are in `machine/departures.py`."""

from machine.departures import Departure

OF_THE_CLUSTER: tuple[Departure, ...] = (
    Departure(
        ("service-target",),
        "final",
        "WL-7: a promotion leaves the Service of the primary its owner and its labels",
        trimtab=r"^/objects/Service/app-primary/(labels/team = |owners has Canary/app )",
    ),
)
