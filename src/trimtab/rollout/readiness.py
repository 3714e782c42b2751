"""Is a copy of the workload ready, and may it still take its time? (WL-5, WL-6) Called by the phases."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from trimtab.model.facts import Copy
from trimtab.model.revision import Revision

DAEMON_SET = "DaemonSet"
"""It has no progress deadline of its own, so what its lateness is called is ours to say, in Flagger's words (WL-6)."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """`text` says what is waited for; `overdue` that it has taken longer than its deadline."""

    ready: bool
    text: str = ""
    overdue: bool = False
    deadline: datetime | None = None
    """When it will be overdue."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of a copy: its revision, the percentage of pods, how long it may take, and since when that counts."""

    name: str
    revision: Revision
    threshold: int
    patience: timedelta
    since: datetime


def readiness(copy: Copy, demand: Demand, now: datetime) -> Readiness:
    """Compares a copy with what is asked of it. A copy without pods is never ready (QUIRK-6)."""
    text = missing(copy, demand)
    if not text:
        return Readiness(True)
    since = max(copy.since, demand.since) if copy.since is not None else demand.since
    deadline = since + demand.patience
    if copy.stalled:
        return Readiness(False, f'{copy.kind.lower()} "{demand.name}" exceeded its progress deadline', True)
    overdue = now >= deadline
    if overdue and copy.kind == DAEMON_SET:
        return Readiness(False, f"exceeded its progressDeadlineSeconds: {demand.patience.total_seconds():.0f}", True, deadline)
    return Readiness(False, f"waiting for rollout to finish: {text}", overdue, deadline)


def missing(copy: Copy, demand: Demand) -> str:
    """What keeps a copy from being ready, in Flagger's words; empty when it is."""
    if not copy.observed or copy.revision != demand.revision.id:
        return f"observed {copy.kind.lower()} generation less than desired generation"
    if not copy.desired:
        return "it is scaled to zero"
    if copy.updated < copy.desired:
        return f"{copy.updated} out of {copy.desired} new replicas have been updated"
    if copy.total > copy.updated:
        return f"{copy.total - copy.updated} old replicas are pending termination"
    if copy.available < copy.updated * demand.threshold // 100:
        return f"{copy.available} of {copy.updated} (readyThreshold {demand.threshold}%) updated replicas are available"
    return ""
