"""Where Trimtab departs from what Flagger did in a golden trace, and why. Nothing else may differ, and each row must occur.

What holds in every trace (DESIGN §6) is in the reading of `lab_compare`. A row covers lines of a diff: those that only Flagger
has and match `flagger`, those that only Trimtab has and match `trimtab`; an empty pattern covers none.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Departure:
    """One deliberate difference in one channel of some traces."""

    traces: tuple[str, ...]
    channel: str
    reason: str
    flagger: str = ""
    trimtab: str = ""


DEPARTURES = (
    Departure(
        ("confirm-promotion",),
        "status",
        "QUIRK-4: the true weight while promotion waits, and no negative iterations",
        flagger=r'"(WaitingPromotion|Promoting)", "weight": 0, "iterations": -1,',
        trimtab=r'"(WaitingPromotion|Promoting)", "weight": 40, "iterations": 0,',
    ),
    Departure(
        ("never-ready",),
        "alerts",
        "QUIRK-5: a rollback by deadline is alerted",
        trimtab=r'"text": "Progress deadline exceeded: waiting for rollout to finish: 0 of 1 .*"to": "chat"}$',
    ),
    Departure(
        ("never-ready", "never-ready-target-deadline", "skip-analysis-never-ready"),
        "events",
        "QUIRK-5, R11: a rollback by deadline is told with its reason",
        trimtab=r"^Warning: Rolling back app.test progress deadline exceeded: waiting for rollout to finish: 0 of 1 ",
    ),
    Departure(
        ("skip-analysis", "skip-analysis-never-ready"),
        "events",
        "R10: with skipAnalysis, too, initialisation waits for a primary that is ready",
        trimtab=r"^Warning: app-primary.test not ready: waiting for rollout to finish: \.\.\.$",
    ),
    Departure(
        ("skip-analysis",),
        "status",
        "R10: with skipAnalysis, too, promotion waits for a primary that is ready, so its phases are seen",
        trimtab=r'^{"phase": "(Promoting|Finalising)", "weight": 0, "iterations": 0, "failedChecks": 0, "condition": ',
    ),
    Departure(
        ("retry-after-failure",),
        "status",
        "QUIRK-11, R11: hashes are recorded by the decision that uses them, not before",
        flagger=r'"Failed".*"trackedConfigs": .*"lastAppliedSpec": "<spec-2>"|"Progressing".* progressing canary analysis\."}$',
        trimtab=r'"Progressing".* progressing canary analysis\.", "trackedConfigs": .*"lastAppliedSpec": "<spec-2>"}$',
    ),
    Departure(
        ("image-reverted-after-failure",),
        "status",
        "QUIRK-11, R11: hashes are recorded by the decision that uses them; putting back the promoted template is none",
        flagger=r'"Failed".*"lastAppliedSpec": "<spec-1>"}$',
    ),
    Departure(
        ("failed-promotion",),
        "workload app-primary",
        "R12, ADR 2: after a failed promotion the primary is put back to its last ready revision",
        trimtab=r'"flaggerId": "id-3"',
    ),
    Departure(
        ("hook-retries-and-timeout",),
        "events",
        "G1: how a timeout is called is Go's text in Flagger",
        flagger=r"/slow\": context deadline exceeded \(Client\.Timeout exceeded while awaiting headers\)$",
        trimtab=r"/slow\": no answer within 1 s$",
    ),
    Departure(
        ("mandatory-config-missing",),
        "events",
        "on one machine what is missing is told once; the operator tells it as Flagger does",
        flagger=r"^Warning: GetTargetConfigs failed: (configmap app-config\.test get query error: ){2}",
        trimtab=r"^Warning: GetTargetConfigs failed: configmap app-config\.test get query error: configmaps ",
    ),
)

UNPLAYED = {
    "delete": "deletion of the Canary: owned objects are collected by the cluster (DEL-1)",
    "delete-with-revert": "deletion of the Canary: finalizer and revert belong to the operator (DEL-2)",
    "existing-virtualservice": "deletion of the Canary, and a route object that was there before",
    "istio-service-rollback": "a target of kind Service has no pods and no configs; its Services are the operator's (WL-7)",
    "selector-unknown": "which label of the target the operator's Services select by is the operator's",
    "service-options": "a Service that the operator made is edited; nothing is rolled out",
    "service-target": "a target of kind Service has no pods and no configs; its Services are the operator's (WL-7)",
    "target-missing": "after the missing target, all it is about is which label of the target the operator's Services select by",
}
"""Traces that cannot be played at this level at all, and why."""
