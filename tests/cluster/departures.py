"""Where Trimtab departs from what Flagger did in the channels that only a cluster has; the others are in `machine/departures.py`."""

from machine.departures import Departure

OF_THE_CLUSTER: tuple[Departure, ...] = (
    Departure(
        (
            "ab-gatewayapi-rolled-back",
            "ab-istio-source-labels-rolled-back",
            "autoscaler-behavior",
            "confirm-rollout-then-bad",
            "event-hook-rolled-back",
            "istio-mirror-rolled-back",
            "istio-options",
            "istio-service-rollback",
            "metric-provider-down",
            "metrics-range-broken",
            "rollback-blue-green",
            "rollback-success-rate",
            "secret-env",
            "session-affinity-gatewayapi-rolled-back",
        ),
        "queries",
        "P1: due metrics are asked together, so the second is asked although the first fails",
        trimtab=r"^ histogram_quantile\( 0\.99, ",
    ),
    Departure(
        ("ab-nginx-regex-rolled-back", "metrics-of-nginx", "nginx-rolled-back"),
        "queries",
        "P1: due metrics are asked together, so the second is asked although the first fails",
        trimtab=r"^ sum\( rate\( nginx_ingress_controller_response_duration_seconds_sum",
    ),
    Departure(
        ("retry-after-failure",),
        "queries",
        "C6, ADR 20: what was counted of the canary before is not asked for again",
        trimtab=r"^ (sum\( rate\( istio_requests_total|histogram_quantile\( 0\.99, ).*\[\d+s\] .* -> ",
    ),
    Departure(
        ("retry-after-failure",),
        "queries",
        "C6, ADR 20: what was counted of the canary before is not asked for again",
        flagger=r"^ sum\( rate\( istio_requests_total.*\[1m\] \) \) \* 100 -> 99\.9$",
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
        ("delete-with-revert", "existing-virtualservice"),
        "status",
        "DEL-2: the finalizer is put on before anything is touched, and so before the first status",
        flagger=r'^{"phase": "Initializing", "weight": 0, "iterations": 0, "failedChecks": 0}$',
    ),
    Departure(
        ("existing-virtualservice",),
        "routes",
        "QUIRK-12, RT-I6: a VirtualService that was there keeps its labels, and its spec is put back without weights that it never had",
        flagger=r'^{"kind": "VirtualService", "name": "app", "rules": ',
        trimtab=r'^{"kind": "VirtualService", "labels": {"team": "red"}, "name": "app", "rules": ',
    ),
    Departure(
        ("existing-virtualservice",),
        "final",
        "QUIRK-12, RT-I6: a VirtualService that was there keeps its labels, and its spec is put back without weights that it never had",
        flagger=r"^/objects/VirtualService/app/(annotations/flagger\..*/original-configuration|spec/http\[0\]/route\[0\]/weight) = ",
        trimtab=r"^/objects/VirtualService/app/(annotations/(flagger\..*/original-configuration|example\.com/note)|labels/team) = ",
    ),
    Departure(
        ("service-target",),
        "final",
        "WL-7: a promotion leaves the Service of the primary its owner and its labels",
        trimtab=r"^/objects/Service/app-primary/(labels/team = |owners has Canary/app )",
    ),
)
