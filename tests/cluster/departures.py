"""Where Trimtab departs from what Flagger did in the channels that only a cluster has; the others are in `machine/departures.py`."""

from machine.departures import Departure

OF_THE_CLUSTER: tuple[Departure, ...] = (
    Departure(
        ("metric-provider-down", "rollback-blue-green", "rollback-success-rate"),
        "queries",
        "P1: due metrics are asked together, so the second is asked although the first fails",
        trimtab=r"^ histogram_quantile\( 0\.99, ",
    ),
    Departure(
        ("failed-promotion",),
        "pods",
        "R12, ADR 2: after a failed promotion the primary is put back to its last ready revision",
        trimtab=r'"reads": "configmap/app-config-primary=241889ca0604e333", "started": "app-primary"}$',
    ),
    Departure(
        ("image-reverted-after-failure",),
        "final",
        "QUIRK-11, R11: hashes are recorded by the decision that uses them; putting back the promoted template is none",
        flagger=r'^/canaries/app/status/lastAppliedSpec = "<spec-1>"$',
        trimtab=r'^/canaries/app/status/lastAppliedSpec = "<spec-2>"$',
    ),
    Departure(
        ("service-target",),
        "final",
        "WL-7: a promotion leaves the Service of the primary its owner and its labels",
        trimtab=r"^/objects/Service/app-primary/(labels/team = |owners has Canary/app )",
    ),
)
